#include "controller/runtime/work_queue.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <tuple>

#include "tests/fakes/fake_clock.hpp"

namespace rls::runtime {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

using Queue = WorkQueue<std::string, std::string>;

class WorkQueueTest : public testing::Test {
 protected:
  std::optional<Queue::Batch> take(std::size_t max = 100, Priority at_least = Priority::normal) {
    return queue.try_take(max, clock.steady(), at_least);
  }
  std::vector<std::string> keys(std::size_t max = 100) {
    const auto batch = take(max);
    return batch ? batch->keys : std::vector<std::string>{};
  }
  void work_all() {
    while (const auto batch = take()) queue.done(*batch);
  }

  fakes::FakeClock clock;
  Queue queue{clock, {.batches_per_group = 2, .backoff = {milliseconds{200}, seconds{60}}, .jitter_seed = 1}};
};

TEST_F(WorkQueueTest, IsEmptyAtFirst) { EXPECT_FALSE(take()); }

TEST_F(WorkQueueTest, GivesOutWhatIsDueAndNotAMomentEarlier) {
  queue.add("db", "a", clock.steady() + seconds{10});
  clock.advance(seconds{10} - std::chrono::microseconds{1});
  EXPECT_FALSE(take());
  clock.advance(std::chrono::microseconds{1});
  const auto batch = take();
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->group, "db");
  EXPECT_EQ(batch->priority, Priority::normal);
  EXPECT_THAT(batch->keys, ElementsAre("a"));
}

TEST_F(WorkQueueTest, OrdersByMomentThenByArrival) {
  queue.add("db", "third", clock.steady() + seconds{2});
  queue.add("db", "second", clock.steady() + seconds{1});
  queue.add("db", "first", clock.steady() + seconds{1} - milliseconds{1});
  queue.add("db", "after second", clock.steady() + seconds{1});
  clock.advance(seconds{5});
  EXPECT_THAT(keys(), ElementsAre("first", "second", "after second", "third"));
}

TEST_F(WorkQueueTest, TheEarliestMomentWins) {
  queue.add("db", "a", clock.steady() + hours{1});
  queue.add("db", "a", clock.steady() + seconds{1});
  queue.add("db", "a", clock.steady() + hours{2});
  EXPECT_EQ(queue.stats().waiting, 1u);
  clock.advance(seconds{1});
  EXPECT_THAT(keys(), ElementsAre("a"));
}

TEST_F(WorkQueueTest, TheHigherPriorityWins) {
  queue.add("db", "a", clock.steady(), Priority::urgent);
  queue.add("db", "a", clock.steady(), Priority::normal);
  queue.add("db", "b", clock.steady(), Priority::normal);
  queue.add("db", "b", clock.steady() + hours{1}, Priority::urgent);
  const auto batch = take();
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->priority, Priority::urgent);
  EXPECT_THAT(batch->keys, ElementsAre("a", "b"));
}

TEST_F(WorkQueueTest, UrgentKeysComeFirstAndAlone) {
  queue.add("busy", "long due");
  clock.advance(hours{1});
  queue.add("db", "normal");
  queue.add("db", "urgent", Priority::urgent);
  auto batch = take();
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->group, "db");
  EXPECT_EQ(batch->priority, Priority::urgent);
  EXPECT_THAT(batch->keys, ElementsAre("urgent"));
  EXPECT_THAT(keys(), ElementsAre("long due"));
  EXPECT_THAT(keys(), ElementsAre("normal"));
}

TEST_F(WorkQueueTest, AnUrgentKeyThatIsNotYetDueHoldsNothingUp) {
  queue.add("db", "urgent", clock.steady() + seconds{1}, Priority::urgent);
  queue.add("db", "normal");
  EXPECT_THAT(keys(), ElementsAre("normal"));
}

TEST_F(WorkQueueTest, ABatchIsOfOneGroupAndAtMostMax) {
  for (const char* key : {"a", "b", "c"}) queue.add("one", key);
  queue.add("two", "d");
  EXPECT_THAT(keys(2), ElementsAre("a", "b"));
  EXPECT_THAT(keys(2), ElementsAre("d"));
  EXPECT_FALSE(take()) << "'c' waits for the slot of its group";
}

TEST_F(WorkQueueTest, TheGroupThatIsLongestDueComesFirst) {
  queue.add("late", "a", clock.steady() + seconds{2});
  queue.add("early", "b", clock.steady() + seconds{1});
  clock.advance(seconds{3});
  EXPECT_THAT(keys(), ElementsAre("b"));
  EXPECT_THAT(keys(), ElementsAre("a"));
}

