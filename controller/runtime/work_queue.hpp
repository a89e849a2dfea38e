#pragma once
// The work queue: which keys are due, in batches of one group (one database), the urgent ones past all
// others.
//
// One entry per key. A key is either waiting, with the moment it is due, or in work. It carries no payload:
// whoever takes it looks at the fresh state. Adding a key that waits merges (the earliest moment and the
// higher priority win); adding one in work lets it wait again as soon as it is done, so no change is missed
// and no key is worked on twice at once.

#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <random>
#include <stop_token>
#include <unordered_map>
#include <utility>
#include <vector>

#include "controller/base/backoff.hpp"
#include "controller/base/time.hpp"
#include "controller/runtime/indexed_heap.hpp"

namespace rls::runtime {

/// Urgent: what must never wait behind a batch of ordinary work (a demotion).
enum class Priority : std::uint8_t { normal, urgent };

struct QueueOptions {
  /// Batches of one group that may be in work at once, so that one database cannot take all workers. One of
  /// them is for urgent batches alone; therefore at least 2.
  unsigned batches_per_group = 2;
  BackoffPolicy backoff{};
  std::uint32_t jitter_seed = std::random_device{}();
};

struct QueueStats {
  std::size_t due = 0;      ///< waiting and due
  std::size_t waiting = 0;  ///< waiting, due or not
  std::size_t in_work = 0;
  std::uint64_t adds = 0;     ///< keys that began to wait; merged additions are not counted
  std::uint64_t retries = 0;  ///< calls of `retry`
  std::chrono::steady_clock::duration longest_wait{0};  ///< how long the longest overdue key is overdue
};

/// Thread-safe. Group and Key are values with std::hash and ==. All operations are O(log n) in the keys of
/// one group and in the groups, `stats` excepted (linear in what is due). Moments are of `Clock::steady`.
template <class Group, class Key>
class WorkQueue {
 public:
  using Moment = std::chrono::steady_clock::time_point;

  /// Keys of one group, in the order in which they became due. `done` must follow, exactly once.
  struct Batch {
    Group group{};
    std::vector<Key> keys;
    Priority priority = Priority::normal;
  };

  /// `clock` must outlive the queue.
  explicit WorkQueue(const Clock& clock, QueueOptions options = {})
      : clock_(clock), options_(options), random_(options.jitter_seed) {
    assert(options_.batches_per_group >= 2);
  }
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  /// Lets the key wait until `when` (a moment in the past: now). A key that comes with another group than it
  /// had (its object was deleted and made anew) moves to it.
  void add(const Group& group, const Key& key, Moment when, Priority priority = Priority::normal) {
    const Moment due = std::max(when, clock_.steady());
    const std::lock_guard lock(mutex_);
    add_locked(group, key, due, priority);
  }
  /// The same, due now.
  void add(const Group& group, const Key& key, Priority priority = Priority::normal) {
    add(group, key, Moment::min(), priority);
  }

  /// Up to `max` (≥ 1) keys that are due at `now`, of the one group whose first key is most urgent, then
  /// longest due. None: nothing is due, or the groups of all that is due have their batches in work. Urgent
  /// and normal keys never share a batch. A worker that is kept free for urgent work says so with `at_least`.
  std::optional<Batch> try_take(std::size_t max, Moment now, Priority at_least = Priority::normal) {
    const std::lock_guard lock(mutex_);
    return take_locked(max, now, at_least);
  }

  /// Blocks until there is a batch; nullopt when `stop` is requested (also while something is due).
  std::optional<Batch> take(std::size_t max, const std::stop_token& stop,
                            Priority at_least = Priority::normal) {
    std::unique_lock lock(mutex_);
    while (!stop.stop_requested()) {
      const Moment now = clock_.steady();
      if (auto batch = take_locked(max, now, at_least)) return batch;
      // Woken by the stop, by whoever changed what comes next (`changes_`), or when the next key is due.
      const auto changed = [this, seen = changes_] { return changes_ != seen; };
      if (const auto next = next_due_locked(at_least)) {
        wake_.wait_for(lock, stop, std::min<Moment::duration>(*next - now, std::chrono::hours{1}), changed);
      } else {
        wake_.wait(lock, stop, changed);
      }
    }
    return std::nullopt;
  }

  /// Ends the work on a batch. Keys that were added or retried meanwhile wait again, all others leave the
  /// queue and their failures are forgotten.
  void done(const Batch& batch) {
    const std::lock_guard lock(mutex_);
    for (const Key& key : batch.keys) {
      const auto found = entries_.find(key);
      assert(found != entries_.end() && found->second.in_work);
      Entry& entry = found->second;
      entry.in_work = false;
      --in_work_;
      if (entry.again) {
        entry.again = false;
        wait_locked(entry);
      } else {
        erase_locked(found);
      }
    }
    const auto group = groups_.find(batch.group);
    assert(group != groups_.end() && group->second.running[index(batch.priority)] > 0);
    --group->second.running[index(batch.priority)];
    offer_locked(group->second);
    drop_if_unused_locked(group->second);
    changed_locked();
  }

