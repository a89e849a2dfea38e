#include <gmock/gmock.h>

#include "tests/postgres/store/fixture.hpp"

namespace rls::postgres {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Observing : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    open();
  }
  void by_hand(const std::string& project, Phase phase) {
    sql("UPDATE rls_migration_status SET migration_phase = '" + std::string(to_string(phase)) +
        "' WHERE project_id = '" + project + "'");
  }
  std::string newest(const std::string& project, const std::string& columns) {
    return value("SELECT concat_ws(' ', " + columns + ") FROM rls_operator.transition WHERE project_id = '" +
                 project + "' ORDER BY ordinal DESC LIMIT 1");
  }
};

TEST_F(Observing, FirstSightIsLedgeredAsAdopted) {
  by_hand("sm", Phase::shadow);
  const Time before = database_time();
  const auto seen = see("sm", Phase::enforcing);
  EXPECT_EQ(seen.database, decide::DatabaseState::ok);
  EXPECT_TRUE(seen.project_known);
  EXPECT_EQ(seen.phase, Phase::shadow);
  EXPECT_EQ(seen.last_ours, Phase::shadow);
  EXPECT_EQ(seen.wanted_at_drift, std::nullopt);
  EXPECT_GE(seen.phase_since, before);
  EXPECT_LE(seen.phase_since, seen.now);
  EXPECT_EQ(newest("sm", "ordinal, kind, coalesce(from_phase, '-'), to_phase"), "1 adopted - shadow");
}

TEST_F(Observing, NothingIsWrittenWhenNothingChanged) {
  see("sm");
  const auto first = see("sm");
  seam.restart();
  const auto second = see("sm");
  EXPECT_THAT(seam.names, ElementsAre("observe", "evidence"));
  EXPECT_EQ(first.phase_since, second.phase_since);
  EXPECT_LT(first.now, second.now);
  EXPECT_EQ(ledger_rows("sm"), 1);
}

TEST_F(Observing, AnswersInTheOrderAskedUnknownOnesToo) {
  by_hand("ab", Phase::shadow);
  const std::vector<ProjectQuery> queries = {
      {"sm", Phase::pending}, {"nobody", Phase::pending}, {"ab", Phase::pending}, {"sm", Phase::pending}};
  const auto seen = store->observe(queries);
  ASSERT_TRUE(seen.ok()) << seen.error().message;
  ASSERT_EQ(seen.value().size(), 4U);
  EXPECT_EQ(seen.value()[0].phase, Phase::pending);
  EXPECT_FALSE(seen.value()[1].project_known);
  EXPECT_EQ(seen.value()[1].database, decide::DatabaseState::ok);
  EXPECT_THAT(seen.value()[1].project_message,
              HasSubstr("\"nobody\" has no row in public.rls_migration_status"));
  EXPECT_EQ(seen.value()[2].phase, Phase::shadow);
  EXPECT_TRUE(seen.value()[3].project_known);
  EXPECT_TRUE(store->observe({}).ok());
}

TEST_F(Observing, NamesWithEverythingADatabaseHolds) {
  const std::string fifty(50, 'x');
  std::string letters;
  for (int i = 0; i < 50; ++i) letters += "é";  // 50 characters, 100 bytes
  const std::vector<std::string> names = {
      "o'brien", "say \"hi\"", "back\\slash", "tab\there", "line\nbreak", "{a,b}",  "NULL",
      "",        fifty,        letters,       "$1; DROP",  "bell\a",      " blank "};
  pqxx::connection admin(uri());
  pqxx::work work(admin);
  std::vector<ProjectQuery> queries;
  std::vector<Move> moves;
  for (const std::string& name : names) {
    if (name.empty()) continue;
    work.exec_params("INSERT INTO rls_migration_status (project_id) VALUES ($1)", name);
    queries.push_back({name, Phase::shadow});
    moves.push_back(a_move(name, Phase::pending, Phase::shadow));
  }
  work.commit();
  const auto seen = store->observe(queries);
  ASSERT_TRUE(seen.ok()) << seen.error().message;
  for (std::size_t i = 0; i < queries.size(); ++i)
    EXPECT_TRUE(seen.value()[i].project_known) << queries[i].project;
  const auto moved = store->move(moves, always(moves));
  ASSERT_TRUE(moved.ok()) << moved.error().message;
  for (std::size_t i = 0; i < moves.size(); ++i) {
    EXPECT_EQ(moved.value()[i].outcome, MoveOutcome::moved) << moves[i].project;
  }
}

