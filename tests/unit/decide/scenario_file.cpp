#include "tests/unit/decide/scenario_file.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <set>
#include <stdexcept>

#include "controller/decide/evidence_digest.hpp"

namespace rls::decide {
namespace {

Time time_of(const YAML::Node& node) {
  const auto time = parse_rfc3339(node.as<std::string>());
  if (!time) throw std::runtime_error("not a time: " + node.as<std::string>());
  return *time;
}
Phase phase_of(const YAML::Node& node) {
  const auto phase = parse_phase(node.as<std::string>());
  if (!phase) throw std::runtime_error("not a phase: " + node.as<std::string>());
  return *phase;
}
Duration duration_of(const YAML::Node& node) {
  const auto duration = parse_duration(node.as<std::string>());
  if (!duration) throw std::runtime_error("not a duration: " + node.as<std::string>());
  return *duration;
}

/// Notes each key of `node` that is not in `known` as something for later.
void note_unknown(const YAML::Node& node, const std::string& prefix, const std::set<std::string>& known,
                  std::vector<std::string>& later) {
  for (const auto& entry : node) {
    const auto key = entry.first.as<std::string>();
    if (!known.contains(key)) later.push_back(prefix + key);
  }
}

std::vector<api::WindowSpec> windows_of(const YAML::Node& nodes) {
  std::vector<api::WindowSpec> out;
  for (const auto& node : nodes) {
    out.push_back({node["schedule"].as<std::string>(), duration_of(node["duration"]),
                   node["timeZone"] ? node["timeZone"].as<std::string>() : "UTC"});
  }
  return out;
}

std::vector<api::CheckSpec> checks_of(const YAML::Node& nodes) {
  std::vector<api::CheckSpec> out;
  for (const auto& node : nodes) {
    api::CheckSpec check{.name = node["name"].as<std::string>(), .phases = {}};
    for (const auto& phase : node["phases"]) check.phases.push_back(phase_of(phase));
    if (node["every"]) check.every = duration_of(node["every"]);
    if (node["onFailure"] && node["onFailure"].as<std::string>() == "Rollback")
      check.on_failure = api::CheckSpec::OnFailure::rollback;
    out.push_back(std::move(check));
  }
  return out;
}

void read_spec(const YAML::Node& spec, Scenario& row) {
  note_unknown(spec, "spec.", {"phase", "gates", "suspend", "drift", "group", "overrides"}, row.later);
  row.migration.meta.uid = "u1";
  row.migration.spec.project = "sm";
  row.migration.spec.phase = phase_of(spec["phase"]);
  if (spec["suspend"]) row.migration.spec.suspend = spec["suspend"].as<bool>();
  if (spec["drift"] && spec["drift"].as<std::string>() == "Revert") {
    row.migration.spec.drift = api::DriftPolicy::revert;
  }
  if (const YAML::Node group = spec["group"]) {
    row.migration.spec.group =
        api::GroupSpec{group["name"].as<std::string>(), group["members"].as<std::vector<std::string>>()};
  }
  for (const auto& node : spec["overrides"]) {
    row.migration.spec.overrides.push_back({node["gates"].as<std::vector<std::string>>(),
                                            node["reason"].as<std::string>(), time_of(node["expires"])});
  }
  if (const YAML::Node gates = spec["gates"]) {
    note_unknown(gates, "spec.gates.",
                 {"shadowSoak", "enforcingSoak", "maxViolations", "minTransactions", "review", "approvals",
                  "windows", "checks"},
                 row.later);
    for (const auto& approval : gates["approvals"])
      row.migration.spec.gates.approvals[phase_of(approval.first)] = approval.second.as<std::int64_t>();
    row.migration.spec.gates.windows = windows_of(gates["windows"]);
    row.migration.spec.gates.checks = checks_of(gates["checks"]);
    if (gates["shadowSoak"]) row.migration.spec.gates.shadow_soak = duration_of(gates["shadowSoak"]);
    if (gates["enforcingSoak"]) row.migration.spec.gates.enforcing_soak = duration_of(gates["enforcingSoak"]);
    if (gates["maxViolations"])
      row.migration.spec.gates.max_violations = gates["maxViolations"].as<std::int64_t>();
    if (gates["minTransactions"])
      row.migration.spec.gates.min_transactions = gates["minTransactions"].as<std::int64_t>();
    if (gates["review"])
      row.migration.spec.gates.review_required = gates["review"].as<std::string>() == "Required";
  }
}

void read_floor(const YAML::Node& node, Scenario& row) {
  note_unknown(
      node, "minimumGates.",
      {"shadowSoak", "enforcingSoak", "maxViolations", "minTransactions", "review", "approvals", "checks"},
      row.later);
  api::MinimumGates& floor = row.policy.minimum_gates;
  if (node["shadowSoak"]) floor.shadow_soak = duration_of(node["shadowSoak"]);
  if (node["enforcingSoak"]) floor.enforcing_soak = duration_of(node["enforcingSoak"]);
  if (node["maxViolations"]) floor.max_violations = node["maxViolations"].as<std::int64_t>();
  if (node["minTransactions"]) floor.min_transactions = node["minTransactions"].as<std::int64_t>();
  if (node["review"]) floor.review_required = node["review"].as<std::string>() == "Required";
  floor.checks = checks_of(node["checks"]);
  for (api::CheckSpec& check : floor.checks) check.demanded_by = api::CheckSpec::DemandedBy::database;
  for (const auto& approval : node["approvals"])
    floor.approvals[phase_of(approval.first)] = approval.second.as<std::int64_t>();
}

DatabaseState database_of(const std::string& text) {
  if (text == "ok") return DatabaseState::ok;
  if (text == "unreachable") return DatabaseState::unreachable;
  if (text == "standby") return DatabaseState::not_primary;
  if (text == "otherSystem") return DatabaseState::changed;
  if (text == "claimed") return DatabaseState::claimed;
  if (text == "unusable") return DatabaseState::unusable;
  throw std::runtime_error("not a database state: " + text);
}

std::string reason_of(DatabaseState state) {
  switch (state) {
    case DatabaseState::ok: return "";
    case DatabaseState::unreachable: return "DatabaseUnreachable";
    case DatabaseState::not_primary: return "NotPrimary";
    case DatabaseState::changed: return "DatabaseChanged";
    case DatabaseState::claimed: return "Claimed";
    case DatabaseState::unusable: return "MissingTable";
  }
  return "";
}

void read_observed(const YAML::Node& seen, Scenario& row) {
  note_unknown(seen, "observed.",
               {"phase",
                "since",
                "violations",
                "database",
                "project",
                "hold",
                "lastOurs",
                "specLoweredSince",
                "conflictWithOlder",
                "evidence",
                "frozen",
                "policiesChangedAt",
                "driftNumber",
                "acceptedBefore",
                "transactions",
                "posture",
                "approvals",
                "approvalPolicyBound",
                "overridePolicyBound",
                "group",
                "checks",
                "wave",
                "resumed",
                "managed",
                "notOkFor",
                "recordedSince"},
               row.later);
  Observation& out = row.observed;
  out.managed = !seen["managed"] || seen["managed"].as<bool>();
  out.transactions = 5000;
  if (const YAML::Node transactions = seen["transactions"]) {
    out.transactions.reset();
    if (transactions.as<std::string>() != "unknown") out.transactions = transactions.as<std::int64_t>();
  }
  out.database = seen["database"] ? database_of(seen["database"].as<std::string>()) : DatabaseState::ok;
  out.database_reason = reason_of(out.database);
  if (seen["notOkFor"]) out.not_ok_for = duration_of(seen["notOkFor"]);
  out.project_known = !seen["project"] || seen["project"].as<std::string>() != "missing";
  out.evidence.state = Evidence::State::complete;
  if (const YAML::Node evidence = seen["evidence"]) {
    out.evidence = {Evidence::State::incomplete, false, evidence["why"].as<std::string>()};
  }
  if (const YAML::Node frozen = seen["frozen"]) {
    row.policy.freeze = api::Freeze{frozen["reason"].as<std::string>(), std::nullopt};
    if (frozen["until"]) row.policy.freeze->until = time_of(frozen["until"]);
  }
  if (seen["recordedSince"]) out.recorded_since = time_of(seen["recordedSince"]);
  if (seen["policiesChangedAt"]) out.policies_changed_at = time_of(seen["policiesChangedAt"]);
  if (seen["phase"]) out.phase = phase_of(seen["phase"]);
  if (seen["since"]) out.phase_since = time_of(seen["since"]);
  out.last_ours = seen["lastOurs"] ? phase_of(seen["lastOurs"]) : out.phase;
  if (out.last_ours != out.phase) {
    // What was aimed at when the drift was seen: more than now, where the spec was lowered since.
    const bool lowered = seen["specLoweredSince"] && seen["specLoweredSince"].as<bool>();
    out.drift_number = seen["driftNumber"] ? seen["driftNumber"].as<std::int64_t>() : 3;
    out.accepted_before = seen["acceptedBefore"] && seen["acceptedBefore"].as<bool>();
    out.wanted_at_drift = lowered ? Phase::complete : row.migration.spec.phase;
  }
  if (seen["conflictWithOlder"]) out.conflict_with_older = seen["conflictWithOlder"].as<std::string>();
  if (const YAML::Node hold = seen["hold"]) {
    out.hold = HoldRow{phase_of(hold["at"]), hold["by"].as<std::string>()};
  }
  if (seen["resumed"]) out.resume_followed = seen["resumed"].as<std::string>() == row.migration.resume;
  out.posture.emplace();
  if (const YAML::Node posture = seen["posture"]; posture && posture.IsScalar()) {
    out.posture.reset();  // "unknown"
  } else if (posture) {
    out.posture->blocking = posture["critical"].as<std::int64_t>();
    out.posture->worst = "a critical finding";
  }
  const auto guard = [&](const char* key) -> Guard {
    const bool bound = !seen[key] || seen[key].as<bool>();
    return {bound, bound ? "" : "the policy is not bound"};
  };
  out.approval_guard = guard("approvalPolicyBound");
  out.override_guard = guard("overridePolicyBound");
  for (const auto& member : seen["group"]) {
    const auto how = member.second.as<std::string>();
    out.group.push_back({member.first.as<std::string>(),
                         how == "eligible"      ? GroupMember::State::ready
                         : how == "missing"     ? GroupMember::State::missing
                         : how == "listsDiffer" ? GroupMember::State::lists_differ
                                                : GroupMember::State::waiting,
                         how});
  }
  for (const auto& check : seen["checks"]) {
    const auto how = check.second.as<std::string>();
    out.checks[check.first.as<std::string>()] = {how == "passed"   ? CheckState::State::passed
                                                 : how == "failed" ? CheckState::State::failed
                                                                   : CheckState::State::unknown,
                                                 how};
  }
  if (const YAML::Node wave = seen["wave"]) {
    out.wave = WaveState{.rollout = "all",
                         .name = wave["name"].as<std::string>(),
                         .open = wave["open"].as<bool>(),
                         .frozen = wave["frozen"] && wave["frozen"].as<bool>(),
                         .why = wave["why"] ? wave["why"].as<std::string>() : "",
                         .members = {}};
    if (wave["thawsAt"]) out.wave->thaws_at = time_of(wave["thawsAt"]);
  }
  for (const auto& approval : seen["approvals"]) {
    Approval given{.phase = phase_of(approval["phase"]),
                   .approver = approval["approver"].as<std::string>(),
                   .digest = approval["digest"].as<std::string>()};
    if (approval["expires"]) given.expires = time_of(approval["expires"]);
    out.approvals.push_back(std::move(given));
  }
  for (const auto& violation : seen["violations"]) {
    note_unknown(violation, "observed.violations.", {"fingerprint", "count", "last", "verdict"}, row.later);
    const Time last = time_of(violation["last"]);
    std::string verdict;
    if (const YAML::Node said = violation["verdict"]) {
      verdict = said["kind"].as<std::string>();
      const Time at = time_of(said["at"]);
      if (verdict == "fixed") {
        out.fixed_at = out.fixed_at ? std::max(*out.fixed_at, at) : at;
        if (last <= at) continue;  // it is; else it came again
        verdict.clear();
      }
    }
    if (last <= out.phase_since) continue;  // only what was recorded in this phase is observed
    if (verdict == "false-positive") continue;
    if (verdict.empty()) ++out.unreviewed;
    out.violations.count += violation["count"].as<std::int64_t>();
    if (!out.violations.last || *out.violations.last < last) out.violations.last = last;
  }
}

void read_expectation(const YAML::Node& expect, Scenario& row) {
  note_unknown(expect, "expect.",
               {"step", "targetReached", "stalled", "drifted", "ready", "reason", "gates", "eligibleAt",
                "recheckAt", "cleanSince", "latch", "held", "overridden", "reconciling", "says"},
               row.later);
  Expectation& out = row.expect;
  if (expect["step"]) out.step = expect["step"].as<std::string>();
  if (expect["targetReached"]) out.target_reached = expect["targetReached"].as<bool>();
  if (expect["stalled"]) out.stalled = expect["stalled"].as<bool>();
  if (expect["drifted"]) out.drifted = expect["drifted"].as<bool>();
  if (expect["ready"]) out.ready = expect["ready"].as<std::string>();
  if (expect["reason"]) out.reason = expect["reason"].as<std::string>();
  if (expect["eligibleAt"]) out.eligible_at = time_of(expect["eligibleAt"]);
  if (const YAML::Node at = expect["recheckAt"]) {
    out.recheck_at.emplace();
    if (at.as<std::string>() != "never") *out.recheck_at = time_of(at);
  }
  if (expect["cleanSince"]) out.clean_since = time_of(expect["cleanSince"]);
  if (expect["latch"]) out.latch = phase_of(expect["latch"]);
  if (expect["held"]) out.held = expect["held"].as<bool>();
  if (expect["overridden"]) out.overridden = expect["overridden"].as<bool>();
  if (expect["reconciling"]) out.reconciling = expect["reconciling"].as<bool>();
  for (const auto& gate : expect["says"])
    out.says.emplace_back(gate.first.as<std::string>(), gate.second.as<std::string>());
  for (const auto& gate : expect["gates"]) {
    const auto name = gate.first.as<std::string>();
    out.gates.emplace_back(name, gate.second.as<std::string>());
  }
}

}  // namespace

std::vector<Scenario> load_scenarios(const std::string& path) {
  const YAML::Node file = YAML::LoadFile(path);
  const Time now = time_of(file["now"]);
  std::vector<Scenario> scenarios;
  for (const auto& node : file["rows"]) {
    Scenario row;
    row.name = node["name"].as<std::string>();
    note_unknown(node, "", {"name", "now", "spec", "observed", "expect", "annotations", "minimumGates"},
                 row.later);
    if (const YAML::Node floor = node["minimumGates"]) read_floor(floor, row);
    for (const auto& annotation : node["annotations"]) {
      if (annotation.first.as<std::string>() == "resume") {
        row.migration.resume = annotation.second.as<std::string>();
      } else if (annotation.first.as<std::string>() == "hold-at") {
        row.migration.hold_at = parse_phase(annotation.second.as<std::string>());
        if (!row.migration.hold_at) row.migration.hold_at_unreadable = annotation.second.as<std::string>();
      } else if (annotation.first.as<std::string>() == "adopt-phase") {
        row.migration.adopt_phase = annotation.second.as<std::string>();
      } else {
        row.later.push_back("annotation " + annotation.first.as<std::string>());
      }
    }
    row.observed.now = node["now"] ? time_of(node["now"]) : now;
    read_spec(node["spec"], row);
    read_observed(node["observed"], row);
    read_expectation(node["expect"], row);
    const std::string digest = evidence_digest(row.migration, row.policy, row.observed);
    for (Approval& given : row.observed.approvals) {
      if (given.digest == "current") given.digest = digest;
    }
    scenarios.push_back(std::move(row));
  }
  return scenarios;
}

}  // namespace rls::decide
