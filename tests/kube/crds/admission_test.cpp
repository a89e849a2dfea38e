// What the API server lets through, and what it says to what it does not.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/kube/crds/kubectl.hpp"

namespace rls::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;

/// A JSON merge patch on a good object (null removes), and a part of the message where it is refused.
struct Row {
  const char* patch;
  const char* message;
};

std::string repeated(std::string_view text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

json patched(json object, std::string_view patch) {
  object.merge_patch(json::parse(patch));
  return object;
}

void expect_refused(const json& good, const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    const Output output = try_create(patched(good, row.patch));
    EXPECT_NE(output.code, 0) << row.patch << " was accepted";
    EXPECT_THAT(output.text, HasSubstr(row.message)) << row.patch;
  }
}

void expect_accepted(const json& good, const std::vector<const char*>& patches) {
  for (const char* patch : patches) {
    const Output output = try_create(patched(good, patch));
    EXPECT_EQ(output.code, 0) << patch << "\n" << output.text;
  }
}

TEST(Migration, GoodOnesAreAccepted) {
  expect_accepted(good_migration(),
                  {
                      "{}",
                      R"({"spec":{"phase":"pending"}})",
                      R"({"spec":{"phase":"complete","drift":"Revert","suspend":true}})",
                      R"({"spec":{"gates":{}}})",
                      R"({"spec":{"gates":{"shadowSoak":"0s","enforcingSoak":"8760h"}}})",
                      R"({"spec":{"gates":{"shadowSoak":"1h30m15s500ms","maxViolations":7}}})",
                      R"({"metadata":{"annotations":{"rls-operator.dev/hold-at":"shadow"}}})",
                  });
}

TEST(Migration, ProjectsMayBeCalledWhatTheDatabaseAllows) {
  for (const std::string& project :
       {std::string("it's"), std::string("a \"quoted\" one"), std::string("semi;colon--"),
        std::string("日本語"), std::string(" space "), std::string("\\"), repeated("ä", 50),
        std::string(50, 'x')}) {
    json object = good_migration();
    object["spec"]["project"] = project;
    const Output output = try_create(object);
    EXPECT_EQ(output.code, 0) << project << "\n" << output.text;
  }
}

TEST(Migration, BadOnesAreRefused) {
  expect_refused(
      good_migration(),
      {
          {R"({"spec":null})", "spec: Required value"},
          {R"({"spec":{"project":null}})", "spec.project: Required value"},
          {R"({"spec":{"phase":null}})", "spec.phase: Required value"},
          {R"({"spec":{"databaseRef":null}})", "spec.databaseRef: Required value"},
          {R"({"spec":{"databaseRef":{"name":null,"x":null}}})", "spec.databaseRef.name: Required value"},
          {R"({"spec":{"databaseRef":{"name":""}}})", "spec.databaseRef.name"},
          {R"({"spec":{"databaseRef":{"name":"Main"}}})", "must be the name of an RlsDatabase"},
          {R"({"spec":{"databaseRef":{"name":"../other/main"}}})", "must be the name of an RlsDatabase"},
          {R"({"spec":{"project":""}})", "spec.project"},
          {R"({"spec":{"project":"a\nb"}})", "spec.project must not have control characters: remove them"},
          {R"({"spec":{"project":"a\u0000b"}})", "spec.project must not have control characters"},
          {R"({"spec":{"project":"a\u001fb"}})", "spec.project must not have control characters"},
          {R"({"spec":{"project":"a\u007f"}})", "spec.project must not have control characters"},
          {R"({"spec":{"project":"a\ufffd"}})", "the mark of broken UTF-8: write the name anew"},
          {R"({"spec":{"project":"123456789012345678901234567890123456789012345678901"}})",
           "may not be more than 50"},
          {R"({"spec":{"project":7}})", "spec.project"},
          {R"({"spec":{"phase":"Shadow"}})",
           R"(supported values: "pending", "shadow", "enforcing", "complete")"},
          {R"({"spec":{"phase":""}})", "supported values"},
          {R"({"spec":{"drift":"report"}})", R"(supported values: "Report", "Revert")"},
          {R"({"spec":{"suspend":"yes"}})", "spec.suspend"},
          {R"({"spec":{"gates":{"maxViolations":-1}}})", "greater than or equal to 0"},
          {R"({"spec":{"gates":{"maxViolations":1000001}}})", "less than or equal to 1000000"},
          {R"({"spec":{"gates":{"maxViolations":1.5}}})", "spec.gates.maxViolations"},
          {R"({"spec":{"gates":{"maxViolations":99999999999999999999999}}})", "spec.gates.maxViolations"},
          {R"({"spec":{"phases":"shadow"}})", "unknown field \"spec.phases\""},
      });
}

