#include "controller/decide/gates.hpp"

#include <algorithm>

namespace rls::decide {
namespace {

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

Time clean_since(const Observation& observed) {
  return observed.violations.last ? std::max(observed.phase_since, *observed.violations.last)
                                  : observed.phase_since;
}

}  // namespace rls::decide
