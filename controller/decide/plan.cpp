#include "controller/decide/plan.hpp"

#include <algorithm>

#include "controller/base/text.hpp"
#include "controller/decide/evidence_digest.hpp"
#include "controller/decide/gates.hpp"

namespace rls::decide {
namespace {

std::string name_of(Phase phase) { return std::string(to_string(phase)); }

/// The phase aimed at: the lowest of what the spec, the annotation and the hold row say.
Phase aim(const api::RlsMigration& migration, const Observation& seen) {
  const Phase asked = asked_phase(migration);
  return seen.hold ? std::min(asked, seen.hold->at) : asked;
}

/// Where the database may not be believed, nothing is decided; the plan only says why.
bool settle_untrusted_database(const api::RlsMigration& migration, const api::DatabasePolicy& policy,
                               const Observation& seen, Plan& plan) {
  switch (seen.database) {
    case DatabaseState::ok: return false;
    case DatabaseState::unreachable:
      plan.standing =
          seen.not_ok_for < kUnreachableGrace ? Standing::unreachable : Standing::unreachable_long;
      break;
    case DatabaseState::not_primary: plan.standing = Standing::not_primary; break;
    case DatabaseState::changed: plan.standing = Standing::database_changed; break;
    case DatabaseState::claimed: plan.standing = Standing::claimed; break;
    case DatabaseState::unusable: plan.standing = Standing::unusable; break;
  }
  plan.message = seen.database_message;
  if (seen.project_known && seen.phase < migration.spec.phase) {
    plan.gates = evaluate_gates({migration, policy, seen, next_phase(seen.phase)});
  } else {
    plan.gates = {gates::database({migration, policy, seen, migration.spec.phase})};
  }
  return true;
}

std::string reason_down(const api::RlsMigration& migration, const Observation& seen, Phase to) {
  if (migration.spec.phase == to) return "spec.phase lowered to " + name_of(to);
  if (migration.hold_at && *migration.hold_at == to) {
    return "held at " + name_of(to) + " by annotation " + std::string(api::kHoldAtAnnotation);
  }
  return "held at " + name_of(to) + " in the database by " + quoted(seen.hold ? seen.hold->by : "", 60);
}

void go_down(Plan& plan, Phase to, std::string reason) {
  plan.step = StepKind::down;
  plan.to = to;
  plan.step_reason = std::move(reason);
  plan.standing = Standing::moving;
  plan.message = "going down to " + name_of(to) + ": " + plan.step_reason;
}

/// A check that goes on after the step, and takes the project back where it fails.
const api::CheckSpec* failed_watch(const std::vector<api::CheckSpec>& checks, const Observation& seen) {
  if (seen.phase < Phase::enforcing) return nullptr;
  for (const api::CheckSpec& check : checks) {
    if (!check.every || check.on_failure != api::CheckSpec::OnFailure::rollback) continue;
    const auto result = seen.checks.find(check.id());
    if (guards(check, seen.phase) && result != seen.checks.end() &&
        result->second.state == CheckState::State::failed) {
      return &check;
    }
  }
  return nullptr;
}

/// Down to shadow, and held there: without the hold it would climb again by itself.
void go_down_for_check(const api::CheckSpec& check, const Observation& seen, Plan& plan) {
  go_down(plan, std::min(plan.target, Phase::shadow),
          "check " + shown(check) + " failed: " + seen.checks.at(check.id()).message);
  plan.standing = Standing::check_failed;
  plan.latch = HoldRow{Phase::shadow, std::string(kCheckHolds) + check.id()};
  plan.held = true;
}

/// A person asks by annotation that the hold of the database be cleared. Each value counts once; what is
/// above its target goes down first.
bool settle_resume(const api::RlsMigration& migration, const Observation& seen, Plan& plan) {
  if (migration.resume.empty() || seen.resume_followed) return false;
  if (seen.phase > plan.target && seen.phase <= seen.last_ours) return false;
  plan.step = StepKind::resume;
  plan.to = seen.phase;
  plan.step_reason = "resumed by annotation " + std::string(api::kResumeAnnotation);
  plan.standing = Standing::moving;
  plan.message = "clearing the hold in the database";
  return true;
}

/// A person's yes to the raise that stands, by annotation. It counts once: for the first time that a raise of
/// the project to this phase is accepted its name will do, later the raise is told by its number
/// (docs/adr/0006).
bool accepts(const api::RlsMigration& migration, const Observation& seen) {
  const std::string phase = name_of(seen.phase);
  if (seen.drift_number == 0) return false;
  if (migration.adopt_phase == phase) return !seen.accepted_before;
  return migration.adopt_phase == phase + "@" + std::to_string(seen.drift_number);
}

/// How the raise that stands may be accepted.
std::string how_to_accept(const api::RlsMigration& migration, const Observation& seen, Phase target) {
  if (seen.drift_number == 0) return {};
  const std::string phase = name_of(seen.phase);
  std::string out;
  if (!migration.adopt_phase.empty() && seen.phase <= target) {
    out = "; annotation " + std::string(api::kAdoptPhaseAnnotation) + "=" +
          quoted(migration.adopt_phase, 60) +
          (migration.adopt_phase == phase ? " was used up by an earlier raise" : " does not name this raise");
  }
  out += seen.phase > target ? "; to accept it, first raise what keeps the project at " + name_of(target) +
                                   " (spec.phase or a hold), then run: "
                             : "; to accept it, run: ";
  return out + "kubectl --namespace " + migration.meta.name.ns + " annotate rlsmigration " +
         migration.meta.name.name + " " + std::string(api::kAdoptPhaseAnnotation) + "=" + phase + "@" +
         std::to_string(seen.drift_number) + " --overwrite";
}

/// Somebody else moved the project. Raised: nothing but a newly lowered target moves it (Report), or it is
/// taken back (Revert); it never climbs on, because what somebody else raised is not earned. Lowered: safe,
/// and it climbs again on a new clock. True where the plan is settled.
bool settle_drift(const api::RlsMigration& migration, const Observation& seen, Plan& plan) {
  plan.drifted = seen.phase != seen.last_ours;
  if (!plan.drifted) return false;
  const bool raised = seen.phase > seen.last_ours;
  plan.drift_message = "the phase in the database is " + name_of(seen.phase) + ", the operator left it at " +
                       name_of(seen.last_ours) + ": somebody else " + (raised ? "raised" : "lowered") + " it";
  if (!raised) return false;

  // Above the target it would be taken down the next moment: that is no acceptance.
  if (seen.phase <= plan.target && accepts(migration, seen)) {
    plan.step = StepKind::accept;
    plan.to = seen.phase;
    plan.step_reason = "accepted by annotation " + std::string(api::kAdoptPhaseAnnotation);
    plan.standing = Standing::moving;
    plan.message = "accepting " + name_of(seen.phase) + ", which somebody else set";
    return true;
  }
  const bool lowered_since = seen.wanted_at_drift && plan.target < *seen.wanted_at_drift;
  if (seen.phase > plan.target && lowered_since) {
    go_down(plan, plan.target, reason_down(migration, seen, plan.target));
  } else if (migration.spec.drift == api::DriftPolicy::revert) {
    go_down(plan, std::min(plan.target, seen.last_ours), "drift reverted: " + plan.drift_message);
  } else {
    plan.standing = Standing::drifted;
    plan.message = plan.drift_message + "; lower spec.phase, or set spec.drift to Revert, to take it back" +
                   how_to_accept(migration, seen, plan.target);
  }
  return true;
}

std::string list_of(const std::vector<std::string_view>& names) {
  std::string out;
  for (const std::string_view name : names) {
    if (!out.empty()) out += ", ";
    out += name;
  }
  return out;
}

bool asks_violations(const std::vector<GateResult>& gates) {
  return std::any_of(gates.begin(), gates.end(),
                     [](const GateResult& gate) { return gate.name == "Violations"; });
}

void take_earlier(std::optional<Time>& earliest, const std::optional<Time>& time, Time now) {
  if (time && *time > now && (!earliest || *time < *earliest)) earliest = time;
}

/// What the gates of the next step say, and when they may say something else by time alone.
void show_gates(const api::RlsMigration& migration, const api::DatabasePolicy& policy,
                const Observation& seen, Plan& plan) {
  plan.gates = evaluate_gates({migration, policy, seen, next_phase(seen.phase)});
  if (required_gates({migration, policy, seen, next_phase(seen.phase)}).approvals[next_phase(seen.phase)] > 0)
    plan.evidence_digest = evidence_digest(migration, policy, seen);
  for (const GateResult& gate : plan.gates) {
    take_earlier(plan.recheck_at, gate.passes_at, seen.now);
    if (gate.name == "SoakTime" && !gate.open()) plan.eligible_at = gate.passes_at;
    if (gate.state != api::GateState::overridden) continue;
    // What the gate itself says below may change each moment: it is told by the gate alone.
    plan.overridden += (plan.overridden.empty() ? "" : "; ") + std::string(gate.name) + " " +
                       gate.message.substr(0, gate.message.find(kOverriddenElse));
  }
}

const GateResult* find_closed(const Plan& plan, std::string_view name) {
  const auto found = std::find_if(plan.gates.begin(), plan.gates.end(),
                                  [&](const GateResult& gate) { return gate.name == name && !gate.open(); });
  return found == plan.gates.end() ? nullptr : &*found;
}

void weigh_step_up(const api::RlsMigration& migration, const api::DatabasePolicy& policy,
                   const Observation& seen, Plan& plan) {
  const Phase next = next_phase(seen.phase);
  show_gates(migration, policy, seen, plan);
  const GateResult* hold = find_closed(plan, "Hold");
  plan.held = hold != nullptr;

  if (hold != nullptr) {
    const bool by_check = seen.hold && seen.hold->by_check() && seen.hold->at < next;
    plan.standing = by_check ? Standing::check_failed : Standing::held;
    plan.message = hold->message;
  } else if (migration.spec.suspend) {
    plan.standing = Standing::suspended;
    plan.message = "spec.suspend stops promotions; demotions still happen";
  } else if (const auto blocked = plan.blocked_by(); !blocked.empty()) {
    plan.standing = Standing::awaiting_gates;
    plan.message =
        "waiting to go from " + name_of(seen.phase) + " to " + name_of(next) + " at " + list_of(blocked);
  } else if (!seen.violations_exact && asks_violations(plan.gates)) {
    plan.needs_exact_count = true;
    plan.standing = Standing::awaiting_gates;
    plan.message = "counting the violations before going up to " + name_of(next);
  } else {
    plan.step = StepKind::up;
    plan.to = next;
    plan.step_reason =
        plan.overridden.empty() ? "all gates passed" : "all gates passed but " + plan.overridden;
    plan.standing = Standing::moving;
    plan.message = "going up to " + name_of(next);
  }
}

}  // namespace

Phase asked_phase(const api::RlsMigration& migration) {
  return migration.hold_at ? std::min(migration.spec.phase, *migration.hold_at) : migration.spec.phase;
}

std::vector<std::string_view> Plan::blocked_by() const {
  std::vector<std::string_view> names;
  for (const GateResult& gate : gates) {
    if (!gate.open()) names.push_back(gate.name);
  }
  return names;
}

Plan decide(const api::RlsMigration& migration, const api::DatabasePolicy& policy, const Observation& seen) {
  Plan plan;
  plan.target = aim(migration, seen);

  if (!migration.spec_problem.empty()) {
    plan.standing = Standing::invalid_spec;
    plan.message = migration.spec_problem;
    return plan;
  }
  if (seen.conflict_with_older) {
    plan.standing = Standing::conflict;
    plan.message = "project " + quoted(migration.spec.project, 60) +
                   " already belongs to the older RlsMigration " + quoted(*seen.conflict_with_older, 80) +
                   ": delete one of the two";
    return plan;
  }
  if (settle_untrusted_database(migration, policy, seen, plan)) return plan;
  if (!seen.project_known) {
    plan.standing = Standing::unknown_project;
    plan.message = seen.project_message;
    return plan;
  }

  if (migration.spec.access && !seen.managed) {
    plan.standing = Standing::invalid_spec;
    plan.message =
        "spec.access: the database's runtime is adopted, whose registry the operator does not change: remove "
        "it";
    return plan;
  }
  plan.clean_since = clean_since(seen);
  for (const auto* checks : {&migration.spec.gates.checks, &policy.minimum_gates.checks}) {
    const api::CheckSpec* check = failed_watch(*checks, seen);
    if (check == nullptr) continue;
    go_down_for_check(*check, seen, plan);
    return plan;
  }
  if (settle_resume(migration, seen, plan)) return plan;
  if (settle_drift(migration, seen, plan)) return plan;
  if (seen.phase > plan.target) {
    go_down(plan, plan.target, reason_down(migration, seen, plan.target));
    return plan;
  }
  if (!migration.hold_at_unreadable.empty()) {
    if (seen.phase < migration.spec.phase) show_gates(migration, policy, seen, plan);
    plan.standing = Standing::invalid_hold;
    plan.message =
        "annotation " + std::string(api::kHoldAtAnnotation) + " is " +
        quoted(migration.hold_at_unreadable, 60) +
        ": set it to pending, shadow, enforcing or complete, or remove it; until then nothing is promoted";
    return plan;
  }
  if (seen.phase == migration.spec.phase) {
    plan.target_reached = !plan.drifted;
    plan.standing = plan.drifted ? Standing::drifted : Standing::target_reached;
    plan.message = plan.drifted ? plan.drift_message : "the project is in " + name_of(seen.phase);
    return plan;
  }
  weigh_step_up(migration, policy, seen, plan);
  return plan;
}

}  // namespace rls::decide
