#include "controller/reconcile/status.hpp"

#include <algorithm>

#include "controller/api/limits.hpp"
#include "controller/base/text.hpp"

namespace rls::reconcile {
namespace {

Time to_seconds(Time time) { return std::chrono::floor<std::chrono::seconds>(time); }

std::string joined(const std::vector<std::string_view>& names) {
  std::string out;
  for (const std::string_view name : names) {
    if (!out.empty()) out += ',';
    out += name;
  }
  return out;
}

std::vector<api::GateStatus> gates_of(const decide::Plan& plan, const std::vector<api::GateStatus>& before,
                                      Time now) {
  std::vector<api::GateStatus> gates;
  for (const decide::GateResult& result : plan.gates) {
    api::GateStatus gate;
    gate.name = result.name;
    gate.state = result.state;
    gate.since = to_seconds(now);
    for (const api::GateStatus& old : before) {
      if (old.name == gate.name && old.state == gate.state) gate.since = old.since;
    }
    if (result.state != api::GateState::passed) {
      gate.observed = result.observed;
      gate.required = result.required;
      gate.message = result.message;
    }
    gates.push_back(std::move(gate));
  }
  return gates;
}

/// While the database cannot be looked at: what the gates said last, but for what is known now.
void mark_gates(api::MigrationStatus& status, const std::vector<api::GateStatus>& now) {
  if (status.gates.empty()) return;  // no step up is wanted
  std::string blocked;
  for (api::GateStatus& gate : status.gates) {
    for (const api::GateStatus& known : now) {
      if (known.name == gate.name) gate = known;
    }
    if (gate.state == api::GateState::passed || gate.state == api::GateState::overridden) continue;
    blocked += (blocked.empty() ? "" : ",") + gate.name;
  }
  status.blocked_by = std::move(blocked);
}

bool seen(const decide::Observation& observed) {
  return observed.database == decide::DatabaseState::ok && observed.project_known &&
         !observed.conflict_with_older;
}

struct Isolation {
  api::ConditionStatus state;
  std::string reason;
  std::string message;
};

/// What cannot be told now: Unknown where it was isolated when it was last seen, so that the end of that can
/// be told once it is known; else it is not known to be.
Isolation untold(const api::RlsDatabase& database, std::string reason, std::string message) {
  const auto* was = api::find_condition(database.status.conditions, "Isolated");
  const bool isolated = was != nullptr && was->status != api::ConditionStatus::is_false;
  return {isolated ? api::ConditionStatus::unknown : api::ConditionStatus::is_false, std::move(reason),
          std::move(message)};
}

/// Whether every session, one without a context too, is kept to its project's rows: phases restrict the
/// reader, so nobody is isolated before the last one enforces (design 3-database: what it cannot see).
Isolation isolation_of(const api::RlsDatabase& database, const DatabaseOutcome& outcome,
                       const api::DatabaseStatus& status) {
  using api::ConditionStatus;
  const api::RuntimeStatus& runtime = *status.runtime;
  const auto in = [&](Phase phase) {
    const auto found = status.projects.find(std::string(to_string(phase)));
    return found == status.projects.end() ? std::int64_t{0} : found->second;
  };
  const std::int64_t open = in(Phase::pending) + in(Phase::shadow);
  const std::int64_t all = open + in(Phase::enforcing) + in(Phase::complete);
  if (outcome.not_tended)
    return untold(database, "NotTended", "the tables could not be looked at: " + runtime.not_ready_because);
  if (!runtime.not_ready_because.empty())
    return {ConditionStatus::is_false, "TablesNotProtected", runtime.not_ready_because};
  if (!runtime.drift.empty()) return {ConditionStatus::is_false, "RuntimeChanged", runtime.drift.front()};
  if (all == 0) return {ConditionStatus::is_false, "NoProjects", "no project is registered"};
  if (open > 0) {
    return {ConditionStatus::is_false, "ProjectsOpen",
            std::to_string(open) + " of " + std::to_string(all) + " projects are below enforcing (" +
                std::to_string(in(Phase::pending)) + " pending, " + std::to_string(in(Phase::shadow)) +
                " shadow): a session in the context of one of them, or without any, reads and writes "
                "everybody's rows"};
  }
  // The tables and the sessions were looked at before it; another look follows at once.
  if (outcome.just_moved) return untold(database, "JustMoved", "a project has just moved");
  if (!runtime.old_sessions) {
    return untold(database, "SessionsNotSeen",
                  "whether sessions live by an older phase cannot be seen; run as a DBA: GRANT "
                  "pg_read_all_stats TO the operator's role");
  }
  if (*runtime.old_sessions > 0) {
    return {ConditionStatus::is_false, "OlderSessions",
            std::to_string(*runtime.old_sessions) +
                " sessions have a snapshot from before the last move and live by it until their "
                "transactions end"};
  }
  return {ConditionStatus::is_true, "EveryProjectEnforces",
          "all " + std::to_string(all) +
              " projects enforce, and all tables are protected; a session without a context sees nothing"};
}

}  // namespace

api::MigrationStatus project(const api::RlsMigration& migration, const MigrationOutcome& outcome, Time now) {
  const api::MigrationStatus& before = migration.status;
  const decide::Plan& plan = outcome.plan;
  api::MigrationStatus status = before;
  status.observed_generation = migration.meta.generation;
  status.last_handled_reconcile_at = migration.requested_at;
  status.conditions = api::with_transition_times(
      decide::conditions_of(plan, outcome.observed, migration.meta.generation, outcome.failure),
      before.conditions, now);
  // What was seen last stays while nothing can be seen: it is marked as old by Ready and TargetReached.
  if (!seen(outcome.observed)) {
    if (outcome.plan.standing == decide::Standing::unknown_project) {
      api::MigrationStatus nothing;
      nothing.observed_generation = status.observed_generation;
      nothing.last_handled_reconcile_at = std::move(status.last_handled_reconcile_at);
      nothing.conditions = std::move(status.conditions);
      api::fit(nothing);
      return nothing;
    }
    if (!outcome.observed.conflict_with_older) mark_gates(status, gates_of(plan, before.gates, now));
    api::fit(status);
    return status;
  }

  status.phase = outcome.observed.phase;
  status.phase_since = outcome.observed.phase_since;
  status.clean_since = plan.clean_since;
  status.eligible_at = plan.eligible_at;
  status.blocked_by = joined(plan.blocked_by());
  status.gates = gates_of(plan, before.gates, now);
  status.evidence_digest = plan.evidence_digest;
  if (outcome.history) status.history = *outcome.history;
  if (outcome.violations) {
    status.violations = *outcome.violations;
    // The details come from rows that may be gone meanwhile; what was counted still happened.
    status.violations->total = std::max(status.violations->total, outcome.observed.violations.count);
    status.violations->last_seen = std::max(status.violations->last_seen, outcome.observed.violations.last);
  } else if (outcome.observed.violations_known && outcome.observed.violations.count == 0) {
    status.violations = api::ViolationsStatus{};
  }
  api::fit(status);
  return status;
}

bool same_but_counters(const api::MigrationStatus& a, const api::MigrationStatus& b) {
  const auto without_counters = [](api::MigrationStatus status) {
    status.violations.reset();
    status.clean_since.reset();
    status.eligible_at.reset();
    for (api::GateStatus& gate : status.gates) {
      gate.observed.clear();
      // When the last violation was, or what value a check found. All other messages say what is waited for.
      const bool found_value = gate.name == "Checks" && gate.state == api::GateState::blocked;
      const bool counts = gate.name == "Transactions" && gate.state != api::GateState::passed;
      if (gate.name == "SoakTime" || found_value || counts) gate.message.clear();
    }
    return status;
  };
  const auto has_details = [](const api::MigrationStatus& status) {
    return status.violations && !status.violations->samples.empty();
  };
  return has_details(a) == has_details(b) && without_counters(a) == without_counters(b);
}

bool needs_history(const api::RlsMigration& migration, const decide::Observation& observed) {
  return seen(observed) && (migration.status.history.empty() || migration.status.phase != observed.phase ||
                            migration.status.phase_since != observed.phase_since ||
                            // Could not be read when the phase changed.
                            migration.status.history.front().to != observed.phase);
}

bool needs_violations(const api::RlsMigration& migration, const decide::Observation& observed) {
  if (!seen(observed) || !observed.violations_known || observed.violations.count == 0) return false;
  const auto& known = migration.status.violations;
  return !known || known->total != observed.violations.count ||
         known->last_seen != observed.violations.last ||
         // What is in the inbox still is counted, and in the details when it is drained; or somebody
         // reviewed.
         known->unreviewed != observed.unreviewed;
}

api::DatabaseStatus project(const api::RlsDatabase& database, const DatabaseOutcome& outcome, Time now) {
  using api::ConditionStatus;
  api::DatabaseStatus status = database.status;
  status.observed_generation = database.meta.generation;
  std::vector<api::Condition> conditions;
  const auto add = [&](const char* type, ConditionStatus state, std::string reason, std::string message) {
    conditions.push_back({type, state, std::move(reason), message, database.meta.generation, Time{}});
  };

  if (outcome.facts) {
    status.server_version = outcome.facts->server_version;
    status.system_identifier = outcome.facts->system_identifier;
    status.projects = outcome.projects;
    status.adopted = outcome.adopted;
    status.runtime.reset();
    status.findings.clear();
    const bool managed = outcome.runtime.has_value();
    const std::string where = "PostgreSQL " + outcome.facts->server_version + ", schema " +
                              quoted(database.spec.schema, 80) + (managed ? " managed" : " adopted");
    std::string unready;
    if (managed) {
      status.runtime = outcome.runtime->status;
      status.findings = outcome.runtime->findings;
      unready = status.runtime->not_ready_because;
    }
    add("Reachable", ConditionStatus::is_true, "Connected", "connected to the primary");
    if (!unready.empty()) {
      add("Ready", ConditionStatus::is_false, "TablesNotProtected", unready);
      add("RuntimeReady", ConditionStatus::is_false, "TablesNotProtected", unready);
      add("Reconciling", ConditionStatus::is_true, "TablesNotProtected", unready);
    } else if (managed) {
      add("Ready", ConditionStatus::is_true, "Managed", where);
      add("RuntimeReady", ConditionStatus::is_true, "Managed", where);
    } else {
      add("Ready", ConditionStatus::is_true, "Adopted", where);
      add("RuntimeReady", ConditionStatus::is_true, "Adopted", where);
    }
    if (managed) {
      auto [state, reason, message] = isolation_of(database, outcome, status);
      add("Isolated", state, std::move(reason), std::move(message));
    }
    if (managed && !status.runtime->drift.empty()) {
      const auto& drift = status.runtime->drift;
      add("Drifted", ConditionStatus::is_true, "RuntimeChanged",
          drift.front() + (drift.size() > 1 ? " (and more: see status.runtime.drift)" : ""));
    }
  } else if (outcome.error) {
    const Error& error = *outcome.error;
    const decide::Observation view = unusable_observation(error, outcome.not_ok_for);
    const bool away = view.database == decide::DatabaseState::unreachable;
    const bool patient = outcome.not_ok_for < decide::kUnreachableGrace;
    const bool needs_person = view.database == decide::DatabaseState::claimed ||
                              view.database == decide::DatabaseState::changed ||
                              (view.database == decide::DatabaseState::unusable && !patient);
    add("Ready", ConditionStatus::is_false, error.reason, error.message);
    add("Reachable", away ? ConditionStatus::is_false : ConditionStatus::is_true,
        away ? error.reason : "Connected", away ? error.message : "the server answers");
    add("RuntimeReady", away ? ConditionStatus::unknown : ConditionStatus::is_false, error.reason,
        error.message);
    if (api::find_condition(database.status.conditions, "Isolated") != nullptr) {
      auto [state, reason, message] = untold(database, error.reason, error.message);
      add("Isolated", state, std::move(reason), std::move(message));
    }
    if (needs_person) {
      add("Stalled", ConditionStatus::is_true, error.reason, error.message);
    } else if (patient) {
      add("Reconciling", ConditionStatus::is_true, error.reason, error.message);
    }
  }
  status.conditions = api::with_transition_times(std::move(conditions), database.status.conditions, now);
  api::fit(status);
  return status;
}

decide::Observation unusable_observation(const Error& error, Duration not_ok_for) {
  decide::Observation out;
  out.database_reason = error.reason;
  out.database_message = error.message;
  out.not_ok_for = not_ok_for;
  if (error.reason == "NotPrimary") {
    out.database = decide::DatabaseState::not_primary;
  } else if (error.reason == "Claimed") {
    out.database = decide::DatabaseState::claimed;
  } else if (error.reason == "DatabaseChanged") {
    out.database = decide::DatabaseState::changed;
  } else if (error.kind == ErrorKind::terminal) {
    out.database = decide::DatabaseState::unusable;
  } else {
    out.database = decide::DatabaseState::unreachable;
  }
  return out;
}

}  // namespace rls::reconcile
