// Gate Evidence: is what enforcing would deny recorded; and when did the policies change.

#include <gmock/gmock.h>

#include "tests/postgres/store/fixture.hpp"

namespace rls::postgres {
namespace {

using testing::HasSubstr;
using State = decide::Evidence::State;

class EvidenceOf : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    open();
  }
  decide::Evidence evidence() { return see("sm").evidence; }
  void expect_gap(const std::string& said) {
    const decide::Evidence seen = evidence();
    EXPECT_EQ(seen.state, State::incomplete);
    EXPECT_THAT(seen.why, HasSubstr(said));
  }
};

TEST_F(EvidenceOf, TheSampleRecordsWritesOnEveryTableAndNoReads) {
  const decide::Evidence seen = evidence();
  EXPECT_EQ(seen.state, State::complete) << seen.why;
  EXPECT_FALSE(seen.reads);
}

TEST_F(EvidenceOf, ADisabledTriggerIsAGap) {
  const std::string trigger = value(
      "SELECT quote_ident(tgname) FROM pg_trigger WHERE tgrelid = 'documents'::regclass AND NOT tgisinternal "
      "LIMIT 1");
  sql("ALTER TABLE documents DISABLE TRIGGER " + trigger);
  expect_gap("public.documents");
  sql("ALTER TABLE documents ENABLE TRIGGER " + trigger);
  EXPECT_EQ(evidence().state, State::complete);
}

TEST_F(EvidenceOf, ANewTableWithPoliciesAndNoRecordingIsAGap) {
  sql("CREATE TABLE notes (id int, project_id varchar(50)); ALTER TABLE notes ENABLE ROW LEVEL SECURITY; "
      "CREATE POLICY all_of_it ON notes USING (true)");
  expect_gap("public.notes: INSERT, UPDATE, DELETE");
}

TEST_F(EvidenceOf, ATriggerThatOnlySeesSomeCommandsIsAGap) {
  sql("CREATE TABLE notes (id int, project_id varchar(50)); CREATE POLICY all_of_it ON notes USING (true); "
      "CREATE FUNCTION record_note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO "
      "public.rls_audit_log "
      "(project_id, table_name, operation, would_be_denied) VALUES ('sm', 'notes', TG_OP, true); RETURN "
      "NULL; END $$; "
      "CREATE TRIGGER record AFTER INSERT OR UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION record_note()");
  expect_gap("public.notes: DELETE");
  sql("CREATE TRIGGER record_deletes AFTER DELETE ON notes FOR EACH ROW EXECUTE FUNCTION record_note()");
  EXPECT_EQ(evidence().state, State::complete);
}

TEST_F(EvidenceOf, ATriggerThatReadsTheAuditTableRecordsNothing) {
  sql("CREATE TABLE notes (id int, project_id varchar(50)); CREATE POLICY all_of_it ON notes USING (true); "
      "CREATE FUNCTION count_notes() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM count(*) FROM "
      "rls_audit_log; "
      "RETURN NULL; END $$; "
      "CREATE TRIGGER count AFTER INSERT OR UPDATE OR DELETE ON notes FOR EACH ROW EXECUTE FUNCTION "
      "count_notes()");
  expect_gap("public.notes");
}

TEST_F(EvidenceOf, RecordingThroughAnotherFunctionCounts) {
  sql("CREATE TABLE notes (id int, project_id varchar(50)); CREATE POLICY all_of_it ON notes USING (true); "
      "CREATE FUNCTION write_down(what text) RETURNS void LANGUAGE sql AS $$ INSERT INTO rls_audit_log "
      "(project_id, "
      "table_name, operation, would_be_denied) VALUES ('sm', 'notes', what, true) $$; "
      "CREATE FUNCTION record_note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM write_down(TG_OP); "
      "RETURN "
      "NULL; END $$; "
      "CREATE TRIGGER record AFTER INSERT OR UPDATE OR DELETE ON notes FOR EACH ROW EXECUTE FUNCTION "
      "record_note()");
  EXPECT_EQ(evidence().state, State::complete) << evidence().why;
}

TEST_F(EvidenceOf, APolicyThatRecordsSeesReads) {
  sql("CREATE FUNCTION saw(what text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN INSERT INTO rls_audit_log "
      "(project_id, table_name, operation, would_be_denied) VALUES ('sm', what, 'SELECT', true); RETURN "
      "true; END $$");
  for (const char* table : {"nodes", "edges", "documents"}) {
    sql(std::string("CREATE POLICY records_reads ON ") + table + " FOR SELECT USING (saw('" + table + "'))");
  }
  EXPECT_TRUE(evidence().reads);
}

TEST_F(EvidenceOf, WithoutAnAuditTableNothingIsKnown) {
  sql("DROP TABLE rls_audit_log CASCADE");
  store = make();
  open();
  const auto seen = see("sm");
  EXPECT_NE(seen.evidence.state, State::complete);
  EXPECT_FALSE(seen.violations_known);
}

TEST_F(EvidenceOf, WithoutPoliciesNothingWouldBeEnforced) {
  sql("DO $$ DECLARE p record; BEGIN FOR p IN SELECT polname, polrelid::regclass AS t FROM pg_policy LOOP "
      "EXECUTE format('DROP POLICY %I ON %s', p.polname, p.t); END LOOP; END $$");
  expect_gap("no table has policies");
}

