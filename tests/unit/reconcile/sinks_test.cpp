#include "controller/reconcile/sinks.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/reconcile/fakes.hpp"

namespace rls::reconcile {
namespace {

std::string object(const std::string& name, const std::string& spec, const std::string& extra = {},
                   const std::string& uid = "u1", int generation = 1) {
  return R"({"metadata":{"namespace":"tenants","name":")" + name + R"(","uid":")" + uid +
         R"(","resourceVersion":"5","generation":)" + std::to_string(generation) +
         R"(,"creationTimestamp":"2026-01-01T00:00:00Z")" + extra + R"(},"spec":)" + spec + "}";
}
std::string spec(const std::string& phase, const std::string& project = "sm") {
  return R"({"databaseRef":{"name":"main"},"project":")" + project + R"(","phase":")" + phase + "\"}";
}

class Sinks : public ::testing::Test {
 protected:
  /// Takes what is due; its priority, or "nothing".
  std::string taken() {
    const auto batch = bench.queue.try_take(100, bench.clock.steady());
    if (!batch) return "nothing";
    bench.queue.done(*batch);
    return batch->priority == runtime::Priority::urgent ? "urgent" : "normal";
  }
  Bench bench;
  MigrationSink sink{bench.caches, bench.queue};
};

TEST_F(Sinks, ANewObjectIsLookedAt) {
  sink.applied(object("sm", spec("shadow")));
  EXPECT_EQ(taken(), "normal");
}

TEST_F(Sinks, AStatusAloneEnqueuesNothing) {
  sink.applied(object("sm", spec("shadow")));
  taken();
  sink.applied(object("sm", spec("shadow")));
  EXPECT_EQ(taken(), "nothing");
}

TEST_F(Sinks, R_A4_WhatIsLoweredOrHeldIsUrgent) {
  sink.applied(object("sm", spec("complete")));
  taken();
  sink.applied(object("sm", spec("shadow"), {}, "u1", 2));
  EXPECT_EQ(taken(), "urgent");
  sink.applied(
      object("sm", spec("shadow"), R"(,"annotations":{"rls-operator.dev/hold-at":"pending"})", "u1", 2));
  EXPECT_EQ(taken(), "urgent");
}

TEST_F(Sinks, ARequestedReconcileIsDone) {
  sink.applied(object("sm", spec("shadow")));
  taken();
  sink.applied(object("sm", spec("shadow"), R"(,"annotations":{"rls-operator.dev/requested-at":"now"})"));
  EXPECT_EQ(taken(), "normal");
}

