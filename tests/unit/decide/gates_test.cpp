// Each gate by itself, and the rules that hold for every state: properties over all combinations.

#include "controller/decide/gates.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "controller/decide/conditions.hpp"

namespace rls::decide {
namespace {

using namespace std::chrono_literals;
using api::GateState;

Time at(const char* text) { return *parse_rfc3339(text); }

struct Case {
  api::RlsMigration migration;
  api::DatabasePolicy policy;
  Observation seen;

  Case() {
    migration.spec.project = "sm";
    migration.spec.phase = Phase::enforcing;
    seen.database = DatabaseState::ok;
    seen.project_known = true;
    seen.phase = seen.last_ours = Phase::shadow;
    seen.phase_since = at("2026-01-01T00:00:00Z");
    seen.evidence.state = Evidence::State::complete;
    seen.now = at("2026-01-15T12:00:00Z");
  }
  [[nodiscard]] GateInput to(Phase phase) const { return {migration, policy, seen, phase}; }
};

TEST(SoakGate, WaitsWhenOneMicrosecondIsMissing) {
  Case c;
  c.seen.phase_since = c.seen.now - 168h + 1us;
  const GateResult gate = gates::soak_time(c.to(Phase::enforcing));
  EXPECT_EQ(gate.state, GateState::waiting);
  EXPECT_EQ(gate.passes_at, c.seen.now + 1us);
}

TEST(SoakGate, R_A6_AViolationRestartsTheClock) {
  Case c;
  c.seen.violations = {1, c.seen.now - 1h};
  EXPECT_EQ(clean_since(c.seen), c.seen.now - 1h);
  EXPECT_EQ(gates::soak_time(c.to(Phase::enforcing)).passes_at, c.seen.now - 1h + 168h);
}

TEST(SoakGate, EnforcingHasItsOwnSoak) {
  Case c;
  c.seen.phase = c.seen.last_ours = Phase::enforcing;
  c.migration.spec.gates.shadow_soak = 0s;
  c.migration.spec.gates.enforcing_soak = 1000h;
  EXPECT_EQ(gates::soak_time(c.to(Phase::complete)).state, GateState::waiting);
}

TEST(ViolationsGate, R_A6_ACountThatMayMissSomethingPromotesNobody) {
  Case c;
  c.seen.violations_exact = false;
  Plan plan = decide(c.migration, c.policy, c.seen);
  EXPECT_EQ(plan.step, StepKind::none);
  EXPECT_TRUE(plan.needs_exact_count);
  c.seen.violations_exact = true;
  plan = decide(c.migration, c.policy, c.seen);
  EXPECT_EQ(plan.step, StepKind::up);
  EXPECT_FALSE(plan.needs_exact_count);
}

TEST(ViolationsGate, WhoWaitsForAnythingElseNeedsNoExactCount) {
  Case c;
  c.seen.violations_exact = false;
  c.seen.phase_since = c.seen.now;
  EXPECT_FALSE(decide(c.migration, c.policy, c.seen).needs_exact_count) << "the soak is not over";
  c.seen.phase = c.seen.last_ours = Phase::pending;
  EXPECT_EQ(decide(c.migration, c.policy, c.seen).step, StepKind::up) << "shadow asks for no violations";
  c.seen.phase = c.seen.last_ours = Phase::complete;
  EXPECT_EQ(decide(c.migration, c.policy, c.seen).step, StepKind::down);
}

TEST(ViolationsGate, BlocksAboveTheLimitAndPassesAtIt) {
  Case c;
  c.migration.spec.gates.max_violations = 5;
  c.seen.violations = {5, c.seen.phase_since + 1h};
  EXPECT_EQ(gates::violations(c.to(Phase::enforcing)).state, GateState::passed);
  c.seen.violations.count = 6;
  EXPECT_EQ(gates::violations(c.to(Phase::enforcing)).state, GateState::blocked);
}

TEST(ViolationsGate, UncountedIsUnknownAndNeverPasses) {
  Case c;
  c.seen.violations_known = false;
  c.seen.violations_message = "there is no audit table";
  EXPECT_EQ(gates::violations(c.to(Phase::enforcing)).state, GateState::unknown);
  EXPECT_EQ(decide(c.migration, c.policy, c.seen).step, StepKind::none);
}

TEST(ViolationsGate, ARunningCounterDoesNotChangeWhatTheGateSays) {
  Case c;
  c.seen.violations = {1, c.seen.now};
  const GateResult one = gates::violations(c.to(Phase::enforcing));
  c.seen.violations = {1'000'000, c.seen.now};
  const GateResult many = gates::violations(c.to(Phase::enforcing));
  EXPECT_EQ(one.observed, many.observed);
  EXPECT_EQ(one.message, many.message);
}

TEST(HoldGate, NamesEveryBrakeAndItsRemedy) {
  Case c;
  c.migration.hold_at = Phase::shadow;
  c.seen.hold = HoldRow{Phase::pending, "ann \"the dba\""};
  const GateResult gate = gates::hold(c.to(Phase::enforcing));
  EXPECT_EQ(gate.state, GateState::blocked);
  EXPECT_NE(gate.message.find("rls-operator.dev/hold-at"), std::string::npos);
  EXPECT_NE(gate.message.find("rlsctl resume"), std::string::npos);
}

// Whoever pulls the brake and misspells it must not see green.
TEST(HoldGate, AnUnreadableAnnotationStallsAndDemotesNothing) {
  Case c;
  c.migration.hold_at_unreadable = "shadwo";
  for (const Phase phase : {Phase::shadow, Phase::enforcing}) {
    c.seen.phase = c.seen.last_ours = phase;
    const Plan plan = decide(c.migration, c.policy, c.seen);
    EXPECT_EQ(plan.step, StepKind::none);
    EXPECT_EQ(plan.standing, Standing::invalid_hold);
    EXPECT_NE(plan.message.find("shadwo"), std::string::npos);
    EXPECT_NE(api::find_condition(conditions_of(plan, c.seen, 1), "Stalled"), nullptr);
    EXPECT_FALSE(plan.target_reached);
  }
  c.migration.spec.phase = Phase::pending;
  EXPECT_EQ(decide(c.migration, c.policy, c.seen).step, StepKind::down) << "a lowered spec still counts";
}

TEST(EvidenceGate, UnknownAndIncompleteNeverPass) {
  Case c;
  for (const auto state : {Evidence::State::incomplete, Evidence::State::unknown}) {
    c.seen.evidence = {state, true, "trigger disabled on public.nodes"};
    const GateResult gate = gates::evidence(c.to(Phase::enforcing));
    EXPECT_EQ(gate.state, GateState::unknown);
    EXPECT_EQ(gate.message, "trigger disabled on public.nodes");
  }
}

TEST(EvidenceGate, ReadsMayBeRequired) {
  Case c;
  c.policy.reads = api::ReadEvidence::required;
  EXPECT_EQ(gates::evidence(c.to(Phase::enforcing)).state, GateState::unknown);
  c.seen.evidence.reads = true;
  EXPECT_EQ(gates::evidence(c.to(Phase::enforcing)).state, GateState::passed);
}

TEST(WindowGate, AFreezeStopsPromotionsUntilItIsOver) {
  Case c;
  c.policy.freeze = api::Freeze{"incident 7", c.seen.now + 1h};
  const Plan plan = decide(c.migration, c.policy, c.seen);
  EXPECT_EQ(plan.step, StepKind::none);
  EXPECT_EQ(plan.recheck_at, c.seen.now + 1h);
  EXPECT_NE(gates::window(c.to(Phase::enforcing)).message.find("incident 7"), std::string::npos);
  c.policy.freeze->until = c.seen.now;
  EXPECT_EQ(decide(c.migration, c.policy, c.seen).step, StepKind::up);
  c.policy.freeze->until.reset();
  EXPECT_EQ(decide(c.migration, c.policy, c.seen).step, StepKind::none) << "without an end it holds";
}

TEST(RequiredGates, OfFloorAndMigrationTheStricterWins) {
  Case c;
  c.policy.minimum_gates = {.shadow_soak = 200h, .enforcing_soak = 1h, .max_violations = 3};
  c.migration.spec.gates = {.shadow_soak = 100h, .enforcing_soak = 50h, .max_violations = 10};
  const api::GatesSpec gates = required_gates(c.to(Phase::enforcing));
  EXPECT_EQ(gates.shadow_soak, 200h);
  EXPECT_EQ(gates.enforcing_soak, 50h);
  EXPECT_EQ(gates.max_violations, 3);
}

TEST(Decide, R_A4_SeveralBrakesTakeTheLowest) {
  Case c;
  c.seen.phase = c.seen.last_ours = Phase::complete;
  c.migration.hold_at = Phase::enforcing;
  c.seen.hold = HoldRow{Phase::shadow, "dba"};
  const Plan plan = decide(c.migration, c.policy, c.seen);
  EXPECT_EQ(plan.step, StepKind::down);
  EXPECT_EQ(plan.to, Phase::shadow);
}

TEST(Decide, ARaisedDriftNeverClimbsOn) {
  Case c;
  c.migration.spec.phase = Phase::complete;
  c.migration.spec.gates.shadow_soak = c.migration.spec.gates.enforcing_soak = 0s;
  c.seen.last_ours = Phase::pending;
  c.seen.wanted_at_drift = Phase::complete;
  EXPECT_EQ(decide(c.migration, c.policy, c.seen).step, StepKind::none);
  EXPECT_EQ(decide(c.migration, c.policy, c.seen).standing, Standing::drifted);
}

/// Visits every combination of what matters to the decision.
template <class Visit>
void for_every_state(const Visit& visit) {
  const std::vector<DatabaseState> databases = {DatabaseState::ok,          DatabaseState::unreachable,
                                                DatabaseState::not_primary, DatabaseState::changed,
                                                DatabaseState::claimed,     DatabaseState::unusable};
  const std::vector<std::optional<Phase>> brakes = {std::nullopt, Phase::pending, Phase::shadow,
                                                    Phase::complete};
  for (const Phase wanted : kPhases) {
    for (const Phase phase : kPhases) {
      for (const Phase ours : kPhases) {
        for (const DatabaseState database : databases) {
          for (const auto& hold_at : brakes) {
            for (const auto& hold_row : brakes) {
              for (int bits = 0; bits < 512; ++bits) {
                Case c;
                c.migration.spec.phase = wanted;
                c.migration.hold_at = hold_at;
                c.migration.spec.suspend = (bits & 1) != 0;
                c.migration.spec.drift =
                    (bits & 2) != 0 ? api::DriftPolicy::revert : api::DriftPolicy::report;
                c.seen.phase = phase;
                c.seen.last_ours = ours;
                c.seen.database = database;
                c.seen.database_reason = "DatabaseUnreachable";
                c.seen.project_known = (bits & 4) == 0;
                if ((bits & 8) != 0) c.seen.violations = {3, c.seen.now - 1h};
                if ((bits & 16) != 0) c.seen.phase_since = c.seen.now - 1h;
                c.seen.violations_known = (bits & 32) == 0;
                if ((bits & 64) != 0) c.seen.wanted_at_drift = Phase::complete;
                if ((bits & 128) != 0) c.seen.evidence.state = Evidence::State::unknown;
                if ((bits & 256) != 0) c.policy.freeze = api::Freeze{"incident", std::nullopt};
                if (hold_row) c.seen.hold = HoldRow{*hold_row, "dba"};
                visit(c);
              }
            }
          }
        }
      }
    }
  }
}

TEST(Decide, HoldsItsRulesInEveryState) {
  std::int64_t states = 0;
  for_every_state([&](const Case& c) {
    ++states;
    const Plan plan = decide(c.migration, c.policy, c.seen);
    const bool up = plan.step == StepKind::up, down = plan.step == StepKind::down;
    // R-A2: one step at a time, up; never above what is wanted or held.
    if (up) {
      ASSERT_EQ(plan.to, next_phase(c.seen.phase));
      ASSERT_LE(plan.to, c.migration.spec.phase);
      if (c.migration.hold_at) {
        ASSERT_LE(plan.to, *c.migration.hold_at);
      }
      if (c.seen.hold) {
        ASSERT_LE(plan.to, c.seen.hold->at);
      }
      ASSERT_FALSE(c.policy.freeze);
      // Only on evidence, and never while told not to.
      ASSERT_FALSE(c.migration.spec.suspend);
      ASSERT_LE(c.seen.phase, c.seen.last_ours) << "an unearned raise is no ground to climb from";
      if (c.seen.phase != Phase::pending) {
        ASSERT_TRUE(c.seen.evidence.state == Evidence::State::complete || c.seen.phase == Phase::enforcing);
        ASSERT_TRUE(c.seen.violations_known);
        ASSERT_LE(c.seen.violations.count, 0);
        ASSERT_GE(c.seen.now - c.seen.phase_since, 168h);
      }
      for (const GateResult& gate : plan.gates) ASSERT_TRUE(gate.open()) << gate.name;
    }
    // R-A4: down at once to the lowest of what is asked, whatever the gates say.
    const bool usable = c.seen.database == DatabaseState::ok && c.seen.project_known;
    if (down) {
      ASSERT_LT(plan.to, c.seen.phase);
    }
    if (up || down) {
      ASSERT_TRUE(usable) << "nothing moves in a database that cannot be trusted";
    }
    if (usable && c.seen.phase > plan.target && c.seen.phase <= c.seen.last_ours) {
      ASSERT_TRUE(down);
      ASSERT_EQ(plan.to, plan.target);
    }
    // The target is reached only where database, ledger and spec agree.
    ASSERT_EQ(plan.target_reached, usable && c.seen.phase == c.migration.spec.phase &&
                                       c.seen.phase == c.seen.last_ours && plan.step == StepKind::none);

    const auto conditions = conditions_of(plan, c.seen, 7);
    const bool reconciling = api::find_condition(conditions, "Reconciling") != nullptr;
    const bool stalled = api::find_condition(conditions, "Stalled") != nullptr;
    ASSERT_FALSE(reconciling && stalled);
    for (const api::Condition& condition : conditions) {
      ASSERT_EQ(condition.observed_generation, 7);
      ASSERT_FALSE(condition.reason.empty());
    }
    const api::Condition* ready = api::find_condition(conditions, "Ready");
    ASSERT_NE(ready, nullptr);
    if (reconciling || stalled) {
      ASSERT_EQ(ready->status, api::ConditionStatus::is_false);
    }
  });
  EXPECT_EQ(states, 4 * 4 * 4 * 6 * 4 * 4 * 512);
}

}  // namespace
}  // namespace rls::decide
