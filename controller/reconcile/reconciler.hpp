#pragma once
// The reconcile loop: keys in, the database observed, decided, moved, and the result projected. Level-based:
// a key is all it gets, everything else is looked at afresh. The story: docs/life-of-a-reconcile.md.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/base/time.hpp"
#include "controller/reconcile/caches.hpp"
#include "controller/reconcile/keys.hpp"
#include "controller/reconcile/rollouts.hpp"
#include "controller/reconcile/sessions.hpp"
#include "controller/reconcile/status.hpp"
#include "controller/reconcile/status_writer.hpp"
#include "controller/reconcile/surroundings.hpp"

namespace rls::reconcile {

/// How a move that was tried ended.
enum class Moved { committed, failed, in_doubt };

/// What is told to the metrics; called on worker threads.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void transition(Phase from, Phase to, Moved result) = 0;
  virtual void reconciled(Kind kind, std::size_t keys, std::chrono::duration<double> took, bool error) = 0;
  virtual void transaction(std::chrono::duration<double> took) = 0;
  virtual void database_up(const api::ObjectName& database,
                           std::optional<bool> up) = 0;  ///< nullopt: it is gone
};

struct ReconcilerOptions {
  std::chrono::milliseconds observe_interval{15'000};  ///< each database as a whole (design 4-kubernetes)
};

class Reconciler {
 public:
  /// Called once where another leader has taken over: the process must end (design 3-database, fence).
  using FenceLost = std::function<void(const std::string& message)>;

  Reconciler(Caches& caches, Queue& queue, Sessions& sessions, Surroundings& surroundings, Rollouts& rollouts,
             StatusWriter& writer, Observer& observer, const Clock& clock, FenceLost fence_lost,
             ReconcilerOptions options)
      : caches_(caches),
        queue_(queue),
        sessions_(sessions),
        surroundings_(surroundings),
        rollouts_(rollouts),
        writer_(writer),
        observer_(observer),
        clock_(clock),
        fence_lost_(std::move(fence_lost)),
        options_(options) {}

  /// Works on one batch of the queue; the caller calls `Queue::done` afterwards. Thread-safe.
  void process(const Queue::Batch& batch);

 private:
  using MigrationPointer = std::shared_ptr<const api::RlsMigration>;
  struct Item {
    MigrationPointer migration;
    std::chrono::steady_clock::time_point observed_at;  ///< before it was looked at
    MigrationOutcome outcome;
    bool moved = false;  ///< in this look
  };
  static bool any_moved(const std::vector<Item>& items);
  static bool any_unregistered(const std::vector<Item>& items);

  std::vector<Item> items_of(const Queue::Batch& batch, bool whole);
  void add_peers(std::vector<Item>& items);
  void decide_for(std::span<Item* const> items, const api::DatabasePolicy& policy);
  std::optional<Error> count_exactly(Sessions::Open& open, std::span<Item* const> items,
                                     const api::DatabasePolicy& policy);
  std::vector<std::optional<Phase>> decide_again(std::vector<Item>& items, std::span<Item* const> moving,
                                                 std::vector<postgres::Relook>& looks);
  std::optional<Error> tend(Sessions::Open& open, const api::RlsDatabase& database,
                            const std::vector<Item>& items, DatabaseOutcome& outcome);
  static std::optional<Error> describe(Sessions::Open& open, bool managed, DatabaseOutcome& outcome);
  std::optional<Error> work_on(Sessions::Open& open, const api::ObjectName& database,
                               std::vector<Item>& items, const api::DatabasePolicy& policy, bool whole);
  std::optional<Error> observe(Sessions::Open& open, std::span<Item* const> items,
                               postgres::Counting counting);
  std::optional<Error> move_all(Sessions::Open& open, std::vector<Item>& items, std::vector<Item*> due,
                                std::vector<Item*>& moved);
  /// The same, each in a transaction of its own.
  std::optional<Error> move_each(Sessions::Open& open, std::vector<Item>& items, std::span<Item* const> part,
                                 std::vector<Item*>& moved);
  /// One transaction; the items that moved. An Error: nothing is known to have moved.
  std::optional<Error> move(Sessions::Open& open, std::vector<Item>& all, std::span<Item* const> items,
                            std::vector<Item*>& moved);
  void decide_waves(const api::ObjectName& database, std::vector<Item>& items);
  void publish_rollouts(const api::ObjectName& database, const std::vector<Item>& items,
                        const std::optional<Error>& error);
  void fetch_details(Sessions::Open& open, std::vector<Item>& items);
  void fail_all(std::vector<Item>& items, const Error& error, Duration not_ok_for);
  void publish(const Item& item);
  void schedule(const Item& item);
  void publish_database(const api::RlsDatabase& database, const DatabaseOutcome& outcome);

  Caches& caches_;
  Queue& queue_;
  Sessions& sessions_;
  Surroundings& surroundings_;
  Rollouts& rollouts_;
  StatusWriter& writer_;
  Observer& observer_;
  const Clock& clock_;
  const FenceLost fence_lost_;
  const ReconcilerOptions options_;
};

}  // namespace rls::reconcile
