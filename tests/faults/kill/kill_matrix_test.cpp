// Kill points, generated: a run is repeated once for each call of the Kubernetes API and each SQL statement
// that it made, with the process killed before it, killed after it, or its reply lost (issue: kill points;
// design 6-quality: faults to survive). What counts at the end is that nobody can tell the difference.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <regex>
#include <thread>

#include "tests/faults/kill/rehearsals.hpp"

namespace rls::test {
namespace {

using Calls = std::map<Where, std::vector<std::string>>;

/// What is rehearsed.
struct Matrix {
  std::string name;
  std::function<std::unique_ptr<Rehearsal>(Plan)> rehearsal;
  std::size_t plans;     ///< so many of them are run, unless RLS_FAULTS=full
  unsigned at_once = 4;  ///< worlds: the servers are shared, and two processors are kept busy
  std::string always{};  ///< regular expression: faults that are all among them
};

/// Each call of each process × each fault.
std::vector<Plan> plans_of(const Calls& calls) {
  std::vector<Plan> plans;
  for (const auto& [where, made] : calls) {
    std::map<std::string, int> seen;
    for (const std::string& what : made) {
      const std::string call = what + "#" + std::to_string(++seen[what]);
      for (const char* fault : {"kill-before", "kill-after", "lose-reply"}) {
        plans.push_back({where, call + ":" + fault});
      }
    }
  }
  return plans;
}

/// Of more than are wanted: all that must be among them, and every n-th of the others.
std::vector<Plan> sample(const std::vector<Plan>& plans, const Matrix& matrix) {
  const char* full = std::getenv("RLS_FAULTS");
  if ((full != nullptr && std::string(full) == "full") || plans.size() <= matrix.plans) return plans;
  std::vector<Plan> some, others;
  const std::regex always(matrix.always);
  for (const Plan& plan : plans) {
    const bool must = !matrix.always.empty() && std::regex_search(plan.fault, always);
    (must ? some : others).push_back(plan);
  }
  const std::size_t rest = matrix.plans - std::min(matrix.plans, some.size());
  for (std::size_t i = 0; i < rest; ++i) some.push_back(others[i * others.size() / rest]);
  return some;
}

void nobody_can_tell_the_difference(const Matrix& matrix) {
  const auto clean = matrix.rehearsal({});
  ASSERT_EQ(clean->go(), "");
  std::vector<Plan> all = plans_of(clean->calls());
  ASSERT_GT(all.size(), 100U) << "the run makes calls";
  std::vector<Plan> plans = sample(all, matrix);
  if (const char* one = std::getenv("RLS_FAULT_PLAN")) {
    std::erase_if(plans = all, [&](const Plan& plan) { return plan.name() != one; });
    ASSERT_FALSE(plans.empty()) << "no plan has the name of RLS_FAULT_PLAN";
  }

  std::atomic<std::size_t> next{0}, met{0};
  std::mutex mutex;
  std::map<std::string, std::string> failed;  // guarded by mutex
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < matrix.at_once; ++i) {
    threads.emplace_back([&] {
      for (std::size_t at = next++; at < plans.size(); at = next++) {
        std::string wrong;
        try {
          const auto run = matrix.rehearsal(plans[at]);
          wrong = run->go();
          if (run->fault_met()) ++met;
        } catch (const std::exception& error) {
          wrong = std::string("no world for it: ") + error.what();
        }
        if (wrong.empty()) continue;
        const std::lock_guard lock(mutex);
        failed[plans[at].name()] = wrong;
        std::cerr << plans[at].name() << ": " << wrong << "\n";
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  std::cout << "faults " << matrix.name << ": " << plans.size() << " plans of " << all.size() << ", "
            << plans.size() - failed.size() << " survived, " << failed.size() << " failed (" << met
            << " met their fault)" << std::endl;
  for (const auto& [name, wrong] : failed) ADD_FAILURE() << name << ": " << wrong;
  // Whatever runs at the same time shifts what is the how-manieth call of its name, but not by much.
  EXPECT_GT(met * 10, plans.size() * 8) << "the faults must happen";
}

TEST(KillMatrix, NobodyCanTellTheDifference) {
  nobody_can_tell_the_difference(
      {"kill", [](Plan plan) { return projects_rehearsal(std::move(plan), false); }, 80});
}

TEST(KillMatrix, NobodyCanTellTheDifferenceOfAManagedRuntime) {
  nobody_can_tell_the_difference(
      {"managed", [](Plan plan) { return projects_rehearsal(std::move(plan), true); }, 70});
}

TEST(KillMatrix, NobodyCanTellTheDifferenceOfALifecycle) {
  // For the most part it waits, so more of them at once.
  nobody_can_tell_the_difference({"lifecycle", lifecycle_rehearsal, 80, 6,
                                  "^(POST rlsmigrations|set_holds|resume)#|^COMMIT#[0-9]+:lose-reply"});
}

}  // namespace
}  // namespace rls::test
