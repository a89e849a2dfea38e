#pragma once
// The two texts between a client and its exec plugin (client.authentication.k8s.io). Pure.

#include <optional>
#include <string>
#include <vector>

#include "controller/base/result.hpp"
#include "controller/base/time.hpp"

namespace rls::kube {

/// users[].user.exec of a kubeconfig, understood.
struct ExecConfig {
  std::string api_version;  ///< "client.authentication.k8s.io/v1" or ".../v1beta1"
  std::string command;
  std::vector<std::string> args;
  std::vector<std::string> environment;  ///< "NAME=value", inherited ones first
  std::string install_hint;
  std::string info;  ///< KUBERNETES_EXEC_INFO
};

/// What a plugin is told of the cluster; only where it asks for it (provideClusterInfo).
struct ExecCluster {
  std::string server;
  std::string tls_server_name;
  std::string ca;  ///< PEM
  std::string proxy_url;
};
/// The value of KUBERNETES_EXEC_INFO.
std::string exec_info(const std::string& api_version, const std::optional<ExecCluster>& cluster);

/// What a plugin gives: a token, a certificate with its key, or both.
struct ExecCredential {
  std::string token;
  std::string certificate;  ///< PEM
  std::string key;          ///< PEM
  std::optional<Time> expires;
};
/// Reads a plugin's output. Error (transient): InvalidExecCredential, which quotes nothing of it.
Result<ExecCredential> parse_exec_credential(std::string text, const std::string& api_version);

}  // namespace rls::kube
