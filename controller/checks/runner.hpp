#pragma once
// The board's Executor as it is in production: each kind of check by its own means.

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "controller/base/seam.hpp"
#include "controller/base/time.hpp"
#include "controller/checks/board.hpp"
#include "controller/kube/client.hpp"
#include "controller/postgres/dsn.hpp"

namespace rls::checks {

/// Thread-safe.
class Runner final : public Executor {
 public:
  /// How to connect for SQL checks on that RlsDatabase: what spec.checks.secretRef holds. Called by the
  /// board's threads, and may block (it reads a Secret). The error is what the check says.
  using SettingsFor = std::function<Result<postgres::ConnectionSettings>(const api::ObjectName& database)>;

  /// References outlive the runner. `allowed_urls` as of parse_allowed_urls.
  Runner(kube::Client& client, Seam& seam, const Clock& clock, SettingsFor settings_for,
         std::vector<std::string> allowed_urls);

  Outcome run(const Run& run, const std::stop_token& stop) override;
  Result<void> sweep(const Wanted& wanted, const std::stop_token& stop) override;

 private:
  Outcome count(const Run& run, const std::stop_token& stop);

  kube::Client& client_;
  Seam& seam_;
  const Clock& clock_;
  const SettingsFor settings_for_;
  const std::vector<std::string> allowed_urls_;
};

}  // namespace rls::checks
