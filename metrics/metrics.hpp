#pragma once
// The operator's metrics (names.hpp), in Prometheus' text format. What is counted is held here; what exists
// once a project is not: it is written from the cache while it is scraped, so it costs no memory and dies
// with its object.

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "controller/api/migration.hpp"
#include "controller/api/object.hpp"
#include "controller/api/phase.hpp"

namespace rls::metrics {

using Seconds = std::chrono::duration<double>;

enum class TransitionResult { committed, failed, in_doubt };
enum class ReconcileResult { success, requeue, error };
enum class CheckResult { passed, failed, unknown };
enum class DemandedBy { migration, database };  ///< whose check it is
enum class Drift { raised, lowered };

/// What keeps a project below the phase wanted.
enum class HeldBy { annotation, database, check };

/// One project as its status tells of it. Texts and gates live during the visit only. Each project is told of
/// once: where two objects claim it, the one that lost is left out (Prometheus refuses a series that comes
/// twice).
struct ProjectSample {
  std::string_view ns;
  std::string_view database;
  std::string_view project;
  std::optional<Phase> phase{};              ///< none: not yet observed
  std::optional<std::int64_t> violations{};  ///< not reviewed; none: not known
  std::span<const api::GateStatus> gates{};  ///< all of them; those that are open are left out here
  bool drift = false;
  std::optional<Seconds> soak_remaining{};  ///< where it soaks
  bool overridden = false;                  ///< a gate of the next step
  std::optional<HeldBy> held_by{};          ///< none: it is not held
};

/// The projects at the moment when a scrape began.
struct ProjectSnapshot {
  std::size_t count = 0;
  /// Tells of the project at `index` < `count`, or of none.
  std::function<void(std::size_t index, const std::function<void(const ProjectSample&)>&)> tell;
};

/// Sums of requests to the Kubernetes API.
struct RequestSample {
  std::string_view code;  ///< "200", or "error" where there was no reply
  std::string_view method;
  std::uint64_t count = 0;
};

/// A database with a managed runtime.
struct RuntimeSample {
  api::ObjectName database;
  std::int64_t tables_unprotected = 0;
  bool changed = false;            ///< by somebody else
  std::optional<bool> isolated{};  ///< what condition Isolated says; none: Unknown
};

/// A rollout as its status tells of it.
struct RolloutSample {
  api::ObjectName rollout;
  std::array<std::int64_t, kPhases.size()> phases{};  ///< projects in each
  struct Wave {
    std::string name;
    bool open = false;
    // Where open: those that have not earned advanceWhen.
    std::int64_t soaking = 0;  ///< time alone lets them go on
    std::int64_t waiting = 0;  ///< for something else
  };
  std::vector<Wave> waves{};
};

struct QueueSample {
  std::size_t depth = 0;
  std::uint64_t adds = 0;
  std::uint64_t retries = 0;
  Seconds longest_wait{0};
};

/// Asked while a scrape runs, by its thread; they must be quick and thread-safe. An empty one gives no
/// samples.
struct Sources {
  std::function<ProjectSnapshot()> projects;  ///< once a scrape
  std::function<void(const std::function<void(const RequestSample&)>&)> requests;
  std::function<std::vector<RuntimeSample>()> runtimes;
  std::function<std::vector<RolloutSample>()> rollouts;
  std::function<QueueSample()> queue;
};

struct Options {
  std::string version;
  bool projects = true;  ///< false: sums per database only (--metrics-projects=off)
  std::vector<std::string> kinds = {"RlsDatabase", "RlsMigration"};  ///< whose counters start at 0
};

class Metrics;

/// One scrape under way. Memory: the snapshot, and the text of some hundred projects at a time.
class Scrape {
 public:
  /// Puts the next piece (some tens of kilobytes, whole lines) into `text`, in place of what was there.
  /// False: that was all.
  bool next(std::string& text);

 private:
  friend class Metrics;
  explicit Scrape(const Metrics& metrics) : metrics_(metrics) {}

  const Metrics& metrics_;
  bool begun_ = false;
  ProjectSnapshot projects_;
  std::size_t family_ = 0;   ///< of those that have a series for each project
  std::size_t project_ = 0;  ///< the next of the snapshot, or of the rare ones of the family
  /// Families that few projects have a series of, each with those that do, so that nobody else is asked.
  std::array<std::vector<std::size_t>, 2> rare_;
};

/// Thread-safe, `set_sources` excepted. All counters exist from the start, with 0.
class Metrics {
 public:
  explicit Metrics(Options options);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  /// Once, before the first scrape. What the sources refer to must outlive the last scrape.
  void set_sources(Sources sources);

  void transition(Phase from, Phase to, TransitionResult result, std::uint64_t projects = 1);
  /// One batch of `keys`, which took `took` as a whole.
  void reconciled(std::string_view kind, ReconcileResult result, Seconds took, std::uint64_t keys = 1);
  void transaction(Seconds took);
  void check(DemandedBy whose, CheckResult result);
  void drift(Drift direction);
  /// nullopt: the object is gone, and so is its series.
  void database_up(const api::ObjectName& database, std::optional<bool> up);
  void leader(bool leads);
  void event_dropped();

  /// Must not outlive the Metrics.
  [[nodiscard]] Scrape begin_scrape() const { return Scrape(*this); }
  /// The whole scrape as one text: for tests and small installations.
  [[nodiscard]] std::string scrape() const;

 private:
  friend class Scrape;
  class Registry;  // prometheus-cpp's, behind this line

  const Options options_;
  Sources sources_;
  const std::unique_ptr<Registry> registry_;
};

}  // namespace rls::metrics
