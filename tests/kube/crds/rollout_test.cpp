// What the API server lets through of an RlsRollout, and what it says to what it does not.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "controller/api/limits.hpp"
#include "controller/api/rollout.hpp"
#include "tests/kube/crds/kubectl.hpp"

namespace rls::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;

json patched(std::string_view patch) {
  json object = good_rollout();
  object.merge_patch(json::parse(patch));
  return object;
}

/// A patch that the decoder judges as the server does.
void expect_accepted(std::string_view patch) {
  const Output output = try_create(patched(patch));
  EXPECT_EQ(output.code, 0) << patch << "\n" << output.text;
  const auto decoded = api::decode_rollout(patched(patch).dump());
  EXPECT_TRUE(decoded.ok()) << patch << "\n" << decoded.error().message;
}

void expect_refused(std::string_view patch, std::string_view message) {
  const Output output = try_create(patched(patch));
  EXPECT_NE(output.code, 0) << patch << " was accepted";
  EXPECT_THAT(output.text, HasSubstr(message)) << patch;
}

TEST(Rollout, GoodOnesAreAccepted) {
  for (const char* patch : {
           "{}",
           R"({"spec":{"phase":"complete","advanceWhen":"complete"}})",
           R"({"spec":{"phase":"shadow","advanceWhen":"shadow"}})",
           R"({"spec":{"freeze":{"reason":"incident"}}})",
           R"({"spec":{"freeze":{"reason":"incident","until":"2026-01-01T00:00:00Z"}}})",
           R"({"spec":{"template":{"drift":"Revert","access":{"level":"shared","readable":["sm"]}}}})",
           R"({"spec":{"template":{"gates":{"shadowSoak":"0s","enforcingSoak":"8760h","maxViolations":0,
               "minTransactions":0,"review":"None","approvals":{"shadow":0,"enforcing":20},
               "windows":[{"schedule":"0 2 * * *","duration":"4h"}]}}}})",
           R"({"spec":{"template":{"gates":{"checks":[
               {"name":"a","job":{"template":{"spec":{"any":[1,null]}}}},
               {"name":"b","phases":["enforcing"],"onFailure":"Rollback","every":"5m","sql":{"query":"q","expect":""}},
               {"name":"d","sql":{"query":"what is left out is true, as in an RlsMigration"}},
               {"name":"c","prometheus":{"url":"https://p:9090/x","query":"q","expect":"< 1"}}]}}}})",
           R"({"spec":{"waves":[{"name":"one","projects":["it's","日本語"," "],"gates":{"windows":[]},
               "access":{"level":"super"}}]}})",
       })
    expect_accepted(patch);
}

