// What people decide: approvals and overrides, given by users of the API server with the rights that
// manifests/rbac has for them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <ctime>
#include <fstream>

#include "tests/e2e/operator/lifecycle.hpp"
#include "tests/support/api_proxy.hpp"

namespace rls::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kOneApproval =
    "  gates: {shadowSoak: 0s, enforcingSoak: 0s, approvals: {enforcing: 1}}\n";

std::string in(std::chrono::seconds time) {
  const std::time_t moment = std::time(nullptr) + time.count();
  std::tm parts{};
  ::gmtime_r(&moment, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

/// When the policy or its binding was last changed.
std::string newest_policy(World& world) {
  std::string newest;
  for (const char* kind : {"validatingadmissionpolicy", "validatingadmissionpolicybinding"}) {
    const std::string times =
        world
            .kubectl({"get", kind, "rls-operator-approvals", "-o",
                      "jsonpath={.metadata.creationTimestamp}{range .metadata.managedFields[*]}{.time}{end}"})
            .out;
    for (std::size_t at = 0; at + 20 <= times.size(); at += 20)
      newest = std::max(newest, times.substr(at, 20));
  }
  return newest;
}

/// A world with people in it. What was approved sooner after the policy was installed counts for nothing.
std::unique_ptr<World> world_with_people() {
  auto world = std::make_unique<World>();
  world->create_database();
  const auto binding = [](const std::string& user, const std::string& role) {
    return "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: " + user +
           "-" + role +
           "}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: rls-operator-" + role +
           "}\nsubjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: " + user + "}]\n";
  };
  EXPECT_TRUE(world
                  ->apply(binding("ann", "approver") + binding("bob", "approver") + binding("ed", "editor") +
                          binding("olga", "editor") + binding("olga", "overrider"))
                  .ok());
  EXPECT_TRUE(world->eventually([&] {
    return world->kubectl({"auth", "can-i", "override", "rlsmigrations", "--as=olga"}).ok();
  })) << "the last of the roles acts";
  EXPECT_TRUE(world->eventually([&] { return newest_policy(*world) < in(-11s); }));
  return world;
}

Output approve(World& world, const std::string& who, const std::string& project,
               const std::string& written_name, const std::string& more = {}) {
  return world.kubectl({"create", "-f", "-", "--as=" + who},
                       "apiVersion: rls-operator.dev/v1alpha1\nkind: RlsApproval\nmetadata: {generateName: " +
                           project + "-}\nspec:\n  migrationRef: {name: " + project +
                           "}\n  phase: enforcing\n  approver: " + written_name + "\n  evidenceDigest: '" +
                           world.field(project, "status.evidenceDigest") + "'\n" + more);
}
Output approve(World& world, const std::string& who, const std::string& project) {
  return approve(world, who, project, who);
}
Output override_soak(World& world, const std::string& who, const std::string& project,
                     std::chrono::seconds time) {
  return world.kubectl({"patch", "rlsm", project, "--type=merge", "--as=" + who, "-p",
                        R"({"spec":{"overrides":[{"gates":["SoakTime"],"reason":"ticket 12","expires":")" +
                            in(time) + R"("}]}})"});
}
bool blocked_by(World& world, const std::string& project, const std::string& gates) {
  return world.eventually([&] { return world.field(project, "status.blockedBy") == gates; });
}
/// One world for all but one; each test has projects of its own.
class People : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = world_with_people();
    shared_->start_operator();
  }
  static void TearDownTestSuite() { shared_.reset(); }
  World& world = *shared_;

 private:
  static inline std::unique_ptr<World> shared_;
};

