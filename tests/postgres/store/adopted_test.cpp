// What others have made: tables of R-A11 with slightly different columns.
#include <gmock/gmock.h>

#include "tests/postgres/store/fixture.hpp"

namespace rls::postgres {
namespace {

using testing::HasSubstr;

class Adopted : public StoreTest {
 protected:
  /// Moves sm to shadow and says how many rows the audit table has.
  std::string move_and_count(const std::string& audit = "public.rls_audit_log") {
    must_go("sm", Phase::pending, Phase::shadow);
    EXPECT_EQ(ledger_rows("sm"), 2);
    return value("SELECT count(*) FROM " + audit);
  }
  void violation() {
    sql("INSERT INTO rls_audit_log (project_id, table_name, operation, would_be_denied) VALUES ('sm', "
        "'nodes', 'UPDATE', "
        "true)");
  }
};

TEST_F(Adopted, OtherColumnNamesAndNoReason) {
  sql("ALTER TABLE rls_audit_log RENAME created_at TO logged_at; ALTER TABLE rls_audit_log RENAME user_name "
      "TO "
      "session_user_name; ALTER TABLE rls_audit_log DROP COLUMN reason; ALTER TABLE rls_migration_status "
      "DROP COLUMN "
      "updated_at");
  open();
  EXPECT_EQ(move_and_count(), "1");
  violation();
  EXPECT_EQ(see("sm").violations.count, 1);
  const auto report = store->violations(std::vector<std::string>{"sm"});
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report.value()[0].samples.at(0).reason, "");
  EXPECT_NE(report.value()[0].samples.at(0).user, "");
}

TEST_F(Adopted, TimestampsWithoutTimeZone) {
  sql("ALTER TABLE rls_audit_log ALTER created_at TYPE timestamp; ALTER TABLE rls_migration_status ALTER "
      "migrated_at "
      "TYPE timestamp, ALTER updated_at TYPE timestamp");
  sql("ALTER DATABASE " + value("SELECT current_database()") + " SET timezone = 'America/New_York'");
  open();
  EXPECT_EQ(move_and_count(), "1");
  pqxx::connection application(uri());  // with the database's time zone
  sql_on(application,
         "INSERT INTO rls_audit_log (project_id, table_name, operation, would_be_denied) VALUES ('sm', "
         "'nodes', 'UPDATE', true)");
  const auto seen = see("sm");
  EXPECT_EQ(seen.violations.count, 1);
  ASSERT_TRUE(seen.violations.last);
  EXPECT_LT(seen.now - *seen.violations.last, std::chrono::minutes(1));
}

// Who writes a time without time zone writes the wall clock of its session: nobody can tell which that was.
class WritersIn : public Adopted, public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    Adopted::SetUp();
    sql("ALTER TABLE rls_audit_log ALTER created_at TYPE timestamp");
    open();
    must_go("sm", Phase::pending, Phase::shadow);
  }
  /// Written in a session of that zone, so long ago: the moment as it truly was.
  Time violation(const std::string& ago) {
    pqxx::connection application(uri());
    pqxx::work work(application);
    work.exec("SELECT set_config('timezone', '" + std::string(GetParam()) + "', true)");
    const auto micros = work.exec(
        "INSERT INTO rls_audit_log (project_id, table_name, operation, would_be_denied, created_at) "
        "VALUES ('sm', 'nodes', 'UPDATE', true, now() - interval '" +
        ago + "') RETURNING (extract(epoch FROM created_at::timestamptz) * 1000000)::bigint");
    work.commit();
    return Time{std::chrono::microseconds{micros[0][0].as<std::int64_t>()}};
  }
};

TEST_P(WritersIn, R_A6_NoViolationIsOverlookedNorTakenForOlderThanItIs) {
  const Time happened = violation("0 s");
  const auto seen = see("sm");
  EXPECT_EQ(seen.violations.count, 1);
  ASSERT_TRUE(seen.violations.last);
  EXPECT_GE(*seen.violations.last, happened);
  EXPECT_LE(*seen.violations.last, seen.now);
  const auto report = store->violations(std::vector<std::string>{"sm"});
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report.value()[0].total, 1);
  EXPECT_EQ(report.value()[0].samples.size(), 1U);
  EXPECT_GE(report.value()[0].last_seen, happened);
}