TEST(Migration, FiftyOneCharactersAreTooManyHoweverManyBytes) {
  json object = good_migration();
  object["spec"]["project"] = repeated("ä", 51);
  EXPECT_THAT(try_create(object).text, HasSubstr("may not be more than 50"));
}

TEST(Migration, BrokenUtf8IsRefused) {
  std::string body = good_migration().dump();
  body.replace(body.find("\"project\":\"sm\""), 14, "\"project\":\"s\xFFm\"");
  const Output output =
      kubectl({"create", "--raw",
               "/apis/rls-operator.dev/v1alpha1/namespaces/" + test_namespace() + "/rlsmigrations?dryRun=All",
               "-f", "-"},
              body);
  EXPECT_NE(output.code, 0);
  EXPECT_THAT(output.text, HasSubstr("the mark of broken UTF-8"));
}

TEST(Migration, DurationsAreRefusedWithTheRemedy) {
  for (const char* field : {"shadowSoak", "enforcingSoak"}) {
    for (const std::string& text :
         std::vector<std::string>{"7d", "168", "", "1.5h", "-1h", "+1h", "1 h", "h", "168H", "1w", "8761h",
                                  "8760h1ms", "1000000s", "1us", "P7D", "999999h999999h999999h999999h"}) {
      json object = good_migration();
      object["spec"]["gates"][field] = text;
      const Output output = try_create(object);
      EXPECT_NE(output.code, 0) << field << "=" << text << " was accepted";
      EXPECT_THAT(output.text, HasSubstr(std::string("spec.gates.") + field)) << text;
      if (!text.empty() && text.size() < 10) {
        EXPECT_THAT(output.text, HasSubstr("7 days are 168h")) << text;
      }
    }
  }
}

TEST(Migration, AccessAndWhatAManagedRuntimeCounts) {
  expect_accepted(good_migration(),
                  {
                      R"({"spec":{"access":{"level":"isolated"}}})",
                      R"({"spec":{"access":{"level":"shared","readable":["motoko","it's"]}}})",
                      R"({"spec":{"access":{"level":"super","readable":[]}}})",
                      R"({"spec":{"gates":{"minTransactions":0,"review":"None"}}})",
                      R"({"spec":{"gates":{"minTransactions":1000,"review":"Required"}}})",
                  });
  expect_refused(good_migration(),
                 {
                     {R"({"spec":{"access":{}}})", "spec.access.level: Required value"},
                     {R"({"spec":{"access":{"level":"SUPER"}}})", "supported values"},
                     {R"({"spec":{"access":{"level":"isolated","readable":["motoko"]}}})",
                      "spec.access.readable goes with level shared alone"},
                     {R"({"spec":{"access":{"level":"shared","readable":["sm"]}}})",
                      "spec.access.readable must not name the project itself"},
                     {R"({"spec":{"access":{"level":"shared","readable":["a","a"]}}})", "Duplicate value"},
                     {R"({"spec":{"access":{"level":"shared","readable":["a\nb"]}}})", "control characters"},
                     {R"({"spec":{"gates":{"minTransactions":-1}}})", "greater than or equal to 0"},
                     {R"({"spec":{"gates":{"review":"Maybe"}}})", "supported values"},
                 });
}

