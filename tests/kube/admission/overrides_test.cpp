// Who may pass over gates: the policy rls-operator-overrides.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kube/admission/cluster.hpp"

namespace rls::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;

json entry(const std::string& reason) {
  return {{"gates", {"SoakTime"}}, {"reason", reason}, {"expires", "2099-01-01T00:00:00Z"}};
}
json overridden(const std::string& name, const std::vector<std::string>& reasons = {"urgent"}) {
  json object = migration(name);
  object["spec"]["overrides"] = json::array();
  for (const std::string& reason : reasons) object["spec"]["overrides"].push_back(entry(reason));
  return object;
}
json only(const std::vector<std::string>& reasons) {
  return {{"spec", {{"overrides", overridden("", reasons)["spec"]["overrides"]}}}};
}

void expect_refused(const Output& output, const std::string& who, const std::string& name) {
  EXPECT_FALSE(output.ok()) << output.out;
  EXPECT_THAT(output.out, HasSubstr("ValidatingAdmissionPolicy 'rls-operator-overrides'"));
  EXPECT_THAT(output.out, HasSubstr("\"" + who + "\" may not add to spec.overrides of rlsmigration \"" +
                                    name + "\" in namespace \"" + here() + "\": it takes the verb override"));
}
void expect_allowed(const Output& output) { EXPECT_TRUE(output.ok()) << output.out; }

TEST(Override, TakesTheVerb) {
  expect_refused(tries("ed", overridden("sm")), "ed", "sm");
  expect_allowed(tries("olga", overridden("sm")));
}

TEST(Override, WhoHasNoneNeedsNothing) {
  expect_allowed(tries("ed", migration("sm")));
  expect_allowed(tries("ed", overridden("sm", {})));
}

TEST(Override, AppliedOnTheServerSideItIsTheSame) {
  const auto apply = [](const char* who) {
    return as(who, {"apply", "--server-side", "--dry-run=server", "-f", "-"},
              overridden("override-applied").dump());
  };
  expect_refused(apply("ed"), "ed", "override-applied");
  expect_allowed(apply("olga"));
}

TEST(Override, IsKeptWhileSomethingElseChanges) {
  creates("olga", overridden("override-kept"));
  expect_allowed(
      patches("ed", "rlsm", "override-kept", {{"spec", {{"phase", "enforcing"}, {"suspend", true}}}}));
  expect_allowed(patches("ed", "rlsm", "override-kept", {{"metadata", {{"annotations", {{"a", "b"}}}}}}));
}

TEST(Override, IsRemovedFreelyAndPutBackByNobodyElse) {
  creates("olga", overridden("override-removed", {"one", "two"}));
  expect_allowed(patches("ed", "rlsm", "override-removed", only({"two"})));
  expect_refused(patches("ed", "rlsm", "override-removed", only({"one", "two"})), "ed", "override-removed");
  expect_allowed(patches("ed", "rlsm", "override-removed", {{"spec", {{"overrides", nullptr}}}}));
  expect_refused(patches("ed", "rlsm", "override-removed", only({"two"})), "ed", "override-removed");
}

TEST(Override, ChangedItIsAnother) {
  creates("olga", overridden("override-changed"));
  json longer = entry("urgent");
  longer["expires"] = "2100-01-01T00:00:00Z";
  json wider = entry("urgent");
  wider["gates"] = {"SoakTime", "Violations"};
  for (const json& other : {longer, wider, entry("another reason")})
    expect_refused(patches("ed", "rlsm", "override-changed", {{"spec", {{"overrides", {other}}}}}), "ed",
                   "override-changed");
}

TEST(Override, TheVerbForOneMigrationIsNoneForAnother) {
  expect_allowed(tries("oscar", overridden("sm")));
  expect_refused(tries("oscar", overridden("motoko")), "oscar", "motoko");
}

TEST(Override, AGeneratedNameIsNobodysInAdvance) {
  json object = overridden("");
  object["metadata"] = {{"generateName", "sm-"}};
  const Output refused = tries("oscar", object);
  EXPECT_FALSE(refused.ok());
  EXPECT_THAT(refused.out, HasSubstr(R"("oscar" may not add to spec.overrides of rlsmigration "sm-)"));
  expect_allowed(tries("olga", object));
}

}  // namespace
}  // namespace rls::test
