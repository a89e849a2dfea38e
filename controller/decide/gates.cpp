#include "controller/decide/gates.hpp"

#include <algorithm>

namespace rls::decide {
namespace {

constexpr std::int64_t kMinTransactions = 1000;  // R-A6

struct GateRow {
  GateResult (*evaluate)(const GateInput&);
  bool to_shadow, to_enforcing, to_complete;  ///< the steps it belongs to
};

// clang-format off
// The table of design 2-api, Gate × step; in the order shown to people.
constexpr GateRow kGates[] = {
    //                    shadow  enforcing  complete
    {gates::database,     true,   true,      true},
    {gates::soak_time,    false,  true,      true},
    {gates::violations,   false,  true,      true},
    {gates::transactions, false,  true,      false},
    {gates::review,       false,  true,      false},
    {gates::evidence,     false,  true,      false},
    {gates::window,       true,   true,      true},
    {gates::hold,         true,   true,      true},
};
// clang-format on

bool belongs(const GateRow& row, Phase to) {
  switch (to) {
    case Phase::pending: return false;  // down: no gate is asked
    case Phase::shadow: return row.to_shadow;
    case Phase::enforcing: return row.to_enforcing;
    case Phase::complete: return row.to_complete;
  }
  return true;
}

}  // namespace

std::vector<GateResult> evaluate_gates(const GateInput& input) {
  std::vector<GateResult> results;
  for (const GateRow& row : kGates) {
    if (belongs(row, input.to)) results.push_back(row.evaluate(input));
  }
  return results;
}

api::GatesSpec required_gates(const GateInput& input) {
  api::GatesSpec gates = input.migration.spec.gates;
  const api::MinimumGates& floor = input.policy.minimum_gates;
  gates.shadow_soak = std::max(gates.shadow_soak, floor.shadow_soak.value_or(gates.shadow_soak));
  gates.enforcing_soak = std::max(gates.enforcing_soak, floor.enforcing_soak.value_or(gates.enforcing_soak));
  gates.max_violations = std::min(gates.max_violations, floor.max_violations.value_or(gates.max_violations));
  // R-A6, as far as the runtime can tell.
  const bool managed = input.observed.managed;
  gates.min_transactions = std::max(gates.min_transactions.value_or(managed ? kMinTransactions : 0),
                                    floor.min_transactions.value_or(0));
  gates.review_required = gates.review_required.value_or(managed) || floor.review_required.value_or(false);
  return gates;
}

Time clean_since(const Observation& observed) {
  Time since = observed.phase_since;
  if (observed.violations.last) since = std::max(since, *observed.violations.last);
  if (observed.fixed_at) since = std::max(since, *observed.fixed_at);
  if (observed.managed && observed.phase == Phase::shadow && observed.recorded_since)
    since = std::max(since, *observed.recorded_since);
  if (observed.policies_changed_at) since = std::max(since, *observed.policies_changed_at);
  return since;
}

}  // namespace rls::decide
