#pragma once
// Who we are for the API server, and how we know that it is the right one. Thread-safe.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "controller/base/result.hpp"
#include "controller/base/time.hpp"
#include "controller/kube/client.hpp"
#include "controller/kube/exec_plugin.hpp"
#include "controller/kube/proxy.hpp"

namespace rls::kube {

/// The process's surroundings, so that tests can have their own.
struct Surroundings {
  std::function<std::optional<std::string>(const std::string& variable)> environment;
  std::string service_account_dir = "/var/run/secrets/kubernetes.io/serviceaccount";
};
Surroundings real_surroundings();

/// What a TLS connection needs, as PEM. Empty certificate and key: none.
struct TlsMaterial {
  std::string ca;
  std::string certificate;
  std::string key;
};

/// A text that is given or stands in a file which may be rotated.
class Source {
 public:
  Source() = default;
  static Source text(std::string value);
  static Source file(std::string path);

  [[nodiscard]] bool given() const { return !value_.empty() || !path_.empty(); }
  /// As it is now. Error: the file cannot be read, is empty, or holds more than 1 MiB.
  [[nodiscard]] Result<std::string> read() const;
  /// The file's name, or "inline data".
  [[nodiscard]] std::string origin() const { return path_.empty() ? "inline data" : path_; }

 private:
  std::string value_;
  std::string path_;
};

/// One identity at one server.
///
/// Kubeconfig: the path that is given, else the first file of $KUBECONFIG (a colon list) that exists; files
/// are not merged. Understood are contexts, certificate-authority(-data), client-certificate(-data),
/// client-key(-data), token and tokenFile (which wins over token), exec, tls-server-name and proxy-url. What
/// else changes who we are or whom we talk to (auth-provider, username, impersonation,
/// insecure-skip-tls-verify) is refused with the field's name, never skipped. Plain http is taken for a
/// loopback address only, and never through a proxy. In the Pod: KUBERNETES_SERVICE_HOST and _PORT, and the
/// service account's token, ca.crt, namespace. Without proxy-url the proxy is the environment's (proxy.hpp).
///
/// An exec plugin is run by `renew` alone; token() and tls() give what it gave last, without waiting.
///
/// All secrets are made known to the log's redaction.
class Credentials {
 public:
  /// Errors (terminal): InvalidKubeconfig, InvalidProxy, NoCredentials; the message names file, field and
  /// remedy.
  static Result<std::unique_ptr<Credentials>> load(const ClientOptions& options,
                                                   const Surroundings& surroundings, const Clock& clock);

  [[nodiscard]] const std::string& server() const { return server_; }  ///< "https://host:port[/prefix]"
  [[nodiscard]] const std::string& ns() const { return ns_; }          ///< "default" where nothing names one
  /// For messages: where the CA comes from.
  [[nodiscard]] std::string ca_origin() const { return ca_.origin(); }

  /// The name that the server's certificate must have, where it is not the address's (tls-server-name).
  [[nodiscard]] const std::string& tls_server_name() const { return tls_server_name_; }
  [[nodiscard]] const std::optional<Proxy>& proxy() const { return proxy_; }

  /// Is there an exec plugin to be run? Without one: never.
  [[nodiscard]] bool has_plugin() const { return exec_ != nullptr; }
  [[nodiscard]] ExecPlugin::State plugin_state() const {
    return exec_ ? exec_->state() : ExecPlugin::State::fresh;
  }
  /// Runs the plugin where its state is not fresh. Blocks: not on the HTTP library's thread.
  Result<void> renew(const std::stop_token& stop) { return exec_ ? exec_->renew(stop) : Ok{}; }

  /// Another number: connections that were made before show another client certificate, or one that was
  /// refused.
  [[nodiscard]] std::uint64_t connection_generation() const;

  /// The bearer token, without blanks around; empty: none. A file is read again when the last reading is
  /// older than kTokenAge or was refused. Where that fails the last token goes on being used (a rotation may
  /// be half-way). Error (transient): there never was one to read.
  Result<std::string> token();
  /// The server said 401: the next token() reads the file, or the plugin is to be run again.
  void token_refused();

  /// Read for each connection, so that rotated files take effect. Errors (transient).
  [[nodiscard]] Result<TlsMaterial> tls() const;

 private:
  friend class KubeconfigReader;
  explicit Credentials(const Clock& clock) : clock_(clock) {}
  static Result<std::unique_ptr<Credentials>> in_cluster(const Surroundings& surroundings,
                                                         const Clock& clock);
  /// `proxy_url`, else the environment's. Before: server_.
  Result<void> choose_proxy(const std::string& proxy_url, const std::string& field,
                            const Surroundings& surroundings);

  [[nodiscard]] Result<std::string> read_token() const;

  const Clock& clock_;
  std::string server_;
  std::string ns_ = "default";
  Source ca_;
  Source certificate_;
  Source key_;
  Source token_source_;
  std::string tls_server_name_;
  std::optional<Proxy> proxy_;
  std::unique_ptr<ExecPlugin> exec_;
  std::atomic<std::uint64_t> refusals_{0};

  std::mutex mutex_;
  std::string token_;                                                   // guarded by mutex_
  std::optional<std::chrono::steady_clock::time_point> token_read_at_;  // guarded by mutex_
};

inline constexpr std::chrono::seconds kTokenAge{60};

}  // namespace rls::kube
