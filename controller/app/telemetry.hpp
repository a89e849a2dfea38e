#pragma once
// From what happens to the metrics: counts as it is told, and tells of the caches when it is scraped.

#include <atomic>

#include "controller/app/http_server.hpp"
#include "controller/app/options.hpp"
#include "controller/checks/board.hpp"
#include "controller/kube/client.hpp"
#include "controller/reconcile/reconciler.hpp"
#include "controller/reconcile/status_writer.hpp"
#include "metrics/metrics.hpp"

namespace rls::app {

class Telemetry final : public reconcile::Observer, public reconcile::StatusListener {
 public:
  /// All references outlive this. `next` is told of every status, too.
  Telemetry(const Options& options, const reconcile::Caches& caches, const reconcile::Queue& queue,
            const kube::Client& client, const Clock& clock, reconcile::StatusListener& next);

  /// One scrape; each call of the result gives the next piece.
  [[nodiscard]] Pieces begin_scrape() const;

  /// Whether this process leads. Who does not tells of no project and no database: the leader does.
  void leader(bool leads);
  void event_dropped() { metrics_.event_dropped(); }
  void check(const api::CheckSpec& check, const checks::Outcome& outcome);
  void transition(Phase from, Phase to, reconcile::Moved result) override;
  void reconciled(reconcile::Kind kind, std::size_t keys, std::chrono::duration<double> took,
                  bool error) override;
  void transaction(std::chrono::duration<double> took) override;
  void database_up(const api::ObjectName& database, std::optional<bool> up) override;
  /// Drift is counted from the ledger, once the status tells of it: a restart counts nothing twice, and what
  /// was put back at once is counted, too.
  void written(const api::RlsMigration& before, const api::MigrationStatus& after) override;
  void written(const api::RlsDatabase& before, const api::DatabaseStatus& after) override {
    next_.written(before, after);
  }
  void written(const api::RlsRollout& before, const api::RolloutStatus& after) override {
    next_.written(before, after);
  }

 private:
  [[nodiscard]] metrics::ProjectSnapshot projects() const;
  [[nodiscard]] std::vector<metrics::RuntimeSample> runtimes() const;
  [[nodiscard]] std::vector<metrics::RolloutSample> rollouts() const;
  [[nodiscard]] bool soaks(const api::RlsRollout& rollout, const std::string& project, Time now) const;

  const reconcile::Caches& caches_;
  const Clock& clock_;
  reconcile::StatusListener& next_;
  std::atomic<bool> leads_{false};
  metrics::Metrics metrics_;
};

/// Has `inner` run checks, and counts what they found.
class CountedChecks final : public checks::Executor {
 public:
  CountedChecks(checks::Executor& inner, Telemetry& telemetry) : inner_(inner), telemetry_(telemetry) {}

  checks::Outcome run(const checks::Run& run, const std::stop_token& stop) override {
    checks::Outcome outcome = inner_.run(run, stop);
    telemetry_.check(run.check, outcome);
    return outcome;
  }
  Result<void> sweep(const checks::Wanted& wanted, const std::stop_token& stop) override {
    return inner_.sweep(wanted, stop);
  }

 private:
  checks::Executor& inner_;
  Telemetry& telemetry_;
};

}  // namespace rls::app