TEST_F(WorkQueueTest, NormalBatchesLeaveOneSlotForUrgentOnes) {
  queue.add("db", "a");
  const auto normal = take();
  ASSERT_TRUE(normal);
  queue.add("db", "b");
  EXPECT_FALSE(take());
  queue.add("db", "c", Priority::urgent);
  const auto urgent = take();
  ASSERT_TRUE(urgent);
  EXPECT_THAT(urgent->keys, ElementsAre("c"));
  queue.add("db", "d", Priority::urgent);
  EXPECT_FALSE(take()) << "both slots are taken";
  queue.done(*normal);
  EXPECT_THAT(keys(), ElementsAre("d"));
}

TEST_F(WorkQueueTest, UrgentBatchesMayTakeAllSlots) {
  queue.add("db", "a", Priority::urgent);
  const auto first = take();
  queue.add("db", "b", Priority::urgent);
  const auto second = take();
  ASSERT_TRUE(first && second);
  queue.add("db", "c");
  EXPECT_FALSE(take());
  queue.done(*first);
  EXPECT_THAT(keys(), ElementsAre("c"));
}

TEST_F(WorkQueueTest, AWorkerForUrgentWorkTakesNothingElse) {
  queue.add("db", "normal");
  EXPECT_FALSE(take(1, Priority::urgent));
  queue.add("db", "urgent", Priority::urgent);
  EXPECT_THAT(take(1, Priority::urgent)->keys, ElementsAre("urgent"));
}

TEST_F(WorkQueueTest, AKeyInWorkIsNotGivenOutAgainUntilItIsDone) {
  queue.add("db", "a");
  const auto batch = take();
  ASSERT_TRUE(batch);
  queue.add("db", "a", Priority::urgent);
  EXPECT_FALSE(take());
  queue.done(*batch);
  const auto again = take();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->priority, Priority::urgent);
  queue.done(*again);
  EXPECT_FALSE(take());
  EXPECT_EQ(queue.stats().waiting, 0u);
}

TEST_F(WorkQueueTest, AdditionsWhileInWorkMergeToo) {
  queue.add("db", "a");
  const auto batch = take();
  queue.add("db", "a", clock.steady() + hours{1});
  queue.add("db", "a", clock.steady() + seconds{1});
  queue.done(*batch);
  EXPECT_FALSE(take());
  clock.advance(seconds{1});
  EXPECT_THAT(keys(), ElementsAre("a"));
}

TEST_F(WorkQueueTest, AKeyMovesToTheGroupItCameWithLast) {
  queue.add("old", "a");
  queue.add("new", "a", clock.steady() + hours{1});
  auto batch = take();
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->group, "new");
  queue.add("newer", "a");
  EXPECT_FALSE(take());
  queue.done(*batch);
  batch = take();
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->group, "newer");
}

TEST_F(WorkQueueTest, RemovedKeysAreGone) {
  queue.add("db", "a");
  queue.add("db", "b");
  queue.remove("a");
  queue.remove("never there");
  const auto batch = take();
  ASSERT_TRUE(batch);
  EXPECT_THAT(batch->keys, ElementsAre("b"));
  queue.add("db", "b");
  queue.remove("b");
  queue.done(*batch);
  EXPECT_FALSE(take());
  EXPECT_EQ(queue.stats().waiting, 0u);
}

TEST_F(WorkQueueTest, RetriesPauseLongerEachTime) {
  queue.add("db", "a");
  for (const auto& [shortest, longest] : {std::pair{100, 200}, {200, 400}, {400, 800}, {800, 1600}}) {
    const auto batch = take();
    ASSERT_TRUE(batch);
    queue.retry("db", "a");
    queue.done(*batch);
    EXPECT_FALSE(queue.try_take(1, clock.steady() + milliseconds{shortest - 1}));
    clock.advance(milliseconds{longest});
  }
  EXPECT_EQ(queue.failures("a"), 4u);
  EXPECT_EQ(queue.stats().retries, 4u);
}

TEST_F(WorkQueueTest, TheLongestPauseIsBounded) {
  queue.add("db", "a");
  for (int i = 0; i < 40; ++i) {
    const auto batch = take();
    ASSERT_TRUE(batch) << i;
    queue.retry("db", "a");
    queue.done(*batch);
    clock.advance(seconds{60});
  }
}

TEST_F(WorkQueueTest, ForgettingStartsThePausesAnew) {
  queue.add("db", "a");
  for (int i = 0; i < 5; ++i) {
    const auto batch = take();
    ASSERT_TRUE(batch);
    if (i == 4) queue.forget("a");
    queue.retry("db", "a");
    queue.done(*batch);
    clock.advance(i == 4 ? milliseconds{200} : seconds{60});
  }
  EXPECT_EQ(queue.failures("a"), 1u);
  EXPECT_TRUE(take());
}

