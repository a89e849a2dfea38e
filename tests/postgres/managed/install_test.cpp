#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "tests/postgres/managed/fixture.hpp"

namespace rls::postgres {
namespace {

using testing::HasSubstr;

class ManagedInstall : public ManagedTest {};

TEST_F(ManagedInstall, MakesTheTablesAndFunctionsOfR_A11) {
  open();
  EXPECT_EQ(
      value("SELECT string_agg(table_name, ' ' ORDER BY table_name) FROM information_schema.tables WHERE "
            "table_schema = 'rls'"),
      "effective_access project_read_permissions project_registry rls_audit_log rls_migration_status");
  EXPECT_EQ(value("SELECT rls.get_rls_mode()"), "pending");
}

TEST_F(ManagedInstall, ASecondTimeChangesNothing) {
  open();
  tend();
  const std::string before = value(
      "SELECT string_agg(oid || ' ' || xmin, ',' ORDER BY oid) FROM pg_proc WHERE "
      "pronamespace IN ('rls'::regnamespace, 'rls_operator'::regnamespace)");
  store = make();
  open();
  tend();
  EXPECT_EQ(value("SELECT string_agg(oid || ' ' || xmin, ',' ORDER BY oid) FROM pg_proc WHERE "
                  "pronamespace IN ('rls'::regnamespace, 'rls_operator'::regnamespace)"),
            before);
}

TEST_F(ManagedInstall, RefusesASchemaWithSomebodyElsesTables) {
  sql("CREATE SCHEMA rls; GRANT ALL ON SCHEMA rls TO managed_operator; CREATE TABLE rls.rls_audit_log ()");
  const auto facts = store->open(claimant);
  ASSERT_FALSE(facts.ok());
  EXPECT_EQ(facts.error().reason, "RuntimeForeign");
  EXPECT_THAT(facts.error().message, HasSubstr("Adopted"));
}

TEST_F(ManagedInstall, ProtectsEveryMatchingTableWithPoliciesForAllFourCommands) {
  open();
  const RuntimeReport report = tend();
  EXPECT_EQ(report.status.not_ready_because, "");
  EXPECT_EQ(report.status.tables, 8);  // countries has no project
  EXPECT_EQ(report.status.protected_tables, 8);
  EXPECT_EQ(
      value(
          "SELECT count(*) FROM pg_class WHERE relnamespace = 'app'::regnamespace AND relkind IN ('r', 'p') "
          "AND relrowsecurity AND relforcerowsecurity"),
      "8");
  EXPECT_EQ(value("SELECT count(*) FROM pg_policy WHERE polrelid = 'app.nodes'::regclass"), "4");
}

TEST_F(ManagedInstall, RegistersTheProjectsThatItFindsBeforeTheFirstShadow) {
  open();
  tend();
  wish.projects = {{"a", {api::AccessSpec::Level::isolated, {}}}};
  tend();
  must_go("a", Phase::pending, Phase::shadow);
  tend();
  EXPECT_EQ(value("SELECT string_agg(project_id, ' ' ORDER BY project_id) FROM rls.project_registry"),
            "a b c d");
}

TEST_F(ManagedInstall, ANewPartitionAndANewTableAreFoundAndProtected) {
  open();
  tend();
  sql("SET ROLE managed_owner; CREATE TABLE app.events_3 PARTITION OF app.events FOR VALUES FROM (20) TO "
      "(30); "
      "CREATE TABLE app.later (project_id text); RESET ROLE");
  EXPECT_EQ(tend().status.protected_tables, 10);
}

TEST_F(ManagedInstall, ATableWithoutTheColumnThatIsNamedIsAnErrorThatNamesTheRemedy) {
  wish.tables = {{"app.nodes", "project_id"}, {"app.countries", "project_id"}, {"app.nowhere", "project_id"}};
  open();
  const RuntimeReport report = tend();
  EXPECT_EQ(report.status.protected_tables, 1);
  std::string all;
  for (const auto& table : report.status.list)
    all += table.name + " " + table.state + " " + table.message + "\n";
  EXPECT_THAT(all, HasSubstr("app.countries Unprotected no column project_id"));
  EXPECT_THAT(all, HasSubstr("app.nowhere Unprotected there is no such table"));
  EXPECT_THAT(all, HasSubstr("app.nodes Open"));
  EXPECT_NE(report.status.not_ready_because, "");
}

TEST_F(ManagedInstall, SomebodyElsesPolicyIsRefused) {
  sql("ALTER TABLE app.nodes ENABLE ROW LEVEL SECURITY; CREATE POLICY theirs ON app.nodes USING (true)");
  open();
  EXPECT_THAT(tend().status.not_ready_because, HasSubstr("policy theirs is not ours"));
}

TEST_F(ManagedInstall, ATableThatSomebodyHoldsIsTriedAgainAndTheHolderIsNamed) {
  open();
  pqxx::connection holder(uri("managed_app"));
  pqxx::work reading(holder);
  reading.exec("SELECT set_config('application_name', 'a long report', false)");
  reading.exec("SELECT count(*) FROM app.nodes");
  const RuntimeReport held = tend();
  EXPECT_EQ(held.status.protected_tables, 7);
  EXPECT_THAT(held.status.not_ready_because, HasSubstr("application \"a long report\""));
  reading.commit();
  EXPECT_EQ(tend().status.not_ready_because, "");
}

TEST_F(ManagedInstall, DriftIsPutBackOrReported) {
  open();
  tend();
  sql("DROP POLICY rls_operator_select ON app.nodes; ALTER TABLE app.loose DISABLE ROW LEVEL SECURITY");
  wish.repair = api::Repair::report;
  RuntimeReport report = tend();
  EXPECT_EQ(report.status.drift.size(), 2U);
  EXPECT_EQ(value("SELECT count(*) FROM pg_policy WHERE polrelid = 'app.nodes'::regclass"), "3");
  wish.repair = api::Repair::automatic;
  report = tend();
  EXPECT_EQ(report.status.drift.size(), 2U);
  EXPECT_EQ(value("SELECT count(*) FROM pg_policy WHERE polrelid = 'app.nodes'::regclass"), "4");
  EXPECT_EQ(value("SELECT relrowsecurity FROM pg_class WHERE oid = 'app.loose'::regclass"), "t");
  EXPECT_EQ(tend().status.drift.size(), 0U);
}

TEST_F(ManagedInstall, AChangedFunctionIsPutBack) {
  open();
  tend();
  sql("CREATE OR REPLACE FUNCTION rls.get_rls_mode() RETURNS rls.migration_phase_enum LANGUAGE sql AS $$ "
      "SELECT "
      "'pending'::rls.migration_phase_enum $$; DROP TABLE rls_operator.unknown_context");
  EXPECT_EQ(tend().status.drift.size(), 1U);
  EXPECT_EQ(value("SELECT provolatile || prosecdef FROM pg_proc WHERE oid = 'rls.get_rls_mode'::regproc"),
            "strue");
  EXPECT_EQ(tend().status.drift.size(), 0U);
}

// Not every database is UTF-8.
TEST_F(ManagedInstall, WorksInADatabaseOfAnotherEncoding) {
  const std::string name = value("SELECT current_database()") + "_latin";
  sql("CREATE DATABASE " + name + " TEMPLATE template0 ENCODING LATIN1 LC_COLLATE 'C' LC_CTYPE 'C'");
  std::string there = uri();
  there.replace(there.rfind('/') + 1, std::string::npos, name);
  {
    pqxx::connection admin(there);
    pqxx::nontransaction work(admin);
    work.exec("GRANT CREATE ON DATABASE " + name +
              " TO managed_operator; CREATE SCHEMA app AUTHORIZATION managed_owner; CREATE TABLE "
              "app.t (project_id text); CREATE INDEX ON app.t (project_id); ALTER TABLE app.t OWNER TO "
              "managed_owner; INSERT INTO "
              "app.t VALUES ('a')");
  }
  std::string as_operator = uri("managed_operator");
  as_operator.replace(as_operator.rfind('/') + 1, std::string::npos, name);
  store = make_managed_database(*parse_connection_settings(as_operator), "rls", {}, seam);
  open();
  EXPECT_EQ(tend().status.not_ready_because, "");
  bring("a", Phase::shadow);
  store.reset();
  sql("DROP DATABASE " + name + " WITH (FORCE)");
}

// An application that may write the phases is not isolated. To read is a DBA's to grant.
TEST_F(ManagedInstall, ARightToWriteWhatIsOursIsTakenBack) {
  open();
  tend();
  sql("GRANT SELECT ON rls.rls_audit_log TO managed_app");
  EXPECT_EQ(tend().status.drift.size(), 0U);
  sql("GRANT UPDATE ON rls.rls_migration_status TO managed_app; GRANT UPDATE (reads_all) ON "
      "rls.effective_access TO managed_app; "
      "GRANT INSERT ON rls.project_registry TO PUBLIC");
  EXPECT_EQ(tend().status.drift.size(), 1U);
  for (const char* table : {"rls.rls_migration_status", "rls.effective_access", "rls.project_registry"})
    EXPECT_EQ(value("SELECT has_any_column_privilege('managed_app', '" + std::string(table) +
                    "', 'UPDATE, INSERT')"),
              "f")
        << table;
  EXPECT_EQ(rows_of("a", "SELECT * FROM rls.rls_audit_log"), 0);  // still may
  EXPECT_EQ(rows_of("a", "SELECT * FROM rls.effective_access"), 1);
  EXPECT_EQ(tend().status.drift.size(), 0U);
}

// R-D1: while all projects are pending nothing is different, for every command; and it can be taken back.
TEST_F(ManagedInstall, ThePermissiveFoundationChangesNothing) {
  const auto all = [&] {
    std::string out;
    for (const char* text : {"SELECT count(*), sum(id) FROM app.nodes",
                             "SELECT count(*) FROM app.loose WHERE project_id IS NULL",
                             "SELECT count(*) FROM app.events", "SELECT count(*) FROM app.events_1",
                             "SELECT count(*) FROM app.things", "SELECT count(*) FROM ONLY app.things"}) {
      out += std::string(as("", text)[0][0].c_str()) + " ";
    }
    for (const char* text :
         {"UPDATE app.nodes SET label = 'x' WHERE id <= 4", "DELETE FROM app.parts WHERE id = 1",
          "INSERT INTO app.loose VALUES (1000, NULL, '')", "UPDATE app.things SET project_id = 'b'",
          "DELETE FROM app.loose WHERE id = 1000", "DELETE FROM app.events_2"}) {
      pqxx::connection connection(uri("managed_app"));
      pqxx::work work(connection);
      out += std::to_string(work.exec(text).affected_rows()) + " ";
    }
    return out;
  };
  const std::string before = all();
  open();
  tend();
  EXPECT_EQ(all(), before);
  // Every plan stays as it was: no filter of ours.
  EXPECT_THAT(as("", "EXPLAIN SELECT * FROM app.nodes WHERE label LIKE 'n%'").at(1)[0].c_str(),
              HasSubstr("Filter: (label ~~ 'n%'::text)"));
  sql("SELECT rls_operator.set_form(relid, project_column, 'none') FROM rls_operator.table_state");
  EXPECT_EQ(all(), before);
  EXPECT_EQ(
      value("SELECT count(*) FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE c.relnamespace = "
            "'app'::regnamespace"),
      "0");
  EXPECT_EQ(
      value("SELECT count(*) FROM pg_class WHERE relnamespace = 'app'::regnamespace AND (relrowsecurity OR "
            "relforcerowsecurity)"),
      "0");
}

TEST_F(ManagedInstall, ATableIsNotTakenOutWhileAProjectIsBeyondPending) {
  open();
  tend();
  bring("a", Phase::enforcing);
  wish.tables = {{"app.nodes", "project_id"}};
  const RuntimeReport report = tend();
  EXPECT_EQ(report.status.tables, 1);
  EXPECT_EQ(value("SELECT relrowsecurity FROM pg_class WHERE oid = 'app.loose'::regclass"), "t");
  EXPECT_THROW(sql("SELECT rls_operator.set_form('app.nodes'::regclass, 'project_id', 'none')"),
               pqxx::sql_error);
  must_go("a", Phase::enforcing, Phase::pending);
  tend();
  EXPECT_EQ(value("SELECT relrowsecurity FROM pg_class WHERE oid = 'app.loose'::regclass"), "f");
}

TEST_F(ManagedInstall, AnOlderRuntimeIsUpgradedInPlace) {
  open();
  tend();
  bring("a", Phase::shadow);
  as("a", "SELECT * FROM app.nodes");
  // Version 1 had neither of these functions, and left rows of effective_access as they were before.
  sql("UPDATE rls_operator.runtime SET version = 1; DROP FUNCTION rls_operator.tend(jsonb, jsonb, interval), "
      "rls_operator.heal_access(), rls_operator.access_of(text[]); CREATE OR REPLACE FUNCTION "
      "rls_operator.refresh_access(projects text[]) RETURNS void LANGUAGE plpgsql AS 'BEGIN END'; UPDATE "
      "rls.effective_access SET reads_all = true WHERE project_id = 'a'");
  const std::string policies = value(
      "SELECT string_agg(oid::text, ',' ORDER BY oid) FROM pg_policy WHERE polname "
      "LIKE 'rls_operator%'");
  store = make();
  open();
  EXPECT_EQ(tend().status.version, 3);
  EXPECT_EQ(see("a").violations.count, 1);
  EXPECT_EQ(value("SELECT reads_all FROM rls.effective_access WHERE project_id = 'a'"), "f");
  EXPECT_EQ(tend().status.drift.size(), 0U);
  EXPECT_EQ(
      value(
          "SELECT string_agg(oid::text, ',' ORDER BY oid) FROM pg_policy WHERE polname LIKE 'rls_operator%'"),
      policies)
      << "tables stay protected as they are";
  bring("b", Phase::enforcing);
  EXPECT_EQ(rows_of("b", "SELECT * FROM app.nodes"), 10);
  EXPECT_EQ(rows_of("a", "SELECT * FROM app.nodes"), 40);
  sql("UPDATE rls_operator.runtime SET version = 99");
  store = make();
  const auto facts = store->open(claimant);
  ASSERT_FALSE(facts.ok());
  EXPECT_EQ(facts.error().reason, "SchemaTooNew");
}

TEST_F(ManagedInstall, TwoAtOnceAreHarmless) {
  std::vector<std::thread> threads;
  std::atomic<int> ready{0};
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      const auto one = make();
      for (int tries = 0; tries < 20; ++tries) {
        // Both lead, for this once: the same epoch, as two connections of one operator have.
        if (!one->open(claimant)) continue;
        const auto report = one->tend(wish);
        if (report && *report && (*report)->status.not_ready_because.empty()) {
          ++ready;
          return;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ready, 2);
  EXPECT_EQ(
      value("SELECT count(*) FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE c.relnamespace = "
            "'app'::regnamespace"),
      "32");
}

// A restored database has the policies, and other numbers for its tables.
TEST_F(ManagedInstall, AfterARestoreItIsKnownWhoSwitchedSecurityOn) {
  open();
  tend();
  sql("UPDATE rls_operator.table_state SET relid = relid::bigint + 1000000");
  EXPECT_EQ(tend().status.protected_tables, 8);
  EXPECT_EQ(value("SELECT count(*) FROM pg_policy WHERE polrelid = 'app.nodes'::regclass"), "4");
  EXPECT_EQ(value("SELECT count(*) FROM rls_operator.table_state WHERE had_security OR had_force"), "0");
}

TEST_F(ManagedInstall, ATableThatIsRenamedStaysProtectedUnderItsNewName) {
  open();
  tend();
  sql("ALTER TABLE app.nodes RENAME TO vertices");
  const RuntimeReport report = tend();
  EXPECT_EQ(report.status.not_ready_because, "");
  EXPECT_EQ(value("SELECT name FROM rls_operator.table_state WHERE relid = 'app.vertices'::regclass"),
            "app.vertices");
}

}  // namespace
}  // namespace rls::postgres
