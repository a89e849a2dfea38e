// The board: who runs, who hears of it, and what a lost lead means.

#include "controller/checks/board.hpp"

#include <gmock/gmock.h>

#include <future>

#include "tests/fakes/fake_clock.hpp"

namespace rls::checks {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using State = CheckResult::State;

const api::ObjectName kShop{"tenants", "shop"};

Wanted wanted(const std::string& subject = "shadow", const std::string& migration = "shop",
              bool with_job = false) {
  api::CheckSpec check;
  check.name = "lag";
  if (with_job) {
    check.job = api::JobCheck{"{}"};
  } else {
    check.sql = api::SqlCheck{"SELECT true", ""};
  }
  return {{"tenants", migration}, "uid", {"tenants", "main"}, migration, subject, {check}};
}

class FakeExecutor final : public Executor {
 public:
  std::function<Outcome(const checks::Run&, const std::stop_token&)> answer =
      [](const checks::Run&, const std::stop_token&) { return passed("good"); };
  Result<void> swept = Ok{};
  std::atomic<int> runs{0};
  std::vector<Wanted> sweeps;

  Outcome run(const Run& run, const std::stop_token& stop) override {
    ++runs;
    return answer(run, stop);
  }
  Result<void> sweep(const Wanted& kept, const std::stop_token&) override {
    sweeps.push_back(kept);
    return swept;
  }
};

/// Without threads of its own: `run_one` is called by the test.
class BoardTest : public testing::Test {
 protected:
  BoardTest() { board.resume(); }

