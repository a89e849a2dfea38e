#include "controller/kube/reflector_state.hpp"

#include <utility>

namespace rls::kube {
namespace {

using Doing = ReflectorState::Doing;

/// Back to the first page, whatever was going on.
void list_anew(ReflectorState& state, Orders& orders) {
  orders.drop = state.collecting;
  state.collecting = false;
  state.doing = Doing::listing;
  state.continue_token.clear();
  state.resource_version.clear();
}

struct Rules {
  ReflectorState state;
  Orders orders;

  void operator()(const PageArrived& page) {
    orders.begin = !state.collecting;
    orders.deliver = true;
    state.collecting = true;
    state.failures = 0;
    state.continue_token = page.continue_token;
    if (!page.continue_token.empty()) return;
    orders.commit = true;
    state.collecting = false;
    state.doing = Doing::watching;
    state.resource_version = page.resource_version;
  }

  void operator()(const Progress& progress) {
    state.resource_version = progress.resource_version;
    state.failures = 0;
    state.relists_in_row = 0;
  }

  void operator()(const WatchClosed& closed) {
    // Progress has set `failures` to 0 already; a short watch that brought something is a good one, but the
    // two cannot be told apart here, and a pause of one step harms nobody.
    if (closed.lasted < kShortWatch) return fail({});
    state.failures = 0;
    state.relists_in_row = 0;
  }

  void operator()(const Expired&) {
    list_anew(state, orders);
    orders.pause = state.relists_in_row++;
  }

  void operator()(const RelistDue&) { list_anew(state, orders); }

  void operator()(const Desynced&) {
    list_anew(state, orders);
    orders.pause = ++state.relists_in_row;
  }

  void operator()(const Failed& failed) { fail(failed.retry_after); }

  void fail(std::optional<std::chrono::seconds> retry_after) {
    orders.pause = ++state.failures;
    orders.no_sooner = retry_after;
    if (state.doing == Doing::watching && state.failures == kAway) {
      const unsigned failures = state.failures;
      list_anew(state, orders);
      state.failures = failures;
    }
  }
};

}  // namespace

ReflectorStep step(ReflectorState state, const Happening& happening) {
  Rules rules{std::move(state), {}};
  std::visit(rules, happening);
  return {std::move(rules.state), std::move(rules.orders)};
}

}  // namespace rls::kube
