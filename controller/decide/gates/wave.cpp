#include "controller/base/text.hpp"
#include "controller/decide/gates.hpp"

namespace rls::decide::gates {

GateResult wave(const GateInput& input) {
  GateResult result{.name = "Wave", .state = api::GateState::passed};
  const auto& seen = input.observed.wave;
  if (!seen || (seen->open && !seen->frozen)) return result;
  result.state = seen->frozen ? api::GateState::blocked : api::GateState::waiting;
  result.passes_at = seen->frozen ? seen->thaws_at : std::nullopt;
  result.required = seen->frozen ? "a rollout that is not frozen" : "the waves before have arrived";
  result.message =
      "wave " + quoted(seen->name, 63) + " of RlsRollout " + quoted(seen->rollout, 63) + ": " + seen->why;
  return result;
}

}  // namespace rls::decide::gates
