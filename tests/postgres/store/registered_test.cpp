// Projects that are registered and have no row in the status table yet: they are in pending.
#include <gmock/gmock.h>

#include "tests/postgres/store/fixture.hpp"

namespace rls::postgres {
namespace {

using testing::HasSubstr;

class Registered : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    sql("INSERT INTO project_registry (project_id, access_level) VALUES ('new', 'ISOLATED')");
  }
  void grant() {
    sql("GRANT INSERT ON rls_migration_status TO rls_operator_role;"
        "GRANT USAGE ON SEQUENCE rls_migration_status_id_seq TO rls_operator_role");
  }
  std::string refusal() {
    const auto result = go("new", Phase::pending, Phase::shadow);
    if (!result || result.value().outcome != MoveOutcome::failed) return "it was not refused";
    EXPECT_EQ(result.value().error->reason, "MoveRefused");
    EXPECT_EQ(ledger_rows("new"), 1);
    return result.value().error->message;
  }
};

TEST_F(Registered, CountsAsPendingAndNothingIsWrittenForIt) {
  open();
  const auto seen = see("new", Phase::shadow);
  EXPECT_TRUE(seen.project_known);
  EXPECT_EQ(seen.phase, Phase::pending);
  EXPECT_EQ(seen.last_ours, Phase::pending);
  EXPECT_EQ(store->count_by_phase().value().at("pending"), 9);
  EXPECT_EQ(value("SELECT count(*) FROM rls_migration_status WHERE project_id = 'new'"), "0");
  seam.restart();
  see("new", Phase::shadow);
  EXPECT_THAT(seam.names, testing::ElementsAre("observe", "evidence"));
  EXPECT_TRUE(store->violations(std::vector<std::string>{"new"}).ok());
}

TEST_F(Registered, FirstMoveMakesTheRow) {
  grant();
  open();
  must_go("new", Phase::pending, Phase::shadow);
  EXPECT_EQ(phase_of("new"), "shadow");
  EXPECT_EQ(value("SELECT rls_enabled FROM rls_migration_status WHERE project_id = 'new'"), "f");
  must_go("new", Phase::shadow, Phase::enforcing);
  must_go("new", Phase::enforcing, Phase::pending);
  EXPECT_EQ(ledger_rows("new"), 4);
  EXPECT_EQ(store->count_by_phase().value().at("pending"), 9) << "counted once";
}

TEST_F(Registered, InABatchWithOthers) {
  grant();
  open();
  see("new");
  see("sm");
  const std::vector<Move> moves = {a_move("sm", Phase::pending, Phase::shadow),
                                   a_move("new", Phase::pending, Phase::shadow)};
  const auto results = store->move(moves, always(moves));
  ASSERT_TRUE(results.ok()) << results.error().message;
  for (const MoveResult& result : results.value()) EXPECT_EQ(result.outcome, MoveOutcome::moved);
}

TEST_F(Registered, WithoutTheRightSaysWhatToGrant) {
  open();
  EXPECT_THAT(refusal(), HasSubstr("GRANT INSERT ON public.rls_migration_status TO rls_operator_role;"));
  must_go("sm", Phase::pending, Phase::shadow);
}

TEST_F(Registered, ColumnThatWeCannotFillIsNamed) {
  grant();
  sql("ALTER TABLE rls_migration_status ADD COLUMN owner_team text NOT NULL DEFAULT '';"
      "ALTER TABLE rls_migration_status ALTER owner_team DROP DEFAULT");
  open();
  EXPECT_THAT(refusal(), HasSubstr("column owner_team of public.rls_migration_status is NOT NULL"));
}

TEST_F(Registered, WhatTheTableRefusesFailsItAlone) {
  grant();
  sql("REVOKE USAGE ON SEQUENCE rls_migration_status_id_seq FROM rls_operator_role");
  open();
  EXPECT_THAT(refusal(), HasSubstr("rls_migration_status_id_seq"));
  EXPECT_EQ(value("SELECT count(*) FROM rls_migration_status WHERE project_id = 'new'"), "0");
}

TEST_F(Registered, RowThatSomebodyMakesMeanwhileCounts) {
  grant();
  open();
  see("new", Phase::shadow);
  const std::vector<Move> moves = {a_move("new", Phase::pending, Phase::shadow)};
  bool made = false;
  const auto results = store->move(
      moves, each([&](std::size_t, const decide::Observation&) {
        if (!made) {
          sql("INSERT INTO rls_migration_status (project_id, migration_phase) VALUES ('new', 'enforcing')");
        }
        made = true;
        return std::optional(Phase::shadow);
      }));
  ASSERT_TRUE(results.ok()) << results.error().message;
  EXPECT_EQ(results.value()[0].outcome, MoveOutcome::obsolete);
  EXPECT_EQ(phase_of("new"), "enforcing");
}

TEST_F(Registered, UnknownInBothIsUnknown) {
  open();
  EXPECT_THAT(see("nobody").project_message,
              HasSubstr("has no row in public.rls_migration_status, nor in public.project_registry"));
}

TEST_F(Registered, WithoutARegistryOrTheRightToReadItNothingChanges) {
  sql("REVOKE SELECT ON project_registry FROM rls_operator_role");
  open();
  EXPECT_FALSE(see("new").project_known);
  EXPECT_TRUE(see("sm").project_known);
  EXPECT_EQ(store->count_by_phase().value().at("pending"), 8);
}

}  // namespace
}  // namespace rls::postgres