TEST_F(Observing, NamesThatNoDatabaseHoldsHurtNobodyElse) {
  const std::string nul("nu\0l", 4);
  const std::vector<std::string> names = {nul, "bad\xff", "\xed\xa0\x80", std::string(51, 'x'), "", "sm"};
  std::vector<ProjectQuery> queries;
  std::vector<Move> moves;
  for (const std::string& name : names) {
    queries.push_back({name, Phase::shadow});
    moves.push_back(a_move(name, Phase::pending, Phase::shadow));
  }
  const auto seen = store->observe(queries);
  ASSERT_TRUE(seen.ok()) << seen.error().message;
  for (std::size_t i = 0; i + 1 < names.size(); ++i) {
    EXPECT_FALSE(seen.value()[i].project_known) << i;
    EXPECT_NE(seen.value()[i].project_message, "") << i;
  }
  EXPECT_TRUE(seen.value().back().project_known);
  const auto moved = store->move(moves, always(moves));
  ASSERT_TRUE(moved.ok()) << moved.error().message;
  EXPECT_EQ(moved.value()[0].outcome, MoveOutcome::failed);
  EXPECT_EQ(moved.value()[1].outcome, MoveOutcome::failed);
  EXPECT_EQ(moved.value()[3].outcome, MoveOutcome::obsolete) << "51 characters: no such row";
  EXPECT_EQ(moved.value().back().outcome, MoveOutcome::moved);
  EXPECT_TRUE(store->history(names).ok());
  EXPECT_TRUE(store->violations(names).ok());
}

TEST_F(Observing, RaisedByHandIsDriftWithTheAimOfThatTime) {
  see("sm", Phase::shadow);
  by_hand("sm", Phase::enforcing);
  auto seen = see("sm", Phase::shadow);
  EXPECT_EQ(seen.phase, Phase::enforcing);
  EXPECT_EQ(seen.last_ours, Phase::pending);
  EXPECT_EQ(seen.wanted_at_drift, Phase::shadow);
  EXPECT_EQ(newest("sm", "ordinal, kind, from_phase, to_phase, wanted_phase"),
            "2 drift pending enforcing shadow");

  seam.restart();
  seen = see("sm", Phase::pending);  // lowered since: the aim of then stays
  EXPECT_EQ(seen.wanted_at_drift, Phase::shadow);
  EXPECT_THAT(seam.names, ElementsAre("observe", "evidence"));

  seen = see("sm", Phase::complete);  // raised: remembered, so that a lowering from here is seen
  EXPECT_EQ(seen.wanted_at_drift, Phase::complete);
  seen = see("sm", Phase::shadow);
  EXPECT_EQ(seen.wanted_at_drift, Phase::complete);
  EXPECT_EQ(ledger_rows("sm"), 2);
}

TEST_F(Observing, LoweredByHandStartsANewClock) {
  see("sm");
  must_go("sm", Phase::pending, Phase::shadow);
  must_go("sm", Phase::shadow, Phase::enforcing);
  const auto before = see("sm", Phase::enforcing);
  by_hand("sm", Phase::shadow);
  const auto seen = see("sm", Phase::enforcing);
  EXPECT_EQ(seen.phase, Phase::shadow);
  EXPECT_EQ(seen.last_ours, Phase::enforcing);
  EXPECT_EQ(seen.wanted_at_drift, Phase::enforcing);
  EXPECT_GT(seen.phase_since, before.phase_since);
}

TEST_F(Observing, DriftAfterDriftKeepsTheHighestAim) {
  see("sm");
  by_hand("sm", Phase::shadow);
  see("sm", Phase::enforcing);
  by_hand("sm", Phase::complete);
  EXPECT_EQ(see("sm", Phase::pending).wanted_at_drift, Phase::enforcing);
  EXPECT_EQ(see("sm", Phase::pending).last_ours, Phase::pending);
  by_hand("sm", Phase::pending);  // back where we left it
  const auto back = see("sm", Phase::pending);
  EXPECT_EQ(back.phase, back.last_ours);
  EXPECT_EQ(back.wanted_at_drift, std::nullopt);
}

