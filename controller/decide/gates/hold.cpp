#include "controller/base/text.hpp"
#include "controller/decide/gates.hpp"

namespace rls::decide::gates {

GateResult hold(const GateInput& input) {
  const api::RlsMigration& migration = input.migration;
  GateResult result{.name = "Hold", .state = api::GateState::passed};
  const auto block = [&](const std::string& message) {
    result.state = api::GateState::blocked;
    if (!result.message.empty()) result.message += "; ";
    result.message += message;
  };
  if (!migration.hold_at_unreadable.empty()) {
    block("annotation " + std::string(api::kHoldAtAnnotation) + " is " +
          quoted(migration.hold_at_unreadable, 60) +
          ": set it to pending, shadow, enforcing or complete, or remove it");
  }
  if (migration.hold_at && *migration.hold_at < input.to) {
    block("held at " + std::string(to_string(*migration.hold_at)) + " by annotation " +
          std::string(api::kHoldAtAnnotation) + ": remove it to go on");
  }
  if (input.observed.hold && input.observed.hold->at < input.to) {
    block("held at " + std::string(to_string(input.observed.hold->at)) + " in the database by " +
          quoted(input.observed.hold->by, 60) + "; to let it go on, run: rlsctl resume " +
          migration.meta.name.name + " --namespace " + migration.meta.name.ns);
  }
  return result;
}

}  // namespace rls::decide::gates
