// The owner of one table is not the operator: nothing that he writes runs with the operator's rights, and
// none of his policies hides rows from it.

#include <gmock/gmock.h>

#include "tests/postgres/managed/fixture.hpp"

namespace rls::postgres {
namespace {

using testing::HasSubstr;

class ManagedOwner : public ManagedTest {
 protected:
  void SetUp() override {
    ManagedTest::SetUp();
    wish.tables = {{"app.nodes", "project_id"}};
    sql("CREATE TABLE public.ran (who text); GRANT INSERT ON public.ran TO PUBLIC");
    // Volatile where it acts, immutable where the planner would evaluate it.
    as_owner(
        "CREATE FUNCTION app.act() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN "
        "IF current_user = 'managed_operator' THEN INSERT INTO public.ran VALUES (current_user); END IF; "
        "RETURN true; END $$;"
        "CREATE FUNCTION app.evil(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN "
        "RETURN app.act(); END $$");
  }
  void as_owner(const std::string& text) { sql("SET ROLE managed_owner; " + text + "; RESET ROLE"); }
  /// What ran as the operator.
  std::string ran() { return value("SELECT count(*) FROM public.ran"); }
  /// What the operator does before the first shadow, whatever tables() said.
  void read_as_operator() {
    pqxx::connection connection(uri("managed_operator"));
    for (const char* text :
         {"SELECT rls_operator.register_found('app.nodes'::regclass, 'project_id')",
          "SELECT rls_operator.set_form('app.nodes'::regclass, 'project_id', rls_operator.wanted_form())"}) {
      try {
        pqxx::nontransaction work(connection);
        work.exec(text);
      } catch (const pqxx::sql_error&) {  // refused: as good
      }
    }
  }
};

TEST_F(ManagedOwner, ARestrictivePolicyWithCodeOfHisIsRefusedAndDoesNotRun) {
  open();
  tend();
  as_owner("CREATE POLICY mine ON app.nodes AS RESTRICTIVE USING (app.evil(project_id))");
  EXPECT_THAT(tend().status.not_ready_because, HasSubstr("policy mine uses function app.evil(text)"));
  read_as_operator();
  EXPECT_EQ(ran(), "0");
}

// One that is named like ours was never looked at.
TEST_F(ManagedOwner, APolicyUnderOurNameDoesNotRun) {
  as_owner(
      "ALTER TABLE app.nodes ENABLE ROW LEVEL SECURITY; ALTER TABLE app.nodes FORCE ROW LEVEL SECURITY; "
      "CREATE POLICY rls_operator_select ON app.nodes FOR SELECT USING (app.evil(project_id))");
  open();
  EXPECT_EQ(tend().status.not_ready_because, "");
  EXPECT_EQ(ran(), "0");
  EXPECT_EQ(value("SELECT count(*) FROM rls.project_registry"), "4");
}

TEST_F(ManagedOwner, OneOfOursThatHeAlteredDoesNotRun) {
  open();
  tend();
  as_owner("ALTER POLICY rls_operator_select ON app.nodes USING (app.evil(project_id))");
  read_as_operator();
  EXPECT_EQ(ran(), "0");
}

// The planner evaluates what is constant in the expressions of indexes and statistics.
TEST_F(ManagedOwner, AnIndexWithCodeOfHisIsRefusedAndDoesNotRun) {
  open();
  tend();
  as_owner("CREATE INDEX evil_index ON app.nodes ((app.evil('x')))");
  EXPECT_THAT(tend().status.not_ready_because, HasSubstr("index evil_index uses function app.evil(text)"));
  read_as_operator();
  EXPECT_EQ(ran(), "0");
}

TEST_F(ManagedOwner, AnIndexWithCodeOfASuperuserIsNot) {
  as_owner("CREATE INDEX good_index ON app.nodes ((app.evil(label)))");
  sql("ALTER FUNCTION app.evil(text) OWNER TO CURRENT_USER");
  open();
  EXPECT_EQ(tend().status.not_ready_because, "");
}

TEST_F(ManagedOwner, ASubSelectOfARestrictivePolicyIsRefused) {
  as_owner(
      "CREATE VIEW app.view AS SELECT app.act() AS yes; ALTER TABLE app.nodes ENABLE ROW LEVEL SECURITY; "
      "CREATE POLICY mine ON app.nodes AS RESTRICTIVE USING ((SELECT yes FROM app.view))");
  open();
  EXPECT_THAT(tend().status.not_ready_because, HasSubstr("policy mine uses view app.view"));
  EXPECT_EQ(ran(), "0");
}

TEST_F(ManagedOwner, ARestrictivePolicyHidesNoProjectFromTheRegistry) {
  as_owner(
      "ALTER TABLE app.nodes ENABLE ROW LEVEL SECURITY; ALTER TABLE app.nodes FORCE ROW LEVEL SECURITY; "
      "CREATE POLICY narrow ON app.nodes AS RESTRICTIVE USING (project_id <> 'b')");
  open();
  EXPECT_EQ(tend().status.not_ready_because, "");
  EXPECT_EQ(value("SELECT string_agg(project_id, ' ' ORDER BY 1) FROM rls.project_registry"), "a b c d");
  as_owner("INSERT INTO app.nodes VALUES (41, 'e')");
  bring("a", Phase::shadow);
  EXPECT_EQ(value("SELECT string_agg(project_id, ' ' ORDER BY 1) FROM rls.project_registry"), "a b c d e");
  EXPECT_EQ(value("SELECT relforcerowsecurity FROM pg_class WHERE oid = 'app.nodes'::regclass"), "t");
}

// Without a look at the rows the policy would take for true what is not.
TEST_F(ManagedOwner, WhatThePolicyTakesForTrueIsLookedAtPastAllPolicies) {
  open();
  tend();
  const std::string text =
      "SELECT pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polname = 'rls_operator_select' "
      "AND polrelid = 'app.nodes'::regclass";
  bring("a", Phase::shadow);
  EXPECT_THAT(value(text), HasSubstr("<="));
  sql("INSERT INTO app.nodes VALUES (41, repeat(chr(1114111), 5))");
  read_as_operator();
  EXPECT_THAT(value(text), testing::Not(HasSubstr("<=")));
}

}  // namespace
}  // namespace rls::postgres
