#include "controller/base/text.hpp"
#include "controller/decide/gates.hpp"

namespace rls::decide::gates {

GateResult window(const GateInput& input) {
  GateResult result{.name = "Window", .state = api::GateState::passed};
  const auto& freeze = input.policy.freeze;
  if (!freeze || (freeze->until && *freeze->until <= input.observed.now)) return result;
  result.state = api::GateState::blocked;
  result.passes_at = freeze->until;
  result.message = "the database is frozen" +
                   (freeze->until ? " until " + format_rfc3339_seconds(*freeze->until) : std::string{}) +
                   ": " + quoted(freeze->reason, 200) + "; demotions still happen";
  return result;
}

}  // namespace rls::decide::gates
