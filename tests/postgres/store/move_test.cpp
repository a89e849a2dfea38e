#include <gmock/gmock.h>

#include "tests/postgres/store/fixture.hpp"

namespace rls::postgres {
namespace {

using testing::HasSubstr;

class Moving : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    open();
  }
};

TEST_F(Moving, R_A1_OneTransactionWithLedgerAndAuditRow) {
  see("sm", Phase::shadow);
  const std::vector<Move> moves = {a_move("sm", Phase::pending, Phase::shadow)};
  const auto results = store->move(moves, always(moves));
  ASSERT_TRUE(results.ok()) << results.error().message;
  const MoveResult& result = results.value()[0];
  ASSERT_EQ(result.outcome, MoveOutcome::moved);
  ASSERT_TRUE(result.entry);
  EXPECT_EQ(result.entry->from, Phase::pending);
  EXPECT_EQ(result.entry->to, Phase::shadow);
  EXPECT_EQ(result.entry->reason, "all gates passed");
  EXPECT_EQ(result.entry->id.size(), 32U);

  EXPECT_EQ(phase_of("sm"), "shadow");
  EXPECT_EQ(value("SELECT xmin = (SELECT xmin FROM rls_operator.transition WHERE id = '" + result.entry->id +
                  "') FROM rls_migration_status WHERE project_id = 'sm'"),
            "t")
      << "one transaction";
  const pqxx::result ledger =
      sql("SELECT ordinal, kind, from_phase, to_phase, reason, actor, epoch FROM "
          "rls_operator.transition WHERE project_id = 'sm' ORDER BY ordinal DESC");
  ASSERT_EQ(ledger.size(), 2U);
  EXPECT_STREQ(ledger[0][0].c_str(), "2");
  EXPECT_STREQ(ledger[0][1].c_str(), "moved");
  EXPECT_STREQ(ledger[0][5].c_str(), "RlsMigration team-a/x");
  EXPECT_STREQ(ledger[1][1].c_str(), "adopted");
  const pqxx::result audit =
      sql("SELECT operation, would_be_denied, table_name, user_name, reason FROM rls_audit_log "
          "WHERE project_id = 'sm'");
  ASSERT_EQ(audit.size(), 1U);
  EXPECT_STREQ(audit[0][0].c_str(), "PHASE_CHANGE");
  EXPECT_STREQ(audit[0][1].c_str(), "f");
  EXPECT_STREQ(audit[0][2].c_str(), "rls_migration_status");
  EXPECT_STREQ(audit[0][3].c_str(), "RlsMigration team-a/x");
  EXPECT_STREQ(audit[0][4].c_str(), "pending → shadow: all gates passed");
}

}  // namespace
}  // namespace rls::postgres
