// Kill points are generated: every statement × the connection lost before it, its reply lost, the process
// dead before and after it. Oracle: who tries again as the reconciler does ends where it would have ended,
// with exactly one ledger row and one audit row for each transition.
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "tests/postgres/store/fixture.hpp"

namespace rls::postgres {
namespace {

using testing::HasSubstr;

class Faults : public StoreTest {
 protected:
  /// What the reconciler does: open, observe, move what is not there yet, until all is.
  /// Returns how many rounds it took; 0: never.
  int bring_to(ProjectDatabase& database, const std::vector<std::string>& projects, Phase wanted) {
    for (int round = 1; round <= 30; ++round) {
      if (!database.open(claimant)) continue;
      std::vector<ProjectQuery> queries;
      for (const std::string& project : projects) queries.push_back({project, wanted});
      const auto seen = database.observe(queries);
      if (!seen) continue;
      std::vector<Move> moves;
      for (std::size_t i = 0; i < projects.size(); ++i) {
        const Phase phase = seen.value()[i].phase;
        if (phase == wanted) continue;
        moves.push_back(a_move(projects[i], phase, phase < wanted ? next_phase(phase) : wanted));
      }
      if (moves.empty()) return round;
      const auto results = database.move(moves, always(moves));
      EXPECT_TRUE(results.ok() || results.error().kind != ErrorKind::terminal) << results.error().message;
    }
    return 0;
  }

  void start_over() {
    sql("DROP SCHEMA IF EXISTS rls_operator CASCADE; TRUNCATE rls_audit_log; UPDATE rls_migration_status SET "
        "migration_phase = 'pending', rls_enabled = false, migrated_at = NULL");
    store = make();
    seam.restart();
  }

  /// From pending to enforcing: two transitions, one ledger and audit row each, and the first sight.
  void expect_enforcing_once(const std::string& what) {
    for (const char* project : {"sm", "ab"}) {
      EXPECT_EQ(phase_of(project), "enforcing") << what;
      EXPECT_EQ(value(std::string("SELECT string_agg(ordinal || kind || to_phase, ' ' ORDER BY ordinal) FROM "
                                  "rls_operator.transition WHERE project_id = '") +
                      project + "'"),
                "1adoptedpending 2movedshadow 3movedenforcing")
          << what;
      EXPECT_EQ(value(std::string("SELECT count(*) FROM rls_audit_log WHERE project_id = '") + project + "'"),
                "2")
          << what;
    }
    EXPECT_EQ(value("SELECT count(*) FROM rls_migration_status WHERE rls_enabled"), "2") << what;
    // Of who was killed the server learns when its backend reads next.
    EXPECT_TRUE(eventually(
        "SELECT count(*) = 0 FROM pg_stat_activity WHERE usename = 'rls_operator_role' AND datname = "
        "current_database() AND state LIKE 'idle in transaction%'"))
        << what;
  }

