#include "tests/kube/admission/cluster.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <thread>

#include "controller/kube/cpprest_transport.hpp"

namespace rls::test {
namespace {

using nlohmann::json;

std::string program() {
  const char* given = std::getenv("RLS_KUBECTL");
  return given != nullptr && *given != '\0' ? given : "kubectl";
}

std::string unique(const char* prefix) {
  return prefix + std::to_string(::getpid()) + "-" + std::to_string(std::time(nullptr));
}

/// The files with tokens that were made; they go at the end.
std::vector<std::string>& kubeconfigs() {
  static std::vector<std::string> paths;
  return paths;
}

/// Takes out the rules with which a definition refuses what this version has not got, so that the policies
/// are asked even so; and the one that keeps an approval as it was written.
void open_up(json& node) {
  if (node.is_array())
    for (json& item : node) open_up(item);
  if (!node.is_object()) return;
  const auto rules = node.find("x-kubernetes-validations");
  if (rules != node.end() && rules->is_array()) {
    json kept = json::array();
    for (const json& rule : *rules) {
      const std::string text = rule["rule"];
      if (!text.starts_with("!has(self.") &&
          rule["message"].get<std::string>().find("create another RlsApproval") == std::string::npos)
        kept.push_back(rule);
    }
    *rules = kept;
  }
  for (auto& [key, member] : node.items()) open_up(member);
}

/// As much of RlsRollout as the policy looks at.
constexpr const char* kRollouts =
    R"({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition",
  "metadata":{"name":"rlsrollouts.rls-operator.dev"},
  "spec":{"group":"rls-operator.dev","scope":"Namespaced",
    "names":{"kind":"RlsRollout","listKind":"RlsRolloutList","plural":"rlsrollouts","singular":"rlsrollout","shortNames":["rlsro"],"categories":["rls"]},
    "versions":[{"name":"v1alpha1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object",
      "properties":{"spec":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}}}]}})";

std::string binding(const std::string& role, const std::string& subject, const std::string& ns,
                    const std::string& kind = "ClusterRole") {
  static int count = 0;
  return "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: b" +
         std::to_string(++count) + ", namespace: " + ns +
         "}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: " + kind + ", name: " + role +
         "}\nsubjects: [" + subject + "]\n";
}
std::string user(const std::string& name) {
  return "{apiGroup: rbac.authorization.k8s.io, kind: User, name: '" + name + "'}";
}
std::string role(const std::string& name, const std::string& rule) {
  return "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: " + name +
         ", namespace: " + here() + "}\nrules: [" + rule + "]\n";
}

/// Who may do what here. The roles of manifests/rbac where they fit.
std::string people() {
  const std::string robot = "{kind: ServiceAccount, name: robot, namespace: " + here() + "}";
  return "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: robot, namespace: " + here() + "}\n" +
         role("writer",
              "{apiGroups: [rls-operator.dev], resources: [rlsapprovals], verbs: [create, get, patch]}") +
         role("of-sm",
              "{apiGroups: [rls-operator.dev], resources: [rlsmigrations], resourceNames: [sm], verbs: "
              "[approve, override]}") +
         role("jobs", "{apiGroups: [batch], resources: [jobs], verbs: [create]}") +
         binding("rls-operator-approver", user("ann"), here()) +
         binding("writer", user("bob"), here(), "Role") + binding("writer", user("carl"), here(), "Role") +
         binding("of-sm", user("carl"), here(), "Role") + binding("rls-operator-approver", robot, here()) +
         binding("writer", robot, here(), "Role") +
         binding("rls-operator-approver", user("system:node:n1"), here()) +
         binding("rls-operator-approver", user("system:anonymous"), here()) +
         // Dan may approve elsewhere, and write approvals here.
         binding("rls-operator-approver", user("dan"), elsewhere()) +
         binding("writer", user("dan"), here(), "Role") +
         binding("rls-operator-viewer", user("vera"), here()) +
         binding("rls-operator-editor", user("ed"), here()) +
         binding("rls-operator-editor", user("olga"), here()) +
         binding("rls-operator-overrider", user("olga"), here()) +
         binding("rls-operator-editor", user("oscar"), here()) +
         binding("of-sm", user("oscar"), here(), "Role") +
         binding("rls-operator-editor", user("jo"), here()) + binding("jobs", user("jo"), here(), "Role") +
         binding("jobs", user("last"), here(), "Role");
}

void must(const Output& output) { ASSERT_TRUE(output.ok()) << output.out; }

class Cluster : public testing::Environment {
 public:
  void SetUp() override {
    const char* kubeconfig = std::getenv("KUBECONFIG");
    ASSERT_TRUE(kubeconfig != nullptr && *kubeconfig != '\0')
        << "KUBECONFIG is not set. These tests need a real API server: dev/cluster up, then "
           "eval \"$(dev/cluster env)\".";
    kube::initialize_http_library();
    install_definitions();
    for (const char* folder : {"rbac", "admission"})
      must(kubectl({"apply", "-k", std::string(RLS_SOURCE_DIR "/manifests/") + folder}));
    for (const std::string& ns : {here(), elsewhere()}) must(kubectl({"create", "namespace", ns}));
    must(kubectl({"apply", "-f", "-"}, people()));
    ASSERT_TRUE(eventually([] {
      return as("last", {"auth", "can-i", "create", "jobs.batch"}).ok();
    })) << "the roles do not act";
    ASSERT_TRUE(policies_act());
  }
  void TearDown() override {
    for (const char* kind : {"rlsapprovals", "rlsmigrations", "rlsrollouts"})
      kubectl({"delete", kind, "--all", "--namespace", here(), "--wait=false"});
    for (const std::string& ns : {here(), elsewhere()}) kubectl({"delete", "namespace", ns, "--wait=false"});
    for (const std::string& path : kubeconfigs()) ::unlink(path.c_str());
    kubectl({"apply", "-k", RLS_SOURCE_DIR "/manifests/crds"});
  }

