// RlsRollouts through the reconciler: makes what is missing, opens wave by wave, and never writes what is
// there.

#include "controller/reconcile/rollouts.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/unit/reconcile/fakes.hpp"

namespace rls::reconcile {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using namespace std::chrono_literals;

class RolloutsInUse : public testing::Test {
 protected:
  Phase phase_of(const std::string& project) { return bench.world.projects.at(project).phase; }
  api::RolloutStatus status(const std::string& name = "all") {
    return bench.caches.rollouts.get({Bench::kNamespace, name})->status;
  }
  std::string reason(const char* type = "Ready") {
    const auto now = status();
    const api::Condition* condition = api::find_condition(now.conditions, type);
    return condition == nullptr ? "" : condition->reason;
  }
  /// Projects of the RlsMigrations that were asked for.
  std::vector<std::string> made() {
    std::vector<std::string> projects;
    for (const auto& call : bench.client.events)
      projects.push_back(json::parse(call.body)["spec"]["project"]);
    return projects;
  }
  void answer(const Result<void>& result) {
    for (auto& call : std::exchange(bench.client.events, {})) call.done(result);
  }
  Bench bench;
};

using Names = std::vector<std::string>;

TEST_F(RolloutsInUse, WhatIsMissingIsMadeOnce) {
  bench.stands("sm", Phase::pending, Phase::pending);
  bench.roll_out("all", {{"sm"}, {"ab", "io"}});
  bench.look_at_database();
  EXPECT_EQ(made(), (Names{"ab", "io"}));
  EXPECT_EQ(json::parse(bench.client.events[0].body)["metadata"]["name"],
            decide::migration_name("all", "ab"));
  answer({});
  for (const char* name : {"ab", "io"}) bench.stands(name, Phase::pending, Phase::complete);
  bench.look_at_database();
  EXPECT_EQ(made(), Names{});
}

TEST_F(RolloutsInUse, WhatTheWatchHasNotToldYetIsNoFailure) {
  bench.roll_out("all", {{"sm"}});
  bench.look_at_database();
  answer(conflict("AlreadyExists", "it is there"));
  bench.look_at_database();
  EXPECT_EQ(reason("Stalled"), "");
  EXPECT_NE(reason(), "AlreadyExists");
}

TEST_F(RolloutsInUse, AnExistingOneIsNeverWritten) {
  bench.stands("sm", Phase::pending, Phase::shadow,
               [](api::RlsMigration& migration) { migration.spec.gates.max_violations = 7; });
  bench.roll_out("all", {{"sm"}});
  for (int i = 0; i < 3; ++i) bench.look_at_database();
  EXPECT_EQ(made(), Names{});
  EXPECT_EQ(bench.caches.migrations.get({Bench::kNamespace, "sm"})->spec.gates.max_violations, 7);
  EXPECT_EQ(phase_of("sm"), Phase::shadow) << "its spec.phase is its owner's";
  EXPECT_EQ(status().migrations.foreign, 1);
}

TEST_F(RolloutsInUse, AFailureToMakeIsToldUntilItIsMade) {
  bench.roll_out("all", {{"sm"}});
  bench.look_at_database();
  answer(terminal("Forbidden", "rlsmigrations is forbidden"));
  bench.look_at_database();
  EXPECT_EQ(reason(), "Forbidden");
  EXPECT_EQ(reason("Stalled"), "Forbidden");
  EXPECT_EQ(made(), Names{"sm"}) << "and it is tried again";
  answer({});
  bench.stands("sm", Phase::pending, Phase::complete);
  bench.look_at_database();
  EXPECT_NE(reason(), "Forbidden");
}

TEST_F(RolloutsInUse, NothingIsMadeWhileTheDatabaseIsAwayAndThatIsTold) {
  bench.roll_out("all", {{"sm"}});
  bench.world.open_error = transient("DatabaseUnreachable", "connection refused");
  bench.look_at_database();
  EXPECT_EQ(made(), Names{});
  EXPECT_EQ(reason(), "DatabaseUnreachable");
}

TEST_F(RolloutsInUse, OneThatIsBeingDeletedMakesNothing) {
  bench.roll_out("all", {{"sm"}}, [](api::RlsRollout& rollout) { rollout.meta.deleting = true; });
  bench.look_at_database();
  EXPECT_EQ(made(), Names{});
}

TEST_F(RolloutsInUse, WhoseRolloutIsGoneGoesOnByItself) {
  bench.stands("sm", Phase::pending, Phase::shadow);
  bench.roll_out("all", {{"other"}, {"sm"}});
  bench.look_at_database();
  EXPECT_EQ(phase_of("sm"), Phase::pending);
  EXPECT_EQ(bench.status("sm").blocked_by, "Wave");
  bench.caches.rollouts.erase({Bench::kNamespace, "all"});
  bench.look_at_database();
  EXPECT_EQ(phase_of("sm"), Phase::shadow);
}

TEST_F(RolloutsInUse, R_A10_TheNextWaveBeginsWhenTheOneBeforeHasArrived) {
  for (const char* name : {"sm", "ab", "io"}) bench.stands(name, Phase::pending, Phase::enforcing);
  bench.roll_out("all", {{"sm", "ab"}, {"io"}},
                 [](api::RlsRollout& rollout) { rollout.spec.phase = Phase::enforcing; });
  bench.look_at_database();
  EXPECT_EQ(phase_of("sm"), Phase::shadow);
  EXPECT_EQ(phase_of("ab"), Phase::shadow);
  EXPECT_EQ(phase_of("io"), Phase::pending);
  EXPECT_EQ(status().open_wave, "one");
  bench.world.now += 168h;
  bench.look_at_database();
  bench.run_due();
  EXPECT_EQ(phase_of("sm"), Phase::enforcing);
  EXPECT_EQ(phase_of("io"), Phase::shadow) << "at once, not at the next look";
  EXPECT_EQ(bench.world.moved_together.back(), Names{"io"});
}

TEST_F(RolloutsInUse, R_A10_AWaveGoesTogether) {
  bench.stands("sm", Phase::shadow, Phase::enforcing);
  bench.stands("ab", Phase::shadow, Phase::enforcing);
  bench.world.projects["ab"].violations = {1, bench.world.now};
  bench.roll_out("all", {{"sm", "ab"}});
  bench.look_at_database();
  EXPECT_EQ(phase_of("sm"), Phase::shadow);
  EXPECT_EQ(bench.status("sm").blocked_by, "Group");
  EXPECT_THAT(status().message, HasSubstr("ab"));
}

TEST_F(RolloutsInUse, ASuspendedMemberIsNamedAsThat) {
  bench.apply("sm", Phase::complete, [](auto& m) { m.spec.suspend = true; });
  bench.world.projects["sm"] = {.phase = Phase::shadow, .last_ours = Phase::shadow};
  bench.world.now += 168h;
  bench.roll_out("all", {{"sm"}});
  bench.look_at_database();
  bench.look_at_database();
  EXPECT_THAT(status().message, HasSubstr("Suspended"));
}

TEST_F(RolloutsInUse, AFrozenOneGoesOnWhenItThaws) {
  bench.stands("sm", Phase::pending, Phase::shadow);
  bench.roll_out("all", {{"sm"}}, [&](api::RlsRollout& rollout) {
    rollout.spec.freeze = api::Freeze{"incident", bench.world.now + 5s};
  });
  bench.look_at_database();
  EXPECT_EQ(phase_of("sm"), Phase::pending);
  bench.clock.offset += 5s;
  bench.world.now += 5s;
  bench.run_due();
  EXPECT_EQ(phase_of("sm"), Phase::shadow) << "then, and not only at the next look";
}

TEST_F(RolloutsInUse, AFrozenOneHoldsNoRollbackUp) {
  bench.stands("sm", Phase::enforcing, Phase::pending);
  bench.roll_out("all", {{"sm"}}, [](api::RlsRollout& rollout) {
    rollout.spec.freeze = api::Freeze{"incident", std::nullopt};
  });
  bench.look_at_database();
  EXPECT_EQ(phase_of("sm"), Phase::pending);
}

TEST_F(RolloutsInUse, AWriteOfItsStatusBringsNoOther) {
  bench.stands("sm", Phase::pending, Phase::shadow);
  bench.roll_out("all", {{"sm"}});
  bench.look_at_database();
  int writes = 0;
  bench.client.on_put = [&] { ++writes; };
  for (int i = 0; i < 3; ++i) bench.look_at_database();
  EXPECT_EQ(writes, 0);
}

}  // namespace
}  // namespace rls::reconcile
