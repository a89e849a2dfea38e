// What shadow notes (design 3-database, Evidence): everything that enforcing would deny, reads included, and
// nothing else.

#include <gmock/gmock.h>

#include <cstdlib>
#include <thread>

#include "tests/postgres/managed/fixture.hpp"
#include "tests/support/postgres_server.hpp"

namespace rls::postgres {
namespace {

using testing::HasSubstr;
using State = decide::Evidence::State;

class ManagedShadow : public ManagedTest {
 protected:
  void SetUp() override {
    ManagedTest::SetUp();
    open();
    tend();
    bring("a", Phase::shadow);
  }
};

TEST_F(ManagedShadow, CleanTrafficIsNotNoted) {
  as("a", "SELECT * FROM app.nodes WHERE project_id = 'a'");
  as("a", "INSERT INTO app.nodes VALUES (100, 'a')");
  as("a", "UPDATE app.nodes SET label = 'x' WHERE project_id = 'a'");
  as("a", "DELETE FROM app.nodes WHERE id = 100 AND project_id = 'a'");
  EXPECT_EQ(noted("a"), "");
}

struct Case {
  const char* name;
  const char* sql;
  const char* noted;  ///< table, command, ? where a candidate
};

class ManagedShadowNotes : public ManagedShadow, public testing::WithParamInterface<Case> {};

TEST_P(ManagedShadowNotes, WhatEnforcingWouldDeny) {
  as("a", GetParam().sql);
  EXPECT_EQ(noted("a"), GetParam().noted);
}

// Context a; rows of b have ids 1, 5, 9 …, of a 4, 8, 12 …
INSTANTIATE_TEST_SUITE_P(
    Statements, ManagedShadowNotes,
    testing::Values(
        Case{"Select", "SELECT * FROM app.nodes", "app.nodes SELECT? 1"},
        Case{"SelectByKey", "SELECT * FROM app.nodes WHERE id = 1", "app.nodes SELECT? 1"},
        Case{"Aggregate", "SELECT count(*) FROM app.nodes", "app.nodes SELECT? 1"},
        Case{"Insert", "INSERT INTO app.nodes VALUES (100, 'b')", "app.nodes INSERT 1"},
        Case{"InsertReturning", "INSERT INTO app.nodes VALUES (100, 'b') RETURNING id", "app.nodes INSERT 1"},
        Case{"UpdateOfForeignRow", "UPDATE app.nodes SET label = 'x' WHERE id = 1", "app.nodes UPDATE 1"},
        Case{"UpdateThatMovesARow", "UPDATE app.nodes SET project_id = 'b' WHERE id = 4 AND project_id = 'a'",
             "app.nodes UPDATE 1"},
        Case{"Delete", "DELETE FROM app.nodes WHERE id = 21", "app.nodes DELETE 1"},
        Case{"OnConflictUpdate",
             "INSERT INTO app.nodes VALUES (1, 'a', 'mine') ON CONFLICT (id) DO UPDATE SET label = "
             "excluded.label",
             "app.nodes UPDATE 1"},
        Case{"WithClause",
             "WITH gone AS (DELETE FROM app.nodes WHERE id = 21 RETURNING *) SELECT count(*) FROM gone",
             "app.nodes DELETE 1"},
        Case{"SubSelect", "SELECT 1 WHERE EXISTS (SELECT FROM app.things WHERE project_id = 'c')",
             "app.things SELECT? 1"},
        Case{"Cursor", "DECLARE c CURSOR FOR SELECT * FROM app.nodes ORDER BY id; FETCH 3 FROM c",
             "app.nodes SELECT? 1"},
        Case{"Function", "DO $$ BEGIN PERFORM FROM app.nodes WHERE id = 1; END $$", "app.nodes SELECT? 1"},
        Case{"PreparedAndCached",
             "PREPARE p(int) AS SELECT * FROM app.nodes WHERE id = $1; SET LOCAL plan_cache_mode = "
             "force_generic_plan; EXECUTE p(4); EXECUTE p(1); DEALLOCATE p",
             "app.nodes SELECT? 1"},
        Case{"ByTheParent", "SELECT count(*) FROM app.events", "app.events SELECT? 1"},
        Case{"ThePartitionItself", "SELECT count(*) FROM app.events_1", "app.events_1 SELECT? 1"},
        Case{"UpdateByTheParent", "UPDATE app.events SET at = at WHERE id = 1", "app.events UPDATE 1"},
        Case{"InsertIntoThePartition", "INSERT INTO app.events_1 VALUES (100, 'b', 1)",
             "app.events_1 INSERT 1"},
        Case{"ByTheInheritanceParent", "SELECT count(*) FROM app.things", "app.things SELECT? 1"},
        Case{"TheChildItself", "DELETE FROM app.special_things WHERE id = 13", "app.special_things DELETE 1"},
        Case{"NullTenant", "UPDATE app.loose SET label = 'x' WHERE project_id IS NULL", "app.loose UPDATE 1"},
        Case{"InsertWithoutTenant", "INSERT INTO app.loose VALUES (100, NULL, '')", "app.loose INSERT 1"},
        // The parent row is its own; the rows that go with it belong to others, and policies do not ask
        // there.
        Case{"Cascade", "UPDATE app.nodes SET label = label WHERE id = 4 AND project_id = 'a'", ""},
        Case{"Lock", "SELECT * FROM app.nodes WHERE id = 1 FOR UPDATE", "app.nodes UPDATE? 1"}),
    [](const auto& one) { return std::string(one.param.name); });

TEST_F(ManagedShadow, AForeignKeysCascadeIsNoted) {
  sql("UPDATE app.parts SET project_id = 'b' WHERE node = 4");
  as("a", "DELETE FROM app.nodes WHERE id = 4 AND project_id = 'a'");
  EXPECT_EQ(noted("a"), "app.parts DELETE 1");
}

TEST_F(ManagedShadow, MergeIsNoted) {
  if (std::stoi(value("SHOW server_version_num")) < 150000) {
    EXPECT_THROW(sql("MERGE INTO app.nodes n USING app.parts p ON n.id = p.id WHEN MATCHED THEN DELETE"),
                 pqxx::sql_error);  // no such command yet
    return;
  }
  as("a",
     "MERGE INTO app.nodes n USING (VALUES (1), (2)) v(id) ON n.id = v.id WHEN MATCHED THEN UPDATE SET label "
     "= 'm'");
  EXPECT_EQ(noted("a"), "app.nodes UPDATE 1");
}

TEST_F(ManagedShadow, AViewIsSeenThroughWhosesoeverRightsItHas) {
  sql("SET ROLE managed_owner; CREATE VIEW app.all_nodes AS SELECT * FROM app.nodes; GRANT SELECT ON "
      "app.all_nodes TO "
      "managed_app; RESET ROLE");
  as("a", "SELECT * FROM app.all_nodes");
  EXPECT_EQ(noted("a"), "app.nodes SELECT? 1");
  if (std::stoi(value("SHOW server_version_num")) >= 150000) {
    sql("ALTER VIEW app.all_nodes SET (security_invoker = true)");
    as("a", "SELECT count(*) FROM app.all_nodes");
    EXPECT_EQ(value("SELECT count(*) FROM rls_operator.violation_inbox"), "1");
  }
}

TEST_F(ManagedShadow, OnceATransactionAndTableWhateverItDoes) {
  as("a",
     "SELECT * FROM app.nodes; SELECT * FROM app.nodes; UPDATE app.nodes SET label = 'x'; DELETE FROM "
     "app.parts; "
     "INSERT INTO app.nodes VALUES (101, 'b'), (102, 'c')");
  tend();
  EXPECT_EQ(see("a").violations.count, 2);  // nodes and parts
}

TEST_F(ManagedShadow, WhoAndWithWhatIsNotedWithoutValues) {
  as("a",
     "SET LOCAL application_name = 'billing'; SELECT * FROM app.nodes WHERE label = 'secret-value' OR id = "
     "1");
  tend();
  EXPECT_EQ(
      value("SELECT application_name || ' ' || user_name || ' ' || row_key FROM rls.rls_audit_log WHERE "
            "would_be_denied"),
      "billing managed_app 1");
  const std::string query = value("SELECT query FROM rls_operator.violation");
  EXPECT_THAT(query, HasSubstr("label = ? OR id = ?"));
  EXPECT_THAT(query, testing::Not(HasSubstr("secret-value")));
}

TEST_F(ManagedShadow, ListsOfAnyLengthAreOneKindAndKindsAreNotEndless) {
  as("a", "SELECT * FROM app.nodes WHERE id IN (1, 5)");
  as("a", "SELECT * FROM app.nodes WHERE id IN (1, 5, 9, 13)");
  tend();
  EXPECT_EQ(value("SELECT string_agg(query || ' ' || count, '; ') FROM rls_operator.violation"),
            "SELECT * FROM app.nodes WHERE id IN (?, ...) 2");
  sql("INSERT INTO rls_operator.violation SELECT i::text, 'a', 't', 'SELECT', '', '', '', true, 1, "
      "'-infinity', 0, now(), now() "
      "FROM generate_series(1, 1000) i");
  as("a", "SELECT * FROM app.nodes WHERE label = 'x' OR id = 1");
  as("a", "SELECT * FROM app.nodes WHERE label = 'x' OR label = 'y' OR id = 1");
  tend();
  EXPECT_EQ(value("SELECT count FROM rls_operator.violation WHERE table_name = 'app.nodes' AND query = ''"),
            "2");
}

TEST_F(ManagedShadow, ASavepointThatIsRolledBackIsNotedAgainAfterwards) {
  as("a",
     "SAVEPOINT s; SELECT * FROM app.nodes WHERE id = 1; ROLLBACK TO s; SELECT * FROM app.nodes WHERE id = "
     "1");
  tend();
  EXPECT_EQ(see("a").violations.count, 1);
}

TEST_F(ManagedShadow, AnExceptionBlockIsNoEscape) {
  as("a",
     "DO $$ BEGIN UPDATE app.nodes SET label = 'x' WHERE id = 1; PERFORM 1 / 0; EXCEPTION WHEN "
     "division_by_zero THEN "
     "NULL; END $$; DELETE FROM app.nodes WHERE id = 21");
  EXPECT_EQ(noted("a"), "app.nodes DELETE 1");
}

TEST_F(ManagedShadow, NothingIsBlocked) {
  EXPECT_EQ(rows_of("a", "SELECT * FROM app.nodes"), 40);
  EXPECT_EQ(rows_of("a", "UPDATE app.nodes SET label = 'x'"), 40);
  EXPECT_EQ(rows_of("a", "INSERT INTO app.nodes VALUES (100, 'b')"), 1);
  EXPECT_EQ(rows_of("a", "DELETE FROM app.loose"), 50);
}

TEST_F(ManagedShadow, EvidenceIsCompleteAndReadsAreRecorded) {
  const decide::Observation seen = see("a");
  EXPECT_EQ(seen.evidence.state, State::complete) << seen.evidence.why;
  EXPECT_TRUE(seen.evidence.reads);
  ASSERT_TRUE(seen.recorded_since.has_value());
  EXPECT_GE(*seen.recorded_since, seen.phase_since);
}

TEST_F(ManagedShadow, WorkThatIsRolledBackLeavesAGap) {
  tend();
  const auto since = see("a").recorded_since;
  {
    pqxx::connection connection(uri("managed_app"));
    pqxx::work work(connection);
    work.exec("SELECT rls.set_project_context('a')");
    work.exec("SELECT * FROM app.nodes");
    work.abort();
  }
  settle();
  const decide::Observation seen = see("a");
  EXPECT_EQ(seen.violations.count, 0);
  EXPECT_EQ(seen.evidence.state, State::unknown);
  EXPECT_THAT(seen.evidence.why, HasSubstr("1 notes were rolled back"));
  EXPECT_GT(seen.recorded_since, since);
}

// What is refused is rolled back: if it were noted before, it would be a gap in the evidence of all who are
// in shadow.
TEST_F(ManagedShadow, NothingIsNotedOfThoseWhoEnforceWhileOthersAreInShadow) {
  bring("b", Phase::enforcing);
  tend();
  const auto since = see("a").recorded_since;
  EXPECT_EQ(rows_of("b", "SELECT * FROM app.nodes WHERE project_id = 'a'"), 0);
  EXPECT_EQ(rows_of("b", "UPDATE app.nodes SET project_id = project_id WHERE project_id = 'a' RETURNING 1"),
            0);
  EXPECT_EQ(rows_of("b", "DELETE FROM app.nodes WHERE project_id = 'a' RETURNING 1"), 0);
  EXPECT_EQ(rows_of("b", "INSERT INTO app.nodes VALUES (900, 'a')"), -1);
  EXPECT_EQ(rows_of("b", "UPDATE app.nodes SET project_id = 'a' WHERE project_id = 'b'"), -1);
  settle();
  EXPECT_EQ(see("a").evidence.state, State::complete) << see("a").evidence.why;
  EXPECT_EQ(see("a").recorded_since, since);
  EXPECT_EQ(value("SELECT count(*) FROM rls_operator.violation WHERE project_id = 'b'"), "0");
}

TEST_F(ManagedShadow, WorkWithoutAContextThatIsRolledBackLeavesNone) {
  tend();
  pqxx::connection connection(uri("managed_app"));
  pqxx::work work(connection);
  work.exec("SELECT * FROM app.nodes");
  work.abort();
  settle();
  EXPECT_EQ(see("a").evidence.state, State::complete);
}

TEST_F(ManagedShadow, ATransactionThatMayNotWriteLeavesATrace) {
  tend();
  {
    pqxx::connection connection(uri("managed_app"));
    pqxx::nontransaction work(connection);
    EXPECT_EQ(work.exec("BEGIN READ ONLY; SELECT rls.set_project_context('a'); SELECT * FROM app.nodes; "
                        "COMMIT; SELECT 1")
                  .size(),
              1U);
  }  // the server counts it at the latest when the session ends
  for (int i = 0; i < 50; ++i) {
    tend();
    if (see("a").evidence.state != State::complete) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  EXPECT_EQ(see("a").evidence.state, State::unknown);
  EXPECT_THAT(see("a").evidence.why, HasSubstr("may not write"));
}

/// On a server of its own, which may crash.
class ManagedCrash : public ManagedTest {
 protected:
  void SetUp() override {
    before_ = std::getenv("DATABASE_URL");
    ::setenv("DATABASE_URL", server.uri().c_str(), 1);
    ManagedTest::SetUp();
    open();
    tend();
    bring("a", Phase::shadow);
  }
  void TearDown() override {
    reconnect();
    ManagedTest::TearDown();
    ::setenv("DATABASE_URL", before_.c_str(), 1);
  }
  test::PostgresServer server;

 private:
  std::string before_;
};

TEST_F(ManagedCrash, WhatACrashTookOutOfTheInboxIsAGap) {
  tend();
  const auto since = see("a").recorded_since;
  as("a", "SELECT * FROM app.nodes");
  EXPECT_EQ(value("SELECT count(*) FROM rls_operator.violation_inbox"), "1");
  store.reset();
  server.restart_immediately();
  reconnect();
  EXPECT_EQ(value("SELECT count(*) FROM rls_operator.violation_inbox"), "0");
  store = make();
  open();
  settle();
  const decide::Observation seen = see("a");
  EXPECT_EQ(seen.violations.count, 0);
  EXPECT_EQ(seen.evidence.state, State::unknown) << seen.evidence.why;
  EXPECT_THAT(seen.evidence.why, HasSubstr("lost in a crash"));
  EXPECT_GT(seen.recorded_since, since);
}

// A REPEATABLE READ transaction from before a move lives by the phase before, and is told of until it ends.
TEST_F(ManagedShadow, SessionsWithAnOlderSnapshotAreCountedUntilTheyEnd) {
  pqxx::connection old(uri("managed_app"));
  auto work = std::make_unique<pqxx::transaction<pqxx::repeatable_read>>(old);
  work->exec("SELECT rls.set_project_context('a')");
  work->exec("SELECT count(*) FROM app.countries");  // takes the snapshot, and no lock on what is protected
  must_go("a", Phase::shadow, Phase::enforcing);
  EXPECT_EQ(tend().status.old_sessions, 1);
  EXPECT_EQ(work->exec("SELECT * FROM app.nodes").size(), 40U) << "by the phase before";
  work->commit();
  EXPECT_EQ(tend().status.old_sessions, 0);
  EXPECT_EQ(rows_of("a", "SELECT * FROM app.nodes"), 10);
}

TEST_F(ManagedShadow, ADisabledTriggerIsAGap) {
  wish.repair = api::Repair::report;
  sql("ALTER TABLE app.nodes DISABLE TRIGGER USER");
  EXPECT_EQ(see("a").evidence.state, State::incomplete);
  tend();
  EXPECT_FALSE(see("a").recorded_since.has_value());
  wish.repair = api::Repair::automatic;
  tend();
  EXPECT_EQ(see("a").evidence.state, State::complete);
}

TEST_F(ManagedShadow, ANewPartitionIsNoGapForWhatGoesThroughItsParent) {
  tend();
  const auto since = see("a").recorded_since;
  sql("SET ROLE managed_owner; CREATE TABLE app.events_3 PARTITION OF app.events FOR VALUES FROM (20) TO "
      "(30); RESET ROLE");
  EXPECT_EQ(see("a").evidence.state, State::incomplete);
  tend();
  EXPECT_EQ(see("a").evidence.state, State::complete);
  EXPECT_EQ(see("a").recorded_since, since);
}

TEST_F(ManagedShadow, AccessWithoutAContextIsNotedAndHoldsNobodyUp) {
  as("", "SELECT * FROM app.nodes");
  const RuntimeReport report = tend();
  EXPECT_EQ(report.status.without_context, 1);
  EXPECT_EQ(see("a").violations.count, 0);
}

TEST_F(ManagedShadow, ADemotionToShadowLeavesNoEvidenceUntilTheNotesAreBack) {
  must_go("a", Phase::shadow, Phase::enforcing);
  tend();
  EXPECT_EQ(value("SELECT min(form) FROM rls_operator.table_state"), "quiet");
  must_go("a", Phase::enforcing, Phase::shadow);
  EXPECT_EQ(rows_of("a", "SELECT * FROM app.nodes"), 40);  // at once, in any form
  EXPECT_NE(see("a").evidence.state, State::complete);
  tend();
  EXPECT_EQ(see("a").evidence.state, State::complete);
}

// R-A6: at least so many transactions, by what was sampled of them.
TEST_F(ManagedShadow, TransactionsAreCountedFromBelow) {
  EXPECT_EQ(see("a").transactions, 0);
  {
    pqxx::connection connection(uri("managed_app"));
    for (int i = 0; i < 1600; ++i) {
      pqxx::work work(connection);
      work.exec("SELECT rls.set_project_context('a'), rls.set_project_context('a')");
      work.commit();
    }
  }
  const auto before = see("a").transactions;
  tend();
  const auto after = see("a").transactions;
  EXPECT_EQ(before, after);
  ASSERT_TRUE(after.has_value());
  EXPECT_GT(*after, 600);  // 100 sampled, more or less: 16 · (100 − 20) = 1280
  EXPECT_LE(*after, 1900);
  EXPECT_EQ(see("b").transactions, 0);
}

TEST_F(ManagedShadow, UnknownContextsAreRefusedOrLetThroughAndCounted) {
  pqxx::connection connection(uri("managed_app"));
  for (int i = 0; i < 200; ++i) {
    pqxx::work work(connection);
    EXPECT_EQ(std::string(work.exec("SELECT rls.set_project_context('nobody')")[0][0].c_str()), "f");
    EXPECT_EQ(work.exec("SELECT * FROM app.nodes").size(), 40U);  // legacy is open
    work.commit();
  }
  tend();
  EXPECT_EQ(value("SELECT project_id FROM rls_operator.unknown_context"), "nobody");
  for (const char* project : {"b", "c", "d"}) bring(project, Phase::enforcing);
  must_go("a", Phase::shadow, Phase::enforcing);
  tend();
  EXPECT_EQ(rows_of("nobody", "SELECT * FROM app.nodes"), 0);
}

// 2-api: verdicts change the count and the clock.
TEST_F(ManagedShadow, ReviewsChangeTheCountAndTheClock) {
  as("a", "SELECT * FROM app.nodes");
  as("a", "DELETE FROM app.parts WHERE id = 1");
  tend();
  decide::Observation seen = see("a");
  EXPECT_EQ(seen.violations.count, 2);
  EXPECT_EQ(seen.unreviewed, 2);
  const auto review = [&](const std::string& table, const std::string& verdict) {
    sql("SELECT rls_operator.review(ARRAY(SELECT fingerprint FROM rls_operator.violation WHERE table_name = "
        "'" +
        table + "'), '" + verdict + "', 'ann', '')");
  };
  review("app.nodes", "false-positive");
  seen = see("a");
  EXPECT_EQ(seen.violations.count, 1);
  EXPECT_EQ(seen.unreviewed, 1);
  EXPECT_FALSE(seen.fixed_at.has_value());
  review("app.parts", "real");
  seen = see("a");
  EXPECT_EQ(seen.violations.count, 1);
  EXPECT_EQ(seen.unreviewed, 0);
  review("app.parts", "fixed");
  seen = see("a");
  EXPECT_EQ(seen.violations.count, 0);
  EXPECT_EQ(seen.unreviewed, 0);
  ASSERT_TRUE(seen.fixed_at.has_value());
  as("a", "DELETE FROM app.parts WHERE id = 5");  // not fixed after all
  EXPECT_EQ(see("a").violations.count, 1);
  tend();
  seen = see("a");
  EXPECT_EQ(seen.violations.count, 1);
  EXPECT_EQ(seen.unreviewed, 1);
}

TEST_F(ManagedShadow, AnotherShadowStartsFromNothing) {
  as("a", "SELECT * FROM app.nodes");
  tend();
  EXPECT_EQ(see("a").violations.count, 1);
  must_go("a", Phase::shadow, Phase::pending);
  tend();
  bring("a", Phase::shadow);
  EXPECT_EQ(see("a").violations.count, 0);
  EXPECT_EQ(see("a").unreviewed, 0);
}

// R-A12
TEST_F(ManagedShadow, OldAuditRowsAreArchived) {
  as("a", "SELECT * FROM app.nodes");
  tend();
  sql("UPDATE rls.rls_audit_log SET created_at = now() - interval '91 days'");
  tend();
  EXPECT_EQ(value("SELECT count(*) FROM rls.rls_audit_log WHERE would_be_denied"), "0");
  EXPECT_EQ(value("SELECT rows FROM rls_operator.audit_archive WHERE denied"), "1");
  EXPECT_EQ(see("a").violations.count, 1);  // the kind is kept
}

TEST_F(ManagedShadow, ViolationsAreReportedByTableWithTheKindsToReview) {
  as("a", "SELECT * FROM app.nodes");
  as("a", "SELECT * FROM app.nodes");
  tend();
  const std::vector<std::string> projects = {"a"};
  const auto report = store->violations(projects);
  ASSERT_TRUE(report.ok()) << report.error().message;
  const api::ViolationsStatus& status = report.value()[0];
  EXPECT_EQ(status.total, 2);
  EXPECT_EQ(status.unreviewed, 1);
  ASSERT_EQ(status.samples.size(), 1U);
  EXPECT_EQ(status.samples[0].table, "app.nodes");
  EXPECT_EQ(status.samples[0].fingerprint.size(), 16U);
}

}  // namespace
}  // namespace rls::postgres
