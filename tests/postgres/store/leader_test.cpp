// A leadership and the fence (design 3-database: one transition, one transaction).

#include <gmock/gmock.h>

#include "tests/postgres/store/fixture.hpp"

namespace rls::postgres {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::HasSubstr;

class Leaders : public StoreTest {
 protected:
  Claimant successor() const {
    Claimant out = claimant;
    out.mandate = mandate_of("leader-2");
    return out;
  }
  const std::vector<Move> moves = {a_move("sm", Phase::pending, Phase::shadow)};
};

TEST_F(Leaders, ANewOneRaisesTheEpochAndEndsTheConnectionsOfTheOld) {
  open();
  see("sm");
  auto next = make();
  const auto facts = next->open(successor());
  ASSERT_TRUE(facts.ok()) << facts.error().message;
  EXPECT_EQ(facts->epoch, 3);
  EXPECT_EQ(value("SELECT holder FROM rls_operator.fence"), "leader-2");
  const auto moved = store->move(moves, always(moves));
  ASSERT_FALSE(moved.ok());
  EXPECT_EQ(moved.error().reason, "DatabaseUnreachable") << "its connection is gone";
  EXPECT_EQ(store->open(claimant).error().reason, "FenceLost") << "and on a new one it is not the leader";
  EXPECT_EQ(phase_of("sm"), "pending");
}

TEST_F(Leaders, TheSameOneRaisesItOnceHoweverOftenItConnects) {
  open();
  for (int i = 0; i < 3; ++i) {
    auto again = make();
    open(*again);
  }
  EXPECT_EQ(value("SELECT epoch FROM rls_operator.fence"), "2");
}

TEST_F(Leaders, WhoIsNotElectedBeginsNothing) {
  Claimant nobody = claimant;
  nobody.mandate = nullptr;
  EXPECT_EQ(store->open(nobody).error().reason, "NotLeading");
  nobody.mandate = std::make_shared<const Mandate>(
      Mandate{"late", [](std::int64_t) -> Result<std::int64_t> { return transient("NotLeading", "no"); }});
  EXPECT_EQ(store->open(nobody).error().reason, "NotLeading");
  EXPECT_EQ(value("SELECT epoch FROM rls_operator.fence"), "1");
}

// Elected, paused before it had raised the epoch here, and deposed meanwhile.
TEST_F(Leaders, ANumberThatIsNotHigherRaisesNothing) {
  ASSERT_TRUE(store->open(successor()).ok());
  Claimant late = claimant;
  late.mandate =
      std::make_shared<const Mandate>(Mandate{"late", [](std::int64_t) { return Result<std::int64_t>(2); }});
  auto other = make();
  EXPECT_EQ(other->open(late).error().reason, "NotLeading");
  EXPECT_EQ(value("SELECT holder FROM rls_operator.fence"), "leader-2");
}

// SIGSTOP inside an open transaction: its backend holds the fence and the rows.
TEST_F(Leaders, AnOpenTransactionOfTheOldOneIsEndedAndRolledBack) {
  open();
  see("sm");
  auto next = make({.lock = 20s, .statement = 60s, .commit = 3000ms});
  const auto results = store->move(moves, each([&](std::size_t, const decide::Observation&) {
                                     // Under the locks: fence and row are held.
                                     const auto facts = next->open(successor());
                                     EXPECT_TRUE(facts.ok()) << (facts ? "" : facts.error().message);
                                     return std::optional(Phase::shadow);
                                   }));
  ASSERT_FALSE(results.ok());
  EXPECT_EQ(phase_of("sm"), "pending");
  EXPECT_EQ(ledger_rows("sm"), 1) << "the first sight, and no more";
  EXPECT_EQ(store->open(claimant).error().reason, "FenceLost");
}

TEST_F(Leaders, NotStarvedByEverNewTransactionsThatShareTheFence) {
  open();
  while_shared("fence", [&] {
    const auto facts = make({.lock = 20s, .statement = 60s, .commit = 3000ms})->open(successor());
    EXPECT_TRUE(facts.ok()) << facts.error().message;
  });
}

// The reply to the COMMIT that raised it is lost: the next open finds that it is ours.
TEST_F(Leaders, ARaiseWhoseReplyWasLostIsOurs) {
  open();
  seam.fault_on = "COMMIT";
  seam.fault = Fault::lose_reply;
  auto next = make();
  EXPECT_FALSE(next->open(successor()).ok());
  seam.restart();
  ASSERT_TRUE(next->open(successor()).ok());
  EXPECT_EQ(value("SELECT epoch || ' ' || holder FROM rls_operator.fence"), "3 leader-2") << "once";
}

// A restore from before: no newer leader, so it goes on.
TEST_F(Leaders, AFenceThatWentBackIsRaisedAgain) {
  open();
  see("sm");
  sql("UPDATE rls_operator.fence SET epoch = 1, holder = 'of a backup'");
  EXPECT_FALSE(store->observe(std::vector<ProjectQuery>{{"shop", Phase::pending}}).ok() &&
               store->move(moves, always(moves)).ok());
  open();
  EXPECT_EQ(value("SELECT epoch || ' ' || holder FROM rls_operator.fence"), "2 leader-1");
}

TEST_F(Leaders, AnOlderSchemaIsUpgradedAndLed) {
  open();
  sql("ALTER TABLE rls_operator.fence DROP COLUMN holder; UPDATE rls_operator.version SET number = 4");
  store = make();
  open();
  EXPECT_EQ(value("SELECT epoch || ' ' || holder FROM rls_operator.fence"), "3 leader-1");
}

}  // namespace
}  // namespace rls::postgres
