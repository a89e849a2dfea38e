// The gate Approval: enough different people said yes to this step and to this evidence.

#include <gmock/gmock.h>

#include "tests/unit/decide/subject.hpp"

namespace rls::decide {
namespace {

using api::GateState;
using testing::HasSubstr;

struct Asked : Subject {
  explicit Asked(std::int64_t people) { migration.spec.gates.approvals[Phase::enforcing] = people; }
  void yes(const std::string& who, Phase phase = Phase::enforcing, std::optional<Time> expires = {}) {
    seen.approvals.push_back({phase, who, evidence_digest(migration, policy, seen), expires});
  }
  [[nodiscard]] GateResult approval() const { return gate("Approval"); }
};

TEST(ApprovalGate, WhereNobodyIsAskedItPasses) {
  for (const std::int64_t nobody : {0, -1}) {
    Asked asked(nobody);
    asked.seen.approval_guard.bound = false;
    EXPECT_EQ(asked.approval().state, GateState::passed);
    EXPECT_EQ(asked.plan().evidence_digest, "") << "no approval is wanted, so nothing to name in one";
  }
}

TEST(ApprovalGate, SaysWhoIsMissingAndHowToApprove) {
  Asked asked(2);
  asked.yes("ann");
  const GateResult gate = asked.approval();
  EXPECT_EQ(gate.state, GateState::waiting);
  EXPECT_EQ(gate.required, "2 people for enforcing");
  EXPECT_EQ(gate.observed, "1 person");
  EXPECT_EQ(gate.message,
            "waits for 1 person more to approve enforcing: rlsctl approve sm --namespace team-a --phase "
            "enforcing; approved by \"ann\"");
}

TEST(ApprovalGate, TheDigestToApproveIsInThePlan) {
  Asked asked(1);
  EXPECT_EQ(asked.plan().evidence_digest, evidence_digest(asked.migration, asked.policy, asked.seen));
  asked.stands_in(Phase::pending);
  EXPECT_EQ(asked.plan().evidence_digest, "") << "the next step asks nobody";
}

TEST(ApprovalGate, CountsDifferentPeople) {
  Asked asked(2);
  asked.yes("ann");
  asked.yes("ann");
  EXPECT_EQ(asked.approval().state, GateState::waiting);
  asked.yes("Ann");
  EXPECT_EQ(asked.approval().state, GateState::passed) << "names are exact";
}

TEST(ApprovalGate, CountsForItsPhaseAlone) {
  Asked asked(1);
  asked.yes("ann", Phase::complete);
  asked.yes("ann", Phase::shadow);
  EXPECT_EQ(asked.approval().state, GateState::waiting);
  EXPECT_THAT(asked.approval().message, testing::Not(HasSubstr("other evidence")));
}

TEST(ApprovalGate, EndsAtItsExpiryToTheMicrosecond) {
  Asked asked(1);
  asked.yes("ann", Phase::enforcing, asked.seen.now + 1us);
  EXPECT_EQ(asked.approval().state, GateState::passed);
  EXPECT_EQ(asked.approval().passes_at, asked.seen.now + 1us) << "then it says something else";
  asked.seen.now += 1us;
  EXPECT_EQ(asked.approval().state, GateState::waiting);
}

TEST(ApprovalGate, ALaterYesOfTheSamePersonCountsAfterTheFirstHasEnded) {
  Asked asked(1);
  asked.yes("ann", Phase::enforcing, asked.seen.now);
  asked.yes("ann", Phase::enforcing, asked.seen.now + 1h);
  EXPECT_EQ(asked.approval().state, GateState::passed);
}

TEST(ApprovalGate, WhatChangedSinceMakesItStale) {
  Asked asked(1);
  asked.yes("ann");
  asked.migration.spec.gates.shadow_soak = 1h;
  EXPECT_EQ(asked.approval().state, GateState::waiting);
  EXPECT_THAT(asked.approval().message, HasSubstr("1 approval was given for other evidence"));
  asked.yes("ann");
  EXPECT_EQ(asked.approval().state, GateState::passed);
}

TEST(ApprovalGate, MoreTrafficAndMoreViolationsLeaveItValid) {
  Asked asked(1);
  asked.yes("ann");
  asked.seen.violations = {7, asked.seen.now};
  asked.seen.transactions = 9;
  EXPECT_EQ(asked.approval().state, GateState::passed);
}

TEST(ApprovalGate, ATargetOfAnotherPhaseMakesItStale) {
  Asked asked(1);
  asked.yes("ann");
  asked.migration.spec.phase = Phase::complete;
  EXPECT_EQ(asked.approval().state, GateState::waiting);
}

TEST(ApprovalGate, WithoutTheAdmissionPolicyItIsUnknown) {
  Asked asked(1);
  asked.yes("ann");
  asked.seen.approval_guard = {false, "the binding is missing: apply manifests/admission"};
  const GateResult gate = asked.approval();
  EXPECT_EQ(gate.state, GateState::unknown);
  EXPECT_THAT(gate.message, HasSubstr("the binding is missing: apply manifests/admission"));
  EXPECT_EQ(asked.plan().step, StepKind::none);
}

TEST(ApprovalGate, OfFloorAndMigrationTheStricterCounts) {
  Asked asked(1);
  asked.policy.minimum_gates.approvals = {{Phase::enforcing, 2}, {Phase::shadow, 3}};
  asked.yes("ann");
  EXPECT_EQ(asked.approval().state, GateState::waiting);
  asked.yes("ben");
  EXPECT_EQ(asked.approval().state, GateState::passed);
  EXPECT_EQ(asked.gate("Approval", Phase::shadow).required, "3 people for shadow");
  asked.policy.minimum_gates.approvals[Phase::enforcing] = 1;
  asked.migration.spec.gates.approvals[Phase::enforcing] = 2;
  EXPECT_EQ(asked.approval().required, "2 people for enforcing");
}

TEST(ApprovalGate, ANameIsShownQuotedAndCut) {
  Asked asked(9);
  asked.yes("eve\n\"" + std::string(500, 'x'));
  const std::string message = asked.approval().message;
  EXPECT_EQ(message.find('\n'), std::string::npos);
  EXPECT_LT(message.size(), 300U);
}

}  // namespace
}  // namespace rls::decide
