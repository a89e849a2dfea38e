#include "controller/api/rollout.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "controller/api/limits.hpp"
#include "controller/base/text.hpp"

namespace rls::api {
namespace {

using nlohmann::json;
using std::chrono::hours;
using std::chrono::minutes;
using testing::HasSubstr;

json rollout_json() {
  return json::parse(R"({
    "apiVersion": "rls-operator.dev/v1alpha1", "kind": "RlsRollout",
    "metadata": {"name": "all", "namespace": "tenants", "uid": "u-3", "resourceVersion": "9", "generation": 2},
    "spec": {
      "databaseRef": {"name": "main"}, "phase": "complete", "advanceWhen": "shadow",
      "template": {
        "gates": {"shadowSoak": "168h", "enforcingSoak": "1h30m", "maxViolations": 1, "minTransactions": 7,
                  "review": "Required", "approvals": {"enforcing": 1, "complete": 0},
                  "windows": [{"schedule": "0 2 * * *", "duration": "4h", "timeZone": "Europe/Berlin"}],
                  "checks": [
                    {"name": "suite", "phases": ["complete"], "onFailure": "Rollback", "every": "5m",
                     "job": {"template": {"spec": {"backoffLimit": 0, "x": [null, true, "ä"]}}}},
                    {"name": "rows", "sql": {"query": "SELECT 1", "expect": "1"}},
                    {"name": "errors",
                     "prometheus": {"url": "http://p:9090", "query": "errors", "expect": "< 0.01"}}]},
        "access": {"level": "shared", "readable": ["sm", "io"]}, "drift": "Revert"},
      "waves": [{"name": "one", "projects": ["sm"]},
                {"name": "last", "projects": ["io", "it's"], "gates": {"shadowSoak": "336h", "windows": []},
                 "access": {"level": "super"}}],
      "freeze": {"reason": "audit", "until": "2026-02-01T00:00:00Z"}}})");
}

RlsRollout decoded(const json& object) {
  auto rollout = decode_rollout(object.dump());
  EXPECT_TRUE(rollout.ok()) << rollout.error().message;
  return rollout ? *std::move(rollout) : RlsRollout{};
}

TEST(DecodeRollout, ReadsEveryField) {
  const RlsRollout rollout = decoded(rollout_json());
  EXPECT_EQ(rollout.meta.name.str(), "tenants/all");
  const RolloutSpec& spec = rollout.spec;
  EXPECT_EQ(spec.database, "main");
  EXPECT_EQ(spec.phase, Phase::complete);
  EXPECT_EQ(spec.advance_when, Phase::shadow);
  EXPECT_EQ(spec.gates.shadow_soak, hours{168});
  EXPECT_EQ(spec.gates.enforcing_soak, minutes{90});
  EXPECT_EQ(spec.gates.max_violations, 1);
  EXPECT_EQ(spec.gates.min_transactions, 7);
  EXPECT_EQ(spec.gates.review_required, true);
  EXPECT_EQ(spec.gates.approvals,
            (std::map<Phase, std::int64_t>{{Phase::enforcing, 1}, {Phase::complete, 0}}));
  EXPECT_EQ(spec.gates.windows, (std::vector<WindowSpec>{{"0 2 * * *", hours{4}, "Europe/Berlin"}}));
  ASSERT_EQ(spec.gates.checks->size(), 3U);
  const CheckSpec& suite = spec.gates.checks->at(0);
  EXPECT_EQ(suite.phases, std::vector<Phase>{Phase::complete});
  EXPECT_EQ(suite.on_failure, CheckSpec::OnFailure::rollback);
  EXPECT_EQ(suite.every, minutes{5});
  EXPECT_EQ(json::parse(suite.job->template_json),
            json::parse(R"({"spec": {"backoffLimit": 0, "x": [null, true, "ä"]}})"));
  EXPECT_EQ(spec.gates.checks->at(1).sql, (SqlCheck{"SELECT 1", "1"}));
  EXPECT_EQ(spec.gates.checks->at(1).on_failure, CheckSpec::OnFailure::hold);
  EXPECT_EQ(spec.gates.checks->at(2).prometheus, (PrometheusCheck{"http://p:9090", "errors", "< 0.01"}));
  EXPECT_EQ(spec.access, (AccessSpec{AccessSpec::Level::shared, {"sm", "io"}}));
  EXPECT_EQ(spec.drift, DriftPolicy::revert);
  ASSERT_EQ(spec.waves.size(), 2U);
  EXPECT_EQ(spec.waves[0], (WaveSpec{"one", {"sm"}, {}, {}}));
  EXPECT_EQ(spec.waves[1].projects, (std::vector<std::string>{"io", "it's"}));
  EXPECT_EQ(spec.waves[1].gates.shadow_soak, hours{336});
  EXPECT_EQ(spec.waves[1].gates.windows, std::vector<WindowSpec>{}) << "none, which is not: not set";
  EXPECT_EQ(spec.waves[1].access, (AccessSpec{AccessSpec::Level::super, {}}));
  EXPECT_EQ(spec.freeze, (Freeze{"audit", *parse_rfc3339("2026-02-01T00:00:00Z")}));
  EXPECT_EQ(rollout.status, RolloutStatus{});
}

TEST(DecodeRollout, TheLeastIsEnough) {
  const RlsRollout rollout = decoded(json::parse(R"({"metadata": {"name": "all"}, "spec": {
      "databaseRef": {"name": "main"}, "phase": "enforcing", "waves": [{"name": "one", "projects": ["sm"]}]}})"));
  EXPECT_EQ(rollout.spec.advance_when, Phase::enforcing);
  EXPECT_EQ(rollout.spec.gates, GatesPatch{});
  EXPECT_EQ(rollout.spec.freeze, std::nullopt);
}

