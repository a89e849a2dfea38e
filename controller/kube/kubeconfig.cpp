#include "controller/kube/kubeconfig.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <map>

#include "controller/base/log.hpp"
#include "controller/base/text.hpp"
#include "controller/kube/base64.hpp"
#include "controller/kube/exec_credential.hpp"
#include "controller/kube/proxy.hpp"

namespace rls::kube {
namespace {

/// Thrown inside this file only; `read` turns it into a Result.
struct Refusal {
  std::string message;
};

struct Unsupported {
  const char* field;
  const char* remedy;
};
constexpr std::array kUnsupportedOfUser = {
    Unsupported{"auth-provider", "Kubernetes removed it; use a token, a tokenFile or a client certificate"},
    Unsupported{"username", "Kubernetes removed basic authentication; use a token or a client certificate"},
    Unsupported{"password", "Kubernetes removed basic authentication; use a token or a client certificate"},
    Unsupported{"as", "impersonation comes later; give the identity's own credentials"},
    Unsupported{"as-uid", "impersonation comes later; give the identity's own credentials"},
    Unsupported{"as-groups", "impersonation comes later; give the identity's own credentials"},
    Unsupported{"as-user-extra", "impersonation comes later; give the identity's own credentials"},
};
class File {
 public:
  explicit File(const std::string& path) : path_(path) {
    const auto text = Source::file(path).read();
    if (!text) throw Refusal{text.error().message};
    root_ = YAML::Load(*text);
    if (!root_.IsMap()) refuse("the file", "is not a kubeconfig: a YAML mapping is expected");
  }

  [[noreturn]] void refuse(const std::string& field, const std::string& what) const {
    throw Refusal{"kubeconfig " + path_ + ": " + field + ": " + what};
  }

  /// The mapping `kind` in the entry of the list `list` that has this name.
  YAML::Node named(const char* list, const char* kind, const std::string& name) const {
    const YAML::Node entries = root_[list];
    if (entries && !entries.IsSequence()) refuse(list, "a list is expected");
    for (const YAML::Node& entry : entries) {
      if (!entry.IsMap() || !entry["name"].IsDefined() || entry["name"].as<std::string>() != name) continue;
      const YAML::Node body = entry[kind];
      if (!body || !body.IsMap())
        refuse(std::string(list) + "[" + name + "]." + kind, "a mapping is expected");
      return body;
    }
    refuse(list, "there is no entry named " + rls::quoted(name));
  }

  /// A scalar, or "" where it is missing or null.
  std::string scalar(const YAML::Node& map, const char* key, const std::string& field) const {
    const YAML::Node node = map[key];
    if (!node || node.IsNull()) return {};
    if (!node.IsScalar()) refuse(field + "." + key, "a text is expected");
    return node.Scalar();
  }

  /// `key`-data (base64) or `key` (a file, beside the kubeconfig where it is relative).
  Source source(const YAML::Node& map, const std::string& key, const std::string& field, bool secret) const {
    const std::string data = scalar(map, (key + "-data").c_str(), field);
    if (!data.empty()) {
      const auto decoded = decode_base64(data);
      if (!decoded || decoded->empty()) refuse(field + "." + key + "-data", "is not base64");
      if (secret) {
        log::add_secret(data);
        log::add_secret(*decoded);
      }
      return Source::text(*decoded);
    }
    const std::string path = scalar(map, key.c_str(), field);
    return path.empty() ? Source{} : Source::file(beside(path));
  }

  std::string beside(const std::string& path) const {
    return (std::filesystem::path(path_).parent_path() / path).string();
  }

  const YAML::Node& root() const { return root_; }