TEST_F(Observing, OurOwnMoveEndsTheDrift) {
  see("sm");
  by_hand("sm", Phase::enforcing);
  see("sm", Phase::shadow);
  must_go("sm", Phase::enforcing, Phase::shadow);
  const auto seen = see("sm", Phase::shadow);
  EXPECT_EQ(seen.last_ours, Phase::shadow);
  EXPECT_EQ(seen.wanted_at_drift, std::nullopt);
  EXPECT_EQ(newest("sm", "ordinal, kind, from_phase, to_phase"), "3 moved enforcing shadow");
}

TEST_F(Observing, ARaiseHasANumberByWhichItIsAcceptedOnce) {
  see("sm", Phase::enforcing);
  by_hand("sm", Phase::enforcing);
  auto seen = see("sm", Phase::enforcing);
  EXPECT_EQ(seen.drift_number, 2);
  EXPECT_FALSE(seen.accepted_before);
  seam.restart();
  must_go("sm", Phase::enforcing, Phase::enforcing);
  EXPECT_EQ(newest("sm", "ordinal, kind, coalesce(from_phase, '-'), to_phase"), "3 adopted - enforcing");
  EXPECT_EQ(value("SELECT count(*) FROM rls_audit_log"), "0") << "the phase did not change";
  const auto accepted = see("sm", Phase::enforcing);
  EXPECT_EQ(accepted.last_ours, Phase::enforcing);
  EXPECT_EQ(accepted.drift_number, 0);
  EXPECT_GT(accepted.phase_since, seen.phase_since) << "the soak starts now";

  must_go("sm", Phase::enforcing, Phase::pending);
  by_hand("sm", Phase::enforcing);
  seen = see("sm", Phase::enforcing);
  EXPECT_EQ(seen.drift_number, 5);
  EXPECT_TRUE(seen.accepted_before);
  by_hand("sm", Phase::complete);
  seen = see("sm", Phase::complete);
  EXPECT_EQ(seen.drift_number, 6);
  EXPECT_FALSE(seen.accepted_before) << "never to complete";
}

TEST_F(Observing, ManyFirstSightsTakeFewStatements) {
  sql("INSERT INTO rls_migration_status (project_id) SELECT 'p' || i FROM generate_series(1, 2500) i");
  std::vector<ProjectQuery> queries;
  for (int i = 1; i <= 2500; ++i) queries.push_back({"p" + std::to_string(i), Phase::shadow});
  seam.restart();
  ASSERT_TRUE(store->observe(queries).ok());
  EXPECT_LE(seam.names.size(), 22U);
  EXPECT_EQ(value("SELECT count(*) FROM rls_operator.transition WHERE kind = 'adopted'"), "2500");
  seam.restart();
  ASSERT_TRUE(store->observe(queries).ok());
  EXPECT_THAT(seam.names, ElementsAre("observe", "evidence"));
}

TEST_F(Observing, RowThatSomebodyHoldsHoldsNobodyElseUp) {
  pqxx::connection other(uri());
  pqxx::work work(other);
  work.exec("UPDATE rls_migration_status SET updated_at = now() WHERE project_id = 'sm'");
  const std::vector<ProjectQuery> queries = {{"sm", Phase::pending}, {"ab", Phase::pending}};
  const auto seen = store->observe(queries);
  ASSERT_TRUE(seen.ok()) << seen.error().message;
  EXPECT_TRUE(seen.value()[0].project_known);
  EXPECT_EQ(ledger_rows("ab"), 1);
  EXPECT_EQ(ledger_rows("sm"), 0);
  work.commit();
  see("sm");
  EXPECT_EQ(ledger_rows("sm"), 1);
}

TEST_F(Observing, HoldOfADba) {
  see("sm");
  sql("SELECT rls_operator.hold('sm', 'pending', 'incident 7')");
  auto seen = see("sm");
  ASSERT_TRUE(seen.hold);
  EXPECT_EQ(seen.hold->at, Phase::pending);
  EXPECT_EQ(seen.hold->by, value("SELECT session_user"));
  sql("SELECT rls_operator.hold('sm', 'shadow', 'less of it')");
  EXPECT_EQ(see("sm").hold->at, Phase::shadow);
  EXPECT_THROW(sql("SELECT rls_operator.hold('sm', 'nonsense', 'x')"), pqxx::check_violation);
  EXPECT_EQ(value("SELECT rls_operator.release('sm')"), "t");
  EXPECT_EQ(value("SELECT rls_operator.release('sm')"), "f");
  EXPECT_FALSE(see("sm").hold);
}

