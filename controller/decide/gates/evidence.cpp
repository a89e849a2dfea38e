#include "controller/decide/gates.hpp"

namespace rls::decide::gates {

GateResult evidence(const GateInput& input) {
  const Evidence& seen = input.observed.evidence;
  GateResult result{.name = "Evidence", .state = api::GateState::unknown};
  result.required = "every denial that enforcing would bring is recorded, on every table with policies";
  switch (seen.state) {
    case Evidence::State::complete: break;
    case Evidence::State::incomplete:
    case Evidence::State::unknown:
      result.message = seen.why.empty() ? "it is not known whether denials are recorded" : seen.why;
      return result;
  }
  if (input.policy.reads == api::ReadEvidence::required && !seen.reads) {
    result.message =
        "reads are not recorded: triggers see none; set spec.evidence.reads of the RlsDatabase to BestEffort "
        "to go on "
        "without";
    return result;
  }
  result.state = api::GateState::passed;
  return result;
}

}  // namespace rls::decide::gates
