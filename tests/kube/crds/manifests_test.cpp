// The manifests: samples apply as they are, and the service account may do what it must and no more.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "controller/api/migration.hpp"
#include "controller/api/rollout.hpp"
#include "tests/kube/crds/kubectl.hpp"

namespace rls::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr const char* kServiceAccount = "--as=system:serviceaccount:rls-operator-system:rls-operator";

/// Texts that name the samples' namespace, turned to the one of this run.
std::string here(std::string text) {
  const std::string from = "tenants";
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += test_namespace().size()) {
    text.replace(at, from.size(), test_namespace());
  }
  return text;
}

/// The runtime's mode of an RlsDatabase cannot be changed, and the samples' have the same name.
void forget_database() {
  kubectl_ok({"delete", "rlsdb", "main", "--ignore-not-found", "--namespace", test_namespace()});
}

/// Applies a folder of manifests/samples and gives back its RlsMigrations by name.
std::map<std::string, api::RlsMigration> apply_samples(const std::string& folder) {
  const std::string rendered = kubectl_ok({"kustomize", RLS_SOURCE_DIR "/manifests/" + folder});
  forget_database();
  kubectl_ok({"apply", "-f", "-"}, here(rendered));
  std::map<std::string, api::RlsMigration> found;
  for (const char* name : {"sm", "motoko", "ab", "aa", "bap", "echo", "ea", "io"}) {
    const auto decoded = api::decode_migration(get("rlsm", name).dump());
    if (!decoded) {
      ADD_FAILURE() << name << ": " << decoded.error().message;
      continue;
    }
    EXPECT_EQ(decoded->spec.project, name);
    EXPECT_EQ(decoded->spec.database, "main");
    found[name] = *decoded;
  }
  EXPECT_EQ(get("rlsdb", "main")["spec"]["connection"]["secretRef"]["name"], "main-db");
  return found;
}

TEST(Samples, ApplyWithRealSoakTimes) {
  const auto samples = apply_samples("samples");
  for (const auto& [name, sample] : samples) {
    const auto soak = std::chrono::hours{name == "io" ? 336 : 168};
    EXPECT_EQ(sample.spec.gates, (api::GatesSpec{soak, soak, 0})) << name;
    EXPECT_EQ(sample.hold_at, std::nullopt) << name;
  }
  EXPECT_EQ(samples.at("sm").spec.phase, Phase::enforcing);
}

TEST(Samples, TheDemoTakesSeconds) {
  const auto samples = apply_samples("samples/demo");
  for (const auto& [name, sample] : samples) {
    EXPECT_EQ(sample.spec.gates, (api::GatesSpec{std::chrono::seconds{10}, std::chrono::seconds{10}, 0}))
        << name;
  }
  EXPECT_EQ(samples.at("sm").spec.phase, Phase::complete);
  EXPECT_EQ(samples.at("motoko").spec.phase, Phase::enforcing);
  EXPECT_EQ(samples.at("echo").spec.phase, Phase::shadow);
  EXPECT_EQ(samples.at("io").spec.phase, Phase::enforcing);
  EXPECT_EQ(samples.at("io").hold_at, std::nullopt)
      << "the demo pulls the brake itself, once io is enforcing";
}

/// Applies a folder whose RlsRollout has the five waves, and gives it back.
Result<api::RlsRollout> apply_rollout(const std::string& folder) {
  const std::string rendered = kubectl_ok({"kustomize", RLS_SOURCE_DIR "/manifests/" + folder});
  forget_database();
  EXPECT_THAT(rendered, testing::Not(HasSubstr("kind: RlsMigration")));
  kubectl_ok({"apply", "-f", "-"}, here(rendered));
  EXPECT_EQ(get("rlsdb", "main")["spec"]["connection"]["secretRef"]["name"], "main-db");
  auto rollout = api::decode_rollout(get("rlsro", "all-projects").dump());
  if (!rollout) return rollout;
  EXPECT_EQ(rollout->spec.database, "main");
  std::vector<std::vector<std::string>> waves;
  for (const api::WaveSpec& wave : rollout->spec.waves) waves.push_back(wave.projects);
  EXPECT_EQ(waves, (std::vector<std::vector<std::string>>{
                       {"sm"}, {"motoko"}, {"ab", "aa", "bap"}, {"echo", "ea"}, {"io"}}));
  return rollout;
}

