// The gate Group: what it says of the others. Who they are and how they stand: together_test.cpp.

#include <gmock/gmock.h>

#include "tests/unit/decide/subject.hpp"

namespace rls::decide {
namespace {

using api::GateState;
using State = GroupMember::State;

GateResult group_of(std::vector<GroupMember> members) {
  Subject subject;
  subject.seen.group = std::move(members);
  return subject.gate("Group");
}

TEST(GroupGate, AloneOrWithAllReadyItPasses) {
  EXPECT_EQ(group_of({}).state, GateState::passed);
  EXPECT_EQ(group_of({{"aa", State::ready, ""}, {"ab", State::ready, ""}}).state, GateState::passed);
}

TEST(GroupGate, NamesWhoHoldsTheOthersBackAndWhy) {
  const GateResult gate = group_of({{"aa", State::ready, ""}, {"ab", State::waiting, "SoakTime Waiting"}});
  EXPECT_EQ(gate.state, GateState::waiting);
  EXPECT_EQ(gate.required, "all of the group may go to enforcing, which go together");
  EXPECT_EQ(gate.message, "held back by \"ab\" (SoakTime Waiting)");
}

TEST(GroupGate, AMissingMemberBlocks) {
  const GateResult gate = group_of({{"aa", State::waiting, "in pending"}, {"ab", State::missing, ""}});
  EXPECT_EQ(gate.state, GateState::blocked);
  EXPECT_EQ(gate.message, "held back by \"aa\" (in pending), \"ab\" (no RlsMigration names it)");
}

TEST(GroupGate, ListsThatDifferWait) {
  const GateResult gate = group_of({{"aa", State::lists_differ, ""}});
  EXPECT_EQ(gate.state, GateState::waiting);
  EXPECT_EQ(gate.message, "held back by \"aa\" (its spec.group is another one)");
}

TEST(GroupGate, FiveAreNamedAndTheRestCounted) {
  std::vector<GroupMember> members;
  for (int i = 0; i < 8; ++i) members.push_back({"p" + std::to_string(i), State::waiting, "waits"});
  const std::string message = group_of(members).message;
  EXPECT_NE(message.find("\"p4\""), std::string::npos);
  EXPECT_EQ(message.find("\"p5\""), std::string::npos);
  EXPECT_NE(message.find(" and 3 more"), std::string::npos);
}

TEST(GroupGate, AMissingMemberBlocksAlsoWhereItIsNotNamed) {
  std::vector<GroupMember> members;
  for (int i = 0; i < 8; ++i) members.push_back({"p" + std::to_string(i), State::waiting, "waits"});
  members.push_back({"zz", State::missing, ""});
  EXPECT_EQ(group_of(members).state, GateState::blocked);
}

TEST(GroupGate, HoldsNobodyDown) {
  Subject subject;
  subject.seen.group = {{"aa", State::missing, ""}};
  subject.stands_in(Phase::complete);
  EXPECT_EQ(subject.plan().step, StepKind::down);
}

TEST(GroupGate, OfNoPeersItIsAlone) {
  Subject subject;
  EXPECT_TRUE(peers_of(subject.migration, std::nullopt).empty());
  subject.migration.spec.group = api::GroupSpec{"w", {"sm"}};
  EXPECT_TRUE(peers_of(subject.migration, std::nullopt).empty());
}

TEST(GroupGate, PeersAreThoseOfGroupAndWaveWithoutItself) {
  Subject subject;
  subject.migration.spec.group = api::GroupSpec{"w", {"sm", "ab", "aa"}};
  const WaveState wave{.rollout = "all", .name = "one", .open = true, .members = {"sm", "bap", "aa"}};
  EXPECT_THAT(peers_of(subject.migration, wave), testing::ElementsAre("aa", "ab", "bap"));
}

}  // namespace
}  // namespace rls::decide