  /// The work on the key failed: waits again after an exponential pause with jitter (QueueOptions::backoff).
  /// A key in work keeps its priority. An `add` meanwhile may bring it forward.
  void retry(const Group& group, const Key& key) {
    const Moment now = clock_.steady();
    const std::lock_guard lock(mutex_);
    ++retries_;
    const auto found = entries_.find(key);
    const unsigned failures = (found == entries_.end() ? 0U : found->second.failures) + 1;
    const Priority priority =
        found != entries_.end() && found->second.in_work ? found->second.taken_as : Priority::normal;
    add_locked(group, key, now + backoff(options_.backoff, failures, random_), priority).failures = failures;
  }

  /// The key's failures are forgotten; its next pause is the first again.
  void forget(const Key& key) {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(key);
    if (found != entries_.end()) found->second.failures = 0;
  }

  /// The key does not wait any more. One in work is not interrupted, but does not wait again unless it is
  /// added or retried after this.
  void remove(const Key& key) {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(key);
    if (found == entries_.end()) return;
    Entry& entry = found->second;
    entry.failures = 0;
    if (entry.in_work) {
      entry.again = false;
      return;
    }
    unwait_locked(entry);
    erase_locked(found);
  }

  /// How often the key has failed in a row.
  [[nodiscard]] unsigned failures(const Key& key) const {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(key);
    return found == entries_.end() ? 0 : found->second.failures;
  }

  [[nodiscard]] QueueStats stats() const {
    const Moment now = clock_.steady();
    const std::lock_guard lock(mutex_);
    QueueStats out;
    out.in_work = in_work_;
    out.waiting = entries_.size() - in_work_;
    out.adds = adds_;
    out.retries = retries_;
    for (const auto& [name, group] : groups_) {
      for (const auto& waiting : group.waiting) {
        waiting.for_first([now](const Entry& entry) { return entry.due <= now; },
                          [&out](const Entry&) { ++out.due; });
        if (!waiting.empty()) out.longest_wait = std::max(out.longest_wait, now - waiting.top().due);
      }
    }
    return out;
  }

 private:
  struct GroupState;

  struct Entry {
    GroupState* group = nullptr;  ///< where it waits, or will wait again
    const Key* key = nullptr;
    Moment due{};             ///< while in work: when it is due again, if `again`
    std::uint64_t order = 0;  ///< first come, first served among equals
    std::uint32_t place = kNoPlace;
    std::uint32_t failures = 0;
    Priority priority = Priority::normal;
    Priority taken_as = Priority::normal;
    bool in_work = false;
    bool again = false;
  };
  struct EarlierEntry {
    bool operator()(const Entry& a, const Entry& b) const {
      return a.due != b.due ? a.due < b.due : a.order < b.order;
    }
  };
  using Waiting = IndexedHeap<Entry, EarlierEntry, &Entry::place>;
  using Entries = std::unordered_map<Key, Entry>;

  static constexpr std::size_t index(Priority priority) { return static_cast<std::size_t>(priority); }

  /// One group: its waiting keys and its running batches, by priority.
  struct GroupState {
    const Group* name = nullptr;
    std::array<Waiting, 2> waiting;
    std::array<unsigned, 2> running{};
    std::size_t entries = 0;  ///< that point here
    std::uint32_t normal_place = kNoPlace;
    std::uint32_t urgent_place = kNoPlace;
  };
  template <Priority P>
  struct EarlierGroup {
    bool operator()(const GroupState& a, const GroupState& b) const {
      return EarlierEntry{}(a.waiting[index(P)].top(), b.waiting[index(P)].top());
    }
  };

  // What ends in _locked is called with mutex_ held.

  Entry& add_locked(const Group& group, const Key& key, Moment due, Priority priority) {
    const auto [found, fresh] = entries_.try_emplace(key);
    Entry& entry = found->second;
    entry.key = &found->first;
    GroupState& owner = group_locked(group);
    const bool waits = !fresh && (!entry.in_work || entry.again);
    if (waits) {
      if (entry.group == &owner && due >= entry.due && priority <= entry.priority) return entry;
      due = std::min(due, entry.due);
      priority = std::max(priority, entry.priority);
      if (!entry.in_work) unwait_locked(entry);
    } else {
      entry.order = ++order_;
      ++adds_;
    }
    own_locked(entry, owner);
    entry.due = due;
    entry.priority = priority;
    if (entry.in_work) {
      entry.again = true;
    } else {
      wait_locked(entry);
    }
    return entry;
  }

  std::optional<Batch> take_locked(std::size_t max, Moment now, Priority at_least) {
    assert(max >= 1);
    if (!urgent_groups_.empty()) {
      GroupState& group = urgent_groups_.top();
      if (group.waiting[index(Priority::urgent)].top().due <= now) {
        return batch_locked(group, Priority::urgent, max, now);
      }
    }
    if (at_least == Priority::normal && !normal_groups_.empty()) {
      GroupState& group = normal_groups_.top();
      if (group.waiting[index(Priority::normal)].top().due <= now) {
        return batch_locked(group, Priority::normal, max, now);
      }
    }
    return std::nullopt;
  }

