#pragma once
// Writes status, apart from the reconciling: latest wins per object, demotions first, a few in flight, never
// in the way of a worker. Always with uid and resourceVersion, so that an old object's status never lands on
// its successor.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <variant>

#include "controller/base/time.hpp"
#include "controller/kube/client.hpp"
#include "controller/reconcile/caches.hpp"
#include "controller/reconcile/keys.hpp"

namespace rls::reconcile {

/// One status to be written.
struct StatusWrite {
  Key key;
  std::string uid;                                      ///< of the object it was made for
  std::chrono::steady_clock::time_point observed_at{};  ///< an older observation never overwrites a newer one
  bool urgent = false;
  std::variant<api::MigrationStatus, api::DatabaseStatus, api::RolloutStatus> status;
};

/// Hears of every status that came through: what the object said before, and what it says now. Called on the
/// client's thread, which must not wait.
class StatusListener {
 public:
  virtual ~StatusListener() = default;
  virtual void written(const api::RlsMigration& before, const api::MigrationStatus& after) = 0;
  virtual void written(const api::RlsDatabase& before, const api::DatabaseStatus& after) = 0;
  virtual void written(const api::RlsRollout& before, const api::RolloutStatus& after) = 0;
};

/// Thread-safe. `retry` is called (on any thread, without locks held) with the key of a write that did not
/// come through because the object had changed or the server refused: reconcile it again.
///
/// A server that asks for a pause (Retry-After of 429 and 503) gets it: nothing is sent until then, and what
/// is submitted meanwhile waits, the latest of each object. `run` goes on when the pause is over.
class StatusWriter {
 public:
  using Retry = std::function<void(const Key&)>;

  /// `listener` may be null; it outlives the writer. `leads`: whether this process may write at this moment;
  /// what waits when it may not is dropped, as it is older than what the next leader sees.
  StatusWriter(kube::Client& client, Caches& caches, const Clock& clock, Retry retry,
               std::function<bool()> leads, StatusListener* listener = nullptr)
      : client_(client),
        caches_(caches),
        clock_(clock),
        retry_(std::move(retry)),
        leads_(std::move(leads)),
        listener_(listener) {}

  /// Queues the write and starts it where fewer than kInFlight are under way. Never blocks.
  void submit(StatusWrite write);
  /// The object is gone: what waits for it is dropped.
  void forget(const Key& key);
  /// When the last write of this object came through; the clock's beginning where none did.
  [[nodiscard]] std::chrono::steady_clock::time_point last_written(const Key& key) const;
  /// Waits until nothing is queued or in flight, at most `limit`. True where all was written.
  bool drain(std::chrono::milliseconds limit);

  /// Goes on after each pause that the server asked for, until `stop`. Blocks; on a thread of its own.
  void run(const std::stop_token& stop);
  /// Goes on where a pause is over by now; `run` and each submit do so.
  void resume() { pump(); }
  /// Until when nothing is sent; a moment that has passed where there is no pause.
  [[nodiscard]] std::chrono::steady_clock::time_point paused_until() const;

  /// Sends nothing any more, and drops what waits: before the client goes.
  void close();

  [[nodiscard]] std::uint64_t written() const;

 private:
  // More in flight gains nothing: the API server does 310–370 full statuses a second (design 4-kubernetes).
  static constexpr unsigned kInFlight = 8;

  struct Slot {
    std::optional<StatusWrite> waiting;
    bool in_flight = false;
    bool queued = false;
    std::chrono::steady_clock::time_point newest{};
    std::string newest_uid;
    std::chrono::steady_clock::time_point last_written{};
  };

  /// The object as the cache had it when its status was sent; null where it was gone.
  using Before =
      std::variant<std::shared_ptr<const api::RlsMigration>, std::shared_ptr<const api::RlsDatabase>,
                   std::shared_ptr<const api::RlsRollout>>;

  void pump();
  void drop_waiting();  // under mutex_
  void send(StatusWrite write);
  [[nodiscard]] Before current(const StatusWrite& write) const;
  void settle(const StatusWrite& write, const Before& before, Result<std::string> result);
  void remember(const StatusWrite& write, const Before& before, std::string new_version);

  kube::Client& client_;
  Caches& caches_;
  const Clock& clock_;
  const Retry retry_;
  const std::function<bool()> leads_;
  StatusListener* const listener_;

  mutable std::mutex mutex_;  // guards everything below
  std::condition_variable idle_;
  std::condition_variable_any pausing_;  ///< paused_until_ has moved
  std::chrono::steady_clock::time_point paused_until_{};
  std::unordered_map<Key, Slot> slots_;
  std::deque<Key> urgent_, normal_;
  unsigned in_flight_ = 0;
  std::uint64_t written_ = 0;
  bool closed_ = false;
};

}  // namespace rls::reconcile
