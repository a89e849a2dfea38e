#include "controller/reconcile/sinks.hpp"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace rls::reconcile
