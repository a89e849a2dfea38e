#include <gmock/gmock.h>

#include "tests/postgres/store/fixture.hpp"

namespace rls::postgres {
namespace {

using testing::HasSubstr;

class Moving : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    open();
  }
};

TEST_F(Moving, R_A1_OneTransactionWithLedgerAndAuditRow) {
  see("sm", Phase::shadow);
  const std::vector<Move> moves = {a_move("sm", Phase::pending, Phase::shadow)};
  const auto results = store->move(moves, always(moves));
  ASSERT_TRUE(results.ok()) << results.error().message;
  const MoveResult& result = results.value()[0];
  ASSERT_EQ(result.outcome, MoveOutcome::moved);
  ASSERT_TRUE(result.entry);
  EXPECT_EQ(result.entry->from, Phase::pending);
  EXPECT_EQ(result.entry->to, Phase::shadow);
  EXPECT_EQ(result.entry->reason, "all gates passed");
  EXPECT_EQ(result.entry->id.size(), 32U);

  EXPECT_EQ(phase_of("sm"), "shadow");
  EXPECT_EQ(value("SELECT xmin = (SELECT xmin FROM rls_operator.transition WHERE id = '" + result.entry->id +
                  "') FROM rls_migration_status WHERE project_id = 'sm'"),
            "t")
      << "one transaction";
  const pqxx::result ledger =
      sql("SELECT ordinal, kind, from_phase, to_phase, reason, actor, epoch FROM "
          "rls_operator.transition WHERE project_id = 'sm' ORDER BY ordinal DESC");
  ASSERT_EQ(ledger.size(), 2U);
  EXPECT_STREQ(ledger[0][0].c_str(), "2");
  EXPECT_STREQ(ledger[0][1].c_str(), "moved");
  EXPECT_STREQ(ledger[0][5].c_str(), "RlsMigration team-a/x");
  EXPECT_STREQ(ledger[1][1].c_str(), "adopted");
  const pqxx::result audit =
      sql("SELECT operation, would_be_denied, table_name, user_name, reason FROM rls_audit_log "
          "WHERE project_id = 'sm'");
  ASSERT_EQ(audit.size(), 1U);
  EXPECT_STREQ(audit[0][0].c_str(), "PHASE_CHANGE");
  EXPECT_STREQ(audit[0][1].c_str(), "f");
  EXPECT_STREQ(audit[0][2].c_str(), "rls_migration_status");
  EXPECT_STREQ(audit[0][3].c_str(), "RlsMigration team-a/x");
  EXPECT_STREQ(audit[0][4].c_str(), "pending → shadow: all gates passed");
}

TEST_F(Moving, R_A1_UnknownProjectIsNotMoved) {
  const std::vector<Move> moves = {a_move("nobody", Phase::pending, Phase::shadow)};
  const auto results = store->move(moves, always(moves));
  ASSERT_TRUE(results.ok()) << results.error().message;
  EXPECT_EQ(results.value()[0].outcome, MoveOutcome::obsolete);
  EXPECT_EQ(value("SELECT count(*) FROM rls_operator.transition"), "0");
}

TEST_F(Moving, R_A4_DownFromAnywhereInOneStepIsLedgered) {
  must_go("sm", Phase::pending, Phase::shadow);
  must_go("sm", Phase::shadow, Phase::enforcing);
  must_go("sm", Phase::enforcing, Phase::complete);
  must_go("sm", Phase::complete, Phase::pending);
  EXPECT_EQ(phase_of("sm"), "pending");
  EXPECT_EQ(ledger_rows("sm"), 5);
  EXPECT_EQ(
      value("SELECT count(*) FROM rls_audit_log WHERE project_id = 'sm' AND operation = 'PHASE_CHANGE'"),
      "4");
}

TEST_F(Moving, R_A5_EnabledAndMigratedAtFollowThePhase) {
  const auto flags = [&] {
    return value(
        "SELECT rls_enabled || ' ' || (migrated_at IS NOT NULL) FROM rls_migration_status "
        "WHERE project_id = 'sm'");
  };
  must_go("sm", Phase::pending, Phase::shadow);
  EXPECT_EQ(flags(), "false false");
  must_go("sm", Phase::shadow, Phase::enforcing);
  EXPECT_EQ(flags(), "true false");
  must_go("sm", Phase::enforcing, Phase::complete);
  EXPECT_EQ(flags(), "true true");
  EXPECT_EQ(
      value("SELECT migrated_at = (SELECT max(at) FROM rls_operator.transition WHERE project_id = 'sm') AND "
            "updated_at = migrated_at FROM rls_migration_status WHERE project_id = 'sm'"),
      "t");
  must_go("sm", Phase::complete, Phase::shadow);
  EXPECT_EQ(flags(), "false false");
}

