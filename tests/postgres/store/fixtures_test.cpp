// Installations of strangers (tests/postgres/fixtures): each is adopted, a project walks up and down, and
// nothing is changed but phases and audit rows.
#include <gmock/gmock.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <set>

#include "tests/postgres/store/fixture.hpp"

namespace rls::postgres {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

/// What stands in a fixture's file, as far as the test must know it.
struct Stranger {
  const char* name;
  const char* schema;
  const char* project;      ///< the one that walks
  const char* data;         ///< the protected table, with three rows a project and a column `label`
  const char* tenant;       ///< its column
  int others;               ///< rows of the others in it
  bool violations_known;    ///< there is an audit table to count in
  int audit_rows;           ///< that we write for a walk of four moves
  const char* also_grows;   ///< the table that a trigger of theirs fills
  const char* without_row;  ///< a registered project without a status row
  bool row_can_be_made;
  const char* description;  ///< of what was adopted, before the first move

  friend std::ostream& operator<<(std::ostream& out, const Stranger& s) { return out << s.name; }
};

const Stranger kStrangers[] = {
    {"acme", "acme", "aaaaaaaa-0000-4000-8000-000000000001", "acme.invoices", "tenant", 6, true, 0, "", "",
     false,
     R"(status acme.rls_migration_status: changed=updated_at completed=migrated_at enforced=rls_enabled phase=migration_phase project=project_id
phase is enum acme.rollout
audit acme.rls_audit_log: denied=would_be_denied operation=operation project=project_id table=table_name time=logged_at user=session_user_name
evidence Complete, 1 of 1
)"},
    {"shop", "public", "O'Hara & \"Sons\"", "public.orders", "project", 9, true, 4, "public.phase_history",
     "new", true,
     R"(status public.rls_migration_status: changed=modified_at completed=completed_at enforced=enabled phase=phase project=project
phase is text
audit public.rls_audit_log: denied=denied operation=action project=project reason=message table=target_table time=occurred_at user=username
registry public.project_registry
evidence Incomplete, 0 of 1: nothing that is enabled records denials in public.rls_audit_log for public.orders: INSERT, UPDATE, DELETE
)"},
    {"legacy", "legacy", "t 3", "legacy.files", "tenant_id", 6, false, 0, "", "", false,
     R"(status legacy.rls_migration_status: completed=migrated_at enforced=rls_enabled phase=phase project=tenant_id
phase is domain legacy.stage over character varying
uncounted: there is no table legacy.rls_audit_log
unmirrored: there is no table legacy.rls_audit_log
evidence Incomplete, 0 of 1: there is no table legacy.rls_audit_log
)"},
    {"cached", "crm", "red", "crm.deals", "project_id", 6, true, 0, "", "", false,
     R"(status crm.rls_migration_status: changed=last_updated completed=migrated_at enforced=rls_enabled phase=migration_phase project=project_id
phase is enum crm.migration_phase_enum
audit crm.rls_audit_log: denied=would_deny operation=command project=tenant_id table=relation time=recorded_at user=db_user
unmirrored: column request_uuid of crm.rls_audit_log is NOT NULL without a default
evidence Incomplete, 0 of 1: nothing that is enabled records denials in crm.rls_audit_log for crm.deals: INSERT, UPDATE, DELETE
)"},
    {"numbers", "Numbers & Co", "-9", "\"Numbers & Co\".entries", "project_id", 6, true, 4, "", "10", false,
     R"(status "Numbers & Co".rls_migration_status: changed=updated_at completed=migrated_at enforced=rls_enabled phase=migration_phase project=project_id
phase is domain "Numbers & Co".phase_of_project over enum "Numbers & Co"."Phase"
audit "Numbers & Co".rls_audit_log: denied=would_be_denied operation=operation project=project_id reason=reason table=table_name time="timestamp" user="user"
registry "Numbers & Co".project_registry
no first row: role rls_operator_role has no INSERT on "Numbers & Co".rls_migration_status; run as a DBA: GRANT INSERT ON "Numbers & Co".rls_migration_status TO rls_operator_role;
evidence Incomplete, 0 of 1: nothing that is enabled records denials in "Numbers & Co".rls_audit_log for "Numbers & Co".entries: INSERT, UPDATE, DELETE
)"},
};

std::string output_of(const std::string& command) {
  std::string out;
  FILE* const pipe = ::popen(command.c_str(), "r");
  std::array<char, 4096> buffer{};
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe))
    out.append(buffer.data(), n);
  EXPECT_EQ(::pclose(pipe), 0) << "psql or pg_dump failed";
  return out;
}