  fakes::FakeClock clock;
  FakeExecutor executor;
  std::vector<std::string> changed;
  Board board{executor, clock, [this](const api::ObjectName& name) { changed.push_back(name.name); }, 0};
};

TEST_F(BoardTest, RunsWhatIsWantedAndTells) {
  EXPECT_FALSE(board.run_one());
  board.want(wanted());
  EXPECT_EQ(board.results(kShop).at("lag").state, State::unknown);
  EXPECT_TRUE(board.run_one());
  EXPECT_EQ(board.results(kShop).at("lag"), (CheckResult{State::passed, "good", clock.now()}));
  EXPECT_THAT(changed, ElementsAre("shop"));
  EXPECT_FALSE(board.run_one());
}

TEST_F(BoardTest, TellsOnlyOfChanges) {
  board.want(wanted());
  board.run_one();
  clock.advance(60s);
  EXPECT_TRUE(board.run_one());
  EXPECT_EQ(executor.runs, 2);
  EXPECT_EQ(changed.size(), 1U);
  executor.answer = [](const checks::Run&, const std::stop_token&) { return failed("bad"); };
  clock.advance(60s);
  EXPECT_TRUE(board.run_one());
  EXPECT_EQ(changed.size(), 2U);
}

TEST_F(BoardTest, TheTimeOfAResultIsWhenItWasAsked) {
  const Time asked = clock.now();
  executor.answer = [this](const checks::Run&, const std::stop_token&) {
    clock.advance(7s);
    return passed("good");
  };
  board.want(wanted());
  board.run_one();
  EXPECT_EQ(board.results(kShop).at("lag").at, asked);
}

// Hundred slow checks of one namespace, each of them due for longer, and one of another: it is among the
// first two to run.
TEST_F(BoardTest, SlowChecksOfOneNamespaceKeepNoOtherWaiting) {
  for (int i = 0; i < 100; ++i) board.want(wanted("shadow", "slow-" + std::to_string(i)));
  clock.advance(60s);
  Wanted calm = wanted();
  calm.migration = {"calm", "shop"};
  board.want(calm);
  executor.answer = [this](const checks::Run& run, const std::stop_token&) {
    if (run.migration.ns != "calm") clock.advance(10s);
    return passed("good");
  };
  board.run_one();
  board.run_one();
  EXPECT_EQ(board.results(calm.migration).at("lag").state, State::passed) << executor.runs;
}

TEST_F(BoardTest, ResultsGetTooOld) {
  board.want(wanted());
  board.run_one();
  clock.advance(180s + 1ms);
  EXPECT_EQ(board.results(kShop).at("lag").state, State::unknown);
}

TEST_F(BoardTest, TheReaderMayWantAndReadFromTheCallback) {
  Board* own = nullptr;
  State seen = State::unknown;
  Board calling(
      executor, clock,
      [&](const api::ObjectName& name) {
        seen = own->results(name).at("lag").state;
        own->want(wanted("enforcing"));
      },
      0);
  own = &calling;
  calling.resume();
  calling.want(wanted());
  calling.run_one();
  EXPECT_EQ(seen, State::passed);
  EXPECT_EQ(calling.results(kShop).at("lag").state, State::unknown);
}

TEST_F(BoardTest, AFollowerRunsNothingAndKnowsNothing) {
  board.want(wanted());
  board.run_one();
  board.pause();
  EXPECT_THAT(board.results(kShop), IsEmpty());
  clock.advance(10min);
  EXPECT_FALSE(board.run_one());
  board.resume();
  EXPECT_FALSE(board.run_one()) << "nobody wants anything yet";
  board.want(wanted());
  EXPECT_TRUE(board.run_one());
}

TEST_F(BoardTest, WantedBeforeTheLeadIsRunWithIt) {
  board.pause();
  board.want(wanted());
  EXPECT_FALSE(board.run_one());
  board.resume();
  EXPECT_TRUE(board.run_one());
}

TEST_F(BoardTest, ALostLeadStopsWhatRunsAndDropsItsResult) {
  executor.answer = [this](const checks::Run&, const std::stop_token& stop) {
    EXPECT_FALSE(stop.stop_requested());
    board.pause();
    EXPECT_TRUE(stop.stop_requested());
    return failed("too late");
  };
  board.want(wanted());
  board.run_one();
  EXPECT_THAT(changed, IsEmpty());
  EXPECT_THAT(board.results(kShop), IsEmpty());
  executor.answer = [](const checks::Run&, const std::stop_token& stop) {
    return stop.stop_requested() ? unknown("stopped") : passed("good");
  };
  board.resume();
  board.want(wanted());
  board.run_one();
  EXPECT_EQ(board.results(kShop).at("lag").state, State::passed);
}

TEST_F(BoardTest, StaleJobsAreSweptUntilItSucceedsOrNeverCan) {
  board.want(wanted("shadow", "shop", true));
  board.forget(kShop);
  executor.swept = transient("Timeout", "no");
  EXPECT_TRUE(board.run_one());
  clock.advance(30s);
  executor.swept = terminal("Forbidden", "no");
  EXPECT_TRUE(board.run_one());
  clock.advance(10min);
  EXPECT_FALSE(board.run_one());
  EXPECT_EQ(executor.sweeps.size(), 2U);
  EXPECT_THAT(executor.sweeps[0].checks, IsEmpty());
}

/// With the machine's clock and threads of the board's.
TEST(BoardThreads, RunSeveralMigrationsAtOnceAndOneCheckOnce) {
  SystemClock clock;
  FakeExecutor executor;
  std::promise<void> both;
  std::atomic<int> inside{0};
  std::promise<void> go_on;
  std::shared_future<void> may_go = go_on.get_future().share();
  executor.answer = [&](const checks::Run&, const std::stop_token&) {
    if (++inside == 2) both.set_value();
    may_go.wait();
    return passed("good");
  };
  std::mutex mutex;
  std::condition_variable came;
  std::set<std::string> changed;
  Board board(executor, clock, [&](const api::ObjectName& name) {
    const std::lock_guard lock(mutex);
    changed.insert(name.name);
    came.notify_all();
  });
  board.want(wanted("shadow", "a"));
  board.want(wanted("shadow", "b"));
  board.want(wanted("shadow", "c"));
  board.resume();
  ASSERT_EQ(both.get_future().wait_for(10s), std::future_status::ready);
  EXPECT_EQ(inside, 2) << "two threads";
  go_on.set_value();
  std::unique_lock lock(mutex);
  EXPECT_TRUE(came.wait_for(lock, 10s, [&] { return changed.size() == 3; }));
  EXPECT_EQ(executor.runs, 3);
}

TEST(BoardThreads, EndWithTheBoardThoughACheckIsRunning) {
  SystemClock clock;
  FakeExecutor executor;
  std::promise<void> began;
  executor.answer = [&](const checks::Run&, const std::stop_token& stop) {
    std::promise<void> stopped;
    const std::stop_callback on_stop(stop, [&] { stopped.set_value(); });
    began.set_value();
    EXPECT_EQ(stopped.get_future().wait_for(10s), std::future_status::ready);
    return unheard("stopped");
  };
  {
    Board board(executor, clock, [](const api::ObjectName&) { ADD_FAILURE() << "nobody is there to hear"; });
    board.resume();
    board.want(wanted());
    ASSERT_EQ(began.get_future().wait_for(10s), std::future_status::ready);
  }
  EXPECT_EQ(executor.runs, 1);
}

}  // namespace
}  // namespace rls::checks
