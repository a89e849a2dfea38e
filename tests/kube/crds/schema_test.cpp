// The schemas themselves: documented, bounded as the code believes, and nothing accepted that is ignored.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <set>

#include "controller/api/limits.hpp"
#include "tests/kube/crds/kubectl.hpp"

namespace rls::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr std::string_view kUnsupported = "Not supported by this version.";

json schema(const std::string& plural) {
  const json crd =
      json::parse(kubectl_ok({"get", "crd", plural + ".rls-operator.dev", "-o", "json"}), nullptr, false);
  return crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
}

/// Calls `visit` for every object schema, those inside lists included.
void walk(const std::string& path, const json& node,
          const std::function<void(const std::string&, const json&)>& visit) {
  if (node.contains("items")) walk(path + "[]", node["items"], visit);
  if (!node.contains("properties")) return;
  visit(path, node);
  for (const auto& [name, child] : node["properties"].items()) walk(path + "." + name, child, visit);
}

bool is_unsupported(const json& node) { return node.value("description", "").starts_with(kUnsupported); }

class EveryKind : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Schema, EveryKind,
                         testing::Values("rlsapprovals", "rlsdatabases", "rlsmigrations", "rlsrollouts"));

TEST_P(EveryKind, IsEstablishedWithItsNames) {
  const json crd =
      json::parse(kubectl_ok({"get", "crd", std::string(GetParam()) + ".rls-operator.dev", "-o", "json"}),
                  nullptr, false);
  EXPECT_EQ(crd["spec"]["scope"], "Namespaced");
  EXPECT_EQ(crd["spec"]["names"]["categories"], json::array({"rls"}));
  for (const json& condition : crd["status"]["conditions"]) {
    const bool bad = condition["type"] == "NonStructuralSchema";
    EXPECT_EQ(condition["status"], bad ? "False" : "True") << condition;
  }
}

TEST_P(EveryKind, EveryFieldIsDescribed) {
  walk("", schema(GetParam()), [](const std::string& path, const json& node) {
    for (const auto& [name, field] : node["properties"].items()) {
      if (path.empty() && name == "metadata") continue;  // the server's own
      const std::string text = field.value("description", "");
      EXPECT_TRUE(text.ends_with(".")) << path << "." << name << ": " << text;
    }
  });
}

TEST_P(EveryKind, WhatIsNotSupportedIsRefusedAndNothingElseIs) {
  walk("", schema(GetParam()), [](const std::string& path, const json& node) {
    if (is_unsupported(node) || path.find("[]") != std::string::npos) return;  // refused as a whole
    std::set<std::string> unsupported;
    for (const auto& [name, field] : node["properties"].items()) {
      if (!is_unsupported(field)) continue;
      unsupported.insert(name);
      EXPECT_FALSE(field.contains("default")) << path << "." << name;
    }
    std::set<std::string> refused;
    for (const json& rule : node.value("x-kubernetes-validations", json::array())) {
      const std::string text = rule["rule"];
      if (!text.starts_with("!has(self.") || text.find(' ') != std::string::npos) continue;
      const std::string name = text.substr(10, text.size() - 11);
      refused.insert(name);
      EXPECT_THAT(std::string(rule["message"]),
                  HasSubstr(path.substr(1) + "." + name + " is not supported by this version: remove it"));
    }
    EXPECT_EQ(refused, unsupported) << path;
  });
}

TEST_P(EveryKind, EveryListAndTextOfTheStatusIsBounded) {
  walk(".status", schema(GetParam())["properties"]["status"], [](const std::string& path, const json& node) {
    for (const auto& [name, field] : node["properties"].items()) {
      const std::string where = path + "." + name;
      if (field["type"] == "array") {
        EXPECT_TRUE(field.contains("maxItems")) << where;
        EXPECT_EQ(field["x-kubernetes-list-type"], name == "conditions" ? "map" : "atomic") << where;
      }
      if (field["type"] == "string") {
        EXPECT_TRUE(field.contains("maxLength") || field.contains("enum") || field.contains("format"))
            << where;
      }
    }
  });
}

