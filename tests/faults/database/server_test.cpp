// One server that breaks under the operator: it goes down, hangs, has no room.

#include "tests/faults/database/server.hpp"

#include <gmock/gmock.h>
#include <signal.h>

#include <list>

namespace rls::test {
namespace {

using testing::AnyOf;
using testing::HasSubstr;

class ServerGoesDown : public ServerFaults {};

TEST_F(ServerGoesDown, ImmediatelyInEachPhase) {
  begin();
  std::string moves = ">pending", before = "pending";
  for (const std::string phase : {"shadow", "enforcing", "complete", "pending"}) {
    server.stop_immediately();
    want(phase);
    ASSERT_TRUE(becomes("Ready", "False/DatabaseUnreachable"));
    EXPECT_EQ(world.field("sm", "status.phase"), before) << "what was seen last, marked as old";
    EXPECT_EQ(world.condition("sm", "TargetReached"), "Unknown/DatabaseUnreachable");
    server.start();
    ASSERT_TRUE(settles(phase));
    moves += " " + before + ">" + phase;
    EXPECT_EQ(ledger(), moves);
    before = phase;
  }
  EXPECT_EQ(audit_rows(), "4");
  expect_unharmed();
}

TEST_F(ServerGoesDown, ImmediatelyDuringEachStatementOfAMove) {
  begin();
  std::string moves = ">pending", at = "pending";
  int count = 0;
  const std::vector<std::pair<std::string, Cut>> points = {
      {"fence", Cut::stall},      {"lock_projects", Cut::stall}, {"apply", Cut::stall},
      {"set_phases", Cut::stall}, {"audit", Cut::stall},         {"COMMIT", Cut::stall},
      {"COMMIT", Cut::reply_lost}};
  for (const auto& [statement, cut] : points) {
    const std::string to = at == "pending" ? "shadow" : "pending";
    proxy.restart(StatementFault{statement, 1, cut});
    want(to);
    ASSERT_TRUE(world.eventually([&] { return proxy.fault_came(); })) << statement;
    server.restart_immediately();
    proxy.release();
    ASSERT_TRUE(settles(to)) << statement;
    moves += " " + at + ">" + to;
    EXPECT_EQ(ledger(), moves) << statement;
    EXPECT_EQ(audit_rows(), std::to_string(++count)) << statement;
    at = to;
  }
  expect_unharmed();
}

TEST_F(ServerGoesDown, ABackendIsKilledDuringEachStatementOfAMove) {
  begin();
  std::string moves = ">pending", at = "pending";
  for (const std::string statement : {"fence", "lock_projects", "apply", "set_phases", "audit", "COMMIT"}) {
    const std::string to = at == "pending" ? "shadow" : "pending";
    proxy.restart(StatementFault{statement, 1, Cut::stall});
    want(to);
    ASSERT_TRUE(world.eventually([&] { return proxy.fault_came(); })) << statement;
    world.end_connections();
    proxy.release();
    ASSERT_TRUE(settles(to)) << statement;
    moves += " " + at + ">" + to;
    EXPECT_EQ(ledger(), moves) << statement;
    at = to;
  }
  EXPECT_EQ(audit_rows(), "6");
  expect_unharmed();
}

class ServerHangs : public ServerFaults {};

TEST_F(ServerHangs, InALookAtTheDatabaseADemotionHasAConnectionOfItsOwn) {
  begin();
  want("enforcing");
  ASSERT_TRUE(settles("enforcing"));
  proxy.restart(StatementFault{"observe", 1, Cut::stall});
  ASSERT_TRUE(world.eventually([&] { return proxy.fault_came(); }));
  want("shadow");
  EXPECT_TRUE(world.eventually([&] { return world.phase_in_database("sm") == "shadow"; }, 10s));
  proxy.release();
  ASSERT_TRUE(settles("shadow"));
  EXPECT_EQ(ledger(), ">pending pending>shadow shadow>enforcing enforcing>shadow");
  expect_unharmed();
}

TEST_F(ServerHangs, InThePromotionOfOneTheDemotionOfAnotherGoesOn) {
  begin();
  want("shadow");
  ASSERT_TRUE(settles("shadow"));
  ASSERT_TRUE(world.migrate("ab", "ab", "pending", kNoSoak).ok());
  ASSERT_TRUE(becomes("TargetReached", "True/TargetReached", "rlsmigration", "ab"));
  proxy.restart(StatementFault{"COMMIT", 1, Cut::stall});
  ASSERT_TRUE(world.migrate("ab", "ab", "shadow", kNoSoak).ok());
  ASSERT_TRUE(world.eventually([&] { return proxy.fault_came(); }));
  want("pending");
  EXPECT_TRUE(world.eventually([&] { return world.phase_in_database("sm") == "pending"; }, 10s));
  EXPECT_EQ(world.phase_in_database("ab"), "pending");
  // The promotion's COMMIT is given up, found not to have happened, and made again.
  ASSERT_TRUE(world.eventually([&] { return world.field("ab", "status.phase") == "shadow"; }));
  EXPECT_EQ(world.sql("SELECT string_agg(to_phase, ' ' ORDER BY ordinal) FROM rls_operator.transition WHERE "
                      "project_id = 'ab'"),
            "pending shadow");
  ASSERT_TRUE(settles("pending"));
  expect_unharmed();
}

class MissingStandby : public ServerFaults {
 protected:
  void TearDown() override { wait_for_standby(""); }
  /// COMMIT waits for a synchronous standby of this name; "": for none.
  void wait_for_standby(const std::string& name) {
    server.set("synchronous_standby_names", name);
    EXPECT_TRUE(world.eventually([&] { return server.sql("SHOW synchronous_standby_names") == name; }));
  }
  std::string commits_that_hang() {
    return server.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
  }
};

TEST_F(MissingStandby, ACommitThatHangsIsCutAndLookedUp) {
  begin();
  wait_for_standby("nobody");
  want("shadow");
  ASSERT_TRUE(world.eventually([&] { return commits_that_hang() == "1"; }));
  EXPECT_EQ(world.field("sm", "status.phase"), "pending") << "nothing is told that is not known";
  // After ten seconds the operator gives the COMMIT up, ends its backend, and asks the ledger: the server had
  // committed it, and from now on everybody sees it.
  ASSERT_TRUE(settles("shadow"));
  EXPECT_THAT(world.operator_process().log(), HasSubstr("a COMMIT in doubt was found out"));
  // Down goes, too, while the standby is missing.
  want("pending");
  ASSERT_TRUE(settles("pending"));
  wait_for_standby("");
  want("enforcing");
  ASSERT_TRUE(settles("enforcing"));
  EXPECT_EQ(ledger(), ">pending pending>shadow shadow>pending pending>shadow shadow>enforcing");
  EXPECT_EQ(audit_rows(), "4");
  expect_unharmed();
}

TEST_F(MissingStandby, WhatIsOnlyRememberedWaitsForNoStandby) {
  begin();
  want("shadow");
  ASSERT_TRUE(settles("shadow"));
  wait_for_standby("nobody");
  // The application may choose not to wait. The denial is seen, and remembered, at the next look.
  const Output written = run({"psql", "-qXAt", world.application_uri()},
                             "SET synchronous_commit = local; BEGIN; SELECT set_project_context('sm');"
                             "INSERT INTO nodes (project_id, label) VALUES ('ab', 'strange'); COMMIT;");
  ASSERT_TRUE(written.ok()) << written.out;
  EXPECT_TRUE(world.eventually(
      [&] { return world.sql("SELECT sum(count) FROM rls_operator.violation_mark") == "1"; }, 15s));
  EXPECT_EQ(commits_that_hang(), "0");
  EXPECT_EQ(world.condition("main", "Ready", "rlsdatabase"), "True/Adopted");
}

class NoSlots : public ServerFaults {
 protected:
  NoSlots() : ServerFaults("max_connections = 16\nmax_wal_senders = 0\nwal_level = minimal\n") {}