TEST_F(Observing, R_A6_ViolationsSinceThePhaseBegan) {
  see("motoko");
  sql("INSERT INTO rls_audit_log (project_id, table_name, operation, would_be_denied) "
      "VALUES ('motoko', 'nodes', 'UPDATE', true)");
  EXPECT_EQ(see("motoko").violations.count, 1);
  must_go("motoko", Phase::pending, Phase::shadow);
  EXPECT_EQ(see("motoko").violations.count, 0) << "before it entered shadow";
  EXPECT_EQ(see("motoko").violations.last, std::nullopt);
  as_application("motoko", "UPDATE nodes SET label = 'x' WHERE project_id = 'sm'");
  as_application("motoko", "UPDATE nodes SET label = 'x' WHERE project_id = 'motoko'");
  const auto seen = see("motoko");
  EXPECT_EQ(seen.violations.count, 20) << "the sample has 20 nodes a project";
  ASSERT_TRUE(seen.violations.last);
  EXPECT_LE(*seen.violations.last, seen.now);
  EXPECT_TRUE(seen.violations_known);
  EXPECT_EQ(see("sm").violations.count, 0);
}

// Violations that cannot be counted in time hold promotions up, never demotions.
TEST_F(Observing, R_A4_CountingThatTakesTooLongIsLeftOutAndTheWayDownIsOpen) {
  must_go("sm", Phase::pending, Phase::shadow);
  sql("CREATE TYPE ident AS ENUM ('sm'); CREATE FUNCTION slow_text(ident) RETURNS text LANGUAGE plpgsql "
      "AS $$ BEGIN PERFORM pg_sleep(60); RETURN 'sm'; END $$; "
      "CREATE CAST (ident AS text) WITH FUNCTION slow_text(ident); "
      "ALTER TABLE rls_audit_log ALTER project_id TYPE ident USING project_id::ident; "
      "INSERT INTO rls_audit_log (project_id, table_name, operation, would_be_denied) "
      "VALUES ('sm', 'nodes', 'UPDATE', true)");
  store = make({.lock = std::chrono::milliseconds{500}, .statement = std::chrono::milliseconds{1000}});
  open();
  const auto seen = see("sm");
  EXPECT_TRUE(seen.project_known);
  EXPECT_EQ(seen.phase, Phase::shadow);
  EXPECT_FALSE(seen.violations_known);
  EXPECT_THAT(seen.violations_message, HasSubstr("could not be counted within spec.timeouts"));
  must_go("sm", Phase::shadow, Phase::pending);
}

TEST_F(Observing, R_A4_CountingThatWaitsForALockIsLeftOut) {
  pqxx::connection other(uri());
  pqxx::work work(other);
  work.exec("LOCK TABLE rls_audit_log IN ACCESS EXCLUSIVE MODE");
  const auto seen = see("sm");
  EXPECT_TRUE(seen.project_known);
  EXPECT_FALSE(seen.violations_known);
}

TEST_F(Observing, TimeYetToComeCountsAsNow) {
  see("sm");
  sql("INSERT INTO rls_audit_log (project_id, table_name, operation, would_be_denied, created_at) "
      "VALUES ('sm', 'nodes', 'UPDATE', true, 'infinity'), ('sm', 'nodes', 'UPDATE', true, '-infinity')");
  const auto seen = see("sm");
  EXPECT_EQ(seen.violations.count, 1);
  EXPECT_EQ(seen.violations.last, seen.now);
  EXPECT_TRUE(store->violations(std::vector<std::string>{"sm"}).ok());
}

TEST_F(Observing, FenceLostWhileLedgering) {
  see("sm");
  by_hand("sm", Phase::shadow);
  sql("UPDATE rls_operator.fence SET epoch = epoch + 1");
  const auto seen = store->observe(std::vector<ProjectQuery>{{"sm", Phase::pending}});
  ASSERT_FALSE(seen.ok());
  EXPECT_EQ(seen.error().reason, "FenceLost");
  EXPECT_EQ(ledger_rows("sm"), 1);
}

TEST_F(Observing, NotOpenIsUnreachable) {
  auto fresh = make();
  const auto seen = fresh->observe(std::vector<ProjectQuery>{{"sm", Phase::pending}});
  ASSERT_FALSE(seen.ok());
  EXPECT_EQ(seen.error().reason, "DatabaseUnreachable");
}

}  // namespace
}  // namespace rls::postgres
