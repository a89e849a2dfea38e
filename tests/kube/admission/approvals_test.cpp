// Who may approve: the policy rls-operator-approvals.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kube/admission/cluster.hpp"

namespace rls::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;

void expect_refused(const Output& output, const std::string& message) {
  EXPECT_FALSE(output.ok()) << output.out;
  EXPECT_THAT(output.out, HasSubstr("ValidatingAdmissionPolicy 'rls-operator-approvals'"));
  EXPECT_THAT(output.out, HasSubstr(message));
}

TEST(Approval, IsGivenByAPersonWithTheVerb) {
  creates("ann", approval("ann"));
  creates("ann", approval("ann", "motoko"));
}

TEST(Approval, TakesTheVerb) {
  expect_refused(
      tries("bob", approval("bob")),
      R"("bob" may not approve rlsmigration "sm" in namespace ")" + here() +
          R"(": it takes the verb approve on rlsmigrations.rls-operator.dev there, as ClusterRole )"
          "rls-operator-approver gives it");
}

TEST(Approval, IsGivenInOnesOwnName) {
  expect_refused(tries("ann", approval("bob")), R"(spec.approver is "bob", but you are "ann")");
  expect_refused(tries("ann", approval("Ann")), R"(spec.approver is "Ann", but you are "ann")");
  const Output administrator =
      kubectl({"create", "--dry-run=server", "--namespace", here(), "-f", "-"}, approval("ann").dump());
  expect_refused(administrator, R"(spec.approver is "ann", but you are)");
}

TEST(Approval, TheVerbForOneMigrationIsNoneForAnother) {
  EXPECT_TRUE(tries("carl", approval("carl", "sm")).ok());
  expect_refused(tries("carl", approval("carl", "motoko")), R"(may not approve rlsmigration "motoko")");
}

TEST(Approval, TheVerbElsewhereIsNoneHere) {
  EXPECT_TRUE(kubectl({"create", "--dry-run=server", "--as", "dan", "--namespace", elsewhere(), "-f", "-"},
                      approval("dan").dump())
                  .ok());
  expect_refused(tries("dan", approval("dan")), R"("dan" may not approve)");
}

TEST(Approval, IsNotGivenByAServiceAccountThatHasTheVerb) {
  const std::string robot = "system:serviceaccount:" + here() + ":robot";
  const std::string kubeconfig = account_kubeconfig(here(), "robot");
  EXPECT_TRUE(kubectl({"auth", "can-i", "approve", "rlsmigrations/sm", "--kubeconfig", kubeconfig}).ok());
  expect_refused(
      kubectl({"create", "--dry-run=server", "--kubeconfig", kubeconfig, "-f", "-"}, approval(robot).dump()),
      "approvals are given by people, and \"" + robot + "\" is none: create the RlsApproval with kubectl");
}

TEST(Approval, IsNotGivenByNodesAndStrangers) {
  const std::string path =
      "/apis/rls-operator.dev/v1alpha1/namespaces/" + here() + "/rlsapprovals?dryRun=All";
  for (const char* who : {"system:node:n1", "system:anonymous"}) {
    // Raw: strangers may not read what else kubectl asks for.
    expect_refused(kubectl({"create", "--as", who, "--raw", path, "-f", "-"}, approval(who).dump()),
                   "approvals are given by people, and \"" + std::string(who) + "\" is none");
  }
}

// The definition refuses any change of the spec; here it is installed without that rule.
TEST(Approval, ChangedAfterwardsItIsGivenAnew) {
  json object = approval("ann");
  object["metadata"] = {{"name", "changed"}};
  creates("ann", object);
  expect_refused(patches("bob", "rlsa", "changed", {{"spec", {{"phase", "complete"}}}}),
                 R"(spec.approver is "ann", but you are "bob")");
  expect_refused(patches("bob", "rlsa", "changed", {{"spec", {{"phase", "complete"}, {"approver", "bob"}}}}),
                 R"("bob" may not approve)");
  object["metadata"] = {{"name", "of-carl"}};
  object["spec"]["approver"] = "carl";
  creates("carl", object);
  expect_refused(patches("carl", "rlsa", "of-carl", {{"spec", {{"migrationRef", {{"name", "motoko"}}}}}}),
                 R"(may not approve rlsmigration "motoko")");
}

TEST(Approval, LabelsAreAnybodys) {
  json object = approval("ann");
  object["metadata"] = {{"name", "labelled"}};
  creates("ann", object);
  const Output output = patches("bob", "rlsa", "labelled", {{"metadata", {{"labels", {{"release", "7"}}}}}});
  EXPECT_TRUE(output.ok()) << output.out;
}

}  // namespace
}  // namespace rls::test
