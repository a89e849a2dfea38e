#pragma once
// A binary heap of pointers whose items know their place, so that any of them can be moved or taken out in
// O(log n) without a search. No memory of its own beyond one pointer an item.

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace rls::runtime {

/// The place of an item that is in no heap.
inline constexpr std::uint32_t kNoPlace = UINT32_MAX;

/// `Before`: a callable type, `Before{}(const Item&, const Item&)` is true where the first is to come out
/// first. `Place`: a member of Item which this heap alone writes. Not thread-safe; items must outlive their
/// stay.
template <class Item, class Before, std::uint32_t Item::*Place>
class IndexedHeap {
 public:
  [[nodiscard]] bool empty() const { return items_.empty(); }
  [[nodiscard]] std::size_t size() const { return items_.size(); }
  [[nodiscard]] static bool contains(const Item& item) { return item.*Place != kNoPlace; }

  /// The item that comes out first. Precondition: not empty.
  [[nodiscard]] Item& top() const {
    assert(!empty());
    return *items_.front();
  }

  /// Precondition: the item is not in the heap.
  void push(Item& item) {
    assert(!contains(item));
    items_.push_back(&item);
    item.*Place = static_cast<std::uint32_t>(items_.size() - 1);
    rise(item.*Place);
  }

  /// Precondition: the item is in this heap.
  void erase(Item& item) {
    assert(contains(item) && items_[item.*Place] == &item);
    const std::uint32_t hole = item.*Place;
    const auto last = static_cast<std::uint32_t>(items_.size() - 1);
    if (hole != last) swap(hole, last);
    items_.pop_back();
    item.*Place = kNoPlace;
    if (hole != last) settle(hole);
  }

  /// After the item's order has changed. Precondition: the item is in this heap.
  void update(Item& item) { settle(item.*Place); }

  /// Calls `visit` for each item for which `wanted` is true. `wanted` must be true for every item that comes
  /// before one for which it is true; then only those and their neighbours are looked at.
  template <class Wanted, class Visit>
  void for_first(const Wanted& wanted, const Visit& visit, std::size_t from = 0) const {
    if (from >= items_.size() || !wanted(*items_[from])) return;
    visit(*items_[from]);
    for_first(wanted, visit, 2 * from + 1);
    for_first(wanted, visit, 2 * from + 2);
  }

 private:
  void swap(std::uint32_t a, std::uint32_t b) {
    std::swap(items_[a], items_[b]);
    items_[a]->*Place = a;
    items_[b]->*Place = b;
  }
  void settle(std::uint32_t at) {
    rise(at);
    sink(at);
  }
  void rise(std::uint32_t at) {
    while (at > 0) {
      const std::uint32_t parent = (at - 1) / 2;
      if (!Before{}(*items_[at], *items_[parent])) return;
      swap(at, parent);
      at = parent;
    }
  }
  void sink(std::uint32_t at) {
    for (;;) {
      const std::uint32_t left = 2 * at + 1, right = left + 1;
      std::uint32_t first = at;
      if (left < items_.size() && Before{}(*items_[left], *items_[first])) first = left;
      if (right < items_.size() && Before{}(*items_[right], *items_[first])) first = right;
      if (first == at) return;
      swap(at, first);
      at = first;
    }
  }

  std::vector<Item*> items_;
};

}  // namespace rls::runtime