 private:
  static void install_definitions() {
    const Output printed = kubectl({"kustomize", RLS_SOURCE_DIR "/manifests/crds"});
    must(printed);
    const Output read = kubectl({"create", "--dry-run=client", "-o", "json", "-f", "-"}, printed.out);
    must(read);
    json list = {{"apiVersion", "v1"}, {"kind", "List"}, {"items", json::array()}};
    std::string rest = read.out;  // one JSON document after another
    for (std::size_t end = 0; (end = rest.find("\n}\n")) != std::string::npos; rest.erase(0, end + 3))
      list["items"].push_back(json::parse(rest.substr(0, end + 2)));
    list["items"].push_back(json::parse(kRollouts));
    open_up(list);
    must(kubectl({"apply", "-f", "-"}, list.dump()));
    must(
        kubectl({"wait", "--for=condition=Established", "--timeout=120s", "crd/rlsapprovals.rls-operator.dev",
                 "crd/rlsmigrations.rls-operator.dev", "crd/rlsrollouts.rls-operator.dev"}));
  }
};

const testing::Environment* const kCluster = testing::AddGlobalTestEnvironment(new Cluster);

}  // namespace

Output kubectl(std::vector<std::string> arguments, const std::string& input) {
  arguments.insert(arguments.begin(), program());
  return run(arguments, input);
}

std::string kubectl_ok(const std::vector<std::string>& arguments, const std::string& input) {
  Output output = kubectl(arguments, input);
  if (!output.ok()) {
    std::string line = "kubectl";
    for (const std::string& argument : arguments) line += " " + argument;
    ADD_FAILURE() << line << "\n" << output.out;
  }
  return std::move(output.out);
}

const std::string& here() {
  static const std::string name = unique("admission-test-");
  return name;
}
const std::string& elsewhere() {
  static const std::string name = here() + "-2";
  return name;
}

Output as(const std::string& who, std::vector<std::string> arguments, const std::string& input) {
  arguments.insert(arguments.end(), {"--as", who, "--namespace", here()});
  return kubectl(std::move(arguments), input);
}

Output tries(const std::string& who, const json& object) {
  return as(who, {"create", "--dry-run=server", "-f", "-"}, object.dump());
}

void creates(const std::string& who, const json& object) {
  const Output output = as(who, {"create", "-f", "-"}, object.dump());
  EXPECT_TRUE(output.ok()) << output.out;
}

Output patches(const std::string& who, const std::string& resource, const std::string& name,
               const json& patch) {
  return as(who, {"patch", resource, name, "--type=merge", "-p", patch.dump()});
}

bool policies_act(bool wanted) {
  const auto acts = [&](const char* who, const json& object, const char* policy) {
    const std::string named = "'rls-operator-" + std::string(policy) + "'";
    return eventually([&] { return (tries(who, object).out.find(named) != std::string::npos) == wanted; });
  };
  json overridden = migration("sm");
  overridden["spec"]["overrides"] = {
      {{"gates", {"SoakTime"}}, {"reason", "r"}, {"expires", "2099-01-01T00:00:00Z"}}};
  json with_job = migration("sm");
  with_job["spec"]["gates"]["checks"] = {{{"name", "j"}, {"job", {{"template", json::object()}}}}};
  return acts("bob", approval("ann"), "approvals") && acts("ed", overridden, "overrides") &&
         acts("ed", with_job, "jobs");
}

bool eventually(const std::function<bool()>& holds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{120};
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds{100});
  }
  return true;
}

json approval(const std::string& approver, const std::string& migration) {
  return {{"apiVersion", "rls-operator.dev/v1alpha1"},
          {"kind", "RlsApproval"},
          {"metadata", {{"generateName", "yes-"}}},
          {"spec",
           {{"migrationRef", {{"name", migration}}},
            {"phase", "enforcing"},
            {"approver", approver},
            {"evidenceDigest", std::string(64, '7')}}}};
}

json migration(const std::string& name) {
  return {{"apiVersion", "rls-operator.dev/v1alpha1"},
          {"kind", "RlsMigration"},
          {"metadata", {{"name", name}}},
          {"spec", {{"databaseRef", {{"name", "main"}}}, {"project", "sm"}, {"phase", "shadow"}}}};
}

std::string account_kubeconfig(const std::string& ns, const std::string& account) {
  const json admin =
      json::parse(kubectl_ok({"config", "view", "--raw", "--minify", "--flatten", "-o", "json"}));
  std::string token = kubectl_ok({"create", "token", account, "--namespace", ns});
  while (!token.empty() && token.back() == '\n') token.pop_back();
  const json made = {
      {"apiVersion", "v1"},
      {"kind", "Config"},
      {"current-context", "it"},
      {"clusters", {{{"name", "it"}, {"cluster", admin["clusters"][0]["cluster"]}}}},
      {"contexts", {{{"name", "it"}, {"context", {{"cluster", "it"}, {"user", "it"}, {"namespace", ns}}}}}},
      {"users", {{{"name", "it"}, {"user", {{"token", token}}}}}}};
  const std::string path = testing::TempDir() + "/" + unique("kubeconfig-") + "-" + account;
  kubeconfigs().push_back(path);
  std::ofstream(path) << made.dump();
  return path;
}

}  // namespace rls::test
