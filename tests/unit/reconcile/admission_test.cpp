#include "controller/reconcile/admission.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <nlohmann/json.hpp>

#include "tests/unit/reconcile/fakes.hpp"

namespace rls::reconcile {
namespace {

using nlohmann::json;
using std::chrono::seconds;
using testing::HasSubstr;

json to_json(const YAML::Node& node) {
  if (node.IsScalar()) return node.Scalar();
  json out = node.IsMap() ? json::object() : json::array();
  if (node.IsMap())
    for (const auto& member : node) out[member.first.Scalar()] = to_json(member.second);
  if (node.IsSequence())
    for (const YAML::Node& item : node) out.push_back(to_json(item));
  return out;
}

/// An API server that has what manifests/admission holds, with the defaults filled in as a genuine one does.
class Cluster final : public FakeClient {
 public:
  static constexpr const char* kPolicies = "validatingadmissionpolicies";
  static constexpr const char* kBindings = "validatingadmissionpolicybindings";

  Cluster() {
    for (const char* name : {"approvals", "overrides", "jobs"}) {
      const auto documents =
          YAML::LoadAllFromFile(std::string(RLS_SOURCE_DIR "/manifests/admission/") + name + ".yaml");
      json policy = stored(to_json(documents.at(0)));
      json& constraints = policy["spec"]["matchConstraints"];
      constraints["matchPolicy"] = "Equivalent";
      constraints["namespaceSelector"] = constraints["objectSelector"] = json::object();
      policy["status"] = {{"observedGeneration", 1}, {"typeChecking", json::object()}};
      put(kPolicies, name, policy);
      put(kBindings, name, stored(to_json(documents.at(1))));
    }
  }

  Result<std::string> get(const kube::Resource& resource, const api::ObjectName& name) override {
    EXPECT_EQ(resource.group_version, "admissionregistration.k8s.io/v1");
    EXPECT_EQ(resource.ns + name.ns, "");
    if (error) return *error;
    const auto found = objects.find(resource.plural + "/" + name.name);
    if (found == objects.end()) return terminal("NotFound", "not found");
    return found->second.dump();
  }
  json& policy(const std::string& name = "approvals") { return object(kPolicies, name); }
  json& binding(const std::string& name = "approvals") { return object(kBindings, name); }
  json& object(const std::string& plural, const std::string& name) {
    return objects.at(plural + "/rls-operator-" + name);
  }
  AdmissionState read() { return read_admission(*this); }

  std::map<std::string, json> objects;
  std::optional<Error> error;

