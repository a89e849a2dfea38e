#include "controller/reconcile/event_recorder.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "controller/base/log.hpp"
#include "tests/unit/reconcile/fakes.hpp"

namespace rls::reconcile {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr EventLimits kWide{.in_flight = 1000, .burst = 100'000, .per_second = 1000};

EventDraft draft(EventReason reason, std::string key = {}, std::string note = "note") {
  return {reason, std::move(key), std::move(note), {}, false};
}

struct Recording {
  explicit Recording(EventLimits limits = kWide)
      : recorder(
            client, clock, "pod-1", [this] { ++dropped; }, limits) {}

  void record(const std::string& name, EventDraft one) {
    record(name, std::vector<EventDraft>{std::move(one)});
  }
  void record(const std::string& name, std::vector<EventDraft> drafts) {
    recorder.record({Kind::migration, {"tenants", name}, "uid-" + name}, std::move(drafts));
  }
  /// Sends and answers until nothing goes on by itself; what was sent.
  std::vector<FakeClient::EventCall> send(const Result<void>& answer = {}) {
    std::vector<FakeClient::EventCall> sent;
    for (recorder.pump(); !client.events.empty(); recorder.pump()) {
      auto calls = std::move(client.events);
      client.events = {};
      for (auto& call : calls) {
        call.done(answer);
        sent.push_back(std::move(call));
      }
    }
    return sent;
  }

  FakeClock clock;
  FakeClient client;
  int dropped = 0;
  EventRecorder recorder;
};

/// The value of a text member, without a parser: the writer's output is regular.
std::string member(const std::string& json, const std::string& name) {
  const std::string front = "\"" + name + "\":\"";
  const auto begin = json.find(front);
  if (begin == std::string::npos) return "(none)";
  return json.substr(begin + front.size(), json.find('"', begin + front.size()) - begin - front.size());
}

TEST(EventRecorder, AnEventHasEverythingThatTheApiServerAsks) {
  Recording bench;
  bench.record("sm", draft(EventReason::promoted, "t1", "from pending to shadow"));
  const auto sent = bench.send();
  ASSERT_EQ(sent.size(), 1U);
  const std::string& body = sent[0].body;
  EXPECT_EQ(member(body, "apiVersion"), "events.k8s.io/v1");
  EXPECT_EQ(member(body, "namespace"), "tenants");
  EXPECT_EQ(member(body, "eventTime"), "2026-01-15T12:00:00.000000Z");
  EXPECT_EQ(member(body, "reportingController"), "rls-operator.dev/rls-operator");
  EXPECT_EQ(member(body, "reportingInstance"), "pod-1");
  EXPECT_EQ(member(body, "action"), "Promote");
  EXPECT_EQ(member(body, "reason"), "Promoted");
  EXPECT_EQ(member(body, "type"), "Normal");
  EXPECT_EQ(member(body, "note"), "from pending to shadow");
  EXPECT_THAT(body,
              HasSubstr(R"("regarding":{"apiVersion":"rls-operator.dev/v1alpha1","kind":"RlsMigration",)"
                        R"("namespace":"tenants","name":"sm","uid":"uid-sm"})"));
}

TEST(EventRecorder, NamesFitAndRepeatForWhatHappensOnce) {
  const std::string longest = std::string(235, 'a') + "." + std::string(17, 'b');
  ASSERT_EQ(longest.size(), 253U);
  std::string names[2];
  for (std::string& name : names) {
    Recording bench;  // another process
    bench.clock.offset = &name == names ? 0s : 5s;
    bench.record(longest, EventDraft{EventReason::promoted, "t1", "note", at("2026-01-15T11:00:00Z"), true});
    name = member(bench.send().at(0).body, "name");
  }
  EXPECT_EQ(names[0], names[1]);
  EXPECT_LE(names[0].size(), 253U);
  EXPECT_EQ(names[0].find(".."), std::string::npos) << names[0];
}

TEST(EventRecorder, NamesStandInTheOrderOfTheStory) {
  Recording bench;
  std::vector<EventDraft> story;
  for (int i = 0; i < 20; ++i) story.push_back(draft(EventReason::gate_waiting, std::to_string(i)));
  bench.record("sm", story);
  bench.clock.offset = 1s;
  bench.record("sm", draft(EventReason::promoted));
  std::vector<std::string> names;
  for (const auto& call : bench.send()) names.push_back(member(call.body, "name"));
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end())) << testing::PrintToString(names);
}