TEST(Bounds, AreThoseOfTheCode) {
  const json migration = schema("rlsmigrations")["properties"];
  const json database = schema("rlsdatabases")["properties"];
  const auto at = [](const json& from, const char* pointer) { return from.at(json::json_pointer(pointer)); };
  EXPECT_EQ(at(migration, "/spec/properties/project/maxLength"), api::kMaxProjectCharacters);
  const json gates = at(migration, "/spec/properties/gates/properties");
  EXPECT_EQ(at(gates, "/maxViolations/maximum"), api::kMaxViolations);
  EXPECT_EQ(at(gates, "/shadowSoak/maxLength"), api::kMaxDurationText);
  EXPECT_EQ(at(gates, "/enforcingSoak/maxLength"), api::kMaxDurationText);
  for (const char* soak : {"/shadowSoak", "/enforcingSoak"}) {
    EXPECT_THAT(at(gates, soak).dump(), HasSubstr("duration('" + format_duration(api::kMaxSoak) + "')"));
    EXPECT_EQ(*parse_duration(std::string(at(gates, soak)["default"])), api::GatesSpec{}.shadow_soak);
  }

  const json approval = schema("rlsapprovals")["properties"]["spec"]["properties"];
  EXPECT_EQ(at(approval, "/migrationRef/properties/name/maxLength"), api::kMaxObjectName);
  EXPECT_EQ(at(approval, "/approver/maxLength"), api::kMaxApprover);
  EXPECT_EQ(at(approval, "/evidenceDigest/maxLength"), api::kDigestDigits);
  EXPECT_EQ(at(approval, "/evidenceDigest/minLength"), api::kDigestDigits);
  EXPECT_EQ(at(approval, "/comment/maxLength"), api::kMaxComment);

  const json status = at(migration, "/status/properties");
  EXPECT_EQ(at(status, "/gates/maxItems"), api::kMaxGates);
  EXPECT_EQ(at(status, "/history/maxItems"), api::kMaxHistory);
  EXPECT_EQ(at(status, "/conditions/maxItems"), api::kMaxConditions);
  EXPECT_EQ(at(status, "/violations/properties/byTable/maxItems"), api::kMaxTables);
  EXPECT_EQ(at(status, "/violations/properties/samples/maxItems"), api::kMaxSamples);
  EXPECT_EQ(at(status, "/gates/items/properties/message/maxLength"), api::kMaxMessage);
  EXPECT_EQ(at(status, "/conditions/items/properties/message/maxLength"), api::kMaxMessage);
  EXPECT_EQ(at(status, "/lastHandledReconcileAt/maxLength"), api::kMaxEcho);

  EXPECT_EQ(at(database, "/spec/properties/connection/properties/maxConnections/maximum"),
            api::kMaxConnections);
  EXPECT_EQ(at(database, "/spec/properties/runtime/properties/schema/maxLength"), api::kMaxIdentifierBytes);
  EXPECT_EQ(at(database, "/status/properties/projects/maxProperties"), api::kMaxProjectCounts);
  const json source = at(database, "/spec/properties/evidence/properties/transactions/properties");
  EXPECT_EQ(at(source, "/sql/maxLength"), api::kMaxQuery);
  EXPECT_EQ(at(source, "/prometheus/properties/query/maxLength"), api::kMaxQuery);
  EXPECT_EQ(at(source, "/prometheus/properties/url/maxLength"), api::kMaxUrl);
  const json adopted = at(database, "/status/properties/adopted/properties");
  for (const char* table : {"/statusTable", "/auditTable"}) {
    EXPECT_EQ(at(adopted, table)["properties"]["columns"]["maxProperties"], api::kMaxColumns);
    EXPECT_EQ(at(adopted, table)["properties"]["columns"]["additionalProperties"]["maxLength"],
              api::kMaxShort);
    EXPECT_EQ(at(adopted, table)["properties"]["name"]["maxLength"], api::kMaxShort);
  }
  for (const char* text : {"uncountedBecause", "unmirroredBecause", "noFirstRowBecause"})
    EXPECT_EQ(adopted[text]["maxLength"], api::kMaxMessage);
  EXPECT_EQ(at(adopted, "/evidence/properties/message/maxLength"), api::kMaxMessage);
  const std::string lock = at(database, "/spec/properties/timeouts/properties/lock").dump();
  const std::string statement = at(database, "/spec/properties/timeouts/properties/statement").dump();
  EXPECT_THAT(lock, HasSubstr("duration('" + format_duration(api::kMinLockTimeout) + "')"));
  EXPECT_THAT(lock, HasSubstr("duration('" + format_duration(api::kMaxLockTimeout) + "')"));
  EXPECT_THAT(statement, HasSubstr("duration('" + format_duration(api::kMinStatementTimeout) + "')"));
  EXPECT_THAT(statement, HasSubstr("duration('" + format_duration(api::kMaxStatementTimeout) + "')"));
}

