// The status as the operator writes it: PUT to /status, without a spec.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <nlohmann/json.hpp>

#include "controller/api/database.hpp"
#include "controller/api/limits.hpp"
#include "controller/api/migration.hpp"
#include "controller/api/rollout.hpp"
#include "tests/kube/crds/kubectl.hpp"

namespace rls::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr const char* kServiceAccount = "--as=system:serviceaccount:rls-operator-system:rls-operator";
constexpr const char* kAdministrator = "--as=";  // whom KUBECONFIG names
const Time kTime = *parse_rfc3339("2026-01-15T12:00:00.123456Z");

Output put_status(const std::string& plural, const std::string& name, const std::string& body,
                  const char* as = kServiceAccount) {
  return kubectl({"replace", as, "--raw",
                  "/apis/rls-operator.dev/v1alpha1/namespaces/" + test_namespace() + "/" + plural + "/" +
                      name + "/status",
                  "-f", "-"},
                 body);
}

api::Condition ready() {
  return {"Ready",
          api::ConditionStatus::is_true,
          "AwaitingGates",
          "SoakTime waits",
          1,
          std::chrono::floor<std::chrono::seconds>(kTime)};
}

/// As full as a status can be.
api::MigrationStatus fullest() {
  api::MigrationStatus status;
  status.observed_generation = 1;
  status.phase = Phase::shadow;
  status.phase_since = kTime;
  status.clean_since = kTime;
  status.eligible_at = *parse_rfc3339("2099-01-15T12:00:00Z");
  status.blocked_by = "SoakTime,Violations";
  status.violations.emplace().total = 3;
  status.violations->last_seen = kTime;
  for (int i = 0; i < 30; ++i) {
    const std::string n = std::to_string(i);
    status.violations->by_table.push_back({n + std::string(300, 't'), i});
    status.violations->samples.push_back(
        {"public.\"odd\"", "UPDATE", "o'brien\xFF", std::string(999, 'r'), kTime});
    status.gates.push_back(
        {"Gate" + n, api::GateState::blocked, kTime, std::string(300, 'o'), "168h", std::string(5000, 'm')});
    status.history.push_back({"id" + n, Phase::pending, Phase::shadow, kTime, std::string(999, 'r')});
  }
  status.last_handled_reconcile_at = std::string(999, 'x');
  status.conditions = {ready()};
  status.conditions[0].message = "ä" + std::string(9000, 'm');
  api::fit(status);
  return status;
}

TEST(MigrationStatus, TheFullestIsTakenAndReadBackAsItWas) {
  json object = good_migration("full");
  object["metadata"]["labels"] = {{"keep", "me"}};
  object["metadata"]["annotations"] = {{"rls-operator.dev/hold-at", "shadow"}};
  const auto before = api::decode_migration(create(object).dump());
  ASSERT_TRUE(before.ok()) << before.error().message;

  const Output put = put_status("rlsmigrations", "full", api::encode_status(before->meta, fullest()));
  ASSERT_EQ(put.code, 0) << put.text;

  const json stored = get("rlsm", "full");
  const auto after = api::decode_migration(stored.dump());
  ASSERT_TRUE(after.ok()) << after.error().message;
  EXPECT_EQ(after->status, fullest());
  EXPECT_EQ(after->spec, before->spec) << "the spec that the body does not have stays";
  EXPECT_EQ(after->hold_at, Phase::shadow);
  EXPECT_EQ(stored["metadata"]["labels"]["keep"], "me");
  EXPECT_EQ(after->meta.generation, before->meta.generation);
  EXPECT_NE(after->meta.resource_version, before->meta.resource_version);
}

TEST(MigrationStatus, TheEmptiestIsTaken) {
  const auto before = api::decode_migration(create(good_migration("empty")).dump());
  const Output put =
      put_status("rlsmigrations", "empty", api::encode_status(before->meta, api::MigrationStatus{}));
  EXPECT_EQ(put.code, 0) << put.text;
}

TEST(MigrationStatus, EveryPhaseAndEveryGateStateIsTaken) {
  auto object = api::decode_migration(create(good_migration("words")).dump());
  ASSERT_TRUE(object.ok());
  for (const Phase phase : kPhases) {
    api::MigrationStatus status;
    status.phase = phase;
    status.conditions = {ready()};
    status.conditions[0].status = phase == Phase::pending  ? api::ConditionStatus::unknown
                                  : phase == Phase::shadow ? api::ConditionStatus::is_false
                                                           : api::ConditionStatus::is_true;
    for (const auto state : {api::GateState::passed, api::GateState::waiting, api::GateState::blocked,
                             api::GateState::unknown, api::GateState::overridden}) {
      status.gates.push_back({"G", state, {}, "", "", ""});
    }
    api::fit(status);
    const Output put = put_status("rlsmigrations", "words", api::encode_status(object->meta, status));
    ASSERT_EQ(put.code, 0) << put.text;
    object = api::decode_migration(get("rlsm", "words").dump());
    EXPECT_EQ(object->status, status);
  }
}

