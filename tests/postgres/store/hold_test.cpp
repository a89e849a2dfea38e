// The brake in the database: set by a check in the transaction of its move down, by a person in SQL; cleared
// by `resume`, each value once.

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/postgres/store/fixture.hpp"

namespace rls::postgres {
namespace {

class Holds : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    open();
  }
  void in_enforcing(const std::string& project) {
    must_go(project, Phase::pending, Phase::shadow);
    must_go(project, Phase::shadow, Phase::enforcing);
  }
  static Move demotion(const std::string& project) {
    Move move = a_move(project, Phase::enforcing, Phase::shadow);
    move.reason = "check \"errors\" failed: 9 %";
    move.latch = decide::HoldRow{Phase::shadow, "check errors"};
    return move;
  }
  static Move resumption(const std::string& project, Phase phase, const std::string& value) {
    Move move = a_move(project, phase, phase);
    move.resume = value;
    move.resumes = true;
    return move;
  }
  std::vector<MoveResult> go(const std::vector<Move>& moves) {
    auto results = store->move(moves, always(moves));
    EXPECT_TRUE(results.ok()) << results.error().message;
    return results ? std::move(results).value() : std::vector<MoveResult>(moves.size());
  }
  std::string hold_of(const std::string& project) {
    return value("SELECT phase || ' ' || by FROM rls_operator.hold WHERE project_id = '" + project + "'");
  }
  bool followed(const std::string& project, const std::string& resume) {
    const std::vector<ProjectQuery> queries = {{project, Phase::pending, resume}};
    const auto seen = store->observe(queries);
    EXPECT_TRUE(seen.ok());
    return seen.ok() && (*seen)[0].resume_followed;
  }
  std::string resumed(const std::string& project) {
    return value("SELECT value FROM rls_operator.resumed WHERE project_id = '" + project + "'");
  }
};

TEST_F(Holds, ALatchIsSetInTheTransactionOfItsMove) {
  in_enforcing("sm");
  ASSERT_EQ(go({demotion("sm")})[0].outcome, MoveOutcome::moved);
  EXPECT_EQ(phase_of("sm"), "shadow");
  EXPECT_EQ(hold_of("sm"), "shadow check errors");
  EXPECT_EQ(value("SELECT h.reason FROM rls_operator.hold h"), "check \"errors\" failed: 9 %");
  EXPECT_EQ(value("SELECT h.xmin = s.xmin FROM rls_operator.hold h JOIN rls_migration_status s USING "
                  "(project_id)"),
            "t");
  const decide::Observation seen = see("sm");
  ASSERT_TRUE(seen.hold);
  EXPECT_TRUE(seen.hold->by_check());
}

TEST_F(Holds, AMoveThatDoesNotHappenLatchesNothing) {
  in_enforcing("sm");
  const std::vector<Move> moves = {demotion("sm")};
  const auto results = store->move(
      moves, each([](std::size_t, const decide::Observation&) { return std::optional<Phase>(); }));
  ASSERT_TRUE(results.ok());
  EXPECT_EQ(results.value()[0].outcome, MoveOutcome::obsolete);
  EXPECT_EQ(hold_of("sm"), "");
}

TEST_F(Holds, ARefusedMoveLatchesNothingAndTheOthersAreLatched) {
  for (const char* project : {"sm", "ab"}) in_enforcing(project);
  sql("CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.project_id = 'sm' THEN "
      "RAISE EXCEPTION 'no'; END IF; RETURN NEW; END $$; CREATE TRIGGER t BEFORE UPDATE ON "
      "rls_migration_status FOR EACH ROW EXECUTE FUNCTION theirs()");
  const auto results = go({demotion("sm"), demotion("ab")});
  EXPECT_EQ(results[0].outcome, MoveOutcome::failed);
  EXPECT_EQ(results[1].outcome, MoveOutcome::moved);
  EXPECT_EQ(hold_of("sm"), "");
  EXPECT_EQ(hold_of("ab"), "shadow check errors");
}

