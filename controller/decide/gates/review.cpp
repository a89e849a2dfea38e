#include "controller/decide/gates.hpp"

namespace rls::decide::gates {

GateResult review(const GateInput& input) {
  GateResult result{.name = "Review", .state = api::GateState::passed};
  if (!required_gates(input).review_required.value_or(false)) return result;
  result.required = "a verdict on every kind of violation";
  if (!input.observed.managed) {
    result.state = api::GateState::unknown;
    result.message =
        "verdicts are kept by a managed runtime alone: set review to None (spec.gates, and spec.minimumGates "
        "of the "
        "RlsDatabase)";
    return result;
  }
  if (input.observed.unreviewed == 0) return result;
  result.state = api::GateState::blocked;
  result.observed = "violations without a verdict";
  result.message =
      "violations of this phase wait for a verdict: see status.violations, then run: rlsctl review";
  return result;
}

}  // namespace rls::decide::gates
