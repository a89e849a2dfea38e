#pragma once
// Runs the checks that are wanted, and keeps what they found last (docs/checks.md).

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "controller/api/object.hpp"
#include "controller/base/result.hpp"
#include "controller/base/time.hpp"
#include "controller/checks/result.hpp"
#include "controller/checks/schedule.hpp"

namespace rls::checks {

/// What a run is. Called by the board's threads, several at a time, never for the same migration.
class Executor {
 public:
  virtual ~Executor() = default;
  /// May block for some seconds; `stop` makes it come back soon.
  virtual Outcome run(const Run& run, const std::stop_token& stop) = 0;
  /// Removes what is left of checks that are not among `wanted` any more. A terminal error is not tried
  /// again.
  virtual Result<void> sweep(const Wanted& wanted, const std::stop_token& stop) = 0;
};

/// Thread-safe, and quick: it never waits for a check. Begins paused.
class Board {
 public:
  /// Called after the state or message of one of the migration's checks has changed, by a thread of the
  /// board's. Must not block. A result that gets too old is seen in `results` alone.
  using OnChange = std::function<void(const api::ObjectName& migration)>;

  /// The references outlive the board. Without threads nothing is run but by `run_one`.
  Board(Executor& executor, const Clock& clock, OnChange on_change, unsigned threads = 2);
  /// Ends what runs.
  ~Board();
  Board(const Board&) = delete;
  Board& operator=(const Board&) = delete;

  /// Replaces what was wanted of that migration. Equal wants change nothing.
  void want(Wanted wanted);
  /// Results and wants go; Jobs of the checks are deleted.
  void forget(const api::ObjectName& migration);

  /// What each wanted check found last, by its id. Unknown: it has not been run yet, it could not be asked
  /// for three of its intervals, or what it heard is no evidence.
  [[nodiscard]] std::map<std::string, CheckResult> results(const api::ObjectName& migration) const;
  /// The same of the count of transactions; none: it is not wanted. A new figure alone is no change that is
  /// told.
  [[nodiscard]] std::optional<CheckResult> count(const api::ObjectName& migration) const;

  /// The lead is lost: what runs is stopped, nothing else is run, and all wants and results are forgotten.
  void pause();
  /// The lead is ours: what is wanted from now on, and since `pause`, is run.
  void resume();

  /// Runs what is due, by turns (schedule.hpp), on this thread. False: nothing is due, or the board is
  /// paused.
  bool run_one();

 private:
  void work(const std::stop_token& stop);
  void execute(const Schedule::Task& task, const std::stop_token& stop);
  void execute(const Schedule::Task& task, const Run& run, const std::stop_token& stop);
  void execute(const Schedule::Task& task, const Sweep& sweep, const std::stop_token& stop);
  void wake(std::unique_lock<std::mutex> lock);

  Executor& executor_;
  const Clock& clock_;
  const OnChange on_change_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  Schedule schedule_;          // guarded by mutex_
  bool paused_ = true;         // guarded by mutex_
  std::stop_source runs_;      // guarded by mutex_: ends what runs now
  std::uint64_t version_ = 0;  // guarded by mutex_: of what a thread may wait for
  std::vector<std::jthread> threads_;
};

}  // namespace rls::checks