// A cached plan with an IMMUTABLE helper goes on with the old phase after a promotion: see design 3-database.
TEST_F(EvidenceOf, AnImmutableHelperOfAPolicyIsRefused) {
  sql("CREATE FUNCTION frozen_mode() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT "
      "current_setting('app.mode', true) "
      "$$; CREATE POLICY frozen ON nodes AS RESTRICTIVE FOR SELECT USING (frozen_mode() IS NULL OR true OR "
      "frozen_mode() = 'x')");
  sql("ALTER POLICY frozen ON nodes USING (coalesce(frozen_mode(), '') <> 'never')");
  expect_gap("public.frozen_mode is IMMUTABLE");
}

TEST_F(EvidenceOf, PoliciesAsFirstSeenAreNoChange) {
  EXPECT_EQ(see("sm").policies_changed_at, std::nullopt);
  EXPECT_EQ(see("sm").policies_changed_at, std::nullopt);
}

TEST_F(EvidenceOf, R_A6_AChangedPolicyRestartsTheSoak) {
  const auto before = see("sm");
  sql("ALTER POLICY " +
      value("SELECT quote_ident(polname) FROM pg_policy WHERE polrelid = 'nodes'::regclass AND polcmd = 'r' "
            "LIMIT 1") +
      " ON nodes USING (true)");
  const auto after = see("sm");
  ASSERT_TRUE(after.policies_changed_at);
  EXPECT_GE(*after.policies_changed_at, before.now);
  const Time noticed = database_time();
  const auto later = see("sm");
  ASSERT_TRUE(later.policies_changed_at);
  EXPECT_GE(*later.policies_changed_at, before.now);
  EXPECT_LE(*later.policies_changed_at, noticed) << "it is remembered";
  store = make();
  open();
  EXPECT_EQ(see("sm").policies_changed_at, later.policies_changed_at) << "also across a restart";
}

// The audit table is somebody else's: retention, TRUNCATE or a rotation there must not promote anybody.
TEST_F(EvidenceOf, R_A6_ViolationsThatWereSeenCountOnWhenTheirRowsAreGone) {
  must_go("motoko", Phase::pending, Phase::shadow);
  as_application("motoko", "UPDATE nodes SET project_id = project_id WHERE project_id = 'sm'");
  const auto seen = see("motoko");
  ASSERT_GT(seen.violations.count, 0);
  sql("TRUNCATE rls_audit_log");
  const auto later = see("motoko");
  EXPECT_EQ(later.violations, seen.violations);
  store = make();
  open();
  EXPECT_EQ(see("motoko").violations, seen.violations) << "also across a restart";
  must_go("motoko", Phase::shadow, Phase::pending);
  must_go("motoko", Phase::pending, Phase::shadow);
  EXPECT_EQ(see("motoko").violations.count, 0) << "down and up again clears them";
}

TEST_F(EvidenceOf, AChangedHelperOfAPolicyRestartsTheSoak) {
  see("sm");
  sql("ALTER FUNCTION get_allowed_projects() VOLATILE");
  EXPECT_TRUE(see("sm").policies_changed_at);
}

TEST_F(EvidenceOf, AGapThatIsMendedRestartsTheSoak) {
  see("sm");
  sql("ALTER TABLE documents DISABLE TRIGGER ALL");
  const auto gap = see("sm");
  ASSERT_TRUE(gap.policies_changed_at);
  EXPECT_EQ(*gap.policies_changed_at, gap.now) << "while it lasts nothing is clean";
  sql("ALTER TABLE documents ENABLE TRIGGER ALL");
  const auto mended = see("sm");
  EXPECT_EQ(mended.evidence.state, State::complete);
  EXPECT_GE(*mended.policies_changed_at, gap.now);
}

TEST_F(EvidenceOf, AGapThatNobodySawRestartsTheSoak) {
  const auto before = see("sm");
  sql("ALTER TABLE documents DISABLE TRIGGER ALL");
  sql("ALTER TABLE documents ENABLE TRIGGER ALL");
  const auto after = see("sm");
  ASSERT_TRUE(after.policies_changed_at);
  EXPECT_GE(*after.policies_changed_at, before.now);
}

TEST_F(EvidenceOf, ATriggerWithAConditionOrACommentRecordsNothing) {
  sql("CREATE TABLE notes (id int, project_id varchar(50)); CREATE POLICY all_of_it ON notes USING (true); "
      "CREATE FUNCTION says_so() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN -- INSERT INTO rls_audit_log\n"
      "\nRETURN NULL; END $$; "
      "CREATE TRIGGER says AFTER INSERT OR UPDATE OR DELETE ON notes FOR EACH ROW EXECUTE FUNCTION "
      "says_so()");
  expect_gap("public.notes");
  sql("DROP TRIGGER says ON notes; CREATE TRIGGER says AFTER INSERT OR UPDATE OR DELETE ON notes FOR EACH "
      "ROW WHEN "
      "(false) EXECUTE FUNCTION note_denied_write()");
  expect_gap("public.notes");
}

TEST_F(EvidenceOf, RowLevelSecuritySwitchedOffIsAChange) {
  see("sm");
  sql("ALTER TABLE nodes DISABLE ROW LEVEL SECURITY");
  EXPECT_TRUE(see("sm").policies_changed_at);
}

}  // namespace
}  // namespace rls::postgres
