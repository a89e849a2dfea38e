// Groups, the brake of checks, and resume, through the reconciler.

#include <gmock/gmock.h>

#include "tests/unit/reconcile/fakes.hpp"

namespace rls::reconcile {
namespace {

using testing::HasSubstr;
using testing::UnorderedElementsAre;
using namespace std::chrono_literals;

using Names = std::vector<std::string>;

class GroupsInUse : public testing::Test {
 protected:
  static std::function<void(api::RlsMigration&)> in_group(const Names& members) {
    return [members](api::RlsMigration& migration) { migration.spec.group = api::GroupSpec{"w", members}; };
  }
  Phase phase_of(const std::string& project) { return bench.world.projects.at(project).phase; }
  std::string gate(const std::string& name, const std::string& gate) {
    for (const api::GateStatus& one : bench.status(name).gates) {
      if (one.name == gate) return std::string(to_string(one.state)) + ": " + one.message;
    }
    return "no gate";
  }
  Bench bench;
  const Names abc = {"a", "b", "c"};
};

TEST_F(GroupsInUse, R_A3_ASingleKeyTakesTheGroupWithIt) {
  for (const std::string& name : abc) bench.stands(name, Phase::pending, Phase::shadow, in_group(abc));
  bench.stands("alone", Phase::pending, Phase::shadow);
  bench.reconcile("b");
  EXPECT_THAT(bench.world.moved_together, testing::ElementsAre(UnorderedElementsAre("a", "b", "c")));
  EXPECT_EQ(phase_of("alone"), Phase::pending);
}

TEST_F(GroupsInUse, R_A3_OneThatWaitsHoldsAllAndIsNamedInTheStatus) {
  for (const std::string& name : abc) bench.stands(name, Phase::shadow, Phase::enforcing, in_group(abc));
  bench.world.projects["b"].since = bench.world.now;
  bench.look_at_database();
  EXPECT_TRUE(bench.world.moved_together.empty());
  EXPECT_EQ(bench.status("a").blocked_by, "Group");
  EXPECT_THAT(gate("a", "Group"), HasSubstr("Waiting: held back by \"b\" (SoakTime Waiting)"));
  EXPECT_EQ(bench.status("b").blocked_by, "SoakTime");
}

TEST_F(GroupsInUse, R_A6_WhatOnlyTheExactCountOfOneFindsHoldsAll) {
  for (const std::string& name : abc) bench.stands(name, Phase::shadow, Phase::enforcing, in_group(abc));
  bench.world.projects["c"].late = {1, bench.world.now};
  bench.look_at_database();
  EXPECT_TRUE(bench.world.moved_together.empty());
  EXPECT_EQ(bench.status("a").blocked_by, "Group");
  EXPECT_EQ(bench.world.exact_counts, 1) << "all of them at once";
}

TEST_F(GroupsInUse, R_A3_OneRowThatRefusesMovesNobody) {
  for (const std::string& name : abc) bench.stands(name, Phase::pending, Phase::shadow, in_group(abc));
  bench.world.refuses.emplace("b", terminal("MoveRefused", "a trigger said no"));
  bench.look_at_database();
  for (const std::string& name : abc) EXPECT_EQ(phase_of(name), Phase::pending);
  EXPECT_EQ(bench.reason("b"), "MoveRefused");
  EXPECT_EQ(bench.reason("a"), "GroupHeldBack");
  bench.world.refuses.clear();
  bench.clock.offset += 1min;
  bench.run_due();
  for (const std::string& name : abc) EXPECT_EQ(phase_of(name), Phase::shadow);
}

TEST_F(GroupsInUse, R_A3_OneLoweredBetweenDecisionAndLocksMovesNobody) {
  for (const std::string& name : abc) bench.stands(name, Phase::pending, Phase::shadow, in_group(abc));
  bench.world.before_locks = [&] { bench.apply("b", Phase::pending); };
  bench.reconcile("a");
  for (const std::string& name : abc) EXPECT_TRUE(bench.world.projects.at(name).ledger.empty()) << name;
}

TEST_F(GroupsInUse, R_A3_OneDeletedBetweenDecisionAndLocksMovesNobody) {
  for (const std::string& name : abc) bench.stands(name, Phase::pending, Phase::shadow, in_group(abc));
  bench.world.before_locks = [&] {
    bench.caches.owners.remove(*bench.caches.migrations.get({Bench::kNamespace, "b"}));
    bench.caches.migrations.erase({Bench::kNamespace, "b"});
  };
  bench.reconcile("a");
  for (const std::string& name : abc) EXPECT_EQ(phase_of(name), Phase::pending) << name;
  bench.look_at_database();
  EXPECT_THAT(gate("a", "Group"), HasSubstr("Blocked: held back by \"b\" (no RlsMigration names it)"));
}

TEST_F(GroupsInUse, ALargeGroupIsOneTransaction) {
  Names members;
  for (int i = 0; i < 300; ++i) members.push_back("p" + std::to_string(i));
  for (const std::string& name : members)
    bench.stands(name, Phase::pending, Phase::shadow, in_group(members));
  for (int i = 0; i < 200; ++i) bench.stands("q" + std::to_string(i), Phase::pending, Phase::shadow);
  bench.look_at_database();
  EXPECT_EQ(bench.observer.moved, 500);
  for (const auto& moved : bench.world.moved_together) {
    const auto grouped =
        std::count_if(moved.begin(), moved.end(), [](const auto& name) { return name[0] == 'p'; });
    EXPECT_TRUE(grouped == 0 || grouped == 300) << grouped;
  }
}

// One is a phase ahead, and waits there. The others come up to it, and from there on all go together.
TEST_F(GroupsInUse, R_A3_WhoWaitedGoesOnWithThoseThatHaveComeUp) {
  const auto soaks_at_once = [&](api::RlsMigration& migration) {
    in_group(abc)(migration);
    migration.spec.gates.shadow_soak = 0s;
  };
  bench.stands("a", Phase::shadow, Phase::enforcing, soaks_at_once);
  bench.stands("b", Phase::pending, Phase::enforcing, soaks_at_once);
  bench.stands("c", Phase::pending, Phase::enforcing, soaks_at_once);
  bench.look_at_database();
  EXPECT_THAT(bench.world.moved_together,
              testing::ElementsAre(UnorderedElementsAre("b", "c"), UnorderedElementsAre("a", "b", "c")));
}

// a and c are a wave; c, which has arrived, is in a group with d, which has, too.
TEST_F(GroupsInUse, WhoHasArrivedIsJudgedWithItsOwnGroupUnderTheLocksToo) {
  bench.stands("a", Phase::pending, Phase::shadow);
  bench.stands("c", Phase::shadow, Phase::shadow, in_group({"c", "d"}));
  bench.stands("d", Phase::shadow, Phase::shadow, in_group({"c", "d"}));
  bench.roll_out("all", {{"a", "c"}});
  bench.look_at_database();
  EXPECT_EQ(phase_of("a"), Phase::shadow);
}

TEST_F(GroupsInUse, R_A4_DownOneGoesAlone) {
  for (const std::string& name : abc) bench.stands(name, Phase::enforcing, Phase::enforcing, in_group(abc));
  bench.apply("b", Phase::pending);
  bench.reconcile("b");
  EXPECT_EQ(phase_of("b"), Phase::pending);
  EXPECT_EQ(phase_of("a"), Phase::enforcing);
}

class BrakeInUse : public GroupsInUse {
 protected:
  static void watched(api::RlsMigration& migration) {
    auto& check = migration.spec.gates.checks.emplace_back();
    check.name = "errors";
    check.every = 60s;
    check.on_failure = api::CheckSpec::OnFailure::rollback;
    check.sql = api::SqlCheck{"SELECT 1", "1"};
  }
  /// The check runs, and the reconciler hears of it.
  void check_says(checks::Outcome outcome) {
    bench.executor.outcomes["errors"] = std::move(outcome);
    bench.clock.offset += 2min;
    while (bench.board.run_one()) {
    }
    bench.reconcile("sm");
  }
};

TEST_F(BrakeInUse, AFailingCheckTakesItBackAndLatches) {
  bench.stands("sm", Phase::enforcing, Phase::complete, watched);
  bench.reconcile("sm");
  check_says(checks::passed("fine"));
  EXPECT_EQ(phase_of("sm"), Phase::complete) << "it passes, and the soak is over";
  bench.reconcile("sm");
  check_says(checks::failed("9 % errors"));
  EXPECT_EQ(phase_of("sm"), Phase::shadow);
  EXPECT_EQ(bench.world.projects["sm"].hold, (decide::HoldRow{Phase::shadow, "check errors"}));
  EXPECT_EQ(bench.reason("sm"), "CheckFailed");
  EXPECT_EQ(bench.reason("sm", "Stalled"), "CheckFailed");
  EXPECT_NE(bench.reason("sm", "Held"), "");
  check_says(checks::passed("fine again"));
  EXPECT_EQ(phase_of("sm"), Phase::shadow) << "it does not climb again by itself";
  EXPECT_EQ(bench.status("sm").history.front().reason, "check \"errors\" failed: 9 % errors");
}

TEST_F(BrakeInUse, ACheckOfTheDatabaseHoldsAndTakesBackEveryProjectForWhichItFails) {
  api::CheckSpec errors{.name = "errors", .phases = {}};
  errors.every = 60s;
  errors.on_failure = api::CheckSpec::OnFailure::rollback;
  errors.sql = api::SqlCheck{"SELECT 1", "1"};
  bench.demand({errors});
  bench.stands("a", Phase::shadow, Phase::complete);
  for (const char* name : {"b", "c"}) bench.stands(name, Phase::enforcing, Phase::enforcing);
  const auto check_says_of_all = [&](checks::Outcome outcome) {
    bench.executor.outcomes["database/errors"] = std::move(outcome);
    bench.clock.offset += 2min;
    while (bench.board.run_one()) {
    }
    bench.look_at_database();
  };
  bench.look_at_database();
  EXPECT_EQ(phase_of("a"), Phase::shadow) << "it has not run";
  check_says_of_all(checks::failed("9 % errors"));
  EXPECT_EQ(phase_of("a"), Phase::shadow);
  for (const char* name : {"b", "c"}) {
    EXPECT_EQ(phase_of(name), Phase::shadow);
    EXPECT_EQ(bench.world.projects[name].hold, (decide::HoldRow{Phase::shadow, "check database/errors"}));
    EXPECT_EQ(bench.reason(name), "CheckFailed");
    EXPECT_EQ(bench.status(name).history.front().reason,
              "check \"errors\" of the database failed: 9 % errors");
  }
  bench.look_at_database();
  check_says_of_all(checks::passed("fine"));
  EXPECT_EQ(phase_of("a"), Phase::enforcing) << "nothing holds it: it never was there";
  EXPECT_EQ(phase_of("b"), Phase::shadow) << "it does not climb again by itself";
}

TEST_F(BrakeInUse, ACheckThatTheDatabaseDemandsNoMoreTakesNobodyBack) {
  api::CheckSpec errors{.name = "errors", .phases = {}};
  errors.every = 60s;
  errors.on_failure = api::CheckSpec::OnFailure::rollback;
  errors.sql = api::SqlCheck{"SELECT 1", "1"};
  bench.demand({errors});
  bench.stands("sm", Phase::enforcing, Phase::enforcing);
  bench.look_at_database();
  bench.executor.outcomes["database/errors"] = checks::failed("9 % errors");
  while (bench.board.run_one()) {
  }
  bench.world.before_locks = [&] { bench.demand({}); };
  bench.reconcile("sm");
  EXPECT_EQ(phase_of("sm"), Phase::enforcing) << "under the locks the freshest counts";
}

TEST_F(BrakeInUse, ACheckThatPassesAgainBeforeTheLocksTakesNobodyBack) {
  bench.stands("sm", Phase::enforcing, Phase::enforcing, watched);
  bench.reconcile("sm");
  bench.world.before_locks = [&] {
    bench.executor.outcomes["errors"] = checks::passed("fine");
    bench.clock.offset += 2min;
    while (bench.board.run_one()) {
    }
  };
  check_says(checks::failed("9 % errors"));
  EXPECT_EQ(phase_of("sm"), Phase::enforcing);
  EXPECT_FALSE(bench.world.projects["sm"].hold);
}

TEST_F(BrakeInUse, ResumeIsFollowedOncePerValue) {
  const auto resume = [&](const std::string& value) {
    bench.apply("sm", Phase::shadow, [&](api::RlsMigration& migration) { migration.resume = value; });
    bench.reconcile("sm");
  };
  bench.stands("sm", Phase::shadow, Phase::shadow);
  auto& project = bench.world.projects["sm"];
  project.hold = decide::HoldRow{Phase::shadow, "check errors"};
  resume("one");
  EXPECT_FALSE(project.hold);
  EXPECT_TRUE(project.resumed.contains("one"));
  EXPECT_TRUE(project.ledger.empty());
  project.hold = decide::HoldRow{Phase::shadow, "dba"};
  resume("one");
  EXPECT_TRUE(project.hold) << "the same word is no new one";
  resume("two");
  EXPECT_FALSE(project.hold);
  EXPECT_EQ(bench.observer.moved, 0) << "no transition";
}

TEST_F(BrakeInUse, AResumedProjectClimbsInTheSameLook) {
  bench.stands("sm", Phase::pending, Phase::shadow,
               [](api::RlsMigration& migration) { migration.resume = "1"; });
  bench.world.projects["sm"].hold = decide::HoldRow{Phase::pending, "dba"};
  bench.reconcile("sm");
  EXPECT_EQ(phase_of("sm"), Phase::shadow);
  EXPECT_EQ(bench.reason("sm"), "TargetReached");
}

TEST_F(BrakeInUse, R_A4_AHoldThatComesBeforeTheLocksStopsAPromotion) {
  bench.stands("sm", Phase::pending, Phase::shadow);
  bench.world.before_locks = [&] {
    bench.world.projects["sm"].hold = decide::HoldRow{Phase::pending, "dba"};
  };
  bench.reconcile("sm");
  EXPECT_EQ(phase_of("sm"), Phase::pending);
  EXPECT_EQ(bench.reason("sm"), "Held");
}

}  // namespace
}  // namespace rls::reconcile