TEST_P(WritersIn, ViolationsOfADayAndTwoHoursBeforeThePhaseAreNotCounted) {
  violation("26 hours 1 minute");
  EXPECT_EQ(see("sm").violations.count, 0);
}

std::string zone_name(const testing::TestParamInfo<const char*>& zone) {
  std::string out;
  for (const char c : std::string_view(zone.param)) {
    if (c == '+') out += "minus";  // the sign is the other way round in these names
    if (c == '-') out += "plus";
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) out += c;
  }
  return out;
}
INSTANTIATE_TEST_SUITE_P(Zones, WritersIn,
                         testing::Values("Pacific/Auckland", "America/Los_Angeles", "Asia/Kolkata",
                                         "Etc/GMT+12", "Etc/GMT-14"),
                         zone_name);

TEST_F(Adopted, PhaseAsText) {
  sql("DROP FUNCTION get_rls_mode() CASCADE; ALTER TABLE rls_migration_status ALTER migration_phase DROP "
      "DEFAULT, "
      "ALTER migration_phase TYPE text");
  open();
  EXPECT_EQ(move_and_count(), "1");
}

TEST_F(Adopted, PhaseThatIsNoneOfOurs) {
  sql("ALTER TYPE migration_phase_enum ADD VALUE 'paused'");
  sql("UPDATE rls_migration_status SET migration_phase = 'paused' WHERE project_id = 'sm'");
  open();
  const auto seen = see("sm");
  EXPECT_FALSE(seen.project_known);
  EXPECT_THAT(seen.project_message, HasSubstr("\"paused\""));
  EXPECT_EQ(store->count_by_phase().value().at("other"), 1);
}

TEST_F(Adopted, SchemaAndTypeWithOddNames) {
  sql(R"(CREATE SCHEMA "We""ird schema"; GRANT USAGE ON SCHEMA "We""ird schema" TO rls_operator_role;
         ALTER TABLE rls_migration_status SET SCHEMA "We""ird schema"; ALTER TABLE rls_audit_log SET SCHEMA "We""ird schema";
         ALTER TYPE migration_phase_enum SET SCHEMA "We""ird schema"; ALTER TYPE "We""ird schema".migration_phase_enum
         RENAME TO "ph ase")");
  store = make({}, "We\"ird schema");
  open();
  EXPECT_EQ(move_and_count(R"("We""ird schema".rls_audit_log)"), "1");
  EXPECT_TRUE(store->violations(std::vector<std::string>{"sm"}).ok());
  EXPECT_TRUE(store->count_by_phase().ok());
}

TEST_F(Adopted, ProjectIsANumber) {
  sql("CREATE SCHEMA numbers; GRANT USAGE ON SCHEMA numbers TO rls_operator_role;"
      "CREATE TABLE numbers.rls_migration_status (project_id int UNIQUE, rls_enabled boolean, "
      "migration_phase text, "
      "migrated_at timestamptz);"
      "CREATE TABLE numbers.rls_audit_log (project_id int, table_name name, operation varchar(20), \"user\" "
      "name, "
      "would_be_denied boolean, \"timestamp\" timestamptz);"
      "GRANT SELECT, UPDATE ON numbers.rls_migration_status TO rls_operator_role;"
      "GRANT SELECT, INSERT ON numbers.rls_audit_log TO rls_operator_role;"
      "INSERT INTO numbers.rls_migration_status VALUES (7, false, 'pending', NULL)");
  store = make({}, "numbers");
  open();
  must_go("7", Phase::pending, Phase::shadow);
  EXPECT_EQ(value("SELECT operation FROM numbers.rls_audit_log WHERE project_id = 7"), "PHASE_CHANGE");
  EXPECT_FALSE(see("seven").project_known);
}

