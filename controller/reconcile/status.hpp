#pragma once
// The projection of what was decided and seen onto status: pure, and always from the database to Kubernetes,
// never the other way round (design 3-database).

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controller/api/database.hpp"
#include "controller/api/migration.hpp"
#include "controller/decide/conditions.hpp"
#include "controller/postgres/project_database.hpp"

namespace rls::reconcile {

/// Everything one reconcile learnt about one migration.
struct MigrationOutcome {
  decide::Observation observed;
  decide::Plan plan;
  std::optional<decide::StepFailure> failure;
  /// Fetched only where they may have changed; without them the status keeps what stands.
  std::optional<std::vector<api::HistoryEntry>> history;
  std::optional<api::ViolationsStatus> violations;
};

/// The status wanted. Keeps transition times, gate times and what could not be seen from the status that
/// stands. `now`: wall clock, for transition times only.
api::MigrationStatus project(const api::RlsMigration& migration, const MigrationOutcome& outcome, Time now);

/// Equal but for what a running counter changes: such a difference is written at most once a minute.
bool same_but_counters(const api::MigrationStatus& a, const api::MigrationStatus& b);

/// Whether the ledger must be read to write status.history anew.
bool needs_history(const api::RlsMigration& migration, const decide::Observation& observed);
/// Whether the audit log must be read to write status.violations anew.
bool needs_violations(const api::RlsMigration& migration, const decide::Observation& observed);

/// What one look at the database itself brought.
struct DatabaseOutcome {
  std::optional<postgres::DatabaseFacts> facts;  ///< where it was opened
  std::optional<Error> error;                    ///< where not
  Duration not_ok_for{0};
  std::map<std::string, std::int64_t> projects;    ///< by phase
  std::optional<api::AdoptedStatus> adopted;       ///< where it was opened, and is adopted
  std::optional<postgres::RuntimeReport> runtime;  ///< where it was opened, and is managed
  bool not_tended = false;                         ///< `runtime` is that of the look before
  bool just_moved = false;                         ///< a project, after `runtime` was looked at
};
api::DatabaseStatus project(const api::RlsDatabase& database, const DatabaseOutcome& outcome, Time now);

/// The gate's view of a database that could not be used. Terminal errors are `unusable`, others
/// `unreachable`, but for the reasons that have a state of their own.
decide::Observation unusable_observation(const Error& error, Duration not_ok_for);

}  // namespace rls::reconcile
