#include "controller/base/text.hpp"
#include "controller/decide/gates.hpp"

namespace rls::decide::gates {
namespace {

constexpr std::size_t kNamed = 5;  // so many are named; more would not be read

std::string line(const GroupMember& member) {
  switch (member.state) {
    case GroupMember::State::ready: return {};
    case GroupMember::State::waiting: return quoted(member.project, 50) + " (" + member.why + ")";
    case GroupMember::State::missing: return quoted(member.project, 50) + " (no RlsMigration names it)";
    case GroupMember::State::lists_differ:
      return quoted(member.project, 50) + " (its spec.group is another one)";
  }
  return {};
}

}  // namespace

GateResult group(const GateInput& input) {
  GateResult result{.name = "Group", .state = api::GateState::passed};
  std::size_t behind = 0;
  bool missing = false;
  std::string names;
  for (const GroupMember& member : input.observed.group) {
    if (member.state == GroupMember::State::ready) continue;
    if (member.state == GroupMember::State::missing) missing = true;
    if (++behind > kNamed) continue;
    if (!names.empty()) names += ", ";
    names += line(member);
  }
  if (behind == 0) return result;
  result.state = missing ? api::GateState::blocked : api::GateState::waiting;
  result.required = "all of the group may go to " + std::string(to_string(input.to)) + ", which go together";
  result.message = "held back by " + names;
  if (behind > kNamed) result.message += " and " + std::to_string(behind - kNamed) + " more";
  return result;
}

}  // namespace rls::decide::gates
