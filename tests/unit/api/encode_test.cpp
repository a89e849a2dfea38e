#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "controller/api/database.hpp"
#include "controller/api/json_writer.hpp"
#include "controller/api/limits.hpp"
#include "controller/api/migration.hpp"
#include "controller/base/text.hpp"

namespace rls::api {
namespace {

using nlohmann::json;
using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::seconds;

const Time kTime = *parse_rfc3339("2026-01-15T12:00:00Z");

ObjectMeta meta() {
  return {
      .name = {"tenants", "sm"}, .uid = "u-1", .resource_version = "42", .generation = 3, .created = kTime};
}

Condition ready() {
  return {.type = "Ready",
          .status = ConditionStatus::is_true,
          .reason = "AwaitingGates",
          .message = "",
          .observed_generation = 3,
          .last_transition = kTime};
}

MigrationStatus full_status() {
  MigrationStatus status;
  status.observed_generation = 3;
  status.phase = Phase::shadow;
  status.phase_since = kTime + microseconds{123'456};
  status.clean_since = kTime + microseconds{1};
  status.eligible_at = kTime + hours{168};
  status.blocked_by = "SoakTime,Violations";
  status.violations = ViolationsStatus{
      .total = 3,
      .last_seen = kTime + microseconds{999'999},
      .by_table = {{"public.nodes", 2}, {"public.\"odd\"", 1}},
      .samples = {{"public.nodes", "UPDATE", "o'brien", "no context\nset", kTime}, {"t", "", "", "", {}}}};
  status.gates = {{"SoakTime", GateState::waiting, kTime, "3h", "168h", "wait"},
                  {"Hold", GateState::passed, kTime, "", "", ""}};
  status.history = {{"abc", Phase::pending, Phase::shadow, kTime + microseconds{5}, "all gates passed"},
                    {"abb", std::nullopt, Phase::pending, kTime, "adopted"}};
  status.last_handled_reconcile_at = "2026-01-15T12:00:00Z";
  status.conditions = {ready()};
  return status;
}

AdoptedStatus full_adopted() {
  return {.status_table = {"acme.rls_migration_status", {{"project", "project_id"}, {"phase", "\"Phase\""}}},
          .phase_type = "enum acme.rollout",
          .audit_table = AdoptedTable{"acme.rls_audit_log", {{"denied", "would_deny"}}},
          .registry_table = "acme.project_registry",
          .uncounted_because = "a",
          .unmirrored_because = "b",
          .no_first_row_because = "c",
          .evidence = {"Incomplete", 12, 11, true, "acme.notes: DELETE"}};
}

/// What comes back when the API server stores the encoded status: `spec` is its own.
template <class Object>
json stored(const Object& status, const char* spec) {
  json object = json::parse(encode_status(meta(), status));
  object["spec"] = json::parse(spec);
  return object;
}

constexpr const char* kMigrationSpec = R"({"databaseRef":{"name":"main"},"project":"sm","phase":"shadow"})";
constexpr const char* kDatabaseSpec =
    R"({"connection":{"secretRef":{"name":"s"}},"runtime":{"mode":"Adopted"}})";

TEST(EncodeMigrationStatus, IsReadBackAsItWas) {
  for (const MigrationStatus& status :
       {full_status(), MigrationStatus{}, [] {
          MigrationStatus odd;
          odd.violations = ViolationsStatus{};  // nothing counted is not the same as not counted
          odd.gates = {{}};
          odd.history = {{}};
          odd.conditions = {{}};
          return odd;
        }()}) {
    const auto decoded = decode_migration(stored(status, kMigrationSpec).dump());
    ASSERT_TRUE(decoded.ok()) << decoded.error().message;
    EXPECT_EQ(decoded->status, status);
  }
}

TEST(EncodeMigrationStatus, SaysWhoseStatusItIsAndNothingElse) {
  const json object = json::parse(encode_status(meta(), MigrationStatus{}));
  EXPECT_EQ(object, json::parse(R"({"apiVersion": "rls-operator.dev/v1alpha1", "kind": "RlsMigration",
    "metadata": {"name": "sm", "namespace": "tenants", "uid": "u-1", "resourceVersion": "42"},
    "status": {"observedGeneration": -1}})"));
}

TEST(EncodeMigrationStatus, WritesTimesAsTheCrdWantsThem) {
  MigrationStatus status = full_status();
  status.conditions[0].last_transition += microseconds{500'000};
  const json object = json::parse(encode_status(meta(), status));
  const json& written = object["status"];
  EXPECT_EQ(written["phaseSince"], "2026-01-15T12:00:00.123456Z");
  EXPECT_EQ(written["eligibleAt"], "2026-01-22T12:00:00Z");
  EXPECT_EQ(written["conditions"][0]["lastTransitionTime"], "2026-01-15T12:00:00Z");
  EXPECT_EQ(written["conditions"][0]["message"], "") << "required by metav1.Condition";
  EXPECT_EQ(written["violations"]["byTable"][0]["count"], 2);
  EXPECT_FALSE(written["gates"][1].contains("message"));
  EXPECT_FALSE(written["history"][1].contains("from"));
}

TEST(EncodeDatabaseStatus, IsReadBackAsItWas) {
  DatabaseStatus status;
  status.observed_generation = 1;
  status.server_version = "15.18";
  status.system_identifier = "7412345678901234567";
  status.projects = {{"complete", 0}, {"pending", 5}, {"shadow", 9'000'000'000}};
  status.adopted = full_adopted();
  status.conditions = {ready()};
  DatabaseStatus bare;  // found, with hardly anything in it
  bare.adopted.emplace().audit_table.emplace();
  for (const DatabaseStatus& each : {status, bare, DatabaseStatus{}}) {
    const auto decoded = decode_database(stored(each, kDatabaseSpec).dump());
    ASSERT_TRUE(decoded.ok()) << decoded.error().message;
    EXPECT_EQ(decoded->status, each);
  }
  EXPECT_EQ(json::parse(encode_status(meta(), status))["kind"], "RlsDatabase");
}

TEST(Encode, AnyBytesBecomeWellFormedJson) {
  std::string bytes;
  for (int c = 0; c < 256; ++c) bytes += static_cast<char>(c);
  MigrationStatus status;
  status.violations.emplace().samples = {{bytes, "\"\\", "\xE4", "ok", {}}};
  const json object = json::parse(encode_status(meta(), status));  // throws where it is not
  EXPECT_EQ(object["status"]["violations"]["samples"][0]["user"], "\xEF\xBF\xBD");
  EXPECT_EQ(object["status"]["violations"]["samples"][0]["operation"], "\"\\");
}

TEST(WellFormed, ReplacesOnlyWhatIsBroken) {
  EXPECT_EQ(well_formed("plain ä 日 🙂"), "plain ä 日 🙂");
  EXPECT_EQ(well_formed("a\xFFz"), "a\xEF\xBF\xBDz");
  EXPECT_EQ(well_formed("ä\xC3"), "ä\xEF\xBF\xBD");
  EXPECT_TRUE(is_utf8(well_formed("\xF0\x9F\x99\x80\xED\xA0\x80")));
}

TEST(Fit, MakesAnythingComeBackAsItWas) {
  MigrationStatus status = full_status();
  status.eligible_at = kTime + microseconds{1};
  status.blocked_by = std::string(1000, 'b');
  for (int i = 0; i < 100; ++i) {
    status.violations->by_table.push_back({std::string(400, 't'), i});
    status.violations->samples.push_back({"t", "op", std::string("\xFFu"), std::string(900, 'r'), kTime});
    status.gates.push_back(
        {"G", GateState::blocked, kTime + microseconds{i}, "o", "r", std::string(5000, 'm')});
    status.history.push_back({"id", Phase::shadow, Phase::pending, kTime, std::string(999, 'r')});
    status.conditions.push_back(ready());
  }
  status.conditions[0].message = std::string(40'000, 'm');
  status.conditions[0].last_transition += microseconds{7};
  fit(status);
  EXPECT_EQ(status.eligible_at, kTime + seconds{1}) << "never shown earlier than it is";
  EXPECT_EQ(status.violations->by_table.size(), kMaxTables);
  EXPECT_EQ(status.violations->samples.size(), kMaxSamples);
  EXPECT_EQ(status.gates.size(), kMaxGates);
  EXPECT_EQ(status.history.size(), kMaxHistory);
  EXPECT_EQ(status.conditions.size(), kMaxConditions);
  EXPECT_LE(status.conditions[0].message.size(), kMaxMessage);
  EXPECT_LT(encode_status(meta(), status).size(), 64'000U);

  const auto decoded = decode_migration(stored(status, kMigrationSpec).dump());
  ASSERT_TRUE(decoded.ok()) << decoded.error().message;
  EXPECT_EQ(decoded->status, status);
}

TEST(Fit, BoundsWhatWasAdopted) {
  DatabaseStatus status;
  AdoptedStatus& adopted = status.adopted.emplace(full_adopted());
  for (int i = 0; i < 100; ++i)
    adopted.status_table.columns.emplace("c" + std::to_string(i), std::string(999, '"'));
  for (std::string* text :
       {&adopted.status_table.name, &adopted.audit_table->name, &adopted.audit_table->columns["time"],
        &adopted.phase_type, &adopted.registry_table, &adopted.uncounted_because, &adopted.unmirrored_because,
        &adopted.no_first_row_because, &adopted.evidence.message})
    *text = "\xFF" + std::string(40'000, '"');
  fit(status);
  EXPECT_EQ(adopted.status_table.columns.size(), kMaxColumns);
  EXPECT_EQ(adopted.evidence.message.size(), kMaxMessage);
  EXPECT_LT(encode_status(meta(), status).size(), 24'000U);
  const auto decoded = decode_database(stored(status, kDatabaseSpec).dump());
  ASSERT_TRUE(decoded.ok()) << decoded.error().message;
  EXPECT_EQ(decoded->status, status);
}

TEST(Fit, LeavesAloneWhatFits) {
  MigrationStatus status = full_status();
  fit(status);
  EXPECT_EQ(status, full_status());
}

}  // namespace
}  // namespace rls::api
