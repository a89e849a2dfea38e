#include <algorithm>
#include <string>

#include "controller/decide/gates.hpp"

namespace rls::decide::gates {

GateResult transactions(const GateInput& input) {
  const std::int64_t required = required_gates(input).min_transactions.value_or(0);
  GateResult result{.name = "Transactions", .state = api::GateState::passed};
  const auto& seen = input.observed.transactions;
  if (required == 0 || (seen && *seen >= required)) return result;
  result.required = "at least " + std::to_string(required);
  if (!seen) {
    result.state = api::GateState::unknown;
    result.message =
        "transactions are not counted: only a managed runtime counts them; set minTransactions to 0 "
        "(spec.gates, and "
        "spec.minimumGates of the RlsDatabase)";
    return result;
  }
  result.state = api::GateState::waiting;
  // In steps, so that a counter that runs does not rewrite the status each time.
  const std::int64_t tenth = std::max<std::int64_t>(1, required / 10);
  result.observed = "at least " + std::to_string(*seen / tenth * tenth);
  result.message =
      "too few transactions of the project were seen since it entered " +
      std::string(to_string(input.observed.phase)) +
      " (those that call set_project_context; one in sixteen is counted, and the lower bound taken)";
  return result;
}

}  // namespace rls::decide::gates
