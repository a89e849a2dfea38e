// Faults that are generated: the scenario is played once unbroken, and then once for each of its API calls
// and watch events and each way in which that one can break. RLS_FAULTS=full plays all of them, otherwise a
// part that is spread evenly; RLS_FAULTS_ONLY=NAME plays those whose name contains NAME.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "tests/faults/api/scenario.hpp"

namespace rls::test {
namespace {

// The Lease is renewed for ever; after these it only repeats itself.
constexpr int kLeaseCalls = 3;
constexpr std::size_t kAtOnce = 3;
constexpr const char* kLedger =
    "motoko: >pending pending>shadow shadow>pending pending>shadow; "
    "sm: >pending pending>shadow shadow>pending";

const std::vector<std::string>& faults_of(const std::string& what) {
  if (what.starts_with("event ")) return kEventFaults;
  const bool read = what.starts_with("GET ") || what.starts_with("LIST ") || what.starts_with("WATCH ");
  return read ? kReadFaults : kWriteFaults;
}

std::vector<FaultAt> plans_of(const std::map<std::string, int>& seen) {
  std::vector<FaultAt> plans;
  for (const auto& [what, count] : seen) {
    const bool lease = what.ends_with(" leases");
    for (int number = 1; number <= (lease ? std::min(count, kLeaseCalls) : count); ++number) {
      for (const auto& fault : faults_of(what)) plans.push_back({what, number, fault});
    }
  }
  return plans;
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// At most `most`, spread evenly.
std::vector<FaultAt> part_of(const std::vector<FaultAt>& all, std::size_t most) {
  if (all.size() <= most) return all;
  std::vector<FaultAt> part;
  for (std::size_t i = 0; i < most; ++i) part.push_back(all[i * all.size() / most]);
  return part;
}

/// Plays the plans, some at a time, and prints the line that tells how many.
void play_all(const std::vector<FaultAt>& plans) {
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::size_t survived = 0, failed = 0;
  std::vector<std::string> never_came;
  std::vector<std::jthread> players;
  for (std::size_t i = 0; i < kAtOnce; ++i) {
    players.emplace_back([&] {
      for (std::size_t at = next++; at < plans.size(); at = next++) {
        const FaultAt& plan = plans[at];
        std::string wrong;
        bool came = false;
        try {
          const Scenario played = play(plan);
          wrong = played.wrong;
          came = played.came;
          if (wrong.empty() && played.ledger != kLedger) wrong = "the ledger: " + played.ledger;
        } catch (const std::exception& broken) {
          wrong = broken.what();
        }
        const std::lock_guard lock(mutex);
        if (!wrong.empty()) {
          ++failed;
          ADD_FAILURE() << plan.name() << ": " << wrong;
        } else if (came) {
          ++survived;
        } else {
          never_came.push_back(plan.name());
        }
      }
    });
  }
  players.clear();
  std::cout << "faults api: " << plans.size() << " plans, " << survived << " survived, " << failed
            << " failed";
  if (!never_came.empty()) std::cout << ", " << never_came.size() << " never came to their place";
  std::cout << std::endl;
  // How often a status is written depends on the moment; most places are reached all the same.
  EXPECT_LE(never_came.size() * 5, plans.size()) << testing::PrintToString(never_came);
}

class Matrix : public testing::Test {
 protected:
  void SetUp() override {
    static const Scenario unbroken = play({});
    ASSERT_EQ(unbroken.wrong, "");
    ASSERT_EQ(unbroken.ledger, kLedger);
    for (const FaultAt& plan : plans_of(unbroken.seen)) {
      (plan.what.starts_with("event ") ? events : calls).push_back(plan);
    }
    const std::string only = environment("RLS_FAULTS_ONLY");
    for (auto* plans : {&events, &calls}) {
      std::erase_if(*plans, [&](const FaultAt& plan) { return plan.name().find(only) == std::string::npos; });
    }
  }
  static std::size_t most(std::size_t usual) {
    return environment("RLS_FAULTS") == "full" ? static_cast<std::size_t>(-1) : usual;
  }

  std::vector<FaultAt> events, calls;
};

TEST_F(Matrix, EachEventOfAWatchIsSurvivedWhateverBecomesOfIt) { play_all(part_of(events, most(30))); }

TEST_F(Matrix, EachCallIsSurvivedWhateverBecomesOfIt) { play_all(part_of(calls, most(30))); }

}  // namespace
}  // namespace rls::test
