#include <algorithm>
#include <mutex>
#include <set>

#include "tests/faults/kill/rehearsals.hpp"

namespace rls::test {
namespace {

using nlohmann::json;

constexpr const char* kPassword = "checks-canary-4Fw";

/// Databases share roles: made once.
void make_role_for_checks(World& world) {
  static std::once_flag once;
  std::call_once(once, [&] {
    world.sql(std::string("DO $$ BEGIN CREATE ROLE e2e_checks LOGIN NOSUPERUSER NOBYPASSRLS; EXCEPTION WHEN "
                          "duplicate_object THEN NULL; END $$; ALTER ROLE e2e_checks PASSWORD '") +
              kPassword + "'");
  });
}

/// What is wrong at this moment, a line each. One statement, so one snapshot.
constexpr const char* kLook = R"(
WITH project AS (
  SELECT s.project_id AS name, s.migration_phase AS phase, s.rls_enabled, h.phase AS held, h.by, l.to_phase,
         l.reason LIKE 'check "errors" failed: %' AS taken_back,
         EXISTS (SELECT FROM rls_operator.resumed r WHERE r.project_id = s.project_id) AS resumed,
         (SELECT count(*) FROM rls_operator.transition t WHERE t.project_id = s.project_id AND t.kind = 'moved') AS moves,
         (SELECT count(*) FROM rls_audit_log a WHERE a.project_id = s.project_id AND a.operation = 'PHASE_CHANGE') AS audited
  FROM rls_migration_status s
  LEFT JOIN rls_operator.hold h ON h.project_id = s.project_id
  LEFT JOIN LATERAL (SELECT t.to_phase, t.reason FROM rls_operator.transition t WHERE t.project_id = s.project_id
                     ORDER BY t.ordinal DESC LIMIT 1) l ON true
  WHERE s.project_id IN ('ab', 'aa', 'sm')
), wrong AS (
  SELECT name || ' is ' || phase || ', the ledger says ' || to_phase AS what FROM project WHERE phase::text <> to_phase
  UNION ALL SELECT name || ' has ' || moves || ' moves and ' || audited || ' audit rows' FROM project WHERE moves <> audited
  UNION ALL SELECT name || ' is ' || phase || ', rls_enabled ' || rls_enabled FROM project
            WHERE rls_enabled <> (phase IN ('enforcing', 'complete'))
  UNION ALL SELECT low.name || ' is ' || low.phase || ' without a hold, ' || high.name || ' is ' || high.phase
            FROM project low, project high
            WHERE low.name IN ('ab', 'aa') AND high.name IN ('ab', 'aa') AND low.phase < high.phase AND low.held IS NULL
  UNION ALL SELECT name || ' was taken back by a check, and no hold keeps it there' FROM project
            WHERE taken_back AND held IS NULL AND NOT resumed
  UNION ALL SELECT name || ' is held by ' || by || ', which did not take it back' FROM project
            WHERE by LIKE 'check %' AND NOT coalesce(taken_back, false)
  UNION ALL SELECT name || ' is held at ' || held || ' by ' || by || ' and is in ' || phase FROM project
            WHERE by LIKE 'check %' AND phase::text <> held
)
SELECT string_agg(what, E'\n') FROM wrong)";

class LifecycleRehearsal final : public Rehearsal {
 public:
  using Rehearsal::Rehearsal;

 private:
  void play() override {
    make_role_for_checks(world_);
    world_.sql(
        "CREATE TABLE verdict (errors int NOT NULL); INSERT INTO verdict VALUES (0); GRANT USAGE ON SCHEMA "
        "public TO e2e_checks; GRANT SELECT ON verdict TO e2e_checks");
    world_.create_database("", "  checks: {secretRef: {name: checks}}\n");
    ask_for_a_rollout();
    start(Where::first_start);
    settle("the first start", {{"ab", "enforcing"}, {"aa", "enforcing"}, {"sm", "enforcing"}}, "", "3/3");
    stop();

    world_.sql("UPDATE verdict SET errors = 3; SELECT rls_operator.hold('sm', 'pending', 'a DBA says so')");
    start(Where::restart);
    settle("the check's failure", {{"ab", "shadow"}, {"aa", "shadow"}, {"sm", "pending"}},
           "aa shadow check errors, ab shadow check errors, sm pending postgres", "0/3");
    if (held_in_its_own_transaction() != "2") note("a hold came in another transaction than the step down");
    world_.sql("UPDATE verdict SET errors = 0");
    resume("ab");
    resume("aa");
    world_.sql("SELECT rls_operator.release('sm')");
    settle("the way up again", {{"ab", "enforcing"}, {"aa", "enforcing"}, {"sm", "enforcing"}}, "", "3/3");
    world_.sql("SELECT rls_operator.hold('ab', 'shadow', 'a DBA says so')");
    settle("the hold after it", {{"ab", "shadow"}, {"aa", "enforcing"}, {"sm", "enforcing"}},
           "ab shadow postgres", "2/3");
    stop();
    check_database();
  }

