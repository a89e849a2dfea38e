// Who may have Jobs run: the policy rls-operator-jobs.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kube/admission/cluster.hpp"

namespace rls::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;

json job(const std::string& image) {
  return {{"name", "suite"},
          {"job",
           {{"template",
             {{"spec",
               {{"template",
                 {{"spec",
                   {{"restartPolicy", "Never"},
                    {"containers", {{{"name", "suite"}, {"image", image}}}}}}}}}}}}}}};
}
json sql() { return {{"name", "rows"}, {"sql", {{"query", "SELECT 1"}, {"expect", "1"}}}}; }
json checked(const std::string& name, const std::vector<json>& checks) {
  json object = migration(name);
  object["spec"]["gates"]["checks"] = checks;
  return object;
}
json only(const std::vector<json>& checks) { return {{"spec", {{"gates", {{"checks", checks}}}}}}; }

json rollout(const std::vector<json>& everywhere, const std::vector<json>& in_wave) {
  json object = {
      {"apiVersion", "rls-operator.dev/v1alpha1"},
      {"kind", "RlsRollout"},
      {"metadata", {{"name", "waves"}}},
      {"spec",
       {{"databaseRef", {{"name", "main"}}},
        {"phase", "enforcing"},
        {"template", {{"gates", json::object()}}},
        {"waves", {{{"name", "one"}, {"projects", {"sm"}}}, {{"name", "two"}, {"projects", {"ab"}}}}}}}};
  if (!everywhere.empty()) object["spec"]["template"]["gates"]["checks"] = everywhere;
  if (!in_wave.empty()) object["spec"]["waves"][1]["gates"]["checks"] = in_wave;
  return object;
}

void expect_refused(const Output& output, const std::string& kind = "RlsMigration") {
  EXPECT_FALSE(output.ok()) << output.out;
  EXPECT_THAT(output.out, HasSubstr("ValidatingAdmissionPolicy 'rls-operator-jobs'"));
  EXPECT_THAT(output.out, HasSubstr("a check of this " + kind +
                                    " runs a Job, and \"ed\" may not create Jobs in namespace \"" + here() +
                                    "\": it takes the verb create on jobs.batch there"));
}
void expect_allowed(const Output& output) { EXPECT_TRUE(output.ok()) << output.out; }

TEST(JobCheck, TakesTheRightToCreateJobs) {
  expect_refused(tries("ed", checked("suite", {job("suite:1")})));
  expect_refused(tries("ed", checked("suite", {sql(), job("suite:1")})));
  expect_allowed(tries("jo", checked("suite", {job("suite:1")})));
}

TEST(JobCheck, OtherChecksTakeNothing) {
  expect_allowed(tries("ed", checked("rows", {sql()})));
  expect_allowed(tries("ed", checked("rows", {})));
  expect_allowed(tries("ed", migration("rows")));
}

TEST(JobCheck, IsKeptWhileSomethingElseChanges) {
  creates("jo", checked("job-kept", {job("suite:1")}));
  expect_allowed(patches("ed", "rlsm", "job-kept", {{"spec", {{"phase", "enforcing"}}}}));
  expect_allowed(patches("ed", "rlsm", "job-kept", only({sql(), job("suite:1")})));
}

TEST(JobCheck, IsRemovedFreelyAndPutBackByNobodyElse) {
  json first = job("suite:1"), second = job("suite:2");
  first["name"] = "first";
  second["name"] = "second";
  creates("jo", checked("job-removed", {first, second}));
  expect_allowed(patches("ed", "rlsm", "job-removed", only({second})));
  expect_refused(patches("ed", "rlsm", "job-removed", only({first})));
  expect_allowed(patches("ed", "rlsm", "job-removed", {{"spec", {{"gates", {{"checks", nullptr}}}}}}));
  expect_refused(patches("ed", "rlsm", "job-removed", only({second})));
}

TEST(JobCheck, ChangedItIsAnother) {
  creates("jo", checked("job-changed", {job("suite:1")}));
  expect_refused(patches("ed", "rlsm", "job-changed", only({job("attacker:1")})));
  expect_allowed(patches("jo", "rlsm", "job-changed", only({job("suite:2")})));
}

TEST(JobCheck, OfARolloutTakesTheSame) {
  expect_refused(tries("ed", rollout({job("suite:1")}, {})), "RlsRollout");
  expect_refused(tries("ed", rollout({}, {sql(), job("suite:1")})), "RlsRollout");
  expect_allowed(tries("ed", rollout({sql()}, {sql()})));
  expect_allowed(tries("ed", rollout({}, {})));
  expect_allowed(tries("jo", rollout({job("suite:1")}, {job("suite:2")})));
}

TEST(JobCheck, OfARolloutIsKeptAndChangedTheSame) {
  creates("jo", rollout({job("suite:1")}, {}));
  const auto becomes = [](const json& object) {
    return as("ed", {"replace", "--dry-run=server", "-f", "-"}, object.dump());
  };
  json frozen = rollout({job("suite:1")}, {});
  frozen["spec"]["freeze"] = {{"reason", "incident"}};
  expect_allowed(becomes(frozen));
  expect_allowed(becomes(rollout({}, {job("suite:1")})));
  expect_refused(becomes(rollout({job("suite:1")}, {job("attacker:1")})), "RlsRollout");
}

}  // namespace
}  // namespace rls::test
