#include "controller/decide/gates.hpp"

namespace rls::decide::gates {

GateResult soak_time(const GateInput& input) {
  const Observation& seen = input.observed;
  const api::GatesSpec spec = required_gates(input);
  const Duration required = seen.phase == Phase::shadow ? spec.shadow_soak : spec.enforcing_soak;
  const Time since = clean_since(seen);

  GateResult result{.name = "SoakTime", .state = api::GateState::passed};
  // A clock that went backwards puts `since` into the future: the time seen is then negative, and it waits.
  if (seen.now - since >= required) return result;
  result.state = api::GateState::waiting;
  result.required = format_duration(required);
  result.passes_at = since + required;
  result.message = "clean since " + format_rfc3339_seconds(since) + ", " + format_duration(required) +
                   " needed in " + std::string(to_string(seen.phase)) + ": over at " +
                   format_rfc3339_seconds(std::chrono::ceil<std::chrono::seconds>(*result.passes_at));
  return result;
}

}  // namespace rls::decide::gates
