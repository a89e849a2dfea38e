// Who leads (design 4-kubernetes: Lease 15/10/2 s, released on SIGTERM).

#include "controller/leader/election.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "controller/leader/lease.hpp"

namespace rls::leader {
namespace {

using namespace std::chrono_literals;
using Doing = Election::Doing;
using Moment = Election::Moment;

/// A Lease as the API server keeps it: a write with a stale version is refused.
struct Server {
  std::optional<LeaseRecord> lease;
  int version = 0;

  /// Whether it came through.
  bool write(LeaseRecord record, bool create) {
    if (create == lease.has_value()) return false;
    if (!create && lease->resource_version != record.resource_version) return false;
    record.resource_version = std::to_string(++version);
    lease = std::move(record);
    return true;
  }
};

enum class Network { good, request_lost, reply_lost };

/// Does what is due, once. Whether anything was done.
bool act(Election& election, Server& server, Moment now, Network network = Network::good) {
  const Election::Step step = election.next(now);
  if (step.doing == Doing::wait) return false;
  if (network == Network::request_lost) {
    election.failed(now);
    return true;
  }
  if (step.doing == Doing::read) {
    if (network == Network::reply_lost) {
      election.failed(now);
    } else if (server.lease) {
      election.seen(now, *server.lease);
    } else {
      election.absent(now);
    }
    return true;
  }
  const bool through = server.write(step.record, step.doing == Doing::create);
  if (network == Network::reply_lost) {
    election.failed(now);
  } else if (through) {
    election.written(now, *server.lease);
  } else {
    election.refused(now);
  }
  return true;
}

void settle(Election& election, Server& server, Moment now) {
  for (int i = 0; i < 5 && act(election, server, now); ++i) {
  }
}

class Leases : public testing::Test {
 protected:
  Server server;
  Moment now{1h};
  Election a{"a", {}}, b{"b", {}};
};

TEST_F(Leases, TheFirstCreatesItAndLeads) {
  settle(a, server, now);
  EXPECT_TRUE(a.leads(now));
  EXPECT_EQ(server.lease->holder, "a");
  EXPECT_EQ(server.lease->duration, 15s);
}

TEST_F(Leases, TheSecondWaitsForAsLongAsTheFirstRenews) {
  settle(a, server, now);
  for (int i = 0; i < 100; ++i) {
    now += 1s;
    settle(a, server, now);
    settle(b, server, now);
    EXPECT_TRUE(a.leads(now));
    EXPECT_FALSE(b.leads(now));
  }
}

TEST_F(Leases, WhoCannotRenewStopsWellBeforeTheNextMayBegin) {
  settle(a, server, now);
  settle(b, server, now);
  const Moment last = now;
  std::optional<Moment> stopped, begun;
  while (!begun) {
    now += 100ms;
    act(a, server, now, Network::request_lost);
    settle(b, server, now);
    if (!stopped && !a.leads(now)) stopped = now;
    if (b.leads(now)) begun = now;
  }
  ASSERT_TRUE(stopped);
  EXPECT_EQ(*stopped - last, 10s);
  EXPECT_GE(*begun - last, 15s);
}

TEST_F(Leases, WhatWasReleasedIsTakenAtTheNextTry) {
  settle(a, server, now);
  settle(b, server, now);
  ASSERT_TRUE(server.write(*a.release(now), false));
  now += 2s;
  settle(b, server, now);
  EXPECT_TRUE(b.leads(now));
}

TEST_F(Leases, EachLeadershipHasAHigherNumber) {
  settle(a, server, now);
  const auto first = a.term();
  server.write(*a.release(now), false);
  settle(b, server, now);
  EXPECT_GT(b.term(), first);
  const auto second = b.term();
  // The same holder again, after it had lost it.
  now += 11s;
  EXPECT_FALSE(b.leads(now));
  settle(b, server, now);
  ASSERT_TRUE(b.leads(now));
  EXPECT_GT(b.term(), second);
}

TEST_F(Leases, ARenewalWhoseReplyWasLostIsFoundOutAndIsNoLoss) {
  settle(a, server, now);
  const auto term = a.term();
  now += 2s;
  act(a, server, now, Network::reply_lost);
  now += 2s;
  settle(a, server, now);
  EXPECT_TRUE(a.leads(now));
  EXPECT_EQ(a.term(), term);
}

TEST_F(Leases, AnAcquisitionWhoseReplyWasLostIsTakenUpAgain) {
  act(a, server, now);  // there is none
  act(a, server, now, Network::reply_lost);
  EXPECT_FALSE(a.leads(now)) << "it does not know";
  now += 2s;
  settle(a, server, now);
  EXPECT_TRUE(a.leads(now));
}

TEST_F(Leases, WhoFindsItDeletedStopsAndStandsAgain) {
  settle(a, server, now);
  server.lease.reset();
  now += 2s;
  act(a, server, now);  // the renewal is refused
  act(a, server, now);  // and the read finds nothing
  EXPECT_FALSE(a.leads(now));
  settle(a, server, now);
  EXPECT_TRUE(a.leads(now));
}

TEST_F(Leases, WhoFindsItStolenStops) {
  settle(a, server, now);
  server.lease->holder = "thief";
  server.lease->resource_version = "stolen";
  now += 2s;
  settle(a, server, now);
  EXPECT_FALSE(a.leads(now));
}

TEST_F(Leases, ALongerLeaseOfSomebodyElseIsWaitedFor) {
  server.write({"", "c", 60s, 4}, true);
  settle(b, server, now);
  now += 59s;
  settle(b, server, now);
  EXPECT_FALSE(b.leads(now));
  now += 2s;
  settle(b, server, now);
  EXPECT_TRUE(b.leads(now));
}

TEST_F(Leases, OutbiddingRaisesTheNumberWithTheLease) {
  settle(a, server, now);
  a.outbid(now, 41);
  settle(a, server, now);
  EXPECT_EQ(a.term(), 42);
  EXPECT_EQ(server.lease->transitions, 42);
  EXPECT_TRUE(a.leads(now));
}

TEST_F(Leases, OutbiddingByOneWhoIsDeposedDoesNotComeThrough) {
  settle(a, server, now);
  server.lease->holder = "b";  // a does not know yet
  server.lease->resource_version = "9";
  a.outbid(now, 41);
  settle(a, server, now);
  EXPECT_FALSE(a.leads(now));
  EXPECT_EQ(server.lease->holder, "b");
}

// R: never two at a time, whatever is lost, delayed or paused; and after all that somebody leads again.
TEST(Elections, NeverTwoLeadAtTheSameTime) {
  std::mt19937 random(20260101);
  int changes = 0;
  for (int world = 0; world < 200; ++world) {
    Server server;
    Moment now{1h};
    std::vector<std::unique_ptr<Election>> all;
    std::vector<Moment> paused_until(3, now);
    std::vector<std::int64_t> terms(3, -1);
    for (const char* name : {"a", "b", "c"}) all.push_back(std::make_unique<Election>(name, LeaseTiming{}));
    int last = -1;
    std::int64_t highest = -1;
    for (int tick = 0; tick < 1200; ++tick) {
      now += 250ms;
      const bool calm = tick > 1000;
      for (std::size_t i = 0; i < all.size(); ++i) {
        if (!calm && random() % 200 == 0) paused_until[i] = now + std::chrono::seconds(random() % 40);
        if (now < paused_until[i]) continue;
        const auto dice = calm ? 0 : random() % 10;
        act(*all[i], server, now,
            dice == 8   ? Network::request_lost
            : dice == 9 ? Network::reply_lost
                        : Network::good);
      }
      if (!calm && random() % 300 == 0 && server.lease) server.lease->resource_version += "x";
      int leaders = 0;
      for (std::size_t i = 0; i < all.size(); ++i) {
        if (!all[i]->leads(now)) continue;
        ++leaders;
        if (last != static_cast<int>(i)) {
          EXPECT_GT(all[i]->term(), highest) << "each leader has a higher number than all before";
          last = static_cast<int>(i);
          ++changes;
        }
        highest = std::max(highest, all[i]->term());
      }
      ASSERT_LE(leaders, 1) << "world " << world << " tick " << tick;
    }
    const auto leads = [&](const auto& election) { return election->leads(now); };
    EXPECT_EQ(std::count_if(all.begin(), all.end(), leads), 1) << "world " << world;
  }
  EXPECT_GT(changes, 400) << "the test must change leaders to tell anything";
}

TEST(LeaseDocument, RoundTripKeepsWhatIsNotOurs) {
  const std::string before = R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"x",
    "namespace":"n","resourceVersion":"7","labels":{"team":"a"}},"spec":{"holderIdentity":"old","strategy":"s",
    "leaseDurationSeconds":15,"leaseTransitions":3,"acquireTime":"2026-01-01T00:00:00.000000Z"}})";
  auto record = decode_lease(before);
  ASSERT_TRUE(record.ok());
  EXPECT_EQ(*record, (LeaseRecord{"7", "old", 15s, 3}));
  record->holder = "new";
  record->transitions = 4;
  const std::string after =
      encode_lease(*record, before, "n", "x", false, *parse_rfc3339("2026-02-01T00:00:00Z"));
  EXPECT_EQ(*decode_lease(after), (LeaseRecord{"7", "new", 15s, 4}));
  for (const char* kept :
       {R"("team":"a")", R"("strategy":"s")", R"("acquireTime":"2026-01-01T00:00:00.000000Z")",
        R"("renewTime":"2026-02-01T00:00:00.000000Z")"}) {
    EXPECT_NE(after.find(kept), std::string::npos) << kept;
  }
}

TEST(LeaseDocument, WhatIsNoLeaseIsAnError) {
  for (const char* text :
       {"", "[]", "{", R"({"kind":"Lease"})", R"({"kind":"Status","metadata":{"resourceVersion":"1"}})"}) {
    EXPECT_FALSE(decode_lease(text).ok()) << text;
  }
}

}  // namespace
}  // namespace rls::leader