class Strangers : public StoreTest, public testing::WithParamInterface<Stranger> {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    sample_ = value("SELECT current_database()");
    sql("CREATE DATABASE " + theirs());
    output_of("psql -X -v app_password=" + std::string(kAppPassword) + " -v operator_password=" +
              kOperatorPassword + " -f " RLS_SOURCE_DIR "/tests/postgres/fixtures/" + GetParam().name +
              ".sql '" + at_theirs(uri()) + "'");
    admin_ = std::make_unique<pqxx::connection>(at_theirs(uri()));
    store = make_adopted_database(*parse_connection_settings(at_theirs(operator_uri())), GetParam().schema,
                                  {}, seam);
  }
  void TearDown() override {
    store.reset();
    admin_.reset();
    sql("DROP DATABASE IF EXISTS " + theirs() + " WITH (FORCE)");
    StoreTest::TearDown();
  }

  [[nodiscard]] std::string theirs() const { return sample_ + "_theirs"; }
  [[nodiscard]] std::string at_theirs(std::string uri) const {
    return uri.replace(uri.rfind(sample_), sample_.size(), theirs());
  }
  std::string theirs_value(const std::string& text) {
    const pqxx::result result = sql_on(*admin_, text);
    return result.empty() ? "" : result[0][0].c_str();
  }
  /// As the application, in the context of the project: how many rows the statement gives or changes.
  std::size_t as_tenant(const std::string& text) {
    pqxx::connection connection(at_theirs(uri("app_user", kAppPassword)));
    pqxx::work work(connection);
    work.exec("SELECT " + connection.quote_name(GetParam().schema) + ".set_project_context(" +
              work.quote(std::string(GetParam().project)) + ")");
    const pqxx::result result = work.exec(text);
    work.commit();
    return result.columns() == 0 ? result.affected_rows() : result.size();
  }
  [[nodiscard]] std::string foreign(const std::string& begin) const {
    const Stranger& s = GetParam();
    return begin + " WHERE " + s.tenant + "::text <> $$" + s.project + "$$";
  }

  std::string reach(const std::string& context);
  /// The definitions of all that is theirs.
  std::string definitions() {
    // By the catalogue, not pg_dump: that of one version refuses a server of a newer one.
    const pqxx::result lines = sql_on(*admin_, R"(
      WITH n AS (SELECT oid, nspname, nspacl, nspowner FROM pg_namespace
                 WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'rls_operator') AND nspname !~ '^pg_temp'),
           c AS (SELECT c.* FROM pg_class c JOIN n ON n.oid = c.relnamespace)
      SELECT concat_ws(' ', 'schema', nspname, nspowner, nspacl) AS line FROM n
      UNION ALL SELECT concat_ws(' ', oid::regclass, relkind, relowner, relacl, relrowsecurity, relforcerowsecurity, reloptions)
                FROM c
      UNION ALL SELECT concat_ws(' ', c.oid::regclass, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attacl,
                                 pg_get_expr(d.adbin, d.adrelid))
                FROM c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
                LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
      UNION ALL SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid))
                FROM pg_constraint WHERE connamespace IN (SELECT oid FROM n)
      UNION ALL SELECT pg_get_triggerdef(t.oid) || t.tgenabled::text FROM pg_trigger t JOIN c ON c.oid = t.tgrelid
      UNION ALL SELECT concat_ws(' ', polrelid::regclass, polname, polcmd, polpermissive, polroles,
                                 pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) FROM pg_policy
      UNION ALL SELECT pg_get_functiondef(p.oid) || coalesce(p.proacl::text, '') || p.proowner
                FROM pg_proc p JOIN n ON n.oid = p.pronamespace WHERE p.prokind IN ('f', 'p')
      UNION ALL SELECT pg_get_viewdef(c.oid) FROM c WHERE c.relkind IN ('v', 'm')
      UNION ALL SELECT pg_get_indexdef(c.oid) FROM c WHERE c.relkind = 'i'
      UNION ALL SELECT concat_ws(' ', t.typname, t.typtype, t.typnotnull, t.typdefault,
                                 (SELECT string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder) FROM pg_enum e
                                  WHERE e.enumtypid = t.oid)) FROM pg_type t JOIN n ON n.oid = t.typnamespace
      ORDER BY line)");
    std::string out;
    for (const auto& line : lines) out += std::string(line[0].c_str()) + "\n";
    return out;
  }
  /// All rows of all of their tables, each as "table row".
  std::multiset<std::string> rows() {
    std::multiset<std::string> out;
    const pqxx::result tables = sql_on(*admin_,
                                       "SELECT quote_ident(nspname) || '.' || quote_ident(relname) FROM "
                                       "pg_class c JOIN pg_namespace n ON n.oid = "
                                       "relnamespace WHERE relkind = 'r' AND nspname NOT IN ('pg_catalog', "
                                       "'information_schema', 'rls_operator')");
    for (const auto& table : tables) {
      const std::string name = table[0].c_str();
      // The times that their triggers and we keep are not compared.
      for (const auto& row :
           sql_on(*admin_,
                  "SELECT (to_jsonb(t) - '{updated_at,modified_at,last_updated}'::text[])::text "
                  "FROM " +
                      name + " t")) {
        out.insert(name + " " + row[0].c_str());
      }
    }
    return out;
  }

  std::string sample_;
  std::unique_ptr<pqxx::connection> admin_;
};