TEST_F(WorkQueueTest, FailuresAreForgottenWhenAKeyLeaves) {
  queue.add("db", "a");
  const auto failed = take();
  queue.retry("db", "a");
  queue.done(*failed);
  clock.advance(seconds{1});
  work_all();
  EXPECT_EQ(queue.failures("a"), 0u);
}

TEST_F(WorkQueueTest, AnAdditionBringsARetryForward) {
  queue.add("db", "a");
  const auto failed = take();
  queue.retry("db", "a");
  queue.done(*failed);
  EXPECT_FALSE(take());
  queue.add("db", "a");
  EXPECT_TRUE(take());
  EXPECT_EQ(queue.failures("a"), 1u) << "but it has still failed";
}

TEST_F(WorkQueueTest, ARetriedUrgentKeyStaysUrgent) {
  queue.add("db", "a", Priority::urgent);
  const auto failed = take();
  queue.retry("db", "a");
  queue.done(*failed);
  clock.advance(seconds{1});
  const auto again = take();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->priority, Priority::urgent);
}

TEST_F(WorkQueueTest, AnUrgentKeyThatSucceedsIsNormalNextTime) {
  queue.add("db", "a", Priority::urgent);
  const auto urgent = take();
  queue.add("db", "a", clock.steady() + seconds{15});
  queue.done(*urgent);
  clock.advance(seconds{15});
  EXPECT_EQ(take()->priority, Priority::normal);
}

TEST_F(WorkQueueTest, CountsWhatItHolds) {
  queue.add("one", "a");
  queue.add("one", "a");
  queue.add("two", "b");
  queue.add("two", "c", clock.steady() + hours{1});
  clock.advance(seconds{7});
  const auto batch = take();
  ASSERT_TRUE(batch);
  queue.add("one", "a");
  const QueueStats stats = queue.stats();
  EXPECT_EQ(stats.due, 1u);
  EXPECT_EQ(stats.waiting, 2u);
  EXPECT_EQ(stats.in_work, 1u);
  EXPECT_EQ(stats.adds, 4u);
  EXPECT_EQ(stats.retries, 0u);
  EXPECT_EQ(stats.longest_wait, seconds{7});
}

TEST_F(WorkQueueTest, AMomentInThePastIsNow) {
  clock.advance(hours{1});
  queue.add("db", "first");
  queue.add("db", "second", Queue::Moment{});
  EXPECT_EQ(queue.stats().longest_wait, seconds{0});
  EXPECT_THAT(keys(), ElementsAre("first", "second"));
}

TEST_F(WorkQueueTest, TakeEndsWhenAskedToStop) {
  std::stop_source stop;
  stop.request_stop();
  queue.add("db", "a");
  EXPECT_FALSE(queue.take(1, stop.get_token()));
}

TEST_F(WorkQueueTest, TakeReturnsWhatIsDueWithoutWaiting) {
  queue.add("db", "a");
  EXPECT_THAT(queue.take(1, {})->keys, ElementsAre("a"));
}

/// The same rules, written down without any regard for speed.
class NaiveQueue {
 public:
  using Moment = Queue::Moment;
  void add(const std::string& group, const std::string& key, Moment when, Priority priority, Moment now) {
    when = std::max(when, now);
    Item& item = items_[key];
    if (item.waits) {
      item.due = std::min(item.due, when);
      item.priority = std::max(item.priority, priority);
    } else {
      item.due = when, item.priority = priority, item.waits = true, item.order = ++order_;
    }
    item.group = group;
  }
  std::optional<Queue::Batch> take(std::size_t max, Moment now) {
    using Rank = std::tuple<bool, Moment, std::uint64_t>;
    std::map<Rank, std::string> due;
    for (const auto& [key, item] : items_) {
      const bool urgent = item.priority == Priority::urgent;
      if (!item.waits || item.in_work || item.due > now || running(item.group) >= 2) continue;
      if (!urgent && normal_[item.group] >= 1) continue;
      due.emplace(Rank{!urgent, item.due, item.order}, key);
    }
    if (due.empty()) return std::nullopt;
    const Item& head = items_[due.begin()->second];
    Queue::Batch batch{head.group, {}, head.priority};
    for (const auto& [rank, key] : due) {
      Item& item = items_[key];
      if (batch.keys.size() == max || item.group != batch.group || item.priority != batch.priority) continue;
      item.waits = false, item.in_work = true;
      batch.keys.push_back(key);
    }
    ++(batch.priority == Priority::urgent ? urgent_ : normal_)[batch.group];
    return batch;
  }
  void done(const Queue::Batch& batch) {
    for (const std::string& key : batch.keys) items_[key].in_work = false;
    --(batch.priority == Priority::urgent ? urgent_ : normal_)[batch.group];
  }
  void remove(const std::string& key) { items_[key].waits = false; }

