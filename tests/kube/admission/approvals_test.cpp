// Who may approve: the policy rls-operator-approvals.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <regex>

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

// As somebody would paste it: the shell puts in who it is, and what the migration shows.
TEST(Approval, AsInTheGuide) {
  std::ifstream file(RLS_SOURCE_DIR "/docs/approvals.md");
  const std::string text(std::istreambuf_iterator<char>(file), {});
  const std::size_t begin = text.find("<<END\n") + 6;
  std::string sample = text.substr(begin, text.find("\nEND\n", begin) + 1 - begin);
  sample = std::regex_replace(sample, std::regex(R"(\$\(kubectl auth whoami[^\n]*\))"), "ann");
  sample = std::regex_replace(sample, std::regex(R"(\$\(kubectl [^\n]*evidenceDigest[^\n]*\))"),
                              std::string(64, '7'));
  sample = std::regex_replace(sample, std::regex("namespace: tenants"), "namespace: " + here());
  const Output output = as("ann", {"create", "-f", "-"}, sample);
  EXPECT_TRUE(output.ok()) << sample << output.out;
}

TEST(Roles, AreWhatTheGuideSays) {
  struct Row {
    const char* who;
    const char* verb;
    const char* resource;
    bool allowed;
  };
  const std::vector<Row> rows = {
      {"vera", "watch", "rlsapprovals", true},     {"vera", "list", "rlsdatabases", true},
      {"vera", "get", "rlsmigrations", true},      {"vera", "update", "rlsmigrations", false},
      {"vera", "create", "rlsapprovals", false},   {"ed", "patch", "rlsmigrations", true},
      {"ed", "create", "rlsrollouts", true},       {"ed", "approve", "rlsmigrations", false},
      {"ed", "override", "rlsmigrations", false},  {"ed", "create", "rlsapprovals", false},
      {"ed", "update", "rlsdatabases", false},     {"ann", "approve", "rlsmigrations", true},
      {"ann", "get", "rlsmigrations", true},       {"ann", "delete", "rlsapprovals", true},
      {"ann", "update", "rlsapprovals", false},    {"ann", "override", "rlsmigrations", false},
      {"ann", "update", "rlsmigrations", false},   {"olga", "override", "rlsmigrations", true},
      {"olga", "approve", "rlsmigrations", false},
  };
  for (const Row& row : rows) {
    const Output output = as(row.who, {"auth", "can-i", row.verb, row.resource});
    EXPECT_EQ(output.ok(), row.allowed)
        << row.who << " " << row.verb << " " << row.resource << ": " << output.out;
  }
}

}  // namespace
}  // namespace rls::test
