// When checks are run, and what counts how long. No clock and no threads: the test says what time it is.

#include "controller/checks/schedule.hpp"

#include <gmock/gmock.h>

namespace rls::checks {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::Key;
using testing::StartsWith;
using State = CheckResult::State;

const api::ObjectName kShop{"tenants", "shop"};
const api::ObjectName kOther{"tenants", "other"};
const Time kAt = std::chrono::sys_days{std::chrono::year{2026} / 1 / 15};

api::CheckSpec sql(const std::string& name, std::optional<Duration> every = {}) {
  api::CheckSpec spec;
  spec.name = name;
  spec.sql = api::SqlCheck{"SELECT true", ""};
  spec.every = every;
  return spec;
}
api::CheckSpec job(const std::string& name, std::optional<Duration> every = {}) {
  api::CheckSpec spec;
  spec.name = name;
  spec.job = api::JobCheck{"{}"};
  spec.every = every;
  return spec;
}
Wanted wanted(std::vector<api::CheckSpec> checks, const std::string& subject = "shadow",
              const api::ObjectName& migration = kShop) {
  return {migration, "uid-" + migration.name, {"tenants", "main"}, migration.name, subject, std::move(checks),
          {}};
}
std::string name_of(const std::optional<Schedule::Task>& task) {
  if (!task) return "nothing";
  const Run* run = std::get_if<checks::Run>(&task->work);
  return run != nullptr ? run->migration.name + "/" + run->check.name : "sweep";
}

class ScheduleTest : public testing::Test {
 protected:
  /// Runs what is due now, which is `name`, with that outcome. True: changed.
  bool run(const std::string& name, const Outcome& outcome) {
    const auto task = schedule.take(now);
    EXPECT_EQ(name_of(task), name);
    return task && schedule.finish(*task, outcome, kAt, now);
  }
  void sweep(bool swept = true) {
    const auto task = schedule.take(now);
    ASSERT_EQ(name_of(task), "sweep");
    schedule.finish(*task, swept, now);
  }
  std::string due() { return name_of(schedule.take(now)); }
  Duration due_in() const { return std::chrono::duration_cast<Duration>(*schedule.next_due() - now); }
  CheckResult result(const std::string& name) const { return schedule.results(kShop, now).at(name); }

