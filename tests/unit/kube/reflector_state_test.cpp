// The reflector's rules, one a test.

#include "controller/kube/reflector_state.hpp"

#include <gtest/gtest.h>

namespace rls::kube {
namespace {

using namespace std::chrono_literals;
using Doing = ReflectorState::Doing;

ReflectorState mid_list() {
  return {.doing = Doing::listing, .collecting = true, .continue_token = "next", .resource_version = {}};
}
ReflectorState watching() {
  return {.doing = Doing::watching, .collecting = false, .continue_token = {}, .resource_version = "10"};
}

TEST(Reflector, BeginsWithTheFirstPage) {
  const ReflectorState fresh;
  EXPECT_EQ(fresh.doing, Doing::listing);
  EXPECT_EQ(fresh.continue_token, "");
}

TEST(Reflector, OnePageIsBegunDeliveredAndCommitted) {
  const auto [state, orders] = step({}, PageArrived{"", "10"});
  EXPECT_EQ(orders, (Orders{.begin = true, .deliver = true, .commit = true}));
  EXPECT_EQ(state, watching());
}

TEST(Reflector, NothingIsCommittedBeforeTheLastPage) {
  auto next = step({}, PageArrived{"next", "10"});
  EXPECT_EQ(next.orders, (Orders{.begin = true, .deliver = true}));
  EXPECT_EQ(next.state, mid_list());
  next = step(next.state, PageArrived{"more", "10"});
  EXPECT_EQ(next.orders, (Orders{.deliver = true}));
  EXPECT_EQ(next.state.continue_token, "more");
  next = step(next.state, PageArrived{"", "10"});
  EXPECT_EQ(next.orders, (Orders{.deliver = true, .commit = true}));
  EXPECT_EQ(next.state, watching());
}

TEST(Reflector, FailedPageIsAskedForAgainAfterAPause) {
  const auto [state, orders] = step(mid_list(), Failed{});
  EXPECT_EQ(orders, (Orders{.pause = 1}));
  EXPECT_EQ(state.continue_token, "next");
  EXPECT_TRUE(state.collecting) << "what came is kept";
}

TEST(Reflector, ExpiredInMidListBeginsAnewAtOnce) {
  const auto [state, orders] = step(mid_list(), Expired{});
  EXPECT_EQ(orders, (Orders{.drop = true}));
  EXPECT_EQ(state.doing, Doing::listing);
  EXPECT_EQ(state.continue_token, "");
  EXPECT_FALSE(state.collecting);
}

TEST(Reflector, WhenTheListIsOldItIsTakenAnewWithoutAPause) {
  const auto [state, orders] = step(watching(), RelistDue{});
  EXPECT_EQ(orders, Orders{});
  EXPECT_EQ(state.doing, Doing::listing);
  EXPECT_EQ(state.resource_version, "") << "the newest there is";
}

TEST(Reflector, ProgressMovesTheResumePoint) {
  const auto [state, orders] = step(watching(), Progress{"11"});
  EXPECT_EQ(orders, Orders{});
  EXPECT_EQ(state.doing, Doing::watching);
  EXPECT_EQ(state.resource_version, "11");
}

TEST(Reflector, CleanCloseResumesAtOnce) {
  const auto [state, orders] = step(watching(), WatchClosed{240s});
  EXPECT_EQ(orders, Orders{});
  EXPECT_EQ(state, watching());
}

TEST(Reflector, WatchThatEndsAtOnceHasFailed) {
  const auto [state, orders] = step(watching(), WatchClosed{999ms});
  EXPECT_EQ(orders, (Orders{.pause = 1}));
  EXPECT_EQ(state.doing, Doing::watching);
  EXPECT_EQ(state.resource_version, "10");
}

TEST(Reflector, LostWatchResumesAfterAPause) {
  const auto [state, orders] = step(watching(), Failed{});
  EXPECT_EQ(orders, (Orders{.pause = 1}));
  EXPECT_EQ(state.doing, Doing::watching);
  EXPECT_EQ(state.resource_version, "10");
}

TEST(Reflector, PausesGrowAndProgressEndsThat) {
  ReflectorState state = watching();
  for (unsigned n = 1; n <= 3; ++n) {
    const auto next = step(state, Failed{});
    EXPECT_EQ(next.orders.pause, n);
    state = next.state;
  }
  state = step(state, Progress{"11"}).state;
  EXPECT_EQ(step(state, Failed{}).orders.pause, 1U);
}

TEST(Reflector, ServerThatWasAwayIsListedAnew) {
  ReflectorState state = watching();
  for (unsigned n = 1; n < kAway; ++n) state = step(state, Failed{}).state;
  EXPECT_EQ(state.doing, Doing::watching);
  const auto next = step(state, Failed{});
  EXPECT_EQ(next.state.doing, Doing::listing);
  EXPECT_EQ(next.state.resource_version, "");
  EXPECT_EQ(next.orders, (Orders{.pause = kAway})) << "nothing is dropped: the cache stays until the commit";
  EXPECT_EQ(step(next.state, Failed{}).orders.pause, kAway + 1);
}

TEST(Reflector, RetryAfterIsTheLeastPause) {
  const auto orders = step(watching(), Failed{7s}).orders;
  EXPECT_EQ(orders.pause, 1U);
  EXPECT_EQ(orders.no_sooner, 7s);
}

TEST(Reflector, ExpiredWatchIsListedAnewAtOnce) {
  const auto [state, orders] = step(watching(), Expired{});
  EXPECT_EQ(orders, Orders{});
  EXPECT_EQ(state.doing, Doing::listing);
  EXPECT_EQ(state.resource_version, "");
}

TEST(Reflector, ExpiredAgainWithoutProgressPauses) {
  ReflectorState state = watching();
  for (unsigned n = 0; n < 4; ++n) {
    const auto next = step(state, Expired{});
    EXPECT_EQ(next.orders.pause, n);
    state = step(next.state, PageArrived{"", "20"}).state;
  }
  state = step(state, Progress{"21"}).state;
  EXPECT_EQ(step(state, Expired{}).orders.pause, 0U);
}

TEST(Reflector, UnreadableWatchIsListedAnewAfterAPause) {
  const auto [state, orders] = step(watching(), Desynced{});
  EXPECT_EQ(orders, (Orders{.pause = 1}));
  EXPECT_EQ(state.doing, Doing::listing);
  EXPECT_EQ(step(step(state, PageArrived{"", "20"}).state, Desynced{}).orders.pause, 2U);
}

}  // namespace
}  // namespace rls::kube
