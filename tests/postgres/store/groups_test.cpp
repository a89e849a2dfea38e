// Groups (R-A3): all moves of one are made in one transaction, or none of them is.

#include <gmock/gmock.h>

#include "tests/postgres/store/fixture.hpp"

namespace rls::postgres {
namespace {

using testing::HasSubstr;

class GroupMoves : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    open();
  }
  /// Registers p<first> to p<last>, and wants them moved to shadow as a group.
  void add(int first, int last, const std::string& group) {
    sql("INSERT INTO rls_migration_status (project_id) SELECT 'p' || i FROM generate_series(" +
        std::to_string(first) + ", " + std::to_string(last) + ") i");
    std::vector<ProjectQuery> queries;
    for (int i = first; i <= last; ++i) {
      moves_.push_back(a_move("p" + std::to_string(i), Phase::pending, Phase::shadow));
      moves_.back().group = group;
      queries.push_back({moves_.back().project, Phase::shadow});
    }
    ASSERT_TRUE(store->observe(queries).ok());
  }
  std::vector<MoveResult> go() { return go(always(moves_)); }
  std::vector<MoveResult> go(const DecideAgain& again) {
    auto results = store->move(moves_, again);
    EXPECT_TRUE(results.ok()) << results.error().reason << ": " << results.error().message;
    return results ? std::move(results).value() : std::vector<MoveResult>(moves_.size());
  }
  /// A trigger of somebody else that refuses these projects.
  void refuse(const std::string& projects, const std::string& when = "TRIGGER t BEFORE UPDATE",
              const std::string& more = "") {
    sql("CREATE FUNCTION public.theirs() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.project_id IN "
        "(" +
        projects + ") THEN RAISE EXCEPTION 'frozen by accounting'; END IF; RETURN NEW; END $$; CREATE " +
        when + " ON public.rls_migration_status " + more + " FOR EACH ROW EXECUTE FUNCTION public.theirs()");
  }
  std::string in_shadow() {
    return value(
        "SELECT coalesce(string_agg(project_id, ' ' ORDER BY length(project_id), project_id), '') FROM "
        "rls_migration_status WHERE migration_phase = 'shadow'");
  }
  std::string ledgered() {
    return value("SELECT count(*) FROM rls_operator.transition WHERE kind = 'moved'");
  }
  static std::vector<std::string> reasons(const std::vector<MoveResult>& results) {
    std::vector<std::string> out;
    for (const MoveResult& result : results) {
      out.push_back(result.outcome == MoveOutcome::moved      ? "moved"
                    : result.outcome == MoveOutcome::obsolete ? "obsolete"
                                                              : result.error->reason);
    }
    return out;
  }

  std::vector<Move> moves_;
};

using Texts = std::vector<std::string>;

TEST_F(GroupMoves, R_A3_OneTransactionAndOneMoment) {
  add(1, 3, "g");
  const auto results = go();
  EXPECT_EQ(reasons(results), (Texts{"moved", "moved", "moved"}));
  EXPECT_EQ(
      value("SELECT count(DISTINCT at) || ' ' || count(DISTINCT xmin::text) FROM rls_operator.transition "
            "WHERE kind = 'moved'"),
      "1 1");
  EXPECT_EQ(results[0].entry->time, results[2].entry->time);
  EXPECT_EQ(value("SELECT count(DISTINCT xmin::text) FROM rls_migration_status WHERE migration_phase = "
                  "'shadow'"),
            "1");
}

TEST_F(GroupMoves, R_A3_ARowThatRefusesHoldsItsGroupAndNobodyElse) {
  add(1, 3, "g");
  add(4, 5, "");
  add(6, 7, "h");
  refuse("'p2'");
  const auto results = go();
  EXPECT_EQ(reasons(results),
            (Texts{"GroupHeldBack", "MoveRefused", "GroupHeldBack", "moved", "moved", "moved", "moved"}));
  EXPECT_EQ(results[1].error->kind, ErrorKind::terminal);
  EXPECT_THAT(results[1].error->message, HasSubstr("frozen by accounting"));
  for (const std::size_t i : {0U, 2U}) {
    EXPECT_THAT(results[i].error->message,
                testing::AllOf(HasSubstr("held back by project \"p2\" of its group"),
                               HasSubstr("frozen by accounting")));
    EXPECT_FALSE(results[i].entry);
  }
  EXPECT_EQ(in_shadow(), "p4 p5 p6 p7");
  EXPECT_EQ(ledgered(), "4");
}

