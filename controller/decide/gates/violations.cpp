#include <algorithm>

#include "controller/decide/gates.hpp"

namespace rls::decide::gates {

GateResult violations(const GateInput& input) {
  const std::int64_t count = input.observed.violations.count;
  const std::int64_t allowed = required_gates(input).max_violations;
  GateResult result{.name = "Violations"};
  if (!input.observed.violations_known) {
    result.state = api::GateState::unknown;
    result.message = input.observed.violations_message;
    return result;
  }
  if (count <= allowed) {
    result.state = api::GateState::passed;
    return result;
  }
  result.state = api::GateState::blocked;
  // Saturated at what matters, so that a counter that runs does not rewrite the status (design 2-api, CRD
  // facts).
  result.observed = "more than " + std::to_string(allowed);
  result.required = "at most " + std::to_string(allowed);
  result.message =
      "denials were recorded since the project entered " + std::string(to_string(input.observed.phase)) +
      ": see status.violations; " +
      (input.observed.managed ? "mend the application and say so, or say what they are: rlsctl review"
                              : "only a rollback to pending and a new start clears them");
  return result;
}

}  // namespace rls::decide::gates
