// Projects that go together (R-A3): all of them, or none.

#include <gmock/gmock.h>

#include <map>
#include <memory>

#include "tests/unit/decide/subject.hpp"

namespace rls::decide {
namespace {

using api::GateState;
using testing::HasSubstr;

/// Several projects of one database, decided together.
class Projects {
 public:
  Subject& add(const std::string& project) {
    subjects_.push_back(std::make_unique<Subject>(project));
    return *subjects_.back();
  }
  Subject& add(const std::string& project, std::vector<std::string> group, const std::string& name = "w") {
    Subject& subject = add(project);
    subject.migration.spec.group = api::GroupSpec{name, std::move(group)};
    return subject;
  }
  Subject& operator[](const std::string& project) {
    for (const auto& subject : subjects_) {
      if (subject->migration.spec.project == project) return *subject;
    }
    throw std::out_of_range(project);
  }
  void remove(const std::string& project) {
    std::erase_if(subjects_, [&](const auto& one) { return one->migration.spec.project == project; });
  }
  std::map<std::string, Plan> decide() {
    std::vector<Candidate> candidates;
    for (const auto& subject : subjects_) candidates.push_back({&subject->migration, &subject->seen});
    const auto plans = decide_all(candidates, policy);
    std::map<std::string, Plan> out;
    for (std::size_t i = 0; i < plans.size(); ++i)
      out.emplace(subjects_[i]->migration.meta.name.name, plans[i]);
    return out;
  }
  /// Who goes up.
  std::vector<std::string> up() {
    std::vector<std::string> out;
    for (const auto& [project, plan] : decide()) {
      if (plan.step == StepKind::up) out.push_back(project);
    }
    return out;
  }
  std::string why(const std::string& project) {
    const auto plans = decide();
    for (const GateResult& gate : plans.at(project).gates) {
      if (gate.name == "Group") return std::string(to_string(gate.state)) + ": " + gate.message;
    }
    return "no gate";
  }
  api::DatabasePolicy policy;

