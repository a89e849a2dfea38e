// Repairs and upgrades do not stand in the way of the application.

#include <gmock/gmock.h>

#include <chrono>
#include <future>
#include <thread>

#include "tests/postgres/managed/fixture.hpp"

namespace rls::postgres {
namespace {

class ManagedRepair : public ManagedTest {
 protected:
  void SetUp() override {
    ManagedTest::SetUp();
    open();
    tend();
    bring("a", Phase::enforcing);
    reader_ = std::make_unique<pqxx::connection>(uri("managed_app"));
    reading_ = std::make_unique<pqxx::work>(*reader_);
    reading_->exec("SELECT rls.set_project_context('a'), rls.get_rls_mode(), rls.get_allowed_projects()");
    reading_->exec("SELECT * FROM app.nodes");
  }
  void TearDown() override {
    reading_.reset();
    reader_.reset();
    ManagedTest::TearDown();
  }
  void change_a_function() {
    sql("CREATE OR REPLACE FUNCTION rls_operator.least_of(type oid) RETURNS text LANGUAGE sql AS $$ SELECT "
        "'' $$");
  }
  void end_the_reader() { reading_->commit(); }

 private:
  std::unique_ptr<pqxx::connection> reader_;
  std::unique_ptr<pqxx::work> reading_;  // open all the time
};

TEST_F(ManagedRepair, AFunctionIsPutBackBesideAnOpenTransaction) {
  change_a_function();
  EXPECT_THAT(tend().status.drift, testing::ElementsAre(testing::HasSubstr("put back")));
  EXPECT_EQ(tend().status.drift.size(), 0U);
}

TEST_F(ManagedRepair, AnUpgradeGoesOnBesideAnOpenTransaction) {
  sql("UPDATE rls_operator.runtime SET version = 0");
  store = make();
  open();
}

// Where a lock is needed, nobody waits behind it for long; what else there is to do is done.
TEST_F(ManagedRepair, APolicyIsPutBackWhenItsTimeHasComeAndNobodyWaits) {
  sql("BEGIN; SET LOCAL lock_timeout = '1s'; UPDATE pg_policy SET polname = 'other' WHERE polname = "
      "'own_context'; COMMIT");
  auto repair = std::async(std::launch::async, [&] { return tend(); });
  std::chrono::steady_clock::duration longest{};
  while (repair.wait_for(std::chrono::milliseconds(20)) != std::future_status::ready) {
    const auto begin = std::chrono::steady_clock::now();
    rows_of("a", "SELECT * FROM app.nodes");
    longest = std::max(longest, std::chrono::steady_clock::now() - begin);
  }
  EXPECT_LT(longest, std::chrono::milliseconds(350));
  const RuntimeReport report = repair.get();
  ASSERT_EQ(report.status.drift.size(), 1U);
  EXPECT_THAT(report.status.drift[0], testing::Not(testing::HasSubstr("put back")));
  end_the_reader();
  EXPECT_THAT(tend().status.drift, testing::ElementsAre(testing::HasSubstr("put back")));
  EXPECT_EQ(rows_of("a", "SELECT * FROM app.nodes"), 10);
}

// A version with other policies must reach the tables that are in the right form already.
TEST_F(ManagedRepair, ANewVersionMakesThePoliciesOfEveryTableAnew) {
  end_the_reader();
  const std::string text =
      "SELECT string_agg(p.oid::text, ' ' ORDER BY p.oid) FROM pg_policy p WHERE polname LIKE "
      "'rls\\_operator\\_%'";
  const std::string before = value(text);
  EXPECT_TRUE(tend().status.drift.empty());
  EXPECT_EQ(value(text), before);
  sql("UPDATE rls_operator.table_state SET version = version - 1");
  EXPECT_TRUE(tend().status.drift.empty());
  const std::string after = value(text);
  EXPECT_NE(after, before);
  EXPECT_EQ(rows_of("a", "SELECT * FROM app.nodes"), 10);
  tend();
  EXPECT_EQ(value(text), after);
}

}  // namespace
}  // namespace rls::postgres