TEST(EventRecorder, ANoteIsCutAndHasNoSecrets) {
  log::add_secret("swordfish-42");
  Recording bench;
  bench.record("sm", draft(EventReason::drift_detected, {}, "swordfish-42 " + std::string(3000, 'x')));
  const std::string note = member(bench.send().at(0).body, "note");
  EXPECT_LE(note.size(), 1024U);
  EXPECT_THAT(note, AllOf(HasSubstr("redacted"), Not(HasSubstr("swordfish"))));
}

TEST(EventRecorder, TheSameAgainIsASeries) {
  Recording bench;
  bench.record("sm", draft(EventReason::gate_waiting, "SoakTime"));
  const auto first = bench.send();
  ASSERT_EQ(first.size(), 1U);
  bench.clock.offset = 9min;
  bench.record("sm", draft(EventReason::gate_waiting, "SoakTime"));
  const auto second = bench.send();
  ASSERT_EQ(second.size(), 1U);
  EXPECT_EQ(second[0].patched, member(first[0].body, "name"));
  EXPECT_EQ(second[0].body, R"({"series":{"count":2,"lastObservedTime":"2026-01-15T12:09:00.000000Z"}})");
  bench.clock.offset = 18min;
  bench.record("sm", draft(EventReason::gate_waiting, "SoakTime"));
  EXPECT_THAT(bench.send().at(0).body, HasSubstr("\"count\":3")) << "ten minutes count from the last";
}

TEST(EventRecorder, AfterTenMinutesItIsAnotherEvent) {
  Recording bench;
  bench.record("sm", draft(EventReason::gate_waiting, "SoakTime"));
  const auto first = bench.send();
  bench.clock.offset = 10min;
  bench.record("sm", draft(EventReason::gate_waiting, "SoakTime"));
  const auto second = bench.send();
  ASSERT_EQ(second.size(), 1U);
  EXPECT_EQ(second[0].patched, "");
  EXPECT_NE(member(second[0].body, "name"), member(first[0].body, "name"));
}

TEST(EventRecorder, AnotherKeyReasonOrObjectIsNoRepetition) {
  Recording bench;
  bench.record("sm",
               {draft(EventReason::gate_waiting, "SoakTime"), draft(EventReason::gate_waiting, "Window"),
                draft(EventReason::gate_passed, "SoakTime")});
  bench.record("ab", draft(EventReason::gate_waiting, "SoakTime"));
  const auto sent = bench.send();
  ASSERT_EQ(sent.size(), 4U);
  for (const auto& call : sent) EXPECT_EQ(call.patched, "");
  EXPECT_EQ(member(sent[1].body, "eventTime"), "2026-01-15T12:00:00.000001Z") << "the story keeps its order";
}

TEST(EventRecorder, WhatHappensOnceIsToldOnce) {
  Recording bench;
  const EventDraft step{EventReason::promoted, "t1", "note", at("2026-01-15T11:00:00Z"), true};
  bench.record("sm", step);
  bench.record("sm", step);
  EXPECT_EQ(bench.send().size(), 1U);
  bench.record("sm", step);
  EXPECT_EQ(bench.send().size(), 0U);
}

TEST(EventRecorder, RepetitionsWhileItWaitsAreOneUpdate) {
  Recording bench;
  for (int i = 0; i < 10; ++i) bench.record("sm", draft(EventReason::gate_waiting));
  const auto sent = bench.send();
  ASSERT_EQ(sent.size(), 2U) << "made, and then its series";
  EXPECT_THAT(sent[1].body, HasSubstr("\"count\":10"));
}

TEST(EventRecorder, ASeriesThatExpiredOnTheServerIsMadeAnewOnce) {
  Recording bench;
  bench.record("sm", draft(EventReason::gate_waiting));
  bench.send();
  bench.record("sm", draft(EventReason::gate_waiting));
  bench.recorder.pump();
  ASSERT_EQ(bench.client.events.size(), 1U);
  auto patch = std::move(bench.client.events[0]);
  bench.client.events.clear();
  patch.done(terminal("NotFound", "expired"));
  const auto sent = bench.send();
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(sent[0].patched, "") << "made again";
  EXPECT_THAT(sent[1].body, HasSubstr("\"count\":2"));
  EXPECT_EQ(bench.dropped, 0);
}

