#include "controller/base/text.hpp"
#include "controller/decide/gates.hpp"

namespace rls::decide::gates {

GateResult posture(const GateInput& input) {
  GateResult result{.name = "Posture"};
  result.required = "no finding about the database of severity " +
                    std::string(to_string(input.policy.posture.block_at)) + " or worse";
  const auto& seen = input.observed.posture;
  if (!seen) {
    // Of an adopted runtime nobody has looked yet; what is ours is looked at before anything is decided.
    result.state = input.observed.managed ? api::GateState::unknown : api::GateState::passed;
    result.message = "the posture of the database has not been looked at yet";
    return result;
  }
  if (seen->blocking == 0) {
    result.state = api::GateState::passed;
    return result;
  }
  result.state = api::GateState::blocked;
  result.observed = std::to_string(seen->blocking) + (seen->blocking == 1 ? " finding" : " findings");
  result.message = seen->worst + "; mend it, or accept it in spec.posture of the RlsDatabase";
  return result;
}

}  // namespace rls::decide::gates
