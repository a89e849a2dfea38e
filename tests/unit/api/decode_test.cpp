#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "controller/api/database.hpp"
#include "controller/api/limits.hpp"
#include "controller/api/migration.hpp"

namespace rls::api {
namespace {

using nlohmann::json;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;

json migration_json() {
  return json::parse(R"({
    "apiVersion": "rls-operator.dev/v1alpha1", "kind": "RlsMigration",
    "metadata": {"name": "sm", "namespace": "tenants", "uid": "u-1", "resourceVersion": "42", "generation": 3,
                 "creationTimestamp": "2026-01-15T12:00:00Z", "managedFields": [{"fieldsV1": {"f:spec": {}}}]},
    "spec": {"databaseRef": {"name": "main"}, "project": "sm", "phase": "enforcing", "drift": "Revert",
             "gates": {"shadowSoak": "336h", "enforcingSoak": "1h30m", "maxViolations": 2}, "suspend": true}
  })");
}

json database_json() {
  return json::parse(R"({
    "apiVersion": "rls-operator.dev/v1alpha1", "kind": "RlsDatabase",
    "metadata": {"name": "main", "namespace": "tenants", "uid": "u-2", "resourceVersion": "7", "generation": 1},
    "spec": {"connection": {"secretRef": {"name": "main-db", "key": "url"}, "maxConnections": 9},
             "runtime": {"mode": "Adopted", "schema": "app"}, "timeouts": {"lock": "500ms", "statement": "1m"}}
  })");
}

TEST(DecodeMigration, ReadsEveryField) {
  const auto decoded = decode_migration(migration_json().dump());
  ASSERT_TRUE(decoded.ok()) << decoded.error().message;
  const ObjectMeta meta{.name = {"tenants", "sm"},
                        .uid = "u-1",
                        .resource_version = "42",
                        .generation = 3,
                        .created = *parse_rfc3339("2026-01-15T12:00:00Z"),
                        .deleting = false};
  EXPECT_EQ(decoded->meta, meta);
  const MigrationSpec spec{.database = "main",
                           .project = "sm",
                           .phase = Phase::enforcing,
                           .drift = DriftPolicy::revert,
                           .gates = {hours{336}, minutes{90}, 2},
                           .suspend = true};
  EXPECT_EQ(decoded->spec, spec);
  EXPECT_EQ(decoded->status, MigrationStatus{});
  EXPECT_EQ(decoded->status.observed_generation, -1);
}

TEST(DecodeMigration, FillsInTheDefaultsOfTheContract) {
  json object = migration_json();
  object["spec"] = {{"databaseRef", {{"name", "main"}}}, {"project", "sm"}, {"phase", "shadow"}};
  const auto decoded = decode_migration(object.dump());
  ASSERT_TRUE(decoded.ok()) << decoded.error().message;
  EXPECT_EQ(decoded->spec.drift, DriftPolicy::report);
  EXPECT_EQ(decoded->spec.gates, (GatesSpec{hours{168}, hours{168}, 0}));
  EXPECT_FALSE(decoded->spec.suspend);
}

TEST(DecodeMigration, NullIsAsGoodAsAbsent) {
  json object = migration_json();
  object["spec"]["gates"] = nullptr;
  object["spec"]["drift"] = nullptr;
  object["status"] = nullptr;
  object["metadata"]["annotations"] = nullptr;
  const auto decoded = decode_migration(object.dump());
  ASSERT_TRUE(decoded.ok()) << decoded.error().message;
  EXPECT_EQ(decoded->spec.gates, GatesSpec{});
}

TEST(DecodeMigration, IgnoresWhatItDoesNotKnow) {
  json object = migration_json();
  object["spec"]["later"] = {{"deep", {1, 2, {{"er", "x"}}}}};
  object["extra"] = "x";
  object["metadata"]["ownerReferences"] = json::array({json::object()});
  EXPECT_TRUE(decode_migration(object.dump()).ok());
}

