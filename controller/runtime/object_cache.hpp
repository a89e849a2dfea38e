#pragma once
// The objects of one kind as the last list and the watch told of them. Readers get snapshots.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace rls::runtime {

/// T has `meta` with `name` (hashable, ordered), `uid` and `resource_version`. Thread-safe. An object is
/// never changed in place: whoever holds a pointer keeps what it saw. One pointer an object and one an index
/// entry; no name is held twice.
template <class T, class IndexKey = std::string>
class ObjectCache {
 public:
  using Name = std::remove_cvref_t<decltype(std::declval<const T&>().meta.name)>;
  using Pointer = std::shared_ptr<const T>;
  /// What an object is found by beside its name, e.g. its database. Pure.
  using IndexFunction = std::function<IndexKey(const T&)>;

  struct Update {
    Pointer before;
    Pointer after;
  };
  struct Changes {
    std::vector<Pointer> added;
    std::vector<Update> updated;
    std::vector<Pointer> removed;
    [[nodiscard]] bool empty() const { return added.empty() && updated.empty() && removed.empty(); }
  };

  ObjectCache() = default;
  explicit ObjectCache(IndexFunction index) : index_of_(std::move(index)) {}
  ObjectCache(const ObjectCache&) = delete;
  ObjectCache& operator=(const ObjectCache&) = delete;

  /// Makes `objects` (of one complete list, names distinct) the whole content, at once for all readers.
  /// Objects whose uid and resourceVersion did not change stay what they were and are not reported. From now
  /// on `synced`.
  Changes replace_all(std::vector<T> objects) {
    Changes changes;
    Objects next;
    next.reserve(objects.size());
    Index next_index;
    const std::unique_lock lock(mutex_);
    for (T& object : objects) {
      const auto found = objects_.find(object.meta.name);
      const Pointer before = found == objects_.end() ? nullptr : *found;
      const bool same = before && same_version(*before, object);
      Pointer after = same ? before : std::make_shared<const T>(std::move(object));
      if (index_of_) next_index[index_of_(*after)].push_back(after);
      if (!before) {
        changes.added.push_back(after);
      } else if (!same) {
        changes.updated.push_back({before, after});
      }
      next.insert(std::move(after));
    }
    for (const Pointer& before : objects_) {
      if (!next.contains(before->meta.name)) changes.removed.push_back(before);
    }
    for (auto& [key, members] : next_index) std::sort(members.begin(), members.end(), by_name);
    objects_.swap(next);
    index_.swap(next_index);
    synced_.store(true, std::memory_order_release);
    return changes;
  }

  /// Adds or replaces one object. Returns what stood there before (nullptr: nothing).
  Pointer upsert(T object) {
    auto after = std::make_shared<const T>(std::move(object));
    const std::unique_lock lock(mutex_);
    return put_locked(std::move(after));
  }

  /// Replaces `expected` by `next` (same name) where it still is what the cache holds; else changes nothing
  /// and returns false: somebody told of something newer meanwhile.
  bool replace_if_current(const Pointer& expected, T next) {
    auto after = std::make_shared<const T>(std::move(next));
    const std::unique_lock lock(mutex_);
    const auto found = objects_.find(after->meta.name);
    if (found == objects_.end() || *found != expected) return false;
    put_locked(std::move(after));
    return true;
  }

  /// Returns what was erased (nullptr: nothing).
  Pointer erase(const Name& name) {
    const std::unique_lock lock(mutex_);
    return take_out_locked(name);
  }

  /// nullptr where there is none.
  [[nodiscard]] Pointer get(const Name& name) const {
    const std::shared_lock lock(mutex_);
    const auto found = objects_.find(name);
    return found == objects_.end() ? nullptr : *found;
  }

  /// All objects with that index key, ordered by name.
  [[nodiscard]] std::vector<Pointer> by_index(const IndexKey& key) const {
    const std::shared_lock lock(mutex_);
    const auto found = index_.find(key);
    return found == index_.end() ? std::vector<Pointer>{} : found->second;
  }

  /// All objects as they are now, in no order.
  [[nodiscard]] std::vector<Pointer> all() const {
    const std::shared_lock lock(mutex_);
    return {objects_.begin(), objects_.end()};
  }

  /// Calls `visit(const T&)` for each object, in no order, under the lock: no IO in it, and no call of this
  /// cache.
  template <class Visit>
  void for_each(const Visit& visit) const {
    const std::shared_lock lock(mutex_);
    for (const Pointer& object : objects_) visit(*object);
  }

  [[nodiscard]] std::size_t size() const {
    const std::shared_lock lock(mutex_);
    return objects_.size();
  }

  /// True from the first replace_all on: what is not here does not exist.
  [[nodiscard]] bool synced() const { return synced_.load(std::memory_order_acquire); }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(const Name& name) const { return std::hash<Name>{}(name); }
    std::size_t operator()(const Pointer& object) const { return std::hash<Name>{}(object->meta.name); }
  };
  struct Same {
    using is_transparent = void;
    bool operator()(const Pointer& a, const Pointer& b) const { return a->meta.name == b->meta.name; }
    bool operator()(const Pointer& a, const Name& b) const { return a->meta.name == b; }
    bool operator()(const Name& a, const Pointer& b) const { return a == b->meta.name; }
  };
  using Objects = std::unordered_set<Pointer, Hash, Same>;
  using Index = std::unordered_map<IndexKey, std::vector<Pointer>>;

  static bool by_name(const Pointer& a, const Pointer& b) { return a->meta.name < b->meta.name; }
  static bool same_version(const T& a, const T& b) {
    return a.meta.uid == b.meta.uid && a.meta.resource_version == b.meta.resource_version;
  }

  /// With mutex_ held. Returns what stood there before.
  Pointer put_locked(Pointer after) {
    Pointer before = take_out_locked(after->meta.name);
    if (index_of_) {
      std::vector<Pointer>& members = index_[index_of_(*after)];
      members.insert(std::lower_bound(members.begin(), members.end(), after, by_name), after);
    }
    objects_.insert(std::move(after));
    return before;
  }

  /// With mutex_ held.
  Pointer take_out_locked(const Name& name) {
    const auto found = objects_.find(name);
    if (found == objects_.end()) return nullptr;
    Pointer before = *found;
    if (index_of_) {
      const auto entry = index_.find(index_of_(*before));
      std::vector<Pointer>& members = entry->second;
      members.erase(std::lower_bound(members.begin(), members.end(), before, by_name));
      if (members.empty()) index_.erase(entry);
    }
    objects_.erase(found);
    return before;
  }

  const IndexFunction index_of_;
  std::atomic<bool> synced_{false};

  mutable std::shared_mutex mutex_;  // guards objects_ and index_
  Objects objects_;
  Index index_;  // members ordered by name; no empty ones
};

}  // namespace rls::runtime