TEST_F(Moving, R_A5_EnforcingBlocksForeignRowsForTheApplicationRole) {
  const std::string foreign = "SELECT FROM nodes WHERE project_id = 'sm'";
  const std::string write = "UPDATE nodes SET label = 'x' WHERE project_id = 'sm'";
  const std::string insert = "INSERT INTO nodes (project_id, label) VALUES ('sm', 'x')";
  must_go("ab", Phase::pending, Phase::shadow);
  EXPECT_EQ(as_application("ab", foreign).size(), 20U);
  EXPECT_EQ(as_application("ab", write).affected_rows(), 20U);
  must_go("ab", Phase::shadow, Phase::enforcing);
  EXPECT_EQ(as_application("ab", foreign).size(), 0U);
  EXPECT_EQ(as_application("ab", write).affected_rows(), 0U);
  EXPECT_THROW(as_application("ab", insert), pqxx::sql_error);
  EXPECT_EQ(as_application("ab", "SELECT FROM nodes").size(), 20U) << "its own";
  EXPECT_EQ(as_application("sm", "SELECT FROM nodes").size(), 160U) << "still pending: legacy behaviour";
  must_go("ab", Phase::enforcing, Phase::pending);
  EXPECT_EQ(as_application("ab", foreign).size(), 20U) << "legacy behaviour is back (R-A4)";
}

TEST_F(Moving, R_A9_AccessLevelsOfTheSample) {
  for (const char* project : {"motoko", "io"}) {
    must_go(project, Phase::pending, Phase::shadow);
    must_go(project, Phase::shadow, Phase::enforcing);
  }
  EXPECT_EQ(as_application("motoko", "SELECT FROM nodes").size(), 60U) << "own, sm, ab";
  EXPECT_EQ(as_application("motoko", "UPDATE nodes SET label = 'x'").affected_rows(), 20U);
  EXPECT_EQ(as_application("io", "SELECT FROM nodes").size(), 160U);
  EXPECT_EQ(as_application("io", "UPDATE nodes SET label = 'x'").affected_rows(), 20U);
}

TEST_F(Moving, DecidesAgainUnderTheLocks) {
  see("sm", Phase::shadow);
  see("ab", Phase::shadow);
  const std::vector<Move> moves = {a_move("sm", Phase::pending, Phase::shadow),
                                   a_move("ab", Phase::pending, Phase::shadow)};
  std::vector<std::size_t> asked;
  const auto results = store->move(moves, each([&](std::size_t i, const decide::Observation& seen) {
                                     asked.push_back(i);
                                     EXPECT_EQ(seen.phase, Phase::pending);
                                     EXPECT_TRUE(seen.project_known);
                                     return i == 0 ? std::optional<Phase>() : std::optional(Phase::shadow);
                                   }));
  ASSERT_TRUE(results.ok()) << results.error().message;
  EXPECT_THAT(asked, testing::ElementsAre(0, 1));
  EXPECT_EQ(results.value()[0].outcome, MoveOutcome::obsolete);
  EXPECT_EQ(results.value()[1].outcome, MoveOutcome::moved);
  EXPECT_EQ(phase_of("sm"), "pending");
  EXPECT_EQ(ledger_rows("sm"), 1);
}

TEST_F(Moving, WhatChangedSinceIsObsolete) {
  see("sm", Phase::shadow);
  sql("UPDATE rls_migration_status SET migration_phase = 'enforcing' WHERE project_id = 'sm'");
  const std::vector<Move> moves = {a_move("sm", Phase::pending, Phase::shadow)};
  const auto results = store->move(moves, always(moves));
  ASSERT_TRUE(results.ok());
  EXPECT_EQ(results.value()[0].outcome, MoveOutcome::obsolete);
  EXPECT_EQ(phase_of("sm"), "enforcing");
}

TEST_F(Moving, SecondMoveOfAProjectInABatchIsObsolete) {
  see("sm", Phase::shadow);
  const std::vector<Move> moves = {a_move("sm", Phase::pending, Phase::shadow),
                                   a_move("sm", Phase::pending, Phase::shadow)};
  const auto results = store->move(moves, always(moves));
  ASSERT_TRUE(results.ok());
  EXPECT_EQ(results.value()[0].outcome, MoveOutcome::moved);
  EXPECT_EQ(results.value()[1].outcome, MoveOutcome::obsolete);
  EXPECT_EQ(ledger_rows("sm"), 2);
}

