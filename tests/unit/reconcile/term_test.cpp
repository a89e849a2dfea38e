// Only a leader opens databases and tells of them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/reconcile/fakes.hpp"

namespace rls::reconcile {
namespace {

TEST(Terms, WithoutOneNothingIsOpenedAndNothingIsTold) {
  Bench bench;
  bench.world.projects["sm"] = {};
  bench.sessions.end_term();
  bench.apply("sm", Phase::shadow);
  bench.reconcile("sm");
  bench.look_at_database();
  EXPECT_EQ(bench.world.opens, 0);
  EXPECT_EQ(bench.status("sm").phase, std::nullopt);
  EXPECT_EQ(bench.reason("sm"), "") << "that we do not lead tells nothing about the database";
}

TEST(Terms, OneThatRanOutIsNoneEvenBeforeAnybodySaidSo) {
  Bench bench;
  bench.world.projects["sm"] = {};
  bench.leads = false;
  bench.apply("sm", Phase::shadow);
  bench.reconcile("sm");
  EXPECT_EQ(bench.world.projects["sm"].phase, Phase::pending);
  EXPECT_EQ(bench.world.opens, 0);
}

TEST(Terms, OneThatRunsOutBetweenDecisionAndLocksMovesNothing) {
  Bench bench;
  bench.world.projects["sm"] = {};
  bench.world.before_locks = [&] { bench.leads = false; };
  bench.apply("sm", Phase::shadow);
  bench.reconcile("sm");
  EXPECT_EQ(bench.world.projects["sm"].phase, Phase::pending);
}

TEST(Terms, ADatabaseThatFailsWhileTheTermEndsIsNotCalledUnreachable) {
  Bench bench;
  bench.world.projects["sm"] = {};
  bench.world.before_locks = [&] {
    bench.sessions.end_term();  // cuts the connection
    bench.world.move_error = transient("DatabaseUnreachable", "connection cut");
  };
  bench.apply("sm", Phase::shadow);
  bench.reconcile("sm");
  EXPECT_EQ(bench.reason("sm"), "");
  EXPECT_EQ(bench.observer.up, std::nullopt);
}

TEST(Terms, EachMakesItsConnectionsAnew) {
  Bench bench;
  bench.world.projects["sm"] = {};
  bench.apply("sm", Phase::shadow);
  bench.reconcile("sm");
  EXPECT_EQ(bench.databases_made, 1);
  bench.sessions.end_term();
  bench.sessions.begin_term({"me", [](std::int64_t epoch) { return epoch + 1; }}, [] { return true; });
  bench.reconcile("sm");
  EXPECT_EQ(bench.databases_made, 2) << "with the epoch of its own";
}

}  // namespace
}  // namespace rls::reconcile
