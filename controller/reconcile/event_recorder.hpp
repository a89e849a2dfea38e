#pragma once
// Sends Events (events.k8s.io/v1): best effort, of low priority, never in anybody's way. Repetitions become a
// series of the first; each object and the whole have their budget; what does not fit is dropped and counted.
// The record is the status and the ledger; an Event that is lost is not missed.

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <unordered_map>

#include "controller/base/time.hpp"
#include "controller/kube/client.hpp"
#include "controller/reconcile/events.hpp"
#include "controller/reconcile/keys.hpp"
#include "controller/reconcile/status_writer.hpp"

namespace rls::reconcile {

struct EventLimits {
  std::size_t queue = 512;   ///< what waits at the most; the oldest Normal goes first
  std::size_t known = 2048;  ///< Events that are remembered for their series; the oldest are forgotten first
  std::chrono::minutes series{10};  ///< the same again within this is a series
  std::size_t in_flight = 2;
  // Of one object, as client-go's spam filter.
  double object_burst = 25;
  std::chrono::seconds object_refill{300};  ///< one more each
  // Of all.
  double burst = 200;
  double per_second = 5;
};

/// Fills with time up to its burst; each Event takes one.
class TokenBucket {
 public:
  using Moment = std::chrono::steady_clock::time_point;

  TokenBucket(double burst, double per_second, Moment now)
      : burst_(burst), per_second_(per_second), tokens_(burst), at_(now) {}

  [[nodiscard]] bool take(Moment now);
  [[nodiscard]] bool full(Moment now) const { return tokens_at(now) >= burst_; }
  /// When there is one again.
  [[nodiscard]] Moment next(Moment now) const;

 private:
  [[nodiscard]] double tokens_at(Moment now) const;

  double burst_, per_second_, tokens_;
  Moment at_;
};

/// The object that an Event is about.
struct Regarding {
  Kind kind = Kind::migration;
  api::ObjectName name;
  std::string uid;
};

/// Thread-safe. `dropped` is called (without locks held) for each Event that is given up for want of room or
/// budget, or refused by the server.
///
/// A server that asks for a pause (Retry-After of 429 and 503) gets it: nothing is sent until then.
class EventRecorder final : public StatusListener {
 public:
  using Moment = std::chrono::steady_clock::time_point;

  /// `instance`: this process, for reportingInstance (the Pod's name).
  EventRecorder(kube::Client& client, const Clock& clock, std::string instance, std::function<void()> dropped,
                EventLimits limits = {});

  /// Takes the Events of one object in their order. Never waits and makes no call.
  void record(const Regarding& object, std::vector<EventDraft> drafts);

  void written(const api::RlsMigration& before, const api::MigrationStatus& after) override;
  void written(const api::RlsDatabase& before, const api::DatabaseStatus& after) override;
  void written(const api::RlsRollout& before, const api::RolloutStatus& after) override;

  /// Sends what may be sent now. When it should be called again: nullopt where nothing waits for time.
  std::optional<Moment> pump();
  /// Pumps until `stop`: a thread of its own.
  void run(const std::stop_token& stop);
  /// Sends what waits and fits into the budget, for `limit` at the most. True where nothing is left.
  bool drain(std::chrono::milliseconds limit);
  /// Sends nothing any more: before the client goes.
  void close();

 private:
  /// One Event that was sent or waits to be. A repetition counts on it.
  struct Known {
    Regarding object;
    EventDraft draft;
    std::string name;
    Time first{}, last{};  ///< wall clock, as shown
    Moment seen{};
    std::int64_t count = 1;
    std::int64_t told = 0;  ///< the count that the server knows
    bool queued = false;
    bool in_flight = false;
    bool again = false;  ///< a second try: pooled connections die of idleness
    bool remembered = true;
    std::list<std::shared_ptr<Known>>::iterator age;  ///< while remembered
  };
  using Pointer = std::shared_ptr<Known>;

  // With mutex_ held. The two that queue return how many were dropped for it.
  int take_in(const Regarding& object, EventDraft draft, Time time, Moment now);
  int enqueue(const Pointer& known);
  bool admit(const std::string& uid, Moment now);
  void forget(Known& known);
  void forget_old(Moment now);

  void send(const Pointer& known, std::int64_t count, Time last);
  void settle(const Pointer& known, std::int64_t count, const Result<void>& result);
  void count_dropped(int number) const;
  [[nodiscard]] std::string encode(const Known& known) const;

  kube::Client& client_;
  const Clock& clock_;
  const std::string instance_;
  const std::function<void()> dropped_;
  const EventLimits limits_;

  std::mutex mutex_;  // guards everything below, the Known included
  std::condition_variable_any changed_;
  bool woken_ = false;
  bool closed_ = false;
  std::size_t in_flight_ = 0;
  Moment paused_until_{};
  TokenBucket budget_;
  std::unordered_map<std::string, TokenBucket> objects_;  ///< by uid
  Moment next_purge_{};                                   ///< of objects_, of those that are full again
  std::unordered_map<std::string, Pointer> known_;        ///< by uid, reason and key
  std::list<Pointer> ages_;                               ///< the same, the longest not seen first
  std::deque<Pointer> queue_;
};

}  // namespace rls::reconcile