TEST_F(Sinks, AYesByAnnotationIsLookedAt) {
  sink.applied(object("sm", spec("shadow")));
  taken();
  sink.applied(object("sm", spec("shadow"), R"(,"annotations":{"rls-operator.dev/adopt-phase":"shadow"})"));
  EXPECT_EQ(taken(), "normal");
  DatabaseSink databases{bench.caches, bench.queue};
  const std::string main = R"({"connection":{"secretRef":{"name":"main-db"}},"runtime":{"mode":"Adopted"}})";
  databases.applied(object("main", main));
  taken();
  databases.applied(object("main", main));
  EXPECT_EQ(taken(), "nothing") << "a status alone";
  for (const char* annotation : {"accept-system", "take-over"}) {
    const std::string with = std::string(R"(,"annotations":{"rls-operator.dev/)") + annotation + R"(":"x"})";
    databases.applied(object("main", main, with));
    EXPECT_EQ(taken(), "normal") << annotation;
    databases.applied(object("main", main, with));
    EXPECT_EQ(taken(), "nothing") << annotation;
  }
}

TEST_F(Sinks, ASpecThatCannotBeReadStallsInPlaceOfTheOldOne) {
  sink.applied(object("sm", spec("enforcing")));
  sink.applied(object("sm", spec("sideways"), {}, "u1", 2));
  bench.run_due();
  EXPECT_EQ(bench.reason("sm", "Stalled"), "InvalidSpec");
  EXPECT_EQ(bench.world.transactions, 0) << "nothing is decided on the old spec";
  bench.world.projects["sm"] = {};
  sink.applied(object("sm", spec("shadow"), {}, "u1", 3));
  bench.run_due();
  EXPECT_EQ(bench.reason("sm"), "TargetReached");
}

TEST_F(Sinks, ADeletionIsUnderstoodEvenWhereTheSpecIsNot) {
  sink.applied(object("sm", spec("enforcing")));
  sink.deleted(object("sm", "{}"));
  EXPECT_EQ(bench.caches.migrations.get({"tenants", "sm"}), nullptr);
}

TEST_F(Sinks, ARelistSwapsTheWholeCache) {
  sink.applied(object("old", spec("shadow", "old")));
  sink.relist_begin();
  sink.relist_item(object("new", spec("shadow", "new")));
  EXPECT_NE(bench.caches.migrations.get({"tenants", "old"}), nullptr) << "nobody sees half a list";
  sink.relist_commit();
  EXPECT_EQ(bench.caches.migrations.get({"tenants", "old"}), nullptr);
  EXPECT_NE(bench.caches.migrations.get({"tenants", "new"}), nullptr);
}

TEST_F(Sinks, TheYoungerComesUpWhenTheOlderIsDeleted) {
  sink.applied(object("first", spec("pending")));
  sink.applied(object("second", spec("shadow"), R"(,"labels":{})", "u2"));
  const auto younger = bench.caches.migrations.get({"tenants", "second"});
  EXPECT_EQ(bench.caches.owners.older_than(*younger), "first");
  taken();
  sink.deleted(object("first", spec("pending")));
  EXPECT_EQ(bench.caches.owners.older_than(*younger), std::nullopt);
  EXPECT_EQ(taken(), "normal");
}

// Its checks, and those that its database demands, are to end; also where it has had none of its own.
TEST_F(Sinks, WhoIsDeletedIsCheckedNoMore) {
  api::CheckSpec suite{.name = "suite", .phases = {}};
  suite.sql = api::SqlCheck{"SELECT 1", "1"};
  bench.demand({suite});
  bench.world.projects["sm"] = {};
  sink.applied(object("sm", spec("shadow")));
  bench.run_due();
  EXPECT_EQ(bench.board.results({"tenants", "sm"}).size(), 1U);
  sink.deleted(object("sm", spec("shadow")));
  bench.run_due();
  EXPECT_TRUE(bench.board.results({"tenants", "sm"}).empty());
  EXPECT_FALSE(bench.board.run_one());
}

class ApprovalSinks : public Sinks {
 protected:
  ApprovalSinks() {
    sink.applied(object("sm", spec("enforcing")));
    taken();
  }
  static std::string yes(const std::string& name, const std::string& phase = "enforcing",
                         const std::string& version = "5") {
    return R"({"metadata":{"namespace":"tenants","name":")" + name + R"(","uid":"a-)" + name +
           R"(","resourceVersion":")" + version +
           R"(","generation":1,"creationTimestamp":"2026-01-01T00:00:00Z"},"spec":{"migrationRef":{"name":"sm"},)" +
           R"("phase":")" + phase + R"(","approver":"ann","evidenceDigest":")" + std::string(64, 'a') +
           R"("}})";
  }
  ApprovalSink approvals{bench.caches, bench.queue};
};

TEST_F(ApprovalSinks, AYesAndItsWithdrawalAreLookedAt) {
  approvals.applied(yes("ann"));
  EXPECT_EQ(bench.caches.approvals.by_index({"tenants", "sm"}).size(), 1U);
  EXPECT_EQ(taken(), "normal");
  approvals.deleted(yes("ann"));
  EXPECT_TRUE(bench.caches.approvals.by_index({"tenants", "sm"}).empty());
  EXPECT_EQ(taken(), "normal");
  approvals.deleted(yes("ann"));
  EXPECT_EQ(taken(), "nothing");
}

TEST_F(ApprovalSinks, AYesToNobodyIsKeptAndEnqueuesNothing) {
  sink.deleted(object("sm", spec("enforcing")));
  taken();
  approvals.applied(yes("ann"));
  EXPECT_EQ(taken(), "nothing");
  EXPECT_EQ(bench.caches.approvals.size(), 1U);
}

TEST_F(ApprovalSinks, OneThatCannotBeReadApprovesNothing) {
  approvals.applied(yes("ann"));
  taken();
  approvals.applied(yes("ann", "sideways", "6"));
  EXPECT_EQ(bench.caches.approvals.size(), 0U);
  EXPECT_EQ(taken(), "normal");
  approvals.applied(yes("ben", "sideways"));
  EXPECT_EQ(bench.caches.approvals.size(), 0U);
  EXPECT_EQ(taken(), "nothing");
}