TEST(DecodeRollout, BadOnesAreRefusedWithFieldAndRemedy) {
  struct Row {
    const char* patch;
    const char* message;
  };
  const std::vector<Row> rows = {
      {R"({"spec":null})", "spec.databaseRef.name: required"},
      {R"({"spec":{"phase":null}})", "spec.phase: required"},
      {R"({"spec":{"phase":"pending"}})",
       "spec.phase: \"pending\" is not one of shadow, enforcing, complete"},
      {R"({"spec":{"phase":"shadow","advanceWhen":null}})", "spec.advanceWhen: above spec.phase"},
      {R"({"spec":{"phase":"enforcing","advanceWhen":"complete"}})", "lower it, or raise spec.phase"},
      {R"({"spec":{"advanceWhen":"pending"}})", "spec.advanceWhen"},
      {R"({"spec":{"waves":[]}})", "spec.waves: required: at least one wave"},
      {R"({"spec":{"waves":{}}})", "spec.waves: a list is wanted"},
      {R"({"spec":{"waves":[{"name":"one"}]}})", "spec.waves.projects: required"},
      {R"({"spec":{"waves":[{"name":"One","projects":["a"]}]}})", "use lower case letters, digits and -"},
      {R"({"spec":{"waves":[{"projects":["a"]}]}})", "spec.waves.name: required"},
      {R"({"spec":{"waves":[{"name":"a","projects":["a","a"]}]}})", "\"a\" stands there twice"},
      {R"({"spec":{"waves":[{"name":"a","projects":["a"]},{"name":"b","projects":["a"]}]}})", "in two waves"},
      {R"({"spec":{"waves":[{"name":"a","projects":["a"]},{"name":"a","projects":["b"]}]}})",
       "\"a\" is the name of two waves: rename one"},
      {R"({"spec":{"waves":[{"name":"a","projects":["a\nb"]}]}})", "has a control character: remove it"},
      {R"({"spec":{"waves":[{"name":"a","projects":[""]}]}})", "an empty name: remove it"},
      {R"({"spec":{"waves":[{"name":"a","projects":[7]}]}})", "a list of strings is wanted"},
      {R"({"spec":{"waves":[{"name":"a","projects":["a"],"gates":{"shadowSoak":"7d"}}]}})",
       "spec.waves.gates.shadowSoak: \"7d\" is not a duration"},
      {R"({"spec":{"template":{"gates":{"approvals":{"enforcing":21}}}}})", "is not between 0 and 20"},
      {R"({"spec":{"template":{"gates":{"approvals":{"enforcing":"1"}}}}})", "a whole number is wanted"},
      {R"({"spec":{"template":{"gates":{"approvals":{"pending":1}}}}})", "is not one of shadow, enforcing"},
      {R"({"spec":{"template":{"gates":{"windows":[{"duration":"4h"}]}}}})", "windows.schedule: required"},
      {R"({"spec":{"template":{"gates":{"windows":[{"schedule":"* * * * *"}]}}}})",
       "windows.duration: required"},
      {R"({"spec":{"template":{"gates":{"windows":[{"schedule":"* * * * *","duration":"0s"}]}}}})",
       "is not between"},
      {R"({"spec":{"template":{"gates":{"checks":[{"name":"a"}]}}}})",
       "not exactly one of sql, prometheus and job"},
      {R"({"spec":{"template":{"gates":{"checks":[{"name":"a","job":{"template":{}},
          "sql":{"query":"q","expect":"e"}}]}}}})",
       "not exactly one of sql, prometheus and job"},
      {R"({"spec":{"template":{"gates":{"checks":[{"name":"a","job":{"template":"x"}}]}}}})",
       "an object is wanted"},
      {R"({"spec":{"template":{"gates":{"checks":[{"name":"a","job":{"template":{}}},
          {"name":"a","job":{"template":{}}}]}}}})",
       "\"a\" stands there twice: rename one"},
      {R"({"spec":{"template":{"gates":{"checks":[{"name":"a","job":{"template":{}},"onFailure":"Ignore"}]}}}})",
       "is not one of Hold, Rollback"},
      {R"({"spec":{"template":{"gates":{"checks":[{"name":"a","job":{"template":{}},"phases":["pending"]}]}}}})",
       "checks.phases: \"pending\" is not one of"},
      {R"({"spec":{"template":{"gates":{"checks":[{"name":"a",
          "prometheus":{"url":"file:///etc/passwd","query":"q","expect":"< 1"}}]}}}})",
       "does not begin with http:// or https://"},
      {R"({"spec":{"template":{"access":{"level":"isolated","readable":["a"]}}}})",
       "goes with level shared alone"},
      {R"({"spec":{"template":{"drift":"Ignore"}}})", "is not one of Report, Revert"},
      {R"({"spec":{"freeze":{"reason":null}}})", "spec.freeze.reason: required"},
      {R"({"spec":{"freeze":{"until":"soon"}}})", "spec.freeze.until: \"soon\" is not a time"},
      {R"({"metadata":{"name":"a123456789b123456789c123456789d123456789e123456789f123456789g123"}})",
       "metadata.name: longer than 63 characters"},
  };
  for (const Row& row : rows) {
    json object = rollout_json();
    object.merge_patch(json::parse(row.patch));
    const auto rollout = decode_rollout(object.dump());
    ASSERT_FALSE(rollout.ok()) << row.patch;
    EXPECT_EQ(rollout.error().kind, ErrorKind::terminal);
    EXPECT_EQ(rollout.error().reason, "InvalidSpec");
    EXPECT_THAT(rollout.error().message, HasSubstr(row.message)) << row.patch;
  }
}

