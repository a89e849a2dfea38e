#include "metrics/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <map>
#include <mutex>
#include <tuple>
#include <utility>

#include "metrics/exposition.hpp"
#include "metrics/names.hpp"

namespace rls::metrics {
namespace {

constexpr std::array kTransitionResults = {TransitionResult::committed, TransitionResult::failed,
                                           TransitionResult::in_doubt};
constexpr std::array kReconcileResults = {ReconcileResult::success, ReconcileResult::requeue,
                                          ReconcileResult::error};

std::string_view to_string(TransitionResult result) {
  switch (result) {
    case TransitionResult::committed: return "committed";
    case TransitionResult::failed: return "failed";
    case TransitionResult::in_doubt: return "in_doubt";
  }
  return "unknown";
}

std::string_view to_string(ReconcileResult result) {
  switch (result) {
    case ReconcileResult::success: return "success";
    case ReconcileResult::requeue: return "requeue";
    case ReconcileResult::error: return "error";
  }
  return "unknown";
}

std::string_view to_string(HeldBy by) {
  switch (by) {
    case HeldBy::annotation: return "annotation";
    case HeldBy::database: return "database";
    case HeldBy::check: return "check";
  }
  return "unknown";
}
constexpr std::array kHolders = {HeldBy::annotation, HeldBy::database, HeldBy::check};

/// Up one step, or down to any phase below (R-A2, R-A4).
bool is_legal(Phase from, Phase to) {
  return to < from || (from != Phase::complete && to == next_phase(from));
}

bool is_open(api::GateState state) {
  switch (state) {
    case api::GateState::passed:
    case api::GateState::overridden: return true;
    case api::GateState::waiting:
    case api::GateState::blocked:
    case api::GateState::unknown: return false;
  }
  return false;
}

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;

const Histogram::BucketBoundaries kReconcileBuckets = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                       0.25,  0.5,    1,     2.5,  5,     10,   30};
const Histogram::BucketBoundaries kTransactionBuckets = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                         0.1,    0.25,  0.5,    1,     2.5,  5,     30};

template <class Builder>
auto& family(prometheus::Registry& registry, Builder builder, Id id) {
  return builder.Name(std::string(info(id).name)).Help(std::string(info(id).help)).Register(registry);
}

}  // namespace

/// What is counted, in prometheus-cpp's registry.
class Metrics::Registry {
 public:
  explicit Registry(const Options& options)
      : leader_(family(registry_, prometheus::BuildGauge(), Id::leader).Add({})),
        reconciles_(family(registry_, prometheus::BuildCounter(), Id::reconcile_total)),
        reconcile_errors_(family(registry_, prometheus::BuildCounter(), Id::reconcile_errors)),
        reconcile_durations_(family(registry_, prometheus::BuildHistogram(), Id::reconcile_duration)),
        transactions_(
            family(registry_, prometheus::BuildHistogram(), Id::pg_transaction).Add({}, kTransactionBuckets)),
        events_dropped_(family(registry_, prometheus::BuildCounter(), Id::events_dropped).Add({})),
        databases_up_(family(registry_, prometheus::BuildGauge(), Id::database_up)) {
    family(registry_, prometheus::BuildGauge(), Id::operator_info).Add({{"version", options.version}}).Set(1);
    for (const std::string& kind : options.kinds) add_kind(kind);
    auto& drifts = family(registry_, prometheus::BuildCounter(), Id::drift_seen);
    drifts_ = {&drifts.Add({{"direction", "raised"}}), &drifts.Add({{"direction", "lowered"}})};
    auto& checks = family(registry_, prometheus::BuildCounter(), Id::check_results);
    for (const char* const whose : {"migration", "database"}) {
      for (const char* const result : {"passed", "failed", "unknown"})
        checks_.push_back(&checks.Add({{"demanded_by", whose}, {"result", result}}));
    }
    auto& transitions = family(registry_, prometheus::BuildCounter(), Id::transitions);
    for (const Phase from : kPhases) {
      for (const Phase to : kPhases) {
        if (!is_legal(from, to)) continue;
        for (const TransitionResult result : kTransitionResults) {
          transitions_[{from, to, result}] = &transitions.Add({{"from", std::string(rls::to_string(from))},
                                                               {"to", std::string(rls::to_string(to))},
                                                               {"result", std::string(to_string(result))}});
        }
      }
    }
  }

