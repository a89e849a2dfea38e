// spec.overrides: a person passes over a gate, where the cluster proves that the person may.

#include <gmock/gmock.h>

#include "tests/unit/decide/subject.hpp"

namespace rls::decide {
namespace {

using api::GateState;
using testing::HasSubstr;

/// A project that waits for its soak until `now` + 1h.
struct Waiting : Subject {
  Waiting() { seen.phase_since = seen.now - migration.spec.gates.shadow_soak + 1h; }
  void pass_over(std::vector<std::string> gates, Duration lasts, const std::string& reason = "ticket 7") {
    migration.spec.overrides.push_back({std::move(gates), reason, seen.now + lasts});
  }
};

TEST(Overrides, FourGatesCannotBePassedOver) {
  for (const GateResult& gate : evaluate_gates(Subject().to(Phase::enforcing))) {
    const bool may =
        gate.name != "Database" && gate.name != "Evidence" && gate.name != "Approval" && gate.name != "Hold";
    EXPECT_EQ(may_be_overridden(gate.name), may) << gate.name;
  }
}

TEST(Overrides, SaysUntilWhenWhyAndWhatElse) {
  Waiting c;
  c.pass_over({"SoakTime"}, 30h);
  const GateResult gate = c.gate("SoakTime");
  EXPECT_EQ(gate.state, GateState::overridden);
  EXPECT_TRUE(gate.open());
  EXPECT_THAT(gate.message,
              HasSubstr("overridden until 2026-01-16T18:00:00Z: \"ticket 7\"; else: clean since"));
  const Plan plan = c.plan();
  EXPECT_EQ(plan.step, StepKind::up);
  EXPECT_THAT(plan.step_reason, HasSubstr("all gates passed but SoakTime overridden until"));
  EXPECT_THAT(plan.overridden, HasSubstr("ticket 7"));
}

TEST(Overrides, EndAtTheirExpiryToTheMicrosecond) {
  Waiting c;
  c.pass_over({"SoakTime"}, 1us);
  EXPECT_EQ(c.plan().step, StepKind::up);
  c.seen.now += 1us;
  EXPECT_EQ(c.plan().step, StepKind::none);
  EXPECT_EQ(c.plan().overridden, "");
}

TEST(Overrides, OfSeveralTheLongestCounts) {
  Waiting c;
  c.pass_over({"SoakTime"}, 10s, "short");
  c.pass_over({"Posture", "SoakTime"}, 40s, "long");
  c.pass_over({"SoakTime"}, 20s, "middle");
  EXPECT_THAT(c.gate("SoakTime").message, HasSubstr("\"long\""));
  EXPECT_EQ(c.gate("SoakTime").passes_at, c.seen.now + 40s);
}

TEST(Overrides, WhatPassesByItselfBeforeIsLookedAtThen) {
  Waiting c;
  c.pass_over({"SoakTime"}, 100h);
  c.seen.transactions = 0;
  EXPECT_EQ(c.plan().recheck_at, c.seen.now + 1h);
  c.seen.now += 1h;
  EXPECT_EQ(c.gate("SoakTime").state, GateState::passed);
  EXPECT_EQ(c.plan().overridden, "");
}

TEST(Overrides, AnOpenGateIsNotOverridden) {
  Subject c;
  c.migration.spec.overrides = {{{"SoakTime", "Posture"}, "x", c.seen.now + 1h}};
  const Plan plan = c.plan();
  EXPECT_EQ(plan.step_reason, "all gates passed");
  EXPECT_EQ(plan.overridden, "");
}

TEST(Overrides, WithoutTheAdmissionPolicyNoneIsFollowed) {
  Waiting c;
  c.pass_over({"SoakTime"}, 10h);
  c.seen.override_guard = {false, "the policy is not installed"};
  EXPECT_EQ(c.gate("SoakTime").state, GateState::waiting);
  EXPECT_THAT(c.gate("SoakTime").message,
              HasSubstr("spec.overrides is not followed: the policy is not installed"));
  EXPECT_EQ(c.plan().step, StepKind::none);
  EXPECT_EQ(c.plan().eligible_at, c.seen.now + 1h);
}

TEST(Overrides, HaveAConditionOfTheirOwnThatNamesEach) {
  Waiting c;
  c.pass_over({"SoakTime", "Posture"}, 100h);
  c.seen.posture->critical = 1;
  c.seen.transactions = 0;
  const Plan plan = c.plan();
  EXPECT_EQ(plan.blocked_by(), std::vector<std::string_view>{"Transactions"});
  const auto conditions = conditions_of(plan, c.seen, 1);
  const api::Condition* condition = api::find_condition(conditions, "Overridden");
  ASSERT_NE(condition, nullptr);
  EXPECT_THAT(condition->message, HasSubstr("SoakTime overridden"));
  EXPECT_THAT(condition->message, HasSubstr("; Posture overridden"));
  EXPECT_EQ(api::find_condition(conditions, "Ready")->reason, "AwaitingGates");
}

TEST(Overrides, DoNotMakeSilenceEvidenceOfViolations) {
  Waiting c;
  c.seen.violations_exact = false;
  c.pass_over({"SoakTime"}, 10h);
  const Plan plan = c.plan();
  EXPECT_EQ(plan.step, StepKind::none);
  EXPECT_TRUE(plan.needs_exact_count);
}

TEST(Overrides, PassOverUnknownToo) {
  Subject c;
  c.seen.violations_known = false;
  c.migration.spec.overrides = {{{"Violations"}, "x", c.seen.now + 1h}};
  EXPECT_EQ(c.gate("Violations").state, GateState::overridden);
}

TEST(Overrides, ANameThatIsNoGateDoesNothing) {
  Waiting c;
  c.pass_over({"soaktime", "SoakTime ", ""}, 10h);
  EXPECT_EQ(c.plan().step, StepKind::none);
}

}  // namespace
}  // namespace rls::decide
