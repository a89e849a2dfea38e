#include "controller/kube/exec_plugin.hpp"

#include <algorithm>

#include "controller/base/log.hpp"
#include "controller/base/text.hpp"

namespace rls::kube {
namespace {

constexpr const char* kLogger = "kube.exec";
constexpr std::size_t kLongestQuote = 512;

}  // namespace

ExecPlugin::ExecPlugin(ExecConfig config, const Clock& clock, Run run)
    : config_(std::move(config)), clock_(clock), run_(std::move(run)) {}

ExecPlugin::State ExecPlugin::state() const {
  const std::lock_guard lock(mutex_);
  return state_locked();
}

ExecPlugin::State ExecPlugin::state_locked() const {
  if (credential_ == nullptr || refused_) return State::stale;
  const Time now = clock_.now();
  if (credential_->expires && now >= *credential_->expires) return State::stale;
  return renew_at_ && now >= *renew_at_ ? State::ageing : State::fresh;
}

Result<void> ExecPlugin::renew(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  if (!ran_.wait(lock, stop, [this] { return !running_; })) return transient("Stopped", "stopped");
  if (state_locked() == State::fresh) return Ok{};
  if (failure_ && clock_.steady() - *asked_at_ < kExecPause) return *failure_;
  running_ = true;
  lock.unlock();
  auto got = ask(stop);
  lock.lock();
  running_ = false;
  ran_.notify_all();
  if (!got) {
    if (got.error().reason == "Stopped") return got.error();
    asked_at_ = clock_.steady();
    failure_ = got.error();
    log::warn(kLogger, "no new credential", {{"command", config_.command}, {"err", got.error().message}});
    return *failure_;
  }
  asked_at_ = clock_.steady();
  failure_.reset();
  refused_ = false;
  ++generation_;
  credential_ = std::make_shared<const ExecCredential>(std::move(*got));
  renew_at_.reset();
  if (credential_->expires) {
    const Duration life = std::max(Duration{0}, *credential_->expires - clock_.now());
    renew_at_ = *credential_->expires - std::min<Duration>(kExecEarly, life / 4);
  }
  return Ok{};
}

Result<ExecCredential> ExecPlugin::ask(const std::stop_token& stop) const {
  const auto failed = [this](const std::string& what) {
    std::string message = "the exec plugin " + rls::quoted(config_.command) + ": " + what;
    if (!config_.install_hint.empty()) message += ". " + truncated(config_.install_hint, kLongestQuote);
    return transient("ExecPluginFailed", message);
  };
  Program program{config_.command, config_.args, config_.environment};
  program.environment.push_back("KUBERNETES_EXEC_INFO=" + config_.info);
  auto end = run_(program, stop);
  if (!end) return end.error().reason == "Stopped" ? end.error() : failed(end.error().message);
  if (end->exit_code != 0) {
    return failed("it ended with code " + std::to_string(end->exit_code) +
                  " and said: " + rls::quoted(log::redacted(end->errors), kLongestQuote));
  }
  auto credential = parse_exec_credential(std::move(end->output), config_.api_version);
  if (!credential) return failed(credential.error().message);
  for (const std::string* secret : {&credential->token, &credential->key}) {
    if (!secret->empty()) log::add_secret(*secret);
  }
  if (credential->expires && *credential->expires <= clock_.now()) {
    return failed("the credential that it gives has expired at " + format_rfc3339(*credential->expires));
  }
  return credential;
}

Result<std::shared_ptr<const ExecCredential>> ExecPlugin::current() const {
  const std::lock_guard lock(mutex_);
  if (credential_ != nullptr) return credential_;
  return transient("ExecPluginFailed",
                   "the exec plugin " + rls::quoted(config_.command) + " has not given a credential yet");
}

std::uint64_t ExecPlugin::generation() const {
  const std::lock_guard lock(mutex_);
  return generation_;
}

void ExecPlugin::refused() {
  const std::lock_guard lock(mutex_);
  if (credential_ != nullptr && asked_at_ && clock_.steady() - *asked_at_ < kExecPause) return;
  refused_ = true;
}

}  // namespace rls::kube
