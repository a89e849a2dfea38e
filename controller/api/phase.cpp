#include "controller/api/phase.hpp"

#include <cassert>

namespace rls {

std::string_view to_string(Phase phase) {
  switch (phase) {
    case Phase::pending: return "pending";
    case Phase::shadow: return "shadow";
    case Phase::enforcing: return "enforcing";
    case Phase::complete: return "complete";
  }
  return "pending";
}

std::optional<Phase> parse_phase(std::string_view text) {
  for (const Phase phase : kPhases) {
    if (text == to_string(phase)) return phase;
  }
  return std::nullopt;
}

Phase next_phase(Phase phase) {
  switch (phase) {
    case Phase::pending: return Phase::shadow;
    case Phase::shadow: return Phase::enforcing;
    case Phase::enforcing: return Phase::complete;
    case Phase::complete: break;
  }
  assert(false && "nothing comes after complete");
  return Phase::complete;
}

}  // namespace rls