 private:
  std::vector<std::unique_ptr<Subject>> subjects_;
};

/// a, b and c in one group, all ready.
Projects three() {
  Projects projects;
  for (const char* project : {"a", "b", "c"}) projects.add(project, {"a", "b", "c"});
  return projects;
}

using Names = std::vector<std::string>;

TEST(Together, R_A3_AllReadyGoInOneTransaction) {
  Projects projects = three();
  projects.add("alone");
  const auto plans = projects.decide();
  EXPECT_EQ(projects.up(), (Names{"a", "alone", "b", "c"}));
  EXPECT_NE(plans.at("a").group, "");
  EXPECT_EQ(plans.at("a").group, plans.at("b").group);
  EXPECT_EQ(plans.at("a").group, plans.at("c").group);
  EXPECT_EQ(plans.at("alone").group, "");
}

TEST(Together, R_A3_OneBehindHoldsAllAndIsNamed) {
  Projects projects = three();
  projects["b"].seen.transactions = 3;
  EXPECT_EQ(projects.up(), Names{});
  EXPECT_EQ(projects.why("a"), "Waiting: held back by \"b\" (Transactions Waiting)");
  EXPECT_EQ(projects.why("b"), "Passed: ");
}

TEST(Together, HowAMemberStands) {
  const std::vector<std::pair<std::function<void(Subject&)>, const char*>> cases = {
      {[](Subject& b) { b.seen.transactions.reset(); }, "\"b\" (Transactions Unknown)"},
      {[](Subject& b) { b.migration.spec.suspend = true; }, "\"b\" (spec.suspend stops promotions"},
      {[](Subject& b) { b.migration.hold_at = Phase::shadow; }, "\"b\" (held at shadow by annotation"},
      {[](Subject& b) { b.migration.hold_at_unreadable = "x"; },
       "\"b\" (annotation rls-operator.dev/hold-at"},
      {[](Subject& b) {
         b.seen.hold = HoldRow{Phase::shadow, "check e"};
       },
       "\"b\" (held at shadow in"},
      {[](Subject& b) { b.migration.spec.phase = Phase::shadow; }, "\"b\" (its spec.phase is shadow)"},
      {[](Subject& b) { b.migration.spec.phase = Phase::pending; }, "\"b\" (going down to pending"},
      {[](Subject& b) { b.seen.last_ours = Phase::pending; }, "\"b\" (the phase in the database is shadow"},
      {[](Subject& b) { b.migration.resume = "now"; }, "\"b\" (clearing the hold"},
      {[](Subject& b) { b.seen.project_known = false, b.seen.project_message = "no row"; }, "\"b\" (no row)"},
      {[](Subject& b) { b.migration.spec_problem = "spec.phase: sideways"; }, "\"b\" (spec.phase: sideways)"},
  };
  for (const auto& [change, says] : cases) {
    Projects projects = three();
    change(projects["b"]);
    EXPECT_EQ(projects.up(), Names{}) << says;
    EXPECT_THAT(projects.why("a"), HasSubstr(says));
  }
}

TEST(Together, WhoIsBehindCatchesUpFirst) {
  Projects projects = three();
  projects["b"].stands_in(Phase::pending);
  EXPECT_EQ(projects.up(), Names{"b"}) << "the others are where it goes";
  EXPECT_THAT(projects.why("a"), HasSubstr("\"b\" (in pending)"));
  projects["b"].seen.wave = WaveState{.rollout = "all", .name = "two", .open = false, .members = {}};
  EXPECT_EQ(projects.up(), Names{});
}

TEST(Together, AMissingMemberBlocksTheOthers) {
  Projects projects = three();
  projects.remove("c");
  EXPECT_EQ(projects.up(), Names{});
  EXPECT_EQ(projects.why("a"),
            "Blocked: held back by \"c\" (no RlsMigration names it), "
            "\"b\" (Group: c: no RlsMigration)");
}

TEST(Together, ListsThatDifferWaitWhicheverWay) {
  for (const auto& list : std::vector<Names>{{"a", "b"}, {"a", "b", "c", "d"}}) {
    Projects projects = three();
    projects["b"].migration.spec.group->members = list;
    EXPECT_EQ(projects.up(), Names{});
    EXPECT_THAT(projects.why("a"), HasSubstr("\"b\" (its spec.group is another one)"));
    EXPECT_THAT(projects.why("b"), HasSubstr("\"a\" (its spec.group is another one)"));
  }
  Projects projects = three();
  projects["b"].migration.spec.group->name = "other";
  EXPECT_EQ(projects.up(), Names{}) << "another name is another group";
  projects["b"].migration.spec.group.reset();
  EXPECT_EQ(projects.up(), Names{"b"}) << "b has left, and goes alone; the others still name it";
}

TEST(Together, TheOrderOfTheListDoesNotMatter) {
  Projects projects = three();
  projects["b"].migration.spec.group->members = {"c", "b", "a"};
  EXPECT_EQ(projects.up(), (Names{"a", "b", "c"}));
}

TEST(Together, AStrangerThatNamesMeDoesNotHoldMe) {
  Projects projects;
  projects.add("sm");
  projects.add("stranger", {"sm", "stranger"});
  EXPECT_EQ(projects.up(), Names{"sm"});
  EXPECT_THAT(projects.why("stranger"), HasSubstr("\"sm\" (its spec.group is another one)"));
  projects["sm"].migration.spec.group = api::GroupSpec{"mine", {"sm"}};
  EXPECT_EQ(projects.up(), Names{"sm"});
}

TEST(Together, WhoIsAheadHoldsNobody) {
  Projects projects = three();
  projects["b"].stands_in(Phase::enforcing);
  projects["c"].stands_in(Phase::complete);
  projects["c"].migration.spec.phase = Phase::complete;
  EXPECT_EQ(projects.up(), Names{"a"});
  projects["b"].seen.hold = HoldRow{Phase::enforcing, "dba"};
  projects["b"].migration.spec.phase = Phase::complete;
  EXPECT_EQ(projects.up(), Names{"a"}) << "held where it is, it has arrived all the same";
}

TEST(Together, WhatSomebodyElseRaisedHasNotArrived) {
  Projects projects = three();
  projects["b"].seen.phase = Phase::enforcing;
  EXPECT_EQ(projects.up(), Names{});
  EXPECT_THAT(projects.why("a"), HasSubstr("somebody else raised it"));
  projects["b"].seen.last_ours = Phase::enforcing;
  EXPECT_EQ(projects.up(), (Names{"a", "c"}));
}

// Else it would wait for the others, and they for it.
TEST(Together, WhatSomebodyElseLoweredHasArrivedWhereItStands) {
  Projects projects = three();
  projects["a"].stands_in(Phase::pending);
  projects["b"].seen.last_ours = Phase::enforcing;
  projects["c"].seen.last_ours = Phase::enforcing;
  EXPECT_EQ(projects.up(), Names{"a"});
  projects["a"].stands_in(Phase::shadow);
  EXPECT_EQ(projects.up(), (Names{"a", "b", "c"}));
}

TEST(Together, WhoGoesDownHoldsTheOthersWhileItDoes) {
  Projects projects = three();
  projects["b"].stands_in(Phase::complete);
  projects["b"].migration.spec.phase = Phase::enforcing;
  const auto plans = projects.decide();
  EXPECT_EQ(plans.at("b").step, StepKind::down);
  EXPECT_EQ(plans.at("b").group, "") << "down it goes alone";
  EXPECT_EQ(projects.up(), Names{});
}

TEST(Together, ARollbackLeavesTheGroupBehind) {
  Projects projects = three();
  for (const char* project : {"a", "b", "c"}) projects[project].stands_in(Phase::enforcing);
  projects["b"].migration.spec.phase = Phase::pending;
  const auto plans = projects.decide();
  EXPECT_EQ(plans.at("b").step, StepKind::down);
  EXPECT_EQ(plans.at("a").step, StepKind::none);
  EXPECT_TRUE(plans.at("a").target_reached);
}

TEST(Together, GroupsThatMeetAreOne) {
  // a and b by spec.group, b and c by a wave.
  Projects projects;
  projects.add("a", {"a", "b"});
  projects.add("b", {"a", "b"});
  projects.add("c");
  const WaveState wave{.rollout = "all", .name = "one", .open = true, .members = {"b", "c"}};
  projects["b"].seen.wave = projects["c"].seen.wave = wave;
  auto plans = projects.decide();
  EXPECT_EQ(projects.up(), (Names{"a", "b", "c"}));
  EXPECT_EQ(plans.at("a").group, plans.at("c").group);
  projects["c"].seen.transactions = 3;
  EXPECT_EQ(projects.up(), Names{});
  EXPECT_THAT(projects.why("a"), HasSubstr("\"c\" (Transactions Waiting)")) << "whom it does not name itself";
}

TEST(Together, AMembersOwnBrokenGroupHoldsTheOthers) {
  Projects projects;
  const WaveState wave{.rollout = "all", .name = "one", .open = true, .members = {"a", "b"}};
  projects.add("a").seen.wave = wave;
  projects.add("b", {"b", "gone"}).seen.wave = wave;
  EXPECT_EQ(projects.up(), Names{});
  EXPECT_THAT(projects.why("a"), HasSubstr("\"b\" (Group: gone: no RlsMigration)"));
  EXPECT_THAT(projects.why("b"), HasSubstr("\"gone\" (no RlsMigration names it)"));
}

TEST(Together, AClosedWaveIsSaidOfTheMember) {
  Projects projects;
  WaveState wave{.rollout = "all", .name = "one", .open = false, .members = {"a", "b"}};
  projects.add("a").seen.wave = wave;
  projects.add("b").seen.wave = wave;
  EXPECT_EQ(projects.up(), Names{});
  EXPECT_THAT(projects.why("a"), HasSubstr("\"b\" (Wave Waiting)"));
}

TEST(Together, TheYoungerOfTwoObjectsIsNoMember) {
  Projects projects = three();
  Subject& younger = projects.add("b-again", {"a", "b", "c"});
  younger.migration.spec.project = "b";
  younger.seen.conflict_with_older = "b";
  younger.seen.transactions = 0;
  EXPECT_EQ(projects.up(), (Names{"a", "b", "c"}));
  EXPECT_EQ(projects.decide().at("b-again").standing, Standing::conflict);
}

TEST(Together, WhoIsLeftWithTheYoungerAloneIsMissing) {
  Projects projects = three();
  projects["b"].seen.conflict_with_older = "an older one that is elsewhere";
  EXPECT_EQ(projects.up(), Names{});
  EXPECT_THAT(projects.why("a"), HasSubstr("\"b\" (no RlsMigration names it)"));
}

TEST(Together, TwoGroupsAtOnceDoNotMeet) {
  Projects projects = three();
  projects.add("x", {"x", "y"}, "v");
  projects.add("y", {"x", "y"}, "v");
  projects["b"].seen.transactions = 3;
  EXPECT_EQ(projects.up(), (Names{"x", "y"}));
  EXPECT_NE(projects.decide().at("x").group, "");
}

TEST(Together, WhoIsAtTheEndWaitsForNobody) {
  Projects projects = three();
  projects["a"].stands_in(Phase::complete);
  projects["a"].migration.spec.phase = Phase::complete;
  projects.remove("b");
  EXPECT_TRUE(projects.decide().at("a").target_reached);
}

TEST(Together, MembersAreCountedExactlyBeforeAnyoneGoes) {
  Projects projects = three();
  for (const char* project : {"a", "b", "c"}) projects[project].seen.violations_exact = false;
  for (const auto& [project, plan] : projects.decide()) {
    EXPECT_TRUE(plan.needs_exact_count) << project;
    EXPECT_EQ(plan.step, StepKind::none) << project;
  }
  projects["b"].seen.transactions = 3;
  for (const auto& [project, plan] : projects.decide())
    EXPECT_FALSE(plan.needs_exact_count) << project << ": somebody waits for something else";
}

// One that was counted must not go before the other is.
TEST(Together, AMemberThatIsStillToBeCountedHoldsWhoHasBeen) {
  Projects projects = three();
  projects["b"].seen.violations_exact = false;
  EXPECT_EQ(projects.up(), Names{});
  EXPECT_TRUE(projects.decide().at("b").needs_exact_count) << "and it is counted";
}

TEST(Together, WhoPassesOverTheGateGoesWithoutTheOthers) {
  Projects projects = three();
  projects["b"].seen.transactions = 3;
  projects["a"].migration.spec.overrides = {{{"Group"}, "b is retired", projects["a"].seen.now + 1h}};
  EXPECT_EQ(projects.up(), Names{"a"});
}

TEST(Together, TheAnswerDoesNotHangOnTheOrder) {
  Projects forward, backward;
  const Names names = {"a", "b", "c", "d"};
  for (const std::string& name : names) forward.add(name, names);
  for (auto name = names.rbegin(); name != names.rend(); ++name) backward.add(*name, names);
  EXPECT_EQ(forward.up(), backward.up());
  for (const std::string& name : names) {
    EXPECT_EQ(forward.why(name), backward.why(name));
    EXPECT_NE(forward.decide().at(name).group, "");
  }
}

TEST(Together, WhatWasSaidOfTheGroupBeforeIsForgotten) {
  Projects projects = three();
  projects["b"].seen.transactions = 3;
  projects.decide();
  projects["b"].seen.transactions = 5000;
  EXPECT_EQ(projects.up(), (Names{"a", "b", "c"}));
}

}  // namespace
}  // namespace rls::decide
