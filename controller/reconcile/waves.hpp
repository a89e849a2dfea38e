#pragma once
// The waves of the RlsRollouts as they were decided when their database was last looked at as a whole.

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "controller/decide/rollout.hpp"
#include "controller/reconcile/caches.hpp"

namespace rls::reconcile {

/// Thread-safe. Between two looks a wave is what it was at the last one, which is at most the observe
/// interval old; where a rollout was changed since, or was never looked at, its waves are closed: fail
/// closed.
class Waves {
 public:
  explicit Waves(const Caches& caches) : caches_(caches) {}

  void note(const api::RlsRollout& rollout, std::vector<decide::WaveDecision> decisions);
  /// Rollouts that are gone.
  void forget_gone();
  /// Of a leadership that ended.
  void forget_all();

  /// The wave that names the migration's project; none: no rollout of its database does.
  [[nodiscard]] std::optional<decide::WaveState> of(const api::RlsMigration& migration) const;

 private:
  struct Decided {
    std::string uid;
    std::int64_t generation = 0;
    std::vector<decide::WaveDecision> waves;
    std::unordered_map<std::string, std::size_t> by_project;  ///< number of its wave
  };

  [[nodiscard]] std::shared_ptr<const Decided> find(const api::ObjectName& rollout) const;

  const Caches& caches_;
  mutable std::mutex mutex_;
  std::unordered_map<api::ObjectName, std::shared_ptr<const Decided>> decided_;  // guarded by mutex_
};

}  // namespace rls::reconcile
