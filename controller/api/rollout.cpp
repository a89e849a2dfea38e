#include "controller/api/rollout.hpp"

namespace rls::api {
namespace {

template <class Gate>
void replace(std::optional<Gate>& under, const std::optional<Gate>& over) {
  if (over) under = over;
}

}  // namespace

GatesPatch merged(GatesPatch under, const GatesPatch& over) {
  replace(under.shadow_soak, over.shadow_soak);
  replace(under.enforcing_soak, over.enforcing_soak);
  replace(under.max_violations, over.max_violations);
  replace(under.min_transactions, over.min_transactions);
  replace(under.review_required, over.review_required);
  replace(under.approvals, over.approvals);
  replace(under.windows, over.windows);
  replace(under.checks, over.checks);
  return under;
}

std::string_view to_string(WaveState state) {
  switch (state) {
    case WaveState::waiting: return "Waiting";
    case WaveState::open: return "Open";
    case WaveState::done: return "Done";
  }
  return "Waiting";
}

std::optional<WaveState> parse_wave_state(std::string_view text) {
  for (const WaveState state : {WaveState::waiting, WaveState::open, WaveState::done}) {
    if (text == to_string(state)) return state;
  }
  return std::nullopt;
}

}  // namespace rls::api
