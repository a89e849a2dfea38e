#pragma once
// The port to one PostgreSQL database: what the reconcilers ask of it. Implementation: sql_database.hpp.
// Every call is blocking and belongs on a worker thread. Calls on one object are serialised by the caller.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "controller/api/database.hpp"
#include "controller/api/migration.hpp"
#include "controller/base/result.hpp"
#include "controller/decide/observation.hpp"

namespace rls::postgres {

/// The right to raise the epoch of a database's fence, which goes with being elected: only whoever hears of
/// an election makes one. So nothing else, a new connection least of all, can raise it.
struct Mandate {
  std::string holder;  ///< this process, and no other, ever
  /// The number of the leadership, above `epoch`; proves at this moment that we lead. NotLeading (transient)
  /// where we do not. Thread-safe; may block for seconds.
  std::function<Result<std::int64_t>(std::int64_t epoch)> term_above;
};

/// Who we are, for the claim (design 2-api, Claim): two objects, two clusters or a restored clone never
/// fight.
struct Claimant {
  std::string install_id;  ///< of this installation: the cluster's and the operator's namespace
  api::ObjectName database;
  std::string database_uid;
  std::string known_system{};   ///< the system identifier that was seen first; empty: none yet
  std::string accept_system{};  ///< another one that a person accepts
  std::string take_over{};  ///< the foreign claim that a person takes over, as the message Claimed names it
  /// The epoch in which this leadership works there, once it has begun, and the system it was raised on:
  /// whoever finds another one on a new connection is not the leader any more.
  std::optional<std::int64_t> epoch{};
  std::string epoch_system{};
  /// With it a leadership begins where no epoch is known. None: NotLeading there.
  std::shared_ptr<const Mandate> mandate{};
};

/// DatabaseChanged, where the server is not the one that is known and nobody has accepted it.
std::optional<Error> refuse_system(const Claimant& claimant, std::string_view system_identifier);

/// What was found when the database was opened.
struct DatabaseFacts {
  std::string server_version;  ///< "15.18"
  std::string system_identifier;
  std::int64_t epoch = 1;  ///< of the fence
};

/// The reason in `history` of an entry that tells what somebody else did (drift). Written by ledger_seen.sql.
inline constexpr std::string_view kDriftReason = "changed by somebody else";

/// One project asked about.
struct ProjectQuery {
  std::string project;
  Phase wanted = Phase::pending;  ///< the phase aimed at now; recorded where drift is first seen
  std::string resume{};           ///< the annotation, to be told whether it was followed
};

/// One move that was decided. From a phase to itself: a person accepts the phase, which somebody else had
/// set; it is ledgered as `adopted`, and nothing else is written. Where it resumes, nothing but the hold
/// goes.
struct Move {
  std::string project;
  Phase from = Phase::pending;
  Phase to = Phase::pending;
  std::string reason;  ///< for ledger and audit row
  std::string actor;   ///< "RlsMigration team-a/sm", for ledger and audit row
  /// All moves of one group are made, or none of them; one that fails or is obsolete holds the others back.
  /// Empty: it goes alone.
  std::string group{};
  std::optional<decide::HoldRow> latch{};  ///< set together with the move, in the same transaction
  std::string resume{};  ///< the annotation, to be told under the locks whether it was followed
  bool resumes = false;  ///< the hold is cleared, and `resume` remembered as followed
};

enum class MoveOutcome {
  moved,
  obsolete,  ///< decided again under the locks: another answer; nothing was changed
  failed,  ///< this project's own row refuses (MoveRefused) or is held by somebody (LockTimeout, transient),
           ///< or that of another of its group (GroupHeldBack, transient); others of the batch are not hurt
};

struct MoveResult {
  MoveOutcome outcome = MoveOutcome::obsolete;
  std::optional<api::HistoryEntry> entry;  ///< where moved
  std::optional<Error> error;              ///< where failed
};

/// What is seen of one move's project under the locks.
struct Relook {
  std::size_t move = 0;  ///< its index
  decide::Observation observed;
};
/// Decides again on all of them: for each the phase to go to, or nothing.
using DecideAgain = std::function<std::vector<std::optional<Phase>>(std::vector<Relook>& looks)>;

/// How denials are counted (docs/adr/0009). What was ever seen of them in a phase counts on in any case.
enum class Counting {
  remembered,  ///< not at all: so many as were seen. No promotion may rest on it
  latest,  ///< what is new, and now and then all. May miss what was committed late: no promotion may rest on
           ///< it. For the regular look at all projects of the database
  exact,   ///< all that was committed when the call began
};

/// One project's registration, of a managed runtime.
struct Registration {
  std::string project;
  api::AccessSpec access;
  bool operator==(const Registration&) const = default;
};

/// What is wanted of a managed runtime.
struct RuntimeWish {
  std::vector<api::TableSpec> tables;
  api::Repair repair = api::Repair::automatic;
  Duration audit_retention = std::chrono::hours{2160};
  std::vector<Registration> projects;
};

/// What became of it.
struct RuntimeReport {
  api::RuntimeStatus status;
  std::vector<api::Finding> findings;  ///< what row-level security itself breaks there, worst first
};

class ProjectDatabase {
 public:
  virtual ~ProjectDatabase() = default;

