#pragma once
// Fakes of the two worlds, in memory, with faults on demand. For the unit level only.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "controller/kube/client.hpp"
#include "controller/postgres/project_database.hpp"
#include "controller/reconcile/reconciler.hpp"

namespace rls::reconcile {

inline Time at(const char* text) { return *parse_rfc3339(text); }

class FakeClock final : public Clock {
 public:
  Time now() const override { return at("2026-01-15T12:00:00Z") + offset; }
  std::chrono::steady_clock::time_point steady() const override {
    return std::chrono::steady_clock::time_point{std::chrono::hours{1}} + offset;
  }
  std::chrono::microseconds offset{0};
};

/// One database in memory that keeps the contract of the port: one ledger row a move, decided again under
/// "locks".
struct FakeWorld {
  struct Project {
    Phase phase = Phase::pending;
    Phase last_ours = Phase::pending;
    Time since = at("2026-01-01T00:00:00Z");
    decide::ViolationCount violations{};
    decide::ViolationCount late{};  ///< of them, what only an exact count finds
    std::int64_t kinds = 0;         ///< of a managed runtime, without a verdict
    std::int64_t inbox = 0;         ///< of its violations, those that are counted, and not yet of any kind
    std::optional<decide::HoldRow> hold{};
    std::set<std::string> resumed{};
    std::optional<Phase> wanted_at_drift{};
    std::int64_t drift_number = 0;
    std::vector<api::HistoryEntry> ledger{};  // oldest first
  };
  std::map<std::string, Project> projects;
  Time now = at("2026-01-15T12:00:00Z");
  std::optional<Error> open_error, observe_error, move_error;
  std::map<std::string, Error> refuses;  ///< projects whose own rows refuse to move
  std::function<void()> before_locks;    ///< what happens between the decision and the locks
  std::function<void()> while_observed;  ///< what happens while projects are looked at
  std::string system_identifier = "7000";
  api::AdoptedStatus adopted;
  std::optional<postgres::RuntimeReport> runtime;  ///< of a managed one
  std::optional<Error> tend_error;
  std::vector<postgres::RuntimeWish> wishes;
  std::vector<std::vector<std::string>> moved_together;  ///< projects, by transaction
  int opens = 0, observes = 0, exact_counts = 0, transactions = 0;
};

class FakeDatabase final : public postgres::ProjectDatabase {
 public:
  explicit FakeDatabase(FakeWorld& world) : world_(world) {}

