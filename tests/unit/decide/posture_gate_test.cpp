// The gate Posture: no finding that makes isolation an illusion.

#include "tests/unit/decide/subject.hpp"

namespace rls::decide {
namespace {

using api::GateState;

TEST(PostureGate, WithoutFindingsItPasses) { EXPECT_EQ(Subject().gate("Posture").state, GateState::passed); }

TEST(PostureGate, OnlyCriticalFindingsBlock) {
  Subject c;
  c.seen.posture =
      Posture{.critical = 0, .high = 9, .medium = 9, .low = 9, .worst = "IndexNotUsed app.nodes"};
  EXPECT_EQ(c.gate("Posture").state, GateState::passed);
  c.seen.posture->critical = 2;
  c.seen.posture->worst = "OwnerBypasses app.nodes: the application owns it";
  const GateResult gate = c.gate("Posture");
  EXPECT_EQ(gate.state, GateState::blocked);
  EXPECT_EQ(gate.observed, "2 critical");
  EXPECT_EQ(gate.message, "OwnerBypasses app.nodes: the application owns it");
}

TEST(PostureGate, WithoutASentenceItSaysWhereToLook) {
  Subject c;
  c.seen.posture->critical = 1;
  EXPECT_EQ(c.gate("Posture").message, "see status.findings of the RlsDatabase");
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
  c.seen.posture->critical = 1;
  for (const GateResult& gate : evaluate_gates(c.to(Phase::shadow))) EXPECT_NE(gate.name, "Posture");
  EXPECT_EQ(c.gate("Posture", Phase::complete).state, GateState::blocked);
}

}  // namespace
}  // namespace rls::decide
