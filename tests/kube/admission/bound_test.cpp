// What read_admission says of a genuine API server, as the operator's own service account sees it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <thread>

#include "controller/base/seam.hpp"
#include "controller/reconcile/admission.hpp"
#include "tests/kube/admission/cluster.hpp"

namespace rls::test {
namespace {

using nlohmann::json;
using reconcile::AdmissionState;
using testing::HasSubstr;

constexpr const char* kManifests = RLS_SOURCE_DIR "/manifests/admission";

class Bound : public testing::Test {
 protected:
  /// As that service account sees it.
  static AdmissionState read(const std::string& ns = "rls-operator-system",
                             const std::string& account = "rls-operator") {
    static std::map<std::string, std::string> kubeconfigs;
    std::string& path = kubeconfigs[ns + "/" + account];
    if (path.empty()) path = account_kubeconfig(ns, account);
    Seam seam;
    auto client = kube::make_client({.kubeconfig = path, .context = {}}, seam);
    EXPECT_TRUE(client.ok()) << client.error().message;
    return reconcile::read_admission(**client);
  }
  static void patch(const std::string& kind, const json& patch) {
    kubectl_ok({"patch", "validatingadmission" + kind, "rls-operator-approvals", "--type=merge", "-p",
                patch.dump()});
  }
  static json stored(const std::string& kind) {
    return json::parse(
        kubectl_ok({"get", "validatingadmission" + kind, "rls-operator-approvals", "-o", "json"}));
  }
  /// What an administrator who may do everything says yes to in another's name.
  static bool forged() {
    return kubectl({"create", "--dry-run=server", "--namespace", here(), "-f", "-"}, approval("ann").dump())
        .ok();
  }
  /// Made anew: what a test has changed can be seen of an object for ever. The server takes policies up once
  /// a second, those that are there by then: until it has let go of the old ones they would pass for the new.
  void TearDown() override {
    kubectl_ok({"delete", "-k", kManifests, "--ignore-not-found"});
    EXPECT_TRUE(policies_act(false));
    kubectl_ok({"apply", "-k", kManifests});
    EXPECT_TRUE(policies_act());
  }
};

TEST_F(Bound, WhatIsInstalledIs) {
  const AdmissionState state = read();
  EXPECT_TRUE(state.approvals) << state.why_not_approvals;
  EXPECT_TRUE(state.overrides) << state.why_not_overrides;
  EXPECT_TRUE(state.jobs) << state.why_not_jobs;
  ASSERT_TRUE(state.approvals_since);
}

TEST_F(Bound, AppliedOnceMoreItIsAsOldAsBefore) {
  const auto before = read().approvals_since;
  std::this_thread::sleep_for(std::chrono::milliseconds{1100});
  kubectl_ok({"apply", "-k", kManifests});
  EXPECT_EQ(read().approvals_since, before);
}

TEST_F(Bound, WithoutTheRightToLookItIsNot) {
  const AdmissionState state = read(here(), "robot");
  EXPECT_FALSE(state.approvals || state.overrides || state.jobs);
  EXPECT_THAT(state.why_not_approvals,
              HasSubstr("ValidatingAdmissionPolicy rls-operator-approvals cannot be read"));
  EXPECT_THAT(state.why_not_approvals,
              HasSubstr(R"(resources: ["validatingadmissionpolicies"], verbs: ["get"])"));
}

TEST_F(Bound, WithoutABindingItIsNot) {
  kubectl_ok({"delete", "validatingadmissionpolicybinding", "rls-operator-approvals"});
  const AdmissionState state = read();
  EXPECT_FALSE(state.approvals);
  EXPECT_TRUE(state.overrides && state.jobs);
  EXPECT_THAT(state.why_not_approvals,
              HasSubstr("ValidatingAdmissionPolicyBinding rls-operator-approvals is not there"));
}

TEST_F(Bound, WithoutAPolicyItIsNot) {
  kubectl_ok({"delete", "validatingadmissionpolicy", "rls-operator-approvals"});
  EXPECT_THAT(
      read().why_not_approvals,
      HasSubstr("ValidatingAdmissionPolicy rls-operator-approvals is not there: install it: kubectl apply"));
}

TEST_F(Bound, AnewItCountsFromThenOn) {
  const auto before = read().approvals_since;
  std::this_thread::sleep_for(std::chrono::milliseconds{1100});
  kubectl_ok({"delete", "validatingadmissionpolicybinding", "rls-operator-approvals"});
  kubectl_ok({"apply", "-k", kManifests});
  const AdmissionState state = read();
  ASSERT_TRUE(state.approvals) << state.why_not_approvals;
  EXPECT_GT(*state.approvals_since, *before);
  EXPECT_EQ(format_rfc3339_seconds(*state.approvals_since),
            stored("policybindings")["metadata"]["creationTimestamp"]);
}

// A month of warnings, and then the same binding denies: what was written in that month is worth nothing.
TEST_F(Bound, WhatWasForgedWhileItOnlyWarnedIsNeverVouchedFor) {
  patch("policybinding", {{"spec", {{"validationActions", {"Warn", "Audit"}}}}});
  EXPECT_THAT(read().why_not_approvals, HasSubstr("does not deny (spec.validationActions)"));
  ASSERT_TRUE(eventually(forged)) << "it only warns";
  const std::string warned =
      kubectl_ok({"create", "--namespace", here(), "-o", "json", "-f", "-"}, approval("ann").dump());
  const json forgery = json::parse(warned.substr(warned.find("\n{") + 1));
  const Time created = *parse_rfc3339(std::string(forgery["metadata"]["creationTimestamp"]));

  std::this_thread::sleep_for(std::chrono::milliseconds{1100});
  patch("policybinding", {{"spec", {{"validationActions", {"Deny"}}}}});
  const AdmissionState state = read();
  ASSERT_TRUE(state.approvals) << state.why_not_approvals;
  EXPECT_GT(*state.approvals_since, created) << "although the binding is older";
  EXPECT_FALSE(reconcile::vouched(state.approvals_since, created));
}

TEST_F(Bound, AWeakerPolicyIsNot) {
  json spec = stored("policies")["spec"];
  spec["validations"][2]["expression"] = "true";
  patch("policy", {{"spec", spec}});
  EXPECT_THAT(read().why_not_approvals, HasSubstr("spec.validations[2].expression is not what this version"));
}

TEST_F(Bound, AConditionThatSomebodyAddedIsTakenOutByReplace) {
  patch("policy", {{"spec", {{"matchConditions", {{{"name", "not-mine"}, {"expression", "false"}}}}}}});
  kubectl_ok({"apply", "-k", kManifests});
  EXPECT_THAT(read().why_not_approvals, HasSubstr("spec.matchConditions is not what this version"))
      << "apply leaves alone what it did not write";
  kubectl_ok({"replace", "-k", kManifests});
  EXPECT_TRUE(read().approvals) << read().why_not_approvals;
}

TEST_F(Bound, ABindingForSomeNamespacesIsNot) {
  patch("policybinding",
        {{"spec", {{"matchResources", {{"namespaceSelector", {{"matchLabels", {{"strict", "yes"}}}}}}}}}});
  EXPECT_THAT(read().why_not_approvals, HasSubstr("spec.matchResources is not what this version"));
}

}  // namespace
}  // namespace rls::test