  /// Connects where not connected, proves that this is the primary and the claim is ours, creates or upgrades
  /// the operator's own schema `rls_operator`, finds the adopted tables and columns in the catalogue.
  /// Idempotent and cheap when nothing changed (one statement). A connection that died since the last call is
  /// an error once (the caller may want to read the Secret anew); the next call connects. Nothing is written
  /// where the server is another one than known (DatabaseChanged). The first `open` of a leadership raises
  /// the epoch of the fence (Claimant::mandate). Terminal: DatabaseChanged, Claimed, FenceLost, MissingTable,
  /// MissingColumn, MissingPrivilege (holds the SQL that a DBA runs), UnsupportedTable, UnsupportedServer,
  /// SchemaTooNew. Transient: DatabaseUnreachable, DatabaseMissing, DatabaseStarting, AuthenticationFailed,
  /// TlsFailed, NotPrimary, TooManyConnections, NotLeading and what passes by itself.
  virtual Result<DatabaseFacts> open(const Claimant& claimant) = 0;

  /// One Observation per query, in the order asked, from one snapshot; database state is `ok` in each.
  /// A project seen for the first time is ledgered as `adopted`, one that somebody else moved as `drift`;
  /// nothing is written when nothing changed. A name that no database can hold (NUL, bad UTF-8) is an unknown
  /// project. Does not set `conflict_with_older`. With Counting::latest, what is asked are all projects that
  /// are to be counted on. Here and below: after an Error of kind transient or terminal, `open` first.
  virtual Result<std::vector<decide::Observation>> observe(std::span<const ProjectQuery> queries,
                                                           Counting counting = Counting::exact) = 0;

  /// Moves those that may move, in one transaction (design 3-database, One transition, one transaction); asks
  /// `again` under the locks, perhaps more than once: it must be pure. One result per move, in
  /// order, without an entry where none was written (resume). An Error means that nothing was moved, but for
  /// kind in_doubt: it could not be found out; the next `open` and `observe` show it. A single row's refusal
  /// is found by bisection and is that row's result (MoveRefused). FenceLost: another leader took over; stop.
  /// Claimed: another RlsDatabase has taken the database over.
  virtual Result<std::vector<MoveResult>> move(std::span<const Move> moves, const DecideAgain& again) = 0;

  /// The newest ten ledger entries of each project, newest first (status.history).
  virtual Result<std::vector<std::vector<api::HistoryEntry>>> history(
      std::span<const std::string> projects) = 0;

  /// Violations of each project since it entered its phase: by table (≤ 20), newest samples (≤ 5) (R-A7).
  /// Where Counting::latest has found thousands for a project: of the newest audit rows alone.
  /// MissingTable (terminal) where there is no audit table to read.
  virtual Result<std::vector<api::ViolationsStatus>> violations(std::span<const std::string> projects) = 0;

  /// Number of projects in the database per phase.
  virtual Result<std::map<std::string, std::int64_t>> count_by_phase() = 0;

  /// What was found in the database and is used of it. Costs two statements at the most.
  virtual Result<api::AdoptedStatus> describe() = 0;

  /// Managed: brings the runtime, the tables and the registrations to what is wanted, one table a
  /// transaction; takes what was noted into the audit log. What cannot be had now (a table that somebody
  /// holds) is told in the report and tried again at the next call. Adopted: nothing, and no report.
  virtual Result<std::optional<RuntimeReport>> tend(const RuntimeWish& wish) = 0;

  /// Ends the connection at once: the call in progress fails as if the network had. The next `open` makes a
  /// new one. Thread-safe, so that SIGTERM can use it.
  virtual void interrupt() = 0;
};

}  // namespace rls::postgres
