#pragma once
// A kubeconfig's exec plugin: run when its credential is needed, kept until that expires. Thread-safe.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>

#include "controller/base/time.hpp"
#include "controller/kube/child_process.hpp"
#include "controller/kube/exec_credential.hpp"

namespace rls::kube {

class ExecPlugin {
 public:
  using Run = std::function<Result<ProgramEnd>(const Program&, const std::stop_token&)>;

  ExecPlugin(ExecConfig config, const Clock& clock, Run run = run_program);

  enum class State {
    fresh,   ///< current() is good
    ageing,  ///< current() is still good; renew() in time, without anybody waiting for it
    stale,   ///< nothing that could be used: renew() first
  };
  [[nodiscard]] State state() const;

  /// Runs the plugin unless the state is fresh or another thread does so: then its outcome is waited for.
  /// Blocks up to a minute. A plugin that has failed is left alone for kExecPause; its error is repeated.
  /// Errors (transient, so that a plugin which is put right is found so): ExecPluginFailed with what it said
  /// on stderr, cut and redacted; Stopped.
  Result<void> renew(const std::stop_token& stop);

  /// The last credential, for requests and connections. Error: there is none yet.
  [[nodiscard]] Result<std::shared_ptr<const ExecCredential>> current() const;
  /// Counts the credentials, so that a connection knows whether it was made with this one.
  [[nodiscard]] std::uint64_t generation() const;

  /// The server said 401: stale, unless the credential came within kExecPause: then running the plugin again
  /// would bring the same.
  void refused();

 private:
  [[nodiscard]] State state_locked() const;
  Result<ExecCredential> ask(const std::stop_token& stop) const;

  const ExecConfig config_;
  const Clock& clock_;
  const Run run_;

  mutable std::mutex mutex_;  // guards everything below
  std::condition_variable_any ran_;
  bool running_ = false;
  bool refused_ = false;
  std::uint64_t generation_ = 0;
  std::shared_ptr<const ExecCredential> credential_;
  std::optional<Time> renew_at_;  ///< somewhat before it expires
  std::optional<std::chrono::steady_clock::time_point> asked_at_;
  std::optional<Error> failure_;  ///< of the last run
};

/// A plugin is not run again within this after a failure, nor for a refused credential that is younger.
inline constexpr std::chrono::seconds kExecPause{5};
/// A credential is renewed so long before it expires, or a quarter of its life where that is less.
inline constexpr std::chrono::seconds kExecEarly{60};

}  // namespace rls::kube