  Batch batch_locked(GroupState& group, Priority priority, std::size_t max, Moment now) {
    Batch batch{*group.name, {}, priority};
    Waiting& waiting = group.waiting[index(priority)];
    while (batch.keys.size() < max && !waiting.empty() && waiting.top().due <= now) {
      Entry& entry = waiting.top();
      waiting.erase(entry);
      entry.in_work = true;
      entry.taken_as = priority;
      batch.keys.push_back(*entry.key);
    }
    in_work_ += batch.keys.size();
    ++group.running[index(priority)];
    offer_locked(group);
    return batch;
  }

  /// When `take_locked` may have something, as things stand.
  std::optional<Moment> next_due_locked(Priority at_least) const {
    std::optional<Moment> next;
    if (!urgent_groups_.empty()) next = urgent_groups_.top().waiting[index(Priority::urgent)].top().due;
    if (at_least == Priority::normal && !normal_groups_.empty()) {
      const Moment due = normal_groups_.top().waiting[index(Priority::normal)].top().due;
      next = next ? std::min(*next, due) : due;
    }
    return next;
  }

  void wait_locked(Entry& entry) {
    GroupState& group = *entry.group;
    group.waiting[index(entry.priority)].push(entry);
    offer_locked(group);
    // Who sleeps until the first key is due must know when there is another first key.
    const bool first = entry.priority == Priority::urgent
                           ? is_first(urgent_groups_, group.urgent_place, entry)
                           : is_first(normal_groups_, group.normal_place, entry);
    if (first) changed_locked();
  }

  template <class GroupHeap>
  static bool is_first(const GroupHeap& groups, std::uint32_t place, const Entry& entry) {
    return place != kNoPlace && &groups.top() == entry.group &&
           &entry.group->waiting[index(entry.priority)].top() == &entry;
  }

  void unwait_locked(Entry& entry) {
    entry.group->waiting[index(entry.priority)].erase(entry);
    offer_locked(*entry.group);
  }

  GroupState& group_locked(const Group& name) {
    const auto [found, fresh] = groups_.try_emplace(name);
    found->second.name = &found->first;
    return found->second;
  }

  void own_locked(Entry& entry, GroupState& owner) {
    if (entry.group == &owner) return;
    GroupState* const before = std::exchange(entry.group, &owner);
    ++owner.entries;
    if (before == nullptr) return;
    --before->entries;
    drop_if_unused_locked(*before);
  }

  void erase_locked(typename Entries::iterator found) {
    GroupState& owner = *found->second.group;
    entries_.erase(found);
    --owner.entries;
    drop_if_unused_locked(owner);
  }

  void drop_if_unused_locked(const GroupState& group) {
    if (group.entries == 0 && group.running[0] + group.running[1] == 0)
      groups_.erase(groups_.find(*group.name));
  }

  /// Puts the group where `take_locked` looks, or takes it out, by what waits in it and which slots are free.
  /// The normal batches leave one slot free, so that an urgent one never waits for them.
  void offer_locked(GroupState& group) {
    const unsigned running = group.running[0] + group.running[1];
    const bool slot = running < options_.batches_per_group;
    const bool normal_slot = slot && group.running[index(Priority::normal)] + 1 < options_.batches_per_group;
    place(urgent_groups_, group, slot && !group.waiting[index(Priority::urgent)].empty());
    place(normal_groups_, group, normal_slot && !group.waiting[index(Priority::normal)].empty());
  }

  template <class GroupHeap>
  static void place(GroupHeap& heap, GroupState& group, bool offered) {
    const bool there = GroupHeap::contains(group);
    if (offered && there) {
      heap.update(group);
    } else if (offered) {
      heap.push(group);
    } else if (there) {
      heap.erase(group);
    }
  }

  void changed_locked() {
    ++changes_;
    wake_.notify_all();
  }

  const Clock& clock_;
  const QueueOptions options_;

  mutable std::mutex mutex_;  // guards everything below
  std::condition_variable_any wake_;
  std::uint64_t changes_ = 0;  // counts what may end somebody's sleep
  std::minstd_rand random_;
  Entries entries_;
  std::unordered_map<Group, GroupState> groups_;  // only those with entries or batches in work
  IndexedHeap<GroupState, EarlierGroup<Priority::urgent>, &GroupState::urgent_place> urgent_groups_;
  IndexedHeap<GroupState, EarlierGroup<Priority::normal>, &GroupState::normal_place> normal_groups_;
  std::uint64_t order_ = 0;
  std::size_t in_work_ = 0;
  std::uint64_t adds_ = 0;
  std::uint64_t retries_ = 0;
};

}  // namespace rls::runtime
