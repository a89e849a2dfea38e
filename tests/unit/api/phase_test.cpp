#include "controller/api/phase.hpp"

#include <gtest/gtest.h>

#include "controller/api/migration.hpp"

namespace rls {
namespace {

TEST(Phase, NamesAreReadBack) {
  for (const Phase phase : kPhases) EXPECT_EQ(parse_phase(to_string(phase)), phase);
}

TEST(Phase, AnythingElseIsNoPhase) {
  for (const char* text : {"", "Shadow", "SHADOW", " shadow", "shadow ", "shadow\n", "enforced", "0"}) {
    EXPECT_EQ(parse_phase(text), std::nullopt) << '"' << text << '"';
  }
  EXPECT_EQ(parse_phase(std::string_view("shadow\0", 7)), std::nullopt);
}

TEST(Phase, GoesUpOneStepAtATime) {
  EXPECT_EQ(next_phase(Phase::pending), Phase::shadow);  // R-A2: never past it
  EXPECT_EQ(next_phase(Phase::shadow), Phase::enforcing);
  EXPECT_EQ(next_phase(Phase::enforcing), Phase::complete);
}

TEST(Phase, IsOrdered) {
  for (std::size_t i = 1; i < kPhases.size(); ++i) EXPECT_LT(kPhases[i - 1], kPhases[i]);
}

TEST(Phase, EnforcesFromEnforcingOn) {
  EXPECT_FALSE(enforces(Phase::pending));
  EXPECT_FALSE(enforces(Phase::shadow));
  EXPECT_TRUE(enforces(Phase::enforcing));
  EXPECT_TRUE(enforces(Phase::complete));
}

TEST(GateState, NamesAreReadBack) {
  using api::GateState;
  for (const GateState state : {GateState::passed, GateState::waiting, GateState::blocked, GateState::unknown,
                                GateState::overridden}) {
    EXPECT_EQ(api::parse_gate_state(api::to_string(state)), state);
  }
  for (const char* text : {"", "passed", "PASSED", "Passed ", "Failed"}) {
    EXPECT_EQ(api::parse_gate_state(text), std::nullopt) << '"' << text << '"';
  }
}

}  // namespace
}  // namespace rls
