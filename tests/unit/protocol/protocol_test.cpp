// The transition protocol, in every order of everything that can happen within bounds. And the proof of the
// proof: each line of the protocol, left out, is found. docs/reliability.md, The model.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <iostream>

#include "tests/unit/protocol/explorer.hpp"

namespace rls::protocol {
namespace {

// Sanitizers look at the code, for which one move is enough, and take their time.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

/// RLS_MODEL_DEPTH=1: what may happen once may happen that many times more (CONTRIBUTING.md).
Bounds deeper(Bounds bounds) {
  const char* const text = std::getenv("RLS_MODEL_DEPTH");
  if (kSanitized) bounds.rows = 2;
  const int more = text == nullptr ? 0 : std::atoi(text);
  for (std::uint8_t* each : {&bounds.wishes, &bounds.denials, &bounds.strangers, &bounds.crashes,
                             &bounds.losses, &bounds.leases, &bounds.rows}) {
    if (*each != 0) *each = static_cast<std::uint8_t>(*each + more);
  }
  return bounds;
}

//                             wishes denials strangers crashes losses leases rows
constexpr Bounds kOfMoves = {1, 1, 1, 1, 1, 1, 4};
constexpr Bounds kOfLanes = {1, 1, 0, 1, 1, 1, 4};
constexpr Bounds kOfStatuses = {1, 0, 0, 1, 0, 1, 3};

Exploration explored(const Model& model, Search search, std::string_view name) {
  const auto began = std::chrono::steady_clock::now();
  Exploration out = explore(model, search);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  std::cout << name << ": states explored " << out.states << ", steps " << out.steps << ", depth "
            << out.depth << ", " << took.count() << " s\n";
  return out;
}

TEST(Protocol, HoldsInEveryOrder) {
  std::array<std::size_t, kDeeds> deeds{};
  const auto holds = [&](const Model& model, std::string_view name) {
    const Exploration found = explored(model, Search::all, name);
    EXPECT_EQ(found.broken, nullptr) << found.broken << "\n" << describe(model, found);
    for (std::size_t i = 0; i < deeds.size(); ++i) deeds[i] += found.deeds[i];
  };
  holds({Cast::two_operators, Bug::none, deeper(kOfMoves), false}, "two operators");
  holds({Cast::two_lanes, Bug::none, deeper(kOfLanes), false}, "two lanes of one operator");
  holds({Cast::two_operators, Bug::none, deeper(kOfStatuses), true}, "two operators and their statuses");
  // What never happens proves nothing.
  for (std::size_t i = 0; i < deeds.size(); ++i) {
    EXPECT_GT(deeds[i], 0U) << describe(Step{static_cast<Deed>(i), 0, 0});
  }
}

struct Seeded {
  Bug bug;
  Broken caught_by;
};

class ProtocolBug : public testing::TestWithParam<Seeded> {};

TEST_P(ProtocolBug, IsFound) {
  const auto [bug, caught_by] = GetParam();
  const bool in_status = caught_by == kStatusInOrder;
  const Model model{Cast::two_operators, bug, in_status ? kOfStatuses : kOfMoves, in_status};
  const Exploration found =
      explored(model, caught_by == kGetsThere ? Search::all : Search::safety, to_string(bug));
  ASSERT_NE(found.broken, nullptr);
  std::cout << "caught by: " << found.broken << "\n" << describe(model, found);
  EXPECT_STREQ(found.broken, caught_by);
}

INSTANTIATE_TEST_SUITE_P(
    Each, ProtocolBug,
    testing::Values(Seeded{Bug::no_fence, kFenced}, Seeded{Bug::fence_without_lock, kFenced},
                    Seeded{Bug::no_second_look, kEarned}, Seeded{Bug::blind_retry, kOnce},
                    Seeded{Bug::doubt_without_locks, kDoubtIsTrue},
                    Seeded{Bug::ordinal_in_memory, kGetsThere}, Seeded{Bug::epoch_on_reconnect, kFenced},
                    Seeded{Bug::status_without_version, kStatusInOrder}, Seeded{Bug::skip_level, kOneStepUp},
                    Seeded{Bug::hold_ignored, kEarned}, Seeded{Bug::drift_taken_for_ours, kNoClimb},
                    Seeded{Bug::ledger_after_commit, kOneRowPerMove}),
    [](const auto& seeded) { return std::string(to_string(seeded.param.bug)); });

}  // namespace
}  // namespace rls::protocol