TEST_F(Adopted, R_A7_MissingAuditTableIsReportedAndNothingElseStops) {
  sql("DROP TABLE rls_audit_log");
  open();
  must_go("sm", Phase::pending, Phase::shadow);
  const auto seen = see("sm");
  EXPECT_FALSE(seen.violations_known) << "unknown is not zero";
  EXPECT_THAT(seen.violations_message, HasSubstr("no table"));
  EXPECT_THAT(seen.violations_message, HasSubstr("rls_audit_log"));
  const auto report = store->violations(std::vector<std::string>{"sm"});
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().reason, "MissingTable");
  must_go("sm", Phase::shadow, Phase::pending);
}

TEST_F(Adopted, AuditTableThatGoesAwayLaterIsNoticed) {
  open();
  must_go("sm", Phase::pending, Phase::shadow);
  sql("DROP TABLE rls_audit_log");
  EXPECT_FALSE(store->observe(std::vector<ProjectQuery>{{"sm", Phase::shadow}}).ok());
  open();
  EXPECT_FALSE(see("sm").violations_known);
}

TEST_F(Adopted, AuditRowsHiddenFromUsAreUnknownNotZero) {
  sql("ALTER TABLE rls_audit_log ENABLE ROW LEVEL SECURITY");
  open();
  EXPECT_FALSE(see("sm").violations_known);
  EXPECT_THAT(see("sm").violations_message, HasSubstr("CREATE POLICY"));
  sql("CREATE POLICY rls_operator_reads ON public.rls_audit_log FOR SELECT TO rls_operator_role USING "
      "(true)");
  store = make();
  open();
  EXPECT_TRUE(see("sm").violations_known);
  EXPECT_EQ(move_and_count(), "0") << "no policy lets us insert: ledger only";
}

TEST_F(Adopted, AuditTableWeMayNotReadIsUnknown) {
  sql("REVOKE SELECT ON rls_audit_log FROM rls_operator_role");
  open();
  EXPECT_FALSE(see("sm").violations_known);
  EXPECT_THAT(see("sm").violations_message,
              HasSubstr("GRANT SELECT ON public.rls_audit_log TO rls_operator_role"));
}

class AuditRefuses : public Adopted, public testing::WithParamInterface<const char*> {};

TEST_P(AuditRefuses, ThenTheLedgerHasItAlone) {
  sql(GetParam());
  open();
  EXPECT_EQ(move_and_count(), "0");
  seam.restart();
  must_go("sm", Phase::shadow, Phase::pending);
  EXPECT_THAT(seam.names, testing::Not(testing::Contains("audit"))) << "not tried again on this connection";
}

INSTANTIATE_TEST_SUITE_P(
    Ways, AuditRefuses,
    testing::Values(
        "ALTER TABLE rls_audit_log ADD CHECK (operation IN ('INSERT', 'UPDATE', 'DELETE'))",
        "ALTER TABLE rls_audit_log ALTER operation TYPE varchar(10)",
        "ALTER TABLE rls_audit_log ADD COLUMN tenant_uuid uuid NOT NULL",
        "REVOKE INSERT ON rls_audit_log FROM rls_operator_role",
        "REVOKE USAGE ON SEQUENCE rls_audit_log_id_seq FROM rls_operator_role",
        "CREATE TYPE op AS ENUM ('INSERT', 'UPDATE', 'DELETE'); ALTER TABLE rls_audit_log ALTER operation "
        "TYPE op USING operation::op",
        "ALTER TABLE rls_audit_log DROP COLUMN operation",
        // What speaks at COMMIT only.
        "CREATE TABLE commands (name text PRIMARY KEY); GRANT SELECT ON commands TO PUBLIC; "
        "ALTER TABLE rls_audit_log ADD FOREIGN KEY (operation) REFERENCES commands DEFERRABLE INITIALLY "
        "DEFERRED",
        "CREATE FUNCTION no_moves() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not here'; END $$; "
        "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON rls_audit_log DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION no_moves()"));

TEST_F(Adopted, AuditRowIsCutToItsColumns) {
  sql("ALTER TABLE rls_audit_log ALTER user_name TYPE varchar(8), ALTER reason TYPE varchar(12)");
  open();
  EXPECT_EQ(move_and_count(), "1");
  EXPECT_EQ(value("SELECT user_name || '|' || reason FROM rls_audit_log"), "RlsMigra|pending → sh");
}

}  // namespace
}  // namespace rls::postgres
