#pragma once
// Writes status, apart from the reconciling: latest wins per object, demotions first, a few in flight, never
// in the way of a worker. Always with uid and resourceVersion, so that an old object's status never lands on
// its successor.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
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
  std::variant<api::MigrationStatus, api::DatabaseStatus> status;
};

/// Thread-safe. `changed` is called (on any thread, without locks held) with the key of a write that did not
/// come through because the object had changed or the server refused: reconcile it again.
class StatusWriter {
 public:
  using Retry = std::function<void(const Key&)>;

  StatusWriter(kube::Client& client, Caches& caches, const Clock& clock, Retry retry)
      : client_(client), caches_(caches), clock_(clock), retry_(std::move(retry)) {}

  /// Queues the write and starts it where fewer than kInFlight are under way. Never blocks.
  void submit(StatusWrite write);
  /// The object is gone: what waits for it is dropped.
  void forget(const Key& key);
  /// When the last write of this object came through; the clock's beginning where none did.
  [[nodiscard]] std::chrono::steady_clock::time_point last_written(const Key& key) const;
  /// Waits until nothing is queued or in flight, at most `limit`. True where all was written.
  bool drain(std::chrono::milliseconds limit);

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

  void pump();
  void send(StatusWrite write);
  void settle(const StatusWrite& write, const std::string& sent_version, Result<std::string> result);
  void remember(const StatusWrite& write, const std::string& sent_version, std::string new_version);

  kube::Client& client_;
  Caches& caches_;
  const Clock& clock_;
  const Retry retry_;

  mutable std::mutex mutex_;  // guards everything below
  std::condition_variable idle_;
  std::unordered_map<Key, Slot> slots_;
  std::deque<Key> urgent_, normal_;
  unsigned in_flight_ = 0;
  std::uint64_t written_ = 0;
  bool closed_ = false;
};

}  // namespace rls::reconcile