TEST(DecodeMigration, SeesADeletion) {
  json object = migration_json();
  object["metadata"]["deletionTimestamp"] = "2026-01-15T12:00:00Z";
  EXPECT_TRUE(decode_migration(object.dump())->meta.deleting);
}

TEST(DecodeMigration, ProjectNamesMayHoldWhatTheDatabaseAllows) {
  std::string fifty;
  for (int i = 0; i < 50; ++i) fifty += "ä";
  for (const std::string& name : {std::string("it's"), std::string("a\"b"), std::string("a b;--"), fifty,
                                  std::string("日本語"), std::string("\\"), std::string("ID=1")}) {
    json object = migration_json();
    object["spec"]["project"] = name;
    const auto decoded = decode_migration(object.dump());
    ASSERT_TRUE(decoded.ok()) << decoded.error().message;
    EXPECT_EQ(decoded->spec.project, name);
  }
}

struct Bad {
  const char* pointer;  ///< JSON pointer of what is replaced; removed where `value` is "(removed)"
  json value;
  const char* message;  ///< is part of the error's message
};

void expect_refused(const json& good, const std::vector<Bad>& rows,
                    const std::function<Result<void>(const std::string&)>& decode) {
  for (const Bad& row : rows) {
    json object = good;
    const json::json_pointer pointer(row.pointer);
    if (row.value == "(removed)") {
      object[pointer.parent_pointer()].erase(pointer.back());
    } else {
      object[pointer] = row.value;
    }
    const Result<void> result = decode(object.dump());
    ASSERT_FALSE(result.ok()) << row.pointer << " = " << row.value;
    EXPECT_EQ(result.error().kind, ErrorKind::terminal);
    EXPECT_EQ(result.error().reason, "InvalidSpec");
    EXPECT_THAT(result.error().message, HasSubstr(row.message));
  }
}

TEST(DecodeMigration, NamesTheFieldThatIsWrong) {
  const std::vector<Bad> rows = {
      {"/metadata/name", "(removed)", "metadata.name: required"},
      {"/metadata/generation", "three", "metadata.generation: a whole number is wanted, this is a string"},
      {"/spec", "(removed)", "spec.databaseRef.name: required"},
      {"/spec", "text", "spec: an object is wanted, this is a string"},
      {"/spec/databaseRef", json::array(), "spec.databaseRef: an object is wanted, this is a list"},
      {"/spec/databaseRef/name", "", "spec.databaseRef.name: required"},
      {"/spec/databaseRef/name", 5, "spec.databaseRef.name: a string is wanted, this is a number"},
      {"/spec/project", "(removed)", "spec.project: required"},
      {"/spec/project", "", "spec.project: required"},
      {"/spec/project", "a\nb", R"(spec.project: "a\x0ab" has a control character)"},
      {"/spec/project", std::string("a\0b", 3), "has a control character"},
      {"/spec/project", "a\x7f", "has a control character"},
      {"/spec/project", "a\xEF\xBF\xBD", "U+FFFD"},
      {"/spec/project", std::string(51, 'x'), "is longer than 50 characters"},
      {"/spec/phase", "(removed)", "spec.phase: required"},
      {"/spec/phase", "Shadow", R"(spec.phase: "Shadow" is not one of pending, shadow, enforcing, complete)"},
      {"/spec/phase", true, "spec.phase: a string is wanted, this is a boolean"},
      {"/spec/drift", "report", R"(spec.drift: "report" is not one of Report, Revert)"},
      {"/spec/suspend", "false", "spec.suspend: a boolean is wanted, this is a string"},
      {"/spec/gates", 1, "spec.gates: an object is wanted, this is a number"},
      {"/spec/gates/shadowSoak", "7d", R"(spec.gates.shadowSoak: "7d" is not a duration (use h, m, s, ms))"},
      {"/spec/gates/shadowSoak", "", "is not a duration"},
      {"/spec/gates/shadowSoak", 168, "a string is wanted, this is a number"},
      {"/spec/gates/shadowSoak", "-1h", "is not a duration"},
      {"/spec/gates/shadowSoak", "1.5h", "is not a duration"},
      {"/spec/gates/shadowSoak", "8760h1ms", "is not between 0s and 8760h"},
      {"/spec/gates/enforcingSoak", "999999h999999h", "is not between 0s and 8760h"},
      {"/spec/gates/maxViolations", -1, "spec.gates.maxViolations: -1 is not between 0 and 1000000"},
      {"/spec/gates/maxViolations", 1e300, "a whole number is wanted"},
      {"/spec/gates/maxViolations", 18446744073709551615ULL, "spec.gates.maxViolations: a whole number"},
  };
  expect_refused(migration_json(), rows, [](const std::string& text) -> Result<void> {
    const auto decoded = decode_migration(text);
    if (!decoded) return decoded.error();
    return Ok{};
  });
}