TEST_F(Moving, LedgerCannotHoldAMoveTwice) {
  must_go("sm", Phase::pending, Phase::shadow);
  EXPECT_THROW(
      sql("INSERT INTO rls_operator.transition SELECT id, 'other', 9, kind, from_phase, to_phase, "
          "wanted_phase, reason, actor, epoch, at FROM rls_operator.transition WHERE kind = 'moved'"),
      pqxx::unique_violation);
  EXPECT_THROW(
      sql("INSERT INTO rls_operator.transition SELECT 'x', project_id, ordinal, kind, from_phase, to_phase, "
          "wanted_phase, reason, actor, epoch, at FROM rls_operator.transition WHERE kind = 'moved'"),
      pqxx::unique_violation);
}

class Batch : public Moving {
 protected:
  std::vector<Move> batch(int size) {
    sql("INSERT INTO rls_migration_status (project_id) SELECT 'p' || i FROM generate_series(1, " +
        std::to_string(size) + ") i");
    std::vector<Move> moves;
    std::vector<ProjectQuery> queries;
    for (int i = 1; i <= size; ++i) {
      moves.push_back(a_move("p" + std::to_string(i), Phase::pending, Phase::shadow));
      queries.push_back({moves.back().project, Phase::shadow});
    }
    EXPECT_TRUE(store->observe(queries).ok());
    return moves;
  }
  /// A trigger of somebody else on the status table.
  void trigger(const std::string& body, const std::string& kind = "TRIGGER t BEFORE UPDATE",
               const char* more = "") {
    sql("CREATE OR REPLACE FUNCTION public.theirs() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN " + body +
        " RETURN NEW; END $$; CREATE " + kind + " ON public.rls_migration_status " + more +
        " FOR EACH ROW EXECUTE FUNCTION public.theirs()");
  }
  /// Of a batch of 300 where p7 and p290 are refused: those fail, all others move, once.
  void only_p7_and_p290_fail(const char* said) {
    const auto moves = batch(300);
    const auto results = store->move(moves, always(moves));
    ASSERT_TRUE(results.ok()) << results.error().message;
    for (std::size_t i = 0; i < moves.size(); ++i) {
      const MoveResult& result = results.value()[i];
      const bool refused = moves[i].project == "p7" || moves[i].project == "p290";
      ASSERT_EQ(result.outcome, refused ? MoveOutcome::failed : MoveOutcome::moved) << moves[i].project;
      EXPECT_EQ(result.entry.has_value(), !refused);
      if (!refused) continue;
      EXPECT_EQ(result.error->reason, "MoveRefused");
      EXPECT_EQ(result.error->kind, ErrorKind::terminal);
      EXPECT_THAT(result.error->message, HasSubstr(said));
      EXPECT_THAT(result.error->message, testing::Not(HasSubstr("c4n4ry")));
    }
    EXPECT_EQ(value("SELECT count(*) FROM rls_migration_status WHERE migration_phase = 'shadow'"), "298");
    EXPECT_EQ(value("SELECT count(*) FROM rls_operator.transition WHERE kind = 'moved'"), "298");
    EXPECT_EQ(value("SELECT count(*) FROM rls_audit_log WHERE operation = 'PHASE_CHANGE'"), "298");
    EXPECT_EQ(ledger_rows("p7"), 1);
  }
};

// Whoever may create in a schema of the search path must not be able to run code as the operator, nor to
// forge its clock: a better fitting function or operator of the same name would else be called in place of
// the server's own.
TEST_F(Moving, StrangersInTheSearchPathAreNotCalled) {
  sql("CREATE TABLE called (what text); GRANT INSERT ON called TO PUBLIC");
  const auto trap = [&](const std::string& signature, const std::string& returns) {
    sql("CREATE FUNCTION public." + signature + " RETURNS " + returns +
        " LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.called VALUES ('" + signature +
        "'); RETURN 42; END $$");
  };
  trap("quote_ident(name)", "text");
  trap("concat_ws(text, text, text, text, text, text, text, bigint)", "text");
  trap("times(numeric, integer)", "numeric");
  sql("CREATE OPERATOR public.* (FUNCTION = public.times, LEFTARG = numeric, RIGHTARG = integer)");
  sql("CREATE FUNCTION public.same(varchar, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN INSERT INTO "
      "public.called "
      "VALUES ('='); RETURN true; END $$");
  sql("CREATE OPERATOR public.= (FUNCTION = public.same, LEFTARG = varchar, RIGHTARG = text)");
  store = make();
  open();
  must_go("sm", Phase::pending, Phase::shadow);
  EXPECT_EQ(value("SELECT string_agg(DISTINCT what, ' ') FROM called"), "");
  EXPECT_EQ(phase_of("ab"), "pending");
}

