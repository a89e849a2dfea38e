#pragma once
// The decision: what an RlsMigration asks and what was observed in, the next step and its reasons out. Pure:
// no IO, no clock; `Observation::now` is database time. Rules: design 2-api; by example:
// tests/scenarios/phases.yaml.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/api/database.hpp"
#include "controller/api/migration.hpp"
#include "controller/decide/observation.hpp"

namespace rls::decide {

/// What a gate says. `since` is projected later, from the status that stands.
struct GateResult {
  std::string_view name;  ///< a literal: "SoakTime"
  api::GateState state = api::GateState::unknown;
  std::string observed{};
  std::string required{};
  std::string message{};            ///< where not passed: why, and what would help
  std::optional<Time> passes_at{};  ///< when time alone changes what it says
  bool final = false;               ///< no override passes over it, as it stands: the database is frozen

  [[nodiscard]] bool open() const {
    return state == api::GateState::passed || state == api::GateState::overridden;
  }
};

enum class StepKind {
  none,
  up,
  down,
  accept,  ///< the phase stays: a person accepts what somebody else raised
  resume,  ///< the phase stays: a person clears the hold of the database
};

/// How the project stands, for conditions: exactly one of these (design 2-api, table of conditions).
enum class Standing {
  target_reached,
  awaiting_gates,
  suspended,
  held,
  check_failed,  ///< a check that watches has failed: the project goes down, or did and is held there
  invalid_hold,  ///< the annotation hold-at cannot be read: somebody wanted a brake and has none
  moving,        ///< a step is due now
  unreachable,   ///< not long enough to raise the alarm
  unreachable_long,
  not_primary,
  unusable,
  database_changed,
  claimed,
  unknown_project,
  invalid_spec,
  conflict,
  drifted,
};

struct Plan {
  StepKind step = StepKind::none;
  Phase to = Phase::pending;  ///< where `step` is up or down; else the phase that stands
  std::string
      step_reason;  ///< for the ledger and the audit row: "all gates passed", "spec.phase lowered to pending"

  Standing standing = Standing::unreachable;
  std::string message;            ///< one sentence for the Ready condition
  Phase target = Phase::pending;  ///< the phase aimed at: the lowest of spec.phase, hold-at and the hold row
  bool target_reached = false;    ///< spec.phase itself is reached, and by us
  bool drifted = false;
  std::string drift_message;
  bool held = false;  ///< a hold keeps the project below spec.phase
  /// The hold that is set together with the step down, so that the project does not climb again by itself.
  std::optional<HoldRow> latch;
  /// What all that go in the same transaction have in common, where it goes up with others; set by
  /// decide_all.
  std::string group;
  /// What is overridden now, in a sentence; empty: nothing.
  std::string overridden;
  /// What an approval of the next step must name; empty where it needs none.
  std::string evidence_digest;

  std::vector<GateResult> gates;  ///< of the next step up; empty where none is wanted
  std::optional<Time> clean_since;
  std::optional<Time> eligible_at;  ///< when the soak is over, where it is not
  /// All gates passed, but on a count of violations that is not exact: count exactly, and decide again.
  bool needs_exact_count = false;
  std::optional<Time> recheck_at;  ///< database time at which the answer may change by time alone

  /// Names of the gates that are not open, in order.
  [[nodiscard]] std::vector<std::string_view> blocked_by() const;
};

/// How long a database may be away before the status says so aloud (design 2-api: 5 minutes).
inline constexpr Duration kUnreachableGrace = std::chrono::minutes{5};

/// The phase that the object itself asks for: the lower of spec.phase and its hold-at annotation. A hold row
/// of the database may lower it further.
Phase asked_phase(const api::RlsMigration& migration);

/// Decides for one project. All gates of the step are evaluated, always. Never skips a phase upwards (R-A2);
/// goes down in one step and past every gate (R-A4).
/// Who goes together with others is decided together with them: decide_all.
Plan decide(const api::RlsMigration& migration, const api::DatabasePolicy& policy,
            const Observation& observed);

/// One of several to be decided for.
struct Candidate {
  const api::RlsMigration* migration = nullptr;
  Observation* observed = nullptr;  ///< its `group` is filled in
};

/// Decides for all of them, members of one database. Of each group all that have an RlsMigration must be
/// among them: who is not is missing, and holds the others back (R-A3).
std::vector<Plan> decide_all(const std::vector<Candidate>& candidates, const api::DatabasePolicy& policy);

/// The others of the project's group: of spec.group and of its wave. Empty: it moves alone.
std::vector<std::string> peers_of(const api::RlsMigration& migration, const std::optional<WaveState>& wave);

}  // namespace rls::decide
