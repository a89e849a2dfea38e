#include "controller/decide/gates.hpp"

#include <algorithm>

#include "controller/base/text.hpp"

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
    {gates::posture,      false,  true,      true},
    {gates::approval,     true,   true,      true},
    {gates::checks,       true,   true,      true},
    {gates::window,       true,   true,      true},
    {gates::wave,         true,   true,      true},
    {gates::group,        true,   true,      true},
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

/// The override that names the gate now, or nullptr. Of several the one that lasts longest.
const api::OverrideSpec* override_of(const GateInput& input, std::string_view gate) {
  const api::OverrideSpec* out = nullptr;
  for (const api::OverrideSpec& candidate : input.migration.spec.overrides) {
    const bool names =
        std::find(candidate.gates.begin(), candidate.gates.end(), gate) != candidate.gates.end();
    if (!names || candidate.expires <= input.observed.now) continue;
    if (out == nullptr || candidate.expires > out->expires) out = &candidate;
  }
  return out;
}

/// A person passes over a gate that is not open, where the cluster proves that the person may.
void pass_over(const GateInput& input, GateResult& result) {
  if (result.open() || result.final || !may_be_overridden(result.name)) return;
  const api::OverrideSpec* found = override_of(input, result.name);
  if (found == nullptr) return;
  if (!input.observed.override_guard.bound) {
    result.message += "; spec.overrides is not followed: " + input.observed.override_guard.why;
    return;
  }
  result.state = api::GateState::overridden;
  result.message = "overridden until " + format_rfc3339_seconds(found->expires) + ": " +
                   quoted(found->reason, 200) + std::string(kOverriddenElse) + result.message;
  // It may pass by itself before the override ends.
  const bool passes_before =
      result.passes_at && *result.passes_at > input.observed.now && *result.passes_at < found->expires;
  if (!passes_before) result.passes_at = found->expires;
}

}  // namespace

bool may_be_overridden(std::string_view gate) {
  return gate != "Database" && gate != "Evidence" && gate != "Approval" && gate != "Hold";
}

bool guards(const api::CheckSpec& check, Phase phase) {
  return check.phases.empty() ||
         std::find(check.phases.begin(), check.phases.end(), phase) != check.phases.end();
}

std::string shown(const api::CheckSpec& check) {
  const bool of_database = check.demanded_by == api::CheckSpec::DemandedBy::database;
  return quoted(check.name, 63) + (of_database ? " of the database" : "");
}

std::vector<GateResult> evaluate_gates(const GateInput& input) {
  std::vector<GateResult> results;
  for (const GateRow& row : kGates) {
    if (!belongs(row, input.to)) continue;
    results.push_back(row.evaluate(input));
    pass_over(input, results.back());
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
  const bool counted = managed || input.policy.transactions.has_value();
  gates.min_transactions = std::max(gates.min_transactions.value_or(counted ? kMinTransactions : 0),
                                    floor.min_transactions.value_or(0));
  for (const auto& [phase, count] : floor.approvals) {
    auto& asked = gates.approvals[phase];
    asked = std::max(asked, count);
  }
  gates.checks.insert(gates.checks.end(), floor.checks.begin(), floor.checks.end());
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
