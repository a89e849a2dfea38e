// The gate Window: a freeze, and the windows of the migration.

#include <gtest/gtest.h>

#include "controller/decide/gates.hpp"

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
    migration.spec.phase = Phase::shadow;
    seen.database = DatabaseState::ok;
    seen.project_known = true;
    seen.phase_since = at("2026-01-01T00:00:00Z");
    seen.now = at("2026-01-15T12:00:00Z");
  }
  void add(const std::string& schedule, Duration duration, const std::string& zone = "UTC") {
    migration.spec.gates.windows.push_back({schedule, duration, zone});
  }
  [[nodiscard]] GateResult gate() const { return gates::window({migration, policy, seen, Phase::shadow}); }
  [[nodiscard]] Plan plan() const { return decide(migration, policy, seen); }
};

TEST(WindowGate, WithoutWindowsItIsAlwaysOpen) {
  EXPECT_EQ(Case().gate().state, GateState::passed);
  EXPECT_EQ(Case().plan().step, StepKind::up);
}

TEST(WindowGate, R_C4_OutsideItWaitsForTheNextOpening) {
  Case c;
  c.add("0 2 * * *", 4h, "Europe/Berlin");
  const GateResult gate = c.gate();
  EXPECT_EQ(gate.state, GateState::waiting);
  EXPECT_EQ(gate.passes_at, at("2026-01-16T01:00:00Z"));
  EXPECT_EQ(gate.required, "0 2 * * * for 4h Europe/Berlin");
  EXPECT_EQ(gate.message,
            "outside the windows of spec.gates: the next opens at 2026-01-16T01:00:00Z (0 2 * * * for 4h "
            "Europe/Berlin); "
            "demotions still happen");
  const Plan plan = c.plan();
  EXPECT_EQ(plan.step, StepKind::none);
  EXPECT_EQ(plan.standing, Standing::awaiting_gates);
  EXPECT_EQ(plan.recheck_at, at("2026-01-16T01:00:00Z"));
}

TEST(WindowGate, OfTheFloorAndOfItsOwnBothMustBeOpen) {
  Case c;
  c.policy.minimum_gates.windows.push_back({"0 2 * * *", 4h, "UTC"});
  EXPECT_EQ(c.gate().state, GateState::waiting);
  EXPECT_NE(c.gate().message.find("spec.minimumGates of the RlsDatabase"), std::string::npos);
  c.add("0 12 * * *", 4h);
  EXPECT_EQ(c.gate().state, GateState::waiting) << "its own is open, the floor's is not";
  c.policy.minimum_gates.windows.push_back({"0 11 * * *", 2h, "UTC"});
  EXPECT_EQ(c.gate().state, GateState::passed);
}

TEST(WindowGate, R_C4_InsideItPassesUntilTheLastMicrosecond) {
  Case c;
  c.add("0 12 * * *", 4h);
  for (const char* now : {"2026-01-15T12:00:00Z", "2026-01-15T15:59:59.999999Z"}) {
    c.seen.now = at(now);
    const GateResult gate = c.gate();
    EXPECT_EQ(gate.state, GateState::passed) << now;
    EXPECT_EQ(gate.required + gate.message, "") << "detail stands where it is not passed";
    EXPECT_EQ(c.plan().step, StepKind::up) << now;
  }
  for (const char* now : {"2026-01-15T11:59:59.999999Z", "2026-01-15T16:00:00Z"}) {
    c.seen.now = at(now);
    EXPECT_EQ(c.gate().state, GateState::waiting) << now;
    EXPECT_EQ(c.plan().step, StepKind::none) << now;
  }
}

TEST(WindowGate, OneOfSeveralIsEnoughAndTheNextIsNamed) {
  Case c;
  c.add("0 2 * * *", 1h);
  c.add("30 13 * * *", 90min, "Europe/Berlin");
  GateResult gate = c.gate();
  EXPECT_EQ(gate.passes_at, at("2026-01-15T12:30:00Z"));
  EXPECT_EQ(gate.required, "0 2 * * * for 1h UTC, or 30 13 * * * for 1h30m Europe/Berlin");
  EXPECT_NE(gate.message.find("2026-01-15T12:30:00Z (30 13 * * * for 1h30m Europe/Berlin)"),
            std::string::npos);
  c.seen.now = at("2026-01-15T12:30:00Z");
  EXPECT_EQ(c.gate().state, GateState::passed);
}

TEST(WindowGate, WhatCannotBeReadIsUnknownAndNeverPasses) {
  const auto says = [](const std::string& schedule, Duration duration, const std::string& zone,
                       const std::string& wanted) {
    Case c;
    c.add("* * * * *", 1min);  // open, always
    c.add(schedule, duration, zone);
    const GateResult gate = c.gate();
    EXPECT_EQ(gate.state, GateState::unknown) << wanted;
    EXPECT_NE(gate.message.find(wanted), std::string::npos) << gate.message;
    EXPECT_EQ(c.plan().step, StepKind::none);
    EXPECT_EQ(c.plan().blocked_by(), std::vector<std::string_view>{"Window"});
  };
  says("0 2 * *", 4h, "UTC", "windows[1].schedule: \"0 2 * *\": it has 4 fields");
  says("0 2 30 2 *", 4h, "UTC", "windows[1].schedule: \"0 2 30 2 *\": it never comes");
  says("0 2 * * *", 0h, "UTC", "windows[1].duration: 0s");
  says("0 2 * * *", 4h, "Mars/Olympus", "windows[1].timeZone: time zone \"Mars/Olympus\"");
}

TEST(WindowGate, AFreezeCountsInsideAWindow) {
  Case c;
  c.add("0 12 * * *", 4h);
  c.policy.freeze = api::Freeze{"incident 7", at("2026-01-15T13:00:00Z")};
  EXPECT_EQ(c.gate().state, GateState::blocked);
  EXPECT_EQ(c.gate().passes_at, at("2026-01-15T13:00:00Z"));
  c.seen.now = at("2026-01-15T13:00:00Z");
  EXPECT_EQ(c.gate().state, GateState::passed) << "it is over, and the window still open";
  c.seen.now = at("2026-01-15T16:00:00Z");
  EXPECT_EQ(c.gate().state, GateState::waiting) << "it is over, and so is the window";
  c.policy.freeze->until.reset();
  EXPECT_EQ(c.gate().state, GateState::blocked);
}

TEST(WindowGate, R_A4_DownGoesWithoutAWindow) {
  Case c;
  c.add("0 2 1 1 *", 1h);
  c.add("nonsense", 0h, "nowhere");
  c.seen.phase = c.seen.last_ours = Phase::enforcing;
  c.migration.spec.phase = Phase::pending;
  EXPECT_EQ(c.plan().step, StepKind::down);
  EXPECT_EQ(c.plan().to, Phase::pending);
}

TEST(WindowGate, BelongsToEveryStepUp) {
  Case c;
  c.add("0 2 * * *", 4h);
  for (const Phase to : {Phase::shadow, Phase::enforcing, Phase::complete}) {
    bool there = false;
    for (const GateResult& gate : evaluate_gates({c.migration, c.policy, c.seen, to})) {
      there = there || (gate.name == "Window" && gate.state == GateState::waiting);
    }
    EXPECT_TRUE(there) << to_string(to);
  }
}

}  // namespace
}  // namespace rls::decide