TEST(DecodeMigration, AnEndlessDurationDoesNotOverflow) {
  std::string soak;
  for (int i = 0; i < 20'000; ++i) soak += "999999h";
  json object = migration_json();
  object["spec"]["gates"]["shadowSoak"] = soak;
  const auto decoded = decode_migration(object.dump());
  ASSERT_FALSE(decoded.ok());
  EXPECT_LT(decoded.error().message.size(), 400U);
}

TEST(DecodeMigration, HoldAtAnnotation) {
  struct Row {
    json value;
    std::optional<Phase> hold_at;
    const char* unreadable;
  };
  const std::vector<Row> rows = {
      {"shadow", Phase::shadow, ""},
      {"pending", Phase::pending, ""},
      {"Shadow", {}, "Shadow"},
      {"shadow ", {}, "shadow "},
      {"", {}, "(empty)"},
      {"true", {}, "true"},
      {"complete", Phase::complete, ""},
  };
  for (const Row& row : rows) {
    json object = migration_json();
    object["metadata"]["annotations"] = {{kHoldAtAnnotation, row.value}, {"other", "x"}};
    const auto decoded = decode_migration(object.dump());
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(decoded->hold_at, row.hold_at) << row.value;
    EXPECT_EQ(decoded->hold_at_unreadable, row.unreadable) << row.value;
  }
  const auto without = decode_migration(migration_json().dump());
  EXPECT_EQ(without->hold_at, std::nullopt);
  EXPECT_EQ(without->hold_at_unreadable, "");
}

TEST(DecodeMigration, AdoptPhaseAsItStands) {
  json object = migration_json();
  EXPECT_EQ(decode_migration(object.dump())->adopt_phase, "");
  object["metadata"]["annotations"] = {{kAdoptPhaseAnnotation, "enforcing@5"}};
  EXPECT_EQ(decode_migration(object.dump())->adopt_phase, "enforcing@5");
}

TEST(DecodeMigration, RequestedAtFitsIntoTheStatusThatEchoesIt) {
  json object = migration_json();
  object["metadata"]["annotations"] = {{kRequestedAtAnnotation, "2026-01-15"}};
  EXPECT_EQ(decode_migration(object.dump())->requested_at, "2026-01-15");

  object["metadata"]["annotations"] = {{kRequestedAtAnnotation, std::string(5000, 'x')}};
  const auto decoded = decode_migration(object.dump());
  EXPECT_LE(decoded->requested_at.size(), kMaxEcho);
  MigrationStatus status;
  status.last_handled_reconcile_at = decoded->requested_at;
  fit(status);
  EXPECT_EQ(status.last_handled_reconcile_at, decoded->requested_at);
}

TEST(DecodeMigration, AStatusSomebodyBrokeIsReadAsFarAsItGoes) {
  json object = migration_json();
  object["status"] = json::parse(R"({
    "observedGeneration": "x", "phase": "nonsense", "phaseSince": "yesterday", "cleanSince": "2026-01-01T00:00:00Z",
    "blockedBy": 7, "violations": [], "gates": {"a": 1}, "history": [5, {"to": "shadow", "from": "?"}],
    "conditions": [{"type": "Ready", "status": "Maybe", "observedGeneration": -4}, null]})");
  const auto decoded = decode_migration(object.dump());
  ASSERT_TRUE(decoded.ok()) << decoded.error().message;
  EXPECT_EQ(decoded->status.observed_generation, -1);
  EXPECT_EQ(decoded->status.phase, std::nullopt);
  EXPECT_EQ(decoded->status.phase_since, std::nullopt);
  EXPECT_TRUE(decoded->status.clean_since.has_value());
  EXPECT_EQ(decoded->status.history.back().to, Phase::shadow);
  EXPECT_EQ(decoded->status.conditions.front().status, ConditionStatus::unknown);
}

