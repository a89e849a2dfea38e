#pragma once
// What is known of one project: what the database says, read in one snapshot, and what the cluster says
// beside it. The input of the decision; no IO here.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controller/api/phase.hpp"
#include "controller/base/time.hpp"

namespace rls::decide {

/// Whether the database may be believed and written (gate Database).
enum class DatabaseState {
  ok,
  unreachable,  ///< no connection; `database_message` says why, without secrets
  not_primary,  ///< a standby answered
  changed,      ///< another system identifier than the one first seen
  claimed,      ///< another installation owns it
  unusable,     ///< reached, but what we need is not there (a missing table, a missing right)
};

/// What a hold that a failing check set is `by`: this and the check's id ("check errors", and "check
/// database/errors" where the database demands it).
inline constexpr std::string_view kCheckHolds = "check ";

/// The brake in the database (rls_operator.hold): set by a person with psql or rlsctl, or by a check.
struct HoldRow {
  Phase at = Phase::pending;
  std::string by;
  [[nodiscard]] bool by_check() const { return by.starts_with(kCheckHolds); }
  bool operator==(const HoldRow&) const = default;
};

/// Recorded denials since the project entered its phase.
struct ViolationCount {
  std::int64_t count = 0;
  std::optional<Time> last;
  bool operator==(const ViolationCount&) const = default;
};

/// Whether what enforcing would deny is recorded on every table with policies (gate Evidence).
struct Evidence {
  enum class State {
    complete,    ///< recording is in place and enabled on every table with policies
    incomplete,  ///< somewhere it is not; `why` names the place
    unknown,     ///< could not be found out
  };
  State state = State::unknown;
  bool reads = false;  ///< reads are recorded, too
  std::string why;     ///< where not complete
  bool operator==(const Evidence&) const = default;
};

/// A person's yes (RlsApproval) to this migration.
struct Approval {
  Phase phase = Phase::pending;  ///< the phase entered
  std::string approver;
  std::string digest;             ///< of the evidence that was approved
  std::optional<Time> expires{};  ///< from then on it is none
  bool operator==(const Approval&) const = default;
};

/// Whether the admission policy stands that makes a person's word that person's.
struct Guard {
  bool bound = false;
  std::string why;  ///< where not: what is missing, and the remedy
  bool operator==(const Guard&) const = default;
};

/// The last result of a check.
struct CheckState {
  enum class State { passed, failed, unknown };
  State state = State::unknown;
  std::string message{};
  bool operator==(const CheckState&) const = default;
};

/// How another project of the group stands to the same step.
struct GroupMember {
  enum class State {
    ready,         ///< could go alone, or is there already
    waiting,       ///< for something of its own; `why` says for what
    missing,       ///< no RlsMigration
    lists_differ,  ///< its own list of members is another one
  };
  std::string project;
  State state = State::waiting;
  std::string why{};
  bool operator==(const GroupMember&) const = default;
};

/// The wave of the RlsRollout that names the project.
struct WaveState {
  std::string rollout;
  std::string name;
  bool open = false;
  bool frozen = false;               ///< the rollout is; `why` says until when
  std::string why{};                 ///< where not open, or frozen
  std::optional<Time> thaws_at{};    ///< where frozen, and that has an end
  std::vector<std::string> members;  ///< the projects of the wave, which go together
  bool operator==(const WaveState&) const = default;
};

/// Findings about the database as a whole that nobody has accepted, and that hold promotions up.
struct Posture {
  std::int64_t blocking = 0;
  std::string worst{};  ///< the worst of them, in a sentence
  bool operator==(const Posture&) const = default;
};

struct Observation {
  DatabaseState database = DatabaseState::unreachable;
  std::string
      database_reason;  ///< CamelCase, where not ok: "DatabaseUnreachable", "MissingTable", "SecretNotFound"
  std::string database_message;  ///< for people, where not ok
  Duration not_ok_for{0};        ///< how long the database has not been ok

  bool project_known = false;   ///< has a row in the status table
  std::string project_message;  ///< where not known: what was looked for and where
  Phase phase = Phase::pending;
  Time phase_since{};  ///< database time: when it entered `phase`, or when we first saw it there
  Time now{};          ///< database time of this observation

  /// The phase of our own last ledger row. Another one than `phase`: somebody else moved the project.
  Phase last_ours = Phase::pending;
  /// Where somebody else moved it: the highest phase that was aimed at since we noticed. A target below it
  /// was lowered since.
  std::optional<Phase> wanted_at_drift;
  /// The number of that drift in the project's ledger; 0 where there is none, or it is not ledgered yet.
  std::int64_t drift_number = 0;
  /// A raise of this project to `phase` was accepted before (docs/adr/0006).
  bool accepted_before = false;

  std::optional<HoldRow> hold;
  bool resume_followed = false;  ///< the value of the annotation `resume` was, at some time
  ViolationCount violations;
  /// False: late denials may be missing, so no promotion may rest on the count (docs/adr/0009).
  bool violations_exact = true;
  bool violations_known = true;    ///< false: nothing records them, so nothing proves that there are none
  std::string violations_message;  ///< where not known: what is missing

  /// When the policies or the tables they stand on last changed, where that is watched.
  std::optional<Time> policies_changed_at;
  Evidence evidence;

  // Of a managed runtime. There `violations.count` leaves out what a person said is none, or is fixed.
  bool managed = false;
  /// At least so many since phase_since; none: not counted. Of an adopted runtime its source's figure.
  std::optional<std::int64_t> transactions;
  std::string transactions_message{};  ///< where a source is named and none are counted: why, and the remedy
  std::int64_t unreviewed = 0;         ///< kinds of violations of this phase without a verdict
  std::optional<Time> fixed_at;        ///< the newest verdict `fixed`
  std::optional<Time> reviewed_at;     ///< the newest verdict of any kind
  std::optional<Time> recorded_since;  ///< so long every denial has been recorded; none: not all are now

  // What the cluster says beside the database.

  /// Name of an older RlsMigration for the same project of the same database.
  std::optional<std::string> conflict_with_older;
  std::vector<Approval> approvals{};
  Guard approval_guard{};                      ///< without it approvals are worth nothing
  Guard override_guard{};                      ///< and overrides
  std::map<std::string, CheckState> checks{};  ///< by their ids; none: it has not run
  std::optional<WaveState> wave{};             ///< none: no RlsRollout names the project
  std::vector<GroupMember> group{};            ///< the others of the group; filled by decide_all
  std::optional<Posture> posture{};            ///< none: it has not been looked at
};

}  // namespace rls::decide