  Schedule schedule{1};
  Schedule::Moment now{1h};
};

TEST_F(ScheduleTest, WhatIsWantedRunsAtOnce) {
  EXPECT_FALSE(schedule.next_due());
  schedule.want(wanted({sql("a")}), now);
  EXPECT_EQ(schedule.next_due(), now);
  EXPECT_EQ(result("a").state, State::unknown);
  EXPECT_EQ(result("a").message, "has not been run yet");
  EXPECT_TRUE(run("shop/a", passed("good")));
  EXPECT_EQ(result("a"), (CheckResult{State::passed, "good", kAt}));
}

TEST_F(ScheduleTest, APassedOneIsRenewedEachMinuteAndOthersEachHalf) {
  const struct {
    Outcome outcome;
    Duration least, most;
  } rows[] = {
      {passed("x"), 54s, 60s}, {failed("x"), 27s, 30s}, {unknown("x"), 27s, 30s}, {unheard("x"), 27s, 30s}};
  for (const auto& row : rows) {
    schedule.clear();
    schedule.want(wanted({sql("a")}), now);
    run("shop/a", row.outcome);
    EXPECT_GE(due_in(), row.least);
    EXPECT_LE(due_in(), row.most);
  }
}

TEST_F(ScheduleTest, RenewalsThatBeganTogetherDoNotStayTogether) {
  std::set<Duration> pauses;
  for (int i = 0; i < 20; ++i) {
    schedule.clear();
    schedule.want(wanted({sql("a")}), now);
    run("shop/a", passed("x"));
    pauses.insert(due_in());
  }
  EXPECT_GT(pauses.size(), 10U);
}

TEST_F(ScheduleTest, EveryIsKeptToTheSecondAndIsFiveAtLeast) {
  schedule.want(wanted({sql("a", 7min)}), now);
  run("shop/a", passed("x"));
  EXPECT_EQ(due_in(), 7min);
  now += 7min;
  run("shop/a", failed("x"));
  EXPECT_EQ(due_in(), 7min);
  schedule.want(wanted({sql("a", 1s)}), now);
  run("shop/a", passed("x"));
  EXPECT_EQ(due_in(), 5s);
}

TEST_F(ScheduleTest, TheCheckItselfMayKnowBetterWhenToLookAgain) {
  schedule.want(wanted({job("a")}), now);
  run("shop/a", {Outcome::Heard::running, State::unknown, "is running", 5s});
  sweep();
  EXPECT_EQ(due_in(), 5s);
}

TEST_F(ScheduleTest, NothingIsTakenBeforeItsTime) {
  schedule.want(wanted({sql("a", 60s)}), now);
  run("shop/a", passed("x"));
  now += 60s - 1ms;
  EXPECT_EQ(due(), "nothing");
  now += 1ms;
  EXPECT_EQ(due(), "shop/a");
}

TEST_F(ScheduleTest, OfOneMigrationOneIsOutAtATime) {
  schedule.want(wanted({sql("a"), sql("b")}), now);
  schedule.want(wanted({sql("c")}, "shadow", kOther), now);
  const auto first = schedule.take(now);
  const auto second = schedule.take(now);
  EXPECT_NE(name_of(first).substr(0, 4), name_of(second).substr(0, 4));
  EXPECT_EQ(due(), "nothing");
  EXPECT_FALSE(schedule.next_due());
  const bool first_is_shop = name_of(first) == "shop/a";
  schedule.finish(first_is_shop ? *first : *second, passed("x"), kAt, now);
  EXPECT_EQ(due(), "shop/b");
}

TEST_F(ScheduleTest, WhoWaitsLongestIsFirst) {
  schedule.want(wanted({sql("a", 60s)}), now);
  run("shop/a", passed("x"));
  now += 10s;
  schedule.want(wanted({sql("c", 60s)}, "shadow", kOther), now);
  run("other/c", passed("x"));
  now += 10min;
  EXPECT_EQ(due(), "shop/a");
  EXPECT_EQ(due(), "other/c");
}

TEST_F(ScheduleTest, EqualWantsChangeNothing) {
  schedule.want(wanted({sql("a")}), now);
  run("shop/a", passed("x"));
  now += 1s;
  schedule.want(wanted({sql("a")}), now);
  EXPECT_EQ(result("a").state, State::passed);
  EXPECT_GT(due_in(), 50s);
}

TEST_F(ScheduleTest, AnotherSubjectForgetsAtOnce) {
  schedule.want(wanted({sql("a")}, "shadow since 12:00"), now);
  run("shop/a", passed("x"));
  schedule.want(wanted({sql("a")}, "enforcing since 13:00"), now);
  EXPECT_EQ(result("a").state, State::unknown);
  EXPECT_EQ(schedule.next_due(), now);
}

TEST_F(ScheduleTest, AnotherObjectOrDatabaseForgetsAtOnce) {
  for (const bool uid : {true, false}) {
    schedule.want(wanted({sql("a")}), now);
    run("shop/a", passed("x"));
    Wanted other = wanted({sql("a")});
    (uid ? other.uid : other.database.name) = "another";
    schedule.want(other, now);
    EXPECT_EQ(result("a").state, State::unknown);
    schedule.clear();
  }
}

TEST_F(ScheduleTest, AChangedCheckIsAnotherOneAndTheRestStays) {
  schedule.want(wanted({sql("a"), sql("b")}), now);
  run("shop/a", passed("x"));
  run("shop/b", passed("x"));
  api::CheckSpec changed = sql("b");
  changed.sql->query = "SELECT false";
  schedule.want(wanted({sql("a"), changed}), now);
  EXPECT_EQ(result("a").state, State::passed);
  EXPECT_EQ(result("b").state, State::unknown);
  EXPECT_EQ(due(), "shop/b");
}

TEST_F(ScheduleTest, WhatIsNotWantedAnyMoreHasNoResult) {
  schedule.want(wanted({sql("a"), sql("b")}), now);
  schedule.want(wanted({sql("b")}), now);
  EXPECT_THAT(schedule.results(kShop, now), ElementsAre(Key("b")));
  schedule.want(wanted({}), now);
  EXPECT_TRUE(schedule.results(kShop, now).empty());
  EXPECT_FALSE(schedule.next_due());
}

TEST_F(ScheduleTest, AnAnswerToAnOldQuestionIsDropped) {
  schedule.want(wanted({sql("a")}, "shadow"), now);
  const auto task = schedule.take(now);
  schedule.want(wanted({sql("a")}, "enforcing"), now);
  EXPECT_EQ(due(), "nothing") << "the old run is still out";
  EXPECT_FALSE(schedule.finish(*task, passed("x"), kAt, now));
  EXPECT_EQ(result("a").state, State::unknown);
  EXPECT_EQ(due(), "shop/a");
}

TEST_F(ScheduleTest, ATaskFromBeforeAClearCountsNoMore) {
  schedule.want(wanted({sql("a")}), now);
  const auto old = schedule.take(now);
  schedule.clear();
  schedule.want(wanted({sql("a")}), now);
  const auto fresh = schedule.take(now);
  EXPECT_FALSE(schedule.finish(*old, failed("x"), kAt, now));
  EXPECT_EQ(result("a").state, State::unknown);
  EXPECT_TRUE(schedule.finish(*fresh, passed("x"), kAt, now));
}

TEST_F(ScheduleTest, OnlyANewStateOrMessageIsAChange) {
  schedule.want(wanted({sql("a", 60s)}), now);
  EXPECT_TRUE(run("shop/a", passed("x")));
  now += 60s;
  EXPECT_FALSE(run("shop/a", passed("x")));
  now += 60s;
  EXPECT_TRUE(run("shop/a", failed("x")));
  now += 60s;
  EXPECT_TRUE(run("shop/a", failed("y")));
}

// Each change is an urgent look at the project.
TEST_F(ScheduleTest, AValueThatIsAnotherEachTimeIsToldOnceAMinute) {
  schedule.want(wanted({sql("a", 5s)}), now);
  EXPECT_TRUE(run("shop/a", failed("0")));
  for (int i = 1; i < 12; ++i) {
    now += 5s;
    EXPECT_FALSE(run("shop/a", failed(std::to_string(i)))) << i;
    EXPECT_EQ(result("a").message, std::to_string(i)) << "who looks finds the newest";
  }
  now += 5s;
  EXPECT_TRUE(run("shop/a", failed("12")));
  now += 5s;
  EXPECT_TRUE(run("shop/a", passed("13"))) << "another state is told at once";
}

TEST_F(ScheduleTest, AnAnswerThatIsNoEvidenceCountsAtOnce) {
  schedule.want(wanted({sql("a", 60s)}), now);
  run("shop/a", passed("x"));
  now += 60s;
  EXPECT_TRUE(run("shop/a", unknown("no row")));
  EXPECT_EQ(result("a").message, "no row");
}

TEST_F(ScheduleTest, WhereNobodyCanBeAskedTheLastAnswerCountsForThreeIntervals) {
  schedule.want(wanted({sql("a", 60s)}), now);
  run("shop/a", passed("x"));
  for (int i = 0; i < 3; ++i) {
    now += 60s;
    EXPECT_FALSE(run("shop/a", unheard("gone"))) << i;
    EXPECT_EQ(result("a").state, State::passed) << i;
  }
  now += 60s;
  EXPECT_EQ(result("a").state, State::unknown);
  run("shop/a", unheard("gone"));
  EXPECT_EQ(result("a").message, "gone");
}

TEST_F(ScheduleTest, AResultThatNobodyRenewsGetsTooOld) {
  for (const auto& [outcome, good] : {std::pair{passed("x"), 180s}, std::pair{failed("x"), 90s}}) {
    schedule.clear();
    schedule.want(wanted({sql("a")}), now);
    run("shop/a", outcome);
    const auto stuck = now;
    now += good;
    EXPECT_EQ(result("a").state, outcome.state);
    now += 1ms;
    EXPECT_EQ(result("a").state, State::unknown);
    EXPECT_EQ(result("a").message, "has not been answered since 2026-01-15T00:00:00Z");
    EXPECT_TRUE(run("shop/a", outcome)) << "to who reads, it comes back";
    now = stuck + 10min;
  }
}

TEST_F(ScheduleTest, ARunningJobSaysNothingUnlessItRunsTimeAndAgain) {
  const Outcome running_job{Outcome::Heard::running, State::unknown, "is running", 5s};
  const Outcome done{Outcome::Heard::answer, State::passed, "succeeded", 5min};
  for (const bool again : {false, true}) {
    schedule.clear();
    schedule.want(wanted({again ? job("a", 1h) : job("a")}), now);
    EXPECT_TRUE(run("shop/a", running_job));
    EXPECT_EQ(result("a").message, "is running");
    sweep();
    now += 5s;
    run("shop/a", done);
    now += 5min;
    run("shop/a", running_job);
    EXPECT_EQ(result("a").state, again ? State::passed : State::unknown);
    now += 3h;
    EXPECT_EQ(result("a").state, State::unknown);
  }
}

TEST_F(ScheduleTest, JobsAreSweptWhenOtherOnesAreWanted) {
  schedule.want(wanted({job("a")}), now);
  run("shop/a", passed("x"));
  sweep();
  EXPECT_EQ(due(), "nothing");
  schedule.want(wanted({job("b")}), now);
  run("shop/b", passed("x"));
  const auto task = schedule.take(now);
  ASSERT_EQ(name_of(task), "sweep");
  EXPECT_EQ(std::get<Sweep>(task->work).wanted, wanted({job("b")}));
  schedule.finish(*task, true, now);
  schedule.want(wanted({sql("c")}), now);
  run("shop/c", passed("x"));
  sweep();
  schedule.want(wanted({sql("d")}), now);
  run("shop/d", passed("x"));
  EXPECT_EQ(due(), "nothing") << "there were no Jobs";
}

TEST_F(ScheduleTest, ForgottenJobsAreSweptTooAndThenNothingIsLeft) {
  schedule.want(wanted({job("a")}), now);
  run("shop/a", passed("x"));
  sweep();
  schedule.forget(kShop, now);
  EXPECT_TRUE(schedule.results(kShop, now).empty());
  const auto task = schedule.take(now);
  ASSERT_EQ(name_of(task), "sweep");
  EXPECT_EQ(std::get<Sweep>(task->work).wanted, wanted({}));
  schedule.finish(*task, true, now);
  EXPECT_FALSE(schedule.next_due());
}

TEST_F(ScheduleTest, ASweepThatFailsIsTriedAgain) {
  schedule.want(wanted({job("a")}), now);
  schedule.forget(kShop, now);
  sweep(false);
  EXPECT_EQ(due_in(), 30s);
  now += 30s;
  sweep();
  EXPECT_FALSE(schedule.next_due());
}

TEST_F(ScheduleTest, ForgottenWhileOutIsGoneWhenItComesBack) {
  schedule.want(wanted({sql("a")}), now);
  const auto task = schedule.take(now);
  schedule.forget(kShop, now);
  EXPECT_FALSE(schedule.finish(*task, passed("x"), kAt, now));
  EXPECT_FALSE(schedule.next_due());
  schedule.want(wanted({sql("a")}), now);
  EXPECT_EQ(result("a").message, "has not been run yet");
}

TEST_F(ScheduleTest, WantedAgainAfterItWasForgottenIsNew) {
  schedule.want(wanted({job("a")}), now);
  run("shop/a", passed("x"));
  schedule.forget(kShop, now);
  schedule.want(wanted({job("a")}), now);
  EXPECT_EQ(result("a").state, State::unknown);
  EXPECT_EQ(due(), "shop/a");
}

TEST_F(ScheduleTest, OfOneNameInBothEachIsRunAndHasItsOwnResult) {
  api::CheckSpec of_database = sql("a");
  of_database.demanded_by = api::CheckSpec::DemandedBy::database;
  schedule.want(wanted({sql("a"), of_database}), now);
  EXPECT_TRUE(run("shop/a", passed("its own")));
  EXPECT_TRUE(run("shop/a", failed("the floor")));
  EXPECT_EQ(result("a").message, "its own");
  EXPECT_EQ(result("database/a").message, "the floor");
}

TEST_F(ScheduleTest, ARunKnowsItsProject) {
  schedule.want(wanted({sql("a")}), now);
  EXPECT_EQ(std::get<checks::Run>(schedule.take(now)->work).project, "shop");
}

// However many are due, and however long ago, the namespaces take turns; of one the oldest comes first.
TEST_F(ScheduleTest, NamespacesTakeTurns) {
  for (const char* name : {"one", "two", "three"}) {
    schedule.want(wanted({sql("a")}, "shadow", {"busy", name}), now);
    now += 1s;
  }
  schedule.want(wanted({sql("a")}, "shadow", {"calm", "x"}), now);
  schedule.want(wanted({sql("a")}, "shadow", {"zen", "y"}), now);
  EXPECT_EQ(due(), "one/a");
  EXPECT_EQ(due(), "x/a");
  EXPECT_EQ(due(), "y/a");
  EXPECT_EQ(due(), "two/a");
  EXPECT_EQ(due(), "three/a") << "nobody else waits";
  EXPECT_EQ(due(), "nothing");
}

TEST_F(ScheduleTest, ATurnThatNobodyWantsIsPassedOn) {
  schedule.want(wanted({sql("a")}, "shadow", {"calm", "x"}), now);
  EXPECT_EQ(due(), "x/a");
  schedule.want(wanted({sql("a")}, "shadow", {"busy", "one"}), now + 5s);
  schedule.want(wanted({sql("a")}, "shadow", {"zen", "y"}), now + 9s);
  EXPECT_EQ(schedule.next_due(), now + 5s);
  EXPECT_EQ(due(), "nothing") << "it is not due yet";
  now += 5s;
  EXPECT_EQ(due(), "one/a") << "zen is next, and not due";
}

Wanted counted(std::vector<api::CheckSpec> checks = {}, const std::string& sql_text = "SELECT 12") {
  Wanted out = wanted(std::move(checks));
  out.count = CountQuery{.source = {.sql = sql_text}, .project = "shop", .since = kAt};
  return out;
}
Outcome count_of(std::int64_t number) {
  Outcome outcome = passed("");
  outcome.count = number;
  return outcome;
}

TEST_F(ScheduleTest, ACountIsNoCheckAndHasAFigure) {
  schedule.want(counted({sql("a")}), now);
  EXPECT_EQ(schedule.count(kShop, now)->message, "transactions have not been counted yet");
  EXPECT_FALSE(schedule.count(kShop, now)->count);
  run("shop/a", passed("x"));
  EXPECT_TRUE(run("shop/(transactions)", count_of(12)));
  EXPECT_EQ(schedule.count(kShop, now)->count, 12);
  EXPECT_THAT(schedule.results(kShop, now), ElementsAre(Key("a")));
  EXPECT_FALSE(schedule.count(kOther, now));
}

TEST_F(ScheduleTest, TransactionsAreCountedEveryThirtySeconds) {
  schedule.want(counted(), now);
  for (const Outcome& outcome : {count_of(12), unknown("x"), count_of(13)}) {
    run("shop/(transactions)", outcome);
    EXPECT_EQ(due_in(), 30s);
    now += 30s;
  }
}

TEST_F(ScheduleTest, AnotherFigureAloneIsNoChange) {
  schedule.want(counted(), now);
  EXPECT_TRUE(run("shop/(transactions)", count_of(12)));
  now += 30s;
  EXPECT_FALSE(run("shop/(transactions)", count_of(5000)));
  EXPECT_EQ(schedule.count(kShop, now)->count, 5000);
  now += 30s;
  EXPECT_TRUE(run("shop/(transactions)", unknown("gone")));
  EXPECT_FALSE(schedule.count(kShop, now)->count);
}

TEST_F(ScheduleTest, AFigureThatNobodyRenewsGetsTooOld) {
  schedule.want(counted(), now);
  run("shop/(transactions)", count_of(5000));
  now += 90s;
  EXPECT_EQ(schedule.count(kShop, now)->count, 5000);
  now += 1ms;
  EXPECT_FALSE(schedule.count(kShop, now)->count);
  EXPECT_THAT(schedule.count(kShop, now)->message, StartsWith("has not been answered since"));
}

TEST_F(ScheduleTest, AnotherSourceOrInstantForgetsTheFigureAtOnce) {
  for (const bool source : {true, false}) {
    schedule.want(counted(), now);
    run("shop/(transactions)", count_of(5000));
    Wanted other = counted();
    if (source) {
      other.count->source.sql = "SELECT 13";
    } else {
      other.count->since += 1us;
    }
    schedule.want(other, now);
    EXPECT_FALSE(schedule.count(kShop, now)->count);
    EXPECT_EQ(schedule.next_due(), now);
    schedule.clear();
  }
}

TEST_F(ScheduleTest, WhereNothingIsCountedAnyMoreNothingIsAsked) {
  schedule.want(counted(), now);
  schedule.want(wanted({}), now);
  EXPECT_FALSE(schedule.count(kShop, now));
  EXPECT_EQ(due(), "nothing");
}

}  // namespace
}  // namespace rls::checks
