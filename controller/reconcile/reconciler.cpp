#include "controller/reconcile/reconciler.hpp"

#include <algorithm>
#include <set>

#include "controller/base/log.hpp"
#include "controller/base/text.hpp"

namespace rls::reconcile {
namespace {

constexpr const char* kLogger = "reconcile";
// From pending to complete there are three steps; each round takes one.
constexpr int kRounds = 3;
// One transaction moves so many at the most (design 3-database: 256 rows a statement).
constexpr std::size_t kMovesPerTransaction = 256;
// What is due later is looked at again meanwhile: a moment in the far future must not overflow any clock.
constexpr std::chrono::hours kLongestWait{24};
// A change of counters alone is written at most so often (design 2-api).
constexpr std::chrono::seconds kCounterInterval{60};

Key database_key(const api::ObjectName& database) { return {Kind::database, database}; }
Key migration_key(const api::RlsMigration& migration) { return {Kind::migration, migration.meta.name}; }

std::string actor_of(const api::RlsMigration& migration) {
  return "RlsMigration " + migration.meta.name.str();
}

decide::StepFailure failure_of(const Error& error) {
  return {error.reason, error.message, error.kind == ErrorKind::terminal};
}

/// A runtime that cannot be tended holds promotions up by its evidence; steps down need none of it. So only
/// what stops everything else, too, is an error of the database.
bool stops_everything(const Error& error) {
  return error.kind == ErrorKind::in_doubt || error.reason == "FenceLost" || error.reason == "Claimed" ||
         error.reason == "NotLeading" || error.reason == "NotPrimary" ||
         error.reason == "DatabaseUnreachable";
}

}  // namespace

void Reconciler::process(const Queue::Batch& batch) {
  const auto began = clock_.steady();
  const api::ObjectName& name = batch.group;
  const bool whole = std::find(batch.keys.begin(), batch.keys.end(), database_key(name)) != batch.keys.end();
  std::vector<Item> items = items_of(batch, whole);
  const auto database = caches_.databases.get(name);
  bool failed = false;

  if (database == nullptr) {
    sessions_.forget(name);
    surroundings_.forget_findings(name);
    observer_.database_up(name, std::nullopt);
    writer_.forget(database_key(name));
    const Error missing =
        transient("DatabaseNotFound", "RlsDatabase " + quoted(name.str()) +
                                          " does not exist: create it, or correct spec.databaseRef.name");
    fail_all(items, missing, Duration{0});
    if (whole) publish_rollouts(name, items, missing);
  } else {
    DatabaseOutcome outcome;
    const bool managed = database->spec.mode == api::RuntimeMode::managed;
    bool again = false;
    auto open = sessions_.open(*database, batch.priority);
    if (open) {
      outcome.facts = open->facts;
      // First the runtime, so that who is registered there is known. It is looked at once more at once where
      // phases moved, which may ask for another form of the policies, or where somebody waits to be
      // registered.
      if (whole && managed) outcome.error = tend(*open, *database, items, outcome);
      if (!outcome.error) outcome.error = work_on(*open, name, items, database->spec.policy, whole);
      outcome.just_moved = any_moved(items);
      // Also where a wave may have arrived.
      again = !outcome.error && (((managed || rollouts_.any(name)) && outcome.just_moved) ||
                                 (managed && !whole && any_unregistered(items)));
      if (whole && !outcome.error) {
        outcome.error = describe(*open, managed, outcome);
      }
      if (outcome.error) {
        outcome.facts.reset();
        Sessions::drop(*open);
        sessions_.note(name, false);
      }
    } else {
      outcome.error = open.error();
    }
    // That we do not lead any more tells nothing about the database. Who is elected next looks at everything.
    if (outcome.error && (outcome.error->reason == "NotLeading" || !sessions_.leading())) {
      queue_.retry(name, database_key(name));
      return;
    }
    if (outcome.error) {
      failed = true;
      if (outcome.error->reason == "FenceLost") fence_lost_(outcome.error->message);
      outcome.not_ok_for = sessions_.not_ok_for(name);
      fail_all(items, *outcome.error, outcome.not_ok_for);
      log::warn(kLogger, "database cannot be used",
                {{"namespace", name.ns},
                 {"database", name.name},
                 {"reason", outcome.error->reason},
                 {"err", outcome.error->message}});
    }
    observer_.database_up(name, !failed);
    if (whole) {
      publish_database(*database, outcome);
      publish_rollouts(name, items, outcome.error);
    }
    if (failed) {
      queue_.retry(name, database_key(name));  // its next look covers all of its migrations
    } else if (whole) {
      queue_.forget(database_key(name));
      queue_.add(name, database_key(name), clock_.steady() + options_.observe_interval);
    }
    if (again && !failed) queue_.add(name, database_key(name));
  }

  for (const Item& item : items) {
    publish(item);
    schedule(item);
    // What is urgent stays urgent: it is tried again by itself, not only with the look at the whole database.
    if (failed && batch.priority == runtime::Priority::urgent)
      queue_.retry(name, migration_key(*item.migration));
  }
  const std::chrono::duration<double> took = clock_.steady() - began;
  observer_.reconciled(whole ? Kind::database : Kind::migration, batch.keys.size(), took, failed);
}

/// The migrations to look at: those of the batch, or all of the database's.
std::vector<Reconciler::Item> Reconciler::items_of(const Queue::Batch& batch, bool whole) {
  std::vector<Item> items;
  const auto take = [&](MigrationPointer migration) {
    Item item{std::move(migration), clock_.steady(), {}, false};
    item.outcome.observed.conflict_with_older = caches_.owners.older_than(*item.migration);
    items.push_back(std::move(item));
  };
  for (const Key& key : batch.keys) {
    if (key.kind != Kind::migration || caches_.migrations.get(key.name) != nullptr) continue;
    writer_.forget(key);
    surroundings_.forget(key.name);
  }
  if (whole) {
    for (auto& migration : caches_.migrations.by_index(batch.group)) take(std::move(migration));
    return items;
  }
  for (const Key& key : batch.keys) {
    auto migration = caches_.migrations.get(key.name);
    if (migration != nullptr && database_of(*migration) == batch.group) take(std::move(migration));
  }
  add_peers(items);
  return items;
}

/// Who goes together with those of the batch is looked at with them.
void Reconciler::add_peers(std::vector<Item>& items) {
  std::set<api::ObjectName> there;
  for (const Item& item : items) there.insert(item.migration->meta.name);
  for (std::size_t i = 0; i < items.size(); ++i) {
    const MigrationPointer migration = items[i].migration;
    for (const std::string& peer : decide::peers_of(*migration, surroundings_.wave_of(*migration))) {
      const auto owner = caches_.owners.first_for(*migration, peer);
      if (!owner || !there.insert(*owner).second) continue;
      auto found = caches_.migrations.get(*owner);
      if (found != nullptr) items.push_back({std::move(found), clock_.steady(), {}, false});
    }
  }
}

bool Reconciler::any_moved(const std::vector<Item>& items) {
  return std::any_of(items.begin(), items.end(), [](const Item& item) { return item.moved; });
}

bool Reconciler::any_unregistered(const std::vector<Item>& items) {
  return std::any_of(items.begin(), items.end(), [](const Item& item) {
    return item.migration->spec.access && item.outcome.plan.standing == decide::Standing::unknown_project;
  });
}

/// Of a managed runtime. `items`: all of the database.
std::optional<Error> Reconciler::tend(Sessions::Open& open, const api::RlsDatabase& database,
                                      const std::vector<Item>& items, DatabaseOutcome& outcome) {
  postgres::RuntimeWish wish{.tables = database.spec.tables,
                             .repair = database.spec.repair,
                             .audit_retention = database.spec.audit_retention,
                             .projects = {}};
  for (const Item& item : items) {
    const api::MigrationSpec& spec = item.migration->spec;
    // Of two for the same project the older one counts.
    if (spec.access && !item.outcome.observed.conflict_with_older)
      wish.projects.push_back({spec.project, *spec.access});
  }
  auto report = open.database->tend(wish);
  if (report) {
    outcome.runtime = std::move(report).value();
    if (outcome.runtime) surroundings_.note(database, outcome.runtime->findings, clock_.now());
    return std::nullopt;
  }
  surroundings_.forget_findings(database.meta.name);
  if (stops_everything(report.error())) return report.error();
  outcome.runtime.emplace().status = database.status.runtime.value_or(api::RuntimeStatus{});
  outcome.runtime->findings = database.status.findings;
  outcome.runtime->status.not_ready_because = report.error().message;
  outcome.not_tended = true;
  log::warn(kLogger, "the managed runtime could not be tended",
            {{"namespace", database.meta.name.ns},
             {"database", database.meta.name.name},
             {"reason", report.error().reason},
             {"err", report.error().message}});
  return std::nullopt;
}

/// What the status of the database itself tells.
std::optional<Error> Reconciler::describe(Sessions::Open& open, bool managed, DatabaseOutcome& outcome) {
  auto counted = open.database->count_by_phase();
  if (!counted) return counted.error();
  outcome.projects = std::move(counted).value();
  if (managed) return std::nullopt;
  auto described = open.database->describe();
  if (!described) return described.error();
  outcome.adopted = std::move(described).value();
  return std::nullopt;
}

/// Observes, decides and moves until nothing is due. An Error: the database cannot be used any further.
/// `whole`: these are all of the database.
std::optional<Error> Reconciler::work_on(Sessions::Open& open, const api::ObjectName& database,
                                         std::vector<Item>& items, const api::DatabasePolicy& policy,
                                         bool whole) {
  std::vector<Item*> all, pending;
  for (Item& item : items) {
    all.push_back(&item);
    if (item.outcome.observed.conflict_with_older) {
      item.outcome.observed.database = decide::DatabaseState::ok;
    } else {
      pending.push_back(&item);
    }
  }

  if (pending.empty()) decide_for(all, policy);
  for (int round = 0; round <= kRounds && !pending.empty(); ++round) {
    // What has just moved is in a phase of its own, which began after all that was counted.
    const bool count = whole && round == 0;
    if (auto error =
            observe(open, pending, count ? postgres::Counting::latest : postgres::Counting::remembered))
      return error;
    if (whole) decide_waves(database, items);
    decide_for(all, policy);
    if (auto error = count_exactly(open, all, policy)) return error;
    std::vector<Item*> due, moved;
    std::set<Item*> looked(pending.begin(), pending.end());
    std::set<std::string_view> groups;
    for (const Item* item : pending) groups.insert(item->outcome.plan.group);
    groups.erase("");
    // With all of their groups, also with who was there before and waited.
    for (Item* item : all) {
      if (item->outcome.plan.step == decide::StepKind::none) continue;
      if (looked.contains(item) || groups.contains(item->outcome.plan.group)) due.push_back(item);
    }
    if (round == kRounds) break;
    if (auto error = move_all(open, items, std::move(due), moved)) return error;
    pending = std::move(moved);
  }
  fetch_details(open, items);
  return std::nullopt;
}

/// In transactions of a size that locks nobody for long. What goes down goes first, and in transactions of
/// its own: no promotion can take it with it when it fails. A group is never cut in two.
std::optional<Error> Reconciler::move_all(Sessions::Open& open, std::vector<Item>& items,
                                          std::vector<Item*> due, std::vector<Item*>& moved) {
  const auto first_up = std::stable_partition(due.begin(), due.end(), [](const Item* item) {
    return item->outcome.plan.step == decide::StepKind::down;
  });
  std::stable_sort(first_up, due.end(), [](const Item* a, const Item* b) {
    return a->outcome.plan.group < b->outcome.plan.group;
  });
  const auto downs = static_cast<std::size_t>(first_up - due.begin());
  for (std::size_t at = 0, end = 0; at < due.size(); at = end) {
    const std::size_t limit = at < downs ? downs : due.size();
    end = std::min(at + kMovesPerTransaction, limit);
    const auto cuts_a_group = [&] {
      const std::string& group = due[end - 1]->outcome.plan.group;
      return end < limit && !group.empty() && group == due[end]->outcome.plan.group;
    };
    while (cuts_a_group()) ++end;
    const std::span<Item* const> part(due.data() + at, end - at);
    if (auto error = move(open, items, part, moved)) {
      // Somebody blocks these rows, or they changed under us: that is theirs alone, and is tried again.
      const bool theirs = error->kind == ErrorKind::conflict || error->reason == "LockTimeout";
      if (!theirs) return error;
      if (at < downs && part.size() > 1) {
        // One who is blocked must not keep the others up.
        if (auto fatal = move_each(open, items, part, moved)) return fatal;
        continue;
      }
      for (Item* item : part) item->outcome.failure = failure_of(*error);
    }
  }
  return std::nullopt;
}

std::optional<Error> Reconciler::move_each(Sessions::Open& open, std::vector<Item>& items,
                                           std::span<Item* const> part, std::vector<Item*>& moved) {
  for (std::size_t i = 0; i < part.size(); ++i) {
    auto error = move(open, items, part.subspan(i, 1), moved);
    if (!error) continue;
    if (error->kind != ErrorKind::conflict && error->reason != "LockTimeout") return error;
    part[i]->outcome.failure = failure_of(*error);
  }
  return std::nullopt;
}

/// Looks at all of them in one snapshot.
std::optional<Error> Reconciler::observe(Sessions::Open& open, std::span<Item* const> items,
                                         postgres::Counting counting) {
  std::vector<postgres::ProjectQuery> queries;
  queries.reserve(items.size());
  for (Item* item : items) {
    // The freshest wish, in each round.
    const auto fresh = caches_.migrations.get(item->migration->meta.name);
    if (fresh != nullptr && fresh->meta.uid == item->migration->meta.uid &&
        database_of(*fresh) == database_of(*item->migration)) {
      item->migration = fresh;
    }
    const api::RlsMigration& migration = *item->migration;
    queries.push_back({migration.spec.project, decide::asked_phase(migration), migration.resume});
  }
  const auto began = clock_.steady();
  auto seen = open.database->observe(queries, counting);
  if (!seen) return seen.error();
  for (std::size_t i = 0; i < items.size(); ++i) {
    items[i]->observed_at = began;
    items[i]->outcome.observed = std::move((*seen)[i]);
  }
  return std::nullopt;
}

/// Decides for all of them: who goes together with others is among them with those.
void Reconciler::decide_for(std::span<Item* const> items, const api::DatabasePolicy& policy) {
  std::vector<decide::Candidate> candidates;
  candidates.reserve(items.size());
  for (Item* item : items) {
    surroundings_.fill(*item->migration, item->outcome.observed);
    candidates.push_back({item->migration.get(), &item->outcome.observed});
  }
  std::vector<decide::Plan> plans = decide::decide_all(candidates, policy);
  for (std::size_t i = 0; i < items.size(); ++i) items[i]->outcome.plan = std::move(plans[i]);
}

/// Who would go up is looked at once more, with an exact count: a promotion rests on nothing less.
std::optional<Error> Reconciler::count_exactly(Sessions::Open& open, std::span<Item* const> items,
                                               const api::DatabasePolicy& policy) {
  std::vector<Item*> candidates;
  bool grouped = false;
  for (Item* item : items) {
    if (!item->outcome.plan.needs_exact_count) continue;
    candidates.push_back(item);
    grouped = grouped || !item->outcome.observed.group.empty();
  }
  if (candidates.empty()) return std::nullopt;
  if (auto error = observe(open, candidates, postgres::Counting::exact)) return error;
  decide_for(grouped ? items : std::span<Item* const>(candidates), policy);
  return std::nullopt;
}

/// Under the locks the freshest spec counts: somebody may have lowered it, held it or deleted the object
/// since.
std::vector<std::optional<Phase>> Reconciler::decide_again(std::vector<Item>& items,
                                                           std::span<Item* const> moving,
                                                           std::vector<postgres::Relook>& looks) {
  std::vector<std::optional<Phase>> answers(looks.size());
  if (!sessions_.leading() || moving.empty()) return answers;
  const auto database = caches_.databases.get(database_of(*moving.front()->migration));
  if (database == nullptr) return answers;

  std::vector<MigrationPointer> fresh(looks.size());
  std::vector<decide::Candidate> candidates;
  std::vector<std::size_t> asked;
  std::set<std::string> peers;
  const auto add_peers_of = [&](const api::RlsMigration& migration,
                                const std::optional<decide::WaveState>& wave) {
    for (std::string& peer : decide::peers_of(migration, wave)) peers.insert(std::move(peer));
  };
  for (std::size_t k = 0; k < looks.size(); ++k) {
    const Item& item = *moving[looks[k].move];
    fresh[k] = caches_.migrations.get(item.migration->meta.name);
    if (fresh[k] == nullptr || fresh[k]->meta.uid != item.migration->meta.uid) continue;
    // A newer value was not asked for.
    if (fresh[k]->resume != item.migration->resume) looks[k].observed.resume_followed = false;
    surroundings_.fill(*fresh[k], looks[k].observed);
    add_peers_of(*fresh[k], looks[k].observed.wave);
    candidates.push_back({fresh[k].get(), &looks[k].observed});
    asked.push_back(k);
  }
  // Those of the groups that do not move now, as they were seen a moment ago; and whom these go with.
  std::vector<decide::Observation> others;
  others.reserve(items.size());
  std::set<const Item*> there(moving.begin(), moving.end());
  for (std::size_t known = 0; known != peers.size();) {
    known = peers.size();
    for (const Item& item : items) {
      if (!peers.contains(item.migration->spec.project) || !there.insert(&item).second) continue;
      others.push_back(item.outcome.observed);
      candidates.push_back({item.migration.get(), &others.back()});
      add_peers_of(*item.migration, others.back().wave);
    }
  }
  const std::vector<decide::Plan> plans = decide::decide_all(candidates, database->spec.policy);
  for (std::size_t i = 0; i < asked.size(); ++i) {
    // Another kind of step to the same phase is another answer.
    const decide::Plan& decided = moving[looks[asked[i]].move]->outcome.plan;
    if (plans[i].step != decide::StepKind::none && plans[i].step == decided.step &&
        plans[i].latch == decided.latch)
      answers[asked[i]] = plans[i].to;
  }
  return answers;
}

std::optional<Error> Reconciler::move(Sessions::Open& open, std::vector<Item>& all,
                                      std::span<Item* const> items, std::vector<Item*>& moved) {
  std::vector<postgres::Move> moves;
  moves.reserve(items.size());
  for (const Item* item : items) {
    const decide::Plan& plan = item->outcome.plan;
    moves.push_back({.project = item->migration->spec.project,
                     .from = item->outcome.observed.phase,
                     .to = plan.to,
                     .reason = plan.step_reason,
                     .actor = actor_of(*item->migration),
                     .group = plan.group,
                     .latch = plan.latch,
                     .resume = item->migration->resume,
                     .resumes = plan.step == decide::StepKind::resume});
  }
  const auto again = [&](std::vector<postgres::Relook>& looks) { return decide_again(all, items, looks); };

  const auto began = clock_.steady();
  auto results = open.database->move(moves, again);
  observer_.transaction(clock_.steady() - began);
  if (!results) {
    const Moved how = results.error().kind == ErrorKind::in_doubt ? Moved::in_doubt : Moved::failed;
    for (const postgres::Move& tried : moves) observer_.transition(tried.from, tried.to, how);
    return results.error();
  }

  for (std::size_t i = 0; i < items.size(); ++i) {
    Item& item = *items[i];
    const postgres::MoveResult& result = (*results)[i];
    const postgres::Move& tried = moves[i];
    const auto& name = item.migration->meta.name;
    switch (result.outcome) {
      case postgres::MoveOutcome::moved:
        item.outcome.failure.reset();
        item.moved = true;
        moved.push_back(&item);
        if (tried.from != tried.to) observer_.transition(tried.from, tried.to, Moved::committed);
        log::info(kLogger,
                  tried.resumes            ? "hold cleared"
                  : tried.from == tried.to ? "phase accepted"
                                           : "project moved",
                  {{"namespace", name.ns},
                   {"name", name.name},
                   {"project", tried.project},
                   {"from", to_string(tried.from)},
                   {"to", to_string(tried.to)},
                   {"reason", tried.reason},
                   {"transition", result.entry ? result.entry->id : ""}});
        break;
      case postgres::MoveOutcome::obsolete: break;  // `schedule` lets it come again at once
      case postgres::MoveOutcome::failed:
        item.outcome.failure = failure_of(*result.error);
        observer_.transition(tried.from, tried.to, Moved::failed);
        log::error(kLogger, "project could not be moved",
                   {{"namespace", name.ns},
                    {"name", name.name},
                    {"project", tried.project},
                    {"from", to_string(tried.from)},
                    {"to", to_string(tried.to)},
                    {"reason", result.error->reason},
                    {"err", result.error->message}});
        break;
    }
  }
  return std::nullopt;
}

void Reconciler::decide_waves(const api::ObjectName& database, std::vector<Item>& items) {
  if (!rollouts_.any(database)) return;
  std::vector<MemberLook> looks;
  Time now = clock_.now();
  for (const Item& item : items) {
    looks.push_back({item.migration.get(), &item.outcome});
    if (item.outcome.observed.now != Time{}) now = item.outcome.observed.now;
  }
  if (const auto thaws_at = rollouts_.decide(database, looks, now)) {
    queue_.add(database, database_key(database),
               clock_.steady() + std::min<Duration>(*thaws_at - now, kLongestWait));
  }
}

void Reconciler::publish_rollouts(const api::ObjectName& database, const std::vector<Item>& items,
                                  const std::optional<Error>& error) {
  if (!rollouts_.any(database)) return;
  std::vector<MemberLook> looks;
  Time now = clock_.now();
  for (const Item& item : items) {
    looks.push_back({item.migration.get(), &item.outcome});
    if (item.outcome.observed.now != Time{}) now = item.outcome.observed.now;
  }
  rollouts_.publish(database, looks, now, error ? std::optional(failure_of(*error)) : std::nullopt);
}

/// History and violations are read only where the status does not hold them yet. What cannot be read now is
/// read at the next look; the status keeps what stands.
void Reconciler::fetch_details(Sessions::Open& open, std::vector<Item>& items) {
  const auto fetch = [&](auto wanted, auto read, auto store) {
    std::vector<Item*> chosen;
    std::vector<std::string> projects;
    for (Item& item : items) {
      if (!wanted(item)) continue;
      chosen.push_back(&item);
      projects.push_back(item.migration->spec.project);
    }
    if (projects.empty()) return;
    auto read_result = read(projects);
    if (!read_result) {
      log::warn(kLogger, "details for status could not be read", {{"err", read_result.error().message}});
      return;
    }
    for (std::size_t i = 0; i < chosen.size(); ++i) store(*chosen[i], std::move((*read_result)[i]));
  };
  fetch([](const Item& item) { return needs_history(*item.migration, item.outcome.observed); },
        [&](const auto& projects) { return open.database->history(projects); },
        [](Item& item, auto history) { item.outcome.history = std::move(history); });
  fetch([](const Item& item) { return needs_violations(*item.migration, item.outcome.observed); },
        [&](const auto& projects) { return open.database->violations(projects); },
        [](Item& item, auto violations) { item.outcome.violations = std::move(violations); });
}

void Reconciler::fail_all(std::vector<Item>& items, const Error& error, Duration not_ok_for) {
  for (Item& item : items) {
    auto conflict = std::move(item.outcome.observed.conflict_with_older);
    item.outcome.observed = unusable_observation(error, not_ok_for);
    item.outcome.observed.conflict_with_older = std::move(conflict);
    item.outcome.plan = decide::decide(*item.migration, {}, item.outcome.observed);
  }
}

void Reconciler::publish(const Item& item) {
  // The freshest status that stands, so that nothing is written twice; the decision was made for this
  // generation.
  const auto current = caches_.migrations.get(item.migration->meta.name);
  if (current == nullptr || current->meta.uid != item.migration->meta.uid) return;
  api::RlsMigration base = *item.migration;
  base.status = current->status;
  api::MigrationStatus wanted = project(base, item.outcome, clock_.now());
  if (wanted == current->status) return;
  const Key key = migration_key(base);
  if (same_but_counters(wanted, current->status) &&
      clock_.steady() - writer_.last_written(key) < kCounterInterval) {
    return;  // the next look at the database writes it
  }
  const bool urgent = current->status.phase && wanted.phase && *wanted.phase < *current->status.phase;
  writer_.submit({key, base.meta.uid, item.observed_at, urgent, std::move(wanted)});
}

/// When it must be looked at again by itself. Everything else is seen by the look at the whole database.
void Reconciler::schedule(const Item& item) {
  // Lowered while a promotion of it was committed: the urgent look may have come too early to see that.
  const auto fresh = caches_.migrations.get(item.migration->meta.name);
  if (fresh != nullptr && fresh->meta.uid == item.migration->meta.uid &&
      (fresh->meta.generation != item.migration->meta.generation ||
       fresh->hold_at != item.migration->hold_at)) {
    queue_.add(database_of(*fresh), migration_key(*fresh), runtime::Priority::urgent);
  }
  const api::ObjectName group = database_of(*item.migration);
  const Key key = migration_key(*item.migration);
  if (item.outcome.failure) {
    queue_.retry(group, key);
    return;
  }
  queue_.forget(key);
  if (item.outcome.plan.step != decide::StepKind::none) {
    // Under the locks the answer was another one: decide afresh.
    queue_.add(group, key,
               item.outcome.plan.step == decide::StepKind::down ? runtime::Priority::urgent
                                                                : runtime::Priority::normal);
  } else if (item.outcome.plan.recheck_at) {
    // Database time is only compared with database time: what counts is how long it is from now.
    const Duration wait = *item.outcome.plan.recheck_at - item.outcome.observed.now;
    queue_.add(group, key, clock_.steady() + std::min<Duration>(wait, kLongestWait));
  }
}

void Reconciler::publish_database(const api::RlsDatabase& database, const DatabaseOutcome& outcome) {
  const auto current = caches_.databases.get(database.meta.name);
  if (current == nullptr || current->meta.uid != database.meta.uid) return;
  api::RlsDatabase base = database;
  base.status = current->status;
  api::DatabaseStatus wanted = project(base, outcome, clock_.now());
  if (wanted == current->status) return;
  writer_.submit(
      {database_key(database.meta.name), database.meta.uid, clock_.steady(), false, std::move(wanted)});
}

}  // namespace rls::reconcile