// Their triggers, on the other hand, run under the path that they know.
TEST_F(Moving, StrangersTriggersKeepTheirSearchPath) {
  sql("CREATE TABLE moves_seen (project text, phase text); GRANT INSERT ON moves_seen TO PUBLIC; "
      "CREATE FUNCTION note_move() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO moves_seen "
      "VALUES "
      "(NEW.project_id, NEW.migration_phase); RETURN NULL; END $$; "
      "CREATE TRIGGER note AFTER UPDATE ON rls_migration_status FOR EACH ROW EXECUTE FUNCTION note_move()");
  must_go("sm", Phase::pending, Phase::shadow);
  EXPECT_EQ(value("SELECT phase FROM moves_seen WHERE project = 'sm'"), "shadow");
}

TEST_F(Batch, R_A3_OneTransactionAndFewStatements) {
  const auto moves = batch(500);
  seam.restart();
  const auto results = store->move(moves, always(moves));
  ASSERT_TRUE(results.ok()) << results.error().message;
  EXPECT_LE(seam.names.size(), 12U);
  EXPECT_EQ(
      value("SELECT count(DISTINCT xmin::text) FROM rls_migration_status WHERE migration_phase = 'shadow'"),
      "1");
  EXPECT_EQ(value("SELECT count(*) FROM rls_migration_status WHERE migration_phase = 'shadow'"), "500");
}

TEST_F(Batch, TriggerThatRaisesFailsItsProjectsOnly) {
  trigger(
      "IF NEW.project_id IN ('p7', 'p290') THEN RAISE EXCEPTION 'frozen by accounting' USING DETAIL = "
      "'c4n4ry', "
      "HINT = 'c4n4ry'; END IF;");
  only_p7_and_p290_fail("frozen by accounting");
}

TEST_F(Batch, TriggerThatRaisesMissingPrivilegeToo) {
  trigger(
      "IF NEW.project_id IN ('p7', 'p290') THEN RAISE insufficient_privilege USING MESSAGE = 'not yours'; "
      "END IF;");
  only_p7_and_p290_fail("not yours");
}

TEST_F(Batch, TriggerThatSuppressesTheChangeIsNoticed) {
  trigger("IF NEW.project_id IN ('p7', 'p290') THEN RETURN NULL; END IF;");
  only_p7_and_p290_fail("suppressed");
}

TEST_F(Batch, TriggerThatWritesAnotherPhaseIsNoticed) {
  trigger("IF NEW.project_id IN ('p7', 'p290') THEN NEW.migration_phase := 'complete'; END IF;");
  only_p7_and_p290_fail("suppressed");
}

TEST_F(Batch, OfAGroupThatIsRefusedTheOneAtFaultIsNamed) {
  trigger(
      "IF NEW.project_id = 'p7' OR NOT EXISTS (SELECT FROM public.rls_audit_log a WHERE a.project_id = "
      "NEW.project_id AND a.operation = 'PHASE_CHANGE') THEN RAISE EXCEPTION 'not now'; END IF;",
      "CONSTRAINT TRIGGER t AFTER UPDATE", "DEFERRABLE INITIALLY DEFERRED");
  auto moves = batch(20);
  for (std::size_t i = 0; i < moves.size(); ++i) moves[i].group = i < 11 ? "one" : "two";
  const auto results = store->move(moves, always(moves));
  ASSERT_TRUE(results.ok()) << results.error().message;
  for (std::size_t i = 0; i < moves.size(); ++i) {
    const MoveResult& result = results.value()[i];
    ASSERT_EQ(result.outcome, i < 11 ? MoveOutcome::failed : MoveOutcome::moved) << moves[i].project;
    EXPECT_EQ(result.entry.has_value(), i >= 11);
    if (i >= 11) continue;
    EXPECT_EQ(result.error->reason, moves[i].project == "p7" ? "MoveRefused" : "GroupHeldBack");
    EXPECT_THAT(result.error->message,
                HasSubstr("the database refuses to move project \"p7\" from pending to shadow: not now"));
  }
  EXPECT_EQ(sql("SELECT count(*) FROM rls_operator.transition WHERE kind = 'moved'")[0][0].as<int>(), 9);
  EXPECT_EQ(sql("SELECT count(*) FROM rls_migration_status WHERE migration_phase = 'shadow'")[0][0].as<int>(),
            9);
}