TEST_P(Strangers, R_A11_WalkUpAndDownAndAreLeftAsTheyWere) {
  const Stranger& s = GetParam();
  const std::string definitions_before = definitions();
  const auto rows_before = rows();
  open();
  const auto first = see(s.project, Phase::shadow);
  ASSERT_TRUE(first.project_known) << first.project_message;
  EXPECT_EQ(first.phase, Phase::pending);
  EXPECT_EQ(first.violations_known, s.violations_known) << first.violations_message;
  EXPECT_EQ(first.violations.count, 0);
  EXPECT_EQ(store->violations(std::vector<std::string>{s.project}).ok(), s.violations_known);

  const std::size_t all = static_cast<std::size_t>(3 + s.others);
  const std::string select = "SELECT FROM " + std::string(s.data),
                    update = "UPDATE " + std::string(s.data) + " SET label = label";
  EXPECT_EQ(as_tenant(select), all) << "legacy behaviour";
  must_go(s.project, Phase::pending, Phase::shadow);
  EXPECT_EQ(as_tenant(select), all) << "shadow blocks nothing (R-A5)";
  must_go(s.project, Phase::shadow, Phase::enforcing);
  EXPECT_EQ(as_tenant(select), 3U) << "enforcing: its own (R-A5)";
  EXPECT_EQ(as_tenant(foreign(update)), 0U);
  EXPECT_EQ(as_tenant(update), 3U);
  EXPECT_THROW(
      as_tenant("INSERT INTO " + std::string(s.data) + " (" + s.tenant + ", label) SELECT " + s.tenant +
                ", 'x' FROM (SELECT " +
                theirs_value("SELECT quote_literal(" + std::string(s.tenant) + "::text) FROM " +
                             foreign(std::string(s.data)) + " LIMIT 1") +
                "::" +
                theirs_value("SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = '" +
                             std::string(s.data) + "'::regclass AND attname = '" + s.tenant + "'") +
                " AS " + s.tenant + ") AS other"),
      pqxx::sql_error);
  must_go(s.project, Phase::enforcing, Phase::complete);
  EXPECT_EQ(store->count_by_phase().value().at("complete"), 1);
  must_go(s.project, Phase::complete, Phase::pending);
  EXPECT_EQ(as_tenant(select), all) << "legacy behaviour is back (R-A4)";

  EXPECT_EQ(definitions(), definitions_before);
  auto added = rows();
  std::multiset<std::string> lost;
  for (const std::string& row : rows_before) {
    const auto found = added.find(row);
    found == added.end() ? static_cast<void>(lost.insert(row)) : static_cast<void>(added.erase(found));
  }
  EXPECT_THAT(lost, IsEmpty());
  int audit_rows = 0;
  for (const std::string& row : added) {
    if (row.find("\"PHASE_CHANGE\"") != std::string::npos) {
      ++audit_rows;
    } else {
      EXPECT_TRUE(*s.also_grows != '\0' && row.starts_with(s.also_grows)) << row;
    }
  }
  EXPECT_EQ(audit_rows, s.audit_rows);
  EXPECT_EQ(store->describe().value().unmirrored_because.empty(), s.audit_rows > 0)
      << "what the table refused when it was tried is known now";
  EXPECT_EQ(theirs_value("SELECT count(*) FROM rls_operator.transition WHERE kind = 'moved'"), "4");
}

/// A line a part, as the status holds it.
std::string text_of(const api::AdoptedStatus& adopted) {
  std::string out;
  const auto table = [&](std::string_view what, const api::AdoptedTable& found) {
    out += std::string(what) + " " + found.name + ":";
    for (const auto& [meaning, column] : found.columns) out += " " + meaning + "=" + column;
    out += "\n";
  };
  table("status", adopted.status_table);
  out += "phase is " + adopted.phase_type + "\n";
  if (adopted.audit_table) table("audit", *adopted.audit_table);
  if (!adopted.registry_table.empty()) out += "registry " + adopted.registry_table + "\n";
  if (!adopted.uncounted_because.empty()) out += "uncounted: " + adopted.uncounted_because + "\n";
  if (!adopted.unmirrored_because.empty()) out += "unmirrored: " + adopted.unmirrored_because + "\n";
  if (!adopted.no_first_row_because.empty()) out += "no first row: " + adopted.no_first_row_because + "\n";
  return out + "evidence " + adopted.evidence.state + ", " + std::to_string(adopted.evidence.recorded) +
         " of " + std::to_string(adopted.evidence.tables) + (adopted.evidence.reads ? ", reads" : "") +
         (adopted.evidence.message.empty() ? "" : ": ") + adopted.evidence.message + "\n";
}