 private:
  static json stored(json object) {
    object["metadata"].update({{"generation", 1},
                               {"creationTimestamp", "2026-01-15T12:00:00Z"},
                               {"uid", "u"},
                               {"resourceVersion", "7"}});
    return object;
  }
  void put(const std::string& plural, const std::string& name, json object) {
    objects[plural + "/rls-operator-" + name] = std::move(object);
  }
};

TEST(Admission, WhatThisVersionShipsIsBound) {
  Cluster cluster;
  const AdmissionState state = cluster.read();
  EXPECT_TRUE(state.approvals) << state.why_not_approvals;
  EXPECT_TRUE(state.overrides) << state.why_not_overrides;
  EXPECT_TRUE(state.jobs) << state.why_not_jobs;
  EXPECT_EQ(state.why_not_approvals + state.why_not_overrides + state.why_not_jobs, "");
  EXPECT_EQ(state.approvals_since, at("2026-01-15T12:00:00Z"));
}

TEST(Admission, EachPolicyIsJudgedByItself) {
  for (const char* name : {"approvals", "overrides", "jobs"}) {
    Cluster cluster;
    cluster.objects.erase(std::string(Cluster::kBindings) + "/rls-operator-" + name);
    const AdmissionState state = cluster.read();
    EXPECT_EQ(state.approvals, std::string("approvals") != name);
    EXPECT_EQ(state.overrides, std::string("overrides") != name);
    EXPECT_EQ(state.jobs, std::string("jobs") != name);
    EXPECT_THAT(
        state.why_not_approvals + state.why_not_overrides + state.why_not_jobs,
        HasSubstr(std::string("ValidatingAdmissionPolicyBinding rls-operator-") + name + " is not there"));
  }
}

TEST(Admission, WhatIsNotThereIsNotBound) {
  Cluster cluster;
  cluster.objects.clear();
  const AdmissionState state = cluster.read();
  EXPECT_FALSE(state.approvals || state.overrides || state.jobs);
  EXPECT_EQ(state.why_not_approvals,
            "ValidatingAdmissionPolicy rls-operator-approvals is not there: install it: kubectl apply -k "
            "manifests/admission (Helm: admission.install=true)");
  EXPECT_EQ(state.approvals_since, std::nullopt);
}

TEST(Admission, WhatCannotBeReadIsNotBound) {
  Cluster cluster;
  cluster.error = terminal("Forbidden", "grant {verbs: [\"get\"]}");
  EXPECT_FALSE(cluster.read().approvals);
  EXPECT_EQ(cluster.read().why_not_approvals,
            "ValidatingAdmissionPolicy rls-operator-approvals cannot be read: grant {verbs: [\"get\"]}");
  cluster.error = transient("ConnectionLost", "nobody answers");
  EXPECT_THAT(cluster.read().why_not_jobs, HasSubstr("cannot be read: nobody answers"));
}

TEST(Admission, RepliesThatAreNoObjectsAreNotBound) {
  for (const char* reply : {"[]", "null", "7", "{}", R"({"spec":7,"metadata":[]})", R"({"spec":[{}]})"}) {
    Cluster cluster;
    cluster.policy() = json::parse(reply);
    EXPECT_FALSE(cluster.read().approvals) << reply;
    Cluster other;
    other.binding() = json::parse(reply);
    EXPECT_FALSE(other.read().approvals) << reply;
  }
}

TEST(Admission, DefaultsMayBeWrittenOrNot) {
  Cluster cluster;
  json& constraints = cluster.policy()["spec"]["matchConstraints"];
  for (const char* usual : {"matchPolicy", "namespaceSelector", "objectSelector"}) constraints.erase(usual);
  cluster.policy()["spec"]["matchConditions"] = json::array();
  cluster.policy()["spec"]["auditAnnotations"] = nullptr;
  cluster.binding()["spec"]["matchResources"] = {{"matchPolicy", "Equivalent"},
                                                 {"namespaceSelector", json::object()},
                                                 {"objectSelector", json::object()}};
  EXPECT_TRUE(cluster.read().approvals) << cluster.read().why_not_approvals;
}

/// A JSON merge patch that weakens, and where that is said to be.
struct Weakened {
  const char* patch;
  const char* where;
};

TEST(Admission, AWeakerPolicyIsNotBound) {
  const std::vector<Weakened> rows = {
      {R"({"spec":{"failurePolicy":"Ignore"}})", ": spec.failurePolicy is not what this version"},
      {R"({"spec":{"failurePolicy":null}})", ": spec.failurePolicy is not"},
      {R"({"spec":{"validations":null}})", ": spec.validations is not"},
      {R"({"spec":{"validations":[]}})", ": spec.validations is not"},
      {R"({"spec":{"variables":[{"name":"written","expression":"false"}]}})",
       ": spec.variables[0].expression is not"},
      {R"({"spec":{"matchConditions":[{"name":"a","expression":"false"}]}})",
       ": spec.matchConditions is not"},
      {R"({"spec":{"paramKind":{"apiVersion":"v1","kind":"ConfigMap"}}})", ": spec.paramKind is not"},
      {R"({"spec":{"matchConstraints":{"matchPolicy":"Exact"}}})",
       ": spec.matchConstraints.matchPolicy is not"},
      {R"({"spec":{"matchConstraints":{"namespaceSelector":{"matchLabels":{"a":"b"}}}}})",
       ": spec.matchConstraints.namespaceSelector is not"},
      {R"({"spec":{"matchConstraints":{"objectSelector":{"matchLabels":{"a":"b"}}}}})",
       ": spec.matchConstraints.objectSelector is not"},
      {R"({"spec":{"matchConstraints":{"resourceRules":[]}}})", ": spec.matchConstraints is not"},
      {R"({"spec":{"matchConstraints":{"excludeResourceRules":[{"resources":["*"]}]}}})",
       ": spec.matchConstraints.excludeResourceRules is not"},
      {R"({"spec":{"later":"unheard of"}})", ": spec.later is not"},
      {R"({"metadata":{"deletionTimestamp":"2026-01-15T12:00:00Z"}})", " is being deleted"},
  };
  for (const Weakened& row : rows) {
    Cluster cluster;
    cluster.policy().merge_patch(json::parse(row.patch));
    const AdmissionState state = cluster.read();
    EXPECT_FALSE(state.approvals) << row.patch;
    EXPECT_THAT(state.why_not_approvals,
                HasSubstr(std::string("ValidatingAdmissionPolicy rls-operator-approvals") + row.where));
    EXPECT_TRUE(state.overrides && state.jobs);
  }
}

TEST(Admission, EveryWordOfEveryExpressionCounts) {
  for (const char* name : {"approvals", "overrides", "jobs"}) {
    for (const char* part : {"validations", "variables"}) {
      const std::size_t count = Cluster().policy(name)["spec"][part].size();
      ASSERT_GE(count, 1U);
      for (std::size_t i = 0; i < count; ++i) {
        Cluster cluster;
        json& expression = cluster.policy(name)["spec"][part][i]["expression"];
        expression = std::string(expression) + " || true";
        const AdmissionState state = cluster.read();
        EXPECT_EQ(state.approvals + state.overrides + state.jobs, 2) << name << " " << part << " " << i;
      }
    }
  }
}

TEST(Admission, AWeakerBindingIsNotBound) {
  const std::vector<Weakened> rows = {
      {R"({"spec":{"validationActions":["Warn"]}})", "does not deny (spec.validationActions)"},
      {R"({"spec":{"validationActions":["Audit","Warn"]}})", "does not deny"},
      {R"({"spec":{"validationActions":[]}})", "does not deny"},
      {R"({"spec":{"validationActions":"Deny"}})", "does not deny"},
      {R"({"spec":{"policyName":"another"}})", ": spec.policyName is not"},
      {R"({"spec":{"paramRef":{"name":"p"}}})", ": spec.paramRef is not"},
      {R"({"spec":{"matchResources":{"namespaceSelector":{"matchLabels":{"a":"b"}}}}})",
       ": spec.matchResources is not"},
      {R"({"spec":{"matchResources":{"matchPolicy":"Exact"}}})", ": spec.matchResources is not"},
      {R"({"metadata":{"deletionTimestamp":"2026-01-15T12:00:00Z"}})", " is being deleted"},
  };
  for (const Weakened& row : rows) {
    Cluster cluster;
    cluster.binding().merge_patch(json::parse(row.patch));
    const AdmissionState state = cluster.read();
    EXPECT_FALSE(state.approvals) << row.patch;
    EXPECT_THAT(state.why_not_approvals, HasSubstr(row.where));
    EXPECT_THAT(state.why_not_approvals,
                HasSubstr("ValidatingAdmissionPolicyBinding rls-operator-approvals"));
  }
}

TEST(Admission, ABindingMayAuditBesides) {
  Cluster cluster;
  cluster.binding()["spec"]["validationActions"] = {"Audit", "Deny"};
  EXPECT_TRUE(cluster.read().approvals);
}

TEST(Admission, KubernetesHasLookedAtTheNewestPolicy) {
  Cluster cluster;
  cluster.policy()["status"]["observedGeneration"] = 0;
  EXPECT_THAT(cluster.read().why_not_approvals, HasSubstr("wait a moment"));
  cluster.policy().erase("status");
  EXPECT_TRUE(cluster.read().approvals) << "not every cluster has a controller that writes it";
}

TEST(Admission, CountsFromTheLaterOfPolicyAndBinding) {
  Cluster cluster;
  cluster.binding()["metadata"]["creationTimestamp"] = "2026-01-16T12:00:00Z";
  EXPECT_EQ(cluster.read().approvals_since, at("2026-01-16T12:00:00Z"));
  cluster.policy()["metadata"]["creationTimestamp"] = "2026-01-17T12:00:00Z";
  EXPECT_EQ(cluster.read().approvals_since, at("2026-01-17T12:00:00Z"));
}

// A binding that only warned for a month is as old as one that has always denied.
TEST(Admission, CountsFromTheLastChange) {
  Cluster cluster;
  cluster.binding()["metadata"]["generation"] = 2;
  EXPECT_FALSE(cluster.read().approvals);
  EXPECT_THAT(cluster.read().why_not_approvals, HasSubstr("does not say when it was changed"));
  cluster.binding()["metadata"]["managedFields"] = json::parse(R"([
      {"manager":"kubectl","operation":"Apply","time":"2026-01-15T12:00:00Z"},
      {"manager":"kubectl-edit","operation":"Update","time":"2026-02-15T12:00:00Z"}])");
  EXPECT_EQ(cluster.read().approvals_since, at("2026-02-15T12:00:00Z"));
  cluster.binding()["metadata"]["managedFields"][1]["time"] = "yesterday";
  EXPECT_FALSE(cluster.read().approvals);
}

TEST(Admission, LabelsAndStatusAreNoChange) {
  Cluster cluster;
  cluster.policy()["metadata"]["managedFields"] = json::parse(R"([
      {"manager":"kubectl-label","time":"2026-02-15T12:00:00Z"}])");
  EXPECT_EQ(cluster.read().approvals_since, at("2026-01-15T12:00:00Z"))
      << "generation 1: still the first spec";
  cluster.policy()["metadata"]["generation"] = 2;
  cluster.policy()["status"]["observedGeneration"] = 2;
  cluster.policy()["metadata"]["managedFields"][0]["subresource"] = "status";
  EXPECT_FALSE(cluster.read().approvals) << "when the spec was changed is not said";
}

TEST(Admission, WhatWasApprovedBeforeThePolicyActedIsNotVouchedFor) {
  Cluster cluster;
  const AdmissionState state = cluster.read();
  const Time since = at("2026-01-15T12:00:00Z");
  EXPECT_FALSE(vouched(state.approvals_since, since - seconds{1}));
  EXPECT_FALSE(vouched(state.approvals_since, since));
  EXPECT_FALSE(vouched(state.approvals_since, since + seconds{10}));
  EXPECT_TRUE(vouched(state.approvals_since, since + seconds{11}));
  EXPECT_FALSE(vouched(std::nullopt, since + seconds{11})) << "not bound";
}

}  // namespace
}  // namespace rls::reconcile