  void transition(Phase from, Phase to, TransitionResult result, std::uint64_t projects) {
    const auto found = transitions_.find({from, to, result});
    if (found != transitions_.end()) found->second->Increment(static_cast<double>(projects));
  }

  void reconciled(std::string_view kind, ReconcileResult result, Seconds took, std::uint64_t keys) {
    const KindSeries series = of_kind(kind);
    series.results[static_cast<std::size_t>(result)]->Increment(static_cast<double>(keys));
    if (result == ReconcileResult::error) series.errors->Increment(static_cast<double>(keys));
    series.durations->Observe(took.count());
  }

  void transaction(Seconds took) { transactions_.Observe(took.count()); }
  void check(DemandedBy whose, CheckResult result) {
    checks_[static_cast<std::size_t>(whose) * kCheckResults + static_cast<std::size_t>(result)]->Increment();
  }
  void drift(Drift direction) { drifts_[static_cast<std::size_t>(direction)]->Increment(); }

  void database_up(const api::ObjectName& database, std::optional<bool> up) {
    const std::lock_guard lock(mutex_);
    if (up) {
      Gauge*& gauge = databases_[database];
      if (gauge == nullptr) {
        gauge = &databases_up_.Add({{"namespace", database.ns}, {"database", database.name}});
      }
      gauge->Set(*up ? 1 : 0);
    } else if (const auto found = databases_.find(database); found != databases_.end()) {
      databases_up_.Remove(found->second);
      databases_.erase(found);
    }
  }

  void leader(bool leads) { leader_.Set(leads ? 1 : 0); }
  void event_dropped() { events_dropped_.Increment(); }

  [[nodiscard]] std::string text() const {
    return prometheus::TextSerializer{}.Serialize(registry_.Collect());
  }

 private:
  struct KindSeries {
    std::array<Counter*, kReconcileResults.size()> results{};
    Counter* errors = nullptr;
    Histogram* durations = nullptr;
  };

  KindSeries of_kind(std::string_view kind) {
    const std::lock_guard lock(mutex_);
    const auto found = kinds_.find(kind);
    return found == kinds_.end() ? add_kind(std::string(kind)) : found->second;
  }

  /// With mutex_ held, or in the constructor.
  const KindSeries& add_kind(const std::string& kind) {
    KindSeries& series = kinds_[kind];
    for (const ReconcileResult result : kReconcileResults) {
      series.results[static_cast<std::size_t>(result)] =
          &reconciles_.Add({{"kind", kind}, {"result", std::string(to_string(result))}});
    }
    series.errors = &reconcile_errors_.Add({{"kind", kind}});
    series.durations = &reconcile_durations_.Add({{"kind", kind}}, kReconcileBuckets);
    return series;
  }

  prometheus::Registry registry_;  // has a lock of its own
  Gauge& leader_;
  Family<Counter>& reconciles_;
  Family<Counter>& reconcile_errors_;
  Family<Histogram>& reconcile_durations_;
  Histogram& transactions_;
  Counter& events_dropped_;
  Family<Gauge>& databases_up_;
  // Fixed once constructed.
  std::map<std::tuple<Phase, Phase, TransitionResult>, Counter*> transitions_;
  std::array<Counter*, 2> drifts_{};  // by Drift
  static constexpr std::size_t kCheckResults = 3;
  std::vector<Counter*> checks_;  // by DemandedBy, then by CheckResult

  std::mutex mutex_;  // guards the two below
  std::map<std::string, KindSeries, std::less<>> kinds_;
  std::map<api::ObjectName, Gauge*> databases_;
};

