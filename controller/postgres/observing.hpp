#pragma once
// What the database says of projects, and ledgering what was found there and not done by us.

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "controller/postgres/catalogue.hpp"
#include "controller/postgres/counting.hpp"
#include "controller/postgres/project_database.hpp"
#include "controller/postgres/transaction.hpp"

namespace rls::postgres {

/// What the policies are, and whether what enforcing would deny is recorded.
struct PolicyWatch {
  decide::Evidence evidence;
  std::optional<Time> changed_at;  ///< since we watch them
  std::string hash;
  bool noted = false;         ///< the hash is the one remembered; else it is to be noted
  bool differs = false;       ///< another one is remembered: they have changed
  std::int64_t tables = 0;    ///< with policies
  std::int64_t recorded = 0;  ///< of these, how many record every denied write
  // Of a managed runtime:
  std::optional<Time> recorded_since;  ///< without a gap; none: not now
  std::int64_t version = 0;
  std::int64_t without_context = 0;  ///< noted accesses
  std::int64_t old_sessions = 0;     ///< with a snapshot from before the newest move; -1: cannot be seen
};

/// The last look at the policies on one connection. It costs milliseconds where there are many functions, so
/// one look serves for Timeouts::policies; and row locks do not hold back a change of policies anyway.
struct PolicyCache {
  std::optional<PolicyWatch> watch;
  std::chrono::steady_clock::time_point at{};
};

/// What one connection knows of the denials.
struct Tally {
  Watermark watermark;
  // Of a managed runtime: what was registered last, and what was found last.
  std::string registered;
  std::optional<std::vector<api::Finding>> findings;
  bool too_slow = false;  ///< the last count did not end in time: until one does, they are unknown
};

/// An open database, as observing and moving use it.
struct OpenDatabase {
  Connection& connection;
  const Catalogue& catalogue;
  const Timeouts& timeouts;
  const Claimant& claimant;
  std::int64_t epoch;
  bool utf8;
  PolicyCache& policies;
  Tally& tally;
  const std::string& search_path;  ///< of strangers: their triggers run under it
};

/// What is known of one project, with the ledger's side of it.
struct Sighting {
  decide::Observation observation;
  enum class Ledger { agrees, never_seen, differs, aimed_higher } ledger = Ledger::agrees;
  bool has_row = false;                   ///< in the status table; a registered project may have none
  std::int64_t ordinal = 0;               ///< of the newest entry; 0 where there is none
  std::optional<Phase> ledgered;          ///< its to_phase
  std::optional<Phase> wanted_in_ledger;  ///< where it is drift
  bool more_violations = false;           ///< than are remembered in rls_operator.violation_mark
};

struct Look {
  std::vector<Sighting> projects;  ///< one a query, in order
  PolicyWatch policies;
};

/// Why no database can hold a project of that name; empty where one can.
std::string why_no_name(std::string_view project, bool utf8);

/// How fresh what is known of the policies must be.
enum class Policies { of_late, as_last_seen };

/// One statement, one more where the policies must be looked at again, and those that count. Writes nothing.
std::variant<Look, SqlFailure> look(OpenDatabase& database, std::span<const ProjectQuery> queries,
                                    Policies policies, Counting counting);

/// Checks in the open transaction that we still are the leader and the database is still ours, and locks out
/// who would be the next until its end. FenceLost, Claimed. The backend's identity, to end it where the
/// COMMIT comes to be in doubt.
struct Backend {
  std::string pid, started;
};
Result<Backend> pass_fence(OpenDatabase& database);
/// Locks the status rows of the projects, in order.
std::optional<SqlFailure> lock_projects(OpenDatabase& database, std::span<const std::string> projects);
/// Locks those of them that nobody else holds, without waiting: their names.
Result<std::set<std::string, std::less<>>> lock_free_projects(OpenDatabase& database,
                                                              std::span<const std::string> projects);

/// to_error; where we waited for a lock in vain, with who holds it. Outside of a transaction: it asks the
/// server.
Error explain(OpenDatabase& database, const SqlFailure& failure, std::string_view doing,
              std::span<const std::string> projects);

/// ProjectDatabase::observe.
Result<std::vector<decide::Observation>> observe(OpenDatabase& database,
                                                 std::span<const ProjectQuery> queries, Counting counting);

}  // namespace rls::postgres
