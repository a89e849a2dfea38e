#pragma once
// The genuine API server with our policies, and people with the roles that manifests/rbac has for them.
// Environment: KUBECONFIG, an administrator's; RLS_KUBECTL, the program. What is missing fails the whole run.

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/process.hpp"

namespace rls::test {

Output kubectl(std::vector<std::string> arguments, const std::string& input = {});
/// The same for calls that must succeed: a failure is added to the test.
std::string kubectl_ok(const std::vector<std::string>& arguments, const std::string& input = {});

/// Two namespaces of this run.
const std::string& here();
const std::string& elsewhere();

/// What a person does here: kubectl with --as and --namespace.
Output as(const std::string& who, std::vector<std::string> arguments, const std::string& input = {});
/// What the API server says to the creation of this by that person; nothing is stored.
Output tries(const std::string& who, const nlohmann::json& object);
/// Creates it; must succeed.
void creates(const std::string& who, const nlohmann::json& object);
/// Merges a patch.
Output patches(const std::string& who, const std::string& resource, const std::string& name,
               const nlohmann::json& patch);

/// True as soon as `holds` is, false where it is not within two minutes: a new policy acts after a moment.
bool eventually(const std::function<bool()>& holds);
/// Waits until each of our policies refuses something, or none does.
bool policies_act(bool wanted = true);

nlohmann::json approval(const std::string& approver, const std::string& migration = "sm");
nlohmann::json migration(const std::string& name);

/// A kubeconfig for a service account of here, with a genuine token. Returns its path.
std::string account_kubeconfig(const std::string& ns, const std::string& account);

}  // namespace rls::test
