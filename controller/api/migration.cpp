#include "controller/api/migration.hpp"

namespace rls::api {

std::string_view to_string(GateState state) {
  switch (state) {
    case GateState::passed: return "Passed";
    case GateState::waiting: return "Waiting";
    case GateState::blocked: return "Blocked";
    case GateState::unknown: return "Unknown";
    case GateState::overridden: return "Overridden";
  }
  return "Unknown";
}

std::optional<GateState> parse_gate_state(std::string_view text) {
  for (const GateState state : {GateState::passed, GateState::waiting, GateState::blocked, GateState::unknown,
                                GateState::overridden}) {
    if (text == to_string(state)) return state;
  }
  return std::nullopt;
}

}  // namespace rls::api