TEST_F(People, TwoDifferentOnesMustApprove) {
  ASSERT_TRUE(
      world.migrate("sm", "sm", "enforcing", "  gates: {shadowSoak: 0s, approvals: {enforcing: 2}}\n").ok());
  ASSERT_TRUE(gate_is(world, "sm", "Approval", "Waiting", "waits for 2 people to approve enforcing"));
  ASSERT_TRUE(approve(world, "ann", "sm").ok());
  ASSERT_TRUE(gate_is(world, "sm", "Approval", "Waiting", "waits for 1 person more"));
  ASSERT_TRUE(approve(world, "ann", "sm").ok());
  const Output forged = approve(world, "ann", "sm", "bob");
  EXPECT_FALSE(forged.ok());
  EXPECT_THAT(forged.out, HasSubstr("an approval is given in one's own name"));
  const Output without_right = approve(world, "ed", "sm");
  EXPECT_FALSE(without_right.ok()) << without_right.out;
  // That all of this was seen: something later is.
  ASSERT_TRUE(annotate(world, "sm", "requested-at=now"));
  ASSERT_TRUE(world.eventually([&] { return world.field("sm", "status.lastHandledReconcileAt") == "now"; }));
  EXPECT_THAT(gate(world, "sm", "Approval", "message"), HasSubstr("approved by \"ann\""));
  EXPECT_EQ(gate(world, "sm", "Approval", "observed"), "1 person");
  EXPECT_EQ(world.field("sm", "status.blockedBy"), "Approval");

  ASSERT_TRUE(approve(world, "bob", "sm").ok());
  EXPECT_TRUE(arrives(world, "sm", "enforcing"));
}

TEST_F(People, AnApprovalIsForWhatWasSeen) {
  for (const char* project : {"motoko", "echo"}) {
    ASSERT_TRUE(
        world.migrate(project, project, "enforcing", std::string(kOneApproval) + "  suspend: true\n").ok());
    // Suspended, so that it stays where it is once it is approved.
    ASSERT_TRUE(
        world.kubectl({"patch", "rlsm", project, "--type=merge", "-p", R"({"spec":{"suspend":false}})"})
            .ok());
    ASSERT_TRUE(blocked_by(world, project, "Approval"));
    ASSERT_TRUE(
        world.kubectl({"patch", "rlsm", project, "--type=merge", "-p", R"({"spec":{"suspend":true}})"}).ok());
    ASSERT_TRUE(approve(world, "ann", project).ok());
  }
  ASSERT_TRUE(gate_is(world, "motoko", "Approval", "Passed"));
  ASSERT_TRUE(gate_is(world, "echo", "Approval", "Passed"));
  const std::string digest = world.field("motoko", "status.evidenceDigest");

  // Somebody asks for less than what was approved.
  ASSERT_TRUE(patch(world, "motoko", R"({"spec":{"gates":{"maxViolations":5}}})").ok());
  EXPECT_TRUE(gate_is(world, "motoko", "Approval", "Waiting", "1 approval was given for other evidence"));
  EXPECT_NE(world.field("motoko", "status.evidenceDigest"), digest);
  // It falls back and climbs again: another stay, which nobody has seen yet.
  ASSERT_TRUE(annotate(world, "echo", "hold-at=pending"));
  ASSERT_TRUE(arrives(world, "echo", "pending"));
  ASSERT_TRUE(annotate(world, "echo", "hold-at-"));
  ASSERT_TRUE(patch(world, "echo", R"({"spec":{"suspend":false}})").ok());
  ASSERT_TRUE(arrives(world, "echo", "shadow"));
  EXPECT_TRUE(gate_is(world, "echo", "Approval", "Waiting", "1 approval was given for other evidence"));

  ASSERT_TRUE(patch(world, "motoko", R"({"spec":{"suspend":false}})").ok());
  ASSERT_TRUE(world.eventually([&] { return world.condition("motoko", "Ready") == "True/AwaitingGates"; }));
  for (const char* project : {"motoko", "echo"}) {
    EXPECT_EQ(world.field(project, "status.phase"), "shadow");
    ASSERT_TRUE(approve(world, "ann", project).ok());
    EXPECT_TRUE(arrives(world, project, "enforcing")) << "approved anew";
  }
}

TEST_F(People, AnApprovalEnds) {
  ASSERT_TRUE(world.migrate("aa", "aa", "enforcing", "  gates: {approvals: {enforcing: 1}}\n").ok());
  ASSERT_TRUE(blocked_by(world, "aa", "SoakTime,Approval"));
  ASSERT_TRUE(approve(world, "ann", "aa", "ann", "  expires: '" + in(15s) + "'\n").ok());
  ASSERT_TRUE(blocked_by(world, "aa", "SoakTime"));
  EXPECT_TRUE(blocked_by(world, "aa", "SoakTime,Approval"));
  ASSERT_TRUE(approve(world, "bob", "aa").ok());
  ASSERT_TRUE(blocked_by(world, "aa", "SoakTime"));
  ASSERT_TRUE(world.kubectl({"delete", "rlsapprovals", "--all"}).ok());
  EXPECT_TRUE(blocked_by(world, "aa", "SoakTime,Approval")) << "a yes that was taken back";
}