TEST(Migration, GatesOfTheWholeLifecycleAreAccepted) {
  expect_accepted(
      good_migration(),
      {
          R"({"spec":{"group":{"name":"w","members":["sm","ab"]}}})",
          R"({"spec":{"overrides":[{"gates":["SoakTime","Group"],"reason":"audited","expires":"2030-01-01T00:00:00Z"}]}})",
          R"({"spec":{"gates":{"approvals":{"shadow":0,"enforcing":2,"complete":20}}}})",
          R"({"spec":{"gates":{"windows":[{"schedule":"0 2 * * *","duration":"4h"}]}}})",
          R"({"spec":{"gates":{"windows":[{"schedule":"*/5 8-17 1,15 JAN MON-FRI","duration":"1h","timeZone":"America/Argentina/Buenos_Aires"}]}}})",
          R"({"spec":{"gates":{"checks":[{"name":"suite","phases":["complete"],"job":{"template":{"spec":{"any":"thing"}}}}]}}})",
          R"({"spec":{"gates":{"checks":[{"name":"a","sql":{"query":"SELECT true"}},{"name":"b","every":"1m","onFailure":"Rollback","prometheus":{"url":"https://p.example:9090/x","query":"up","expect":">= 1"}}]}}})",
      });
}

TEST(Migration, BadGatesAreRefusedWithTheRemedy) {
  expect_refused(
      good_migration(),
      {
          {R"({"spec":{"group":{"name":"w","members":["ab"]}}})", "must name the project itself: add it"},
          {R"({"spec":{"group":{"name":"w","members":["sm","sm"]}}})", "Duplicate value"},
          {R"({"spec":{"group":{"members":["sm"]}}})", "spec.group.name: Required value"},
          {R"({"spec":{"overrides":[{"gates":["Database"],"reason":"x","expires":"2030-01-01T00:00:00Z"}]}})",
           "Unsupported value"},
          {R"({"spec":{"overrides":[{"gates":["SoakTime"],"expires":"2030-01-01T00:00:00Z"}]}})",
           "reason: Required value"},
          {R"({"spec":{"overrides":[{"gates":["SoakTime"],"reason":"x"}]}})", "expires: Required value"},
          {R"({"spec":{"gates":{"approvals":{"pending":1}}}})", "shadow, enforcing or complete"},
          {R"({"spec":{"gates":{"approvals":{"enforcing":21}}}})", "less than or equal to 20"},
          {R"({"spec":{"gates":{"windows":[{"schedule":"@daily","duration":"4h"}]}}})", "five fields"},
          {R"({"spec":{"gates":{"windows":[{"schedule":"0 2 * *","duration":"4h"}]}}})", "five fields"},
          {R"({"spec":{"gates":{"windows":[{"schedule":"0 2 * * *","duration":"0s"}]}}})", "more than 0s"},
          {R"({"spec":{"gates":{"windows":[{"schedule":"0 2 * * *"}]}}})", "duration: Required value"},
          {R"({"spec":{"gates":{"windows":[{"schedule":"0 2 * * *","duration":"4h","timeZone":"../x"}]}}})",
           "not the name of a time zone"},
          {R"({"spec":{"gates":{"checks":[{"name":"a"}]}}})", "exactly one of sql, prometheus and job"},
          {R"({"spec":{"gates":{"checks":[{"name":"a","sql":{"query":"SELECT true"},"job":{"template":{}}}]}}})",
           "exactly one of sql, prometheus and job"},
          {R"({"spec":{"gates":{"checks":[{"name":"a","sql":{"query":"x"}},{"name":"a","sql":{"query":"y"}}]}}})",
           "Duplicate value"},
          {R"({"spec":{"gates":{"checks":[{"name":"A b","sql":{"query":"x"}}]}}})", "lower case letters"},
          {R"({"spec":{"gates":{"checks":[{"name":"a","onFailure":"Rollback","sql":{"query":"x"}}]}}})",
           "goes with every alone"},
          {R"({"spec":{"gates":{"checks":[{"name":"a","every":"1s","sql":{"query":"x"}}]}}})", "5s to 24h"},
          {R"({"spec":{"gates":{"checks":[{"name":"a","phases":["pending"],"sql":{"query":"x"}}]}}})",
           "Unsupported value"},
          {R"({"spec":{"gates":{"checks":[{"name":"a","prometheus":{"url":"http://me:secret@p/","query":"up","expect":"== 1"}}]}}})",
           "without a user"},
          {R"({"spec":{"gates":{"checks":[{"name":"a","prometheus":{"url":"http://p/","query":"up","expect":"good"}}]}}})",
           "a comparison and a number"},
      });
}