TEST(DecodeDatabase, ReadsEveryField) {
  const auto decoded = decode_database(database_json().dump());
  ASSERT_TRUE(decoded.ok()) << decoded.error().message;
  const DatabaseSpec spec{.secret = {"main-db", "url"},
                          .max_connections = 9,
                          .mode = RuntimeMode::adopted,
                          .schema = "app",
                          .lock_timeout = milliseconds{500},
                          .statement_timeout = minutes{1},
                          .policy = {}};
  EXPECT_EQ(decoded->spec, spec);
  EXPECT_EQ(decoded->meta.name.str(), "tenants/main");
  EXPECT_EQ(decoded->status, DatabaseStatus{});
}

TEST(DecodeDatabase, FillsInTheDefaultsOfTheContract) {
  json object = database_json();
  object["spec"] = {{"connection", {{"secretRef", {{"name", "main-db"}}}}},
                    {"runtime", {{"mode", "Adopted"}}}};
  const auto decoded = decode_database(object.dump());
  ASSERT_TRUE(decoded.ok()) << decoded.error().message;
  const DatabaseSpec spec{.secret = {"main-db", "uri"},
                          .max_connections = 4,
                          .mode = RuntimeMode::adopted,
                          .schema = "public",
                          .lock_timeout = seconds{5},
                          .statement_timeout = seconds{30},
                          .policy = {}};
  EXPECT_EQ(decoded->spec, spec);
}

TEST(DecodeDatabase, AManagedRuntimeHasDefaultsOfItsOwn) {
  json object = database_json();
  object["spec"] = {
      {"connection", {{"secretRef", {{"name", "main-db"}}}}},
      {"runtime", {{"mode", "Managed"}}},
      {"tables", json::array({{{"name", "app.*"}}, {{"name", "crm.users"}, {"projectColumn", "org"}}})}};
  const auto decoded = decode_database(object.dump());
  ASSERT_TRUE(decoded.ok()) << decoded.error().message;
  EXPECT_EQ(decoded->spec.mode, RuntimeMode::managed);
  EXPECT_EQ(decoded->spec.schema, "rls");
  EXPECT_EQ(decoded->spec.repair, Repair::automatic);
  EXPECT_EQ(decoded->spec.policy.reads, ReadEvidence::required);
  EXPECT_EQ(decoded->spec.audit_retention, std::chrono::hours{2160});
  EXPECT_EQ(decoded->spec.tables, (std::vector<TableSpec>{{"app.*", "project_id"}, {"crm.users", "org"}}));
}

TEST(DecodeMigration, AccessIsWhoMayBeRead) {
  json object = migration_json();
  object["spec"]["access"] = {{"level", "shared"}, {"readable", {"b", "c"}}};
  object["spec"]["gates"]["minTransactions"] = 50;
  object["spec"]["gates"]["review"] = "None";
  auto decoded = decode_migration(object.dump());
  ASSERT_TRUE(decoded.ok()) << decoded.error().message;
  EXPECT_EQ(decoded->spec.access, (AccessSpec{AccessSpec::Level::shared, {"b", "c"}}));
  EXPECT_EQ(decoded->spec.gates.min_transactions, 50);
  EXPECT_EQ(decoded->spec.gates.review_required, false);
  object["spec"]["access"] = {{"level", "isolated"}, {"readable", {"b"}}};
  decoded = decode_migration(object.dump());
  ASSERT_FALSE(decoded.ok());
  EXPECT_THAT(decoded.error().message, HasSubstr("spec.access.readable: goes with level shared alone"));
  object["spec"]["access"] = {{"level", "owner"}};
  EXPECT_THAT(decode_migration(object.dump()).error().message,
              HasSubstr("is not one of isolated, shared, super"));
}