TEST(Bounds, OfARolloutAreThoseOfTheCode) {
  const json rollout = schema("rlsrollouts")["properties"];
  const auto at = [](const json& from, const char* pointer) { return from.at(json::json_pointer(pointer)); };
  const json waves = at(rollout, "/spec/properties/waves");
  const json wave = waves["items"]["properties"];
  EXPECT_EQ(waves["maxItems"], api::kMaxWaves);
  EXPECT_EQ(at(wave, "/name/maxLength"), api::kMaxWaveName);
  EXPECT_EQ(at(wave, "/projects/maxItems"), api::kMaxWaveProjects);
  EXPECT_EQ(at(wave, "/projects/items/maxLength"), api::kMaxProjectCharacters);
  EXPECT_THAT(schema("rlsrollouts")["x-kubernetes-validations"].dump(),
              HasSubstr("size(self.metadata.name) <= " + std::to_string(api::kMaxRolloutName)));
  const json of_template = at(rollout, "/spec/properties/template/properties");
  EXPECT_EQ(of_template["gates"]["properties"], wave["gates"]["properties"]) << "the same gates twice";
  EXPECT_EQ(of_template["access"]["properties"], wave["access"]["properties"]);
  EXPECT_EQ(at(wave, "/access/properties/readable/maxItems"), api::kMaxReadable);

  const json gates = at(wave, "/gates/properties");
  for (const char* soak : {"/shadowSoak", "/enforcingSoak"}) {
    EXPECT_EQ(at(gates, soak)["maxLength"], api::kMaxDurationText);
    EXPECT_THAT(at(gates, soak).dump(), HasSubstr("duration('" + format_duration(api::kMaxSoak) + "')"));
    EXPECT_FALSE(at(gates, soak).contains("default")) << "what is not set is the template's";
  }
  EXPECT_EQ(at(gates, "/maxViolations/maximum"), api::kMaxViolations);
  EXPECT_EQ(at(gates, "/minTransactions/maximum"), api::kMaxTransactions);
  EXPECT_EQ(at(gates, "/approvals/additionalProperties/maximum"), api::kMaxApprovals);
  EXPECT_EQ(at(gates, "/windows/maxItems"), api::kMaxWindows);
  EXPECT_EQ(at(gates, "/windows/items/properties/schedule/maxLength"), api::kMaxSchedule);
  EXPECT_EQ(at(gates, "/windows/items/properties/timeZone/maxLength"), api::kMaxTimeZone);
  EXPECT_EQ(at(gates, "/windows/items/properties/timeZone/default"), api::WindowSpec{}.time_zone);
  EXPECT_EQ(at(gates, "/checks/maxItems"), api::kMaxChecks);
  const json check = at(gates, "/checks/items/properties");
  EXPECT_EQ(at(check, "/name/maxLength"), api::kMaxCheckName);
  for (const char* question : {"/sql", "/prometheus"}) {
    EXPECT_EQ(at(check, question)["properties"]["query"]["maxLength"], api::kMaxQuery);
  }
  EXPECT_EQ(at(check, "/sql/properties/expect/maxLength"), api::kMaxExpect);
  EXPECT_EQ(at(check, "/prometheus/properties/url/maxLength"), api::kMaxUrl);

  const json status = at(rollout, "/status/properties");
  EXPECT_EQ(at(status, "/waves/maxItems"), api::kMaxWaves);
  EXPECT_EQ(at(status, "/waves/items/properties/name/maxLength"), api::kMaxWaveName);
  EXPECT_EQ(at(status, "/waves/items/properties/message/maxLength"), api::kMaxMessage);
  EXPECT_EQ(at(status, "/message/maxLength"), api::kMaxMessage);
  EXPECT_EQ(at(status, "/done/maxLength"), api::kMaxShort);
  EXPECT_EQ(at(status, "/conditions/maxItems"), api::kMaxConditions);
}

TEST(Explain, ReadsAsDocumentation) {
  const std::vector<std::pair<const char*, const char*>> rows = {
      {"rlsmigration", "which phase of row-level security one project"},
      {"rlsm.spec.phase", "never skips shadow"},
      {"rlsm.spec.gates.shadowSoak", "168h are seven days"},
      {"rlsm.spec.gates.windows", "inside any of them"},
      {"rlsdb.spec.preflight", "Not supported by this version"},
      {"rlsm.status.cleanSince", "Where the soak clock starts"},
      {"rlsapproval", "the yes of one person to one step up"},
      {"rlsa.spec.approver", "kubectl auth whoami"},
      {"rlsdatabase", "one PostgreSQL database"},
      {"rlsrollout", "never changes the spec of one that exists"},
      {"rlsro.spec.advanceWhen", "before the next wave may go up"},
      {"rlsdb.spec.connection.secretRef", "must be allowed to get it"},
      {"rlsdb.spec.timeouts.lock", "lock_timeout"},
  };
  for (const auto& [field, text] : rows) {
    std::string explained = kubectl_ok({"explain", field});
    for (char& c : explained) {
      if (c == '\n') c = ' ';
    }
    std::string plain;
    for (const char c : explained) {
      if (c != ' ' || (!plain.empty() && plain.back() != ' ')) plain += c;
    }
    EXPECT_THAT(plain, HasSubstr(text)) << field;
  }
}

}  // namespace
}  // namespace rls::test