  Result<postgres::DatabaseFacts> open(const postgres::Claimant& claimant) override {
    ++world_.opens;
    if (world_.open_error) return *world_.open_error;
    if (auto changed = postgres::refuse_system(claimant, world_.system_identifier)) return *changed;
    return postgres::DatabaseFacts{"15.0", world_.system_identifier, 1};
  }
  Result<std::vector<decide::Observation>> observe(std::span<const postgres::ProjectQuery> queries,
                                                   postgres::Counting counting) override {
    ++(counting == postgres::Counting::exact ? world_.exact_counts : world_.observes);
    if (world_.while_observed) world_.while_observed();
    if (world_.observe_error) return *world_.observe_error;
    std::vector<decide::Observation> out;
    for (const auto& query : queries) {
      out.push_back(look(query.project, query.resume));
      const auto project = world_.projects.find(query.project);
      if (project == world_.projects.end()) continue;
      if (counting == postgres::Counting::exact) {
        project->second.violations = out.back().violations;  // what was found is remembered
        project->second.late = {};
      } else {
        out.back().violations = project->second.violations;
        out.back().violations_exact = false;
      }
    }
    return out;
  }
  Result<std::vector<postgres::MoveResult>> move(std::span<const postgres::Move> moves,
                                                 const postgres::DecideAgain& again) override {
    if (world_.before_locks) std::exchange(world_.before_locks, nullptr)();
    ++world_.transactions;
    if (world_.move_error) return *world_.move_error;
    std::vector<postgres::Relook> looks;
    for (std::size_t i = 0; i < moves.size(); ++i)
      looks.push_back({i, look(moves[i].project, moves[i].resume)});
    const auto answers = again(looks);
    std::set<std::string> held_back;  // groups of which one may not go
    for (std::size_t i = 0; i < moves.size(); ++i) {
      const bool goes = answers.at(i) == moves[i].to && !world_.refuses.contains(moves[i].project);
      if (!goes && !moves[i].group.empty()) held_back.insert(moves[i].group);
    }
    std::vector<postgres::MoveResult> results;
    world_.moved_together.emplace_back();
    for (std::size_t i = 0; i < moves.size(); ++i) {
      postgres::MoveResult result;
      const postgres::Move& wanted = moves[i];
      const auto refused = world_.refuses.find(wanted.project);
      const auto to = answers.at(i);
      auto& project = world_.projects[wanted.project];
      if (refused != world_.refuses.end()) {
        result.outcome = postgres::MoveOutcome::failed;
        result.error = refused->second;
      } else if (held_back.contains(wanted.group)) {
        result.outcome = postgres::MoveOutcome::failed;
        result.error = transient("GroupHeldBack", "held back");
      } else if (wanted.resumes && to == wanted.to) {
        project.hold.reset();
        project.resumed.insert(wanted.resume);
        result.outcome = postgres::MoveOutcome::moved;
      } else if (to == wanted.to && project.phase == wanted.from) {
        if (wanted.latch) project.hold = wanted.latch;
        project.phase = project.last_ours = wanted.to;
        project.since = world_.now;
        project.violations = {};
        project.ledger.push_back({"t" + std::to_string(project.ledger.size() + 1),
                                  wanted.from == wanted.to ? std::nullopt : std::optional(wanted.from),
                                  wanted.to, world_.now, wanted.reason});
        result.outcome = postgres::MoveOutcome::moved;
        result.entry = project.ledger.back();
      }
      if (result.outcome == postgres::MoveOutcome::moved)
        world_.moved_together.back().push_back(wanted.project);
      results.push_back(std::move(result));
    }
    return results;
  }
  Result<std::vector<std::vector<api::HistoryEntry>>> history(std::span<const std::string> names) override {
    std::vector<std::vector<api::HistoryEntry>> out;
    for (const auto& name : names) {
      const auto& ledger = world_.projects.at(name).ledger;
      out.emplace_back(ledger.rbegin(), ledger.rend());
    }
    return out;
  }
  Result<std::vector<api::ViolationsStatus>> violations(std::span<const std::string> names) override {
    std::vector<api::ViolationsStatus> out;
    for (const auto& name : names) {
      const auto& count = world_.projects.at(name).violations;
      api::ViolationsStatus status;
      status.total = count.count - world_.projects.at(name).inbox;
      if (status.total > 0) status.last_seen = count.last;
      status.unreviewed = world_.projects.at(name).kinds;
      if (status.unreviewed > 0) status.samples.emplace_back().table = "shop.orders";
      out.push_back(std::move(status));
    }
    return out;
  }
  Result<std::map<std::string, std::int64_t>> count_by_phase() override {
    std::map<std::string, std::int64_t> out;
    for (const auto& [name, project] : world_.projects) ++out[std::string(to_string(project.phase))];
    return out;
  }
  Result<api::AdoptedStatus> describe() override { return world_.adopted; }
  Result<std::optional<postgres::RuntimeReport>> tend(const postgres::RuntimeWish& wish) override {
    world_.wishes.push_back(wish);
    if (world_.tend_error) return *world_.tend_error;
    return world_.runtime;
  }
  void interrupt() override {}

 private:
  decide::Observation look(const std::string& name, const std::string& resume) const {
    decide::Observation seen;
    seen.database = decide::DatabaseState::ok;
    seen.now = world_.now;
    const auto found = world_.projects.find(name);
    if (found == world_.projects.end()) {
      seen.project_message = "no such project";
      return seen;
    }
    seen.project_known = true;
    seen.phase = found->second.phase;
    seen.phase_since = found->second.since;
    seen.last_ours = found->second.last_ours;
    seen.wanted_at_drift = found->second.wanted_at_drift;
    seen.drift_number = found->second.drift_number;
    seen.hold = found->second.hold;
    seen.resume_followed = found->second.resumed.contains(resume);
    seen.violations = found->second.violations;
    seen.violations.count += found->second.late.count;
    seen.violations.last = std::max(seen.violations.last, found->second.late.last);
    seen.unreviewed = found->second.kinds + found->second.inbox;
    seen.evidence.state = decide::Evidence::State::complete;
    return seen;
  }

  FakeWorld& world_;
};

/// An API server of which only status writes and Secrets matter. Replies are held back until `answer`.
class FakeClient : public kube::Client {
 public:
  struct Put {
    api::ObjectName name;
    std::string body;
    std::function<void(Result<std::string>)> done;
  };
  /// An Event made, or with a `patched` name, one whose series was patched.
  struct EventCall {
    std::string patched;
    std::string body;
    std::function<void(Result<void>)> done;
  };
  std::vector<Put> puts;
  std::function<void()> on_put;
  std::vector<EventCall> events;
  Result<std::string> secret = std::string(R"({"data":{"uri":"cG9zdGdyZXM6Ly9mYWtl"}})");

