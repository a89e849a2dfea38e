// The gate Posture: no finding that makes isolation an illusion.

#include "tests/unit/decide/subject.hpp"

namespace rls::decide {
namespace {

using api::GateState;

TEST(PostureGate, WithoutFindingsItPasses) { EXPECT_EQ(Subject().gate("Posture").state, GateState::passed); }

TEST(PostureGate, AFindingThatIsBadEnoughBlocks) {
  Subject c;
  c.seen.posture = Posture{.blocking = 2, .worst = "OwnerBypasses app.nodes: the application owns it"};
  const GateResult gate = c.gate("Posture");
  EXPECT_EQ(gate.state, GateState::blocked);
  EXPECT_EQ(gate.observed, "2 findings");
  EXPECT_EQ(gate.required, "no finding about the database of severity Critical or worse");
  EXPECT_EQ(gate.message,
            "OwnerBypasses app.nodes: the application owns it; mend it, or accept it in spec.posture of the "
            "RlsDatabase");
}

TEST(PostureGate, OfAManagedRuntimeSilenceIsNotEvidence) {
  Subject c;
  c.seen.posture.reset();
  EXPECT_EQ(c.gate("Posture").state, GateState::unknown);
  EXPECT_EQ(c.plan().step, StepKind::none);
}

TEST(PostureGate, OfAnAdoptedRuntimeNobodyLooks) {
  Subject c;
  c.seen.posture.reset();
  c.seen.managed = false;
  EXPECT_EQ(c.gate("Posture").state, GateState::passed);
}

TEST(PostureGate, DoesNotStandBeforeShadow) {
  Subject c;
  c.seen.posture->blocking = 1;
  for (const GateResult& gate : evaluate_gates(c.to(Phase::shadow))) EXPECT_NE(gate.name, "Posture");
  EXPECT_EQ(c.gate("Posture", Phase::complete).state, GateState::blocked);
}

}  // namespace
}  // namespace rls::decide
