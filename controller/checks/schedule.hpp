#pragma once
// What is to be run when, and what came of it. Has no clock and no threads, and does nothing: who has both
// asks.

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "controller/api/database.hpp"
#include "controller/api/gating.hpp"
#include "controller/api/object.hpp"
#include "controller/checks/result.hpp"

namespace rls::checks {

/// The transactions of a project that are to be counted.
struct CountQuery {
  api::TransactionSource source;
  std::string project;
  Time since{};  ///< of the database's clock
  bool operator==(const CountQuery&) const = default;
};

/// What a count is called beside the checks. No check has that name.
inline constexpr std::string_view kTransactions = "(transactions)";
/// How often transactions are counted. A figure three times as old is none.
inline constexpr Duration kCountEvery = std::chrono::seconds{30};

/// The checks of one migration that are to be run, from now until another Wanted.
struct Wanted {
  api::ObjectName migration;
  std::string uid;  ///< of the RlsMigration
  api::ObjectName database;
  std::string project;
  std::string subject;  ///< what results are evidence for; one for another subject is forgotten at once
  std::vector<api::CheckSpec> checks;
  std::optional<CountQuery> count{};
  bool operator==(const Wanted&) const = default;
};

/// One run of one check.
struct Run {
  api::ObjectName migration;
  std::string uid;
  api::ObjectName database;
  std::string project;
  std::string subject;
  api::CheckSpec check;
  std::optional<CountQuery> count{};  ///< then that is asked, and the check has a name alone
};

/// Removes what is left of checks that are not wanted any more: all but `wanted`.
struct Sweep {
  Wanted wanted;
};

/// How long until a check is run again: `every` (5 s at least); else a minute after it passed, and half of
/// one otherwise. A result three times as old is none.
Duration renewal(const api::CheckSpec& check, CheckResult::State state);

/// Not thread-safe. Times are of a steady clock, and never go back.
class Schedule {
 public:
  using Moment = std::chrono::steady_clock::time_point;
  struct Task {
    std::uint64_t ticket = 0;
    std::variant<Run, Sweep> work;
  };

  explicit Schedule(std::uint32_t seed) : random_(seed) {}

  /// Replaces what was wanted of that migration. A check that is wanted as before keeps its result and its
  /// time; all others are due now. Equal wants change nothing.
  void want(Wanted wanted, Moment now);
  void forget(const api::ObjectName& migration, Moment now);
  void clear();

  /// A task that is due, if any is. The namespaces take turns, so that a namespace waits for one run of each
  /// other at the most; of one namespace the one that is due the longest. Of one migration only one
  /// is out at a time, so that a check never runs twice at once, and nothing is swept that is just being
  /// made.
  std::optional<Task> take(Moment now);
  /// When the next one is due.
  [[nodiscard]] std::optional<Moment> next_due() const;

  /// The run's end; it began at `at`. True: the state of a check has changed, or its message, which is told
  /// once a minute at most.
  bool finish(const Task& task, const Outcome& outcome, Time at, Moment now);
  /// The sweep's end. One that failed is tried again.
  void finish(const Task& task, bool swept, Moment now);

  /// By the checks' ids. What has not been run, or could not be for too long, is unknown.
  [[nodiscard]] std::map<std::string, CheckResult> results(const api::ObjectName& migration,
                                                           Moment now) const;
  /// The same of the count; none: none is wanted.
  [[nodiscard]] std::optional<CheckResult> count(const api::ObjectName& migration, Moment now) const;

 private:
  struct Check {
    std::uint64_t ticket = 0;
    api::CheckSpec spec;
    std::optional<CountQuery> count;
    Moment due;
    CheckResult shown;                 ///< before the first run: unknown
    std::optional<Moment> good_until;  ///< of a result that may get too old
    std::optional<Moment> told;        ///< when a change of it was told last
  };
  struct Entry {
    Wanted wanted;
    std::vector<Check> checks;
    std::optional<Moment> sweep;       ///< when it is due
    std::uint64_t sweep_ticket = 0;    ///< changes when another sweep is wanted
    std::optional<std::uint64_t> out;  ///< the task that is out
    std::optional<Moment> listed;      ///< its place in agenda_
    bool gone = false;                 ///< forgotten: only its sweep is left to do
  };

  static bool has_jobs(const Wanted& wanted);
  static CheckResult seen(const Check& check, Moment now);
  static std::optional<Moment> due(const Entry& entry);
  void list(const api::ObjectName& name, Entry& entry);
  void release(const api::ObjectName& name, Entry& entry);
  Entry* holder(const Task& task, const api::ObjectName& migration);
  void apply(Check& check, const Outcome& outcome, Time at, Moment now);
  Moment after(Duration interval, bool jittered, Moment now);

  std::map<api::ObjectName, Entry> entries_;
  /// By namespace: of each entry with something to do and nothing out. None is empty.
  std::map<std::string, std::set<std::pair<Moment, api::ObjectName>>> agendas_;
  std::string turn_;  ///< the namespace that had the last task
  std::uint64_t tickets_ = 0;
  std::minstd_rand random_;
};

}  // namespace rls::checks