TEST(EventRecorder, AFailureIsTriedOnceMoreAndThenForgotten) {
  Recording bench;
  bench.record("sm", draft(EventReason::gate_waiting));
  EXPECT_EQ(bench.send(transient("ConnectionLost", "lost")).size(), 2U);
  EXPECT_EQ(bench.dropped, 1);
  bench.record("sm", draft(EventReason::gate_waiting));
  EXPECT_EQ(bench.send(terminal("Forbidden", "no")).size(), 1U) << "a refusal is not repeated";
  EXPECT_EQ(bench.dropped, 2);
  bench.record("sm", draft(EventReason::gate_waiting));
  EXPECT_EQ(bench.send(conflict("AlreadyExists", "a replay")).size(), 1U);
  EXPECT_EQ(bench.dropped, 2) << "it is there: our own";
}

Error too_many_requests(std::chrono::seconds retry_after) {
  Error error = transient("TooManyRequests", "the server is busy");
  error.retry_after = retry_after;
  return error;
}

TEST(EventRecorder, SendsNothingUntilThePauseThatTheServerAskedForIsOver) {
  Recording bench;
  bench.record("sm", draft(EventReason::promoted));
  ASSERT_EQ(bench.send(too_many_requests(3s)).size(), 1U);
  bench.record("ab", draft(EventReason::promoted));
  bench.clock.offset += 2999ms;
  EXPECT_EQ(bench.send().size(), 0U) << "not a moment too soon, whatever it is about";
  EXPECT_EQ(bench.recorder.pump(), bench.clock.steady() + 1ms);
  EXPECT_FALSE(bench.recorder.drain(0ms)) << "nor at the end of the process";

  bench.clock.offset += 1ms;
  EXPECT_EQ(bench.send().size(), 2U) << "and then what was refused, too";
  EXPECT_EQ(bench.dropped, 0);
}

TEST(EventRecorder, TheLongestPauseCounts) {
  Recording bench;
  for (const char* name : {"a", "b"}) bench.record(name, draft(EventReason::promoted));
  bench.recorder.pump();
  auto calls = std::move(bench.client.events);
  bench.client.events = {};
  ASSERT_EQ(calls.size(), 2U);
  calls[0].done(too_many_requests(10s));
  calls[1].done(too_many_requests(1s));
  EXPECT_EQ(bench.recorder.pump(), bench.clock.steady() + 10s);
}

TEST(EventRecorder, OneObjectHasItsBudget) {
  Recording bench;
  for (int i = 0; i < 40; ++i) bench.record("sm", draft(EventReason::promoted, std::to_string(i)));
  bench.record("ab", draft(EventReason::promoted));
  EXPECT_EQ(bench.send().size(), 26U) << "25 and the other object's";
  EXPECT_EQ(bench.dropped, 15);
  bench.clock.offset = 5min;
  for (int i = 0; i < 3; ++i) bench.record("sm", draft(EventReason::demoted, std::to_string(i)));
  EXPECT_EQ(bench.send().size(), 1U) << "one more each five minutes";
}

TEST(EventRecorder, AnObjectThatFlapsUpdatesItsSeriesWithinItsBudget) {
  Recording bench;
  std::size_t sent = 0;
  for (int i = 0; i < 100; ++i) {
    bench.record("sm", draft(EventReason::gate_waiting));
    sent += bench.send().size();
  }
  EXPECT_EQ(sent, 25U);
  bench.clock.offset = 5min;
  bench.record("sm", draft(EventReason::gate_waiting));
  const auto last = bench.send();
  ASSERT_EQ(last.size(), 1U);
  EXPECT_THAT(last[0].body, HasSubstr("\"count\":101")) << "what was not told meanwhile is counted";
}

TEST(EventRecorder, AllTogetherHaveTheirBudget) {
  Recording bench({.in_flight = 1000, .burst = 20, .per_second = 5});
  for (int i = 0; i < 50; ++i) bench.record("p" + std::to_string(i), draft(EventReason::promoted));
  EXPECT_EQ(bench.send().size(), 20U);
  const auto again = bench.recorder.pump();
  ASSERT_TRUE(again);
  EXPECT_EQ(*again - bench.clock.steady(), 200ms);
  bench.clock.offset = 2s;
  EXPECT_EQ(bench.send().size(), 10U);
  EXPECT_EQ(bench.dropped, 0) << "they only wait";
}