TEST(PeopleUnguarded, NothingCountsWhereThePolicyIsNotBound) {
  const auto own = world_with_people();
  World& world = *own;
  // Only this operator finds the binding gone: others share the API server.
  ApiProxy proxy(World::api_server());
  proxy.on_request([](ApiRequest& request) -> Verdict {
    if (request.target.find("validatingadmissionpolicybindings/") == std::string::npos) return {};
    return Verdict::refusal(404, "NotFound");
  });
  std::ofstream(world.directory() + "/proxy.pem") << proxy.ca().pem();
  world.use_kubeconfig("server: '" + proxy.url() + "', certificate-authority: proxy.pem",
                       "token: '" + world.token() + "'");
  world.start_operator();
  ASSERT_TRUE(world.migrate("sm", "sm", "enforcing", kOneApproval).ok());
  ASSERT_TRUE(
      gate_is(world, "sm", "Approval", "Unknown",
              "ValidatingAdmissionPolicyBinding rls-operator-approvals is not there: install it: kubectl "
              "apply -k manifests/admission"));
  ASSERT_TRUE(approve(world, "ann", "sm").ok());
  ASSERT_TRUE(world.migrate("io", "io", "enforcing", "").ok());
  ASSERT_TRUE(override_soak(world, "olga", "io", 1h).ok());
  EXPECT_TRUE(gate_is(world, "io", "SoakTime", "Waiting", "spec.overrides is not followed: "));
  EXPECT_EQ(gate(world, "sm", "Approval"), "Unknown");
  EXPECT_EQ(steps(world, "sm"), "pending>shadow");
  EXPECT_EQ(steps(world, "io"), "pending>shadow");
}

TEST_F(People, AnOverrideByWhoMayPassesOverOneGate) {
  ASSERT_TRUE(world.migrate("io", "io", "enforcing").ok());
  ASSERT_TRUE(blocked_by(world, "io", "SoakTime"));
  const Output refused = override_soak(world, "ed", "io", 1h);
  EXPECT_FALSE(refused.ok());
  EXPECT_THAT(refused.out, HasSubstr("it takes the verb override"));
  ASSERT_TRUE(override_soak(world, "olga", "io", 1h).ok());
  ASSERT_TRUE(arrives(world, "io", "enforcing"));
  EXPECT_THAT(world.sql("SELECT reason FROM rls_operator.transition WHERE project_id = 'io' AND to_phase = "
                        "'enforcing'"),
              HasSubstr("all gates passed but SoakTime overridden until"));
}

TEST_F(People, WhileItIsInForceAnOverrideIsShownAndItEnds) {
  ASSERT_TRUE(world.migrate("ab", "ab", "enforcing", "  gates: {approvals: {enforcing: 1}}\n").ok());
  ASSERT_TRUE(blocked_by(world, "ab", "SoakTime,Approval"));
  ASSERT_TRUE(override_soak(world, "olga", "ab", 1h).ok());
  ASSERT_TRUE(blocked_by(world, "ab", "Approval"));
  EXPECT_TRUE(world.condition("ab", "Overridden").starts_with("True/"))
      << world.condition("ab", "Overridden");
  EXPECT_EQ(gate(world, "ab", "SoakTime"), "Overridden");
  EXPECT_THAT(gate(world, "ab", "SoakTime", "message"), HasSubstr("\"ticket 12\"; else: clean since "));
  EXPECT_TRUE(tells(world, "ab", "GateOverridden"));
  ASSERT_TRUE(override_soak(world, "olga", "ab", 2s).ok());
  ASSERT_TRUE(blocked_by(world, "ab", "SoakTime,Approval"));
  EXPECT_EQ(world.condition("ab", "Overridden"), "");
  EXPECT_TRUE(tells(world, "ab", "OverrideEnded"));
  EXPECT_EQ(steps(world, "ab"), "pending>shadow");
}

}  // namespace
}  // namespace rls::test