TEST(Samples, TheRolloutOfTheDemoTakesSecondsAndWaitsForNobody) {
  const auto rollout = apply_rollout("samples/demo-rollout");
  ASSERT_TRUE(rollout.ok()) << rollout.error().message;
  EXPECT_EQ(get("rlsdb", "main")["spec"]["runtime"]["mode"], "Managed");
  EXPECT_EQ(rollout->spec.gates.shadow_soak, std::chrono::seconds{3});
  EXPECT_EQ(rollout->spec.gates.enforcing_soak, std::chrono::seconds{3});
  const json spec = get("rlsro", "all-projects")["spec"];
  EXPECT_THAT(spec.dump(), testing::Not(HasSubstr("windows")));
  EXPECT_THAT(spec.dump(), testing::Not(HasSubstr("approvals")));
  EXPECT_EQ(spec["waves"][2]["gates"]["minTransactions"], 1) << "silence would hide bap's violation";
  EXPECT_EQ(spec["waves"][4]["access"]["level"], "super");
}

TEST(Samples, R_A10_TheRolloutHasItsFiveWavesAndNoMigrations) {
  const auto rollout = apply_rollout("samples/rollout");
  ASSERT_TRUE(rollout.ok()) << rollout.error().message;
  EXPECT_EQ(rollout->spec.gates.shadow_soak, std::chrono::hours{168});
  EXPECT_EQ(rollout->spec.waves[4].gates.shadow_soak, std::chrono::hours{336});
  EXPECT_EQ(rollout->spec.waves[4].gates.enforcing_soak, std::chrono::hours{336});
}

TEST(Samples, HoldNoPassword) {
  for (const char* folder : {"samples", "samples/demo", "samples/rollout", "samples/demo-rollout"}) {
    const std::string rendered =
        kubectl_ok({"kustomize", std::string(RLS_SOURCE_DIR "/manifests/") + folder});
    EXPECT_THAT(rendered, testing::Not(HasSubstr("kind: Secret")));
    EXPECT_THAT(rendered, testing::Not(HasSubstr("postgresql://")));
  }
}

TEST(Docs, TheirExamplesApply) {
  for (const auto& [file, least] : {std::pair{"docs/api.md", 2}, std::pair{"docs/rollouts.md", 1}}) {
    const std::string text = repository_file(file);
    int examples = 0;
    for (std::size_t at = 0; (at = text.find("```yaml\n", at)) != std::string::npos;) {
      at += 8;
      const std::string example = here(text.substr(at, text.find("```", at) - at));
      const Output output = kubectl({"apply", "--dry-run=server", "-f", "-"}, example);
      EXPECT_EQ(output.code, 0) << example << "\n" << output.text;
      ++examples;
    }
    EXPECT_GE(examples, least) << file;
  }
}

TEST(Crds, ApplyAsAFolderAndAsAKustomization) {
  EXPECT_EQ(kubectl({"apply", "--dry-run=server", "-f", RLS_SOURCE_DIR "/crds"}).code, 0);
  EXPECT_EQ(kubectl({"apply", "--dry-run=server", "-k", RLS_SOURCE_DIR "/crds"}).code, 0);
}

