#include "controller/base/text.hpp"
#include "controller/decide/gates.hpp"

namespace rls::decide::gates {

GateResult posture(const GateInput& input) {
  GateResult result{.name = "Posture"};
  result.required = "no critical finding about the database";
  const auto& seen = input.observed.posture;
  if (!seen) {
    // Of an adopted runtime nobody has looked yet; what is ours is looked at before anything is decided.
    result.state = input.observed.managed ? api::GateState::unknown : api::GateState::passed;
    result.message = "the posture of the database has not been looked at yet";
    return result;
  }
  if (seen->critical == 0) {
    result.state = api::GateState::passed;
    return result;
  }
  result.state = api::GateState::blocked;
  result.observed = std::to_string(seen->critical) + " critical";
  result.message = seen->worst.empty() ? "see status.findings of the RlsDatabase" : seen->worst;
  return result;
}

}  // namespace rls::decide::gates
