#include "controller/app/telemetry.hpp"

#include <memory>

namespace rls::app {
namespace {

metrics::TransitionResult result_of(reconcile::Moved moved) {
  switch (moved) {
    case reconcile::Moved::committed: return metrics::TransitionResult::committed;
    case reconcile::Moved::failed: return metrics::TransitionResult::failed;
    case reconcile::Moved::in_doubt: return metrics::TransitionResult::in_doubt;
  }
  return metrics::TransitionResult::failed;
}

/// What the status of one object tells. Of two objects for one project the one that lost is left out.
void tell_of(const api::RlsMigration& migration, Time now,
             const std::function<void(const metrics::ProjectSample&)>& tell) {
  const api::MigrationStatus& status = migration.status;
  const api::Condition* ready = api::find_condition(status.conditions, "Ready");
  if (ready != nullptr && ready->reason == "Conflict") return;
  metrics::ProjectSample sample;
  sample.ns = migration.meta.name.ns;
  sample.database = migration.spec.database;
  sample.project = migration.spec.project;
  sample.phase = status.phase;
  if (status.violations) sample.violations = status.violations->total;
  sample.gates = status.gates;
  sample.drift = api::find_condition(status.conditions, "Drifted") != nullptr;
  if (status.eligible_at) {
    sample.soak_remaining = std::max<metrics::Seconds>(metrics::Seconds{0}, *status.eligible_at - now);
  }
  tell(sample);
}

}  // namespace

Telemetry::Telemetry(const Options& options, const reconcile::Caches& caches, const reconcile::Queue& queue,
                     const kube::Client& client, const Clock& clock)
    : caches_(caches), clock_(clock), metrics_({RLS_VERSION, options.metrics_projects}) {
  metrics::Sources sources;
  sources.projects = [this] { return projects(); };
  sources.requests = [&client](const auto& tell) {
    for (const kube::RequestCount& seen : client.request_counts()) {
      const std::string code = seen.code == 0 ? "error" : std::to_string(seen.code);
      tell({code, seen.method, seen.count});
    }
  };
  sources.runtimes = [this] { return runtimes(); };
  sources.queue = [&queue] {
    const auto stats = queue.stats();
    return metrics::QueueSample{stats.due, stats.adds, stats.retries, stats.longest_wait};
  };
  metrics_.set_sources(std::move(sources));
}

void Telemetry::leader(bool leads) {
  leads_ = leads;
  metrics_.leader(leads);
  if (leads) return;
  for (const auto& database : caches_.databases.all())
    metrics_.database_up(database->meta.name, std::nullopt);
}

Pieces Telemetry::begin_scrape() const {
  return [scrape = std::make_shared<metrics::Scrape>(metrics_.begin_scrape())](std::string& piece) {
    return scrape->next(piece);
  };
}

metrics::ProjectSnapshot Telemetry::projects() const {
  if (!leads_) return {};
  auto migrations = caches_.migrations.all();
  const std::size_t count = migrations.size();
  return {count, [migrations = std::move(migrations), now = clock_.now()](
                     std::size_t index, const auto& tell) { tell_of(*migrations[index], now, tell); }};
}

std::vector<metrics::RuntimeSample> Telemetry::runtimes() const {
  std::vector<metrics::RuntimeSample> out;
  if (!leads_) return out;
  for (const auto& database : caches_.databases.all()) {
    const auto& runtime = database->status.runtime;
    if (!runtime) continue;
    // In the wrong form is not protected as the phases ask, either.
    const std::int64_t lacking = runtime->tables - runtime->protected_tables;
    const bool ready = runtime->not_ready_because.empty();
    out.push_back(
        {database->meta.name, std::max<std::int64_t>(lacking, ready ? 0 : 1), !runtime->drift.empty()});
  }
  return out;
}

void Telemetry::transition(Phase from, Phase to, reconcile::Moved result) {
  metrics_.transition(from, to, result_of(result));
}

void Telemetry::reconciled(reconcile::Kind kind, std::size_t keys, std::chrono::duration<double> took,
                           bool error) {
  metrics_.reconciled(to_string(kind),
                      error ? metrics::ReconcileResult::error : metrics::ReconcileResult::success, took,
                      keys);
}

void Telemetry::transaction(std::chrono::duration<double> took) { metrics_.transaction(took); }

void Telemetry::database_up(const api::ObjectName& database, std::optional<bool> up) {
  metrics_.database_up(database, up);
}

}  // namespace rls::app