TEST(Rights, AreExactlyThoseTheOperatorUses) {
  struct Row {
    const char* verb;
    const char* resource;
    const char* ns;  ///< empty: in all namespaces
    bool allowed;
  };
  kubectl_ok({"apply", "-f", "-"}, here(repository_file("manifests/samples/tenants/secret-access.yaml")));
  const std::string own = test_namespace();
  const char* const here_ns = own.c_str();
  const std::vector<Row> rows = {
      {"get", "rlsdatabases.rls-operator.dev", "", true},
      {"list", "rlsdatabases.rls-operator.dev", "", true},
      {"watch", "rlsdatabases.rls-operator.dev", "", true},
      {"get", "rlsmigrations.rls-operator.dev", "", true},
      {"list", "rlsmigrations.rls-operator.dev", "", true},
      {"watch", "rlsmigrations.rls-operator.dev", "", true},
      {"get", "rlsapprovals.rls-operator.dev", "", true},
      {"list", "rlsapprovals.rls-operator.dev", "", true},
      {"watch", "rlsapprovals.rls-operator.dev", "", true},
      {"get", "rlsrollouts.rls-operator.dev", "", true},
      {"list", "rlsrollouts.rls-operator.dev", "", true},
      {"watch", "rlsrollouts.rls-operator.dev", "", true},
      {"update", "rlsrollouts.rls-operator.dev/status", "", true},
      {"create", "rlsmigrations.rls-operator.dev", "", true},
      {"create", "jobs.batch", "", true},
      {"get", "jobs.batch", "", true},
      {"list", "jobs.batch", "", true},
      {"delete", "jobs.batch", "", true},
      {"update", "rlsdatabases.rls-operator.dev/status", "", true},
      {"update", "rlsmigrations.rls-operator.dev/status", "", true},
      {"create", "events.events.k8s.io", "", true},
      {"patch", "events.events.k8s.io", "", true},
      {"get", "namespaces/kube-system", "", true},
      {"get", "validatingadmissionpolicies/rls-operator-approvals", "", true},
      {"get", "validatingadmissionpolicies/rls-operator-overrides", "", true},
      {"get", "validatingadmissionpolicies/rls-operator-jobs", "", true},
      {"get", "validatingadmissionpolicybindings/rls-operator-approvals", "", true},
      {"get", "validatingadmissionpolicybindings/rls-operator-overrides", "", true},
      {"get", "validatingadmissionpolicybindings/rls-operator-jobs", "", true},
      {"get", "secrets/main-db", here_ns, true},

      {"get", "secrets/main-db", "default", false},
      {"get", "secrets/other", here_ns, false},
      {"get", "secrets", "", false},
      {"list", "secrets", here_ns, false},
      {"watch", "secrets", here_ns, false},
      {"list", "secrets", "", false},
      {"update", "rlsmigrations.rls-operator.dev", "", false},
      {"patch", "rlsmigrations.rls-operator.dev", "", false},
      {"delete", "rlsmigrations.rls-operator.dev", "", false},
      {"patch", "rlsmigrations.rls-operator.dev/status", "", false},
      {"approve", "rlsmigrations.rls-operator.dev", "", false},
      {"override", "rlsmigrations.rls-operator.dev", "", false},
      {"create", "rlsapprovals.rls-operator.dev", "", false},
      {"delete", "rlsapprovals.rls-operator.dev", "", false},
      {"update", "rlsdatabases.rls-operator.dev", "", false},
      {"delete", "rlsdatabases.rls-operator.dev", "", false},
      {"list", "events.events.k8s.io", "", false},
      {"create", "events", "", false},
      {"get", "namespaces/default", "", false},
      {"list", "namespaces", "", false},
      {"get", "pods", "", false},
      {"list", "pods", "", false},
      {"create", "pods", "", false},
      {"get", "configmaps", "", false},
      {"update", "jobs.batch", "", false},
      {"watch", "jobs.batch", "", false},
      {"update", "rlsrollouts.rls-operator.dev", "", false},
      {"create", "rlsrollouts.rls-operator.dev", "", false},
      {"get", "validatingadmissionpolicies/others", "", false},
      {"list", "validatingadmissionpolicies", "", false},
      {"update", "validatingadmissionpolicies/rls-operator-approvals", "", false},
      {"delete", "validatingadmissionpolicybindings/rls-operator-approvals", "", false},
      {"update", "clusterroles.rbac.authorization.k8s.io", "", false},
      {"impersonate", "users", "", false},
  };
  for (const Row& row : rows) {
    std::string resource = row.resource;
    std::vector<std::string> arguments = {"auth", "can-i", row.verb, kServiceAccount};
    if (resource.ends_with("/status")) {  // after a slash kubectl takes a name
      resource.resize(resource.size() - std::string("/status").size());
      arguments.emplace_back("--subresource=status");
    }
    arguments.push_back(resource);
    if (*row.ns == '\0') {
      arguments.emplace_back("--all-namespaces");
    } else {
      arguments.insert(arguments.end(), {"--namespace", row.ns});
    }
    const Output output = kubectl(arguments);
    EXPECT_EQ(output.code == 0, row.allowed)
        << row.verb << " " << row.resource << " " << row.ns << ": " << output.text;
  }
}

TEST(Rights, NameNoWildcard) {
  const json role =
      json::parse(kubectl_ok({"get", "clusterrole", "rls-operator", "-o", "json"}), nullptr, false);
  EXPECT_THAT(role["rules"].dump(), testing::Not(HasSubstr("*")));
}

}  // namespace
}  // namespace rls::test