 private:
  std::string path_;
  YAML::Node root_;
};

void refuse_unsupported(const File& file, const YAML::Node& user, const std::string& field) {
  for (const Unsupported& each : kUnsupportedOfUser) {
    if (user[each.field]) {
      file.refuse(field + "." + each.field, std::string("is not supported: ") + each.remedy);
    }
  }
}

/// The host of "scheme://host[:port][/path]".
std::string host_of(const std::string& server) {
  const auto begin = server.find("://") + 3;
  const auto end = server.find_first_of(":/", begin);
  return server.substr(begin, end == std::string::npos ? end : end - begin);
}

/// A name or an IPv4 address and nothing that a URL may have besides ("127.0.0.1@elsewhere").
bool is_host(std::string_view host) {
  if (host.empty()) return false;
  return std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  });
}

/// Plain http is for proxies and tests on the same machine: a token must not cross a network in the clear.
void check_server(const File& file, const std::string& server, const std::string& field) {
  if (server.starts_with("https://[") || server.starts_with("http://[")) {
    file.refuse(field + ".server", "IPv6 literals are not supported; use a host name");
  }
  const bool tls = server.starts_with("https://");
  // What no request line can hold stands nowhere in it.
  const bool fits = std::all_of(server.begin(), server.end(), [](char c) { return c > ' ' && c != 0x7f; });
  if (!fits || !(tls || server.starts_with("http://")) || !is_host(host_of(server))) {
    file.refuse(field + ".server", "https://HOST:PORT is expected, not " + rls::quoted(server));
  }
  if (!tls && !is_this_machine(host_of(server))) {
    file.refuse(field + ".server", "plain http is taken for this machine only (127.0.0.1); use https");
  }
}

constexpr std::string_view kExecV1 = "client.authentication.k8s.io/v1";
constexpr std::string_view kExecV1Beta1 = "client.authentication.k8s.io/v1beta1";
constexpr const char* kExecExtension = "client.authentication.k8s.io/exec";

/// What a plugin gets of our environment; the rest it must be given by `env`. Our SSL_CERT_FILE, for one,
/// points nowhere on purpose.
constexpr std::array kSecretWords = {"SECRET", "TOKEN", "PASSWORD", "KEY"};
constexpr std::array kInherited = {
    "PATH",       "HOME",       "USER",           "LOGNAME",         "LANG",        "LC_ALL",
    "TZ",         "TMPDIR",     "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "HTTPS_PROXY", "https_proxy",
    "HTTP_PROXY", "http_proxy", "NO_PROXY",       "no_proxy",
};

/// By its name the value of this variable is nothing for a log.
bool sounds_secret(const std::string& variable) {
  return std::any_of(std::begin(kSecretWords), std::end(kSecretWords),
                     [&](const char* word) { return variable.find(word) != std::string::npos; });
}

std::vector<std::string> exec_arguments(const File& file, const YAML::Node& exec, const std::string& field) {
  std::vector<std::string> args;
  const YAML::Node list = exec["args"];
  if (!list || list.IsNull()) return args;
  if (!list.IsSequence()) file.refuse(field + ".args", "a list is expected");
  for (const YAML::Node& each : list) {
    if (!each.IsScalar()) file.refuse(field + ".args", "a list of texts is expected");
    args.push_back(each.Scalar());
  }
  return args;
}

/// Inherited variables, with those that the kubeconfig declares in their place or behind them.
std::vector<std::string> exec_environment(const File& file, const YAML::Node& exec, const std::string& field,
                                          const Surroundings& surroundings) {
  std::map<std::string, std::string> all;
  for (const char* name : kInherited) {
    if (const auto value = surroundings.environment(name)) all[name] = *value;
  }
  const YAML::Node list = exec["env"];
  if (list && !list.IsNull() && !list.IsSequence()) file.refuse(field + ".env", "a list is expected");
  for (const YAML::Node& each : list) {
    if (!each.IsMap()) file.refuse(field + ".env", "a list of name and value is expected");
    const std::string name = file.scalar(each, "name", field + ".env");
    const std::string value = file.scalar(each, "value", field + ".env");
    if (name.empty() || name.find('=') != std::string::npos) file.refuse(field + ".env", "a name is missing");
    if (sounds_secret(name)) log::add_secret(value);
    all[name] = value;
  }
  std::vector<std::string> out;
  for (const auto& [name, value] : all) out.push_back(name + "=" + value);
  return out;
}