TEST(Migration, ProjectAndDatabaseCannotBeChanged) {
  create(good_migration("immutable"));
  const auto patch = [](const char* text) {
    return kubectl(
        {"patch", "rlsm", "immutable", "--namespace", test_namespace(), "--type=merge", "-p", text});
  };
  EXPECT_THAT(patch(R"({"spec":{"project":"motoko"}})").text,
              HasSubstr("spec.project cannot be changed: delete this RlsMigration and create one"));
  EXPECT_THAT(patch(R"({"spec":{"databaseRef":{"name":"other"}}})").text,
              HasSubstr("spec.databaseRef.name cannot be changed"));
  EXPECT_THAT(patch(R"({"spec":{"databaseRef":null}})").text, HasSubstr("Required value"));
  EXPECT_THAT(patch(R"({"spec":{"phase":null}})").text, HasSubstr("Required value"))
      << "a phase that vanishes from a manifest must not mean pending";
  EXPECT_EQ(patch(R"({"spec":{"phase":"complete"}})").code, 0);
  EXPECT_EQ(get("rlsm", "immutable")["spec"]["project"], "sm");
}

TEST(Migration, DefaultsAreFilledIn) {
  const json object = create(good_migration("defaults"));
  EXPECT_EQ(object["spec"], json::parse(R"({"databaseRef":{"name":"main"},"project":"sm","phase":"shadow",
      "drift":"Report","suspend":false,
      "gates":{"shadowSoak":"168h","enforcingSoak":"168h","maxViolations":0}})"));
  EXPECT_EQ(object["status"], json::parse(R"({"observedGeneration":-1})"));
}

TEST(Migration, ANewOneCannotBringAStatus) {
  const json object =
      create(patched(good_migration("forged"), R"({"status":{"phase":"complete","observedGeneration":1}})"));
  EXPECT_EQ(object["status"], json::parse(R"({"observedGeneration":-1})"));
}

TEST(Database, GoodOnesAreAccepted) {
  expect_accepted(good_database(),
                  {
                      "{}",
                      R"({"spec":{"connection":{"secretRef":{"key":"DATABASE_URL"},"maxConnections":100}}})",
                      R"({"spec":{"runtime":{"schema":"Ünusual schema"}}})",
                      R"({"spec":{"timeouts":{"lock":"10ms","statement":"10m"}}})",
                      R"({"spec":{"timeouts":{"lock":"1m","statement":"100ms"}}})",
                  });
}

