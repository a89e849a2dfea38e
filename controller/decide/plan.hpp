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
  std::optional<Time> passes_at{};  ///< where time alone lets it pass

  [[nodiscard]] bool open() const {
    return state == api::GateState::passed || state == api::GateState::overridden;
  }
};

enum class StepKind {
  none,
  up,
  down,
  accept,  ///< the phase stays: a person accepts what somebody else raised
};

/// How the project stands, for conditions: exactly one of these (design 2-api, table of conditions).
enum class Standing {
  target_reached,
  awaiting_gates,
  suspended,
  held,
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
  Phase to = Phase::pending;  ///< where `step` is up or down; where it is accept, the phase that stands
  std::string
      step_reason;  ///< for the ledger and the audit row: "all gates passed", "spec.phase lowered to pending"

  Standing standing = Standing::unreachable;
  std::string message;            ///< one sentence for the Ready condition
  Phase target = Phase::pending;  ///< the phase aimed at: the lowest of spec.phase, hold-at and the hold row
  bool target_reached = false;    ///< spec.phase itself is reached, and by us
  bool drifted = false;
  std::string drift_message;
  bool held = false;  ///< a hold keeps the project below spec.phase

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
Plan decide(const api::RlsMigration& migration, const api::DatabasePolicy& policy,
            const Observation& observed);

}  // namespace rls::decide
