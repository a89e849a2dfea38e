#include "controller/app/telemetry.hpp"

#include <algorithm>
#include <memory>

#include "controller/postgres/project_database.hpp"
#include "controller/reconcile/events.hpp"

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

/// Who holds a project whose status says that it is held.
metrics::HeldBy holder_of(const api::RlsMigration& migration, const api::Condition& held) {
  if (held.reason == "CheckFailed") return metrics::HeldBy::check;
  const bool annotated = migration.hold_at && *migration.hold_at < migration.spec.phase;
  return annotated ? metrics::HeldBy::annotation : metrics::HeldBy::database;
}

/// What the status of one object tells. Of two objects for one project the one that lost is left out.
void tell_of(const api::RlsMigration& migration, Time now,
             const std::function<void(const metrics::ProjectSample&)>& tell) {
  const api::MigrationStatus& status = migration.status;
  metrics::ProjectSample sample;
  for (const api::Condition& condition : status.conditions) {
    if (condition.type == "Ready" && condition.reason == "Conflict") return;
    if (condition.type == "Drifted") sample.drift = true;
    if (condition.type == "Overridden") sample.overridden = true;
    if (condition.type == "Held") sample.held_by = holder_of(migration, condition);
  }
  sample.ns = migration.meta.name.ns;
  sample.database = migration.spec.database;
  sample.project = migration.spec.project;
  sample.phase = status.phase;
  if (status.violations) sample.violations = status.violations->total;
  sample.gates = status.gates;
  if (status.eligible_at) {
    sample.soak_remaining = std::max<metrics::Seconds>(metrics::Seconds{0}, *status.eligible_at - now);
  }
  tell(sample);
}

}  // namespace

Telemetry::Telemetry(const Options& options, const reconcile::Caches& caches, const reconcile::Queue& queue,
                     const kube::Client& client, const Clock& clock, reconcile::StatusListener& next)
    : caches_(caches), clock_(clock), next_(next), metrics_({RLS_VERSION, options.metrics_projects}) {
  metrics::Sources sources;
  sources.projects = [this] { return projects(); };
  sources.requests = [&client](const auto& tell) {
    for (const kube::RequestCount& seen : client.request_counts()) {
      const std::string code = seen.code == 0 ? "error" : std::to_string(seen.code);
      tell({code, seen.method, seen.count});
    }
  };
  sources.runtimes = [this] { return runtimes(); };
  sources.rollouts = [this] { return rollouts(); };
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
    const auto* isolated = api::find_condition(database->status.conditions, "Isolated");
    std::optional<bool> known;
    if (isolated != nullptr && isolated->status != api::ConditionStatus::unknown)
      known = isolated->status == api::ConditionStatus::is_true;
    out.push_back({database->meta.name, std::max<std::int64_t>(lacking, ready ? 0 : 1),
                   !runtime->drift.empty(), known});
  }
  return out;
}

/// What a rollout's status tells; of open waves alone, mostly one, the projects are looked at.
std::vector<metrics::RolloutSample> Telemetry::rollouts() const {
  std::vector<metrics::RolloutSample> out;
  if (!leads_) return out;
  const Time now = clock_.now();
  for (const auto& rollout : caches_.rollouts.all()) {
    metrics::RolloutSample& sample = out.emplace_back();
    sample.rollout = rollout->meta.name;
    for (const api::WaveStatus& seen : rollout->status.waves) {
      sample.phases[0] += seen.phases.pending;
      sample.phases[1] += seen.phases.shadow;
      sample.phases[2] += seen.phases.enforcing;
      sample.phases[3] += seen.phases.complete;
      auto& wave = sample.waves.emplace_back();
      wave.name = seen.name;
      wave.open = seen.state == api::WaveState::open;
      const std::int64_t behind = seen.total - seen.reached;
      if (!wave.open || behind <= 0) continue;
      const auto& waves = rollout->spec.waves;
      const auto spec =
          std::find_if(waves.begin(), waves.end(), [&](const auto& w) { return w.name == seen.name; });
      if (spec == waves.end()) continue;  // the status is of another spec
      const auto soaking = std::count_if(spec->projects.begin(), spec->projects.end(),
                                         [&](const auto& project) { return soaks(*rollout, project, now); });
      wave.soaking = std::min<std::int64_t>(behind, soaking);
      wave.waiting = behind - wave.soaking;
    }
  }
  return out;
}

/// On its way to what the next wave waits for, with a clock that runs.
bool Telemetry::soaks(const api::RlsRollout& rollout, const std::string& project, Time now) const {
  const auto name = caches_.owners.first_for(reconcile::database_of(rollout), project);
  const auto migration = name ? caches_.migrations.get(*name) : nullptr;
  if (migration == nullptr) return false;
  const api::MigrationStatus& status = migration->status;
  return status.phase && *status.phase < rollout.spec.advance_when && status.eligible_at &&
         *status.eligible_at > now;
}

void Telemetry::check(const api::CheckSpec& check, const checks::Outcome& outcome) {
  if (outcome.heard == checks::Outcome::Heard::running) return;
  const bool of_database = check.demanded_by == api::CheckSpec::DemandedBy::database;
  const auto whose = of_database ? metrics::DemandedBy::database : metrics::DemandedBy::migration;
  switch (outcome.state) {
    case checks::CheckResult::State::passed: metrics_.check(whose, metrics::CheckResult::passed); break;
    case checks::CheckResult::State::failed: metrics_.check(whose, metrics::CheckResult::failed); break;
    case checks::CheckResult::State::unknown: metrics_.check(whose, metrics::CheckResult::unknown); break;
  }
}

void Telemetry::written(const api::RlsMigration& before, const api::MigrationStatus& after) {
  for (const api::HistoryEntry* entry : reconcile::new_entries(before, after)) {
    if (entry->reason != postgres::kDriftReason || !entry->from) continue;
    metrics_.drift(entry->to > *entry->from ? metrics::Drift::raised : metrics::Drift::lowered);
  }
  next_.written(before, after);
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
