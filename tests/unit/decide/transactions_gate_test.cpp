// Gate Transactions, where an adopted runtime's RlsDatabase says who counts them.

#include <gmock/gmock.h>

#include "tests/unit/decide/subject.hpp"

namespace rls::decide {
namespace {

using api::GateState;
using testing::HasSubstr;

Subject adopted(std::optional<std::int64_t> counted, bool source = true) {
  Subject subject;
  subject.seen.managed = false;
  subject.seen.transactions = counted;
  if (source) subject.policy.transactions = api::TransactionSource{.sql = "SELECT $1, $2"};
  return subject;
}

TEST(TransactionsGate, ASourceAsksForAThousandAsAManagedRuntimeDoes) {
  EXPECT_EQ(adopted(999).gate("Transactions").state, GateState::waiting);
  EXPECT_EQ(adopted(1000).gate("Transactions").state, GateState::passed);
  EXPECT_EQ(adopted({}, false).gate("Transactions").state, GateState::passed)
      << "without one nothing is asked";
}

TEST(TransactionsGate, TheMigrationMayAskForLessAndTheFloorForMore) {
  Subject subject = adopted(12);
  subject.migration.spec.gates.min_transactions = 12;
  EXPECT_EQ(subject.gate("Transactions").state, GateState::passed);
  subject.policy.minimum_gates.min_transactions = 13;
  EXPECT_EQ(subject.gate("Transactions").state, GateState::waiting);
  EXPECT_EQ(subject.gate("Transactions").required, "at least 13");
}

TEST(TransactionsGate, SaysHowManyOfHowMany) {
  const GateResult gate = adopted(12).gate("Transactions");
  EXPECT_EQ(gate.observed, "12");
  EXPECT_EQ(gate.required, "at least 1000");
  EXPECT_EQ(gate.message, "12 of 1000 transactions of the project were counted since it entered shadow");
  EXPECT_EQ(adopted(0).gate("Transactions").observed, "0");
}

// A status that is written costs the API server more than a counter is worth.
TEST(TransactionsGate, GrowsInStepsOfTwoDigits) {
  EXPECT_EQ(adopted(99).gate("Transactions").observed, "99");
  EXPECT_EQ(adopted(120).gate("Transactions").observed, "120");
  EXPECT_EQ(adopted(129).gate("Transactions").observed, "at least 120");
  EXPECT_EQ(adopted(129).gate("Transactions").message,
            "at least 120 of 1000 transactions of the project were counted since it entered shadow");
}

TEST(TransactionsGate, WhatCannotBeCountedIsUnknownAndSaysWhy) {
  Subject subject = adopted({});
  subject.seen.transactions_message = "transactions are not counted: the query gave no row";
  EXPECT_EQ(subject.gate("Transactions").state, GateState::unknown);
  EXPECT_EQ(subject.gate("Transactions").message, "transactions are not counted: the query gave no row");
  EXPECT_EQ(subject.plan().step, StepKind::none);
}

TEST(TransactionsGate, WithoutASourceItNamesBothRemedies) {
  Subject subject = adopted({}, false);
  subject.migration.spec.gates.min_transactions = 1;
  EXPECT_EQ(subject.gate("Transactions").state, GateState::unknown);
  EXPECT_THAT(subject.gate("Transactions").message, HasSubstr("spec.evidence.transactions"));
  EXPECT_THAT(subject.gate("Transactions").message, HasSubstr("minTransactions to 0"));
}

}  // namespace
}  // namespace rls::decide