  Result<std::string> get(const kube::Resource&, const api::ObjectName&) override { return secret; }
  void put_status(const kube::Resource&, const api::ObjectName& name, std::string body,
                  std::function<void(Result<std::string>)> done) override {
    puts.push_back({name, std::move(body), std::move(done)});
    if (on_put) on_put();
  }
  void create(const kube::Resource&, std::string body, std::function<void(Result<void>)> done) override {
    events.push_back({"", std::move(body), std::move(done)});
  }
  void patch(const kube::Resource&, const api::ObjectName& name, std::string body,
             std::function<void(Result<void>)> done) override {
    events.push_back({name.name, std::move(body), std::move(done)});
  }
  Result<std::string> call(Method, const kube::Resource&, const api::ObjectName&, std::string,
                           std::chrono::milliseconds) override {
    return terminal("Forbidden", "no Leases here");
  }
  Result<std::string> list_metadata(const kube::Resource&, std::string_view,
                                    std::chrono::milliseconds) override {
    return terminal("Forbidden", "no Jobs here");
  }
  Result<std::vector<std::string>> list(const kube::Resource&, std::chrono::milliseconds) override {
    return terminal("Forbidden", "no lists here");
  }
  Result<void> delete_object(const kube::Resource&, const api::ObjectName&, std::string_view,
                             std::chrono::milliseconds) override {
    return terminal("Forbidden", "no Jobs here");
  }
  void list_and_watch(const kube::Resource&, kube::ObjectSink&, std::function<void()>,
                      std::stop_token) override {}

  /// Answers all that waits, and what that sets off, with a new resourceVersion each. Returns how many.
  int answer_all() {
    int count = 0;
    while (!puts.empty()) {
      Put put = std::move(puts.front());
      puts.erase(puts.begin());
      put.done("rv" + std::to_string(++version_));
      ++count;
    }
    return count;
  }

 private:
  int version_ = 100;
};

class NoObserver final : public Observer {
 public:
  void transition(Phase, Phase, Moved how) override { ++(how == Moved::committed ? moved : failed); }
  void reconciled(Kind, std::size_t, std::chrono::duration<double>, bool) override {}
  void transaction(std::chrono::duration<double>) override {}
  void database_up(const api::ObjectName&, std::optional<bool> state) override { up = state; }
  int moved = 0, failed = 0;
  std::optional<bool> up;
};

/// Checks whose results a test sets, by their ids.
class FakeExecutor final : public checks::Executor {
 public:
  checks::Outcome run(const checks::Run& run, const std::stop_token&) override {
    ++runs;
    const auto found = outcomes.find(run.check.id());
    return found == outcomes.end() ? checks::unknown("not set") : found->second;
  }
  Result<void> sweep(const checks::Wanted&, const std::stop_token&) override { return {}; }
  std::map<std::string, checks::Outcome> outcomes;
  int runs = 0;
};

/// A reconciler with everything it needs, and a database `main` with its migrations.
struct Bench {
  bool leads = true;
  FakeClock clock;
  FakeWorld world;
  FakeClient client;
  Caches caches;
  Queue queue{clock, {.batches_per_group = 2, .backoff = {}, .jitter_seed = 1}};
  Sessions sessions{
      client,
      [this](const api::RlsDatabase&, const postgres::ConnectionSecret& secret) {
        ++databases_made;
        made_with = secret;
        return Result<std::unique_ptr<postgres::ProjectDatabase>>(std::make_unique<FakeDatabase>(world));
      },
      clock};
  StatusWriter writer{client, caches, clock, [this](const Key& key) { retried.push_back(key); },
                      [this] { return leads; }};
  NoObserver observer;
  std::vector<std::string> fences_lost;
  FakeExecutor executor;
  std::vector<api::ObjectName> checks_changed;
  checks::Board board{executor, clock,
                      [this](const api::ObjectName& migration) { checks_changed.push_back(migration); }, 0};
  Waves waves{caches};
  Surroundings surroundings{caches, waves, board};
  Rollouts rollouts{caches, waves, client, writer, clock};
  Reconciler reconciler{caches,
                        queue,
                        sessions,
                        surroundings,
                        rollouts,
                        writer,
                        observer,
                        clock,
                        [this](const std::string& why) { fences_lost.push_back(why); },
                        {}};
  int databases_made = 0;
  postgres::ConnectionSecret made_with;
  std::vector<Key> retried;