TEST(DecodeDatabase, ChecksOfTheFloorAreTheDatabases) {
  json object = database_json();
  object["spec"]["minimumGates"]["checks"] =
      json::array({{{"name", "orphans"}, {"phases", {"enforcing"}}, {"sql", {{"query", "SELECT true"}}}},
                   {{"name", "errors"},
                    {"every", "1m"},
                    {"onFailure", "Rollback"},
                    {"prometheus", {{"url", "http://p:9090"}, {"query", "up"}, {"expect", "== 1"}}}}});
  const auto decoded = decode_database(object.dump());
  ASSERT_TRUE(decoded.ok()) << decoded.error().message;
  const auto& checks = decoded->spec.policy.minimum_gates.checks;
  ASSERT_EQ(checks.size(), 2U);
  EXPECT_EQ(checks[0].id(), "database/orphans");
  EXPECT_EQ(checks[0].phases, std::vector<Phase>{Phase::enforcing});
  EXPECT_EQ(checks[0].sql, (SqlCheck{"SELECT true", "true"}));
  EXPECT_EQ(checks[1].on_failure, CheckSpec::OnFailure::rollback);
  EXPECT_EQ(checks[1].every, std::chrono::minutes{1});
  EXPECT_EQ(checks[1].prometheus, (PrometheusCheck{"http://p:9090", "up", "== 1"}));
}

json by_prometheus(const std::string& query) { return {{"url", "http://p:9090"}, {"query", query}}; }

TEST(DecodeDatabase, AnAdoptedOneMaySayWhoCountsTransactions) {
  json object = database_json();
  EXPECT_EQ(decode_database(object.dump())->spec.policy.transactions, std::nullopt);
  object["spec"]["checks"] = {{"secretRef", {{"name", "checks"}}}};
  object["spec"]["evidence"] = {{"transactions", {{"sql", "SELECT $1, $2"}}}};
  auto decoded = decode_database(object.dump());
  ASSERT_TRUE(decoded.ok()) << decoded.error().message;
  EXPECT_EQ(decoded->spec.policy.transactions, TransactionSource{.sql = "SELECT $1, $2"});

  object["spec"]["evidence"]["transactions"] = {{"prometheus", by_prometheus("$project $window")}};
  decoded = decode_database(object.dump());
  ASSERT_TRUE(decoded.ok()) << decoded.error().message;
  TransactionSource source;
  source.prometheus = {"http://p:9090", "$project $window"};
  EXPECT_EQ(decoded->spec.policy.transactions, source);

  object["spec"]["runtime"] = {{"mode", "Managed"}};
  object["spec"]["tables"] = json::array({{{"name", "app.*"}}});
  decoded = decode_database(object.dump());
  ASSERT_FALSE(decoded.ok());
  EXPECT_THAT(decoded.error().message,
              HasSubstr("spec.evidence.transactions: goes with mode Adopted alone: remove it"));
}