 private:
  struct Item {
    std::string group;
    Moment due{};
    Priority priority = Priority::normal;
    std::uint64_t order = 0;
    bool waits = false, in_work = false;
  };
  int running(const std::string& group) { return normal_[group] + urgent_[group]; }
  std::map<std::string, Item> items_;
  std::map<std::string, int> normal_, urgent_;
  std::uint64_t order_ = 0;
};

TEST_F(WorkQueueTest, AgreesWithTheNaiveQueueOnRandomWork) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    Queue fast(clock);
    NaiveQueue naive;
    std::minstd_rand random(seed + 1);
    const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
    std::vector<Queue::Batch> in_work;
    for (int step = 0; step < 2000; ++step) {
      const std::string key = "k" + std::to_string(below(25));
      // Mostly its own group; sometimes the object came back in another.
      const std::string group = "g" + std::to_string(below(20) == 0 ? below(4) : key.back() % 4);
      switch (below(8)) {
        case 0:
        case 1:
        case 2: {
          const auto when = clock.steady() + seconds{below(10)} - seconds{2};
          const Priority priority = below(4) == 0 ? Priority::urgent : Priority::normal;
          fast.add(group, key, when, priority);
          naive.add(group, key, when, priority, clock.steady());
          break;
        }
        case 3:
        case 4: {
          const std::size_t max = 1 + below(4);
          auto got = fast.try_take(max, clock.steady());
          const auto wanted = naive.take(max, clock.steady());
          ASSERT_EQ(got.has_value(), wanted.has_value()) << seed << ":" << step;
          if (!got) break;
          ASSERT_EQ(got->group, wanted->group) << seed << ":" << step;
          ASSERT_EQ(got->priority, wanted->priority) << seed << ":" << step;
          ASSERT_EQ(got->keys, wanted->keys) << seed << ":" << step;
          in_work.push_back(std::move(*got));
          break;
        }
        case 5:
          if (in_work.empty()) break;
          fast.done(in_work.back());
          naive.done(in_work.back());
          in_work.pop_back();
          break;
        case 6:
          if (below(4) != 0) break;
          fast.remove(key);
          naive.remove(key);
          break;
        default: clock.advance(milliseconds{below(2000)});
      }
    }
  }
}

TEST(WorkQueueThreads, EachKeyIsInOneHandAtATimeAndEachChangeIsSeen) {
  constexpr int kKeys = 200, kChanges = 4000;
  const SystemClock clock;
  Queue queue(clock,
              {.batches_per_group = 3, .backoff = {milliseconds{1}, milliseconds{2}}, .jitter_seed = 1});
  std::vector<std::atomic<int>> wanted(kKeys), seen(kKeys), hands(kKeys);
  std::atomic<int> remaining{kKeys};
  std::stop_source stop;
  const auto work = [&](Priority at_least) {
    unsigned round = 0;
    while (const auto batch = queue.take(16, stop.get_token(), at_least)) {
      for (const std::string& key : batch->keys) {
        const auto i = static_cast<std::size_t>(std::stoi(key));
        EXPECT_EQ(hands[i].fetch_add(1), 0);
        if (++round % 7 == 0) {
          queue.retry(batch->group, key);
        } else if (const int now = wanted[i];
                   seen[i].exchange(now) != kChanges / kKeys && now == kChanges / kKeys) {
          --remaining;
        }
        hands[i].fetch_sub(1);
      }
      queue.done(*batch);
      if (remaining == 0) stop.request_stop();
    }
  };
  {
    std::vector<std::jthread> workers;
    for (int i = 0; i < 3; ++i) workers.emplace_back([&] { work(Priority::normal); });
    workers.emplace_back([&] { work(Priority::urgent); });
    for (int change = 0; change < kChanges; ++change) {
      const int i = change * 7 % kKeys;
      ++wanted[static_cast<std::size_t>(i)];
      queue.add("g" + std::to_string(i % 5), std::to_string(i),
                clock.steady() + std::chrono::microseconds{change % 3 * 500},
                change % 11 == 0 ? Priority::urgent : Priority::normal);
      if (change % 1000 == 0) (void)queue.stats();
    }
  }
  EXPECT_EQ(remaining, 0);
}

}  // namespace
}  // namespace rls::runtime
