// The gate Checks, and the checks that go on after the step.

#include <gmock/gmock.h>

#include "tests/unit/decide/subject.hpp"

namespace rls::decide {
namespace {

using api::CheckSpec;
using api::GateState;
using State = CheckState::State;
using testing::HasSubstr;

struct Checked : Subject {
  CheckSpec& check(const std::string& name, std::vector<Phase> phases = {}) {
    return migration.spec.gates.checks.emplace_back(CheckSpec{.name = name, .phases = std::move(phases)});
  }
  CheckSpec& watch(const std::string& name, std::vector<Phase> phases = {}) {
    CheckSpec& out = check(name, std::move(phases));
    out.every = 60s;
    out.on_failure = CheckSpec::OnFailure::rollback;
    return out;
  }
  /// Demanded by the database.
  CheckSpec& floor(const std::string& name, std::vector<Phase> phases = {}) {
    CheckSpec& out =
        policy.minimum_gates.checks.emplace_back(CheckSpec{.name = name, .phases = std::move(phases)});
    out.demanded_by = CheckSpec::DemandedBy::database;
    return out;
  }
  CheckSpec& watching_floor(const std::string& name, std::vector<Phase> phases = {}) {
    CheckSpec& out = floor(name, std::move(phases));
    out.every = 60s;
    out.on_failure = CheckSpec::OnFailure::rollback;
    return out;
  }
  void found(const std::string& name, State state, const std::string& message = "it says so") {
    seen.checks[name] = {state, message};
  }
};

TEST(ChecksGate, WithoutChecksItPasses) { EXPECT_EQ(Checked().gate("Checks").state, GateState::passed); }

TEST(ChecksGate, WhatHasNotRunIsUnknownAndNamed) {
  Checked c;
  c.check("suite");
  const GateResult gate = c.gate("Checks");
  EXPECT_EQ(gate.state, GateState::unknown);
  EXPECT_EQ(gate.message, "\"suite\": has not run yet");
  EXPECT_EQ(c.plan().step, StepKind::none);
}

TEST(ChecksGate, FailedBeforeUnknownAndBothAreNamed) {
  Checked c;
  for (const char* name : {"canary", "errors", "latency", "suite"}) c.check(name);
  c.found("canary", State::failed, "2 rows");
  c.found("errors", State::passed, "fine");
  c.found("latency", State::unknown, "no answer");
  const GateResult gate = c.gate("Checks");
  EXPECT_EQ(gate.state, GateState::blocked);
  EXPECT_EQ(gate.message,
            "\"canary\": 2 rows; not known yet: \"latency\": no answer; \"suite\": has not run yet");
}

TEST(ChecksGate, EachGuardsItsPhases) {
  Checked c;
  c.check("suite", {Phase::shadow, Phase::complete});
  c.found("suite", State::failed);
  EXPECT_EQ(c.gate("Checks", Phase::shadow).state, GateState::blocked);
  EXPECT_EQ(c.gate("Checks", Phase::enforcing).state, GateState::passed);
  EXPECT_EQ(c.gate("Checks", Phase::complete).state, GateState::blocked);
}

TEST(ChecksGate, AllPassed) {
  Checked c;
  c.check("suite");
  c.found("suite", State::passed);
  EXPECT_EQ(c.gate("Checks").state, GateState::passed);
  EXPECT_EQ(c.plan().step, StepKind::up);
}

TEST(ChecksGate, ThoseOfTheDatabaseAreAskedOfAMigrationWithoutItsOwn) {
  Checked c;
  c.floor("suite");
  EXPECT_EQ(c.gate("Checks").state, GateState::unknown);
  EXPECT_EQ(c.gate("Checks").message, "\"suite\" of the database: has not run yet");
  c.found("database/suite", State::failed, "2 rows");
  EXPECT_EQ(c.gate("Checks").state, GateState::blocked);
  EXPECT_EQ(c.gate("Checks").message, "\"suite\" of the database: 2 rows");
  EXPECT_EQ(c.plan().step, StepKind::none);
  c.found("database/suite", State::passed);
  EXPECT_EQ(c.gate("Checks").state, GateState::passed);
  EXPECT_EQ(c.plan().step, StepKind::up);
}

TEST(ChecksGate, OfOneNameInBothNeitherHidesTheOther) {
  Checked c;
  c.check("suite");
  c.floor("suite");
  c.found("suite", State::passed);
  EXPECT_EQ(c.gate("Checks").message, "\"suite\" of the database: has not run yet");
  c.found("database/suite", State::failed, "of the floor");
  EXPECT_EQ(c.gate("Checks").message, "\"suite\" of the database: of the floor");
  c.found("suite", State::failed, "its own");
  EXPECT_EQ(c.gate("Checks").message, "\"suite\": its own; \"suite\" of the database: of the floor");
  c.found("database/suite", State::passed);
  EXPECT_EQ(c.gate("Checks").message, "\"suite\": its own");
  c.found("suite", State::passed);
  EXPECT_EQ(c.gate("Checks").state, GateState::passed);
}

TEST(ChecksGate, ThoseOfTheDatabaseGuardTheirPhases) {
  Checked c;
  c.floor("suite", {Phase::complete});
  c.found("database/suite", State::failed);
  EXPECT_EQ(c.gate("Checks", Phase::shadow).state, GateState::passed);
  EXPECT_EQ(c.gate("Checks", Phase::enforcing).state, GateState::passed);
  EXPECT_EQ(c.gate("Checks", Phase::complete).state, GateState::blocked);
}

// Which checks take a project back, phase by phase.
TEST(WatchingCheck, TakesBackFromEnforcingAndCompleteAlone) {
  for (const Phase phase : kPhases) {
    Checked c;
    c.watch("errors");
    c.found("errors", State::failed, "9 % errors");
    c.migration.spec.phase = Phase::complete;
    c.stands_in(phase);
    const Plan plan = c.plan();
    if (phase < Phase::enforcing) {
      EXPECT_EQ(plan.step, StepKind::none) << to_string(phase);
      EXPECT_FALSE(plan.latch);
      continue;
    }
    EXPECT_EQ(plan.step, StepKind::down);
    EXPECT_EQ(plan.to, Phase::shadow);
    EXPECT_EQ(plan.step_reason, "check \"errors\" failed: 9 % errors");
    ASSERT_TRUE(plan.latch);
    EXPECT_EQ(plan.latch->at, Phase::shadow);
    EXPECT_EQ(plan.latch->by, "check errors");
    EXPECT_TRUE(plan.latch->by_check());
  }
}

TEST(WatchingCheck, OnlyAFailureTakesBack) {
  for (const auto state : {State::passed, State::unknown}) {
    Checked c;
    c.watch("errors");
    c.found("errors", state);
    c.stands_in(Phase::enforcing);
    EXPECT_EQ(c.plan().step, StepKind::none);
  }
  Checked c;
  c.watch("errors");
  c.stands_in(Phase::enforcing);
  EXPECT_EQ(c.plan().step, StepKind::none) << "it has not run";
}

TEST(WatchingCheck, NeedsBothEveryAndRollback) {
  Checked c;
  c.watch("errors").every.reset();
  c.watch("canary").on_failure = CheckSpec::OnFailure::hold;
  c.found("errors", State::failed);
  c.found("canary", State::failed);
  c.stands_in(Phase::enforcing);
  EXPECT_EQ(c.plan().step, StepKind::none);
  EXPECT_TRUE(c.plan().target_reached);
}

TEST(WatchingCheck, WatchesThePhasesItNames) {
  Checked c;
  c.watch("errors", {Phase::enforcing});
  c.found("errors", State::failed);
  c.migration.spec.phase = Phase::complete;
  c.stands_in(Phase::complete);
  EXPECT_EQ(c.plan().step, StepKind::none);
  c.stands_in(Phase::enforcing);
  EXPECT_EQ(c.plan().step, StepKind::down);
}

TEST(WatchingCheck, SaysSoLoudlyWhileItGoesAndAfter) {
  Checked c;
  c.watch("errors");
  c.found("errors", State::failed);
  c.stands_in(Phase::enforcing);
  Plan plan = c.plan();
  auto conditions = conditions_of(plan, c.seen, 1);
  EXPECT_EQ(api::find_condition(conditions, "Ready")->reason, "CheckFailed");
  EXPECT_NE(api::find_condition(conditions, "Reconciling"), nullptr);
  EXPECT_NE(api::find_condition(conditions, "Held"), nullptr);

  c.stands_in(Phase::shadow);
  c.seen.hold = plan.latch;
  c.found("errors", State::passed);
  plan = c.plan();
  conditions = conditions_of(plan, c.seen, 1);
  EXPECT_EQ(plan.step, StepKind::none) << "it does not climb again by itself";
  EXPECT_EQ(api::find_condition(conditions, "Ready")->reason, "CheckFailed");
  EXPECT_NE(api::find_condition(conditions, "Stalled"), nullptr);
  EXPECT_NE(api::find_condition(conditions, "Held"), nullptr);
  EXPECT_THAT(plan.message, HasSubstr("rlsctl resume sm --namespace team-a"));
}

TEST(WatchingCheck, GoesNoHigherThanItsTarget) {
  Checked c;
  c.watch("errors");
  c.found("errors", State::failed);
  c.stands_in(Phase::complete);
  c.seen.hold = HoldRow{Phase::pending, "dba"};
  EXPECT_EQ(c.plan().to, Phase::pending);
}

TEST(WatchingCheck, OfTheDatabaseTakesBackAndIsNamedAsSuch) {
  for (const Phase phase : {Phase::enforcing, Phase::complete}) {
    Checked c;
    c.watching_floor("errors");
    c.watch("errors");
    c.found("errors", State::passed);
    c.found("database/errors", State::failed, "9 % errors");
    c.stands_in(phase);
    const Plan plan = c.plan();
    EXPECT_EQ(plan.to, Phase::shadow);
    EXPECT_EQ(plan.standing, Standing::check_failed);
    EXPECT_EQ(plan.step_reason, "check \"errors\" of the database failed: 9 % errors");
    ASSERT_TRUE(plan.latch);
    EXPECT_EQ(plan.latch->by, "check database/errors");
    EXPECT_TRUE(plan.latch->by_check());
  }
}

TEST(WatchingCheck, OfTheDatabaseWatchesByTheSameRules) {
  Checked c;
  c.watching_floor("errors", {Phase::complete});
  c.watching_floor("canary").on_failure = CheckSpec::OnFailure::hold;
  c.watching_floor("latency");
  c.found("database/errors", State::failed);
  c.found("database/canary", State::failed);
  c.found("database/latency", State::unknown);
  c.stands_in(Phase::enforcing);
  EXPECT_EQ(c.plan().step, StepKind::none) << "another phase, holds alone, and no answer";
  c.stands_in(Phase::complete);
  EXPECT_EQ(c.plan().latch->by, "check database/errors");
}

TEST(WatchingCheck, ItsOwnIsNamedBeforeTheDatabases) {
  Checked c;
  c.watching_floor("errors");
  c.watch("errors");
  c.found("errors", State::failed);
  c.found("database/errors", State::failed);
  c.stands_in(Phase::enforcing);
  EXPECT_EQ(c.plan().latch->by, "check errors");
}

TEST(WatchingCheck, TheFirstThatFailedIsNamed) {
  Checked c;
  c.watch("canary");
  c.watch("errors");
  c.found("canary", State::passed);
  c.found("errors", State::failed);
  c.stands_in(Phase::enforcing);
  EXPECT_EQ(c.plan().latch->by, "check errors");
}

}  // namespace
}  // namespace rls::decide