TEST(DecodeRollout, ListsHaveTheBoundsOfTheCrd) {
  json object = rollout_json();
  json& waves = object["spec"]["waves"] = json::array();
  for (std::size_t wave = 0; wave < kMaxWaves; ++wave) {
    const std::string name = "w" + std::to_string(wave);
    json projects = json::array();
    for (std::size_t i = 0; i < kMaxWaveProjects; ++i) projects.push_back(name + "p" + std::to_string(i));
    waves.push_back({{"name", name}, {"projects", projects}});
  }
  EXPECT_TRUE(decode_rollout(object.dump()).ok());
  json one_more = object;
  one_more["spec"]["waves"][0]["projects"].push_back("x");
  EXPECT_THAT(decode_rollout(one_more.dump()).error().message, HasSubstr("more than 200"));
  one_more = object;
  one_more["spec"]["waves"].push_back({{"name", "x"}, {"projects", {"x"}}});
  EXPECT_THAT(decode_rollout(one_more.dump()).error().message, HasSubstr("more than 50"));
}

RolloutStatus full_status() {
  RolloutStatus status;
  status.observed_generation = 2;
  status.phase = Phase::shadow;
  status.waves = {{"one", WaveState::done, 1, 1, {0, 0, 0, 1}, ""},
                  {"two", WaveState::open, 1, 2, {0, 1, 1, 0}, "waiting for ab"},
                  {"three", WaveState::waiting, 0, 3, {3, 0, 0, 0}, "wave two: ab is in shadow"}};
  status.projects = 6;
  status.done = "1/6";
  status.migrations = {4, 1, 1};
  status.open_wave = "two";
  status.message = "wave 2 of 3 (two): waiting for ab";
  status.conditions = {
      {"Ready", ConditionStatus::is_true, "AwaitingWaves", "m", 2, *parse_rfc3339("2026-01-15T12:00:00Z")}};
  return status;
}