TEST(MigrationStatus, AStaleOneAndOneOfAnEarlierObjectAreConflicts) {
  auto object = api::decode_migration(create(good_migration("stale")).dump());
  ASSERT_TRUE(object.ok());
  api::MigrationStatus status;
  status.phase = Phase::shadow;
  EXPECT_EQ(put_status("rlsmigrations", "stale", api::encode_status(object->meta, status)).code, 0);
  EXPECT_THAT(put_status("rlsmigrations", "stale", api::encode_status(object->meta, status)).text,
              HasSubstr("Conflict"));

  kubectl_ok({"delete", "rlsm", "stale", "--namespace", test_namespace()});
  auto successor = api::decode_migration(create(good_migration("stale")).dump());
  ASSERT_TRUE(successor.ok());
  EXPECT_THAT(put_status("rlsmigrations", "stale", api::encode_status(object->meta, status)).text,
              HasSubstr("Conflict"));
  successor->meta.uid = object->meta.uid;  // even where the resourceVersion is right
  EXPECT_THAT(put_status("rlsmigrations", "stale", api::encode_status(successor->meta, status)).text,
              HasSubstr("Conflict"));
  EXPECT_EQ(get("rlsm", "stale")["status"], json::parse(R"({"observedGeneration":-1})"));
}

TEST(MigrationStatus, WhatDoesNotFitIsRefused) {
  const auto object = api::decode_migration(create(good_migration("unfit")).dump());
  ASSERT_TRUE(object.ok());
  const std::vector<const char*> patches = {
      R"({"status":{"phase":"nonsense"}})",
      R"({"status":{"conditions":[{"type":"Ready","status":"Maybe","reason":"R","message":"","lastTransitionTime":"2026-01-15T12:00:00Z"}]}})",
      R"({"status":{"conditions":[{"type":"Ready","status":"True"}]}})",
      R"({"status":{"phaseSince":"yesterday"}})",
      R"({"status":{"violations":{"total":-1}}})",
      R"({"status":{"history":[{},{},{},{},{},{},{},{},{},{},{}]}})",
  };
  for (const char* patch : patches) {
    json body = json::parse(api::encode_status(object->meta, api::MigrationStatus{}));
    body.merge_patch(json::parse(patch));
    EXPECT_THAT(put_status("rlsmigrations", "unfit", body.dump()).text, HasSubstr("Invalid")) << patch;
  }
}

