#include <algorithm>
#include <string>

#include "controller/decide/gates.hpp"

namespace rls::decide::gates {
namespace {

/// In steps, so that a counter that runs does not rewrite the status each time: 12, 120, 1200.
std::int64_t leading_digits(std::int64_t count) {
  std::int64_t step = 1;
  while (count / step >= 100) step *= 10;
  return count / step * step;
}

void nobody_counts(const Observation& seen, GateResult& result) {
  result.state = api::GateState::unknown;
  result.message = seen.transactions_message;
  if (!result.message.empty()) return;
  result.message =
      "transactions are not counted: name their source in spec.evidence.transactions of the RlsDatabase, or "
      "set "
      "minTransactions to 0 (spec.gates, and spec.minimumGates of the RlsDatabase)";
}

}  // namespace

GateResult transactions(const GateInput& input) {
  const std::int64_t required = required_gates(input).min_transactions.value_or(0);
  GateResult result{.name = "Transactions", .state = api::GateState::passed};
  const auto& seen = input.observed.transactions;
  if (required == 0 || (seen && *seen >= required)) return result;
  result.required = "at least " + std::to_string(required);
  if (!seen) {
    nobody_counts(input.observed, result);
    return result;
  }
  result.state = api::GateState::waiting;
  const std::string since = " since it entered " + std::string(to_string(input.observed.phase));
  if (input.observed.managed) {
    const std::int64_t tenth = std::max<std::int64_t>(1, required / 10);
    result.observed = "at least " + std::to_string(*seen / tenth * tenth);
    result.message =
        "too few transactions of the project were seen" + since +
        " (those that call set_project_context; one in sixteen is counted, and the lower bound taken)";
    return result;
  }
  const std::int64_t shown = leading_digits(*seen);
  result.observed = (shown == *seen ? "" : "at least ") + std::to_string(shown);
  result.message = result.observed + " of " + std::to_string(required) +
                   " transactions of the project were counted" + since;
  return result;
}

}  // namespace rls::decide::gates