TEST(Rollout, BadOnesAreRefused) {
  const std::vector<std::pair<const char*, const char*>> rows = {
      {R"({"spec":null})", "spec: Required value"},
      {R"({"spec":{"databaseRef":null}})", "spec.databaseRef: Required value"},
      {R"({"spec":{"phase":null}})", "spec.phase: Required value"},
      {R"({"spec":{"phase":"pending"}})", R"(supported values: "shadow", "enforcing", "complete")"},
      {R"({"spec":{"phase":"shadow"}})", "spec.advanceWhen must not be above spec.phase"},
      {R"({"spec":{"advanceWhen":"complete"}})", "spec.advanceWhen must not be above spec.phase"},
      {R"({"spec":{"waves":null}})", "spec.waves: Required value"},
      {R"({"spec":{"waves":[]}})", "should have at least 1 items"},
      {R"({"spec":{"waves":[{"name":"a","projects":[]}]}})", "should have at least 1 items"},
      {R"({"spec":{"waves":[{"name":"A","projects":["a"]}]}})", "a wave's name has lower case letters"},
      {R"({"spec":{"waves":[{"name":"a","projects":["a","a"]}]}})", "Duplicate value"},
      {R"({"spec":{"waves":[{"name":"a","projects":["a"]},{"name":"b","projects":["b","a"]}]}})",
       "spec.waves names a project in two waves: remove it from one"},
      {R"({"spec":{"waves":[{"name":"a","projects":["a"]},{"name":"a","projects":["b"]}]}})",
       "spec.waves has two waves of the same name: rename one"},
      {R"({"spec":{"waves":[{"name":"a","projects":["a\nb"]}]}})", "must not have control characters"},
      {R"({"spec":{"waves":[{"name":"a","projects":["a\ufffd"]}]}})", "the mark of broken UTF-8"},
      {R"({"spec":{"waves":[{"name":"a","projects":[""]}]}})", "should be at least 1 chars long"},
      {R"({"spec":{"template":{"gates":{"shadowSoak":"7d"}}}})", "7 days are 168h"},
      {R"({"spec":{"template":{"gates":{"approvals":{"pending":1}}}}})",
       "approvals are given by the phase entered"},
      {R"({"spec":{"template":{"gates":{"approvals":{"shadow":21}}}}})", "less than or equal to 20"},
      {R"({"spec":{"template":{"gates":{"windows":[{"schedule":"* * * * *","duration":"0s"}]}}}})",
       "duration must be a duration of more than 0s"},
      {R"({"spec":{"template":{"gates":{"windows":[{"duration":"1h"}]}}}})", "schedule: Required value"},
      {R"({"spec":{"template":{"gates":{"checks":[{"name":"a"}]}}}})",
       "exactly one of sql, prometheus and job"},
      {R"({"spec":{"template":{"gates":{"checks":[{"name":"a","sql":{"query":"q","expect":"e"},
          "job":{"template":{}}}]}}}})",
       "exactly one of sql, prometheus and job"},
      {R"({"spec":{"template":{"gates":{"checks":[{"name":"a","job":{"template":{}}},
          {"name":"a","job":{"template":{}}}]}}}})",
       "Duplicate value"},
      {R"({"spec":{"template":{"gates":{"checks":[{"name":"a","job":{"template":{}},"every":"0s"}]}}}})",
       "every must be a duration of 5s to 24h"},
      {R"({"spec":{"template":{"gates":{"checks":[{"name":"a","job":{"template":{}},"onFailure":"Rollback"}]}}}})",
       "onFailure Rollback goes with every alone"},
      {R"({"spec":{"template":{"gates":{"checks":[{"name":"A.b","job":{"template":{}}}]}}}})",
       "a check's name has lower case letters"},
      {R"({"spec":{"template":{"gates":{"checks":[{"name":"a",
          "prometheus":{"url":"file:///etc/passwd","query":"q","expect":"< 1"}}]}}}})",
       "url must be http:// or https:// with a host"},
      // What the RlsMigration that it makes would be refused for.
      {R"({"spec":{"template":{"gates":{"checks":[{"name":"a",
          "prometheus":{"url":"http://me:secret@p:9090","query":"q","expect":"< 1"}}]}}}})",
       "url must be http:// or https:// with a host"},
      {R"({"spec":{"template":{"gates":{"checks":[{"name":"a",
          "prometheus":{"url":"http://p:9090","query":"q","expect":"few"}}]}}}})",
       "expect must be a comparison and a number"},
      {R"({"spec":{"template":{"gates":{"windows":[{"schedule":"at teatime, daily","duration":"1h"}]}}}})",
       "a schedule has five fields"},
      {R"({"spec":{"template":{"gates":{"windows":[{"schedule":"0 2 * * *","duration":"1h",
          "timeZone":"here and now"}]}}}})",
       "not the name of a time zone"},
      {R"({"spec":{"template":{"access":{"level":"isolated","readable":["a"]}}}})",
       "goes with level shared alone"},
      {R"({"spec":{"template":{"group":{"name":"a"}}}})", "unknown field"},
      {R"({"spec":{"freeze":{}}})", "spec.freeze.reason: Required value"},
      {R"({"spec":{"suspend":true}})", "unknown field"},
      {R"({"metadata":{"name":"a123456789b123456789c123456789d123456789e123456789f123456789g123"}})",
       "metadata.name must not be longer than 63 characters"},
  };
  for (const auto& [patch, message] : rows) expect_refused(patch, message);
}