// What is halved to find the row at fault is never cut inside a group, and ends where the rest is one group.
TEST_F(GroupMoves, ALargeGroupBesideOthersIsFoundAtFault) {
  add(1, 1, "");
  add(2, 9, "g");
  refuse("'p8'");
  const auto results = go();
  EXPECT_EQ(results[0].outcome, MoveOutcome::moved);
  for (std::size_t i = 1; i < results.size(); ++i) {
    EXPECT_EQ(results[i].outcome, MoveOutcome::failed) << i;
    EXPECT_EQ(results[i].error->reason, i == 7 ? "MoveRefused" : "GroupHeldBack") << i;
  }
  EXPECT_EQ(in_shadow(), "p1");
}

TEST_F(GroupMoves, ASingleRowAtFaultLeavesTheGroupsBesideItAlone) {
  add(1, 1, "");
  add(2, 9, "g");
  refuse("'p1'");
  const auto results = go();
  EXPECT_EQ(results[0].outcome, MoveOutcome::failed);
  EXPECT_EQ(in_shadow(), "p2 p3 p4 p5 p6 p7 p8 p9");
}

TEST_F(GroupMoves, ADeferredConstraintRefusesTheWholeGroupBeforeItsCommit) {
  add(1, 2, "");
  add(3, 6, "g");
  refuse("'p4'", "CONSTRAINT TRIGGER t AFTER UPDATE", "DEFERRABLE INITIALLY DEFERRED");
  const auto results = go();
  EXPECT_EQ(reasons(results),
            (Texts{"moved", "moved", "GroupHeldBack", "MoveRefused", "GroupHeldBack", "GroupHeldBack"}));
  EXPECT_EQ(in_shadow(), "p1 p2");
  EXPECT_EQ(ledgered(), "2");
}

TEST_F(GroupMoves, ARowThatSomebodyHoldsIsNamedToTheOthers) {
  add(1, 3, "g");
  add(4, 4, "");
  pqxx::connection other(uri() + "?application_name=nightly%20job");
  pqxx::work work(other);
  work.exec("UPDATE rls_migration_status SET updated_at = now() WHERE project_id = 'p2'");
  const auto results = go();
  EXPECT_EQ(reasons(results), (Texts{"GroupHeldBack", "LockTimeout", "GroupHeldBack", "moved"}));
  for (const std::size_t i : {0U, 2U}) {
    EXPECT_EQ(results[i].error->kind, ErrorKind::transient);
    EXPECT_THAT(results[i].error->message,
                testing::AllOf(HasSubstr("held back by project \"p2\""), HasSubstr("\"nightly job\"")));
  }
  EXPECT_EQ(in_shadow(), "p4");
  work.abort();
  EXPECT_EQ(reasons(go()), (Texts{"moved", "moved", "moved", "obsolete"}));
  EXPECT_EQ(in_shadow(), "p1 p2 p3 p4");
}

TEST_F(GroupMoves, OneThatIsObsoleteUnderTheLocksKeepsAllWhereTheyAre) {
  add(1, 3, "g");
  add(4, 4, "");
  const auto results = go(each([](std::size_t i, const decide::Observation&) {
    return i == 1 ? std::optional<Phase>() : std::optional(Phase::shadow);
  }));
  EXPECT_EQ(reasons(results), (Texts{"obsolete", "obsolete", "obsolete", "moved"}));
  EXPECT_EQ(in_shadow(), "p4");
  EXPECT_EQ(ledgered(), "1");
}

TEST_F(GroupMoves, OneThatSomebodyMovedMeanwhileKeepsAllWhereTheyAre) {
  add(1, 3, "g");
  sql("UPDATE rls_migration_status SET migration_phase = 'complete' WHERE project_id = 'p3'");
  EXPECT_EQ(reasons(go()), (Texts{"obsolete", "obsolete", "obsolete"}));
  EXPECT_EQ(in_shadow(), "");
}

