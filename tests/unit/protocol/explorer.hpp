#pragma once
// Breadth first through all states of a model, so that the first trace to a broken invariant is a shortest
// one.

#include <array>
#include <cstddef>
#include <vector>

#include "tests/unit/protocol/model.hpp"

namespace rls::protocol {

struct Exploration {
  std::size_t states = 0;
  std::size_t steps = 0;  ///< taken, also to states that were known
  int depth = 0;
  std::array<std::size_t, kDeeds> deeds{};  ///< how often each was taken
  Broken broken = nullptr;                  ///< the first invariant that was found broken; it ends there
  std::vector<Step> trace;                  ///< the way to it
};

enum class Search {
  safety,  ///< the invariants
  all,     ///< and from each state the leader must get there
};
Exploration explore(const Model& model, Search search);

/// The trace for people, a line a step.
std::string describe(const Model& model, const Exploration& found);

}  // namespace rls::protocol
