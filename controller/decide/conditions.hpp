#pragma once
// What a Plan looks like as conditions of an RlsMigration, by the kstatus table (design 2-api, Conditions).
// Pure. Every reason is explained in docs/conditions.md.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "controller/decide/plan.hpp"

namespace rls::decide {

/// A step that was decided and did not come through: shown until it does.
struct StepFailure {
  std::string reason;  ///< CamelCase
  std::string message;
  bool terminal = false;  ///< trying again cannot help until somebody changes something
};

/// The conditions, without transition times. Reconciling and Stalled are absent when false and never both
/// there.
std::vector<api::Condition> conditions_of(const Plan& plan, const Observation& observed,
                                          std::int64_t generation,
                                          const std::optional<StepFailure>& failure = std::nullopt);

}  // namespace rls::decide
