#include "tests/unit/protocol/explorer.hpp"

#include <algorithm>
#include <unordered_set>

namespace rls::protocol {
namespace {

/// Where a state was reached from. States themselves are kept only while they are to be gone on from.
struct Origin {
  std::uint32_t parent;
  Step step;
};

struct Known {
  std::uint32_t number;
  State state;
};

std::vector<Step> way_to(const std::vector<Origin>& origins, std::uint32_t number) {
  std::vector<Step> way;
  for (; number != 0; number = origins[number].parent) way.push_back(origins[number].step);
  std::reverse(way.begin(), way.end());
  return way;
}

}  // namespace

Exploration explore(const Model& model, Search search) {
  Exploration out;
  std::vector<Origin> origins = {{0, {}}};
  std::unordered_set<std::uint64_t> seen;
  std::vector<Known> layer = {{0, model.initial()}};
  std::vector<Known> next;
  std::unordered_set<std::uint64_t> good;
  std::vector<Step> way;
  seen.insert(fingerprint(layer.front().state));

  for (; !layer.empty() && out.broken == nullptr; layer.swap(next), ++out.depth) {
    next.clear();
    for (const Known& known : layer) {
      if (out.broken != nullptr) break;
      way.clear();
      if (search == Search::all) out.broken = model.converge(known.state, good, way);
      if (out.broken != nullptr) {
        out.trace = way_to(origins, known.number);
        out.trace.insert(out.trace.end(), way.begin(), way.end());
        break;
      }
      model.successors(known.state, [&](const Step& step, const State& state, Broken broken) {
        if (out.broken != nullptr) return;
        ++out.steps;
        ++out.deeds[static_cast<std::size_t>(step.deed)];
        if (broken != nullptr) {
          out.broken = broken;
          out.trace = way_to(origins, known.number);
          out.trace.push_back(step);
          return;
        }
        if (!seen.insert(fingerprint(state)).second) return;
        origins.push_back({known.number, step});
        next.push_back({static_cast<std::uint32_t>(origins.size() - 1), state});
      });
    }
  }
  out.states = seen.size();
  return out;
}

std::string describe(const Model& model, const Exploration& found) {
  State state = model.initial();
  std::string out = "      " + describe(state) + "\n";
  for (const Step& step : found.trace) {
    Broken broken = nullptr;
    model.run(step, state, broken);
    out += "  " + describe(step) + "\n      " + describe(state) + "\n";
  }
  return out;
}

}  // namespace rls::protocol