  static constexpr const char* kNamespace = "tenants";

  Bench() {
    sessions.begin_term({"me", [](std::int64_t epoch) { return epoch + 1; }}, [this] { return leads; });
    api::RlsDatabase database;
    database.meta = {{kNamespace, "main"}, "uid-main", "1", 1, at("2026-01-01T00:00:00Z"), false};
    database.spec.secret.name = "main-db";
    caches.databases.replace_all({database});
    caches.migrations.replace_all({});
    caches.rollouts.replace_all({});
    caches.approvals.replace_all({});
    board.resume();
    AdmissionState admission;
    admission.approvals = admission.overrides = admission.jobs = true;
    admission.approvals_since = admission.overrides_since = admission.jobs_since = at("2025-01-01T00:00:00Z");
    surroundings.note(admission);
  }

  /// Puts an RlsMigration for a project of the same name into the cache, as the watch would.
  void apply(const std::string& name, Phase phase,
             const std::function<void(api::RlsMigration&)>& change = {}) {
    api::RlsMigration migration;
    if (const auto before = caches.migrations.get({kNamespace, name})) migration = *before;
    migration.meta.name = {kNamespace, name};
    if (migration.meta.uid.empty()) migration.meta.uid = "uid-" + name;
    if (migration.meta.created == Time{}) migration.meta.created = at("2026-01-01T00:00:00Z");
    migration.meta.resource_version = std::to_string(++version_);
    ++migration.meta.generation;
    if (migration.spec.project.empty()) migration.spec.project = name;
    migration.spec.database = "main";
    migration.spec.phase = phase;
    if (change) change(migration);
    caches.owners.add(migration);
    caches.migrations.upsert(std::move(migration));
  }

  /// Puts an RlsRollout of `main` into the cache, with a wave for each list of projects: "one", "two", …
  void roll_out(const std::string& name, const std::vector<std::vector<std::string>>& projects_of_waves,
                const std::function<void(api::RlsRollout&)>& change = {}) {
    static constexpr const char* kNames[] = {"one", "two", "three"};
    api::RlsRollout rollout;
    if (const auto before = caches.rollouts.get({kNamespace, name})) rollout = *before;
    rollout.meta.name = {kNamespace, name};
    rollout.meta.uid = "uid-" + name;
    rollout.meta.resource_version = std::to_string(++version_);
    ++rollout.meta.generation;
    rollout.spec.database = "main";
    rollout.spec.waves.clear();
    for (const auto& projects : projects_of_waves) {
      auto& wave = rollout.spec.waves.emplace_back();
      wave.name = kNames[rollout.spec.waves.size() - 1];
      wave.projects = projects;
    }
    if (change) change(rollout);
    caches.rollouts.upsert(std::move(rollout));
  }
  /// Sets the checks that the database demands of each of its migrations.
  void demand(std::vector<api::CheckSpec> checks) {
    api::RlsDatabase database = *caches.databases.get({kNamespace, "main"});
    for (api::CheckSpec& check : checks) check.demanded_by = api::CheckSpec::DemandedBy::database;
    database.spec.policy.minimum_gates.checks = std::move(checks);
    ++database.meta.generation;
    caches.databases.upsert(std::move(database));
  }
  /// A project of the world in that phase since long, and its RlsMigration.
  void stands(const std::string& name, Phase phase, Phase wanted,
              const std::function<void(api::RlsMigration&)>& change = {}) {
    world.projects[name] = {.phase = phase, .last_ours = phase};
    apply(name, wanted, change);
  }

  void reconcile(const std::string& name) {
    queue.add({kNamespace, "main"}, {Kind::migration, {kNamespace, name}});
    run_due();
  }
  void look_at_database() {
    queue.add({kNamespace, "main"}, {Kind::database, {kNamespace, "main"}});
    run_due();
  }
  void run_due() {
    while (const auto batch = queue.try_take(1000, clock.steady())) {
      reconciler.process(*batch);
      queue.done(*batch);
    }
    client.answer_all();
  }
  [[nodiscard]] const api::MigrationStatus status(const std::string& name) const {
    return caches.migrations.get({kNamespace, name})->status;
  }
  [[nodiscard]] std::string reason(const std::string& name, const char* type = "Ready") const {
    const auto now = status(name);
    const api::Condition* condition = api::find_condition(now.conditions, type);
    return condition == nullptr ? "" : condition->reason;
  }

 private:
  int version_ = 10;
};

}  // namespace rls::reconcile
