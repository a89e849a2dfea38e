#include <algorithm>
#include <sstream>

#include "tests/faults/kill/rehearsals.hpp"

namespace rls::test {
namespace {

using nlohmann::json;

class ProjectsRehearsal final : public Rehearsal {
 public:
  ProjectsRehearsal(Plan plan, bool managed) : Rehearsal(std::move(plan)), managed_(managed) {}

 private:
  void play() override {
    if (managed_) {
      create_managed_database();
    } else {
      world_.create_database();
    }
    add("sm", "shadow");
    add("ab", "enforcing");
    start(Where::first_start);
    settle("the first start", {{"sm", "shadow"}, {"ab", "enforcing"}});
    stop();

    ask("ab", "pending");
    add("aa", "enforcing");
    world_.sql("SELECT rls_operator.hold('sm', 'pending', 'a DBA says so')");
    start(Where::restart);
    settle("the restart", {{"sm", "pending"}, {"ab", "pending"}, {"aa", "enforcing"}});
    world_.sql("SELECT rls_operator.release('sm')");
    settle("the release", {{"sm", "shadow"}, {"ab", "pending"}, {"aa", "enforcing"}});
    stop();
    check_database();
  }

  std::string look() override { return foreign_rows_of("ab") + foreign_rows_of("aa"); }

  /// An application of its own in the same database, whose tables the operator protects; its names come
  /// before the sample's.
  void create_managed_database() {
    world_.sql(
        "DO $$ BEGIN CREATE ROLE e2e_managed_owner; EXCEPTION WHEN duplicate_object OR unique_violation THEN "
        "NULL; END $$");
    world_.sql(
        "SELECT pg_advisory_lock(hashtext('managed owner')); DO $$ BEGIN IF NOT "
        "pg_has_role('rls_operator_role', "
        "'e2e_managed_owner', 'MEMBER') THEN GRANT e2e_managed_owner TO rls_operator_role; END IF; END $$");
    world_.sql(
        "CREATE SCHEMA shop AUTHORIZATION e2e_managed_owner; SET ROLE e2e_managed_owner; CREATE TABLE "
        "shop.nodes (id int "
        "PRIMARY KEY, project_id text NOT NULL); CREATE INDEX ON shop.nodes (project_id); INSERT INTO "
        "shop.nodes SELECT i, "
        "(ARRAY['sm', 'ab', 'aa'])[1 + i % 3] FROM generate_series(1, 30) i; CREATE TABLE shop.parts "
        "(project_id text NOT NULL); "
        "GRANT USAGE ON SCHEMA shop TO app_user; GRANT SELECT ON shop.nodes, shop.parts TO app_user; RESET "
        "ROLE; ALTER DATABASE \"" +
        world_.database() + "\" SET search_path = rls, shop, public");
    world_.create_secret(world_.operator_uri());
    const Output applied = world_.apply(
        "apiVersion: rls-operator.dev/v1alpha1\nkind: RlsDatabase\nmetadata: {name: main}\nspec:\n"
        "  connection: {secretRef: {name: main-db}}\n  runtime: {mode: Managed}\n  tables: [{name: "
        "shop.*}]\n");
    if (!applied.ok()) throw std::runtime_error(applied.out);
  }

  void add(const std::string& name, const std::string& phase) {
    // The probe reads others' rows, and is noted.
    json gates = {{"shadowSoak", "0s"}, {"enforcingSoak", "0s"}};
    if (managed_) gates.update(json{{"maxViolations", 1000000}, {"minTransactions", 0}, {"review", "None"}});
    const json object = {
        {"apiVersion", "rls-operator.dev/v1alpha1"},
        {"kind", "RlsMigration"},
        {"metadata", {{"name", name}}},
        {"spec",
         {{"databaseRef", {{"name", "main"}}}, {"project", name}, {"phase", phase}, {"gates", gates}}}};
    const Output made = world_.api("POST", world_.path_of("rlsmigrations"), object.dump());
    if (!made.ok()) throw std::runtime_error(made.out);
  }

  void ask(const std::string& name, const std::string& phase) {
    const Output asked = world_.api("PATCH", world_.path_of("rlsmigrations/" + name),
                                    json{{"spec", {{"phase", phase}}}}.dump());
    if (!asked.ok()) throw std::runtime_error(asked.out);
  }

  /// Until database and statuses are there and hold.
  void settle(const std::string& stage, const Phases& wanted) {
    reach(stage, [&] { return settled(wanted); });
  }

  bool settled(const Phases& wanted) {
    bool all = true;
    Phases told;
    const json list = items("rlsmigrations");
    for (const json& item : list) {
      const std::string name = item["metadata"]["name"];
      const json status = item.value("status", json::object());
      if (status.contains("phase")) told[name] = status["phase"];
      all = all && status.value("observedGeneration", -1) == item["metadata"]["generation"] &&
            status.value("phase", "") == wanted.at(name) && condition(status, "Reconciling").empty() &&
            condition(status, "Stalled").empty();
    }
    // Read after the statuses: what they claim must have been true by then.
    for (const auto& [name, phase] : told) {
      const auto known = ledgered(name);
      if (std::find(known.begin(), known.end(), phase) == known.end())
        note("the status of " + name + " says " + phase + ", which the database never was");
    }
    const Phases found = phases();
    for (const auto& [name, phase] : wanted) all = all && found.contains(name) && found.at(name) == phase;
    return all && list.size() == wanted.size();
  }

  std::vector<std::string> ledgered(const std::string& project) {
    std::istringstream lines(world_.sql("SELECT to_phase FROM rls_operator.transition WHERE project_id = '" +
                                        project + "' ORDER BY ordinal"));
    std::vector<std::string> phases;
    for (std::string line; std::getline(lines, line);) phases.push_back(line);
    return phases;
  }

  void check_database() {
    const Phases moves = {{"sm", "pending>shadow shadow>pending pending>shadow"},
                          {"ab", "pending>shadow shadow>enforcing enforcing>pending"},
                          {"aa", "pending>shadow shadow>enforcing"}};
    for (const auto& [project, expected] : moves) {
      if (const std::string wrong = wrong_in_ledger(project, expected); !wrong.empty()) note(wrong);
    }
    const std::string state = world_.sql(
        "SELECT string_agg(project_id || ' ' || rls_enabled || ' ' || (migrated_at IS NULL), ', ' ORDER BY "
        "project_id) FROM rls_migration_status WHERE project_id IN ('sm', 'ab', 'aa')");
    if (state != "aa true true, ab false true, sm false true") note("the status table: " + state);
  }

  const bool managed_;
};

}  // namespace

std::unique_ptr<Rehearsal> projects_rehearsal(Plan plan, bool managed) {
  return std::make_unique<ProjectsRehearsal>(std::move(plan), managed);
}

}  // namespace rls::test
