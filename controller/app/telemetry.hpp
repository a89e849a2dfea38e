#pragma once
// From what happens to the metrics: counts as it is told, and tells of the cache when it is scraped.

#include <atomic>

#include "controller/app/http_server.hpp"
#include "controller/app/options.hpp"
#include "controller/kube/client.hpp"
#include "controller/reconcile/reconciler.hpp"
#include "metrics/metrics.hpp"

namespace rls::app {

class Telemetry final : public reconcile::Observer {
 public:
  /// All references outlive this.
  Telemetry(const Options& options, const reconcile::Caches& caches, const reconcile::Queue& queue,
            const kube::Client& client, const Clock& clock);

  /// One scrape; each call of the result gives the next piece.
  [[nodiscard]] Pieces begin_scrape() const;

  /// Whether this process leads. Who does not tells of no project and no database: the leader does.
  void leader(bool leads);
  void event_dropped() { metrics_.event_dropped(); }
  void transition(Phase from, Phase to, reconcile::Moved result) override;
  void reconciled(reconcile::Kind kind, std::size_t keys, std::chrono::duration<double> took,
                  bool error) override;
  void transaction(std::chrono::duration<double> took) override;
  void database_up(const api::ObjectName& database, std::optional<bool> up) override;

 private:
  [[nodiscard]] metrics::ProjectSnapshot projects() const;
  [[nodiscard]] std::vector<metrics::RuntimeSample> runtimes() const;

  const reconcile::Caches& caches_;
  const Clock& clock_;
  std::atomic<bool> leads_{false};
  metrics::Metrics metrics_;
};

}  // namespace rls::app