TEST_F(GroupMoves, OneWhoseRowWentAwayKeepsAllWhereTheyAre) {
  add(1, 3, "g");
  sql("DELETE FROM rls_migration_status WHERE project_id = 'p3'");
  EXPECT_EQ(reasons(go()), (Texts{"obsolete", "obsolete", "obsolete"}));
  EXPECT_EQ(in_shadow(), "");
}

TEST_F(GroupMoves, ANameThatNoDatabaseHoldsIsNamedToTheOthers) {
  add(1, 2, "g");
  moves_.push_back(a_move(std::string("p\0x", 3), Phase::pending, Phase::shadow));
  moves_.back().group = "g";
  const auto results = go();
  EXPECT_EQ(reasons(results), (Texts{"GroupHeldBack", "GroupHeldBack", "UnknownProject"}));
  EXPECT_EQ(in_shadow(), "");
}

TEST_F(GroupMoves, GroupsAcrossTheBorderOfAStatementAreWhole) {
  add(1, 250, "");
  add(251, 270, "g");  // crosses 256
  add(271, 800, "h");  // longer than a statement takes
  add(801, 810, "");
  const auto results = go();
  for (const MoveResult& result : results) ASSERT_EQ(result.outcome, MoveOutcome::moved);
  EXPECT_EQ(value("SELECT count(DISTINCT xmin::text) || ' ' || count(*) FROM rls_migration_status WHERE "
                  "migration_phase = 'shadow'"),
            "1 810");
  EXPECT_EQ(ledgered(), "810");
}

TEST_F(GroupMoves, OfManyGroupsTheOneAtFaultStays) {
  for (int i = 0; i < 100; ++i) add(i * 3 + 1, i * 3 + 3, "g" + std::to_string(i));
  refuse("'p7', 'p290'");
  const auto results = go();
  for (std::size_t i = 0; i < results.size(); ++i) {
    const bool at_fault = i / 3 == 2 || i / 3 == 96;
    ASSERT_EQ(results[i].outcome, at_fault ? MoveOutcome::failed : MoveOutcome::moved) << i;
  }
  EXPECT_EQ(value("SELECT count(*) FROM rls_migration_status WHERE migration_phase = 'shadow'"), "294");
  EXPECT_EQ(ledgered(), "294");
  EXPECT_EQ(value("SELECT count(*) FROM rls_audit_log WHERE operation = 'PHASE_CHANGE'"), "294");
}

TEST_F(GroupMoves, ACommitInDoubtIsFoundOutForAllOfThem) {
  add(1, 3, "g");
  seam.restart();
  seam.fault_on = "COMMIT";
  seam.fault = Fault::lose_reply;
  const auto results = go();
  EXPECT_EQ(reasons(results), (Texts{"moved", "moved", "moved"}));
  EXPECT_EQ(in_shadow(), "p1 p2 p3");
}

TEST_F(GroupMoves, ACommitThatNeverArrivedMovedNoneOfThem) {
  add(1, 3, "g");
  seam.restart();
  seam.fault_on = "COMMIT";
  seam.fault = Fault::fail_before;
  const auto results = store->move(moves_, always(moves_));
  ASSERT_FALSE(results.ok());
  EXPECT_EQ(results.error().kind, ErrorKind::transient);
  EXPECT_EQ(in_shadow(), "");
  open();
  EXPECT_EQ(reasons(go()), (Texts{"moved", "moved", "moved"}));
}

TEST_F(GroupMoves, AnAuditTableThatRefusesHoldsNoGroupBack) {
  add(1, 3, "g");
  sql("ALTER TABLE rls_audit_log ADD CONSTRAINT never CHECK (operation <> 'PHASE_CHANGE')");
  EXPECT_EQ(reasons(go()), (Texts{"moved", "moved", "moved"}));
  EXPECT_EQ(ledgered(), "3");
}

// The application never sees a part of it.
TEST_F(GroupMoves, R_A3_NobodySeesAPart) {
  add(1, 3, "g");
  std::string seen;
  seam.before = [&](std::string_view what) {
    if (what == "COMMIT") seen = in_shadow();
  };
  go();
  seam.before = nullptr;
  EXPECT_EQ(seen, "") << "a moment before";
  EXPECT_EQ(in_shadow(), "p1 p2 p3");
}

}  // namespace
}  // namespace rls::postgres