TEST_F(Batch, WhoStandsBesideALargerGroupThatIsRefusedMoves) {
  trigger("IF NEW.project_id = 'p3' THEN RAISE EXCEPTION 'not now'; END IF;");
  auto moves = batch(4);
  for (std::size_t i = 1; i < moves.size(); ++i) moves[i].group = "one";
  const auto results = store->move(moves, always(moves));
  ASSERT_TRUE(results.ok()) << results.error().message;
  EXPECT_EQ(results.value()[0].outcome, MoveOutcome::moved);
  EXPECT_EQ(results.value()[1].error->reason, "GroupHeldBack");
  EXPECT_EQ(results.value()[2].error->reason, "MoveRefused");
  EXPECT_EQ(results.value()[3].error->reason, "GroupHeldBack");
}

TEST_F(Batch, AGroupThatIsRefusedOnlyTogetherIsToldAsOne) {
  trigger(
      "IF (SELECT count(*) FROM public.rls_migration_status WHERE migration_phase = 'shadow') > 3 THEN RAISE "
      "EXCEPTION 'three at a time'; END IF;",
      "CONSTRAINT TRIGGER t AFTER UPDATE", "DEFERRABLE INITIALLY DEFERRED");
  auto moves = batch(6);
  for (Move& move : moves) move.group = "one";
  const auto results = store->move(moves, always(moves));
  ASSERT_TRUE(results.ok()) << results.error().message;
  for (const MoveResult& result : results.value()) {
    EXPECT_EQ(result.error->reason, "MoveRefused");
    EXPECT_THAT(result.error->message,
                HasSubstr("with the others of its group from pending to shadow: three"));
  }
  EXPECT_EQ(sql("SELECT count(*) FROM rls_migration_status WHERE migration_phase = 'shadow'")[0][0].as<int>(),
            0);
}

TEST_F(Batch, DeferredConstraintSpeaksBeforeCommit) {
  trigger("IF NEW.project_id IN ('p7', 'p290') THEN RAISE EXCEPTION 'too late'; END IF;",
          "CONSTRAINT TRIGGER t AFTER UPDATE", "DEFERRABLE INITIALLY DEFERRED");
  only_p7_and_p290_fail("too late");
}

TEST_F(Batch, DeferredTriggerThatWantsTheAuditRowFindsIt) {
  trigger(
      "IF NEW.project_id IN ('p7', 'p290') OR NOT EXISTS (SELECT FROM public.rls_audit_log a WHERE "
      "a.project_id = NEW.project_id AND a.operation = 'PHASE_CHANGE') THEN RAISE EXCEPTION 'no record'; END "
      "IF;",
      "CONSTRAINT TRIGGER t AFTER UPDATE", "DEFERRABLE INITIALLY DEFERRED");
  only_p7_and_p290_fail("no record");
}

TEST_F(Batch, CheckConstraint) {
  sql("ALTER TABLE rls_migration_status ADD CONSTRAINT never CHECK (migration_phase = 'pending' OR "
      "project_id NOT IN "
      "('p7', 'p290'))");
  only_p7_and_p290_fail("never");
}

TEST_F(Batch, AllOfThemRefused) {
  const auto moves = batch(3);
  trigger("RAISE EXCEPTION 'closed';");
  const auto results = store->move(moves, always(moves));
  ASSERT_TRUE(results.ok()) << results.error().message;
  for (const MoveResult& result : results.value()) EXPECT_EQ(result.outcome, MoveOutcome::failed);
  EXPECT_EQ(value("SELECT count(*) FROM rls_operator.transition WHERE kind = 'moved'"), "0");
}