/// What a transaction of the application in that context (none: unset) may do to the rows of the project, and
/// to those of others: "read own/foreign, update …": numbers of rows, ! where refused.
std::string Strangers::reach(const std::string& context) {
  const Stranger& s = GetParam();
  const auto count = [&](const std::string& begin, bool own, bool rows_returned) {
    pqxx::connection connection(at_theirs(uri("app_user", kAppPassword)));
    pqxx::work work(connection);
    try {
      if (!context.empty())
        work.exec("SELECT " + connection.quote_name(s.schema) + ".set_project_context(" +
                  work.quote(context) + ")");
      const pqxx::result result = work.exec(begin + " WHERE " + s.tenant + "::text " + (own ? "=" : "<>") +
                                            " " + work.quote(std::string(s.project)));
      return std::to_string(rows_returned ? result.size() : result.affected_rows());
    } catch (const pqxx::sql_error&) {
      return std::string("!");
    }
  };
  std::string out;
  const std::string data = s.data;
  const std::pair<std::string, std::string> commands[] = {
      {"read", "SELECT 1 FROM " + data},
      {"update", "UPDATE " + data + " SET label = label"},
      {"delete", "DELETE FROM " + data},
  };
  for (const auto& [name, begin] : commands) {
    out += (out.empty() ? "" : ", ") + name + " " + count(begin, true, name == "read") + "/" +
           count(begin, false, name == "read");
  }
  return out;
}

// Isolation as their own policies give it, in each phase. All of them leak in one way: a session that sets no
// context reads and changes everything, whatever the phases are; no policy of theirs asks for one. The
// posture probe with an unset context is there to find that (design 3-database, Posture checks).
TEST_P(Strangers, R_A5_IsolationInEachPhaseAgainstTheRows) {
  const Stranger& s = GetParam();
  open();
  const std::string others = std::to_string(s.others);
  const std::string everything = "read 3/" + others + ", update 3/" + others + ", delete 3/" + others;
  const std::string own = "read 3/0, update 3/0, delete 3/0";
  Phase at = Phase::pending;
  for (const Phase phase : kPhases) {
    if (phase != at) must_go(s.project, at, phase);
    at = phase;
    EXPECT_EQ(reach(s.project), phase < Phase::enforcing ? everything : own) << to_string(phase);
    EXPECT_EQ(reach(""), everything) << to_string(phase);
  }
}

TEST_P(Strangers, AreDescribed) {
  open();
  const auto described = store->describe();
  ASSERT_TRUE(described.ok()) << described.error().message;
  EXPECT_EQ(text_of(described.value()), GetParam().description);
  EXPECT_EQ(store->describe().value(), described.value()) << "nothing in it changes by itself";
}

class StrangersWithARegistry : public Strangers {};

TEST_P(StrangersWithARegistry, RegisteredProjectWithoutARow) {
  const Stranger& s = GetParam();
  open();
  EXPECT_EQ(see(s.without_row).phase, Phase::pending);
  const auto result = go(s.without_row, Phase::pending, Phase::shadow);
  ASSERT_TRUE(result.ok()) << result.error().message;
  if (s.row_can_be_made) {
    EXPECT_EQ(result.value().outcome, MoveOutcome::moved);
  } else {
    ASSERT_EQ(result.value().outcome, MoveOutcome::failed);
    EXPECT_THAT(result.value().error->message,
                HasSubstr("GRANT INSERT ON \"Numbers & Co\".rls_migration_status"));
  }
  must_go(s.project, Phase::pending, Phase::shadow);
}

std::string name_of(const testing::TestParamInfo<Stranger>& one) { return one.param.name; }

std::vector<Stranger> with_a_registry() {
  std::vector<Stranger> out;
  for (const Stranger& s : kStrangers) {
    if (*s.without_row != '\0') out.push_back(s);
  }
  return out;
}

INSTANTIATE_TEST_SUITE_P(Fixtures, Strangers, testing::ValuesIn(kStrangers), name_of);
INSTANTIATE_TEST_SUITE_P(Fixtures, StrangersWithARegistry, testing::ValuesIn(with_a_registry()), name_of);

}  // namespace
}  // namespace rls::postgres
