// Whose the database is: a foreign claim, another server, and the explicit yes to either.
#include <gmock/gmock.h>

#include <chrono>
#include <thread>

#include "tests/postgres/store/fixture.hpp"

namespace rls::postgres {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class TakeOver : public StoreTest {
 protected:
  Claimant other(std::string yes) {
    // The same process, another RlsDatabase.
    Claimant out{.install_id = "install-2",
                 .database = {"team-b", "copy"},
                 .database_uid = "uid-9",
                 .mandate = claimant.mandate};
    out.take_over = std::move(yes);
    return out;
  }
  static Error refused(ProjectDatabase& database, const Claimant& as) {
    const auto facts = database.open(as);
    EXPECT_FALSE(facts.ok());
    return facts.ok() ? Error{} : facts.error();
  }
  std::string owner() {
    return value("SELECT concat_ws(' ', install_id, name, number) FROM rls_operator.claim");
  }
  const std::vector<Move> moves = {a_move("sm", Phase::pending, Phase::shadow)};
};

TEST_F(TakeOver, MessageShowsTheCommandAndItWorks) {
  open();
  auto second = make();
  const Error error = refused(*second, other(""));
  EXPECT_EQ(error.reason, "Claimed");
  EXPECT_THAT(error.message, HasSubstr("kubectl --namespace team-b annotate rlsdatabase copy "
                                       "rls-operator.dev/take-over=install-1 --overwrite"));
  EXPECT_EQ(refused(*second, other("install-3")).reason, "Claimed") << "the yes names another claim";
  ASSERT_TRUE(second->open(other("install-1")).ok());
  EXPECT_EQ(owner(), "install-2 copy 2");
  ASSERT_TRUE(second->open(other("install-1")).ok()) << "the annotation may stay";
  EXPECT_EQ(owner(), "install-2 copy 2");
}

TEST_F(TakeOver, OldOwnerIsToldAtItsNextWriteAndStays) {
  open();
  see("sm", Phase::shadow);
  auto second = make();
  ASSERT_TRUE(second->open(other("install-1")).ok());
  const auto moved = store->move(moves, always(moves));
  ASSERT_FALSE(moved.ok());
  EXPECT_EQ(moved.error().reason, "Claimed") << "FenceLost would end the process";
  EXPECT_EQ(moved.error().kind, ErrorKind::terminal);
  EXPECT_THAT(moved.error().message, HasSubstr("take-over=install-2@2"));
  EXPECT_EQ(phase_of("sm"), "pending");
  sql("UPDATE rls_migration_status SET migration_phase = 'complete' WHERE project_id = 'sm'");
  const auto seen = store->observe(std::vector<ProjectQuery>{{"sm", Phase::shadow}});
  ASSERT_FALSE(seen.ok()) << "nor is drift ledgered";
  EXPECT_EQ(seen.error().reason, "Claimed");
  EXPECT_EQ(ledger_rows("sm"), 1);
  EXPECT_EQ(refused(*store, claimant).reason, "Claimed");
}

TEST_F(TakeOver, MoveInFlightIsCommittedBeforeTheTakeOverOrNotAtAll) {
  open();
  see("sm", Phase::shadow);
  auto second = make({.lock = 60s, .statement = 60s, .commit = 3000ms});
  std::atomic<bool> taken{false};
  std::thread taker;
  const auto results = store->move(moves, each([&](std::size_t, const decide::Observation&) {
                                     taker = std::thread([&] {
                                       EXPECT_TRUE(second->open(other("install-1")).ok());
                                       taken = true;
                                     });
                                     EXPECT_TRUE(somebody_waits());
                                     EXPECT_FALSE(taken) << "it waits for us";
                                     return std::optional(Phase::shadow);
                                   }));
  taker.join();
  ASSERT_TRUE(results.ok()) << results.error().message;
  EXPECT_EQ(results.value()[0].outcome, MoveOutcome::moved);
  EXPECT_EQ(value("SELECT c.claimed_at > max(t.at) FROM rls_operator.transition t, rls_operator.claim c "
                  "GROUP BY c.claimed_at"),
            "t");
}

TEST_F(TakeOver, MoveThatBeginsMeanwhileIsRefused) {
  store = make({.lock = 60s, .statement = 60s, .policies = 0ms, .commit = 3000ms});
  open();
  see("sm", Phase::shadow);
  pqxx::connection connection(uri());
  pqxx::work work(connection);
  work.exec("LOCK TABLE rls_operator.claim IN EXCLUSIVE MODE");
  work.exec("UPDATE rls_operator.claim SET install_id = 'install-2', number = 2");
  std::thread committer([&] {
    EXPECT_TRUE(somebody_waits());
    work.commit();
  });
  const auto moved = store->move(moves, always(moves));
  committer.join();
  ASSERT_FALSE(moved.ok());
  EXPECT_EQ(moved.error().reason, "Claimed");
  EXPECT_EQ(phase_of("sm"), "pending");
}

TEST_F(TakeOver, NotStarvedByEverNewMoves) {
  open();
  while_shared("claim", [&] {
    const auto facts = make({.lock = 20s, .statement = 60s, .commit = 3000ms})->open(other("install-1"));
    EXPECT_TRUE(facts.ok()) << facts.error().message;
  });
}

TEST_F(TakeOver, TwoThatSayYesDoNotFight) {
  open();
  auto second = make();
  ASSERT_TRUE(second->open(other("install-1")).ok());
  claimant.take_over = "install-2";  // without the number: of an earlier time
  EXPECT_EQ(refused(*store, claimant).reason, "Claimed");
  claimant.take_over = "install-2@2";
  open();
  EXPECT_EQ(owner(), "install-1 main 3");
  EXPECT_EQ(refused(*second, other("install-1")).reason, "Claimed") << "used up";
  open();
}

TEST_F(TakeOver, OlderSchemaIsUpgradedAndTheClaimStays) {
  open();
  sql("ALTER TABLE rls_operator.claim DROP COLUMN number; UPDATE rls_operator.version SET number = 2");
  store = make();
  open();
  EXPECT_EQ(owner(), "install-1 main 1");
}

TEST_F(TakeOver, AnotherServerIsRefusedBeforeAnythingIsWritten) {
  claimant.known_system = "7";
  const Error error = refused(*store, claimant);
  const std::string here = value("SELECT system_identifier FROM pg_control_system()");
  EXPECT_EQ(error.reason, "DatabaseChanged");
  EXPECT_EQ(error.kind, ErrorKind::terminal);
  EXPECT_THAT(error.message, HasSubstr("kubectl --namespace team-a annotate rlsdatabase main "
                                       "rls-operator.dev/accept-system=" +
                                       here + " --overwrite"));
  EXPECT_EQ(value("SELECT count(*) FROM pg_namespace WHERE nspname = 'rls_operator'"), "0");
  claimant.accept_system = "8";
  EXPECT_EQ(refused(*store, claimant).reason, "DatabaseChanged");
  claimant.accept_system = here;
  open();
}

}  // namespace
}  // namespace rls::postgres
