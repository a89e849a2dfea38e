#include "controller/checks/board.hpp"

#include <random>
#include <utility>

#include "controller/base/log.hpp"

namespace rls::checks {
namespace {

constexpr const char* kLogger = "checks";

std::string_view word(CheckResult::State state) {
  switch (state) {
    case CheckResult::State::passed: return "passed";
    case CheckResult::State::failed: return "failed";
    case CheckResult::State::unknown: return "unknown";
  }
  return "unknown";
}

}  // namespace

Board::Board(Executor& executor, const Clock& clock, OnChange on_change, unsigned threads)
    : executor_(executor),
      clock_(clock),
      on_change_(std::move(on_change)),
      schedule_(std::random_device{}()) {
  for (unsigned i = 0; i < threads; ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  }
}

Board::~Board() {
  pause();
  for (std::jthread& thread : threads_) thread.request_stop();
}

void Board::wake(std::unique_lock<std::mutex> lock) {
  ++version_;
  lock.unlock();
  changed_.notify_all();
}

void Board::want(Wanted wanted) {
  std::unique_lock lock(mutex_);
  schedule_.want(std::move(wanted), clock_.steady());
  wake(std::move(lock));
}

void Board::forget(const api::ObjectName& migration) {
  std::unique_lock lock(mutex_);
  schedule_.forget(migration, clock_.steady());
  wake(std::move(lock));
}

std::map<std::string, CheckResult> Board::results(const api::ObjectName& migration) const {
  const std::lock_guard lock(mutex_);
  return schedule_.results(migration, clock_.steady());
}

std::optional<CheckResult> Board::count(const api::ObjectName& migration) const {
  const std::lock_guard lock(mutex_);
  return schedule_.count(migration, clock_.steady());
}

void Board::pause() {
  std::stop_source ending{std::nostopstate};
  {
    const std::lock_guard lock(mutex_);
    paused_ = true;
    schedule_.clear();
    ending = std::exchange(runs_, std::stop_source{});
  }
  ending.request_stop();  // runs callbacks, hence not under the lock
}

void Board::resume() {
  std::unique_lock lock(mutex_);
  paused_ = false;
  wake(std::move(lock));
}

bool Board::run_one() {
  std::unique_lock lock(mutex_);
  if (paused_) return false;
  const auto task = schedule_.take(clock_.steady());
  if (!task) return false;
  const std::stop_token stop = runs_.get_token();
  lock.unlock();
  execute(*task, stop);
  return true;
}

void Board::work(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    if (run_one()) continue;
    std::unique_lock lock(mutex_);
    const auto due = paused_ ? std::nullopt : schedule_.next_due();
    const auto is_new = [this, seen = version_] { return version_ != seen; };
    if (!due) {
      changed_.wait(lock, stop, is_new);
    } else if (const auto rest = *due - clock_.steady(); rest > rest.zero()) {
      changed_.wait_for(lock, stop, rest, is_new);
    }
  }
}

void Board::execute(const Schedule::Task& task, const std::stop_token& stop) {
  if (const Run* run = std::get_if<Run>(&task.work)) return execute(task, *run, stop);
  execute(task, std::get<Sweep>(task.work), stop);
}

void Board::execute(const Schedule::Task& task, const Run& run, const std::stop_token& stop) {
  const Time at = clock_.now();
  const Outcome outcome = executor_.run(run, stop);
  std::unique_lock lock(mutex_);
  const bool changed = schedule_.finish(task, outcome, at, clock_.steady());
  wake(std::move(lock));
  if (!changed) return;
  log::info(kLogger, "a check's result has changed",
            {{"migration", run.migration.str()},
             {"check", run.check.id()},
             {"result", word(outcome.state)},
             {"message", outcome.message}});
  on_change_(run.migration);
}

void Board::execute(const Schedule::Task& task, const Sweep& sweep, const std::stop_token& stop) {
  const auto swept = executor_.sweep(sweep.wanted, stop);
  if (!swept && !stop.stop_requested()) {
    log::warn(kLogger, "Jobs of checks that are not wanted any more could not be deleted",
              {{"migration", sweep.wanted.migration.str()}, {"error", swept.error().message}});
  }
  std::unique_lock lock(mutex_);
  schedule_.finish(task, swept.ok() || swept.error().kind == ErrorKind::terminal, clock_.steady());
  wake(std::move(lock));
}

}  // namespace rls::checks