  void ask_for_a_rollout() {
    std::string uri = world_.application_uri();
    const auto at = uri.find("://") + 3;
    uri.replace(at, uri.find('@') - at, std::string("e2e_checks:") + kPassword);
    const Output applied = world_.apply(R"(apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: checks}
rules: [{apiGroups: [""], resources: [secrets], resourceNames: [checks], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: checks}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: checks}
subjects: [{kind: ServiceAccount, name: rls-operator, namespace: rls-operator-system}]
---
apiVersion: v1
kind: Secret
metadata: {name: checks}
stringData: {uri: ')" + uri + R"('}
---
apiVersion: rls-operator.dev/v1alpha1
kind: RlsRollout
metadata: {name: all}
spec:
  databaseRef: {name: main}
  phase: enforcing
  advanceWhen: enforcing
  template:
    gates: {shadowSoak: 0s, enforcingSoak: 0s}
  waves:
    - name: one
      projects: [ab, aa]
      gates:
        checks:
          - name: errors
            phases: [enforcing]
            onFailure: Rollback
            every: 5s
            sql: {query: 'SELECT errors = 0 FROM public.verdict'}
    - {name: two, projects: [sm]}
)");
    if (!applied.ok()) throw std::runtime_error(applied.out);
  }

  void resume(const std::string& project) {
    const Output asked =
        world_.api("PATCH", world_.path_of("rlsmigrations/" + objects_.at(project).name),
                   json{{"metadata", {{"annotations", {{"rls-operator.dev/resume", "mended"}}}}}}.dump());
    if (!asked.ok()) throw std::runtime_error(asked.out);
  }

  std::string look() override {
    if (!installed_) installed_ = world_.sql("SELECT to_regclass('rls_operator.resumed') IS NOT NULL") == "t";
    std::string wrong = installed_ ? world_.sql(kLook) : "";
    if (!wrong.empty()) wrong += "\n";
    return wrong + foreign_rows_of("ab") + foreign_rows_of("aa");
  }

  /// Until database and statuses are there and hold. `holds`: who is held where and by whom; `done`: of the
  /// rollout.
  void settle(const std::string& stage, const Phases& wanted, const std::string& holds,
              const std::string& done) {
    reach(stage, [&] { return settled(wanted, holds, done); });
  }

  bool settled(const Phases& wanted, const std::string& holds, const std::string& done) {
    const json rollouts = items("rlsrollouts"), migrations = items("rlsmigrations");
    if (installed_) {
      // Read after the statuses: what they claim must have been true by then.
      const json ledger = json::parse(
          world_.sql("SELECT coalesce(json_agg(t ORDER BY ordinal), '[]') FROM rls_operator.transition t"));
      for (const json& item : migrations) check_claims(item, ledger);
      for (const json& item : rollouts) check_rollout(item, ledger);
    }
    bool all = migrations.size() == wanted.size() && rollouts.size() == 1;
    for (const json& item : migrations) {
      check_object(item);
      const std::string project = item["spec"]["project"];
      all = all && rests(item, wanted.at(project), holds);
    }
    if (!all) return false;
    const json status = rollouts[0].value("status", json::object());
    if (status.value("done", "") != done || status.value("observedGeneration", -1) != 1) return false;
    const Phases found = phases();
    for (const auto& [project, phase] : wanted) all = all && found.at(project) == phase;
    return all && world_.sql(
                      "SELECT coalesce(string_agg(project_id || ' ' || phase || ' ' || by, ', ' ORDER BY "
                      "project_id), '') FROM rls_operator.hold") == holds;
  }

  static bool rests(const json& item, const std::string& phase, const std::string& holds) {
    const json status = item.value("status", json::object());
    const std::string held = item["spec"]["project"].get<std::string>() + " " + phase + " ";
    const bool by_check = holds.find(held + "check errors") != std::string::npos;
    const bool by_person = holds.find(held + "postgres") != std::string::npos;
    const std::string ready = by_check ? "False/CheckFailed" : by_person ? "True/Held" : "True/TargetReached";
    return status.value("observedGeneration", -1) == item["metadata"]["generation"] &&
           status.value("phase", "") == phase && condition(status, "Ready") == ready &&
           condition(status, "Stalled") == (by_check ? "True/CheckFailed" : "") &&
           condition(status, "Reconciling").empty();
  }

  /// Each was made once, by the rollout, and stays.
  void check_object(const json& item) {
    const Object object = {item["metadata"]["name"], item["metadata"]["uid"]};
    const std::string project = item["spec"]["project"];
    const Object& known = objects_.emplace(project, object).first->second;
    if (known.name != object.name || known.uid != object.uid)
      note("an RlsMigration of " + project + " again: " + object.name);
    if (item["metadata"].value("/labels/rls-operator.dev~1rollout"_json_pointer, "") != "all")
      note("an RlsMigration that the rollout did not make: " + object.name);
  }

