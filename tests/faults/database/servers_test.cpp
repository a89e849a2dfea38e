// Another server answers: a standby, a promoted one, a stranger, or the same with another past.

#include "tests/faults/database/server.hpp"

#include <gmock/gmock.h>

namespace rls::test {
namespace {

using testing::HasSubstr;

class Failover : public ServerFaults {
 protected:
  std::string both() { return world.operator_uri_at(server.address() + "," + standby->address()); }
  void wait_until_replayed() {
    const std::string end = server.sql("SELECT pg_current_wal_lsn()");
    ASSERT_TRUE(world.eventually(
        [&] { return standby->sql("SELECT pg_last_wal_replay_lsn() >= '" + end + "'::pg_lsn") == "t"; }));
  }
  /// The primary is lost; what the standby has is the database from now on.
  void fail_over() {
    server.stop_immediately();
    standby->promote();
    world.use_server(standby->uri());
  }

  const std::unique_ptr<PostgresServer> standby = server.make_standby();
};

TEST_F(Failover, OnAStandbyNothingIsWrittenUntilItIsPromoted) {
  wait_until_replayed();
  world.create_database(world.operator_uri_at(standby->address()));
  world.start_operator();
  want("shadow");
  ASSERT_TRUE(database_becomes("Ready", "False/NotPrimary"));
  EXPECT_THAT(database_message("Ready"), HasSubstr("a standby answered"));
  ASSERT_TRUE(becomes("Ready", "False/NotPrimary"));
  EXPECT_EQ(operator_schemas(), "0") << "of the primary";
  fail_over();
  ASSERT_TRUE(settles("shadow"));
  EXPECT_EQ(ledger(), ">pending pending>shadow");
  expect_unharmed();
}

TEST_F(Failover, WithSeveralHostsItFollowsThePrimary) {
  begin(both());
  want("shadow");
  ASSERT_TRUE(settles("shadow"));
  wait_until_replayed();
  const std::string epoch = world.sql("SELECT epoch FROM rls_operator.fence");
  fail_over();
  want("enforcing");
  ASSERT_TRUE(settles("enforcing"));
  EXPECT_EQ(ledger(), ">pending pending>shadow shadow>enforcing");
  EXPECT_EQ(world.sql("SELECT epoch FROM rls_operator.fence"), epoch) << "the leadership goes on";
  expect_unharmed();
}

TEST_F(Failover, OfAServerThatLagsThePhasesGoBackAndTheirEvidenceBeginsAnew) {
  begin(both());
  wait_until_replayed();
  standby->stop_immediately();
  want("enforcing");
  ASSERT_TRUE(settles("enforcing"));
  want("enforcing", "  gates: {shadowSoak: 1h}\n");
  ASSERT_TRUE(settles("enforcing"));
  server.stop_immediately();
  standby->start();
  fail_over();
  // Phase and ledger went back together, so it is no drift: status tells what is true now, the way up begins
  // again, and the soak that was served on the lost server does not count.
  ASSERT_TRUE(world.eventually([&] {
    return world.field("sm", "status.phase") == "shadow" &&
           world.field("sm", "status.blockedBy") == "SoakTime";
  }));
  EXPECT_EQ(world.phase_in_database("sm"), "shadow");
  EXPECT_EQ(world.condition("sm", "Drifted"), "");
  EXPECT_EQ(ledger(), ">pending pending>shadow");
  EXPECT_EQ(world.field("sm", "status.history[*].to"), "shadow pending") << "of what is lost nothing stays";
  expect_unharmed();
}

TEST_F(Failover, OfAServerThatNeverSawTheOperatorBeginsAtFirstSight) {
  wait_until_replayed();
  standby->stop_immediately();
  begin(both());
  want("enforcing");
  ASSERT_TRUE(settles("enforcing"));
  const int epoch = std::stoi(world.sql("SELECT epoch FROM rls_operator.fence"));
  want("enforcing", "  gates: {shadowSoak: 1h}\n");
  ASSERT_TRUE(settles("enforcing"));
  server.stop_immediately();
  standby->start();
  fail_over();
  ASSERT_TRUE(world.eventually([&] {
    return world.field("sm", "status.phase") == "shadow" &&
           world.field("sm", "status.blockedBy") == "SoakTime";
  }));
  EXPECT_EQ(ledger(), ">pending pending>shadow");
  EXPECT_GE(std::stoi(world.sql("SELECT epoch FROM rls_operator.fence")), epoch);
  expect_unharmed();
}

TEST_F(Failover, AHostThatTakesConnectionsAndSaysNothingIsPassedOver) {
  begin(world.operator_uri_at(proxy.address() + "," + standby->address()) + "&connect_timeout=1");
  wait_until_replayed();
  server.freeze();
  proxy.cut_all();
  standby->promote();
  world.use_server(standby->uri());
  want("shadow");
  ASSERT_TRUE(settles("shadow"));
  EXPECT_EQ(ledger(), ">pending pending>shadow");
  expect_unharmed();
}

TEST_F(Failover, ACommitInDoubtIsLookedUpOnTheServerThatIsThePrimaryNow) {
  begin(world.operator_uri_at(proxy.address() + "," + standby->address()));
  proxy.restart(StatementFault{"COMMIT", 1, Cut::reply_held});
  want("shadow");
  ASSERT_TRUE(world.eventually([&] { return world.phase_in_database("sm") == "shadow"; }));
  wait_until_replayed();
  fail_over();
  proxy.cut_all();
  ASSERT_TRUE(settles("shadow"));
  EXPECT_EQ(ledger(), ">pending pending>shadow");
  EXPECT_EQ(audit_rows(), "1");
  expect_unharmed();
}

TEST_F(Failover, ACommitInDoubtThatTheNewPrimaryNeverGotIsMadeThere) {
  begin(world.operator_uri_at(proxy.address() + "," + standby->address()));
  wait_until_replayed();
  standby->stop_immediately();
  proxy.restart(StatementFault{"COMMIT", 1, Cut::reply_held});
  want("shadow");
  ASSERT_TRUE(world.eventually([&] { return world.phase_in_database("sm") == "shadow"; }));
  server.stop_immediately();
  standby->start();
  fail_over();
  EXPECT_EQ(world.phase_in_database("sm"), "pending");
  proxy.cut_all();
  ASSERT_TRUE(settles("shadow"));
  EXPECT_EQ(ledger(), ">pending pending>shadow");
  EXPECT_EQ(audit_rows(), "1");
  expect_unharmed();
}

class OtherServer : public ServerFaults {
 protected:
  /// A server of its own with the same roles, names and tables.
  OtherServer() {
    const std::string uri = other.uri();
    other.sql("CREATE DATABASE \"" + world.database() + "\"");
    const Output installed =
        run({"psql", "-qX", "-v", "app_password=other", "-v",
             "operator_password=" + world.operator_password(), "-v", "rows=20", "-f",
             std::string("dev/sample/install.sql"), uri.substr(0, uri.rfind('/') + 1) + world.database()});
    if (!installed.ok()) throw std::runtime_error(installed.out);
  }
  PostgresServer other;
};

TEST_F(OtherServer, BehindTheSameAddressIsNotTouched) {
  begin();
  want("shadow");
  ASSERT_TRUE(settles("shadow"));
  proxy.use_upstream(other.port());
  want("enforcing");
  ASSERT_TRUE(database_becomes("Ready", "False/DatabaseChanged"));
  EXPECT_THAT(database_message("Ready"), HasSubstr("system identifier " + other.system_identifier()));
  ASSERT_TRUE(becomes("Ready", "False/DatabaseChanged"));
  EXPECT_EQ(world.field("sm", "status.phase"), "shadow") << "what was seen last of the right one";
  world.use_server(other.uri());
  EXPECT_EQ(operator_schemas(), "0");
  EXPECT_EQ(world.phase_in_database("sm"), "pending");
  world.use_server(server.uri());
  EXPECT_EQ(world.phase_in_database("sm"), "shadow");
  proxy.use_upstream(server.port());
  ASSERT_TRUE(settles("enforcing"));
  EXPECT_EQ(ledger(), ">pending pending>shadow shadow>enforcing");
  expect_unharmed();
}

class Restored : public ServerFaults {
 protected:
  /// The database as it is, but without schema rls_operator: made anew from a dump of its own tables.
  void restore_without_ledger() {
    const std::string dump = world.directory() + "/dump.sql";
    // Publicly known objects of the schema only; rights on the database itself are not part of a dump.
    const Output dumped =
        run({"pg_dump", "--clean", "--if-exists", "--schema=public", "-f", dump, world.superuser_uri()});
    ASSERT_TRUE(dumped.ok()) << dumped.out;
    server.sql("DROP DATABASE \"" + world.database() + "\" WITH (FORCE)");
    server.sql("CREATE DATABASE \"" + world.database() + "\"");
    const Output restored = run({"psql", "-qX", "-v", "ON_ERROR_STOP=1", "-f", dump, world.superuser_uri()});
    ASSERT_TRUE(restored.ok()) << restored.out;
    world.sql("GRANT CONNECT, CREATE ON DATABASE \"" + world.database() + "\" TO rls_operator_role");
  }
};

TEST_F(Restored, WithoutTheLedgerNothingIsPromotedOnEvidenceThatIsGone) {
  begin();
  want("shadow");
  ASSERT_TRUE(settles("shadow"));
  // Two hours ago: an hour of soak would be served.
  world.sql("UPDATE rls_operator.transition SET at = at - interval '2 hours'");
  const int epoch = std::stoi(world.sql("SELECT epoch FROM rls_operator.fence"));
  restore_without_ledger();
  want("enforcing", "  gates: {shadowSoak: 1h}\n");
  ASSERT_TRUE(world.eventually([&] {
    return world.condition("sm", "Ready") == "True/AwaitingGates" &&
           world.field("sm", "status.blockedBy") == "SoakTime" &&
           world.field("sm", "status.observedGeneration") == world.field("sm", "metadata.generation");
  }));
  EXPECT_EQ(world.phase_in_database("sm"), "shadow");
  EXPECT_EQ(ledger(), ">shadow") << "first seen, as on the first day";
  EXPECT_GE(std::stoi(world.sql("SELECT epoch FROM rls_operator.fence")), epoch) << "no older leader fits";
  // Down needs no evidence.
  want("pending");
  ASSERT_TRUE(settles("pending"));
  EXPECT_EQ(ledger(), ">shadow shadow>pending");
  expect_unharmed();
}

}  // namespace
}  // namespace rls::test
