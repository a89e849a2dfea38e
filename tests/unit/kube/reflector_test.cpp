// Lists and watches as told by a script: what reaches the sink, what is asked for, how long is waited.

#include "controller/kube/reflector.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/kube/fake_transport.hpp"

namespace rls::kube {
namespace {

using namespace std::chrono_literals;

class WritingSink final : public ObjectSink {
 public:
  void relist_begin() override { log.push_back("begin"); }
  void relist_item(std::string_view object) override { log.push_back("item " + name(object)); }
  void relist_commit() override { log.push_back("commit"); }
  void relist_abort() override { log.push_back("abort"); }
  void applied(std::string_view object) override { log.push_back("applied " + name(object)); }
  void deleted(std::string_view object) override { log.push_back("deleted " + name(object)); }

  std::vector<std::string> log;

 private:
  static std::string name(std::string_view object) {
    const auto at = object.find("\"name\":\"") + 8;
    return std::string(object.substr(at, object.find('"', at) - at));
  }
};

std::string object(const std::string& name, const std::string& version) {
  return R"({"metadata":{"name":")" + name + R"(","resourceVersion":")" + version + R"("}})";
}
Scripted page(const std::vector<std::string>& names, const std::string& token,
              const std::string& version = "10") {
  std::string items;
  for (const auto& name : names) items += (items.empty() ? "" : ",") + object(name, "1");
  return {Response{200,
                   R"({"metadata":{"resourceVersion":")" + version + R"(","continue":")" + token +
                       R"("},"items":[)" + items + "]}",
                   {}}};
}
std::string event(const std::string& type, const std::string& name, const std::string& version) {
  return R"({"type":")" + type + R"(","object":)" + object(name, version) + "}\n";
}
const std::string kExpired = R"({"type":"ERROR","object":{"kind":"Status","code":410}})"
                             "\n";
Scripted watch(std::vector<std::string> chunks) { return {Response{200, {}, {}}, std::move(chunks)}; }
Scripted status(int code, std::optional<std::chrono::seconds> retry_after = {}) {
  return {Response{code, R"({"kind":"Status","message":"no"})", retry_after}};
}
Scripted lost() { return {transient("ConnectionLost", "gone")}; }

struct Told {
  std::vector<std::string> sink;
  std::vector<std::string> paths;  ///< requests; the time-out, which is drawn, is cut off
  std::vector<std::chrono::milliseconds> pauses;
  int synced = 0;
  std::vector<RequestCount> counts;
  std::vector<unsigned> watches;  ///< the timeoutSeconds of each
};

/// Runs the script to its end.
Told run(std::deque<Scripted> script, Seam* seam = nullptr, std::chrono::milliseconds relist = 600s) {
  std::stop_source stop;
  Told told;
  ReflectorTuning tuning;
  // Each look at the clock is a second later: no watch is a short one.
  tuning.now = [now = std::chrono::steady_clock::time_point{}]() mutable { return now += 1s; };
  tuning.relist = relist;
  tuning.pause = [&](std::chrono::milliseconds length, const std::stop_token&) {
    told.pauses.push_back(length);
  };
  FakeTransport transport(std::move(script), [&] { stop.request_stop(); });
  Seam none;
  Calls calls(transport, seam == nullptr ? none : *seam);
  WritingSink sink;
  Reflector reflector(
      calls, {"rls-operator.dev/v1alpha1", "rlsmigrations", ""}, sink, [&] { ++told.synced; }, tuning);
  reflector.run(stop.get_token());
  told.sink = sink.log;
  for (const Request& request : transport.requests) {
    std::string path = request.path.substr(request.path.find('?'));
    const auto limit = path.find("&timeoutSeconds=");
    told.paths.push_back(path.substr(0, limit));
    if (limit != std::string::npos) {
      told.watches.push_back(static_cast<unsigned>(std::stoul(path.substr(limit + 16))));
    }
  }
  told.paths.pop_back();  // of the call that found the script at its end
  told.counts = calls.counts();
  return told;
}

using Texts = std::vector<std::string>;
const std::string kList = "?limit=250";
std::string watch_from(const std::string& version) {
  return "?watch=true&allowWatchBookmarks=true&resourceVersion=" + version;
}

TEST(ReflectorRun, ListsInPagesAndThenWatches) {
  const Told told = run({page({"a", "b"}, "t=/1"), page({"c"}, ""),
                         watch({event("ADDED", "d", "11"), event("MODIFIED", "a", "12"),
                                event("DELETED", "b", "13"), event("BOOKMARK", "", "20")}),
                         watch({})});
  EXPECT_EQ(told.sink,
            (Texts{"begin", "item a", "item b", "item c", "commit", "applied d", "applied a", "deleted b"}));
  EXPECT_EQ(told.paths, (Texts{kList, kList + "&continue=t%3D%2F1", watch_from("10"), watch_from("20")}));
  EXPECT_EQ(told.synced, 1);
  EXPECT_TRUE(told.pauses.empty());
}

