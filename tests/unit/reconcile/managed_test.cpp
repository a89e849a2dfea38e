// The reconciler and a managed runtime: tended with each look at the whole database, and never in the way of
// a step down.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/reconcile/reconciler.hpp"
#include "tests/unit/reconcile/fakes.hpp"

namespace rls::reconcile {
namespace {

using namespace std::chrono_literals;

struct Managed : testing::Test {
  Managed() {
    api::RlsDatabase database = *bench.caches.databases.get({Bench::kNamespace, "main"});
    database.spec.mode = api::RuntimeMode::managed;
    database.spec.schema = "rls";
    database.spec.tables = {{"app.*", "project_id"}};
    database.meta.resource_version = "2";
    bench.caches.databases.replace_all({database});
    bench.world.runtime.emplace().status.version = 1;
    bench.world.runtime->status.tables = 3;
  }
  api::DatabaseStatus database_status() {
    return bench.caches.databases.get({Bench::kNamespace, "main"})->status;
  }
  bool database_is(const char* type, api::ConditionStatus state) {
    const auto status = database_status();
    const api::Condition* const condition = api::find_condition(status.conditions, type);
    return condition != nullptr && condition->status == state;
  }
  /// One look, without those that follow at once.
  void look_once() {
    bench.queue.add({Bench::kNamespace, "main"}, {Kind::database, {Bench::kNamespace, "main"}});
    const auto batch = bench.queue.try_take(1000, bench.clock.steady());
    bench.reconciler.process(*batch);
    bench.queue.done(*batch);
    bench.client.answer_all();
  }
  std::string database_reason(const char* type) {
    const auto status = database_status();
    const api::Condition* const condition = api::find_condition(status.conditions, type);
    return condition == nullptr ? "" : condition->reason;
  }
  Bench bench;
};

TEST_F(Managed, IsTendedWithTheTablesAndTheAccessOfItsMigrations) {
  bench.world.projects["sm"] = {};
  bench.apply("sm", Phase::pending, [](auto& m) {
    m.spec.access = api::AccessSpec{api::AccessSpec::Level::shared, {"io"}};
  });
  bench.apply("unregistered", Phase::pending);
  bench.look_at_database();
  ASSERT_FALSE(bench.world.wishes.empty());
  const postgres::RuntimeWish& wish = bench.world.wishes.front();
  EXPECT_EQ(wish.tables, (std::vector<api::TableSpec>{{"app.*", "project_id"}}));
  ASSERT_EQ(wish.projects.size(), 1U);
  EXPECT_EQ(wish.projects[0].project, "sm");
  EXPECT_EQ(database_reason("Ready"), "Managed");
  EXPECT_EQ(database_status().runtime->tables, 3);
  EXPECT_FALSE(database_status().adopted.has_value());
}

TEST_F(Managed, WhoMovedLetsTheTablesBeLookedAtAtOnce) {
  bench.world.projects["sm"] = {};
  bench.apply("sm", Phase::shadow);
  bench.reconcile("sm");
  EXPECT_EQ(bench.world.projects["sm"].phase, Phase::shadow);
  EXPECT_EQ(bench.world.wishes.size(), 1U);
}

TEST_F(Managed, R_A7_AViolationThatIsInTheInboxStillIsDescribedWhenItIsDrained) {
  bench.world.projects["sm"] = {.phase = Phase::shadow, .last_ours = Phase::shadow};
  FakeWorld::Project& sm = bench.world.projects["sm"];
  sm.violations = {1, bench.world.now};
  sm.inbox = 1;
  bench.apply("sm", Phase::enforcing);
  bench.reconcile("sm");
  ASSERT_TRUE(bench.status("sm").violations);
  EXPECT_EQ(bench.status("sm").violations->total, 1);
  EXPECT_TRUE(bench.status("sm").violations->samples.empty());

  sm.inbox = 0;
  sm.kinds = 1;
  bench.look_at_database();
  EXPECT_EQ(bench.status("sm").violations->total, 1);
  EXPECT_EQ(bench.status("sm").violations->unreviewed, 1);
  EXPECT_EQ(bench.status("sm").violations->samples.size(), 1U) << "at once: no counter has changed";

  sm.kinds = 0;  // somebody said what it is, and that it is one
  bench.clock.offset = std::chrono::seconds{61};
  bench.look_at_database();
  EXPECT_EQ(bench.status("sm").violations->unreviewed, 0);
}

TEST_F(Managed, WhoIsNotRegisteredYetIsRegisteredAtOnce) {
  bench.apply("new", Phase::shadow, [](auto& m) { m.spec.access.emplace(); });
  bench.reconcile("new");
  EXPECT_EQ(bench.world.wishes.size(), 1U);
  bench.apply("typo", Phase::shadow);
  bench.reconcile("typo");
  EXPECT_EQ(bench.world.wishes.size(), 1U) << "nothing would register it";
}

TEST_F(Managed, R_A4_AStepDownNeedsNoRuntime) {
  bench.world.projects["sm"] = {.phase = Phase::enforcing, .last_ours = Phase::enforcing};
  bench.world.tend_error = terminal("DatabaseError", "cannot tend the managed runtime: somebody broke it");
  bench.apply("sm", Phase::pending);
  bench.look_at_database();
  EXPECT_EQ(bench.world.projects["sm"].phase, Phase::pending);
  EXPECT_EQ(database_reason("Ready"), "TablesNotProtected");
  EXPECT_EQ(database_reason("Reachable"), "Connected");
}

TEST_F(Managed, ADatabaseThatIsAwayIsUnreachableNotUnprotected) {
  bench.world.projects["sm"] = {};
  bench.apply("sm", Phase::pending);
  bench.world.tend_error = transient("DatabaseUnreachable", "gone");
  bench.look_at_database();
  EXPECT_EQ(database_reason("Ready"), "DatabaseUnreachable");
}

TEST_F(Managed, DriftIsToldUntilItIsGone) {
  bench.world.runtime->status.drift = {"policies of app.nodes are not those that were installed; put back"};
  bench.look_at_database();
  EXPECT_EQ(database_reason("Drifted"), "RuntimeChanged");
  bench.world.runtime->status.drift.clear();
  bench.look_at_database();
  EXPECT_EQ(database_reason("Drifted"), "");
}

TEST_F(Managed, IsIsolatedWhenTheLastProjectEnforces) {
  const auto looked = [&] {
    bench.look_at_database();
    return database_reason("Isolated");
  };
  EXPECT_EQ(looked(), "NoProjects");
  bench.world.projects["sm"] = {.phase = Phase::complete, .last_ours = Phase::complete};
  bench.world.projects["io"] = {.phase = Phase::shadow, .last_ours = Phase::shadow};
  EXPECT_EQ(looked(), "ProjectsOpen");
  bench.world.projects["io"].phase = Phase::enforcing;
  EXPECT_EQ(looked(), "EveryProjectEnforces");
  bench.world.runtime->status.old_sessions = 1;
  EXPECT_EQ(looked(), "OlderSessions");
  bench.world.runtime->status.old_sessions = 0;
  bench.world.runtime->status.drift = {"policies of app.nodes are not those that were installed; put back"};
  EXPECT_EQ(looked(), "RuntimeChanged");
  bench.world.runtime->status.drift.clear();
  bench.world.runtime->status.not_ready_because = "app.nodes: somebody holds it";
  EXPECT_EQ(looked(), "TablesNotProtected");
  bench.world.runtime->status.not_ready_because.clear();
  bench.world.runtime->status.old_sessions.reset();
  EXPECT_EQ(looked(), "SessionsNotSeen");
  bench.world.runtime->status.old_sessions = 0;
  EXPECT_EQ(looked(), "EveryProjectEnforces");
  bench.world.tend_error = transient("LockTimeout", "somebody holds a table");
  EXPECT_EQ(looked(), "NotTended");
  bench.world.tend_error = transient("DatabaseUnreachable", "gone");
  EXPECT_EQ(looked(), "DatabaseUnreachable");
}

// The tables, and who lives by an older phase, were looked at before the move.
TEST_F(Managed, IsNotIsolatedInTheLookThatMovesTheLastProject) {
  bench.world.projects["io"] = {.phase = Phase::shadow, .last_ours = Phase::shadow};
  bench.apply("io", Phase::enforcing);
  bench.world.now += 168h;
  look_once();
  ASSERT_EQ(bench.world.projects["io"].phase, Phase::enforcing);
  EXPECT_EQ(database_reason("Isolated"), "JustMoved");
  EXPECT_TRUE(database_is("Isolated", api::ConditionStatus::is_false));
  bench.run_due();
  EXPECT_EQ(database_reason("Isolated"), "EveryProjectEnforces");
}

// Unknown is what was isolated: that it ends, or does not, is told when it is known.
TEST_F(Managed, WhatCannotBeToldIsUnknownWhereItWasIsolatedAlone) {
  using api::ConditionStatus;
  bench.world.projects["io"] = {.phase = Phase::shadow, .last_ours = Phase::shadow};
  bench.look_at_database();
  bench.world.tend_error = transient("LockTimeout", "somebody holds a table");
  bench.look_at_database();
  EXPECT_TRUE(database_is("Isolated", ConditionStatus::is_false)) << "it never was: nothing is lost";
  bench.world.tend_error.reset();
  bench.world.runtime->status.old_sessions.reset();
  bench.world.projects["io"] = {.phase = Phase::enforcing, .last_ours = Phase::enforcing};
  bench.look_at_database();
  EXPECT_EQ(database_reason("Isolated"), "SessionsNotSeen");
  EXPECT_TRUE(database_is("Isolated", ConditionStatus::is_false));
  bench.world.runtime->status.old_sessions = 0;
  bench.look_at_database();
  EXPECT_TRUE(database_is("Isolated", ConditionStatus::is_true));
  bench.world.tend_error = transient("LockTimeout", "somebody holds a table");
  bench.look_at_database();
  EXPECT_TRUE(database_is("Isolated", ConditionStatus::unknown));
}

TEST_F(Managed, AProjectThatCompletesEndsNoIsolation) {
  bench.world.projects["io"] = {.phase = Phase::enforcing, .last_ours = Phase::enforcing};
  bench.apply("io", Phase::enforcing);
  bench.look_at_database();
  ASSERT_EQ(database_reason("Isolated"), "EveryProjectEnforces");
  bench.apply("io", Phase::complete);
  bench.world.now += 168h;
  look_once();
  ASSERT_EQ(bench.world.projects["io"].phase, Phase::complete);
  EXPECT_TRUE(database_is("Isolated", api::ConditionStatus::unknown)) << "no Event says that it is lost";
  bench.run_due();
  EXPECT_TRUE(database_is("Isolated", api::ConditionStatus::is_true));
}

TEST_F(Managed, SpecAccessOnAnAdoptedDatabaseIsRefused) {
  api::RlsDatabase database = *bench.caches.databases.get({Bench::kNamespace, "main"});
  database.spec.mode = api::RuntimeMode::adopted;
  database.meta.resource_version = "3";
  bench.caches.databases.replace_all({database});
  bench.world.projects["sm"] = {};
  bench.apply("sm", Phase::shadow, [](auto& m) { m.spec.access.emplace(); });
  bench.reconcile("sm");
  EXPECT_EQ(database_reason("Isolated"), "") << "its policies are not ours";
  EXPECT_EQ(bench.reason("sm"), "InvalidSpec");
  EXPECT_EQ(bench.world.projects["sm"].phase, Phase::pending);
  EXPECT_TRUE(bench.world.wishes.empty());
}

}  // namespace
}  // namespace rls::reconcile
