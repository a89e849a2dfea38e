#include "controller/decide/gates.hpp"

namespace rls::decide::gates {

GateResult database(const GateInput& input) {
  GateResult result{.name = "Database"};
  switch (input.observed.database) {
    case DatabaseState::ok: result.state = api::GateState::passed; return result;
    case DatabaseState::unreachable: result.state = api::GateState::unknown; break;
    case DatabaseState::not_primary:
    case DatabaseState::changed:
    case DatabaseState::claimed:
    case DatabaseState::unusable: result.state = api::GateState::blocked; break;
  }
  result.required = "the primary, reachable, claimed by this installation";
  result.observed = input.observed.database_reason;
  result.message = input.observed.database_message;
  return result;
}

}  // namespace rls::decide::gates
