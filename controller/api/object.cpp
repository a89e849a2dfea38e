#include "controller/api/object.hpp"

namespace rls::api {

std::string_view to_string(ConditionStatus status) {
  switch (status) {
    case ConditionStatus::is_true: return "True";
    case ConditionStatus::is_false: return "False";
    case ConditionStatus::unknown: return "Unknown";
  }
  return "Unknown";
}

std::optional<ConditionStatus> parse_condition_status(std::string_view text) {
  if (text == "True") return ConditionStatus::is_true;
  if (text == "False") return ConditionStatus::is_false;
  if (text == "Unknown") return ConditionStatus::unknown;
  return std::nullopt;
}

const Condition* find_condition(const std::vector<Condition>& conditions, std::string_view type) {
  for (const Condition& condition : conditions) {
    if (condition.type == type) return &condition;
  }
  return nullptr;
}

std::vector<Condition> with_transition_times(std::vector<Condition> wanted,
                                             const std::vector<Condition>& before, Time now) {
  for (Condition& condition : wanted) {
    const Condition* old = find_condition(before, condition.type);
    condition.last_transition = old != nullptr && old->status == condition.status
                                    ? old->last_transition
                                    : std::chrono::floor<std::chrono::seconds>(now);
  }
  return wanted;
}

}  // namespace rls::api
