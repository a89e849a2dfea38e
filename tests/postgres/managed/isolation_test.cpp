// Every command × access level × phase × context against a truth that is computed from the rows (R-A5, R-A9).

#include <gmock/gmock.h>

#include <iostream>
#include <map>
#include <set>

#include "tests/postgres/managed/fixture.hpp"

namespace rls::postgres {
namespace {

// a is isolated, b shared with c, c isolated, d super.
const std::vector<std::string> kProjects = {"a", "b", "c", "d"};
const std::map<std::string, std::set<std::string>> kReadable = {
    {"a", {"a"}}, {"b", {"b", "c"}}, {"c", {"c"}}, {"d", {"a", "b", "c", "d", ""}}};

struct Kind {
  std::string table, key;
  bool nullable;
};
const std::vector<Kind> kTables = {{"app.nodes", "id", false},  {"app.loose", "id", true},
                                   {"app.events", "id", false}, {"app.events_1", "id", false},
                                   {"app.things", "id", false}, {"app.special_things", "id", false}};

class ManagedIsolation : public ManagedTest {
 protected:
  /// By project ("" is none), how many rows there are.
  std::map<std::string, int> rows_by_project(const std::string& table) {
    std::map<std::string, int> out;
    for (const auto& row : sql("SELECT coalesce(project_id, ''), count(*) FROM " + table + " GROUP BY 1"))
      out[row[0].c_str()] = row[1].as<int>();
    return out;
  }
  int run_and_undo(pqxx::connection& connection, const std::string& context, const std::string& text) {
    pqxx::work work(connection);
    if (!context.empty()) work.exec_params("SELECT set_config('app.current_project', $1, true)", context);
    try {
      const pqxx::result result = work.exec(text);
      return static_cast<int>(result.columns() > 0 ? result[0][0].as<int>() : result.affected_rows());
    } catch (const pqxx::insufficient_privilege&) {
      return -1;
    }
  }
};

TEST_F(ManagedIsolation, EveryCommandLevelPhaseAndContextAgainstTheRows) {
  wish.projects = {{"a", {api::AccessSpec::Level::isolated, {}}},
                   {"b", {api::AccessSpec::Level::shared, {"c"}}},
                   {"c", {api::AccessSpec::Level::isolated, {}}},
                   {"d", {api::AccessSpec::Level::super, {}}}};
  open();
  tend();
  pqxx::connection application(uri("managed_app"));
  int cases = 0, wrong = 0;
  // The phases of a, b, c, d at each station: none, one, some and all of them beyond pending.
  std::map<std::string, Phase> phase;
  for (const std::string& project : kProjects) phase[project] = Phase::pending;
  const auto check = [&] {
    bool legacy = false;
    for (const auto& [project, at] : phase) legacy = legacy || at < Phase::enforcing;
    const bool open_form = value("SELECT min(form) FROM rls_operator.table_state") == "open";
    for (const Kind& kind : kTables) {
      const auto rows = rows_by_project(kind.table);
      int everything = 0;
      for (const auto& [owner, count] : rows) everything += count;
      for (const std::string context : {"", "a", "b", "c", "d", "bogus", "a'b"}) {
        const bool known = kReadable.contains(context);
        const bool open_to_all = known ? phase.at(context) < Phase::enforcing : context.empty() && legacy;
        // Where the policies are literally true, they are for contexts that nobody has, too.
        const bool everybody = open_to_all || open_form;
        int readable = 0, own = 0;
        for (const auto& [owner, count] : rows) {
          if (everybody || (known && kReadable.at(context).contains(owner))) readable += count;
          if (everybody || (known && owner == context && !owner.empty())) own += count;
        }
        const auto expect = [&](const std::string& text, int wanted) {
          ++cases;
          const int got = run_and_undo(application, context, text);
          if (got == wanted) return;
          ++wrong;
          ADD_FAILURE() << "context '" << context << "' phase "
                        << (known ? to_string(phase.at(context)) : std::string_view("-")) << ": " << text
                        << " gave " << got << ", the rows say " << wanted;
        };
        expect("SELECT count(*)::int FROM " + kind.table, readable);
        expect("SELECT count(*)::int FROM " + kind.table + " WHERE " + kind.key + " > 0", readable);
        expect("SELECT count(*)::int FROM " + kind.table + " WHERE project_id = 'c'",
               everybody || (known && kReadable.at(context).contains("c"))
                   ? (rows.contains("c") ? rows.at("c") : 0)
                   : 0);
        // What can be read but not written is skipped.
        expect("UPDATE " + kind.table + " SET " + kind.key + " = " + kind.key, own);
        expect("DELETE FROM " + kind.table, own);
        for (const std::string owner : {"a", "b"}) {
          const std::string columns =
              kind.table.find("events") != kind.table.npos ? "(id, project_id, at)" : "(id, project_id)";
          const std::string values = kind.table.find("events") != kind.table.npos
                                         ? "(900, '" + owner + "', 1)"
                                         : "(900, '" + owner + "')";
          expect("INSERT INTO " + kind.table + " " + columns + " VALUES " + values,
                 everybody || (known && owner == context) ? 1 : -1);
        }
        // Giving a row away.
        if (known && own > 0) {
          const std::string other = context == "a" ? "b" : "a";
          expect("UPDATE " + kind.table + " SET project_id = '" + other + "' WHERE project_id = '" + context +
                     "'",
                 everybody ? rows.at(context) : -1);
        }
      }
    }
  };
  check();
  const auto bring_and_check = [&](const std::string& project, Phase to) {
    must_go(project, phase[project], to);
    phase[project] = to;
    check();  // in whatever form the policies are now
    tend();
    check();
  };
  for (const std::string& project : kProjects) bring_and_check(project, Phase::shadow);
  for (const std::string& project : kProjects) bring_and_check(project, Phase::enforcing);
  for (const std::string& project : kProjects) bring_and_check(project, Phase::complete);
  bring_and_check("b", Phase::shadow);
  bring_and_check("b", Phase::pending);
  for (const std::string project : {"a", "c", "d"}) bring_and_check(project, Phase::pending);
  std::cout << "isolation, managed: " << cases << " cases, " << wrong << " wrong\n";
  EXPECT_GE(cases, 2000);
}

// A cached generic plan follows every change of the context.
TEST_F(ManagedIsolation, ACachedPlanNeverShowsAnotherProjectsRows) {
  open();
  tend();
  for (const std::string& project : kProjects) bring(project, Phase::enforcing);
  pqxx::connection application(uri("managed_app"));
  {
    pqxx::nontransaction work(application);
    work.exec(
        "SET plan_cache_mode = force_generic_plan; PREPARE mine AS SELECT string_agg(DISTINCT project_id, "
        "',') FROM "
        "app.nodes");
  }
  for (int round = 0; round < 3; ++round) {
    for (const std::string& project : kProjects) {
      pqxx::work work(application);
      work.exec_params("SELECT rls.set_project_context($1)", project);
      EXPECT_EQ(std::string(work.exec("EXECUTE mine")[0][0].c_str()), project);
    }
  }
}

// The same with a helper that somebody declared IMMUTABLE: it leaks, which is why there is none in ours.
TEST_F(ManagedIsolation, AnImmutableHelperWouldLeakThroughACachedPlan) {
  sql("CREATE FUNCTION app.context() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT "
      "current_setting('app.current_project', "
      "true) $$; ALTER TABLE app.nodes ENABLE ROW LEVEL SECURITY; CREATE POLICY theirs ON app.nodes USING "
      "(project_id = "
      "app.context())");
  pqxx::connection application(uri("managed_app"));
  {
    pqxx::nontransaction work(application);
    work.exec(
        "SET plan_cache_mode = force_generic_plan; PREPARE mine AS SELECT string_agg(DISTINCT project_id, "
        "',') FROM "
        "app.nodes");
  }
  std::string seen;
  for (const std::string project : {"a", "b"}) {
    pqxx::work work(application);
    work.exec_params("SELECT set_config('app.current_project', $1, true)", project);
    const pqxx::result result = work.exec("EXECUTE mine");
    seen += result[0][0].is_null() ? "-" : result[0][0].c_str();
  }
  EXPECT_EQ(seen, "aa");  // b was shown the rows of a
  open();
  tend();
  EXPECT_EQ(
      value("SELECT count(*) FROM pg_proc WHERE pronamespace = 'rls'::regnamespace AND provolatile = 'i'"),
      "0");
}

TEST_F(ManagedIsolation, AContextBoundToLoginsIsTheirsAlone) {
  open();
  tend();
  for (const std::string& project : kProjects) bring(project, Phase::enforcing);
  sql("UPDATE rls.project_registry SET logins = '{managed_other}' WHERE project_id = 'a'");
  EXPECT_EQ(rows_of("a", "SELECT * FROM app.nodes"), 0);
  EXPECT_EQ(rows_of("b", "SELECT * FROM app.nodes"), 10);
  pqxx::connection other(uri("managed_other"));
  pqxx::work work(other);
  EXPECT_EQ(std::string(work.exec("SELECT rls.set_project_context('a')")[0][0].c_str()), "t");
  EXPECT_EQ(work.exec("SELECT * FROM app.nodes").size(), 10U);
}

TEST_F(ManagedIsolation, AnApplicationCannotChangeWhatIsWrittenAboutIt) {
  open();
  tend();
  for (const char* text :
       {"UPDATE rls.rls_migration_status SET migration_phase = 'pending'",
        "UPDATE rls.effective_access SET reads_all = true", "INSERT INTO rls.project_registry VALUES ('x')",
        "SELECT * FROM rls.rls_audit_log", "SELECT * FROM rls_operator.runtime",
        "SELECT rls_operator.review('{}', 'fixed', '', '')", "SELECT rls_operator.drain()"}) {
    EXPECT_EQ(rows_of("a", text), -1) << text;
  }
  EXPECT_EQ(rows_of("a", "SELECT * FROM rls.effective_access"), 1);  // its own
}

// A uuid column: its index is used, and who is no uuid cannot be registered.
TEST_F(ManagedIsolation, TenantsMayBeUuidsOrNumbers) {
  sql("SET ROLE managed_owner; DROP TABLE app.nodes, app.loose, app.events, app.special_things, app.things, "
      "app.parts CASCADE; "
      "CREATE TABLE app.u (id int PRIMARY KEY, project_id uuid NOT NULL); CREATE INDEX ON app.u "
      "(project_id); "
      "INSERT INTO app.u SELECT i, ('00000000-0000-0000-0000-00000000000' || i % 4)::uuid FROM "
      "generate_series(1, 40) i; RESET ROLE");
  const std::string one = "00000000-0000-0000-0000-000000000001";
  open();
  EXPECT_EQ(tend().status.not_ready_because, "");
  wish.projects = {{"no-uuid", {api::AccessSpec::Level::isolated, {}}}};
  EXPECT_THAT(tend().status.not_ready_because,
              testing::HasSubstr("'no-uuid' cannot be a value of column project_id"));
  wish.projects.clear();
  bring(one, Phase::enforcing);
  EXPECT_EQ(rows_of(one, "SELECT * FROM app.u"), 10);
  EXPECT_EQ(rows_of(one, "INSERT INTO app.u VALUES (100, '" + one + "')"), 1);
  EXPECT_EQ(rows_of(one, "INSERT INTO app.u VALUES (101, '00000000-0000-0000-0000-000000000002')"), -1);
}

}  // namespace
}  // namespace rls::postgres
