#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gmock/gmock.h>

#include <chrono>
#include <thread>

#include "tests/postgres/store/fixture.hpp"

namespace rls::postgres {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class Opening : public StoreTest {
 protected:
  Error refused(ProjectDatabase& database) {
    const auto facts = database.open(claimant);
    EXPECT_FALSE(facts.ok());
    return facts.ok() ? Error{} : facts.error();
  }
  Error refused() { return refused(*store); }
  std::unique_ptr<ProjectDatabase> at(const std::string& uri) {
    auto settings = parse_connection_settings(uri);
    EXPECT_TRUE(settings.ok());
    return make_adopted_database(std::move(*settings), "public", {}, seam);
  }
};

TEST_F(Opening, TellsTheFactsAndIsOneStatementTheSecondTime) {
  const auto facts = store->open(claimant);
  ASSERT_TRUE(facts.ok()) << facts.error().message;
  EXPECT_EQ(facts.value().server_version,
            value("SELECT split_part(current_setting('server_version'), ' ', 1)"));
  EXPECT_EQ(facts.value().system_identifier, value("SELECT system_identifier FROM pg_control_system()"));
  EXPECT_EQ(facts.value().epoch, 2) << "the first leadership";
  seam.restart();
  open();
  EXPECT_THAT(seam.names, ElementsAre("state"));
}

TEST_F(Opening, RoleIsLeastPrivileged) {
  open();
  EXPECT_EQ(value("SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb FROM pg_roles "
                  "WHERE rolname = 'rls_operator_role'"),
            "f");
  pqxx::connection as_operator(operator_uri());
  EXPECT_THROW(sql_on(as_operator, "SELECT FROM nodes"), pqxx::insufficient_privilege);
  EXPECT_THROW(sql_on(as_operator, "DELETE FROM rls_audit_log"), pqxx::insufficient_privilege);
  pqxx::connection as_app(uri("app_user", kAppPassword));
  EXPECT_THROW(sql_on(as_app, "SELECT FROM rls_operator.transition"), pqxx::insufficient_privilege);
  EXPECT_THROW(sql_on(as_app, "SELECT rls_operator.release('sm')"), pqxx::insufficient_privilege);
}

TEST_F(Opening, TwoAtOnceOnAFreshDatabase) {
  TestSeam seams[4];
  std::vector<std::thread> threads;
  std::atomic<int> opened{0};
  for (TestSeam& one : seams) {
    threads.emplace_back([&] {
      auto database = make_adopted_database(*parse_connection_settings(operator_uri()), "public", {}, one);
      // The one that begins the leadership ends the others' connections, once.
      auto facts = database->open(claimant);
      for (int i = 0; i < 5 && !facts; ++i) facts = database->open(claimant);
      if (facts) ++opened;
      EXPECT_TRUE(facts.ok()) << facts.error().message;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(opened, 4);
  EXPECT_EQ(value("SELECT count(*) FROM rls_operator.claim"), "1");
}

TEST_F(Opening, ClaimOfAnotherIsRespected) {
  open();
  Claimant others[] = {claimant, claimant};
  others[0].install_id = "install-2";
  others[1].database.name = "other";
  for (const Claimant& other : others) {
    const auto facts = make()->open(other);
    ASSERT_FALSE(facts.ok());
    EXPECT_EQ(facts.error().kind, ErrorKind::terminal);
    EXPECT_EQ(facts.error().reason, "Claimed");
    EXPECT_THAT(facts.error().message, HasSubstr("team-a/main"));
    EXPECT_THAT(facts.error().message, HasSubstr("install-1"));
  }
}

TEST_F(Opening, SameObjectMadeAgainKeepsTheClaim) {
  open();
  claimant.database_uid = "uid-2";
  auto later = make();
  open(*later);
  EXPECT_EQ(value("SELECT uid FROM rls_operator.claim"), "uid-2");
}

TEST_F(Opening, ClaimTakenAwayIsNoticed) {
  open();
  sql("UPDATE rls_operator.claim SET install_id = 'install-9'");
  EXPECT_EQ(refused().reason, "Claimed");
}

TEST_F(Opening, HigherEpochMeansAnotherLeader) {
  open();
  see("sm");
  sql("UPDATE rls_operator.fence SET epoch = epoch + 1, holder = 'leader-2'");
  const std::vector<Move> moves = {a_move("sm", Phase::pending, Phase::shadow)};
  const auto moved = store->move(moves, always(moves));
  ASSERT_FALSE(moved.ok());
  EXPECT_EQ(moved.error().reason, "FenceLost");
  EXPECT_EQ(moved.error().kind, ErrorKind::terminal);
  EXPECT_EQ(refused().reason, "FenceLost");
  EXPECT_EQ(phase_of("sm"), "pending");
}

TEST_F(Opening, WithoutCreateSaysWhatADbaRuns) {
  const std::string database = value("SELECT current_database()");
  sql("REVOKE CREATE ON DATABASE " + database + " FROM rls_operator_role");
  const Error error = refused();
  EXPECT_EQ(error.kind, ErrorKind::terminal);
  EXPECT_EQ(error.reason, "MissingPrivilege");
  const std::string remedy = "CREATE SCHEMA rls_operator AUTHORIZATION rls_operator_role;";
  ASSERT_THAT(error.message, HasSubstr(remedy));
  sql(remedy);
  open();
}

TEST_F(Opening, SchemaOfSomebodyElseIsNotTrusted) {
  sql("CREATE SCHEMA rls_operator AUTHORIZATION app_user");
  const Error error = refused();
  EXPECT_EQ(error.reason, "MissingPrivilege");
  const std::string remedy = "ALTER SCHEMA rls_operator OWNER TO rls_operator_role;";
  ASSERT_THAT(error.message, HasSubstr(remedy));
  sql(remedy);
  open();
}

// Who owns it could forge ledger, clocks and holds, whatever version it has and however much we may in it.
TEST_F(Opening, SchemaOfSomebodyElseIsNotTrustedThoughItIsComplete) {
  open();
  sql("ALTER SCHEMA rls_operator OWNER TO app_user; GRANT ALL ON SCHEMA rls_operator TO rls_operator_role");
  store = make();
  const Error error = refused();
  EXPECT_EQ(error.reason, "MissingPrivilege");
  const std::string remedy = "ALTER SCHEMA rls_operator OWNER TO rls_operator_role;";
  ASSERT_THAT(error.message, HasSubstr(remedy));
  sql(remedy);
  open();
}

TEST_F(Opening, SchemaOfANewerOperatorIsLeftAlone) {
  open();
  sql("UPDATE rls_operator.version SET number = 99");
  EXPECT_EQ(refused().reason, "SchemaTooNew");
}

TEST_F(Opening, SchemaThatWentAwayIsMadeAgain) {
  open();
  see("sm");
  sql("DROP SCHEMA rls_operator CASCADE");
  EXPECT_FALSE(store->observe(std::vector<ProjectQuery>{{"sm", Phase::pending}}).ok());
  open();
  EXPECT_TRUE(see("sm").project_known);
  EXPECT_EQ(ledger_rows("sm"), 1);
}

TEST_F(Opening, MissingTableNamesItAndTheRemedy) {
  auto elsewhere = make({}, "nowhere");
  EXPECT_THAT(refused(*elsewhere).message, HasSubstr("no schema \"nowhere\""));
  sql("ALTER TABLE rls_migration_status RENAME TO gone");
  const Error error = refused();
  EXPECT_EQ(error.kind, ErrorKind::terminal);
  EXPECT_EQ(error.reason, "MissingTable");
  EXPECT_THAT(error.message, HasSubstr("rls_migration_status"));
  EXPECT_THAT(error.message, HasSubstr("public"));
  EXPECT_THAT(error.message, HasSubstr("spec.runtime.schema"));
  sql("ALTER TABLE gone RENAME TO rls_migration_status");
  open();
}

TEST_F(Opening, MissingColumnsAndRights) {
  struct Case {
    const char *break_it, *reason, *said, *mend;
  };
  for (const Case& row :
       {Case{"ALTER TABLE rls_migration_status RENAME migration_phase TO x", "MissingColumn",
             "migration_phase", "ALTER TABLE rls_migration_status RENAME x TO migration_phase"},
        Case{"ALTER TABLE rls_migration_status RENAME migrated_at TO x", "MissingColumn", "migrated_at",
             "ALTER TABLE rls_migration_status RENAME x TO migrated_at"},
        Case{"REVOKE UPDATE ON rls_migration_status FROM rls_operator_role", "MissingPrivilege",
             "GRANT SELECT, UPDATE ON public.rls_migration_status TO rls_operator_role;",
             "GRANT SELECT, UPDATE ON public.rls_migration_status TO rls_operator_role;"},
        Case{"REVOKE USAGE ON SCHEMA public FROM PUBLIC, rls_operator_role", "MissingPrivilege",
             "GRANT USAGE ON SCHEMA public TO rls_operator_role;",
             "GRANT USAGE ON SCHEMA public TO rls_operator_role;"},
        Case{"ALTER TABLE rls_migration_status DROP CONSTRAINT rls_migration_status_project_id_key",
             "UnsupportedTable", "unique", "ALTER TABLE rls_migration_status ADD UNIQUE (project_id)"},
        Case{"ALTER TYPE migration_phase_enum RENAME VALUE 'complete' TO 'done'", "UnsupportedTable",
             "complete", "ALTER TYPE migration_phase_enum RENAME VALUE 'done' TO 'complete'"},
        Case{"ALTER TABLE rls_migration_status ENABLE ROW LEVEL SECURITY", "MissingPrivilege",
             "CREATE POLICY",
             "CREATE POLICY rls_operator ON public.rls_migration_status TO rls_operator_role USING "
             "(true);"}}) {
    sql(row.break_it);
    const Error error = refused();
    EXPECT_EQ(error.reason, row.reason) << row.break_it;
    EXPECT_EQ(error.kind, ErrorKind::terminal) << row.break_it;
    EXPECT_THAT(error.message, HasSubstr(row.said));
    sql(row.mend);
    open();
    store = make();
  }
}

TEST_F(Opening, ReadOnlyDatabaseIsNotThePrimary) {
  sql("ALTER DATABASE " + value("SELECT current_database()") + " SET default_transaction_read_only = on");
  const Error error = refused();
  EXPECT_EQ(error.reason, "NotPrimary");
  EXPECT_EQ(error.kind, ErrorKind::transient);
}

TEST_F(Opening, ConnectionRefusalsHaveTheirReasons) {
  EXPECT_EQ(refused(*at(uri("rls_operator_role", "c4n4ry-wrong"))).reason, "AuthenticationFailed");
  EXPECT_THAT(refused(*at(uri("rls_operator_role", "c4n4ry-wrong"))).message, Not(HasSubstr("c4n4ry")));
  EXPECT_EQ(refused(*at(operator_uri() + "_missing")).reason, "DatabaseMissing");
  EXPECT_EQ(refused(*at("postgresql://op:secret@127.0.0.1:1/d")).reason, "DatabaseUnreachable");
  EXPECT_EQ(refused(*at(operator_uri() + "?sslmode=verify-full&sslrootcert=/nowhere")).reason, "TlsFailed");
}

TEST_F(Opening, TooManyConnections) {
  sql("ALTER DATABASE " + value("SELECT current_database()") + " CONNECTION LIMIT 0");
  const Error error = refused();
  EXPECT_EQ(error.reason, "TooManyConnections");
  EXPECT_EQ(error.kind, ErrorKind::transient);
}

TEST_F(Opening, ServerThatDoesNotAnswerIsGivenUp) {
  // Takes connections into its backlog and never says a word.
  const int silent = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(silent, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(silent, 1), 0);
  ASSERT_EQ(::getsockname(silent, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const std::string port = std::to_string(ntohs(address.sin_port));

  const auto began = std::chrono::steady_clock::now();
  const Error error = refused(*at("postgresql://op:secret@127.0.0.1:" + port + "/d?connect_timeout=1"));
  EXPECT_EQ(error.reason, "DatabaseUnreachable");
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(30)) << "it never answers";
  ::close(silent);
}

TEST_F(Opening, ConnectionThatDiedMeanwhileIsAnErrorOnceAndThenReplaced) {
  open();
  sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'rls_operator_role' AND "
      "datname = current_database()");
  // The caller hears of it, so that it can read the Secret anew before it connects again.
  const auto died = store->open(claimant);
  ASSERT_FALSE(died.ok());
  EXPECT_EQ(died.error().kind, ErrorKind::transient);
  open();
  EXPECT_TRUE(see("sm").project_known);
}

// A leader that lost its connection must not take the next leader's epoch for its own.
TEST_F(Opening, ANewConnectionDoesNotTakeOverAnotherLeadersEpoch) {
  const auto facts = store->open(claimant);
  ASSERT_TRUE(facts.ok());
  sql("UPDATE rls_operator.fence SET epoch = epoch + 1");
  auto later = make();
  Claimant same = claimant;
  same.epoch = facts->epoch;
  same.epoch_system = facts->system_identifier;
  const auto refused_again = later->open(same);
  ASSERT_FALSE(refused_again.ok());
  EXPECT_EQ(refused_again.error().reason, "FenceLost");
}

TEST_F(Opening, InterruptEndsACallAndTheNextOpenWorks) {
  store = make({.lock = std::chrono::minutes{5}, .statement = std::chrono::minutes{5}});
  open();
  pqxx::connection other(uri());
  pqxx::work blocker(other);
  blocker.exec("LOCK TABLE rls_migration_status");
  std::thread interrupter([&] {
    EXPECT_TRUE(somebody_waits());
    store->interrupt();
  });
  const auto began = std::chrono::steady_clock::now();
  const auto seen = store->observe(std::vector<ProjectQuery>{{"sm", Phase::pending}});
  interrupter.join();
  ASSERT_FALSE(seen.ok());
  EXPECT_EQ(seen.error().kind, ErrorKind::transient);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::minutes{4}) << "before lock_timeout";
  blocker.abort();
  open();
  EXPECT_TRUE(see("sm").project_known);
}

}  // namespace
}  // namespace rls::postgres
