#include "controller/kube/kubeconfig.hpp"

#include <arpa/inet.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "controller/base/log.hpp"
#include "controller/base/text.hpp"
#include "controller/kube/base64.hpp"

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
    Unsupported{"exec", "exec plugins come later; use a token, a tokenFile or a client certificate"},
    Unsupported{"auth-provider", "Kubernetes removed it; use a token, a tokenFile or a client certificate"},
    Unsupported{"username", "Kubernetes removed basic authentication; use a token or a client certificate"},
    Unsupported{"password", "Kubernetes removed basic authentication; use a token or a client certificate"},
    Unsupported{"as", "impersonation comes later; give the identity's own credentials"},
    Unsupported{"as-uid", "impersonation comes later; give the identity's own credentials"},
    Unsupported{"as-groups", "impersonation comes later; give the identity's own credentials"},
    Unsupported{"as-user-extra", "impersonation comes later; give the identity's own credentials"},
};
constexpr std::array kUnsupportedOfCluster = {
    Unsupported{"tls-server-name", "it comes later; use a server address that is in the certificate"},
    Unsupported{"proxy-url", "proxies come later; give a server address that can be reached directly"},
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

template <class Table>
void refuse_unsupported(const File& file, const YAML::Node& map, const std::string& field,
                        const Table& table) {
  for (const Unsupported& each : table) {
    if (map[each.field])
      file.refuse(field + "." + each.field, std::string("is not supported: ") + each.remedy);
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

bool is_this_machine(const std::string& host) {
  in_addr address{};
  if (host == "localhost") return true;
  return inet_pton(AF_INET, host.c_str(), &address) == 1 && host.starts_with("127.");
}

/// Plain http is for proxies and tests on the same machine: a token must not cross a network in the clear.
void check_server(const File& file, const std::string& server, const std::string& field) {
  if (server.starts_with("https://[") || server.starts_with("http://[")) {
    file.refuse(field + ".server", "IPv6 literals are not supported; use a host name");
  }
  const bool tls = server.starts_with("https://");
  if (!(tls || server.starts_with("http://")) || !is_host(host_of(server))) {
    file.refuse(field + ".server", "https://HOST:PORT is expected, not " + rls::quoted(server));
  }
  if (!tls && !is_this_machine(host_of(server))) {
    file.refuse(field + ".server", "plain http is taken for this machine only (127.0.0.1); use https");
  }
}

}  // namespace

Result<std::unique_ptr<Credentials>> KubeconfigReader::read(const std::string& path,
                                                            const std::string& context, const Clock& clock) {
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
    refuse_unsupported(file, cluster, cluster_field, kUnsupportedOfCluster);
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
    if (user_name.empty()) return made;  // anonymous, or a proxy that knows who we are

    const YAML::Node user = file.named("users", "user", user_name);
    const std::string user_field = "users[" + user_name + "].user";
    refuse_unsupported(file, user, user_field, kUnsupportedOfUser);
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
