// The gate Wave: what an RlsRollout says of the project's wave.

#include "tests/unit/decide/subject.hpp"

namespace rls::decide {
namespace {

using api::GateState;

struct Waved : Subject {
  Waved() {
    seen.wave =
        WaveState{.rollout = "all", .name = "two", .open = true, .frozen = false, .why = "", .members = {}};
  }
};

TEST(WaveGate, WithoutRolloutItPasses) { EXPECT_EQ(Subject().gate("Wave").state, GateState::passed); }

TEST(WaveGate, AnOpenWavePasses) { EXPECT_EQ(Waved().gate("Wave").state, GateState::passed); }

TEST(WaveGate, AClosedOneWaitsAndSaysForWhom) {
  Waved c;
  c.seen.wave->open = false;
  c.seen.wave->why = "wave one: sm is in shadow";
  const GateResult gate = c.gate("Wave");
  EXPECT_EQ(gate.state, GateState::waiting);
  EXPECT_EQ(gate.message, "wave \"two\" of RlsRollout \"all\": wave one: sm is in shadow");
  EXPECT_FALSE(gate.passes_at) << "time alone opens no wave";
}

TEST(WaveGate, AFrozenRolloutBlocksOpenWavesUntilItThaws) {
  Waved c;
  c.seen.wave->frozen = true;
  c.seen.wave->why = "frozen until 2026-01-16T00:00:00Z: incident";
  EXPECT_EQ(c.gate("Wave").state, GateState::blocked);
  EXPECT_FALSE(c.gate("Wave").passes_at);
  c.seen.wave->thaws_at = c.seen.now + 12h;
  EXPECT_EQ(c.gate("Wave").passes_at, c.seen.now + 12h);
  EXPECT_EQ(c.plan().recheck_at, c.seen.now + 12h);
}

TEST(WaveGate, AThawThatIsOverIsNoTimeToLookAgain) {
  Waved c;
  c.seen.wave->frozen = true;
  c.seen.wave->thaws_at = c.seen.now;
  EXPECT_FALSE(c.plan().recheck_at) << "the rollout says itself when it is";
}

TEST(WaveGate, BelongsToEveryStepUpAndToNoneDown) {
  Waved c;
  c.seen.wave->open = false;
  for (const Phase to : {Phase::shadow, Phase::enforcing, Phase::complete})
    EXPECT_EQ(c.gate("Wave", to).state, GateState::waiting);
  c.stands_in(Phase::complete);
  EXPECT_EQ(c.plan().step, StepKind::down);
}

}  // namespace
}  // namespace rls::decide