TEST(ReflectorRun, ListsAnewWhenTheLastListIsOldAlthoughTheWatchIsWell) {
  // A look at the clock takes a second: one at the commit, two a watch.
  const Told told =
      run({page({"a"}, ""), watch({event("ADDED", "b", "11")}), watch({event("ADDED", "c", "12")}),
           page({"a", "b", "c", "lost"}, "", "30"), watch({})},
          nullptr, 5s);
  EXPECT_EQ(told.sink, (Texts{"begin", "item a", "commit", "applied b", "applied c", "begin", "item a",
                              "item b", "item c", "item lost", "commit"}));
  EXPECT_EQ(told.paths, (Texts{kList, watch_from("10"), watch_from("11"), kList, watch_from("30")}));
  EXPECT_TRUE(told.pauses.empty());
}

TEST(ReflectorRun, NoWatchIsToLastLongerThanUntilTheNextList) {
  const Told told = run({page({"a"}, ""), watch({})}, nullptr, 100s);
  ASSERT_FALSE(told.watches.empty());
  EXPECT_LE(told.watches[0], 99U);
  EXPECT_GE(told.watches[0], 79U) << "a fifth less at most";
  EXPECT_GE(run({page({"a"}, ""), watch({})}, nullptr, 600s).watches.at(0), 240U)
      << "and no sooner than else";
}

TEST(ReflectorRun, EventsMayBeCutAnywhere) {
  const std::string events = event("ADDED", "a", "11") + event("ADDED", "b", "12");
  for (std::size_t at = 0; at < events.size(); ++at) {
    const Told told = run({page({}, ""), watch({events.substr(0, at), events.substr(at)})});
    EXPECT_EQ(told.sink, (Texts{"begin", "commit", "applied a", "applied b"})) << at;
  }
}

TEST(ReflectorRun, HalfAnEventIsNotTakenAndComesAgain) {
  const std::string second = event("ADDED", "b", "12");
  const Told told =
      run({page({}, ""), watch({event("ADDED", "a", "11"), second.substr(0, 30)}), watch({second})});
  EXPECT_EQ(told.sink, (Texts{"begin", "commit", "applied a", "applied b"}));
  EXPECT_EQ(told.paths, (Texts{kList, watch_from("10"), watch_from("11")}));
}

TEST(ReflectorRun, AServerThatHasNothingToTellIsNoFailure) {
  const Scripted silence = {transient("Silence", "nothing more")};
  const Told told = run({page({"a"}, ""), silence, silence, silence, silence, silence, watch({})});
  EXPECT_EQ(told.sink, (std::vector<std::string>{"begin", "item a", "commit"})) << "nothing is listed anew";
  EXPECT_TRUE(told.pauses.empty());
}

TEST(ReflectorRun, CutListIsGoneOnWith) {
  const Told told = run({page({"a"}, "t"), lost(), page({"b"}, ""), watch({})});
  EXPECT_EQ(told.sink, (Texts{"begin", "item a", "item b", "commit"}));
  EXPECT_EQ(told.paths, (Texts{kList, kList + "&continue=t", kList + "&continue=t", watch_from("10")}));
  EXPECT_EQ(told.pauses.size(), 1U);
}

TEST(ReflectorRun, ExpiredInMidListBeginsAnew) {
  const Told told = run({page({"a"}, "t"), status(410), page({"b"}, ""), watch({})});
  EXPECT_EQ(told.sink, (Texts{"begin", "item a", "abort", "begin", "item b", "commit"}));
  EXPECT_EQ(told.paths, (Texts{kList, kList + "&continue=t", kList, watch_from("10")}));
  EXPECT_TRUE(told.pauses.empty());
}

TEST(ReflectorRun, ExpiredWatchAsStatusAndAsEvent) {
  for (const Scripted& expired : {status(410), watch({kExpired})}) {
    const Told told = run({page({"a"}, ""), expired, page({"b"}, "", "30"), watch({})});
    EXPECT_EQ(told.sink, (Texts{"begin", "item a", "commit", "begin", "item b", "commit"}));
    EXPECT_EQ(told.paths, (Texts{kList, watch_from("10"), kList, watch_from("30")}));
    EXPECT_EQ(told.synced, 2);
    EXPECT_TRUE(told.pauses.empty());
  }
}

