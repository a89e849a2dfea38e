// The brake: the annotation, the hold row of the database, and `resume`, which lets it go.

#include <gmock/gmock.h>

#include "tests/unit/decide/subject.hpp"

namespace rls::decide {
namespace {

using api::GateState;
using testing::HasSubstr;

TEST(HoldGate, BlocksAboveTheBrakeAndPassesUpToIt) {
  for (const Phase brake : kPhases) {
    for (const Phase to : {Phase::shadow, Phase::enforcing, Phase::complete}) {
      const GateState expected = brake < to ? GateState::blocked : GateState::passed;
      Subject annotated, held;
      annotated.migration.hold_at = brake;
      held.seen.hold = HoldRow{brake, "dba"};
      EXPECT_EQ(annotated.gate("Hold", to).state, expected);
      EXPECT_EQ(held.gate("Hold", to).state, expected);
    }
  }
}

TEST(HoldGate, NamesWhoHoldsAndHowToGoOn) {
  Subject c;
  c.seen.hold = HoldRow{Phase::shadow, "check \"errors\""};
  EXPECT_EQ(
      c.gate("Hold").message,
      "held at shadow in the database by \"check \\\"errors\\\"\"; to let it go on, run: rlsctl resume sm "
      "--namespace team-a");
}

TEST(Held, ByACheckItStallsByAPersonItIsCalm) {
  Subject c;
  c.seen.hold = HoldRow{Phase::shadow, "dba"};
  EXPECT_EQ(c.plan().standing, Standing::held);
  c.seen.hold->by = "check errors";
  EXPECT_EQ(c.plan().standing, Standing::check_failed);
  c.seen.hold->by = "checker";
  EXPECT_EQ(c.plan().standing, Standing::held) << "a role that is called so is no check";
}

TEST(Held, TheGatesAreShownAllTheSame) {
  Subject c;
  c.migration.hold_at = Phase::shadow;
  EXPECT_EQ(c.plan().gates.size(), 13U);
  EXPECT_TRUE(c.plan().held);
}

TEST(Held, ByThePhaseItWantsItIsNotHeld) {
  Subject c;
  c.stands_in(Phase::enforcing);
  c.seen.hold = HoldRow{Phase::enforcing, "dba"};
  EXPECT_TRUE(c.plan().target_reached);
  EXPECT_FALSE(c.plan().held);
}

TEST(Resume, EachValueCountsOnce) {
  Subject c;
  c.seen.hold = HoldRow{Phase::shadow, "check errors"};
  c.migration.resume = "2026-01-15 ann";
  const Plan plan = c.plan();
  EXPECT_EQ(plan.step, StepKind::resume);
  EXPECT_EQ(plan.to, Phase::shadow) << "the phase stays";
  EXPECT_EQ(plan.step_reason, "resumed by annotation rls-operator.dev/resume");
  c.seen.resume_followed = true;
  EXPECT_EQ(c.plan().step, StepKind::none);
  c.migration.resume += " again";
  c.seen.resume_followed = false;
  EXPECT_EQ(c.plan().step, StepKind::resume);
  c.migration.resume.clear();
  EXPECT_EQ(c.plan().step, StepKind::none) << "taking it away is no word";
}

TEST(Resume, WhatIsAboveItsTargetGoesDownFirst) {
  Subject c;
  c.stands_in(Phase::complete);
  c.migration.spec.phase = Phase::complete;
  c.migration.resume = "now";
  c.seen.hold = HoldRow{Phase::shadow, "dba"};
  const Plan plan = c.plan();
  EXPECT_EQ(plan.step, StepKind::down);
  EXPECT_EQ(plan.to, Phase::shadow);
  EXPECT_THAT(plan.step_reason, HasSubstr("by \"dba\""));
  c.stands_in(Phase::shadow);
  EXPECT_EQ(c.plan().step, StepKind::resume);
}

TEST(Resume, WorksInEveryStateOfTheProject) {
  const auto changes = std::vector<std::function<void(Subject&)>>{
      [](Subject& c) { c.migration.spec.suspend = true; },
      [](Subject& c) {
        c.policy.freeze = api::Freeze{"incident", std::nullopt};
      },
      [](Subject& c) { c.migration.hold_at = Phase::shadow; },
      [](Subject& c) { c.migration.hold_at_unreadable = "shadwo"; },
      [](Subject& c) { c.seen.evidence.state = Evidence::State::unknown; },
      [](Subject& c) { c.seen.last_ours = Phase::pending; },
      [](Subject& c) { c.seen.last_ours = Phase::enforcing; }};
  for (const auto& change : changes) {
    Subject c;
    change(c);
    c.migration.resume = "now";
    c.seen.hold = HoldRow{Phase::shadow, "dba"};
    EXPECT_EQ(c.plan().step, StepKind::resume);
  }
}

TEST(Resume, DoesNothingWhereTheDatabaseCannotBeTrusted) {
  Subject c;
  c.migration.resume = "now";
  c.seen.database = DatabaseState::claimed;
  EXPECT_EQ(c.plan().step, StepKind::none);
  c.seen.database = DatabaseState::ok;
  c.seen.conflict_with_older = "first";
  EXPECT_EQ(c.plan().step, StepKind::none);
}

}  // namespace
}  // namespace rls::decide
