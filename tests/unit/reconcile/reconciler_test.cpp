#include "controller/reconcile/reconciler.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/reconcile/fakes.hpp"

namespace rls::reconcile {
namespace {

using namespace std::chrono_literals;

void no_soak(api::RlsMigration& migration) {
  migration.spec.gates.shadow_soak = Duration{0};
  migration.spec.gates.enforcing_soak = Duration{0};
}

TEST(Reconciler, R_A2_TakesEveryStepUpInATransactionOfItsOwn) {
  Bench bench;
  bench.world.projects["sm"] = {};
  bench.apply("sm", Phase::complete, no_soak);
  bench.reconcile("sm");
  const auto& ledger = bench.world.projects["sm"].ledger;
  ASSERT_EQ(ledger.size(), 3U);
  EXPECT_EQ(ledger[0].to, Phase::shadow);
  EXPECT_EQ(ledger[1].to, Phase::enforcing);
  EXPECT_EQ(ledger[2].to, Phase::complete);
  EXPECT_EQ(bench.world.transactions, 3);
  EXPECT_EQ(bench.reason("sm"), "TargetReached");
}

TEST(Reconciler, R_A4_GoesDownInOneStep) {
  Bench bench;
  bench.world.projects["sm"] = {.phase = Phase::complete, .last_ours = Phase::complete};
  bench.apply("sm", Phase::pending);
  bench.reconcile("sm");
  ASSERT_EQ(bench.world.projects["sm"].ledger.size(), 1U);
  EXPECT_EQ(bench.world.projects["sm"].phase, Phase::pending);
}

TEST(Reconciler, WaitsForTheSoakAndComesBackWhenItIsOver) {
  Bench bench;
  bench.world.projects["sm"] = {.phase = Phase::shadow, .last_ours = Phase::shadow, .since = bench.world.now};
  bench.apply("sm", Phase::enforcing, [](auto& m) { m.spec.gates.shadow_soak = 10s; });
  bench.reconcile("sm");
  EXPECT_EQ(bench.reason("sm"), "AwaitingGates");
  EXPECT_EQ(bench.status("sm").blocked_by, "SoakTime");
  bench.clock.offset = 9999ms;
  bench.world.now += 9999ms;
  bench.run_due();
  EXPECT_EQ(bench.world.projects["sm"].phase, Phase::shadow);
  bench.clock.offset = 10s;
  bench.world.now += 1ms;
  bench.run_due();
  EXPECT_EQ(bench.world.projects["sm"].phase, Phase::enforcing);
}

TEST(Reconciler, OurOwnStatusWriteIsNotWrittenAgain) {
  Bench bench;
  bench.world.projects["sm"] = {};
  bench.apply("sm", Phase::shadow);
  bench.reconcile("sm");
  const auto written = bench.writer.written();
  bench.look_at_database();
  bench.look_at_database();
  EXPECT_EQ(bench.writer.written(), written + 1) << "only the database's own status";
}

TEST(Reconciler, TheWholeDatabaseIsSeenWithOneStatement) {
  Bench bench;
  for (int i = 0; i < 500; ++i) {
    const std::string name = "p" + std::to_string(i);
    bench.world.projects[name] = {.phase = Phase::shadow, .last_ours = Phase::shadow};
    bench.apply(name, Phase::shadow);
  }
  bench.look_at_database();
  EXPECT_EQ(bench.world.observes, 1);
  EXPECT_EQ(bench.world.transactions, 0);
}

TEST(Reconciler, R_A6_OnlyWhoWouldGoUpIsCountedExactly) {
  Bench bench;
  bench.world.projects["soaking"] = {
      .phase = Phase::shadow, .last_ours = Phase::shadow, .since = bench.world.now};
  bench.world.projects["denied"] = {.phase = Phase::shadow, .last_ours = Phase::shadow};
  bench.world.projects["denied"].violations = {1, bench.world.projects["denied"].since};
  bench.apply("soaking", Phase::enforcing);
  bench.apply("denied", Phase::enforcing);
  bench.look_at_database();
  EXPECT_EQ(bench.world.exact_counts, 0);
  bench.world.projects["due"] = {.phase = Phase::shadow, .last_ours = Phase::shadow};
  bench.apply("due", Phase::enforcing);
  bench.look_at_database();
  EXPECT_EQ(bench.world.exact_counts, 1);
  EXPECT_EQ(bench.world.projects["due"].phase, Phase::enforcing);
}

TEST(Reconciler, R_A6_WhatOnlyTheExactCountFindsBlocksAndIsFoundOnce) {
  Bench bench;
  bench.world.projects["sm"] = {.phase = Phase::shadow, .last_ours = Phase::shadow};
  bench.world.projects["sm"].late = {1, bench.world.now};
  bench.apply("sm", Phase::enforcing);
  for (int i = 0; i < 3; ++i) bench.look_at_database();
  EXPECT_EQ(bench.world.projects["sm"].phase, Phase::shadow);
  EXPECT_EQ(bench.status("sm").blocked_by, "SoakTime,Violations");
  EXPECT_EQ(bench.world.transactions, 0);
  EXPECT_EQ(bench.world.exact_counts, 1) << "it is remembered";
}

TEST(Reconciler, R_A6_WhatCameBetweenTheExactCountAndTheLocksBlocks) {
  Bench bench;
  bench.world.projects["sm"] = {.phase = Phase::shadow, .last_ours = Phase::shadow};
  bench.apply("sm", Phase::enforcing);
  bench.world.before_locks = [&] { bench.world.projects["sm"].late = {1, bench.world.now}; };
  for (int i = 0; i < 3; ++i) bench.look_at_database();
  EXPECT_EQ(bench.world.projects["sm"].phase, Phase::shadow);
  EXPECT_EQ(bench.world.transactions, 1);
  EXPECT_EQ(bench.world.exact_counts, 2);
}

TEST(Reconciler, MovesManyInTransactionsOf256) {
  Bench bench;
  for (int i = 0; i < 600; ++i) {
    const std::string name = "p" + std::to_string(i);
    bench.world.projects[name] = {};
    bench.apply(name, Phase::shadow);
  }
  bench.look_at_database();
  EXPECT_EQ(bench.world.transactions, 3);
  EXPECT_EQ(bench.observer.moved, 600);
}

TEST(Reconciler, WhatWasLoweredBetweenDecisionAndLocksIsNotPromoted) {
  Bench bench;
  bench.world.projects["sm"] = {};
  bench.apply("sm", Phase::shadow);
  bench.world.before_locks = [&] { bench.apply("sm", Phase::pending); };
  bench.reconcile("sm");
  EXPECT_EQ(bench.world.projects["sm"].phase, Phase::pending);
  EXPECT_TRUE(bench.world.projects["sm"].ledger.empty());
}

TEST(Reconciler, R_A4_WhatWasLoweredWhileItsPromotionWasCommittedIsLookedAtAgain) {
  Bench bench;
  bench.world.projects["sm"] = {};
  bench.apply("sm", Phase::shadow);
  // After the commit, in the look that follows it. The urgent look at the change itself came before the
  // commit, saw the project in pending, and left.
  bench.world.while_observed = [&] {
    if (bench.world.observes == 2) bench.apply("sm", Phase::pending);
  };
  bench.reconcile("sm");
  EXPECT_EQ(bench.observer.moved, 2);
  EXPECT_EQ(bench.world.projects["sm"].phase, Phase::pending);
}

TEST(Reconciler, R_A4_AHoldThatCameWhileItsPromotionWasCommittedIsLookedAtAgain) {
  Bench bench;
  bench.world.projects["sm"] = {};
  bench.apply("sm", Phase::shadow);
  bench.world.while_observed = [&] {
    if (bench.world.observes != 2) return;
    bench.apply("sm", Phase::shadow, [](api::RlsMigration& migration) {
      --migration.meta.generation;  // an annotation is no change of the spec
      migration.hold_at = Phase::pending;
    });
  };
  bench.reconcile("sm");
  EXPECT_EQ(bench.world.projects["sm"].phase, Phase::pending);
}

TEST(Reconciler, R_A4_WhatIsUrgentIsTriedAgainAsUrgent) {
  Bench bench;
  bench.world.projects["sm"].phase = Phase::enforcing;
  bench.apply("sm", Phase::pending);
  bench.world.open_error = transient("DatabaseUnreachable", "refused");
  const Key key{Kind::migration, {Bench::kNamespace, "sm"}};
  bench.queue.add({Bench::kNamespace, "main"}, key, runtime::Priority::urgent);
  bench.run_due();
  bench.clock.offset += 1min;
  // By itself, and by the worker that is kept free for it: the look at the whole database may be a long one.
  const auto again = bench.queue.try_take(10, bench.clock.steady(), runtime::Priority::urgent);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->keys, std::vector<Key>{key});
}

TEST(Reconciler, WhatWasDeletedBetweenDecisionAndLocksIsNotMoved) {
  Bench bench;
  bench.world.projects["sm"] = {};
  bench.apply("sm", Phase::shadow);
  bench.world.before_locks = [&] { bench.caches.migrations.erase({Bench::kNamespace, "sm"}); };
  bench.reconcile("sm");
  EXPECT_EQ(bench.world.projects["sm"].phase, Phase::pending);
}

TEST(Reconciler, ARefusedRowFailsAloneAndIsTriedAgain) {
  Bench bench;
  for (const char* name : {"aa", "ab"}) {
    bench.world.projects[name] = {};
    bench.apply(name, Phase::shadow);
  }
  bench.world.refuses.emplace("aa", transient("Refused", "a trigger said no"));
  bench.look_at_database();
  EXPECT_EQ(bench.world.projects["ab"].phase, Phase::shadow);
  EXPECT_EQ(bench.reason("aa"), "Refused");
  EXPECT_EQ(bench.reason("aa", "Reconciling"), "Refused");
  bench.world.refuses.clear();
  bench.clock.offset += 1min;
  bench.run_due();
  EXPECT_EQ(bench.world.projects["aa"].phase, Phase::shadow);
  EXPECT_EQ(bench.reason("aa"), "TargetReached");
}

TEST(Reconciler, WhatWasAdoptedIsDescribedAndWrittenWhenItChanges) {
  Bench bench;
  const auto status = [&] { return bench.caches.databases.get({Bench::kNamespace, "main"})->status; };
  bench.world.adopted.status_table.name = "acme.rls_migration_status";
  bench.world.adopted.evidence = {"Incomplete", 2, 1, false, "acme.notes: DELETE"};
  bench.look_at_database();
  EXPECT_EQ(status().adopted, bench.world.adopted);

  int writes = 0;
  bench.client.on_put = [&] { ++writes; };
  bench.look_at_database();
  EXPECT_EQ(writes, 0) << "nothing changed";
  bench.world.adopted.evidence = {"Complete", 2, 2, false, ""};
  bench.look_at_database();
  EXPECT_EQ(writes, 1);
  EXPECT_EQ(status().adopted, bench.world.adopted);

  bench.world.open_error = transient("DatabaseUnreachable", "refused");
  bench.look_at_database();
  EXPECT_EQ(status().adopted, bench.world.adopted) << "as last seen";
}

TEST(Reconciler, AnUnreachableDatabaseIsSaidAndHealsAlone) {
  Bench bench;
  bench.world.projects["sm"] = {.phase = Phase::shadow, .last_ours = Phase::shadow};
  bench.apply("sm", Phase::shadow);
  bench.look_at_database();
  bench.world.open_error = transient("DatabaseUnreachable", "connection refused");
  bench.look_at_database();
  EXPECT_EQ(bench.reason("sm"), "DatabaseUnreachable");
  EXPECT_EQ(bench.reason("sm", "Reconciling"), "DatabaseUnreachable");
  EXPECT_EQ(bench.status("sm").phase, Phase::shadow) << "what was seen last stays";
  EXPECT_EQ(bench.observer.up, false);
  bench.clock.offset += 6min;
  bench.run_due();
  EXPECT_EQ(bench.reason("sm", "Reconciling"), "") << "after five minutes it says so aloud";
  bench.world.open_error.reset();
  bench.clock.offset += 1min;
  bench.run_due();
  EXPECT_EQ(bench.reason("sm"), "TargetReached");
  EXPECT_EQ(bench.observer.up, true);
}

TEST(Reconciler, AFailureInTheMiddleDropsTheConnectionAndReadsTheSecretAnew) {
  Bench bench;
  bench.world.projects["sm"] = {};
  bench.apply("sm", Phase::shadow);
  bench.world.move_error = in_doubt("InDoubt", "connection lost at COMMIT");
  bench.look_at_database();
  EXPECT_EQ(bench.databases_made, 1);
  bench.world.move_error.reset();
  bench.clock.offset += 1min;
  bench.run_due();
  EXPECT_EQ(bench.databases_made, 2);
  EXPECT_EQ(bench.world.projects["sm"].phase, Phase::shadow);
}

TEST(Reconciler, AnotherServerBehindTheSameNameStalls) {
  Bench bench;
  bench.world.projects["sm"] = {};
  bench.apply("sm", Phase::pending);
  bench.look_at_database();
  bench.world.system_identifier = "8000";
  bench.apply("sm", Phase::shadow);
  bench.look_at_database();
  EXPECT_EQ(bench.reason("sm"), "DatabaseChanged");
  EXPECT_EQ(bench.reason("sm", "Stalled"), "DatabaseChanged");
  EXPECT_EQ(bench.world.projects["sm"].phase, Phase::pending);
}

TEST(Reconciler, AnotherServerIsAcceptedByAnnotation) {
  Bench bench;
  bench.world.projects["sm"] = {};
  bench.apply("sm", Phase::pending);
  bench.look_at_database();
  bench.world.system_identifier = "8000";
  bench.look_at_database();
  auto database = *bench.caches.databases.get({Bench::kNamespace, "main"});
  EXPECT_THAT(api::find_condition(database.status.conditions, "Ready")->message,
              testing::HasSubstr("kubectl --namespace tenants annotate rlsdatabase main "
                                 "rls-operator.dev/accept-system=8000 --overwrite"));
  database.accept_system = "8000";
  bench.caches.databases.upsert(database);
  bench.look_at_database();
  EXPECT_EQ(bench.caches.databases.get({Bench::kNamespace, "main"})->status.system_identifier, "8000");
  EXPECT_EQ(bench.reason("sm"), "TargetReached");
  bench.world.system_identifier = "7000";
  bench.look_at_database();
  EXPECT_EQ(bench.reason("sm"), "DatabaseChanged") << "the yes was to the other one";
}

TEST(Reconciler, ARaiseIsAcceptedByAnnotationAndTheSoakStartsThen) {
  Bench bench;
  bench.world.projects["sm"] = {.phase = Phase::enforcing,
                                .last_ours = Phase::shadow,
                                .wanted_at_drift = Phase::enforcing,
                                .drift_number = 2};
  bench.apply("sm", Phase::enforcing);
  bench.reconcile("sm");
  EXPECT_EQ(bench.reason("sm"), "Drifted");
  EXPECT_EQ(bench.world.transactions, 0);
  bench.apply("sm", Phase::enforcing,
              [](api::RlsMigration& migration) { migration.adopt_phase = "enforcing@2"; });
  bench.reconcile("sm");
  EXPECT_EQ(bench.reason("sm"), "TargetReached");
  EXPECT_EQ(bench.status("sm").phase_since, bench.world.now);
  EXPECT_EQ(bench.observer.moved, 0) << "nothing moved";
}

TEST(Reconciler, AMissingDatabaseObjectIsNamed) {
  Bench bench;
  bench.apply("sm", Phase::shadow);
  bench.caches.databases.erase({Bench::kNamespace, "main"});
  bench.reconcile("sm");
  EXPECT_EQ(bench.reason("sm"), "DatabaseNotFound");
}

TEST(Reconciler, AMissingSecretIsNamed) {
  Bench bench;
  bench.apply("sm", Phase::shadow);
  bench.client.secret = terminal("NotFound", "secrets \"main-db\" not found");
  bench.look_at_database();
  EXPECT_EQ(bench.reason("sm"), "SecretNotFound");
}

TEST(Reconciler, ACaThatIsRotatedInTheSecretTakesEffectWithinAMinute) {
  const auto secret_with = [](const char* ca) {
    return std::string(R"({"data":{"uri":"cG9zdGdyZXM6Ly9mYWtl","ca.crt":")") + ca + "\"}}";
  };
  Bench bench;
  bench.client.secret = secret_with("b2xk");
  bench.look_at_database();
  EXPECT_EQ(bench.made_with, (postgres::ConnectionSecret{"postgres://fake", "old"}));
  bench.client.secret = secret_with("bmV3");
  bench.clock.offset = 59s;
  bench.look_at_database();
  EXPECT_EQ(bench.databases_made, 1);
  bench.clock.offset = 60s;
  bench.look_at_database();
  EXPECT_EQ(bench.databases_made, 2);
  EXPECT_EQ(bench.made_with.ca, "new");
  bench.clock.offset = 120s;
  bench.look_at_database();
  EXPECT_EQ(bench.databases_made, 2) << "unchanged, so the connection stays";
}

TEST(Reconciler, ACaThatIsNotBase64IsSaid) {
  Bench bench;
  bench.apply("sm", Phase::shadow);
  bench.client.secret = std::string(R"({"data":{"uri":"cG9zdGdyZXM6Ly9mYWtl","ca.crt":"?"}})");
  bench.look_at_database();
  EXPECT_EQ(bench.reason("sm"), "SecretUnreadable");
}

TEST(Reconciler, TheYoungerOfTwoObjectsStallsUntilTheOlderGoes) {
  Bench bench;
  bench.world.projects["sm"] = {};
  bench.apply("first", Phase::pending, [](auto& m) { m.spec.project = "sm"; });
  bench.apply("second", Phase::shadow, [](auto& m) {
    m.spec.project = "sm";
    m.meta.created = at("2026-01-02T00:00:00Z");
  });
  bench.look_at_database();
  EXPECT_EQ(bench.reason("second"), "Conflict");
  EXPECT_EQ(bench.world.projects["sm"].phase, Phase::pending);
  const auto first = bench.caches.migrations.erase({Bench::kNamespace, "first"});
  bench.caches.owners.remove(*first);
  bench.reconcile("second");
  EXPECT_EQ(bench.world.projects["sm"].phase, Phase::shadow);
}

TEST(Reconciler, ALostFenceFoundWhileOpeningEndsTheProcessToo) {
  Bench bench;
  bench.world.projects["sm"] = {};
  bench.apply("sm", Phase::pending);
  bench.look_at_database();
  bench.world.open_error = terminal("FenceLost", "epoch 2 is in force, ours is 1");
  bench.look_at_database();
  EXPECT_EQ(bench.fences_lost.size(), 1U);
  EXPECT_EQ(bench.databases_made, 1) << "and it is not tried again with another epoch";
}

TEST(Reconciler, R_A4_APromotionThatFailsDoesNotTakeADemotionWithIt) {
  Bench bench;
  bench.world.projects["down"] = {.phase = Phase::complete, .last_ours = Phase::complete};
  bench.world.projects["up"] = {};
  bench.apply("down", Phase::pending);
  bench.apply("up", Phase::shadow);
  bench.look_at_database();
  EXPECT_EQ(bench.world.transactions, 2);
}

TEST(Reconciler, AMomentInTheFarFutureOverflowsNothing) {
  Bench bench;
  bench.world.projects["sm"] = {.phase = Phase::shadow, .last_ours = Phase::shadow};
  auto database = *bench.caches.databases.get({Bench::kNamespace, "main"});
  database.spec.policy.freeze = api::Freeze{"for ever", at("9999-12-31T00:00:00Z")};
  bench.caches.databases.upsert(std::move(database));
  bench.apply("sm", Phase::enforcing);
  bench.reconcile("sm");  // comes back only if it is not due again at once
  EXPECT_EQ(bench.reason("sm"), "AwaitingGates");
}

TEST(Reconciler, ALostFenceEndsTheProcess) {
  Bench bench;
  bench.world.projects["sm"] = {};
  bench.apply("sm", Phase::shadow);
  bench.world.move_error = terminal("FenceLost", "epoch 2 is in force, ours is 1");
  bench.look_at_database();
  ASSERT_EQ(bench.fences_lost.size(), 1U);
}

TEST(Reconciler, ARunningCounterIsWrittenAtMostOnceAMinute) {
  Bench bench;
  bench.world.projects["motoko"] = {.phase = Phase::shadow, .last_ours = Phase::shadow};
  bench.apply("motoko", Phase::enforcing);
  bench.world.projects["motoko"].violations = {1, bench.world.now};
  bench.look_at_database();
  EXPECT_EQ(bench.status("motoko").violations->total, 1);
  bench.clock.offset = 15s;
  bench.world.projects["motoko"].violations = {2, bench.world.now + 1s};
  bench.look_at_database();
  EXPECT_EQ(bench.status("motoko").violations->total, 1);
  bench.clock.offset = 61s;
  bench.look_at_database();
  EXPECT_EQ(bench.status("motoko").violations->total, 2);
}

TEST(Reconciler, WhoHoldsTheOthersBackIsWrittenAtOnce) {
  Bench bench;
  for (const char* project : {"ab", "aa"}) {
    bench.world.projects[project] = {.phase = Phase::shadow, .last_ours = Phase::shadow};
    bench.apply(project, Phase::enforcing, [&](auto& migration) {
      migration.spec.group = api::GroupSpec{"three", {"ab", "aa"}};
      migration.spec.gates.shadow_soak = std::chrono::seconds{0};
    });
  }
  const auto message = [&] {
    for (const api::GateStatus& gate : bench.status("ab").gates) {
      if (gate.name == "Group") return gate.message;
    }
    return std::string{};
  };
  bench.world.projects["aa"].hold = decide::HoldRow{Phase::shadow, "dba"};
  bench.look_at_database();
  EXPECT_NE(message().find("by \"dba\""), std::string::npos) << message();
  bench.world.projects["aa"].hold.reset();
  bench.world.projects["aa"].violations = {1, bench.world.now};
  bench.look_at_database();
  EXPECT_NE(message().find("Violations Blocked"), std::string::npos) << message();
}

TEST(Reconciler, AStatusEditedByHandIsPutRight) {
  Bench bench;
  bench.world.projects["sm"] = {.phase = Phase::shadow, .last_ours = Phase::shadow};
  bench.apply("sm", Phase::shadow);
  bench.look_at_database();
  bench.apply("sm", Phase::shadow, [](auto& m) { m.status.phase = Phase::complete; });
  bench.look_at_database();
  EXPECT_EQ(bench.status("sm").phase, Phase::shadow);
}

}  // namespace
}  // namespace rls::reconcile
