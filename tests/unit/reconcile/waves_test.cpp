// The wave of a project as its gate sees it: closed unless somebody has just said that it is open.

#include "controller/reconcile/waves.hpp"

#include <gmock/gmock.h>

#include "tests/unit/reconcile/fakes.hpp"

namespace rls::reconcile {
namespace {

using testing::HasSubstr;

class WavesSeen : public testing::Test {
 protected:
  WavesSeen() {
    bench.apply("sm", Phase::enforcing);
    bench.apply("ab", Phase::enforcing);
  }
  std::optional<decide::WaveState> wave(const std::string& name = "sm") {
    return bench.waves.of(*bench.caches.migrations.get({Bench::kNamespace, name}));
  }
  void decide(const std::string& rollout, std::vector<bool> open) {
    std::vector<decide::WaveDecision> decisions;
    for (const bool one : open)
      decisions.push_back({.open = one, .why = one ? "" : "wave one has not arrived"});
    bench.waves.note(*bench.caches.rollouts.get({Bench::kNamespace, rollout}), std::move(decisions));
  }
  Bench bench;
};

TEST_F(WavesSeen, WithoutRolloutThereIsNone) { EXPECT_FALSE(wave()); }

TEST_F(WavesSeen, BeforeRolloutsAreListedEverythingIsClosed) {
  Caches caches;
  Waves waves{caches};
  const auto wave = waves.of(*bench.caches.migrations.get({Bench::kNamespace, "sm"}));
  ASSERT_TRUE(wave);
  EXPECT_FALSE(wave->open);
  EXPECT_THAT(wave->why, HasSubstr("not listed yet"));
}

TEST_F(WavesSeen, AsItWasDecided) {
  bench.roll_out("all", {{"sm"}, {"ab", "other"}});
  decide("all", {true, false});
  ASSERT_TRUE(wave());
  EXPECT_TRUE(wave()->open);
  EXPECT_EQ(wave()->rollout, "all");
  EXPECT_EQ(wave()->name, "one");
  EXPECT_FALSE(wave("ab")->open);
  EXPECT_EQ(wave("ab")->name, "two");
  EXPECT_EQ(wave("ab")->why, "wave one has not arrived");
  EXPECT_EQ(wave("ab")->members, (std::vector<std::string>{"ab", "other"}));
}

TEST_F(WavesSeen, WhoseRolloutWasNotLookedAtOrHasChangedIsClosed) {
  bench.roll_out("all", {{"sm"}});
  EXPECT_FALSE(wave()->open);
  decide("all", {true});
  EXPECT_TRUE(wave()->open);
  bench.roll_out("all", {{"sm"}});  // another generation
  EXPECT_FALSE(wave()->open);
  EXPECT_THAT(wave()->why, HasSubstr("changed"));
  EXPECT_EQ(wave()->members, std::vector<std::string>{"sm"}) << "who goes together is known";
  decide("all", {true});
  bench.roll_out("all", {{"sm"}}, [](api::RlsRollout& rollout) {
    rollout.meta.uid = "made anew";
    --rollout.meta.generation;
  });
  EXPECT_FALSE(wave()->open);
}

TEST_F(WavesSeen, WhatIsForgottenIsClosed) {
  bench.roll_out("all", {{"sm"}});
  decide("all", {true});
  bench.waves.forget_gone();
  EXPECT_TRUE(wave()->open) << "it is still there";
  bench.waves.forget_all();
  EXPECT_FALSE(wave()->open) << "of an earlier leadership";
}

TEST_F(WavesSeen, WhoIsNotNamedWaitsForNoWave) {
  bench.roll_out("all", {{"sm"}});
  EXPECT_FALSE(wave("ab"));
  decide("all", {false});
  EXPECT_FALSE(wave("ab"));
}

TEST_F(WavesSeen, OfAnotherDatabaseOrNamespaceItIsNone) {
  bench.roll_out("all", {{"sm"}}, [](api::RlsRollout& rollout) { rollout.spec.database = "other"; });
  EXPECT_FALSE(wave());
}

TEST_F(WavesSeen, TwoThatNameAProjectCloseIt) {
  bench.roll_out("all", {{"sm"}});
  bench.roll_out("more", {{"ab"}, {"sm"}});
  decide("all", {true});
  decide("more", {true, true});
  EXPECT_FALSE(wave()->open);
  EXPECT_THAT(wave()->why, HasSubstr("names the project, too: remove it from one of them"));
  EXPECT_TRUE(wave("ab")->open);
}

TEST_F(WavesSeen, AnUnreadableRolloutHoldsWhomItMade) {
  bench.roll_out("all", {}, [](api::RlsRollout& rollout) {
    rollout.spec = {};
    rollout.spec_problem = "spec.waves: required";
  });
  EXPECT_FALSE(wave());
  bench.apply("sm", Phase::enforcing, [](api::RlsMigration& migration) { migration.rollout = "all"; });
  ASSERT_TRUE(wave());
  EXPECT_FALSE(wave()->open);
  EXPECT_THAT(wave()->why, HasSubstr("spec.waves: required"));
  EXPECT_EQ(wave()->rollout, "all");
}

}  // namespace
}  // namespace rls::reconcile
