#include "controller/base/backoff.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace rls {
namespace {

using namespace std::chrono_literals;

TEST(Backoff, DoublesUpToItsBoundAndJitters) {
  const BackoffPolicy policy{200ms, 60s};
  std::minstd_rand random(1);
  const struct {
    unsigned failures;
    std::chrono::milliseconds step;
  } rows[] = {{0, 200ms},    {1, 200ms}, {2, 400ms},  {3, 800ms},       {8, 25'600ms},
              {9, 51'200ms}, {10, 60s},  {1000, 60s}, {UINT32_MAX, 60s}};
  for (const auto& row : rows) {
    std::chrono::milliseconds shortest = 1h, longest = 0ms;
    for (int i = 0; i < 500; ++i) {
      const auto pause = backoff(policy, row.failures, random);
      ASSERT_GE(pause, row.step / 2) << row.failures;
      ASSERT_LE(pause, row.step) << row.failures;
      shortest = std::min(shortest, pause);
      longest = std::max(longest, pause);
    }
    EXPECT_LT(shortest, row.step * 6 / 10) << "the jitter uses its range";
    EXPECT_GT(longest, row.step * 9 / 10);
  }
}

TEST(Backoff, NeverExceedsItsBoundEvenAtFirst) {
  std::minstd_rand random(1);
  for (int i = 0; i < 100; ++i) EXPECT_LE(backoff({10s, 1s}, 1, random), 1s);
}

TEST(Backoff, WithoutAPauseEndsAtOnce) {
  std::minstd_rand random(1);
  EXPECT_EQ(backoff({0ms, 1s}, UINT32_MAX, random), 0ms);
}

}  // namespace
}  // namespace rls