TEST(DecodeDatabase, NamesTheFieldThatIsWrong) {
  const std::vector<Bad> rows = {
      {"/spec/connection", "(removed)", "spec.connection.secretRef.name: required"},
      {"/spec/connection/secretRef", "main-db", "spec.connection.secretRef: an object is wanted"},
      {"/spec/connection/secretRef/name", "", "spec.connection.secretRef.name: required"},
      {"/spec/connection/maxConnections", 0, "spec.connection.maxConnections: 0 is not between 1 and 100"},
      {"/spec/connection/maxConnections", 101, "101 is not between"},
      {"/spec/connection/maxConnections", 4294967297, "4294967297 is not between"},
      {"/spec/runtime", "(removed)", "spec.runtime.mode: required"},
      {"/spec/runtime/mode", "Foreign", R"(spec.runtime.mode: "Foreign" is not one of Managed, Adopted)"},
      {"/spec/runtime/mode", "Managed", "spec.tables: required where spec.runtime.mode is Managed"},
      {"/spec/runtime/repair", "Auto", "spec.runtime.repair: goes with mode Managed alone"},
      {"/spec/tables", json::array({{{"name", "app.nodes"}}}), "spec.tables: goes with mode Managed alone"},
      {"/spec/tables", json::array({{{"name", "nodes"}}}), R"("nodes" is not a schema and a table)"},
      {"/spec/tables", json::array({{{"name", "a*.nodes"}}}), "has a * in its schema"},
      {"/spec/tables", json::array({{{"name", "app." + std::string(64, 'x')}}}), "longer than 63 bytes"},
      {"/spec/tables", json::array({{{"name", "app.a"}}, {{"name", "app.a"}}}), "stands there twice"},
      {"/spec/evidence",
       {{"auditRetention", "2160h"}},
       "spec.evidence.auditRetention: goes with mode Managed alone"},
      {"/spec/minimumGates", {{"review", "Maybe"}}, "is not one of Required, None"},
      {"/spec/minimumGates",
       {{"checks", json::array({{{"name", "suite"}, {"job", {{"template", {{"spec", {{"a", 1}}}}}}}}})}},
       "a Job is made for one RlsMigration"},
      {"/spec/minimumGates",
       {{"checks", json::array({{{"name", "suite"}, {"job", {{"template", {{"spec", {{"a", 1}}}}}}}}})}},
       "put it into spec.gates.checks of the RlsMigrations"},
      {"/spec/minimumGates", {{"checks", json::array({{{"name", "suite"}}})}}, "not exactly one of sql"},
      {"/spec/minimumGates",
       {{"checks",
         json::array({{{"name", "a"}, {"onFailure", "Rollback"}, {"sql", {{"query", "SELECT true"}}}}})}},
       "Rollback goes with every alone"},
      {"/spec/minimumGates",
       {{"checks", json::array({{{"name", "a/b"}, {"sql", {{"query", "SELECT true"}}}}})}},
       "is no plain name"},
      {"/spec/minimumGates",
       {{"checks", json::array({{{"name", "a"}, {"sql", {{"query", "SELECT true"}}}},
                                {{"name", "a"}, {"sql", {{"query", "SELECT true"}}}}})}},
       "stands there twice"},
      {"/spec/evidence/transactions", json::object(), "exactly one of sql and prometheus is wanted"},
      {"/spec/evidence/transactions",
       {{"sql", "SELECT $1, $2"}, {"prometheus", by_prometheus("$project $since")}},
       "spec.evidence.transactions: exactly one of sql and prometheus is wanted"},
      {"/spec/evidence/transactions",
       {{"sql", "SELECT $1"}},
       "transactions.sql: does not use $2, the instant"},
      {"/spec/evidence/transactions",
       {{"sql", "SELECT $2"}},
       "transactions.sql: does not use $1, the project"},
      {"/spec/evidence/transactions", {{"sql", "SELECT $1, $2"}}, "set spec.checks.secretRef"},
      {"/spec/evidence/transactions",
       {{"prometheus", by_prometheus("up[$window]")}},
       "transactions.prometheus.query: does not use $project"},
      {"/spec/evidence/transactions",
       {{"prometheus", by_prometheus("$project")}},
       "transactions.prometheus.query: does not use $since or $window"},
      {"/spec/evidence/transactions",
       {{"prometheus", {{"url", "p:9090"}, {"query", "$project $since"}}}},
       "does not begin with http:// or https://"},
      {"/spec/runtime/schema", "", "spec.runtime.schema: empty"},
      {"/spec/runtime/schema", std::string(64, 'x'), "longer than 63 bytes"},
      {"/spec/runtime/schema", "a\tb", "control character"},
      {"/spec/timeouts/lock", "0s", "spec.timeouts.lock: \"0s\" is not between 10ms and 1m"},
      {"/spec/timeouts/lock", "2m", "is not between 10ms and 1m"},
      {"/spec/timeouts/statement", "11m", "spec.timeouts.statement: \"11m\" is not between 100ms and 10m"},
      {"/spec/timeouts/statement", "1d", "is not a duration"},
  };
  expect_refused(database_json(), rows, [](const std::string& text) -> Result<void> {
    const auto decoded = decode_database(text);
    if (!decoded) return decoded.error();
    return Ok{};
  });
}

