#pragma once
// Every metric of the operator: name, type, labels and help in one table. docs/metrics.md tells the same to
// people; a unit test compares the two.

#include <array>
#include <cstddef>
#include <string_view>

namespace rls::metrics {

enum class Type { counter, gauge, histogram };

enum class Id : std::size_t {
  operator_info,
  leader,
  reconcile_total,
  reconcile_errors,
  reconcile_duration,
  queue_depth,
  queue_adds,
  queue_retries,
  queue_longest_wait,
  rest_requests,
  pg_transaction,
  transitions,
  drift_seen,
  check_results,
  events_dropped,
  database_up,
  database_projects,
  database_violations,
  database_gate_blocked,
  database_drift,
  database_overridden,
  database_held,
  database_tables_unprotected,
  database_runtime_changed,
  database_isolated,
  rollout_projects,
  rollout_wave_open,
  rollout_wave_behind,
  migration_phase,
  migration_violations,
  migration_gate_blocked,
  migration_drift,
  migration_soak_remaining,
  migration_overridden,
  migration_held,
};

struct Info {
  Id id;
  std::string_view name;
  Type type;
  std::string_view labels;  ///< in the order in which they are written, with commas
  std::string_view help;    ///< one line
};

inline constexpr std::array kTable = {
    Info{Id::operator_info, "rls_operator_info", Type::gauge, "version",
         "Always 1; the label is the operator's version."},
    Info{Id::leader, "rls_leader", Type::gauge, "", "1 where this process may change databases."},
    Info{Id::reconcile_total, "controller_reconcile_total", Type::counter, "kind,result",
         "Reconciles by the object's kind and how they ended."},
    Info{Id::reconcile_errors, "controller_reconcile_errors_total", Type::counter, "kind",
         "Reconciles that ended in an error."},
    Info{Id::reconcile_duration, "controller_reconcile_duration_seconds", Type::histogram, "kind",
         "How long reconciles took, in seconds."},
    Info{Id::queue_depth, "workqueue_depth", Type::gauge, "", "Keys that are due and wait for a worker."},
    Info{Id::queue_adds, "workqueue_adds_total", Type::counter, "",
         "Keys that began to wait; an addition to a key that waits already is not counted."},
    Info{Id::queue_retries, "workqueue_retries_total", Type::counter, "",
         "Keys that wait again because their reconcile failed."},
    Info{Id::queue_longest_wait, "workqueue_longest_wait_seconds", Type::gauge, "",
         "How long the key that is due the longest has been waiting for a worker, in seconds."},
    Info{Id::rest_requests, "rest_client_requests_total", Type::counter, "code,method",
         "Requests to the Kubernetes API by HTTP status (or error) and method."},
    Info{Id::pg_transaction, "pg_transaction_seconds", Type::histogram, "",
         "How long transactions in PostgreSQL took, in seconds."},
    Info{Id::transitions, "rls_transitions_total", Type::counter, "from,to,result",
         "Projects moved from one phase to another, by result."},
    Info{Id::drift_seen, "rls_drift_total", Type::counter, "direction",
         "Changes of a project's phase that somebody else made."},
    Info{Id::check_results, "rls_check_results_total", Type::counter, "demanded_by,result",
         "Runs of checks by whose they are and what they found."},
    Info{Id::events_dropped, "rls_events_dropped_total", Type::counter, "",
         "Kubernetes Events that were not sent: no room, no budget, or refused."},
    Info{Id::database_up, "rls_database_up", Type::gauge, "namespace,database",
         "1 where the database was reached and may be changed when it was last looked at, else 0."},
    Info{Id::database_projects, "rls_database_projects", Type::gauge, "namespace,database,phase",
         "Projects with an RlsMigration by the phase they are in."},
    Info{Id::database_violations, "rls_database_violations", Type::gauge, "namespace,database,state",
         "Recorded violations of all projects of the database."},
    Info{Id::database_gate_blocked, "rls_database_gate_blocked", Type::gauge, "namespace,database,gate,state",
         "Projects of the database for which the gate is not passed."},
    Info{Id::database_drift, "rls_database_drift", Type::gauge, "namespace,database",
         "Projects of the database whose phase was changed by somebody else."},
    Info{Id::database_overridden, "rls_database_overridden", Type::gauge, "namespace,database",
         "Projects of the database for which a gate of the next step is overridden."},
    Info{Id::database_held, "rls_database_held", Type::gauge, "namespace,database,by",
         "Projects of the database that a hold keeps below the phase wanted."},
    Info{Id::database_tables_unprotected, "rls_database_tables_unprotected", Type::gauge,
         "namespace,database",
         "Tables of spec.tables that are not protected, or not in the form that the phases ask for."},
    Info{Id::database_runtime_changed, "rls_database_runtime_changed", Type::gauge, "namespace,database",
         "1 where somebody else had changed the managed runtime at the last look, else 0."},
    Info{Id::database_isolated, "rls_database_isolated", Type::gauge, "namespace,database",
         "1 where every project of a managed database enforces and all tables are protected, 0 where not; "
         "absent "
         "while nobody can tell."},
    Info{Id::rollout_projects, "rls_rollout_projects", Type::gauge, "namespace,rollout,phase",
         "Projects of the rollout by the phase they are in."},
    Info{Id::rollout_wave_open, "rls_rollout_wave_open", Type::gauge, "namespace,rollout,wave",
         "1 where the wave's projects may go up and are not all there, else 0."},
    Info{Id::rollout_wave_behind, "rls_rollout_wave_behind", Type::gauge, "namespace,rollout,wave,state",
         "Projects of an open wave that have not earned advanceWhen; state is Soaking or Waiting."},
    Info{Id::migration_phase, "rls_migration_phase", Type::gauge, "namespace,database,project,phase",
         "1 for the phase that the project is in."},
    Info{Id::migration_violations, "rls_migration_violations", Type::gauge,
         "namespace,database,project,state",
         "Recorded violations of the project since it entered its phase."},
    Info{Id::migration_gate_blocked, "rls_migration_gate_blocked", Type::gauge,
         "namespace,database,project,gate,state",
         "1 for each gate of the next step that is not passed; state is Waiting, Blocked or Unknown."},
    Info{Id::migration_drift, "rls_migration_drift", Type::gauge, "namespace,database,project",
         "1 where the phase was changed by somebody else, else 0."},
    Info{Id::migration_soak_remaining, "rls_migration_soak_remaining_seconds", Type::gauge,
         "namespace,database,project", "Clean time that the soak gate still asks for, in seconds."},
    Info{Id::migration_overridden, "rls_migration_overridden", Type::gauge, "namespace,database,project",
         "1 while a gate of the next step is overridden."},
    Info{Id::migration_held, "rls_migration_held", Type::gauge, "namespace,database,project,by",
         "1 while a hold keeps the project below the phase wanted; by is annotation, database or check."},
};

/// The row of the table.
constexpr const Info& info(Id id) { return kTable[static_cast<std::size_t>(id)]; }

namespace detail {
constexpr bool rows_stand_in_order() {
  for (std::size_t i = 0; i < kTable.size(); ++i) {
    if (static_cast<std::size_t>(kTable[i].id) != i) return false;
  }
  return true;
}
static_assert(rows_stand_in_order());
}  // namespace detail

}  // namespace rls::metrics
