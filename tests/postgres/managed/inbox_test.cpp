// The inbox of notes has bounds: whatever is noted, a look takes its time and no more, and nothing is called
// clean while somebody's notes wait.

#include <gmock/gmock.h>

#include "tests/postgres/managed/fixture.hpp"

namespace rls::postgres {
namespace {

using testing::HasSubstr;
using State = decide::Evidence::State;

class ManagedInbox : public ManagedTest {
 protected:
  void SetUp() override {
    ManagedTest::SetUp();
    open();
    tend();
    bring("a", Phase::shadow);
  }
  /// As many transactions of project a, each with one note.
  void flood(int notes) {
    sql("INSERT INTO rls_operator.violation_inbox SELECT n, n::text::xid8, clock_timestamp(), 'a', (SELECT "
        "min(id) "
        "FROM rls_operator.table_state), 's', false, 'managed_app', 'managed_app', 'billing', 'SELECT 1', "
        "'1' "
        "FROM (SELECT nextval('rls_operator.note_number') AS n FROM generate_series(1, " +
        std::to_string(notes) + ") OFFSET 0) numbers");
  }
  std::string waiting() { return value("SELECT count(*) FROM rls_operator.violation_inbox"); }
};

TEST_F(ManagedInbox, IsDrainedInStepsTheOldestFirstAndNothingOfItIsAGap) {
  tend();
  const auto since = see("a").recorded_since;
  flood(50000);
  EXPECT_EQ(value("SELECT notes FROM rls_operator.drain()"), "20000");
  EXPECT_EQ(value("SELECT min(number) > (SELECT max(number) - 30000 FROM rls_operator.violation_inbox) FROM "
                  "rls_operator.violation_inbox"),
            "t");
  EXPECT_EQ(value("SELECT notes FROM rls_operator.drain()"), "20000");
  EXPECT_EQ(value("SELECT notes FROM rls_operator.drain()"), "10000");
  EXPECT_EQ(value("SELECT notes FROM rls_operator.drain()"), "0");
  const decide::Observation seen = see("a");
  EXPECT_EQ(seen.violations.count, 50000);
  EXPECT_EQ(seen.evidence.state, State::complete) << seen.evidence.why;
  EXPECT_EQ(seen.recorded_since, since);
}

TEST_F(ManagedInbox, NobodyIsCleanWhileMoreWaitsThanALookCounts) {
  bring("b", Phase::shadow);
  flood(10000);
  EXPECT_EQ(see("a").violations.count, 10000);
  EXPECT_EQ(see("a").evidence.state, State::complete);
  EXPECT_EQ(see("b").violations.count, 0);
  flood(200000);
  const decide::Observation a = see("a"), b = see("b");
  EXPECT_GE(a.violations.count, 10000);
  EXPECT_GT(b.violations.count, 0);
  EXPECT_EQ(b.evidence.state, State::unknown);
  EXPECT_THAT(b.evidence.why, HasSubstr("more than 10000 notes wait to be counted"));
  EXPECT_EQ(see("c").violations.count, 0) << "of pending nothing is asked";
  for (int i = 0; i < 20 && waiting() != "0"; ++i) tend();
  EXPECT_EQ(see("b").violations.count, 0);
  EXPECT_EQ(see("b").evidence.state, State::complete);
  EXPECT_EQ(see("a").violations.count, 210000);
}

TEST_F(ManagedInbox, OneTransactionCannotFillIt) {
  tend();
  as("a",
     "SELECT count(rls.note_violation(id, 'i', true, 'managed_app', '')) FROM generate_series(1, 12000), "
     "(SELECT 1 AS id) t");
  EXPECT_EQ(waiting(), "10000");
  settle();
  EXPECT_EQ(see("a").evidence.state, State::unknown) << "what was left out is a gap";
  EXPECT_THAT(see("a").evidence.why, HasSubstr("2000 notes"));
}

TEST_F(ManagedInbox, ManyTransactionsCannotFillItEither) {
  tend();
  sql("SELECT setval('rls_operator.note_number', nextval('rls_operator.note_number') + 1000000), "
      "setval('rls_operator.contextless_number', nextval('rls_operator.contextless_number') - 1000000)");
  as("a", "SELECT * FROM app.nodes");
  as("", "SELECT * FROM app.nodes");
  EXPECT_EQ(waiting(), "0");
  settle();
  EXPECT_EQ(see("a").evidence.state, State::unknown);
  as("a", "SELECT * FROM app.nodes");
  as("", "SELECT * FROM app.nodes");
  EXPECT_EQ(waiting(), "2") << "drained, it takes notes again";
}

// R-A6: transactions are what is counted, not calls.
TEST_F(ManagedInbox, OneStatementThatSetsContextsInTurnIsOneTransaction) {
  as("",
     "SELECT count(rls.set_project_context(CASE i % 3 WHEN 0 THEN 'a' WHEN 1 THEN 'b' ELSE 'made up ' || i "
     "END)) FROM generate_series(1, 40000) i");
  EXPECT_LE(std::stoi(value("SELECT count(*) FROM rls_operator.context_usage WHERE known")), 2);
  EXPECT_LE(std::stoi(value("SELECT count(*) FROM rls_operator.context_usage")), 100);
}

}  // namespace
}  // namespace rls::postgres
