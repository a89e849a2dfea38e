// Several replicas: who leads works, the others stand by (design 4-kubernetes, 6-quality: leader faults).

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/support/world.hpp"

namespace rls::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

class Replicas : public testing::Test {
 protected:
  void SetUp() override { start({}); }

  void start(const std::vector<std::string>& flags) {
    world.create_database();
    world.start_operator(flags);
    ASSERT_TRUE(world.migrate("sm", "sm", "pending").ok());
    ASSERT_TRUE(
        world.eventually([&] { return world.condition("sm", "TargetReached") == "True/TargetReached"; }));
    standby = world.start_replica(flags);
  }

  /// So that the next one is sure to see what happens from now on.
  std::string epoch() { return world.sql("SELECT epoch FROM rls_operator.fence"); }
  std::string lease_holder() {
    return world.kubectl({"get", "lease", "rls-operator", "-o", "jsonpath={.spec.holderIdentity}"}).out;
  }
  bool reaches(const std::string& phase) {
    return world.eventually([&] { return world.phase_in_database("sm") == phase; });
  }
  /// One ledger row for each move, none twice.
  std::string ledger() {
    return world.sql(
        "SELECT string_agg(coalesce(from_phase, '') || '>' || to_phase, ' ' ORDER BY ordinal) FROM "
        "rls_operator.transition WHERE project_id = 'sm'");
  }

  World world;
  std::unique_ptr<Replica> standby;
};

TEST_F(Replicas, TheStandbyIsReadyAndTellsOfNoProject) {
  // The leader tells what its caches hold, to which a status comes back after a moment.
  EXPECT_TRUE(world.eventually([&] {
    const std::string leading = world.http("/metrics").out;
    return leading.find("\nrls_leader 1\n") != leading.npos &&
           leading.find("rls_migration_phase{") != leading.npos;
  }));
  const std::string waiting = standby->http("/metrics").out;
  EXPECT_THAT(waiting, HasSubstr("\nrls_leader 0\n"));
  EXPECT_THAT(waiting, Not(HasSubstr("rls_migration_phase{")));
  EXPECT_THAT(waiting, Not(HasSubstr("rls_database_up{")));
  EXPECT_TRUE(standby->http("/readyz").ok());
}

/// With a Lease that would run out long after the test.
class LongLease : public Replicas {
 protected:
  void SetUp() override {
    start({"--leader-elect-lease-duration", "10m", "--leader-elect-renew-deadline", "1m",
           "--leader-elect-retry-period", "500ms"});
  }
};

TEST_F(LongLease, AfterACleanStopTheNextOneDoesNotWaitForItsEnd) {
  const std::string before = epoch();
  EXPECT_EQ(world.stop_operator(), 0);
  const auto stopped = std::chrono::steady_clock::now();
  ASSERT_TRUE(world.migrate("sm", "sm", "shadow").ok());
  ASSERT_TRUE(reaches("shadow"));
  EXPECT_LT(std::chrono::steady_clock::now() - stopped, 5min);
  EXPECT_GT(std::stoi(epoch()), std::stoi(before));
  EXPECT_EQ(ledger(), ">pending pending>shadow");
}

TEST_F(Replicas, AfterACrashTheNextOneTakesOverWhenTheLeaseHasRunOut) {
  world.kill_operator();
  ASSERT_TRUE(world.migrate("sm", "sm", "shadow").ok());
  ASSERT_TRUE(reaches("shadow"));
  EXPECT_EQ(ledger(), ">pending pending>shadow");
}

TEST_F(Replicas, AStoppedLeaderThatGoesOnIsNoLeaderAnyMore) {
  world.operator_process().signal(SIGSTOP);
  ASSERT_TRUE(world.eventually([&] { return standby->leads(); }));
  ASSERT_TRUE(world.migrate("sm", "sm", "shadow").ok());
  ASSERT_TRUE(reaches("shadow"));
  const std::string after = epoch();
  world.operator_process().signal(SIGCONT);
  // It notices by itself, stands by, and goes on to work when it is its turn again.
  ASSERT_TRUE(world.eventually(
      [&] { return world.http("/metrics").out.find("\nrls_leader 0\n") != std::string::npos; }));
  EXPECT_EQ(epoch(), after);
  EXPECT_TRUE(standby->leads());
  EXPECT_EQ(standby->stop(), 0);
  ASSERT_TRUE(world.migrate("sm", "sm", "pending").ok());
  ASSERT_TRUE(reaches("pending"));
  EXPECT_EQ(ledger(), ">pending pending>shadow shadow>pending");
}