TEST(EventRecorder, FewAreInFlight) {
  Recording bench({.burst = 100});
  for (int i = 0; i < 5; ++i) bench.record("p" + std::to_string(i), draft(EventReason::promoted));
  EXPECT_EQ(bench.recorder.pump(), std::nullopt);
  EXPECT_EQ(bench.client.events.size(), 2U);
}

TEST(EventRecorder, AFullQueueDropsTheOldestNormalFirst) {
  Recording bench({.queue = 3, .in_flight = 1000, .burst = 100});
  bench.record("a", draft(EventReason::gate_blocked, "1"));
  bench.record("b", draft(EventReason::promoted, "2"));
  bench.record("c", draft(EventReason::promoted, "3"));
  bench.record("d", draft(EventReason::gate_blocked, "4"));  // b goes
  bench.record("e", draft(EventReason::gate_blocked, "5"));  // c goes
  bench.record("f", draft(EventReason::promoted, "6"));      // itself
  bench.record("g", draft(EventReason::gate_blocked, "7"));  // a: no Normal is left
  std::string names;
  for (const auto& call : bench.send()) names += member(call.body, "name").substr(0, 1);
  EXPECT_EQ(names, "deg");
  EXPECT_EQ(bench.dropped, 4);
}

TEST(EventRecorder, RemembersNoMoreThanItMay) {
  Recording bench({.known = 3, .in_flight = 1000, .burst = 1000});
  for (const char* name : {"a", "b", "c", "d", "e"}) bench.record(name, draft(EventReason::gate_waiting));
  bench.send();
  bench.record("a", draft(EventReason::gate_waiting));
  bench.record("e", draft(EventReason::gate_waiting));
  const auto sent = bench.send();
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(sent[0].patched, "") << "forgotten: a new Event";
  EXPECT_NE(sent[1].patched, "") << "remembered: a series";
}

TEST(EventRecorder, AStatusThatCameThroughIsTold) {
  Recording bench;
  api::RlsMigration before;
  before.meta.name = {"tenants", "sm"};
  before.meta.uid = "uid-sm";
  api::MigrationStatus after;
  after.phase = Phase::shadow;
  after.history = {{"t1", Phase::pending, Phase::shadow, at("2026-01-15T12:00:00Z"), "all gates passed"}};
  after.conditions = {{"Ready", api::ConditionStatus::is_true, "TargetReached", "", 1, {}},
                      {"TargetReached", api::ConditionStatus::is_true, "TargetReached", "", 1, {}}};
  bench.recorder.written(before, after);
  EXPECT_EQ(member(bench.send().at(0).body, "reason"), "Promoted");
}

TEST(EventRecorder, ClosedItSendsNothing) {
  Recording bench;
  bench.record("sm", draft(EventReason::promoted));
  bench.recorder.close();
  bench.record("sm", draft(EventReason::demoted));
  EXPECT_EQ(bench.send().size(), 0U);
}

TEST(EventRecorder, AThreadSendsWhatManyThreadsRecord) {
  struct Answering final : FakeClient {
    std::atomic<int> created{0};
    void create(const kube::Resource&, std::string, std::function<void(Result<void>)> done) override {
      ++created;
      done({});
    }
  } client;
  const SystemClock clock;
  EventRecorder recorder(client, clock, "pod", {}, kWide);
  {
    std::jthread teller([&](std::stop_token stop) { recorder.run(stop); });
    std::vector<std::jthread> tellers;
    for (int t = 0; t < 4; ++t) {
      tellers.emplace_back([&, t] {
        for (int i = 0; i < 50; ++i) {
          const std::string name = std::to_string(t) + "-" + std::to_string(i);
          recorder.record({Kind::migration, {"tenants", name}, name}, {draft(EventReason::promoted)});
        }
      });
    }
    tellers.clear();
  }
  EXPECT_TRUE(recorder.drain(5s));
  EXPECT_EQ(client.created, 200);
}

}  // namespace
}  // namespace rls::reconcile