TEST_F(Holds, APersonsLowerHoldStaysAndAHigherOneIsLowered) {
  for (const char* project : {"sm", "ab", "io"}) in_enforcing(project);
  sql("SELECT rls_operator.hold('sm', 'pending', 'incident'), rls_operator.hold('ab', 'enforcing', 'wait'), "
      "rls_operator.hold('io', 'shadow', 'wait')");
  const std::string person = value("SELECT session_user");
  go({demotion("sm"), demotion("ab"), demotion("io")});
  EXPECT_EQ(hold_of("sm"), "pending " + person);
  EXPECT_EQ(hold_of("ab"), "shadow check errors");
  EXPECT_EQ(hold_of("io"), "shadow " + person) << "as low, and a person's";
}

TEST_F(Holds, MovesWithoutALatchLeaveHoldsAlone) {
  in_enforcing("sm");
  sql("SELECT rls_operator.hold('sm', 'shadow', 'incident')");
  must_go("sm", Phase::enforcing, Phase::shadow);
  EXPECT_NE(hold_of("sm"), "");
}

TEST_F(Holds, ResumeClearsTheHoldAndRemembersTheValue) {
  must_go("sm", Phase::pending, Phase::shadow);
  sql("SELECT rls_operator.hold('sm', 'shadow', 'incident'), rls_operator.hold('ab', 'shadow', 'incident')");
  const auto results = go({resumption("sm", Phase::shadow, "one")});
  EXPECT_EQ(results[0].outcome, MoveOutcome::moved);
  EXPECT_FALSE(results[0].entry) << "the phase did not change";
  EXPECT_EQ(hold_of("sm"), "");
  EXPECT_NE(hold_of("ab"), "") << "another's";
  EXPECT_EQ(resumed("sm"), "one");
  EXPECT_TRUE(followed("sm", "one"));
  EXPECT_EQ(ledger_rows("sm"), 2) << "no row of its own";
  EXPECT_EQ(value("SELECT count(*) FROM rls_audit_log WHERE operation = 'PHASE_CHANGE'"), "1");
}

// One that comes back (Git's value after a person's) must not clear a hold that was set since.
TEST_F(Holds, AValueThatWasFollowedIsNeverFollowedAgain) {
  see("sm");
  go({resumption("sm", Phase::pending, "one")});
  go({resumption("sm", Phase::pending, "two")});
  EXPECT_TRUE(followed("sm", "one"));
  EXPECT_TRUE(followed("sm", "two"));
  EXPECT_FALSE(followed("sm", "three"));
  EXPECT_FALSE(followed("ab", "one"));
}

TEST_F(Holds, ResumeAndMovesShareATransaction) {
  must_go("sm", Phase::pending, Phase::shadow);
  see("ab", Phase::shadow);
  sql("SELECT rls_operator.hold('sm', 'shadow', 'incident')");
  const auto results =
      go({resumption("sm", Phase::shadow, "one"), a_move("ab", Phase::pending, Phase::shadow)});
  EXPECT_EQ(results[0].outcome, MoveOutcome::moved);
  EXPECT_EQ(results[1].outcome, MoveOutcome::moved);
  EXPECT_EQ(value("SELECT r.xmin = s.xmin FROM rls_operator.resumed r, rls_migration_status s WHERE "
                  "s.project_id = 'ab'"),
            "t");
}

TEST_F(Holds, ResumeOfAPhaseThatChangedMeanwhileClearsNothing) {
  must_go("sm", Phase::pending, Phase::shadow);
  sql("SELECT rls_operator.hold('sm', 'shadow', 'incident')");
  EXPECT_EQ(go({resumption("sm", Phase::pending, "one")})[0].outcome, MoveOutcome::obsolete);
  EXPECT_NE(hold_of("sm"), "");
  EXPECT_EQ(resumed("sm"), "");
}

TEST_F(Holds, AResumeWhoseCommitIsInDoubtIsFoundOut) {
  see("sm");
  sql("SELECT rls_operator.hold('sm', 'pending', 'incident')");
  const std::vector<Move> moves = {resumption("sm", Phase::pending, "one")};
  seam.restart();
  seam.fault_on = "COMMIT";
  seam.fault = Fault::lose_reply;
  EXPECT_EQ(go(moves)[0].outcome, MoveOutcome::moved);
  EXPECT_EQ(hold_of("sm"), "");
}