  static bool has(const json& ledger, const json& fields) {
    return std::any_of(ledger.begin(), ledger.end(), [&](const json& row) {
      return std::all_of(fields.items().begin(), fields.items().end(),
                         [&](const auto& field) { return row.value(field.key(), json()) == field.value(); });
    });
  }

  void check_claims(const json& item, const json& ledger) {
    const std::string project = item["spec"]["project"];
    const json status = item.value("status", json::object());
    if (const std::string phase = status.value("phase", "");
        !phase.empty() && !has(ledger, {{"project_id", project}, {"to_phase", phase}}))
      note("the status of " + project + " says " + phase + ", which the database never was");
    for (const json& entry : status.value("history", json::array())) {
      if (!has(ledger, {{"id", entry["id"]}, {"project_id", project}, {"to_phase", entry["to"]}}))
        note("the status of " + project + " tells what the ledger does not know: " + entry.dump());
    }
    if (condition(status, "Stalled") == "True/CheckFailed" &&
        !has(ledger, {{"project_id", project}, {"from_phase", "enforcing"}, {"to_phase", "shadow"}}))
      note("the status of " + project + " tells of a check that took nobody back");
  }

  void check_rollout(const json& item, const json& ledger) {
    const json status = item.value("status", json::object());
    std::set<std::string> arrived;
    for (const json& row : ledger) {
      if (row["to_phase"] == "enforcing") arrived.insert(row["project_id"]);
    }
    const std::string done = status.value("done", "0/3");
    if (std::stoul(done) > arrived.size())
      note("the rollout says " + done + ", and only " + std::to_string(arrived.size()) + " ever were there");
  }

  std::string held_in_its_own_transaction() {
    return world_.sql(
        "SELECT count(*) FROM rls_operator.hold h JOIN rls_operator.transition t ON t.project_id = "
        "h.project_id AND t.from_phase = 'enforcing' AND t.to_phase = 'shadow' AND t.xmin::text = "
        "h.xmin::text AND t.kind = 'moved' WHERE h.by = 'check errors'");
  }

  void check_database() {
    const Phases moves = {
        {"ab", "pending>shadow shadow>enforcing enforcing>shadow shadow>enforcing enforcing>shadow"},
        {"aa", "pending>shadow shadow>enforcing enforcing>shadow shadow>enforcing"},
        {"sm", "pending>shadow shadow>enforcing enforcing>pending pending>shadow shadow>enforcing"}};
    for (const auto& [project, expected] : moves) {
      if (const std::string wrong = wrong_in_ledger(project, expected); !wrong.empty()) note(wrong);
    }
    const auto is = [&](const std::string& what, const std::string& query, const std::string& expected) {
      if (const std::string found = world_.sql(query); found != expected) note(what + ": " + found);
    };
    is("the steps up of ab and aa, and their transactions",
       "SELECT count(*) || ' in ' || count(DISTINCT xmin::text) FROM rls_operator.transition WHERE kind = "
       "'moved' AND project_id IN ('ab', 'aa') AND from_phase || '>' || to_phase IN ('pending>shadow', "
       "'shadow>enforcing')",
       "6 in 3");
    is("the values of resume that were followed",
       "SELECT string_agg(project_id || ' ' || value, ', ' ORDER BY project_id) FROM rls_operator.resumed",
       "aa mended, ab mended");
    // The n-th time that sm leaves pending comes after the n-th time that ab and aa came to enforcing.
    is("sm went before the wave before it",
       "WITH n AS (SELECT project_id, from_phase, to_phase, at, row_number() OVER (PARTITION BY project_id, "
       "from_phase, to_phase ORDER BY ordinal) AS time FROM rls_operator.transition WHERE kind = 'moved') "
       "SELECT count(*) FROM n later JOIN n before USING (time) WHERE later.project_id = 'sm' AND "
       "later.from_phase = 'pending' AND before.project_id IN ('ab', 'aa') AND before.to_phase = 'enforcing' "
       "AND later.at < before.at",
       "0");
    is("the status table",
       "SELECT string_agg(project_id || ' ' || rls_enabled || ' ' || (migrated_at IS NULL), ', ' ORDER BY "
       "project_id) FROM rls_migration_status WHERE project_id IN ('sm', 'ab', 'aa')",
       "aa true true, ab false true, sm true true");
    if (objects_.size() != 3 || items("rlsmigrations").size() != 3)
      note("there are " + std::to_string(items("rlsmigrations").size()) + " RlsMigrations");
  }

  struct Object {
    std::string name, uid;
  };
  std::map<std::string, Object> objects_;  // by project
  bool installed_ = false;                 // the operator's own tables are there
};

}  // namespace

std::unique_ptr<Rehearsal> lifecycle_rehearsal(Plan plan) {
  return std::make_unique<LifecycleRehearsal>(std::move(plan));
}

}  // namespace rls::test