  const std::vector<std::string> projects_ = {"sm", "ab"};
};

TEST_F(Faults, EveryStatementLosesItsConnectionOrItsReply) {
  start_over();
  ASSERT_NE(bring_to(*store, projects_, Phase::enforcing), 0);
  expect_enforcing_once("without a fault");
  const std::vector<std::string> statements = seam.names;
  ASSERT_GT(statements.size(), 20U);
  for (std::size_t number = 1; number <= statements.size(); ++number) {
    for (const Fault fault : {Fault::fail_before, Fault::lose_reply}) {
      const std::string what = statements[number - 1] + " (" + std::to_string(number) + ") " +
                               (fault == Fault::fail_before ? "fail_before" : "lose_reply");
      start_over();
      seam.fault_at = number;
      seam.fault = fault;
      ASSERT_NE(bring_to(*store, projects_, Phase::enforcing), 0) << what;
      expect_enforcing_once(what);
      if (HasFailure()) return;
    }
  }
}

TEST_F(Faults, TheProcessDiesAtEveryStatement) {
  start_over();
  ASSERT_NE(bring_to(*store, projects_, Phase::enforcing), 0);
  const std::size_t statements = seam.names.size();
  for (std::size_t number = 1; number <= statements; ++number) {
    for (const Fault fault : {Fault::kill_before, Fault::kill_after}) {
      const std::string what = std::to_string(number) + (fault == Fault::kill_before ? " before" : " after");
      start_over();
      const pid_t child = ::fork();
      ASSERT_GE(child, 0);
      if (child == 0) {
        PlannedSeam deadly(FaultPlan{.kind = CallKind::sql, .number = number, .fault = fault});
        auto database = make_adopted_database(*parse_connection_settings(operator_uri()), "public",
                                              Timeouts{.policies = std::chrono::milliseconds{0}}, deadly);
        bring_to(*database, projects_, Phase::enforcing);
        ::_exit(0);
      }
      int status = 0;
      ASSERT_EQ(::waitpid(child, &status, 0), child);
      ASSERT_EQ(WEXITSTATUS(status), 137) << what;
      ASSERT_NE(bring_to(*store, projects_, Phase::enforcing), 0) << what;
      expect_enforcing_once(what);
      if (HasFailure()) return;
    }
  }
}

TEST_F(Faults, BackendKilledBeforeEachStatement) {
  start_over();
  ASSERT_NE(bring_to(*store, projects_, Phase::enforcing), 0);
  const std::vector<std::string> statements = seam.names;
  for (std::size_t number = 2; number <= statements.size(); ++number) {
    start_over();
    bool killed = false;
    seam.before = [&](std::string_view) {
      if (killed || seam.names.size() != number) return;
      killed = true;
      sql("SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE usename = 'rls_operator_role' "
          "AND "
          "datname = current_database()");
    };
    ASSERT_NE(bring_to(*store, projects_, Phase::enforcing), 0) << statements[number - 1];
    seam.before = nullptr;
    EXPECT_TRUE(killed);
    expect_enforcing_once(statements[number - 1] + " " + std::to_string(number));
    if (HasFailure()) return;
  }
}

TEST_F(Faults, LostReplyOfACommitIsFoundOutAtOnce) {
  open();
  see("sm", Phase::shadow);
  const std::vector<Move> moves = {a_move("sm", Phase::pending, Phase::shadow)};
  seam.restart();
  seam.fault_on = "COMMIT";
  seam.fault = Fault::lose_reply;
  const auto results = store->move(moves, always(moves));
  ASSERT_TRUE(results.ok()) << results.error().message;
  EXPECT_EQ(results.value()[0].outcome, MoveOutcome::moved);
  ASSERT_TRUE(results.value()[0].entry);
  EXPECT_EQ(results.value()[0].entry->id,
            value("SELECT id FROM rls_operator.transition WHERE kind = 'moved'"));
}

TEST_F(Faults, CommitThatNeverArrivedIsKnownNotToHaveHappened) {
  open();
  see("sm", Phase::shadow);
  const std::vector<Move> moves = {a_move("sm", Phase::pending, Phase::shadow)};
  seam.restart();
  seam.fault_on = "COMMIT";
  seam.fault = Fault::fail_before;
  const auto results = store->move(moves, always(moves));
  ASSERT_FALSE(results.ok());
  EXPECT_EQ(results.error().kind, ErrorKind::transient);
  EXPECT_EQ(phase_of("sm"), "pending");
}

TEST_F(Faults, WhatCannotBeFoundOutStaysInDoubt) {
  open();
  see("sm", Phase::shadow);
  const std::vector<Move> moves = {a_move("sm", Phase::pending, Phase::shadow)};
  const std::string database = value("SELECT current_database()");
  seam.before = [&](std::string_view what) {
    if (what == "COMMIT") sql("ALTER DATABASE " + database + " CONNECTION LIMIT 0");
  };
  seam.restart();
  seam.fault_on = "COMMIT";
  seam.fault = Fault::lose_reply;
  const auto results = store->move(moves, always(moves));
  ASSERT_FALSE(results.ok());
  EXPECT_EQ(results.error().kind, ErrorKind::in_doubt);
  seam.before = nullptr;
  sql("ALTER DATABASE " + database + " CONNECTION LIMIT -1");
  open();
  EXPECT_EQ(see("sm", Phase::shadow).phase, Phase::shadow) << "the next look shows it";
}

TEST_F(Faults, CommitThatHangsIsCutOffAndSettled) {
  store = make({.lock = std::chrono::milliseconds{2000},
                .statement = std::chrono::milliseconds{20000},
                .commit = std::chrono::milliseconds{400}});
  open();
  sql("CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(300); RETURN "
      "NULL; END $$;"
      "CREATE CONSTRAINT TRIGGER t AFTER UPDATE ON rls_migration_status DEFERRABLE INITIALLY DEFERRED "
      "FOR EACH ROW EXECUTE FUNCTION slow()");
  see("sm", Phase::shadow);
  const std::vector<Move> moves = {a_move("sm", Phase::pending, Phase::shadow)};
  const auto began = std::chrono::steady_clock::now();
  const auto results = store->move(moves, always(moves));
  ASSERT_FALSE(results.ok()) << "the old backend was ended before it committed";
  EXPECT_EQ(results.error().kind, ErrorKind::transient);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::minutes{4}) << "before the trigger ends";
  EXPECT_EQ(phase_of("sm"), "pending");
  EXPECT_TRUE(
      eventually("SELECT count(*) = 0 FROM pg_stat_activity WHERE query = 'COMMIT' AND state = 'active' AND "
                 "datname = current_database()"));
}

TEST_F(Faults, TwoOperatorsAtOnceMoveEachProjectOnce) {
  sql("INSERT INTO rls_migration_status (project_id) SELECT 'p' || i FROM generate_series(1, 40) i");
  std::vector<std::string> projects;
  for (int i = 1; i <= 40; ++i) projects.push_back("p" + std::to_string(i));
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      TestSeam own;
      auto mine = projects;
      if (i % 2 != 0)
        std::reverse(mine.begin(), mine.end());  // locks are taken in project order all the same
      auto database = make_adopted_database(*parse_connection_settings(operator_uri()), "public", {}, own);
      EXPECT_NE(bring_to(*database, mine, Phase::enforcing), 0);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(
      value("SELECT count(*) FROM rls_operator.transition WHERE kind = 'moved' AND project_id LIKE 'p%'"),
      "80");
  EXPECT_EQ(value("SELECT count(*) FROM rls_operator.transition WHERE project_id LIKE 'p%'"), "120");
  EXPECT_EQ(value("SELECT count(*) FROM rls_migration_status WHERE migration_phase = 'enforcing'"), "40");
}

}  // namespace
}  // namespace rls::postgres
