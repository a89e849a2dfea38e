#include "controller/reconcile/status_writer.hpp"

#include <gtest/gtest.h>

#include "tests/unit/reconcile/fakes.hpp"

namespace rls::reconcile {
namespace {

using namespace std::chrono_literals;

StatusWrite write_of(const std::string& name, Phase phase, std::chrono::seconds observed_at,
                     bool urgent = false) {
  api::MigrationStatus status;
  status.phase = phase;
  return {{Kind::migration, {Bench::kNamespace, name}},
          "uid-" + name,
          std::chrono::steady_clock::time_point{observed_at},
          urgent,
          std::move(status)};
}

TEST(StatusWriter, TheLatestWins) {
  Bench bench;
  bench.apply("sm", Phase::complete);
  bench.writer.submit(write_of("sm", Phase::shadow, 1s));
  bench.writer.submit(write_of("sm", Phase::enforcing, 2s));
  bench.writer.submit(write_of("sm", Phase::complete, 3s));
  EXPECT_EQ(bench.client.answer_all(), 2) << "the one in flight and the last";
  EXPECT_EQ(bench.status("sm").phase, Phase::complete);
}

TEST(StatusWriter, AnOlderObservationNeverOverwritesANewerOne) {
  Bench bench;
  bench.apply("sm", Phase::complete);
  bench.writer.submit(write_of("sm", Phase::pending, 2s));
  bench.writer.submit(write_of("sm", Phase::complete, 1s));
  bench.client.answer_all();
  EXPECT_EQ(bench.status("sm").phase, Phase::pending);
}

TEST(StatusWriter, HasEightInFlightAndDemotionsFirst) {
  Bench bench;
  for (int i = 0; i < 20; ++i) {
    bench.apply("p" + std::to_string(i), Phase::shadow);
    bench.writer.submit(write_of("p" + std::to_string(i), Phase::shadow, 1s));
  }
  bench.apply("down", Phase::pending);
  bench.writer.submit(write_of("down", Phase::pending, 1s, true));
  ASSERT_EQ(bench.client.puts.size(), 8U);
  auto first = std::move(bench.client.puts.front());
  bench.client.puts.erase(bench.client.puts.begin());
  first.done(std::string("rv"));
  ASSERT_EQ(bench.client.puts.size(), 8U);
  EXPECT_EQ(bench.client.puts.back().name.name, "down");
  bench.client.answer_all();
  EXPECT_TRUE(bench.writer.drain(0ms));
}

// A leader that was stopped and goes on: what it had to tell is older than what the next one sees.
TEST(StatusWriter, WhatWaitsWhenTheLeadershipEndsIsNotSent) {
  Bench bench;
  bench.apply("sm", Phase::complete);
  bench.writer.submit(write_of("sm", Phase::shadow, 1s));
  bench.writer.submit(write_of("sm", Phase::enforcing, 2s));
  bench.leads = false;
  EXPECT_EQ(bench.client.answer_all(), 1) << "the one that was in flight";
  bench.leads = true;
  bench.writer.submit(write_of("sm", Phase::complete, 3s));
  EXPECT_EQ(bench.client.answer_all(), 1);
  EXPECT_EQ(bench.status("sm").phase, Phase::complete);
}

TEST(StatusWriter, NeverWritesToASuccessorOfTheSameName) {
  Bench bench;
  bench.apply("sm", Phase::shadow, [](auto& m) { m.meta.uid = "another"; });
  bench.writer.submit(write_of("sm", Phase::shadow, 1s));
  EXPECT_TRUE(bench.client.puts.empty());
}

TEST(StatusWriter, AConflictIsReconciledAgain) {
  Bench bench;
  bench.apply("sm", Phase::shadow);
  bench.writer.submit(write_of("sm", Phase::shadow, 1s));
  auto put = std::move(bench.client.puts.front());
  bench.client.puts.clear();
  put.done(conflict("Conflict", "the object has been modified"));
  ASSERT_EQ(bench.retried.size(), 1U);
  EXPECT_EQ(bench.retried[0].name.name, "sm");
}

Error too_many_requests(std::chrono::seconds retry_after) {
  Error error = transient("TooManyRequests", "the server is busy");
  error.retry_after = retry_after;
  return error;
}
FakeClient::Put take_put(FakeClient& client) {
  auto put = std::move(client.puts.front());
  client.puts.erase(client.puts.begin());
  return put;
}

TEST(StatusWriter, SendsNothingUntilThePauseThatTheServerAskedForIsOver) {
  Bench bench;
  for (const char* name : {"one", "two"}) bench.apply(name, Phase::shadow);
  bench.writer.submit(write_of("one", Phase::shadow, 1s));
  take_put(bench.client).done(too_many_requests(3s));
  ASSERT_EQ(bench.retried.size(), 1U) << "what was refused is reconciled again";

  bench.writer.submit(write_of("one", Phase::shadow, 2s));
  bench.writer.submit(write_of("two", Phase::pending, 2s, true));
  EXPECT_TRUE(bench.client.puts.empty());
  bench.clock.offset += 2999ms;
  bench.writer.resume();
  EXPECT_TRUE(bench.client.puts.empty()) << "not a moment too soon, urgent or not";
  EXPECT_FALSE(bench.writer.drain(0ms));

  bench.clock.offset += 1ms;
  bench.writer.resume();
  ASSERT_EQ(bench.client.puts.size(), 2U) << "and then without another submit";
  EXPECT_EQ(bench.client.puts.front().name.name, "two");
}

TEST(StatusWriter, KeepsTheLatestThroughAPause) {
  Bench bench;
  bench.apply("sm", Phase::complete);
  bench.writer.submit(write_of("sm", Phase::pending, 1s));
  take_put(bench.client).done(too_many_requests(1s));
  bench.writer.submit(write_of("sm", Phase::shadow, 2s));
  bench.writer.submit(write_of("sm", Phase::complete, 3s));
  bench.clock.offset += 1s;
  bench.writer.resume();
  EXPECT_EQ(bench.client.answer_all(), 1);
  EXPECT_EQ(bench.status("sm").phase, Phase::complete);
}

TEST(StatusWriter, TheLongestPauseCounts) {
  Bench bench;
  for (const char* name : {"one", "two", "three"}) bench.apply(name, Phase::shadow);
  bench.writer.submit(write_of("one", Phase::shadow, 1s));
  bench.writer.submit(write_of("two", Phase::shadow, 1s));
  take_put(bench.client).done(too_many_requests(10s));
  take_put(bench.client).done(too_many_requests(1s));
  EXPECT_EQ(bench.writer.paused_until(), bench.clock.steady() + 10s);
  bench.clock.offset += 9s;
  bench.writer.submit(write_of("three", Phase::shadow, 1s));
  EXPECT_TRUE(bench.client.puts.empty());
}

TEST(StatusWriter, ATransientErrorWithoutRetryAfterHoldsNobodyUp) {
  Bench bench;
  for (const char* name : {"one", "two"}) bench.apply(name, Phase::shadow);
  bench.writer.submit(write_of("one", Phase::shadow, 1s));
  take_put(bench.client).done(transient("Timeout", "no answer"));
  bench.writer.submit(write_of("two", Phase::shadow, 1s));
  EXPECT_EQ(bench.client.puts.size(), 1U);
}

TEST(StatusWriter, RunGoesOnAfterAPause) {
  Bench bench;
  bench.apply("one", Phase::shadow);
  bench.writer.submit(write_of("one", Phase::shadow, 1s));
  take_put(bench.client).done(too_many_requests(1s));
  bench.writer.submit(write_of("one", Phase::shadow, 2s));
  bench.clock.offset += 1s;  // it is over by the time `run` looks
  std::stop_source stop;
  bench.client.on_put = [&stop] { stop.request_stop(); };
  bench.writer.run(stop.get_token());
  EXPECT_EQ(bench.client.puts.size(), 1U);
}

TEST(StatusWriter, WhatTheWatchToldMeanwhileStays) {
  Bench bench;
  bench.apply("sm", Phase::shadow);
  bench.writer.submit(write_of("sm", Phase::shadow, 1s));
  bench.apply("sm", Phase::pending);  // a newer spec comes while the write is in flight
  bench.client.answer_all();
  EXPECT_EQ(bench.caches.migrations.get({Bench::kNamespace, "sm"})->spec.phase, Phase::pending);
}

}  // namespace
}  // namespace rls::reconcile