/// What the plugin is told of the cluster, where it asks for that; the CA as it is now.
ExecCluster exec_cluster(const File& file, const YAML::Node& cluster, const std::string& cluster_field,
                         const std::string& server, const Source& ca_source) {
  const auto ca = ca_source.given() ? ca_source.read() : std::string();
  if (!ca) file.refuse(cluster_field + ".certificate-authority", ca.error().message);
  for (const YAML::Node& each : cluster["extensions"]) {
    if (each.IsMap() && file.scalar(each, "name", cluster_field + ".extensions") == kExecExtension) {
      file.refuse(cluster_field + ".extensions[" + kExecExtension + "]",
                  "is not supported; give the plugin what it needs by args or env");
    }
  }
  return ExecCluster{server, file.scalar(cluster, "tls-server-name", cluster_field), *ca,
                     file.scalar(cluster, "proxy-url", cluster_field)};
}

/// A yes or no; missing is no.
bool yes(const File& file, const YAML::Node& map, const char* key, const std::string& field) {
  const std::string text = file.scalar(map, key, field);
  if (!text.empty() && text != "true" && text != "false")
    file.refuse(field + "." + key, "true or false is expected");
  return text == "true";
}

/// users[].user.exec. `cluster` is what the plugin is told where it asks.
ExecConfig exec_config(const File& file, const YAML::Node& exec, const std::string& field,
                       const std::function<ExecCluster()>& cluster, const Surroundings& surroundings) {
  if (!exec.IsMap()) file.refuse(field, "a mapping is expected");
  ExecConfig made;
  made.api_version = file.scalar(exec, "apiVersion", field);
  if (made.api_version != kExecV1 && made.api_version != kExecV1Beta1) {
    file.refuse(field + ".apiVersion", std::string(kExecV1) + " or " + std::string(kExecV1Beta1) +
                                           " is expected, not " + rls::quoted(made.api_version));
  }
  const std::string mode = file.scalar(exec, "interactiveMode", field);
  if (mode == "Always") {
    file.refuse(field + ".interactiveMode", "a plugin that must ask somebody cannot be used by an operator");
  }
  if (mode != "Never" && mode != "IfAvailable" && !(mode.empty() && made.api_version == kExecV1Beta1)) {
    file.refuse(field + ".interactiveMode", "Never or IfAvailable is expected");
  }
  made.command = file.scalar(exec, "command", field);
  if (made.command.empty()) file.refuse(field + ".command", "is missing");
  // As for kubectl: a path is beside the kubeconfig, a bare name on PATH.
  if (made.command.find('/') != std::string::npos) made.command = file.beside(made.command);
  made.args = exec_arguments(file, exec, field);
  made.environment = exec_environment(file, exec, field, surroundings);
  made.install_hint = file.scalar(exec, "installHint", field);
  std::optional<ExecCluster> told;
  if (yes(file, exec, "provideClusterInfo", field)) told = cluster();
  made.info = exec_info(made.api_version, told);
  return made;
}

}  // namespace

