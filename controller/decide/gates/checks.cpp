#include "controller/decide/gates.hpp"

namespace rls::decide::gates {

GateResult checks(const GateInput& input) {
  GateResult result{.name = "Checks", .state = api::GateState::passed};
  std::string failed, unknown;
  const auto add = [](std::string& to, const api::CheckSpec& check, const std::string& message) {
    if (!to.empty()) to += "; ";
    to += shown(check) + ": " + message;
  };
  for (const api::CheckSpec& check : required_gates(input).checks) {
    if (!guards(check, input.to)) continue;
    const auto found = input.observed.checks.find(check.id());
    const CheckState seen = found == input.observed.checks.end()
                                ? CheckState{CheckState::State::unknown, "has not run yet"}
                                : found->second;
    switch (seen.state) {
      case CheckState::State::passed: break;
      case CheckState::State::failed: add(failed, check, seen.message); break;
      case CheckState::State::unknown: add(unknown, check, seen.message); break;
    }
  }
  if (failed.empty() && unknown.empty()) return result;
  result.state = failed.empty() ? api::GateState::unknown : api::GateState::blocked;
  result.required = "every check passes";
  result.message = failed;
  if (!failed.empty() && !unknown.empty()) result.message += "; not known yet: ";
  result.message += unknown;
  return result;
}

}  // namespace rls::decide::gates