/// So many waves of so many projects, all names as long as they may be.
json large(std::size_t waves, std::size_t projects_each) {
  json object = good_rollout("large");
  json& list = object["spec"]["waves"] = json::array();
  for (std::size_t wave = 0; wave < waves; ++wave) {
    json projects = json::array();
    for (std::size_t i = 0; i < projects_each; ++i) {
      std::string name = std::to_string(wave) + "-" + std::to_string(i);
      name.resize(api::kMaxProjectCharacters, 'p');
      projects.push_back(name);
    }
    list.push_back({{"name", "w" + std::to_string(wave)}, {"projects", projects}});
  }
  return object;
}

/// The rules of the largest object cost less than the server's budget.
TEST(Rollout, TheLargestIsAccepted) {
  const json object = large(api::kMaxWaves, api::kMaxWaveProjects);
  const Output output = try_create(object);
  EXPECT_EQ(output.code, 0) << output.text.substr(0, 2000);
  EXPECT_TRUE(api::decode_rollout(object.dump()).ok());
  json more = object;
  more["spec"]["waves"].push_back({{"name", "x"}, {"projects", {"x"}}});
  EXPECT_THAT(try_create(more).text, HasSubstr("must have at most 50 items"));
  more = object;
  more["spec"]["waves"][0]["projects"].push_back("x");
  EXPECT_THAT(try_create(more).text, HasSubstr("must have at most 200 items"));
}

TEST(Rollout, AProjectInTwoWavesIsFoundByTheServerUpToFiveHundredAndAlwaysByTheOperator) {
  const auto with_one_twice = [](json object) {
    json& waves = object["spec"]["waves"];
    waves.back()["projects"].back() = waves[0]["projects"][0];
    return object;
  };
  for (const auto& [waves, each] : {std::pair{50, 10}, std::pair{3, 166}}) {
    const json object = large(static_cast<std::size_t>(waves), static_cast<std::size_t>(each));
    EXPECT_EQ(try_create(object).code, 0);
    EXPECT_THAT(try_create(with_one_twice(object)).text, HasSubstr("names a project in two waves"));
  }
  const auto decoded = api::decode_rollout(with_one_twice(large(50, 200)).dump());
  ASSERT_FALSE(decoded.ok());
  EXPECT_THAT(decoded.error().message, HasSubstr("in two waves: remove it from one"));
}

TEST(Rollout, DefaultsAreFilledInAndTheDatabaseCannotBeChanged) {
  const json object = create(good_rollout("defaults"));
  EXPECT_EQ(object["spec"]["advanceWhen"], "enforcing");
  EXPECT_EQ(object["status"], json::parse(R"({"observedGeneration":-1})"));
  const auto patch = [](const char* text) {
    return kubectl(
        {"patch", "rlsro", "defaults", "--namespace", test_namespace(), "--type=merge", "-p", text});
  };
  EXPECT_THAT(patch(R"({"spec":{"databaseRef":{"name":"other"}}})").text,
              HasSubstr("spec.databaseRef.name cannot be changed"));
  EXPECT_EQ(patch(R"({"spec":{"phase":"complete","waves":[{"name":"two","projects":["aa","sm"]}]}})").code, 0)
      << "everything else may be edited while it runs";
}

TEST(Rollout, TheMigrationThatItMakesIsOneThatTheServerTakes) {
  const auto rollout =
      api::decode_rollout(patched(R"({"metadata":{"name":"all"},"spec":{"template":{"drift":"Revert",
                  "access":{"level":"shared","readable":["sm","io"]},
                  "gates":{"shadowSoak":"336h","maxViolations":0,"minTransactions":7,"review":"None"}}}})")
                              .dump());
  ASSERT_TRUE(rollout.ok()) << rollout.error().message;
  json member = json::parse(api::encode_member(*rollout, 0, "sm", "all-sm-72e3avbb"), nullptr, false);
  member["metadata"].erase("namespace");
  const json made = create(member);
  EXPECT_EQ(made["metadata"]["labels"],
            json::parse(R"({"rls-operator.dev/rollout":"all","rls-operator.dev/wave":"one"})"));
  EXPECT_EQ(made["spec"], json::parse(R"({"databaseRef":{"name":"main"},"project":"sm","phase":"enforcing",
      "drift":"Revert","suspend":false,"access":{"level":"shared","readable":["io"]},
      "gates":{"shadowSoak":"336h","enforcingSoak":"168h","maxViolations":0,"minTransactions":7,"review":"None"}})"));
}

}  // namespace
}  // namespace rls::test
