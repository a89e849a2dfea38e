#include <set>

#include "controller/base/text.hpp"
#include "controller/decide/evidence_digest.hpp"
#include "controller/decide/gates.hpp"

namespace rls::decide::gates {
namespace {

std::string people(std::int64_t count) {
  return std::to_string(count) + (count == 1 ? " person" : " people");
}

}  // namespace

GateResult approval(const GateInput& input) {
  GateResult result{.name = "Approval", .state = api::GateState::passed};
  const auto approvals = required_gates(input).approvals;
  const auto wanted = approvals.find(input.to);
  if (wanted == approvals.end() || wanted->second <= 0) return result;
  const std::string phase(to_string(input.to));
  result.required = people(wanted->second) + " for " + phase;

  const Observation& seen = input.observed;
  if (!seen.approval_guard.bound) {
    result.state = api::GateState::unknown;
    result.message = "nobody can tell who wrote an RlsApproval: " + seen.approval_guard.why;
    return result;
  }
  const std::string digest = evidence_digest(input.migration, input.policy, seen);
  std::set<std::string> approvers;
  std::size_t stale = 0;
  for (const Approval& given : seen.approvals) {
    if (given.phase != input.to || (given.expires && *given.expires <= seen.now)) continue;
    if (given.digest != digest) {
      ++stale;
      continue;
    }
    approvers.insert(given.approver);
    // When it is over, the answer is another one.
    if (given.expires && (!result.passes_at || *given.expires < *result.passes_at))
      result.passes_at = given.expires;
  }
  const auto count = static_cast<std::int64_t>(approvers.size());
  if (count >= wanted->second) return result;

  result.state = api::GateState::waiting;
  result.observed = people(count);
  result.message = "waits for " + people(wanted->second - count) + (count > 0 ? " more" : "") +
                   " to approve " + phase + ": rlsctl approve " + input.migration.meta.name.name +
                   " --namespace " + input.migration.meta.name.ns + " --phase " + phase;
  if (!approvers.empty()) {
    std::string names;
    for (const std::string& name : approvers) names += (names.empty() ? "" : ", ") + quoted(name, 60);
    result.message += "; approved by " + names;
  }
  if (stale > 0) {
    result.message +=
        "; " + std::to_string(stale) + (stale == 1 ? " approval was" : " approvals were") +
        " given for other evidence: the spec, the database's checks, the policies, the verdicts or the phase "
        "changed since";
  }
  return result;
}

}  // namespace rls::decide::gates