  /// Others take every slot that is not the superuser's.
  std::list<Background> take_all_slots() {
    std::list<Background> others;
    // One that is refused, because the operator was trying at that moment, is replaced.
    EXPECT_TRUE(world.eventually([&] {
      others.remove_if([](Background& other) { return !other.running(); });
      while (others.size() < 13)
        others.emplace_back(
            std::vector<std::string>{"psql", "-qX", world.application_uri(), "-c", "SELECT pg_sleep(300)"},
            world.directory() + "/others");
      return world.sql(
                 "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app_user' AND wait_event = "
                 "'PgSleep'") == "13";
    }));
    return others;
  }
};

TEST_F(NoSlots, IsSaidAndADemotionGoesThroughOnceOneIsFree) {
  begin();
  want("shadow");
  ASSERT_TRUE(settles("shadow"));

  world.sql("ALTER ROLE rls_operator_role CONNECTION LIMIT 0");
  world.end_connections();
  ASSERT_TRUE(database_becomes("Reachable", "False/TooManyConnections"));
  EXPECT_THAT(database_message("Reachable"),
              HasSubstr("too many connections for role \"rls_operator_role\""));

  std::list<Background> others = take_all_slots();
  world.sql("ALTER ROLE rls_operator_role CONNECTION LIMIT -1");
  want("pending");
  ASSERT_TRUE(world.eventually([&] {
    return database_message("Reachable").find("connection slots are reserved") != std::string::npos;
  })) << database_message("Reachable");
  EXPECT_EQ(world.condition("sm", "Ready"), "False/TooManyConnections");
  EXPECT_EQ(world.phase_in_database("sm"), "shadow");

  world.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app_user' LIMIT 1");
  ASSERT_TRUE(world.eventually([&] { return world.phase_in_database("sm") == "pending"; }, 10s));
  others.clear();
  ASSERT_TRUE(settles("pending"));
  EXPECT_EQ(ledger(), ">pending pending>shadow shadow>pending");
  expect_unharmed();
}

/// Locks need no server of their own.
class Locks : public ServerFaults {};

TEST_F(Locks, ATimeoutNamesWhoHoldsTheRow) {
  begin({}, "  timeouts: {lock: 300ms}\n");
  const auto holder = world.hold_row("sm");
  const std::string pid = world.sql(
      "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE '%pg_sleep(120)%'");
  want("shadow");
  ASSERT_TRUE(becomes("Ready", "False/LockTimeout"));
  EXPECT_THAT(message("Ready"),
              HasSubstr("held by pid " + pid + " (application \"psql\", role \"postgres\")"));
  EXPECT_EQ(world.condition("sm", "Reconciling"), "True/LockTimeout");
  EXPECT_TRUE(world.eventually([&] {
    const std::string events = world.kubectl({"describe", "rlsmigration", "sm"}).out;
    return events.find("LockTimeout: ") != std::string::npos &&
           events.find("held by pid " + pid) != std::string::npos;
  }));
  World::release_row(holder);
  ASSERT_TRUE(settles("shadow"));

  // A lock on the whole table.
  Background table({"psql", "-qX", world.superuser_uri(), "-c",
                    "BEGIN; LOCK TABLE rls_migration_status IN SHARE MODE; SELECT pg_sleep(60)"},
                   world.directory() + "/table");
  ASSERT_TRUE(world.eventually([&] {
    return world.sql(
               "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%IN SHARE MODE%' AND wait_event = "
               "'PgSleep'") == "1";
  }));
  want("pending");
  ASSERT_TRUE(becomes("Ready", "False/LockTimeout"));
  EXPECT_THAT(message("Ready"), HasSubstr("(application \"psql\", role \"postgres\")"));
  table.signal(SIGINT);
  ASSERT_TRUE(settles("pending"));
  EXPECT_EQ(ledger(), ">pending pending>shadow shadow>pending");
}

// No serialization failure can be had by force: every transaction of ours is READ COMMITTED, whatever the
// database's default is.
TEST_F(Locks, TheVictimOfADeadlockTriesAgain) {
  begin();
  // The application's own trigger takes another lock after the row's.
  world.sql(
      "CREATE TABLE extra (id int); INSERT INTO extra VALUES (1);"
      "CREATE FUNCTION lock_extra() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS "
      "$$ BEGIN PERFORM FROM public.extra FOR UPDATE; RETURN NULL; END $$;"
      "CREATE TRIGGER lock_extra AFTER UPDATE ON rls_migration_status FOR EACH ROW EXECUTE FUNCTION "
      "lock_extra()");
  // And somebody takes the two in the other order. With so long a deadlock_timeout the other is the victim.
  Background other({"psql", "-qX", world.superuser_uri(), "-c", R"(SET deadlock_timeout = '60s';
DO $$ BEGIN
  PERFORM FROM extra FOR UPDATE;
  WHILE NOT EXISTS (SELECT FROM pg_stat_activity WHERE usename = 'rls_operator_role' AND wait_event_type = 'Lock') LOOP
    PERFORM pg_sleep(0.05); PERFORM pg_stat_clear_snapshot();
  END LOOP;
  PERFORM FROM rls_migration_status WHERE project_id = 'sm' FOR UPDATE;
  PERFORM pg_sleep(2);
END $$)"},
                   world.directory() + "/other");
  ASSERT_TRUE(world.eventually(
      [&] { return world.sql("SELECT count(*) FROM pg_locks WHERE relation = 'extra'::regclass") != "0"; }));
  want("shadow");
  ASSERT_TRUE(becomes("Ready", "False/Deadlock"));
  EXPECT_EQ(world.condition("sm", "Reconciling"), "True/Deadlock");
  ASSERT_TRUE(settles("shadow"));
  EXPECT_EQ(other.wait(10s), 0) << other.log();
  EXPECT_EQ(ledger(), ">pending pending>shadow");
  EXPECT_EQ(audit_rows(), "1");
  expect_unharmed();
}

}  // namespace
}  // namespace rls::test