namespace {

// Places in Scrape::rare_.
constexpr std::size_t kOverridden = 0, kHeld = 1;

/// Sums of one database's projects.
struct DatabaseSums {
  std::array<std::uint64_t, kPhases.size()> phases{};
  std::int64_t violations = 0;
  std::uint64_t drifted = 0;
  std::uint64_t overridden = 0;
  std::array<std::uint64_t, kHolders.size()> held{};                      ///< by HeldBy
  std::map<std::pair<std::string, api::GateState>, std::uint64_t> gates;  ///< not passed
};
using Sums = std::map<std::pair<std::string, std::string>, DatabaseSums>;  ///< by namespace and name

/// `rare` gets who has a series in a family that few have one of.
template <class Rare>
Sums sum_up(const ProjectSnapshot& projects, Rare& rare) {
  Sums sums;
  std::size_t index = 0;
  const auto add = [&](const ProjectSample& project) {
    DatabaseSums& sum = sums[{std::string(project.ns), std::string(project.database)}];
    if (project.phase) ++sum.phases[static_cast<std::size_t>(*project.phase)];
    sum.violations += project.violations.value_or(0);
    sum.drifted += project.drift ? 1 : 0;
    if (project.overridden) {
      ++sum.overridden;
      rare[kOverridden].push_back(index);
    }
    if (project.held_by) {
      ++sum.held[static_cast<std::size_t>(*project.held_by)];
      rare[kHeld].push_back(index);
    }
    for (const api::GateStatus& gate : project.gates) {
      if (!is_open(gate.state)) ++sum.gates[{gate.name, gate.state}];
    }
  };
  for (; index < projects.count; ++index) projects.tell(index, add);
  return sums;
}

void append_databases(std::string& out, const Sums& sums) {
  if (sums.empty()) return;
  append_head(out, info(Id::database_projects));
  for (const auto& [name, sum] : sums) {
    for (const Phase phase : kPhases) {
      append_sample(out, info(Id::database_projects),
                    {{"namespace", name.first}, {"database", name.second}, {"phase", rls::to_string(phase)}},
                    static_cast<double>(sum.phases[static_cast<std::size_t>(phase)]));
    }
  }
  append_head(out, info(Id::database_violations));
  for (const auto& [name, sum] : sums) {
    append_sample(out, info(Id::database_violations),
                  {{"namespace", name.first}, {"database", name.second}, {"state", "unreviewed"}},
                  static_cast<double>(sum.violations));
  }
  append_head(out, info(Id::database_gate_blocked));
  for (const auto& [name, sum] : sums) {
    for (const auto& [gate, count] : sum.gates) {
      append_sample(out, info(Id::database_gate_blocked),
                    {{"namespace", name.first},
                     {"database", name.second},
                     {"gate", gate.first},
                     {"state", api::to_string(gate.second)}},
                    static_cast<double>(count));
    }
  }
  append_head(out, info(Id::database_drift));
  for (const auto& [name, sum] : sums) {
    append_sample(out, info(Id::database_drift), {{"namespace", name.first}, {"database", name.second}},
                  static_cast<double>(sum.drifted));
  }
  append_head(out, info(Id::database_overridden));
  for (const auto& [name, sum] : sums) {
    append_sample(out, info(Id::database_overridden), {{"namespace", name.first}, {"database", name.second}},
                  static_cast<double>(sum.overridden));
  }
  append_head(out, info(Id::database_held));
  for (const auto& [name, sum] : sums) {
    for (const HeldBy by : kHolders) {
      append_sample(out, info(Id::database_held),
                    {{"namespace", name.first}, {"database", name.second}, {"by", to_string(by)}},
                    static_cast<double>(sum.held[static_cast<std::size_t>(by)]));
    }
  }
}

void append_runtimes(std::string& out, const std::vector<RuntimeSample>& runtimes) {
  if (runtimes.empty()) return;
  const auto family = [&](Id id, auto value_of) {
    append_head(out, info(id));
    for (const RuntimeSample& runtime : runtimes) {
      append_sample(out, info(id), {{"namespace", runtime.database.ns}, {"database", runtime.database.name}},
                    static_cast<double>(value_of(runtime)));
    }
  };
  family(Id::database_tables_unprotected,
         [](const RuntimeSample& runtime) { return runtime.tables_unprotected; });
  family(Id::database_runtime_changed, [](const RuntimeSample& runtime) { return runtime.changed ? 1 : 0; });
  append_head(out, info(Id::database_isolated));
  for (const RuntimeSample& runtime : runtimes) {
    if (!runtime.isolated) continue;
    append_sample(out, info(Id::database_isolated),
                  {{"namespace", runtime.database.ns}, {"database", runtime.database.name}},
                  *runtime.isolated ? 1 : 0);
  }
}

void append_rollouts(std::string& out, const std::vector<RolloutSample>& rollouts) {
  if (rollouts.empty()) return;
  append_head(out, info(Id::rollout_projects));
  for (const RolloutSample& sample : rollouts) {
    for (const Phase phase : kPhases) {
      append_sample(out, info(Id::rollout_projects),
                    {{"namespace", sample.rollout.ns},
                     {"rollout", sample.rollout.name},
                     {"phase", rls::to_string(phase)}},
                    static_cast<double>(sample.phases[static_cast<std::size_t>(phase)]));
    }
  }
  append_head(out, info(Id::rollout_wave_open));
  for (const RolloutSample& sample : rollouts) {
    for (const RolloutSample::Wave& wave : sample.waves) {
      append_sample(out, info(Id::rollout_wave_open),
                    {{"namespace", sample.rollout.ns}, {"rollout", sample.rollout.name}, {"wave", wave.name}},
                    wave.open ? 1 : 0);
    }
  }
  append_head(out, info(Id::rollout_wave_behind));
  for (const RolloutSample& sample : rollouts) {
    for (const RolloutSample::Wave& wave : sample.waves) {
      if (!wave.open) continue;
      const auto one = [&](std::string_view state, std::int64_t projects) {
        append_sample(out, info(Id::rollout_wave_behind),
                      {{"namespace", sample.rollout.ns},
                       {"rollout", sample.rollout.name},
                       {"wave", wave.name},
                       {"state", state}},
                      static_cast<double>(projects));
      };
      one("Soaking", wave.soaking);
      one("Waiting", wave.waiting);
    }
  }
}

void append_queue(std::string& out, const QueueSample& queue) {
  const auto one = [&out](Id id, double value) {
    append_head(out, info(id));
    append_sample(out, info(id), {}, value);
  };
  one(Id::queue_depth, static_cast<double>(queue.depth));
  one(Id::queue_adds, static_cast<double>(queue.adds));
  one(Id::queue_retries, static_cast<double>(queue.retries));
  one(Id::queue_longest_wait, queue.longest_wait.count());
}

void append_requests(std::string& out, const Sources& sources) {
  append_head(out, info(Id::rest_requests));
  sources.requests([&out](const RequestSample& sample) {
    append_sample(out, info(Id::rest_requests), {{"code", sample.code}, {"method", sample.method}},
                  static_cast<double>(sample.count));
  });
}

/// A piece of a scrape ends with the project that exceeds this.
constexpr std::size_t kPieceBytes = 32 * 1024;

/// The families that have a series for each project, and how one project is written.
using AppendProject = void (*)(std::string&, const Info&, const ProjectSample&);
struct ProjectFamily {
  Id id;
  AppendProject append;
  std::optional<std::size_t> rare{};  ///< place in Scrape::rare_; none: it is asked of each project
};
constexpr std::array<ProjectFamily, 7> kProjectFamilies = {{
    {Id::migration_phase,
     [](std::string& out, const Info& row, const ProjectSample& p) {
       if (!p.phase) return;
       append_sample(out, row,
                     {{"namespace", p.ns},
                      {"database", p.database},
                      {"project", p.project},
                      {"phase", rls::to_string(*p.phase)}},
                     1);
     }},
    {Id::migration_violations,
     [](std::string& out, const Info& row, const ProjectSample& p) {
       if (!p.violations) return;
       append_sample(
           out, row,
           {{"namespace", p.ns}, {"database", p.database}, {"project", p.project}, {"state", "unreviewed"}},
           static_cast<double>(*p.violations));
     }},
    {Id::migration_gate_blocked,
     [](std::string& out, const Info& row, const ProjectSample& p) {
       for (const api::GateStatus& gate : p.gates) {
         if (is_open(gate.state)) continue;
         append_sample(out, row,
                       {{"namespace", p.ns},
                        {"database", p.database},
                        {"project", p.project},
                        {"gate", gate.name},
                        {"state", api::to_string(gate.state)}},
                       1);
       }
     }},
    {Id::migration_drift,
     [](std::string& out, const Info& row, const ProjectSample& p) {
       append_sample(out, row, {{"namespace", p.ns}, {"database", p.database}, {"project", p.project}},
                     p.drift ? 1 : 0);
     }},
    {Id::migration_soak_remaining,
     [](std::string& out, const Info& row, const ProjectSample& p) {
       if (!p.soak_remaining) return;
       append_sample(out, row, {{"namespace", p.ns}, {"database", p.database}, {"project", p.project}},
                     p.soak_remaining->count());
     }},
    {Id::migration_overridden,
     [](std::string& out, const Info& row, const ProjectSample& p) {
       if (!p.overridden) return;
       append_sample(out, row, {{"namespace", p.ns}, {"database", p.database}, {"project", p.project}}, 1);
     },
     kOverridden},
    {Id::migration_held,
     [](std::string& out, const Info& row, const ProjectSample& p) {
       if (!p.held_by) return;
       append_sample(out, row,
                     {{"namespace", p.ns},
                      {"database", p.database},
                      {"project", p.project},
                      {"by", to_string(*p.held_by)}},
                     1);
     },
     kHeld},
}};

}  // namespace