TEST(DatabaseStatus, IsTakenAndReadBackAsItWas) {
  const auto before = api::decode_database(create(good_database("status")).dump());
  ASSERT_TRUE(before.ok()) << before.error().message;
  api::DatabaseStatus status;
  status.observed_generation = 1;
  status.server_version = "15.18";
  status.system_identifier = "7412345678901234567";
  status.projects = {{"complete", 1}, {"enforcing", 0}, {"pending", 5}, {"shadow", 9'000'000'000}};
  status.adopted = api::AdoptedStatus{
      .status_table = {"acme.rls_migration_status", {{"project", "project_id"}}},
      .phase_type = "enum acme.rollout",
      .audit_table = api::AdoptedTable{"acme.rls_audit_log", {{"denied", std::string(999, 'd')}}},
      .registry_table = "acme.project_registry",
      .uncounted_because = std::string(9000, 'm'),
      .unmirrored_because = std::string(9000, 'm'),
      .no_first_row_because = std::string(9000, 'm'),
      .evidence = {"Incomplete", 12, 11, true, std::string(9000, 'm')}};
  for (int i = 0; i < 30; ++i) status.adopted->status_table.columns["c" + std::to_string(i)] = "c";
  status.conditions = {ready()};
  api::fit(status);
  const Output put = put_status("rlsdatabases", "status", api::encode_status(before->meta, status));
  ASSERT_EQ(put.code, 0) << put.text;
  const auto after = api::decode_database(get("rlsdb", "status").dump());
  EXPECT_EQ(after->status, status);
  EXPECT_EQ(after->spec, before->spec);
  EXPECT_THAT(kubectl_ok({"get", "rlsdb", "status", "--namespace", test_namespace()}),
              testing::ContainsRegex("status +True +AwaitingGates +15.18 +5 +9000000000 +0 +1"));
  EXPECT_THAT(kubectl_ok({"get", "rlsdb", "status", "--namespace", test_namespace(), "-o", "wide"}),
              testing::ContainsRegex("EVIDENCE +MESSAGE\n.* Incomplete +SoakTime waits"));
  EXPECT_THAT(kubectl_ok({"describe", "rlsdb", "status", "--namespace", test_namespace()}),
              testing::ContainsRegex("Phase Type: +enum acme.rollout"));
}

/// As full as the status of a rollout can be.
api::RolloutStatus fullest_rollout() {
  api::RolloutStatus status;
  status.observed_generation = 1;
  status.phase = Phase::pending;
  for (int i = 0; i < 60; ++i) {
    status.waves.push_back({"wave-" + std::to_string(i) + std::string(99, 'n'),
                            api::WaveState::waiting,
                            1,
                            200,
                            {1, 2, 3, 194},
                            "ä" + std::string(9000, 'm') + "\xFF"});
  }
  status.waves[0].state = api::WaveState::done;
  status.waves[1].state = api::WaveState::open;
  status.projects = 10'000;
  status.done = "5/10000";
  status.migrations = {9000, 999, 1};
  status.open_wave = "two";
  status.message = std::string(9000, 'm');
  status.conditions = {ready()};
  api::fit(status);
  return status;
}

TEST(RolloutStatus, TheFullestIsTakenAndReadBackAsItWas) {
  const auto before = api::decode_rollout(create(good_rollout("full")).dump());
  ASSERT_TRUE(before.ok()) << before.error().message;
  for (const api::RolloutStatus& status : {api::RolloutStatus{}, fullest_rollout()}) {
    const auto now = api::decode_rollout(get("rlsro", "full").dump());
    ASSERT_TRUE(now.ok());
    const Output put =
        put_status("rlsrollouts", "full", api::encode_status(now->meta, status), kAdministrator);
    ASSERT_EQ(put.code, 0) << put.text;
    const auto after = api::decode_rollout(get("rlsro", "full").dump());
    ASSERT_TRUE(after.ok()) << after.error().message;
    EXPECT_EQ(after->status, status);
    EXPECT_EQ(after->spec, before->spec);
    EXPECT_EQ(after->meta.generation, before->meta.generation);
  }
  EXPECT_THAT(kubectl_ok({"get", "rlsro", "full", "--namespace", test_namespace()}),
              testing::ContainsRegex("NAME +DATABASE +PHASE +WAVE +DONE +READY +AGE\n"
                                     "full +main +enforcing +two +5/10000 +True +[0-9]+s"));
  EXPECT_THAT(kubectl_ok({"get", "rlsro", "full", "--namespace", test_namespace(), "-o", "wide"}),
              HasSubstr("SoakTime waits"));
}

TEST(Columns, TellTheStateOfAProject) {
  const auto object = api::decode_migration(create(good_migration("columns")).dump());
  ASSERT_TRUE(object.ok());
  ASSERT_EQ(put_status("rlsmigrations", "columns", api::encode_status(object->meta, fullest())).code, 0);
  const std::string table = kubectl_ok({"get", "rlsm", "columns", "--namespace", test_namespace()});
  EXPECT_THAT(table, testing::ContainsRegex("NAME +PROJECT +PHASE +TARGET +READY +BLOCKED-BY +VIOLATIONS +"
                                            "ELIGIBLE +AGE\n"));
  EXPECT_THAT(table, testing::ContainsRegex("columns +sm +shadow +shadow +True +SoakTime,Violations +3 +"
                                            "2099-01-15T12:00:00Z +[0-9]+s"));
  const std::string wide =
      kubectl_ok({"get", "rlsm", "columns", "--namespace", test_namespace(), "-o", "wide"});
  EXPECT_THAT(wide, testing::ContainsRegex("AGE +REASON +SINCE +CLEAN +DATABASE +MESSAGE\n"));
  EXPECT_THAT(wide, HasSubstr("AwaitingGates"));
  EXPECT_THAT(kubectl_ok({"get", "rls", "--namespace", test_namespace()}),
              HasSubstr("rlsmigration.rls-operator.dev/columns"))
      << "the category";
}

TEST(FieldSelectors, FindByProjectDatabaseAndPhase) {
  for (const auto& [name, project, database, phase] :
       {std::array{"select-a", "select'a", "one", "shadow"}, std::array{"select-b", "b", "one", "pending"},
        std::array{"select-c", "b", "two", "pending"}}) {
    json object = good_migration(name);
    object["spec"] = {{"project", project}, {"databaseRef", {{"name", database}}}, {"phase", phase}};
    create(object);
  }
  api::MigrationStatus status;
  status.phase = Phase::complete;
  const auto object = api::decode_migration(get("rlsm", "select-c").dump());
  ASSERT_EQ(put_status("rlsmigrations", "select-c", api::encode_status(object->meta, status)).code, 0);

  const std::vector<std::pair<const char*, const char*>> rows = {
      {"spec.project=select'a", "select-a"},
      {"spec.databaseRef.name=one", "select-a select-b"},
      {"spec.databaseRef.name=two", "select-c"},
      {"spec.phase=pending,spec.project=b", "select-b select-c"},
      {"status.phase=complete,spec.project=b", "select-c"},
      {"spec.project=nobody", ""},
  };
  for (const auto& [selector, names] : rows) {
    EXPECT_EQ(kubectl_ok({"get", "rlsm", "--namespace", test_namespace(), "--field-selector", selector, "-o",
                          "jsonpath={.items[*].metadata.name}"}),
              names)
        << selector;
  }
}

}  // namespace
}  // namespace rls::test
