#pragma once
// Drives a real API server through kubectl. Environment: KUBECONFIG, an administrator's; RLS_KUBECTL, the
// binary where it is not on the PATH. What is missing fails the whole run; nothing is skipped.

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace rls::test {

struct Output {
  int code = -1;
  std::string text;  ///< stdout, then stderr
};

/// Runs kubectl with `input` on its stdin.
Output kubectl(const std::vector<std::string>& arguments, std::string_view input = {});
/// The same for calls that must succeed: a failure is added to the test and the text comes back all the same.
std::string kubectl_ok(const std::vector<std::string>& arguments, std::string_view input = {});

/// The namespace of this run; created, with CRDs and RBAC installed, before the first test.
const std::string& test_namespace();

/// What a good object looks like; without a namespace: kubectl is told it.
nlohmann::json good_migration(const std::string& name = "sm");
nlohmann::json good_database(const std::string& name = "main");
/// Given by whom the kubeconfig names, as the admission policy wants it.
nlohmann::json good_approval(const std::string& name = "yes");
nlohmann::json good_rollout(const std::string& name = "all");

/// Asks the server what it would say to creating this; stores nothing.
Output try_create(const nlohmann::json& object);
/// Creates it and gives back what the server stored.
nlohmann::json create(const nlohmann::json& object);
nlohmann::json get(const std::string& resource, const std::string& name);

/// A file of the repository.
std::string repository_file(const std::string& path);

}  // namespace rls::test