TEST(EncodeRolloutStatus, IsReadBackAsItWas) {
  for (const RolloutStatus& status : {full_status(), RolloutStatus{}}) {
    json object = rollout_json();
    const json written = json::parse(encode_status(decoded(object).meta, status));
    EXPECT_EQ(written["kind"], "RlsRollout");
    EXPECT_EQ(written["metadata"], json::parse(R"({"name": "all", "namespace": "tenants", "uid": "u-3",
                                                   "resourceVersion": "9"})"));
    EXPECT_FALSE(written.contains("spec"));
    object["status"] = written["status"];
    EXPECT_EQ(decoded(object).status, status);
  }
}

TEST(EncodeRolloutStatus, AStatusThatSomebodyEditedIsNoError) {
  json object = rollout_json();
  object["status"] = json::parse(R"({"phase": "nonsense", "waves": [{"state": 7}, 3], "projects": -1})");
  EXPECT_EQ(decoded(object).status.phase, std::nullopt);
}

TEST(FitRolloutStatus, CutsWhatTheCrdWouldRefuse) {
  RolloutStatus status = full_status();
  status.waves[0].message = "ä" + std::string(9000, 'm') + "\xFF";
  status.waves.resize(60);
  status.message = std::string(9000, 'm');
  status.conditions[0].message = std::string(9000, 'm');
  fit(status);
  EXPECT_EQ(status.waves.size(), kMaxWaves);
  EXPECT_LE(status.waves[0].message.size(), kMaxMessage);
  EXPECT_TRUE(is_utf8(status.waves[0].message));
  EXPECT_LE(status.message.size(), kMaxMessage);
  EXPECT_LE(status.conditions[0].message.size(), kMaxMessage);
}

TEST(MergedGates, AWavesGateReplacesTheTemplatesAsAWhole) {
  const RolloutSpec spec = decoded(rollout_json()).spec;
  const GatesPatch gates = merged(spec.gates, spec.waves[1].gates);
  EXPECT_EQ(gates.shadow_soak, hours{336});
  EXPECT_EQ(gates.windows, std::vector<WindowSpec>{});
  EXPECT_EQ(gates.enforcing_soak, minutes{90});
  EXPECT_EQ(gates.checks, spec.gates.checks);
  EXPECT_EQ(merged(spec.gates, {}), spec.gates);
}

TEST(EncodeMember, IsTheTemplateAndTheWave) {
  const RlsRollout rollout = decoded(rollout_json());
  const json gates = rollout_json()["spec"]["template"]["gates"];
  const json first = json::parse(encode_member(rollout, 0, "sm", "all-sm-x"));
  json wanted = json::parse(R"({
      "apiVersion": "rls-operator.dev/v1alpha1", "kind": "RlsMigration",
      "metadata": {"name": "all-sm-x", "namespace": "tenants",
                   "labels": {"rls-operator.dev/rollout": "all", "rls-operator.dev/wave": "one"}},
      "spec": {"databaseRef": {"name": "main"}, "project": "sm", "phase": "complete", "drift": "Revert",
               "access": {"level": "shared", "readable": ["io"]}}})");
  wanted["spec"]["gates"] = gates;
  wanted["spec"]["gates"]["checks"][1]["onFailure"] = "Hold";
  wanted["spec"]["gates"]["checks"][2]["onFailure"] = "Hold";
  EXPECT_EQ(first, wanted) << "and no owner reference, no group, and not its own name in readable";

  const json last = json::parse(encode_member(rollout, 1, "it's", "n"));
  EXPECT_EQ(last["metadata"]["labels"]["rls-operator.dev/wave"], "last");
  EXPECT_EQ(last["spec"]["project"], "it's");
  EXPECT_EQ(last["spec"]["access"], json::parse(R"({"level": "super"})"));
  EXPECT_EQ(last["spec"]["gates"]["shadowSoak"], "336h");
  EXPECT_EQ(last["spec"]["gates"]["windows"], json::array());
}

TEST(EncodeMember, WhatIsNotSetIsLeftToTheDefaultsOfRlsMigration) {
  RlsRollout rollout;
  rollout.meta.name = {"tenants", "all"};
  rollout.spec.database = "main";
  rollout.spec.waves = {{"one", {"sm"}}};
  const auto object = json::parse(encode_member(rollout, 0, "sm", "n"));
  EXPECT_EQ(object["spec"], json::parse(R"({"databaseRef": {"name": "main"}, "project": "sm",
                                            "phase": "complete", "gates": {}})"));
  const auto migration = decode_migration(object.dump());
  ASSERT_TRUE(migration.ok()) << migration.error().message;
  EXPECT_EQ(migration->spec.gates, GatesSpec{});
}

}  // namespace
}  // namespace rls::api