TEST(DecodeMeta, KnowsWhoseSpecWasRefused) {
  json object = migration_json();
  object["spec"] = "broken";
  EXPECT_FALSE(decode_migration(object.dump()).ok());
  const auto meta = decode_meta(object.dump());
  ASSERT_TRUE(meta.ok());
  EXPECT_EQ(meta->name.str(), "tenants/sm");
  EXPECT_EQ(meta->resource_version, "42");
  EXPECT_EQ(meta->generation, 3);
}

TEST(Decode, TextsThatAreNoJsonAreRefusedWithoutACrash) {
  const std::string good = migration_json().dump();
  std::vector<std::string> texts = {"",
                                    " ",
                                    "null",
                                    "[]",
                                    "5",
                                    "\"x\"",
                                    "{",
                                    "{\"metadata\":",
                                    "nul",
                                    "{}{}",
                                    std::string(100'000, '['),
                                    std::string(100'000, '{'),
                                    std::string("{\"a\":\"\0\"}", 9),
                                    "{\"a\":\"\xFF\"}",
                                    "{\"a\":\"\\ud800\"}",
                                    "{\"a\":1e999999}",
                                    "{\"a\":" + std::string(10'000, '9') + "}",
                                    "{a:1}"};
  for (std::size_t length = 0; length < good.size(); ++length) texts.push_back(good.substr(0, length));
  for (const std::string& text : texts) {
    EXPECT_FALSE(decode_migration(text).ok()) << text.substr(0, 60);
    EXPECT_FALSE(decode_database(text).ok()) << text.substr(0, 60);
    EXPECT_FALSE(decode_meta(text).ok()) << text.substr(0, 60);
  }
  EXPECT_EQ(decode_migration("{").error().reason, "InvalidObject");
  EXPECT_TRUE(decode_migration(good).ok()) << "the parser works on after failures";
}

TEST(Decode, DeepNestingInsideAnObjectIsRefused) {
  std::string text = migration_json().dump();
  text.insert(text.size() - 1, ",\"deep\":" + std::string(50'000, '[') + std::string(50'000, ']'));
  EXPECT_FALSE(decode_migration(text).ok());
}

TEST(Decode, OfDuplicateKeysTheFirstCounts) {
  const auto decoded = decode_migration(
      R"({"metadata":{"name":"a","name":"b"},"spec":{"databaseRef":{"name":"d"},"project":"p","phase":"pending","phase":"complete"}})");
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->meta.name.name, "a");
  EXPECT_EQ(decoded->spec.phase, Phase::pending);
}

TEST(Decode, LargeObjectsAreRead) {
  json object = migration_json();
  object["metadata"]["annotations"] = {{"big", std::string(1'000'000, 'x')}};
  EXPECT_TRUE(decode_migration(object.dump()).ok());
  EXPECT_TRUE(decode_migration(migration_json().dump()).ok());
}

TEST(Decode, AnAnnotationThatIsNoTextIsNamed) {
  const auto migration = decode_migration(
      R"({"metadata":{"name":"sm","annotations":{"rls-operator.dev/hold-at":{}}},"spec":{}})");
  ASSERT_FALSE(migration.ok());
  EXPECT_EQ(migration.error().message,
            "metadata.annotations.rls-operator.dev/hold-at: a string is wanted, this is an object");
  const auto database = decode_database(
      R"({"metadata":{"name":"main","annotations":{"rls-operator.dev/take-over":7}},"spec":{}})");
  ASSERT_FALSE(database.ok());
  EXPECT_EQ(database.error().message,
            "metadata.annotations.rls-operator.dev/take-over: a string is wanted, this is a number");
}

}  // namespace
}  // namespace rls::api
