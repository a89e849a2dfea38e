#include "controller/checks/schedule.hpp"

#include <algorithm>

namespace rls::checks {
namespace {

using std::chrono::seconds;
using State = CheckResult::State;

constexpr Duration kShortest = seconds{5};
constexpr Duration kAfterPassed = seconds{60};
constexpr Duration kAfterOthers = seconds{30};
constexpr Duration kSweepAgain = seconds{30};
/// Changes of the words alone.
constexpr Duration kToldAgain = std::chrono::minutes{1};
constexpr int kGoodFor = 3;  ///< intervals

CheckResult never_run(bool count) {
  return {State::unknown, count ? "transactions have not been counted yet" : "has not been run yet", {}};
}

api::CheckSpec spec_of_count() {
  api::CheckSpec spec{.name = std::string(kTransactions), .phases = {}};
  spec.demanded_by = api::CheckSpec::DemandedBy::database;
  spec.every = kCountEvery;
  return spec;
}

}  // namespace

Duration renewal(const api::CheckSpec& check, State state) {
  if (check.every) return std::max(*check.every, kShortest);
  return state == State::passed ? kAfterPassed : kAfterOthers;
}

bool Schedule::has_jobs(const Wanted& wanted) {
  return std::any_of(wanted.checks.begin(), wanted.checks.end(),
                     [](const api::CheckSpec& check) { return check.job.has_value(); });
}

std::optional<Schedule::Moment> Schedule::due(const Entry& entry) {
  std::optional<Moment> first = entry.sweep;
  for (const Check& check : entry.checks) {
    if (!first || check.due < *first) first = check.due;
  }
  return first;
}

/// Puts the entry into its namespace's agenda where it belongs now.
void Schedule::list(const api::ObjectName& name, Entry& entry) {
  const auto agenda = agendas_.try_emplace(name.ns).first;
  if (entry.listed) agenda->second.erase({*entry.listed, name});
  entry.listed = entry.out ? std::nullopt : due(entry);
  if (entry.listed) agenda->second.emplace(*entry.listed, name);
  if (agenda->second.empty()) agendas_.erase(agenda);
}

/// Nothing of it is out any more.
void Schedule::release(const api::ObjectName& name, Entry& entry) {
  entry.out.reset();
  list(name, entry);
  if (entry.gone && !entry.sweep) entries_.erase(name);
}

void Schedule::want(Wanted wanted, Moment now) {
  if (wanted.checks.empty() && !wanted.count) return forget(wanted.migration, now);
  const api::ObjectName name = wanted.migration;
  Entry& entry = entries_[name];
  if (entry.wanted == wanted) return;
  const bool same_evidence = entry.wanted.uid == wanted.uid && entry.wanted.subject == wanted.subject &&
                             entry.wanted.database == wanted.database &&
                             entry.wanted.project == wanted.project;
  std::vector<Check> checks;
  const auto add = [&](const api::CheckSpec& spec, const std::optional<CountQuery>& count) {
    const auto known = std::find_if(entry.checks.begin(), entry.checks.end(), [&](const Check& check) {
      return same_evidence && check.spec == spec && check.count == count;
    });
    if (known != entry.checks.end()) {
      checks.push_back(*known);
    } else {
      checks.push_back({++tickets_, spec, count, now, never_run(count.has_value()), {}, {}});
    }
  };
  for (const api::CheckSpec& spec : wanted.checks) add(spec, {});
  if (wanted.count) add(spec_of_count(), wanted.count);
  // Also where nothing is known of Jobs from before: another leader may have made some.
  if (has_jobs(entry.wanted) || has_jobs(wanted)) {
    entry.sweep = now;
    entry.sweep_ticket = ++tickets_;
  }
  entry.checks = std::move(checks);
  entry.wanted = std::move(wanted);
  entry.gone = false;
  list(name, entry);
}

void Schedule::forget(const api::ObjectName& migration, Moment now) {
  const auto found = entries_.find(migration);
  if (found == entries_.end() || found->second.gone) return;
  Entry& entry = found->second;
  entry.sweep.reset();
  if (has_jobs(entry.wanted)) {
    entry.sweep = now;
    entry.sweep_ticket = ++tickets_;
  }
  entry.checks.clear();
  entry.wanted.checks.clear();
  entry.wanted.count.reset();
  entry.gone = true;
  list(migration, entry);
  if (!entry.out && !entry.sweep) entries_.erase(found);
}

void Schedule::clear() {
  entries_.clear();
  agendas_.clear();
}

std::optional<Schedule::Task> Schedule::take(Moment now) {
  const auto due_now = [now](const auto& agenda) { return agenda.second.begin()->first <= now; };
  const auto after_last = agendas_.upper_bound(turn_);
  auto next = std::find_if(after_last, agendas_.end(), due_now);
  if (next == agendas_.end()) {
    next = std::find_if(agendas_.begin(), after_last, due_now);
    if (next == after_last) return std::nullopt;
  }
  const api::ObjectName name = next->second.begin()->second;
  turn_ = name.ns;
  Entry& entry = entries_.at(name);
  const Moment first = *due(entry);
  // A check before a sweep that is as old: somebody waits for it.
  const auto check = std::find_if(entry.checks.begin(), entry.checks.end(),
                                  [&](const Check& each) { return each.due == first; });
  Task task{entry.sweep_ticket, Sweep{entry.wanted}};
  if (check != entry.checks.end()) {
    const Wanted& wanted = entry.wanted;
    task = {check->ticket, Run{wanted.migration, wanted.uid, wanted.database, wanted.project, wanted.subject,
                               check->spec, check->count}};
  }
  entry.out = task.ticket;
  list(name, entry);
  return task;
}

std::optional<Schedule::Moment> Schedule::next_due() const {
  std::optional<Moment> first;
  for (const auto& [ns, agenda] : agendas_) {
    if (!first || agenda.begin()->first < *first) first = agenda.begin()->first;
  }
  return first;
}

/// The entry whose task it is; none where it was forgotten meanwhile.
Schedule::Entry* Schedule::holder(const Task& task, const api::ObjectName& migration) {
  const auto found = entries_.find(migration);
  if (found == entries_.end() || found->second.out != task.ticket) return nullptr;
  return &found->second;
}

/// Up to a tenth less by chance, so that what began together does not stay together.
Schedule::Moment Schedule::after(Duration interval, bool jittered, Moment now) {
  if (jittered) {
    std::uniform_int_distribution<std::int64_t> less(0, interval.count() / 10);
    interval -= Duration{less(random_)};
  }
  return now + interval;
}

CheckResult Schedule::seen(const Check& check, Moment now) {
  if (!check.good_until || now <= *check.good_until) return check.shown;
  return {State::unknown, "has not been answered since " + format_rfc3339_seconds(check.shown.at),
          check.shown.at};
}

bool Schedule::finish(const Task& task, const Outcome& outcome, Time at, Moment now) {
  const api::ObjectName& migration = std::get<Run>(task.work).migration;
  Entry* const entry = holder(task, migration);
  if (entry == nullptr) return false;
  const auto check = std::find_if(entry->checks.begin(), entry->checks.end(),
                                  [&](const Check& each) { return each.ticket == task.ticket; });
  bool changed = false;
  if (check != entry->checks.end()) {
    const CheckResult before = seen(*check, now);
    apply(*check, outcome, at, now);
    const CheckResult after_it = seen(*check, now);
    // A value that is another each time is no news each time.
    const bool other_words =
        before.message != after_it.message && (!check->told || now - *check->told >= kToldAgain);
    changed = before.state != after_it.state || other_words;
    if (changed) check->told = now;
  }
  release(migration, *entry);
  return changed;
}

void Schedule::apply(Check& check, const Outcome& outcome, Time at, Moment now) {
  const Duration interval = renewal(check.spec, outcome.state);
  check.due = outcome.again_in ? now + *outcome.again_in : after(interval, !check.spec.every, now);
  const bool there_is_one = check.good_until && now <= *check.good_until;
  // A Job that is run time and again says nothing while it runs; what it said before is what is known.
  const bool keeps = outcome.heard == Outcome::Heard::nothing ||
                     (outcome.heard == Outcome::Heard::running && check.spec.every);
  if (keeps && there_is_one) return;
  check.shown = {outcome.state, outcome.message, at, outcome.count};
  check.good_until.reset();
  if (outcome.state == State::unknown) return;
  check.good_until = now + kGoodFor * std::max(interval, outcome.again_in.value_or(interval));
}

void Schedule::finish(const Task& task, bool swept, Moment now) {
  const api::ObjectName& migration = std::get<Sweep>(task.work).wanted.migration;
  Entry* const entry = holder(task, migration);
  if (entry == nullptr) return;
  if (entry->sweep && entry->sweep_ticket == task.ticket) {
    entry->sweep.reset();
    if (!swept) entry->sweep = now + kSweepAgain;
  }
  release(migration, *entry);
}

std::map<std::string, CheckResult> Schedule::results(const api::ObjectName& migration, Moment now) const {
  std::map<std::string, CheckResult> all;
  const auto found = entries_.find(migration);
  if (found == entries_.end()) return all;
  for (const Check& check : found->second.checks) {
    if (!check.count) all.insert_or_assign(check.spec.id(), seen(check, now));
  }
  return all;
}

std::optional<CheckResult> Schedule::count(const api::ObjectName& migration, Moment now) const {
  const auto found = entries_.find(migration);
  if (found == entries_.end()) return std::nullopt;
  for (const Check& check : found->second.checks) {
    if (check.count) return seen(check, now);
  }
  return std::nullopt;
}

}  // namespace rls::checks
