#include "controller/decide/conditions.hpp"

namespace rls::decide {
namespace {

using api::ConditionStatus;

/// One row of the table: what Ready and TargetReached say, and whether it goes on alone or needs a person.
struct Look {
  ConditionStatus ready = ConditionStatus::is_false;
  ConditionStatus target_reached = ConditionStatus::is_false;
  std::string reason;
  bool reconciling = false;
  bool stalled = false;
};

Look look_of(const Plan& plan, const Observation& seen) {
  constexpr auto kTrue = ConditionStatus::is_true;
  constexpr auto kFalse = ConditionStatus::is_false;
  constexpr auto kUnknown = ConditionStatus::unknown;
  const bool patient = seen.not_ok_for < kUnreachableGrace;
  switch (plan.standing) {
    case Standing::target_reached: return {kTrue, kTrue, "TargetReached"};
    case Standing::awaiting_gates: return {kTrue, kFalse, "AwaitingGates"};
    case Standing::suspended: return {kTrue, kFalse, "Suspended"};
    case Standing::held: return {kTrue, kFalse, "Held"};
    case Standing::check_failed: {
      const bool going = plan.step == StepKind::down;
      return {kFalse, kFalse, "CheckFailed", going, !going};
    }
    case Standing::invalid_hold: return {kFalse, kFalse, "InvalidHold", false, true};
    case Standing::moving: return {kFalse, kFalse, "Transitioning", true};
    case Standing::unreachable: return {kFalse, kUnknown, seen.database_reason, true};
    case Standing::unreachable_long: return {kFalse, kUnknown, seen.database_reason};
    case Standing::not_primary: return {kFalse, kUnknown, seen.database_reason, patient};
    case Standing::unusable: return {kFalse, kUnknown, seen.database_reason, patient, !patient};
    case Standing::database_changed: return {kFalse, kUnknown, "DatabaseChanged", false, true};
    case Standing::claimed: return {kFalse, kUnknown, "Claimed", false, true};
    case Standing::unknown_project: return {kFalse, kFalse, "UnknownProject", false, true};
    case Standing::invalid_spec: return {kFalse, kFalse, "InvalidSpec", false, true};
    case Standing::conflict: return {kFalse, kFalse, "Conflict", false, true};
    case Standing::drifted: return {kFalse, kFalse, "Drifted", false, true};
  }
  return {};
}

}  // namespace

std::vector<api::Condition> conditions_of(const Plan& plan, const Observation& seen, std::int64_t generation,
                                          const std::optional<StepFailure>& failure) {
  Look look = look_of(plan, seen);
  if (look.reason.empty()) look.reason = "DatabaseUnreachable";
  std::string message = plan.message;
  if (failure) {
    look.ready = ConditionStatus::is_false;
    look.reason = failure->reason;
    look.reconciling = !failure->terminal;
    look.stalled = failure->terminal;
    message = failure->message;
  }

  std::vector<api::Condition> conditions;
  const auto add = [&](std::string type, ConditionStatus status, std::string text) {
    conditions.push_back({std::move(type), status, look.reason, std::move(text), generation, Time{}});
  };
  add("Ready", look.ready, message);
  add("TargetReached", look.target_reached, message);
  if (look.reconciling) add("Reconciling", ConditionStatus::is_true, message);
  if (look.stalled) add("Stalled", ConditionStatus::is_true, message);
  if (plan.held) add("Held", ConditionStatus::is_true, plan.message);
  if (!plan.overridden.empty()) {
    conditions.push_back(
        {"Overridden", ConditionStatus::is_true, "Overridden", plan.overridden, generation, Time{}});
  }
  if (plan.drifted) add("Drifted", ConditionStatus::is_true, plan.drift_message);
  return conditions;
}

}  // namespace rls::decide