TEST_F(Holds, AResumeWhoseCommitNeverArrivedIsNotReportedAsDone) {
  see("sm");
  sql("SELECT rls_operator.hold('sm', 'pending', 'incident')");
  const std::vector<Move> moves = {resumption("sm", Phase::pending, "one")};
  // The backend goes with the transaction open; the answer to COMMIT is lost with it.
  seam.before = [&](std::string_view what) {
    if (what == "COMMIT")
      sql("SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE usename = 'rls_operator_role' "
          "AND datname = current_database()");
  };
  seam.restart();
  const auto results = store->move(moves, always(moves));
  seam.before = nullptr;
  ASSERT_FALSE(results.ok()) << "it must not say that the hold is gone";
  EXPECT_EQ(results.error().kind, ErrorKind::transient);
  EXPECT_NE(hold_of("sm"), "");
  open();
  EXPECT_FALSE(followed("sm", "one"));
}

// The phase and its hold are one: killed at any statement, either both are there or neither is.
TEST_F(Holds, TheProcessDiesAtEveryStatementOfADemotion) {
  in_enforcing("sm");
  seam.restart();
  go({demotion("sm")});
  const std::vector<std::string> statements = seam.names;
  ASSERT_THAT(statements, testing::Contains("set_holds"));
  for (std::size_t back = 1; back <= statements.size(); ++back) {
    for (const Fault fault : {Fault::kill_before, Fault::kill_after}) {
      sql("DELETE FROM rls_operator.hold");
      open();
      must_go("sm", Phase::shadow, Phase::enforcing);
      const pid_t child = ::fork();
      ASSERT_GE(child, 0);
      if (child == 0) {
        TestSeam count;
        auto database = make_adopted_database(*parse_connection_settings(operator_uri()), "public",
                                              Timeouts{.policies = std::chrono::milliseconds{0}}, count);
        const std::vector<ProjectQuery> queries = {{"sm", Phase::enforcing}};
        if (!database->open(claimant) || !database->observe(queries)) ::_exit(1);
        count.restart();
        count.fault_at = back;
        count.fault = fault;
        const std::vector<Move> moves = {demotion("sm")};
        (void)database->move(moves, always(moves));
        ::_exit(0);
      }
      int status = 0;
      ASSERT_EQ(::waitpid(child, &status, 0), child);
      const std::string what = statements[back - 1] + (fault == Fault::kill_before ? " before" : " after");
      ASSERT_EQ(WEXITSTATUS(status), 137) << what;
      const std::string both = phase_of("sm") + " " + hold_of("sm");
      EXPECT_TRUE(both == "enforcing " || both == "shadow shadow check errors") << what << ": " << both;
      if (phase_of("sm") == "enforcing") {
        open();
        see("sm");
        ASSERT_EQ(go({demotion("sm")})[0].outcome, MoveOutcome::moved) << what;
      }
      if (HasFailure()) return;
    }
  }
}

TEST_F(Holds, OfTheSchemaBeforeAreKept) {
  see("sm");
  sql("SELECT rls_operator.hold('sm', 'pending', 'incident')");
  must_go("ab", Phase::pending, Phase::shadow);
  const std::string ledger =
      value("SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM rls_operator.transition t");
  sql("DROP TABLE rls_operator.resumed; UPDATE rls_operator.version SET number = 5");
  store = make();
  open();
  EXPECT_EQ(value("SELECT number FROM rls_operator.version"), "6");
  EXPECT_EQ(see("sm").hold, (decide::HoldRow{Phase::pending, value("SELECT session_user")}));
  EXPECT_FALSE(followed("sm", "one"));
  EXPECT_EQ(see("ab").phase, Phase::shadow);
  EXPECT_EQ(value("SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM rls_operator.transition t"), ledger);
  go({resumption("sm", Phase::pending, "one")});
  EXPECT_TRUE(followed("sm", "one"));
}

TEST_F(Holds, OnlyTheOperatorsRoleAndADbaMaySetThem) {
  pqxx::connection as_app(uri("app_user", kAppPassword));
  EXPECT_THROW(sql_on(as_app, "SELECT rls_operator.hold('sm', 'pending', 'x')"),
               pqxx::insufficient_privilege);
  EXPECT_THROW(sql_on(as_app, "DELETE FROM rls_operator.resumed"), pqxx::insufficient_privilege);
}

}  // namespace
}  // namespace rls::postgres