Metrics::Metrics(Options options)
    : options_(std::move(options)), registry_(std::make_unique<Registry>(options_)) {}
Metrics::~Metrics() = default;

void Metrics::set_sources(Sources sources) { sources_ = std::move(sources); }

void Metrics::transition(Phase from, Phase to, TransitionResult result, std::uint64_t projects) {
  registry_->transition(from, to, result, projects);
}
void Metrics::reconciled(std::string_view kind, ReconcileResult result, Seconds took, std::uint64_t keys) {
  registry_->reconciled(kind, result, took, keys);
}
void Metrics::transaction(Seconds took) { registry_->transaction(took); }
void Metrics::check(DemandedBy whose, CheckResult result) { registry_->check(whose, result); }
void Metrics::drift(Drift direction) { registry_->drift(direction); }
void Metrics::database_up(const api::ObjectName& database, std::optional<bool> up) {
  registry_->database_up(database, up);
}
void Metrics::leader(bool leads) { registry_->leader(leads); }
void Metrics::event_dropped() { registry_->event_dropped(); }

bool Scrape::next(std::string& text) {
  const Sources& sources = metrics_.sources_;
  text.clear();
  if (!begun_) {
    begun_ = true;
    text = metrics_.registry_->text();
    if (sources.queue) append_queue(text, sources.queue());
    if (sources.requests) append_requests(text, sources);
    if (sources.projects) {
      projects_ = sources.projects();
      append_databases(text, sum_up(projects_, rare_));
    }
    if (sources.runtimes) append_runtimes(text, sources.runtimes());
    if (sources.rollouts) append_rollouts(text, sources.rollouts());
    if (!sources.projects || !metrics_.options_.projects) family_ = kProjectFamilies.size();
    return true;
  }
  while (text.size() < kPieceBytes && family_ < kProjectFamilies.size()) {
    const ProjectFamily& family = kProjectFamilies[family_];
    const Info& row = info(family.id);
    if (project_ == 0) append_head(text, row);
    const auto append = [&](const ProjectSample& project) { family.append(text, row, project); };
    const std::vector<std::size_t>* rare = family.rare ? &rare_[*family.rare] : nullptr;
    const std::size_t count = rare != nullptr ? rare->size() : projects_.count;
    for (; text.size() < kPieceBytes && project_ < count; ++project_)
      projects_.tell(rare != nullptr ? (*rare)[project_] : project_, append);
    if (project_ == count) {
      project_ = 0;
      ++family_;
    }
  }
  return !text.empty();
}

std::string Metrics::scrape() const {
  std::string all, piece;
  for (Scrape running = begin_scrape(); running.next(piece);) all += piece;
  return all;
}

}  // namespace rls::metrics
