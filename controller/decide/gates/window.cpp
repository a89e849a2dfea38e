#include "controller/base/text.hpp"
#include "controller/decide/gates.hpp"
#include "controller/decide/windows.hpp"

namespace rls::decide::gates {
namespace {

std::string text_of(const api::WindowSpec& window) {
  return window.schedule + " for " + format_duration(window.duration) + " " + window.time_zone;
}

void freeze(const GateInput& input, const api::Freeze& freeze, GateResult& result) {
  if (freeze.until && *freeze.until <= input.observed.now) return;
  result.state = api::GateState::blocked;
  result.passes_at = freeze.until;
  result.final = true;  // it is the database's word, not the migration's
  result.message = "the database is frozen" +
                   (freeze.until ? " until " + format_rfc3339_seconds(*freeze.until) : std::string{}) + ": " +
                   quoted(freeze.reason, 200) + "; demotions still happen";
}

/// Which of them opens at that time.
std::string which_opens(const std::vector<api::WindowSpec>& windows, Time now, Time opens) {
  for (const api::WindowSpec& window : windows) {
    const auto state = window_at(window, now);
    if (state && state->changes_at == opens) return text_of(window);
  }
  return {};
}

/// `whose`: where the windows stand.
void windows(const GateInput& input, const std::vector<api::WindowSpec>& windows, const std::string& whose,
             GateResult& result) {
  if (windows.empty() || !result.open()) return;
  const Time now = input.observed.now;
  const auto state = any_window_at(windows, now);
  if (!state) {
    result.state = api::GateState::unknown;
    result.message = whose + ": " + state.error().message;
    return;
  }
  result.passes_at = state->changes_at;
  if (state->open) return;
  result.state = api::GateState::waiting;
  for (const api::WindowSpec& window : windows) {
    result.required += (result.required.empty() ? "" : ", or ") + text_of(window);
  }
  result.message = "outside the windows of " + whose;
  if (state->changes_at) {
    result.message += ": the next opens at " + format_rfc3339_seconds(*state->changes_at) + " (" +
                      which_opens(windows, now, *state->changes_at) + ")";
  } else {
    result.message += ", and none opens within eight years";
  }
  result.message += "; demotions still happen";
}

}  // namespace

GateResult window(const GateInput& input) {
  GateResult result{.name = "Window", .state = api::GateState::passed};
  if (input.policy.freeze) freeze(input, *input.policy.freeze, result);
  // Inside both: of the floor and of its own.
  windows(input, input.policy.minimum_gates.windows, "spec.minimumGates of the RlsDatabase", result);
  windows(input, input.migration.spec.gates.windows, "spec.gates", result);
  return result;
}

}  // namespace rls::decide::gates