TEST_F(Replicas, AStoppedLeaderInsideItsTransactionHoldsNothingUp) {
  // The leader waits for the row, under the fence; then it is stopped.
  const auto blocker = world.hold_row("sm");
  ASSERT_TRUE(world.migrate("sm", "sm", "shadow").ok());
  ASSERT_TRUE(world.eventually([&] {
    return world.sql(
               "SELECT count(*) FROM pg_stat_activity WHERE usename = 'rls_operator_role' AND "
               "wait_event_type = 'Lock'") != "0";
  }));
  world.operator_process().signal(SIGSTOP);
  world.release_row(blocker);
  ASSERT_TRUE(world.eventually([&] { return standby->leads(); }));
  ASSERT_TRUE(reaches("shadow"));
  world.operator_process().signal(SIGCONT);
  ASSERT_TRUE(world.eventually(
      [&] { return world.http("/metrics").out.find("\nrls_leader 0\n") != std::string::npos; }));
  EXPECT_EQ(ledger(), ">pending pending>shadow");
}

TEST_F(Replicas, ADeletedLeaseIsMadeAnewAndTheEpochOnlyRises) {
  for (int i = 0; i < 3; ++i) {
    const std::string before = epoch();
    ASSERT_TRUE(world.kubectl({"delete", "lease", "rls-operator"}).ok());
    ASSERT_TRUE(world.eventually([&] { return !lease_holder().empty(); }));
    ASSERT_TRUE(world.migrate("sm", "sm", i % 2 == 0 ? "shadow" : "pending").ok());
    ASSERT_TRUE(reaches(i % 2 == 0 ? "shadow" : "pending"));
    EXPECT_GE(std::stoi(epoch()), std::stoi(before));
  }
  EXPECT_EQ(ledger(), ">pending pending>shadow shadow>pending pending>shadow");
}

TEST(ForcedLeaders, TheLaterOneEndsTheEarlier) {
  World world;
  world.create_database();
  world.start_operator({"--leader-elect=off"});
  ASSERT_TRUE(world.migrate("sm", "sm", "pending").ok());
  ASSERT_TRUE(
      world.eventually([&] { return world.condition("sm", "TargetReached") == "True/TargetReached"; }));
  const auto second = world.start_replica({"--leader-elect=off"});
  EXPECT_EQ(world.operator_process().wait(120s), 1) << "it says so and ends";
  EXPECT_THAT(world.operator_process().log(), HasSubstr("another leader has taken over"));
  ASSERT_TRUE(world.migrate("sm", "sm", "shadow").ok());
  ASSERT_TRUE(world.eventually([&] { return world.phase_in_database("sm") == "shadow"; }));
  EXPECT_EQ(world.sql("SELECT count(*) FROM rls_operator.transition WHERE project_id = 'sm'"), "2");
}

TEST(LeaseAccess, WithoutTheRightItStandsByAndSaysWhatIsMissing) {
  World world;
  world.create_database();
  world.start_operator({"--leader-elect-resource-name=of-somebody-else"});
  ASSERT_TRUE(world.eventually(
      [&] { return world.operator_process().log().find("the Lease cannot be used") != std::string::npos; }));
  EXPECT_THAT(world.operator_process().log(), HasSubstr("leases"));
  ASSERT_TRUE(world.migrate("sm", "sm", "shadow").ok());
  EXPECT_EQ(world.http("/metrics").out.find("\nrls_leader 1\n"), std::string::npos);
  EXPECT_EQ(world.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'rls_operator'"), "0");
}

}  // namespace
}  // namespace rls::test