TEST_F(Batch, RightTakenAwayIsOneErrorNotManyRefusals) {
  const auto moves = batch(300);
  sql("REVOKE UPDATE ON rls_migration_status FROM rls_operator_role");
  seam.restart();
  const auto results = store->move(moves, always(moves));
  ASSERT_FALSE(results.ok());
  EXPECT_EQ(results.error().reason, "MissingPrivilege");
  EXPECT_LE(seam.names.size(), 12U);
  const auto facts = store->open(claimant);
  ASSERT_FALSE(facts.ok());
  EXPECT_THAT(facts.error().message, HasSubstr("GRANT SELECT, UPDATE ON public.rls_migration_status"));
}

TEST_F(Batch, RowThatSomebodyHoldsFailsAloneAndNamesTheHolder) {
  const auto moves = batch(3);
  pqxx::connection other(uri() + "?application_name=nightly%20job");
  pqxx::work work(other);
  work.exec("UPDATE rls_migration_status SET updated_at = now() WHERE project_id = 'p2'");
  const auto results = store->move(moves, always(moves));
  ASSERT_TRUE(results.ok()) << results.error().message;
  EXPECT_EQ(results.value()[0].outcome, MoveOutcome::moved);
  EXPECT_EQ(results.value()[2].outcome, MoveOutcome::moved);
  ASSERT_EQ(results.value()[1].outcome, MoveOutcome::failed);
  EXPECT_EQ(results.value()[1].error->reason, "LockTimeout");
  EXPECT_EQ(results.value()[1].error->kind, ErrorKind::transient);
  EXPECT_THAT(results.value()[1].error->message, HasSubstr("\"nightly job\""));
  EXPECT_THAT(results.value()[1].error->message, HasSubstr("pid " + std::to_string(other.backendpid())));
}

// An index on it, a VACUUM FULL: the phase comes first, and the ledger has the move. Promotions have the time
// to wait.
TEST_F(Moving, R_A4_AuditTableThatSomebodyHoldsStopsNoMoveDown) {
  must_go("sm", Phase::pending, Phase::shadow);
  {
    pqxx::connection other(uri());
    pqxx::work work(other);
    work.exec("LOCK TABLE rls_audit_log IN SHARE MODE");
    const auto up = go("sm", Phase::shadow, Phase::enforcing);
    ASSERT_FALSE(up.ok());
    EXPECT_EQ(up.error().reason, "LockTimeout");
    open();
    must_go("sm", Phase::shadow, Phase::pending);
  }
  EXPECT_EQ(value("SELECT count(*) FROM rls_audit_log WHERE operation = 'PHASE_CHANGE'"), "1");
  must_go("sm", Phase::pending, Phase::shadow);
  EXPECT_EQ(value("SELECT count(*) FROM rls_audit_log WHERE operation = 'PHASE_CHANGE'"), "2")
      << "only while it is held";
}

TEST_F(Moving, R_C3_LockTimeoutNamesWhoHoldsTheTable) {
  see("sm", Phase::shadow);
  pqxx::connection other(uri() + "?application_name=vacuum%20full");
  pqxx::work work(other);
  work.exec("LOCK TABLE rls_migration_status IN SHARE ROW EXCLUSIVE MODE");
  const std::vector<Move> moves = {a_move("sm", Phase::pending, Phase::shadow)};
  auto results = store->move(moves, always(moves));
  ASSERT_FALSE(results.ok());
  EXPECT_EQ(results.error().reason, "LockTimeout");
  EXPECT_EQ(results.error().kind, ErrorKind::transient);
  EXPECT_THAT(results.error().message, HasSubstr("\"vacuum full\""));
  work.abort();
  results = store->move(moves, always(moves));
  ASSERT_TRUE(results.ok()) << results.error().message;
  EXPECT_EQ(results.value()[0].outcome, MoveOutcome::moved) << "the connection is usable still";
}

TEST_F(Moving, ForeignKeysToTheRowGoOn) {
  sql("CREATE TABLE theirs (project_id varchar(50) REFERENCES rls_migration_status (project_id))");
  see("sm", Phase::shadow);
  const std::vector<Move> moves = {a_move("sm", Phase::pending, Phase::shadow)};
  pqxx::connection other(uri());
  pqxx::work work(other);
  const auto results = store->move(moves, each([&](std::size_t, const decide::Observation&) {
                                     work.exec("SET LOCAL lock_timeout = 300");
                                     work.exec("INSERT INTO theirs VALUES ('sm')");  // while our lock is held
                                     return std::optional(Phase::shadow);
                                   }));
  ASSERT_TRUE(results.ok()) << results.error().message;
  EXPECT_EQ(results.value()[0].outcome, MoveOutcome::moved);
}

}  // namespace
}  // namespace rls::postgres