TEST(ReflectorRun, NothingAfterAnUnreadableEventIsTaken) {
  for (const std::string& bad :
       {std::string("{\"type\":\"ADDED\"}\n"), event("UNHEARD-OF", "x", "12"), std::string("garbage\n"),
        std::string("{\"type\":\"ERROR\",\"object\":{\"code\":500,\"message\":\"decoding failed\"}}\n"),
        std::string(kLongestLine + 1, 'x')}) {
    const Told told = run({page({}, ""), watch({event("ADDED", "a", "11") + bad + event("ADDED", "b", "13")}),
                           page({"a", "b"}, "", "30"), watch({})});
    EXPECT_EQ(told.sink, (Texts{"begin", "commit", "applied a", "begin", "item a", "item b", "commit"}))
        << bad.substr(0, 60);
    EXPECT_EQ(told.pauses.size(), 1U);
  }
}

TEST(ReflectorRun, UnreadablePageIsAskedForAgain) {
  const Told told = run({{Response{200, "<html>", {}}}, page({"a"}, ""), watch({})});
  EXPECT_EQ(told.sink, (Texts{"begin", "item a", "commit"}));
  EXPECT_EQ(told.pauses.size(), 1U);
}

TEST(ReflectorRun, RetryAfterIsHonoured) {
  for (const int code : {429, 503}) {
    const Told told = run({status(code, 7s), page({}, ""), status(code, 9s), watch({})});
    EXPECT_EQ(told.pauses, (std::vector<std::chrono::milliseconds>{7s, 9s}));
    EXPECT_EQ(told.paths, (Texts{kList, kList, watch_from("10"), watch_from("10")}));
  }
}

TEST(ReflectorRun, PausesGrowWithinBounds) {
  std::deque<Scripted> script(20, lost());
  const Told told = run(std::move(script));
  ASSERT_GE(told.pauses.size(), 20U);
  EXPECT_GE(told.pauses[0], 100ms);
  EXPECT_LE(told.pauses[0], 200ms);
  for (const auto pause : told.pauses) EXPECT_LE(pause, 30s);
  EXPECT_GE(told.pauses[15], 15s);
}

TEST(ReflectorRun, WhatIsMissingOrForbiddenIsTriedAgain) {
  const Told told = run({status(404), status(403), status(401), page({"a"}, ""), watch({})});
  EXPECT_EQ(told.sink, (Texts{"begin", "item a", "commit"}));
  EXPECT_EQ(told.pauses.size(), 3U);
}

TEST(ReflectorRun, ServerThatWasAwayIsListedAnewAndTheCacheStays) {
  const Told told = run({page({"a"}, ""), lost(), lost(), lost(), lost(), page({"b"}, "", "5"), watch({})});
  EXPECT_EQ(told.sink, (Texts{"begin", "item a", "commit", "begin", "item b", "commit"}));
  EXPECT_EQ(told.paths.back(), watch_from("5"));
}

TEST(ReflectorRun, StopInMidListAborts) {
  const Told told = run({page({"a"}, "t")});
  EXPECT_EQ(told.sink, (Texts{"begin", "item a", "abort"}));
}

TEST(ReflectorRun, EachPageAndEachWatchIsOneCallOfTheSeam) {
  Seam seam;
  run({page({"a"}, "t"), page({"b"}, ""), watch({event("ADDED", "c", "11")}), watch({})}, &seam);
  EXPECT_EQ(seam.calls(), 5U) << "and the one that found the script at its end";
}

TEST(ReflectorRun, AnyCallMayBeLostAndTheEndIsTheSame) {
  for (const Fault fault : {Fault::fail_before, Fault::lose_reply}) {
    for (std::uint64_t number = 1; number <= 4; ++number) {
      PlannedSeam seam({CallKind::api, number, fault});
      std::deque<Scripted> script = {page({"a"}, "t"), page({"b"}, ""), watch({event("ADDED", "c", "11")}),
                                     watch({event("ADDED", "d", "12")})};
      // A list's reply is lost after the server gave it: it gives the page again.
      if (fault == Fault::lose_reply && number <= 2) {
        script.insert(script.begin() + static_cast<std::ptrdiff_t>(number - 1),
                      script[static_cast<std::size_t>(number - 1)]);
      }
      const Told told = run(std::move(script), &seam);
      EXPECT_EQ(told.sink, (Texts{"begin", "item a", "item b", "commit", "applied c", "applied d"}))
          << number;
    }
  }
}

TEST(ReflectorRun, RequestsAreCounted) {
  const Told told = run({status(503), page({"a"}, ""), watch({})});
  const auto of = [&](int code) {
    const auto found = std::find_if(told.counts.begin(), told.counts.end(),
                                    [&](const RequestCount& each) { return each.code == code; });
    return found == told.counts.end() ? 0U : found->count;
  };
  EXPECT_EQ(of(200), 2U);
  EXPECT_EQ(of(503), 1U);
}

}  // namespace
}  // namespace rls::kube