TEST_F(ApprovalSinks, ARelistLooksAtWhatCameAndWhatWent) {
  approvals.applied(yes("ann"));
  taken();
  approvals.relist_begin();
  approvals.relist_item(yes("ben"));
  approvals.relist_item(yes("eve", "sideways"));
  approvals.relist_commit();
  EXPECT_EQ(taken(), "normal");
  const auto left = bench.caches.approvals.by_index({"tenants", "sm"});
  ASSERT_EQ(left.size(), 1U);
  EXPECT_EQ(left.front()->meta.name.name, "ben");
  approvals.relist_begin();
  approvals.relist_item(yes("ben"));
  approvals.relist_commit();
  EXPECT_EQ(taken(), "nothing") << "nothing is new";
}

class RolloutSinks : public Sinks {
 protected:
  static std::string rollout(const std::string& more = "", const std::string& database = "main",
                             int generation = 1, const std::string& version = "5") {
    return R"({"metadata":{"namespace":"tenants","name":"all","uid":"r1","resourceVersion":")" + version +
           R"(","generation":)" + std::to_string(generation) +
           R"(,"creationTimestamp":"2026-01-01T00:00:00Z"},"spec":{"databaseRef":{"name":")" + database +
           R"("},"phase":"enforcing","waves":[{"name":"one","projects":["sm"]}])" + more + "}}";
  }
  /// The databases that are to be looked at.
  std::vector<std::string> looked_at() {
    std::vector<std::string> out;
    while (const auto batch = bench.queue.try_take(100, bench.clock.steady())) {
      for (const Key& key : batch->keys) {
        EXPECT_EQ(key.kind, Kind::database);
        out.push_back(key.name.name);
      }
      bench.queue.done(*batch);
    }
    std::sort(out.begin(), out.end());
    return out;
  }
  using Names = std::vector<std::string>;
  RolloutSink rollouts{bench.caches, bench.queue};
};

TEST_F(RolloutSinks, AChangeOfTheSpecLooksAtItsDatabaseAndAStatusDoesNot) {
  rollouts.applied(rollout());
  EXPECT_EQ(looked_at(), Names{"main"});
  rollouts.applied(rollout("", "main", 1, "6"));
  EXPECT_EQ(looked_at(), Names{}) << "a write of our own status";
  rollouts.applied(rollout(R"(,"freeze":{"reason":"incident"})", "main", 2, "7"));
  EXPECT_EQ(looked_at(), Names{"main"});
  rollouts.deleted(rollout());
  EXPECT_EQ(looked_at(), Names{"main"});
  EXPECT_EQ(bench.caches.rollouts.size(), 0U);
}

TEST_F(RolloutSinks, OneThatMovesToAnotherDatabaseIsLookedAtInBoth) {
  rollouts.applied(rollout());
  looked_at();
  rollouts.applied(rollout("", "other", 2, "6"));
  EXPECT_EQ(looked_at(), (Names{"main", "other"}));
}

TEST_F(RolloutSinks, OneThatCannotBeReadStaysKnown) {
  rollouts.applied(rollout());
  looked_at();
  rollouts.applied(rollout(R"(,"advanceWhen":"complete")", "main", 2, "6"));
  const auto kept = bench.caches.rollouts.get({"tenants", "all"});
  ASSERT_NE(kept, nullptr);
  EXPECT_NE(kept->spec_problem, "");
  const auto looks = looked_at();
  EXPECT_NE(std::find(looks.begin(), looks.end(), "main"), looks.end()) << "whose members it names no more";
}

TEST_F(RolloutSinks, ARelistLooksAtWhatChangedAlone) {
  rollouts.applied(rollout());
  looked_at();
  rollouts.relist_begin();
  rollouts.relist_item(rollout("", "main", 1, "6"));
  rollouts.relist_commit();
  EXPECT_EQ(looked_at(), Names{});
  rollouts.relist_begin();
  rollouts.relist_commit();
  EXPECT_EQ(looked_at(), Names{"main"});
}

}  // namespace
}  // namespace rls::reconcile