TEST(Database, BadOnesAreRefused) {
  expect_refused(
      good_database(),
      {
          {R"({"spec":null})", "spec: Required value"},
          {R"({"spec":{"connection":null}})", "spec.connection: Required value"},
          {R"({"spec":{"runtime":null}})", "spec.runtime: Required value"},
          {R"({"spec":{"connection":{"secretRef":{"name":"Main_DB"}}}})", "must be the name of a Secret"},
          {R"({"spec":{"connection":{"secretRef":{"key":"a/b"}}}})", "must be a key of a Secret"},
          {R"({"spec":{"connection":{"secretRef":{"namespace":"kube-system"}}}})", "unknown field"},
          {R"({"spec":{"connection":{"uri":"postgresql://u:p@h/d"}}})", "unknown field"},
          {R"({"spec":{"connection":{"maxConnections":0}}})", "greater than or equal to 1"},
          {R"({"spec":{"connection":{"maxConnections":101}}})", "less than or equal to 100"},
          {R"({"spec":{"runtime":{"mode":"adopted"}}})", "supported values"},
          {R"({"spec":{"runtime":{"schema":""}}})", "spec.runtime.schema"},
          {R"({"spec":{"runtime":{"schema":"a\nb"}}})",
           "spec.runtime.schema must not have control characters"},
          {R"({"spec":{"runtime":{"schema":"a\ufffd"}}})", "the mark of broken UTF-8"},
          {R"({"spec":{"runtime":{"schema":"ääääääääääääääääääääääääääääääää"}}})", "longer than 63 bytes"},
          {R"({"spec":{"timeouts":{"lock":"0s"}}})",
           "spec.timeouts.lock must be a duration between 10ms and 1m"},
          {R"({"spec":{"timeouts":{"lock":"61s"}}})", "spec.timeouts.lock must be a duration between"},
          {R"({"spec":{"timeouts":{"lock":"5"}}})", "written with m, s, ms, such as 5s or 500ms"},
          {R"({"spec":{"timeouts":{"statement":"99ms"}}})",
           "spec.timeouts.statement must be a duration between"},
          {R"({"spec":{"timeouts":{"statement":"1h"}}})",
           "spec.timeouts.statement must be a duration between"},
      });
}

TEST(Database, PolicyOfAllItsMigrations) {
  expect_accepted(
      good_database(),
      {
          R"({"spec":{"minimumGates":{"shadowSoak":"168h","enforcingSoak":"1h30m","maxViolations":0}}})",
          R"({"spec":{"freeze":{"reason":"incident","until":"2026-01-01T00:00:00Z"}}})",
          R"({"spec":{"freeze":{"reason":"incident"}}})",
          R"({"spec":{"evidence":{"reads":"Required"}}})",
      });
  expect_refused(good_database(),
                 {
                     {R"({"spec":{"minimumGates":{"shadowSoak":"7d"}}})", "not a duration"},
                     {R"({"spec":{"minimumGates":{"enforcingSoak":"8761h"}}})", "not a duration"},
                     {R"({"spec":{"minimumGates":{"maxViolations":-1}}})", "greater than or equal to 0"},
                     {R"({"spec":{"freeze":{"until":"2026-01-01T00:00:00Z"}}})", "spec.freeze.reason"},
                     {R"({"spec":{"freeze":{"reason":"x","until":"soon"}}})", "date-time"},
                     {R"({"spec":{"evidence":{"reads":"Sometimes"}}})", "Unsupported value"},
                 });
}

TEST(Database, AManagedRuntimeNamesItsTables) {
  json managed = good_database();
  managed["spec"]["runtime"] = {{"mode", "Managed"}};
  managed["spec"]["tables"] = json::array({{{"name", "app.*"}}});
  expect_accepted(
      managed,
      {
          "{}",
          R"({"spec":{"runtime":{"schema":"rls_2","repair":"Report"}}})",
          R"({"spec":{"tables":[{"name":"public.nodes","projectColumn":"org"},{"name":"crm.order_*"}]}})",
          R"({"spec":{"evidence":{"reads":"BestEffort","auditRetention":"24h"}}})",
          R"({"spec":{"minimumGates":{"minTransactions":100,"review":"Required"}}})",
      });
  expect_refused(
      managed,
      {
          {R"({"spec":{"tables":null}})", "spec.tables is required where spec.runtime.mode is Managed"},
          {R"({"spec":{"tables":[]}})", "spec.tables is required where spec.runtime.mode is Managed"},
          {R"({"spec":{"tables":[{"name":"nodes"}]}})", "must be a schema and a table"},
          {R"({"spec":{"tables":[{"name":"*.nodes"}]}})", "must be a schema and a table"},
          {R"({"spec":{"tables":[{"name":"a.b.c"}]}})", "must be a schema and a table"},
          {R"({"spec":{"tables":[{"name":"a.b"},{"name":"a.b"}]}})", "Duplicate value"},
          {R"({"spec":{"tables":[{"name":"a.b","projectColumn":""}]}})", "projectColumn"},
          {R"({"spec":{"runtime":{"schema":"Mixed Case"}}})", "must be a plain name where mode is Managed"},
          {R"({"spec":{"runtime":{"repair":"Never"}}})", "supported values"},
          {R"({"spec":{"evidence":{"auditRetention":"1m"}}})", "between 1h and 87600h"},
      });
  expect_refused(
      good_database(),
      {
          {R"({"spec":{"runtime":{"repair":"Auto"}}})", "spec.runtime.repair goes with mode Managed alone"},
          {R"({"spec":{"tables":[{"name":"a.b"}]}})", "spec.tables goes with mode Managed alone"},
          {R"({"spec":{"evidence":{"auditRetention":"24h"}}})",
           "spec.evidence.auditRetention goes with mode Managed alone"},
      });
}

TEST(Database, TheModeCannotBeChanged) {
  create(good_database("fixed-mode"));
  EXPECT_THAT(kubectl({"patch", "rlsdb", "fixed-mode", "--namespace", test_namespace(), "--type=merge", "-p",
                       R"({"spec":{"runtime":{"mode":"Managed"},"tables":[{"name":"a.b"}]}})"})
                  .text,
              HasSubstr("spec.runtime.mode cannot be changed"));
}

TEST(Database, WhatDoesNotWorkYetIsRefused) {
  expect_refused(good_database(), {{R"({"spec":{"preflight":{"backup":{"maxAge":"24h"}}}})",
                                    "spec.preflight is not supported"}});
}

TEST(Database, AnAdoptedOneMaySayWhoCountsTransactions) {
  json adopted = good_database();
  adopted["spec"]["checks"] = {{"secretRef", {{"name", "main-db-checks"}}}};
  const auto sql = [](const std::string& query) {
    return json{{"spec", {{"evidence", {{"transactions", {{"sql", query}}}}}}}}.dump();
  };
  const auto prometheus = [](const std::string& url, const std::string& query) {
    const json asked = {{"prometheus", {{"url", url}, {"query", query}}}};
    return json{{"spec", {{"evidence", {{"transactions", asked}}}}}}.dump();
  };
  const std::string url = "http://prometheus.monitoring:9090";
  expect_accepted(
      adopted,
      {
          sql("SELECT count(*) FROM app.requests WHERE project_id = $1 AND at > $2").c_str(),
          prometheus(url, "sum(increase(requests_total{project=\"$project\"}[$window]))").c_str(),
          prometheus(url + "/prom", "seen{project=\"$project\"} - (seen{project=\"$project\"} @ $since)")
              .c_str(),
      });
  expect_refused(
      adopted,
      {
          {R"({"spec":{"evidence":{"transactions":{}}}})", "has exactly one of sql and prometheus"},
          {R"({"spec":{"evidence":{"transactions":{"sql":"SELECT $1, $2","prometheus":{"url":"http://p:9090",)"
           R"("query":"$project $since"}}}}})",
           "has exactly one of sql and prometheus"},
          {sql("").c_str(), "spec.evidence.transactions.sql"},
          {sql("SELECT count(*) FROM app.requests").c_str(), "must use $1, the project, and $2"},
          {sql("SELECT count(*) FROM app.requests WHERE project_id = $1").c_str(),
           "must use $1, the project, and $2"},
          {prometheus("ftp://p", "$project $since").c_str(), "must be http:// or https://"},
          {prometheus("http://me:secret@p", "$project $since").c_str(), "must be http:// or https://"},
          {prometheus(url, "sum(increase(requests_total[$window]))").c_str(), "must use $project"},
          {prometheus(url, "requests_total{project=\"$project\"}").c_str(),
           "must use $project, and $window or $since"},
          {R"({"spec":{"evidence":{"transactions":{"prometheus":{"url":"http://p"}}}}})",
           "query: Required value"},
          {R"({"spec":{"checks":null,"evidence":{"transactions":{"sql":"SELECT $1, $2"}}}})",
           "needs the role for checks: set spec.checks.secretRef"},
      });
  json managed = adopted;
  managed["spec"]["runtime"] = {{"mode", "Managed"}};
  managed["spec"]["tables"] = json::array({{{"name", "app.*"}}});
  expect_refused(managed, {{prometheus(url, "$project $since").c_str(),
                            "spec.evidence.transactions goes with mode Adopted alone"}});
}

TEST(Database, FloorsPostureAndChecksAreAccepted) {
  expect_accepted(
      good_database(),
      {
          R"({"spec":{"minimumGates":{"approvals":{"enforcing":1}}}})",
          R"({"spec":{"minimumGates":{"windows":[{"schedule":"0 2 * * *","duration":"4h"}]}}})",
          R"({"spec":{"posture":{"blockAt":"Medium","accepted":[{"check":"IndexNotUsed","reason":"known"}]}}})",
          R"({"spec":{"checks":{"secretRef":{"name":"main-db-checks"}}}})",
      });
  expect_refused(
      good_database(),
      {
          {R"({"spec":{"posture":{"blockAt":"Low"}}})", "Unsupported value"},
          {R"({"spec":{"posture":{"accepted":[{"check":"X"}]}}})", "reason: Required value"},
          {R"({"spec":{"checks":{"secretRef":{}}}})", "name: Required value"},
          {R"({"spec":{"minimumGates":{"approvals":{"later":1}}}})", "shadow, enforcing or complete"},
      });
}

TEST(Database, ChecksOfTheFloorAreThoseOfMigrationsWithoutJobs) {
  expect_accepted(
      good_database(),
      {
          R"({"spec":{"minimumGates":{"checks":[]}}})",
          R"({"spec":{"minimumGates":{"checks":[{"name":"a","sql":{"query":"SELECT true"}}]}}})",
          R"({"spec":{"minimumGates":{"checks":[{"name":"a","phases":["enforcing","complete"],"every":"1m",)"
          R"("onFailure":"Rollback","prometheus":{"url":"http://p:9090/x","query":"up","expect":"< 0.01"}},)"
          R"({"name":"b","sql":{"query":"SELECT 1","expect":"1"}}]}}})",
      });
  const auto with = [](const std::string& check) {
    return R"({"spec":{"minimumGates":{"checks":[)" + check + "]}}}";
  };
  const std::vector<std::pair<std::string, const char*>> rows = {
      {R"({"name":"a","job":{"template":{"spec":{}}}})", "a Job is made for one RlsMigration"},
      {R"({"name":"a","job":{"template":{"spec":{}}}})",
       "put it into spec.gates.checks of the RlsMigrations"},
      {R"({"name":"a"})", "a check has exactly one of sql, prometheus and job"},
      {R"({"name":"a","sql":{"query":"x"},"prometheus":{"url":"http://p","query":"x","expect":"< 1"}})",
       "a check has exactly one of sql, prometheus and job"},
      {R"({"name":"a","onFailure":"Rollback","sql":{"query":"x"}})",
       "onFailure Rollback goes with every alone"},
      {R"({"name":"a","every":"1s","sql":{"query":"x"}})", "every must be a duration of 5s to 24h"},
      {R"({"name":"database/a","sql":{"query":"x"}})", "lower case letters, digits and - alone"},
      {R"({"name":"a","phases":["pending"],"sql":{"query":"x"}})", "Unsupported value"},
      {R"({"name":"a","sql":{"query":"x"}},{"name":"a","sql":{"query":"y"}})", "Duplicate value"},
      {R"({"name":"a","prometheus":{"url":"ftp://p","query":"x","expect":"< 1"}})", "url must be http://"},
      {R"({"name":"a","prometheus":{"url":"http://p","query":"x","expect":"soon"}})", "expect must be a"},
      {R"({"sql":{"query":"x"}})", "name: Required value"},
  };
  for (const auto& [check, message] : rows) expect_refused(good_database(), {{with(check).c_str(), message}});
}

TEST(Database, DefaultsAreFilledIn) {
  const json object = create(good_database("defaults"));
  EXPECT_EQ(object["spec"], json::parse(R"({
      "connection":{"secretRef":{"name":"main-db","key":"uri"},"maxConnections":4},
      "runtime":{"mode":"Adopted"},"timeouts":{"lock":"5s","statement":"30s"}})"));
  EXPECT_EQ(object["status"], json::parse(R"({"observedGeneration":-1})"));
}

TEST(Approval, GoodOnesAreAccepted) {
  expect_accepted(good_approval(), {
                                       "{}",
                                       R"({"spec":{"phase":"shadow"}})",
                                       R"({"spec":{"phase":"complete"}})",
                                       R"({"spec":{"comment":"looked at\nall of it"}})",
                                       R"({"spec":{"expires":"2099-01-01T00:00:00Z"}})",
                                   });
}

TEST(Approval, BadOnesAreRefused) {
  expect_refused(
      good_approval(),
      {
          {R"({"spec":null})", "spec: Required value"},
          {R"({"spec":{"migrationRef":null}})", "spec.migrationRef: Required value"},
          {R"({"spec":{"migrationRef":{"name":""}}})", "spec.migrationRef.name"},
          {R"({"spec":{"migrationRef":{"name":"*"}}})", "must be the name of an RlsMigration"},
          {R"({"spec":{"migrationRef":{"namespace":"other"}}})", "unknown field"},
          {R"({"spec":{"phase":null}})", "spec.phase: Required value"},
          {R"({"spec":{"phase":"pending"}})", R"(supported values: "shadow", "enforcing", "complete")"},
          {R"({"spec":{"approver":null}})", "spec.approver: Required value"},
          {R"({"spec":{"approver":"a\nb"}})", "spec.approver must not have control characters"},
          {R"({"spec":{"approver":"a\ufffd"}})", "the mark of broken UTF-8"},
          {R"({"spec":{"evidenceDigest":null}})", "spec.evidenceDigest: Required value"},
          {R"({"spec":{"evidenceDigest":"7777"}})", "spec.evidenceDigest"},
          {R"({"spec":{"evidenceDigest":"777777777777777777777777777777777777777777777777777777777777777A"}})",
           "spec.evidenceDigest must be the status.evidenceDigest of the RlsMigration"},
          {R"({"spec":{"expires":"tomorrow"}})", "date-time"},
      });
  json chatty = good_approval();
  chatty["spec"]["comment"] = std::string(1025, 'x');
  EXPECT_THAT(try_create(chatty).text, HasSubstr("may not be more than 1024"));
}

TEST(Approval, CannotBeChanged) {
  create(good_approval("written"));
  for (const char* text :
       {R"({"spec":{"migrationRef":{"name":"motoko"}}})", R"({"spec":{"phase":"complete"}})",
        R"({"spec":{"expires":"2099-01-01T00:00:00Z"}})", R"({"spec":{"comment":"on second thoughts"}})"}) {
    EXPECT_THAT(
        kubectl({"patch", "rlsa", "written", "--namespace", test_namespace(), "--type=merge", "-p", text})
            .text,
        HasSubstr("spec cannot be changed: create another RlsApproval"))
        << text;
  }
}

TEST(Approval, IsFoundByItsMigration) {
  create(good_approval("of-sm"));
  EXPECT_EQ(kubectl_ok({"get", "rlsa", "--namespace", test_namespace(), "--field-selector",
                        "spec.migrationRef.name=motoko", "-o", "name"}),
            "");
  EXPECT_THAT(
      kubectl_ok(
          {"get", "rlsa", "--namespace", test_namespace(), "--field-selector", "spec.migrationRef.name=sm"}),
      testing::ContainsRegex("NAME +MIGRATION +PHASE +APPROVER +EXPIRES +AGE\n(.*\n)*of-sm +sm +enforcing"));
}

}  // namespace
}  // namespace rls::test
