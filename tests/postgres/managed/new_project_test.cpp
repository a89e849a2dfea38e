// Where a project begins that is registered late (docs/database.md: A new project): who comes to a database
// whose projects all enforce must open it to nobody.

#include <gmock/gmock.h>

#include "tests/postgres/managed/fixture.hpp"

namespace rls::postgres {
namespace {

class ManagedNewProject : public ManagedTest {
 protected:
  void SetUp() override {
    ManagedTest::SetUp();
    open();
    tend();
  }
  void close_to_all() {
    for (const char* project : {"a", "b", "c", "d"}) bring(project, Phase::enforcing);
    tend();
    ASSERT_EQ(rows_of("", kAll), 0) << "without a context nothing is seen";
  }
  void register_new() {
    wish.projects = {{"new", {}}};
    tend();
  }
  static constexpr const char* kAll = "SELECT * FROM app.nodes";
  static constexpr const char* kForeign = "SELECT * FROM app.nodes WHERE project_id <> 'new'";
};

TEST_F(ManagedNewProject, BeginsEnforcingWhereAllOthersDo) {
  close_to_all();
  register_new();
  EXPECT_EQ(see("new").phase, Phase::enforcing);
  EXPECT_EQ(value("SELECT rls_enabled FROM rls.rls_migration_status WHERE project_id = 'new'"), "t");
  EXPECT_EQ(rows_of("", kAll), 0) << "it opens nothing to sessions without a context";
  EXPECT_EQ(rows_of("no such project", kAll), 0);
  EXPECT_EQ(rows_of("new", kAll), 0);
  EXPECT_EQ(rows_of("new", "INSERT INTO app.nodes VALUES (900, 'new')"), 1) << "and has its own rows";
  EXPECT_EQ(rows_of("new", "INSERT INTO app.nodes VALUES (901, 'a')"), -1);
  EXPECT_EQ(rows_of("new", kAll), 1);
  EXPECT_EQ(rows_of("a", kAll), 10);
}

TEST_F(ManagedNewProject, OfItsFirstSightThereIsOneLedgerRowAndNoDrift) {
  close_to_all();
  register_new();
  see("new");
  tend();
  const decide::Observation seen = see("new");
  EXPECT_EQ(value("SELECT string_agg(kind || ' ' || to_phase, ',') FROM rls_operator.transition WHERE "
                  "project_id = 'new'"),
            "adopted enforcing");
  EXPECT_EQ(seen.phase, Phase::enforcing);
  must_go("new", Phase::enforcing, Phase::complete);
}

TEST_F(ManagedNewProject, BeginsPendingWhereSomebodyIsNotThereYet) {
  close_to_all();
  must_go("d", Phase::enforcing, Phase::shadow);
  register_new();
  EXPECT_EQ(see("new").phase, Phase::pending);
  EXPECT_EQ(rows_of("new", kForeign), 40) << "as before";
}

TEST_F(ManagedNewProject, WhomAPersonRegistersBeginsTheSameWay) {
  close_to_all();
  sql("INSERT INTO rls.project_registry (project_id) VALUES ('new')");
  EXPECT_EQ(rows_of("new", kAll), 0) << "from its first moment, without a row in the status table";
  EXPECT_EQ(see("new").phase, Phase::enforcing);
  tend();
  EXPECT_EQ(see("new").phase, Phase::enforcing);
  EXPECT_EQ(rows_of("new", kAll), 0);
  EXPECT_EQ(rows_of("", kAll), 0);
}

TEST_F(ManagedNewProject, WhoseRowsAreFoundInANewTableBeginsTheSameWay) {
  close_to_all();
  sql("SET ROLE managed_owner; CREATE TABLE app.late (project_id text NOT NULL); INSERT INTO app.late VALUES "
      "('new'), ('a'); RESET ROLE");
  tend();
  tend();
  EXPECT_EQ(value("SELECT migration_phase FROM rls.rls_migration_status WHERE project_id = 'new'"),
            "enforcing");
  EXPECT_EQ(rows_of("new", "SELECT * FROM app.late"), 1);
  EXPECT_EQ(rows_of("", "SELECT * FROM app.late"), 0);
  EXPECT_EQ(rows_of("", kAll), 0);
}

TEST_F(ManagedNewProject, GoesDownWhereAPersonAsksForIt) {
  close_to_all();
  register_new();
  must_go("new", Phase::enforcing, Phase::pending);
  EXPECT_EQ(rows_of("new", kForeign), 40);
  EXPECT_EQ(rows_of("", kAll), 40);
}

TEST_F(ManagedNewProject, TheFirstOfAllBeginsPending) {
  sql("DELETE FROM rls.rls_migration_status; DELETE FROM rls.project_registry");
  register_new();
  EXPECT_EQ(see("new").phase, Phase::pending);
}

}  // namespace
}  // namespace rls::postgres