Result<std::unique_ptr<Credentials>> KubeconfigReader::read(const std::string& path,
                                                            const std::string& context,
                                                            const Surroundings& surroundings,
                                                            const Clock& clock) {
  try {
    const File file(path);
    const std::string current =
        context.empty() ? file.scalar(file.root(), "current-context", "the file") : context;
    if (current.empty()) file.refuse("current-context", "is not set: set it or name a context");
    const YAML::Node chosen = file.named("contexts", "context", current);
    const std::string cluster_name = file.scalar(chosen, "cluster", "contexts[" + current + "].context");
    const std::string user_name = file.scalar(chosen, "user", "contexts[" + current + "].context");
    const YAML::Node cluster = file.named("clusters", "cluster", cluster_name);
    const std::string cluster_field = "clusters[" + cluster_name + "].cluster";
    const YAML::Node insecure = cluster["insecure-skip-tls-verify"];
    if (insecure && insecure.as<bool>(true)) {
      file.refuse(cluster_field + ".insecure-skip-tls-verify",
                  "is refused: give certificate-authority or certificate-authority-data instead");
    }

    // The constructor is private, so make_unique cannot reach it.
    std::unique_ptr<Credentials> made(new Credentials(clock));
    made->server_ = file.scalar(cluster, "server", cluster_field);
    while (made->server_.ends_with('/')) made->server_.pop_back();
    check_server(file, made->server_, cluster_field);
    made->ca_ = file.source(cluster, "certificate-authority", cluster_field, false);
    if (made->server_.starts_with("https://") && !made->ca_.given()) {
      file.refuse(cluster_field + ".certificate-authority",
                  "is missing: give it or certificate-authority-data (the system's roots are not used)");
    }
    const std::string ns = file.scalar(chosen, "namespace", "contexts[" + current + "].context");
    if (!ns.empty()) made->ns_ = ns;
    made->tls_server_name_ = file.scalar(cluster, "tls-server-name", cluster_field);
    if (!made->tls_server_name_.empty() && !is_host(made->tls_server_name_)) {
      file.refuse(cluster_field + ".tls-server-name", "a host name is expected");
    }
    const std::string proxy_url = file.scalar(cluster, "proxy-url", cluster_field);
    const std::string proxy_field =
        proxy_url.empty() ? "" : "kubeconfig " + path + ": " + cluster_field + ".proxy-url";
    if (const auto proxy = made->choose_proxy(proxy_url, proxy_field, surroundings); !proxy) {
      return proxy.error();
    }
    if (user_name.empty()) return made;  // anonymous, or a proxy that knows who we are

    const YAML::Node user = file.named("users", "user", user_name);
    const std::string user_field = "users[" + user_name + "].user";
    refuse_unsupported(file, user, user_field);
    made->certificate_ = file.source(user, "client-certificate", user_field, false);
    made->key_ = file.source(user, "client-key", user_field, true);
    if (made->certificate_.given() != made->key_.given()) {
      file.refuse(user_field, "client-certificate and client-key (or their -data) belong together");
    }
    const std::string token_file = file.scalar(user, "tokenFile", user_field);
    const std::string token = file.scalar(user, "token", user_field);
    if (!token.empty()) log::add_secret(token);
    if (!token_file.empty()) {
      made->token_source_ = Source::file(file.beside(token_file));
    } else if (!token.empty()) {
      made->token_source_ = Source::text(token);
      if (!made->read_token()) {
        file.refuse(user_field + ".token", "a token is expected, without blanks or control characters in it");
      }
    }
    if (user["exec"] && !user["exec"].IsNull()) {
      if (made->token_source_.given() || made->certificate_.given()) {
        file.refuse(user_field + ".exec",
                    "a token or a client certificate is given as well: which of them is meant? Keep one");
      }
      made->exec_ = std::make_unique<ExecPlugin>(
          exec_config(
              file, user["exec"], user_field + ".exec",
              [&] { return exec_cluster(file, cluster, cluster_field, made->server_, made->ca_); },
              surroundings),
          clock);
    }
    return made;
  } catch (const Refusal& refusal) {
    return terminal("InvalidKubeconfig", refusal.message);
  } catch (const YAML::Exception& bad) {
    // yaml-cpp quotes the position only, not the text: no secret can be in it.
    return terminal("InvalidKubeconfig", "kubeconfig " + path + ": cannot be read as YAML: " + bad.what());
  }
}

}  // namespace rls::kube
