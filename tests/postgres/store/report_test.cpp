#include <gmock/gmock.h>

#include "tests/postgres/store/fixture.hpp"

namespace rls::postgres {
namespace {

using testing::HasSubstr;
using testing::Not;

class Reporting : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    open();
  }
  api::ViolationsStatus report(const std::string& project) {
    const auto all = store->violations(std::vector<std::string>{"sm", project, "nobody"});
    if (!all) {
      ADD_FAILURE() << all.error().message;
      return {};
    }
    EXPECT_EQ(all.value().size(), 3U);
    EXPECT_EQ(all.value()[2].total, 0);
    return all.value()[1];
  }
};

TEST_F(Reporting, HistoryIsTheNewestTenNewestFirst) {
  Phase now = Phase::pending;
  for (int i = 0; i < 11; ++i) {
    const Phase next = now == Phase::pending ? Phase::shadow : Phase::pending;
    must_go("sm", now, next);
    now = next;
  }
  see("ab");
  const auto all = store->history(std::vector<std::string>{"ab", "nobody", "sm"});
  ASSERT_TRUE(all.ok()) << all.error().message;
  ASSERT_EQ(all.value().size(), 3U);
  ASSERT_EQ(all.value()[0].size(), 1U);
  EXPECT_EQ(all.value()[0][0].from, std::nullopt);
  EXPECT_EQ(all.value()[0][0].to, Phase::pending);
  EXPECT_TRUE(all.value()[1].empty());
  ASSERT_EQ(all.value()[2].size(), 10U);
  EXPECT_EQ(all.value()[2][0].to, Phase::shadow);
  EXPECT_EQ(all.value()[2][0].from, Phase::pending);
  EXPECT_EQ(all.value()[2][0].reason, "all gates passed");
  for (std::size_t i = 1; i < 10; ++i) EXPECT_GT(all.value()[2][i - 1].time, all.value()[2][i].time);
}

TEST_F(Reporting, R_A7_TotalsByTableAndNewestSamples) {
  must_go("motoko", Phase::pending, Phase::shadow);
  as_application("motoko", "UPDATE nodes SET label = 'c4n4ry' WHERE project_id = 'sm'");
  as_application("motoko", "INSERT INTO documents (project_id, title) VALUES ('ab', 'c4n4ry')");
  const auto seen = report("motoko");
  EXPECT_EQ(seen.total, 21);
  ASSERT_EQ(seen.by_table.size(), 2U);
  EXPECT_EQ(seen.by_table[0].table, "nodes");
  EXPECT_EQ(seen.by_table[0].count, 20);
  EXPECT_EQ(seen.by_table[1].table, "documents");
  ASSERT_EQ(seen.samples.size(), 5U);
  EXPECT_EQ(seen.samples[0].table, "documents");
  EXPECT_EQ(seen.samples[0].operation, "INSERT");
  EXPECT_EQ(seen.samples[0].user, "app_user");
  EXPECT_EQ(seen.samples[0].reason, "row belongs to another project");
  EXPECT_EQ(seen.samples[0].time, seen.last_seen);
  EXPECT_EQ(seen.samples[4].table, "nodes");
  EXPECT_EQ(report("ab").total, 0);
}

TEST_F(Reporting, AtMostTwentyTablesAndTheTotalOfAll) {
  must_go("sm", Phase::pending, Phase::shadow);
  sql("INSERT INTO rls_audit_log (project_id, table_name, operation, would_be_denied) SELECT 'sm', 't' || i, "
      "'UPDATE', "
      "true FROM generate_series(1, 30) i");
  const auto seen = report("sm");
  EXPECT_EQ(seen.total, 30);
  EXPECT_EQ(seen.by_table.size(), 20U);
}

TEST_F(Reporting, TextOfOthersIsCutAndHarmless) {
  must_go("motoko", Phase::pending, Phase::shadow);
  sql("INSERT INTO rls_audit_log (project_id, table_name, operation, would_be_denied, reason) VALUES "
      "('motoko', 'nodes', E'UP\\x1b[31mDATE', true, repeat('é', 5000))");
  const auto seen = report("motoko");
  ASSERT_EQ(seen.samples.size(), 1U);
  EXPECT_THAT(seen.samples[0].operation, Not(HasSubstr("\x1b")));
  EXPECT_LE(seen.samples[0].reason.size(), 200U);
}

TEST_F(Reporting, R_A8_CountByPhase) {
  must_go("sm", Phase::pending, Phase::shadow);
  const auto counts = store->count_by_phase();
  ASSERT_TRUE(counts.ok()) << counts.error().message;
  const std::map<std::string, std::int64_t> expected = {
      {"pending", 7}, {"shadow", 1}, {"enforcing", 0}, {"complete", 0}};
  EXPECT_EQ(counts.value(), expected);
}

}  // namespace
}  // namespace rls::postgres
