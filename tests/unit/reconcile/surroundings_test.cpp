// What stands beside the database: approvals that count, checks that are wanted, the posture.

#include "controller/reconcile/surroundings.hpp"

#include <gmock/gmock.h>

#include "tests/unit/reconcile/fakes.hpp"

namespace rls::reconcile {
namespace {

using State = decide::CheckState::State;
using namespace std::chrono_literals;

class Beside : public testing::Test {
 protected:
  Beside() {
    migration.meta.name = {Bench::kNamespace, "sm"};
    migration.meta.uid = "uid-sm";
    migration.spec.database = "main";
    migration.spec.project = "sm";
    migration.spec.phase = Phase::complete;
    admission.approvals = admission.overrides = admission.jobs = true;
    admission.approvals_since = admission.overrides_since = admission.jobs_since = at("2026-01-01T00:00:00Z");
    migration.meta.created = at("2026-01-02T00:00:00Z");
    bench.surroundings.note(admission);
  }
  /// What is beside the project where the database says that it is in `phase`.
  decide::Observation in(Phase phase, const std::function<void(decide::Observation&)>& change = {}) {
    decide::Observation seen;
    seen.database = decide::DatabaseState::ok;
    seen.project_known = true;
    seen.phase = seen.last_ours = phase;
    seen.phase_since = since;
    if (change) change(seen);
    bench.surroundings.fill(migration, seen);
    return seen;
  }
  /// Names of the checks that are wanted there.
  std::vector<std::string> wanted_in(Phase phase) {
    std::vector<std::string> names;
    for (const auto& [name, state] : in(phase).checks) names.push_back(name);
    return names;
  }
  api::CheckSpec& check(const std::string& name, std::vector<Phase> phases,
                        std::optional<Duration> every = {}) {
    auto& out = migration.spec.gates.checks.emplace_back();
    out.name = name;
    out.phases = std::move(phases);
    out.every = every;
    out.sql = api::SqlCheck{"SELECT 1", "1"};
    return out;
  }
  void approve(const std::string& name, const char* created, const std::string& whom = "sm",
               bool deleting = false) {
    api::RlsApproval approval;
    approval.meta = {{Bench::kNamespace, name}, "uid-" + name, "1", 1, at(created), deleting};
    approval.migration = whom;
    approval.phase = Phase::enforcing;
    approval.approver = name;
    approval.evidence_digest = "digest";
    bench.caches.approvals.upsert(std::move(approval));
  }
  std::vector<std::string> approvers() {
    std::vector<std::string> names;
    for (const decide::Approval& approval : in(Phase::shadow).approvals) names.push_back(approval.approver);
    return names;
  }

  Bench bench;
  api::RlsMigration migration;
  AdmissionState admission;
  Time since = at("2026-01-01T00:00:00Z");
};

using Names = std::vector<std::string>;

// Who wrote an override, or a Job, before the policy stood is known to nobody: also afterwards it does not
// count.
TEST_F(Beside, WhatWasWrittenPastThePoliciesNeverCounts) {
  EXPECT_TRUE(in(Phase::shadow).override_guard.bound);
  migration.meta.created = at("2026-01-01T00:00:10Z");
  const decide::Guard guard = in(Phase::shadow).override_guard;
  EXPECT_FALSE(guard.bound);
  EXPECT_NE(guard.why.find("make it anew"), std::string::npos) << guard.why;
  api::CheckSpec job{.name = "suite", .phases = {}};
  job.job = api::JobCheck{"{}"};
  migration.spec.gates.checks = {job};
  const auto checks = in(Phase::shadow).checks;
  ASSERT_TRUE(checks.contains("suite"));
  EXPECT_EQ(checks.at("suite").state, decide::CheckState::State::unknown);
  EXPECT_FALSE(bench.board.run_one()) << "no Job is made";
}

TEST_F(Beside, ApprovalsCountOnlyWhereTheAdmissionHasSeenThem) {
  approve("before", "2025-12-31T23:59:59Z");
  approve("too-early", "2026-01-01T00:00:10Z");
  approve("vouched", "2026-01-01T00:00:11Z");
  approve("going", "2026-01-02T00:00:00Z", "sm", true);
  approve("of-another", "2026-01-02T00:00:00Z", "ab");
  EXPECT_EQ(approvers(), Names{"vouched"});
  admission.approvals_since = at("2026-01-05T00:00:00Z");  // the policy was changed
  EXPECT_TRUE(bench.surroundings.note(admission));
  EXPECT_EQ(approvers(), Names{});
  EXPECT_FALSE(bench.surroundings.note(admission)) << "nothing new";
}

TEST_F(Beside, WithoutThePolicyNoApprovalIsThereAndTheGuardSaysWhy) {
  approve("vouched", "2026-01-02T00:00:00Z");
  admission = {};
  admission.why_not_approvals = "no binding";
  admission.why_not_overrides = "no policy";
  bench.surroundings.note(admission);
  EXPECT_EQ(approvers(), Names{});
  EXPECT_EQ(in(Phase::shadow).approval_guard, (decide::Guard{false, "no binding"}));
  EXPECT_EQ(in(Phase::shadow).override_guard, (decide::Guard{false, "no policy"}));
}

TEST_F(Beside, BeforeAnybodyHasLookedNothingIsBound) {
  Bench fresh;
  Surroundings surroundings{fresh.caches, fresh.waves, fresh.board};
  decide::Observation seen;
  surroundings.fill(migration, seen);
  EXPECT_FALSE(seen.approval_guard.bound);
  EXPECT_FALSE(seen.override_guard.bound);
}

TEST_F(Beside, ChecksAreWantedForTheNextStepAndTheWatchedPhase) {
  check("shadow", {Phase::shadow});
  check("enforcing", {Phase::enforcing});
  check("watch-enforcing", {Phase::enforcing}, 60s);
  check("all", {});
  check("watch-all", {}, 60s);
  EXPECT_EQ(wanted_in(Phase::pending), (Names{"all", "shadow", "watch-all"}));
  EXPECT_EQ(wanted_in(Phase::shadow), (Names{"all", "enforcing", "watch-all", "watch-enforcing"}));
  EXPECT_EQ(wanted_in(Phase::enforcing), (Names{"all", "watch-all", "watch-enforcing"}));
  EXPECT_EQ(wanted_in(Phase::complete), (Names{"watch-all"}));
}

TEST_F(Beside, WhoDoesNotGoUpIsOnlyWatched) {
  check("all", {});
  check("watch", {}, 60s);
  migration.spec.phase = Phase::shadow;
  EXPECT_EQ(wanted_in(Phase::shadow), Names{"watch"});
  migration.spec.phase = Phase::complete;
  migration.hold_at = Phase::shadow;
  EXPECT_EQ(wanted_in(Phase::shadow), Names{"watch"}) << "held by annotation";
}

TEST_F(Beside, ChecksOfTheDatabaseAreWantedBesideItsOwnByTheSameRules) {
  check("suite", {});
  api::CheckSpec suite = migration.spec.gates.checks.front(), watch = suite, late = suite;
  watch.name = "watch";
  watch.every = 60s;
  late.name = "late";
  late.phases = {Phase::complete};
  bench.demand({suite, watch, late});
  EXPECT_EQ(wanted_in(Phase::shadow), (Names{"database/suite", "database/watch", "suite"}));
  EXPECT_EQ(wanted_in(Phase::enforcing),
            (Names{"database/late", "database/suite", "database/watch", "suite"}));
  EXPECT_EQ(wanted_in(Phase::complete), Names{"database/watch"});
  migration.spec.gates.checks.clear();
  EXPECT_EQ(wanted_in(Phase::pending), (Names{"database/suite", "database/watch"})) << "of whom has none";
}

TEST_F(Beside, OfOneNameInBothEachHasItsOwnResult) {
  check("suite", {});
  bench.demand({migration.spec.gates.checks.front()});
  bench.executor.outcomes["suite"] = checks::passed("its own");
  bench.executor.outcomes["database/suite"] = checks::failed("the floor");
  in(Phase::shadow);
  while (bench.board.run_one()) {
  }
  const auto seen = in(Phase::shadow).checks;
  EXPECT_EQ(seen.at("suite"), (decide::CheckState{State::passed, "its own"}));
  EXPECT_EQ(seen.at("database/suite"), (decide::CheckState{State::failed, "the floor"}));
}

TEST_F(Beside, ChangedChecksOfTheDatabaseTakeEffectAtTheNextLook) {
  api::CheckSpec suite{.name = "suite", .phases = {}};
  suite.sql = api::SqlCheck{"SELECT 1", "1"};
  bench.demand({suite});
  bench.executor.outcomes["database/suite"] = checks::passed("fine");
  in(Phase::shadow);
  while (bench.board.run_one()) {
  }
  EXPECT_EQ(in(Phase::shadow).checks.at("database/suite").state, State::passed);
  suite.sql->query = "SELECT 2";
  bench.demand({suite});
  EXPECT_EQ(in(Phase::shadow).checks.at("database/suite").state, State::unknown) << "another question";
  bench.demand({});
  EXPECT_EQ(wanted_in(Phase::shadow), Names{});
  EXPECT_FALSE(bench.board.run_one());
}

TEST_F(Beside, ResultsCountForThePhaseTheyWereFoundIn) {
  check("suite", {});
  EXPECT_EQ(in(Phase::shadow).checks.at("suite").state, State::unknown) << "it has not run";
  bench.executor.outcomes["suite"] = checks::passed("fine");
  while (bench.board.run_one()) {
  }
  EXPECT_EQ(in(Phase::shadow).checks.at("suite").state, State::passed);
  since += 1h;
  EXPECT_EQ(in(Phase::shadow).checks.at("suite").state, State::unknown)
      << "it came again, and this is another";
}

TEST_F(Beside, NothingIsWantedOfAProjectThatIsNotSeen) {
  check("suite", {});
  EXPECT_TRUE(in(Phase::shadow, [](auto& seen) { seen.project_known = false; }).checks.empty());
  EXPECT_TRUE(in(Phase::shadow, [](auto& seen) {
                seen.database = decide::DatabaseState::unreachable;
              }).checks.empty());
  EXPECT_FALSE(bench.board.run_one());
  EXPECT_EQ(bench.executor.runs, 0);
}

TEST_F(Beside, AJobCheckWithoutItsPolicyIsUnknownAndDoesNotRun) {
  auto& job = check("suite", {});
  job.sql.reset();
  job.job = api::JobCheck{"{}"};
  check("sql", {});
  admission.jobs = false;
  admission.why_not_jobs = "no policy";
  bench.surroundings.note(admission);
  const auto seen = in(Phase::shadow);
  EXPECT_EQ(seen.checks.at("suite").state, State::unknown);
  EXPECT_EQ(seen.checks.at("suite").message, "nobody can tell who may create Jobs: no policy");
  while (bench.board.run_one()) {
  }
  EXPECT_EQ(bench.executor.runs, 1) << "the other one";
  EXPECT_EQ(in(Phase::shadow).checks.at("suite").state, State::unknown);
}

TEST_F(Beside, ChecksThatWereTakenOutOfTheSpecAreWantedNoMore) {
  check("suite", {});
  in(Phase::shadow);
  migration.spec.gates.checks.clear();
  EXPECT_EQ(wanted_in(Phase::shadow), Names{});
  EXPECT_FALSE(bench.board.run_one());
}

TEST_F(Beside, FindingsBlockFromASeverityOnUnlessTheyAreAccepted) {
  EXPECT_FALSE(in(Phase::shadow).posture) << "nobody has looked";
  const std::vector<api::Finding> findings = {
      {"OwnerBypasses", "Critical", "app.nodes", "the owner sees all", ""},
      {"IndexNotUsed", "High", "app.nodes", "slow", ""},
      {"Odd", "Medium", "app.x", "odd", ""},
      {"Odd", "Low", "app.y", "odd", ""}};
  api::RlsDatabase database;
  database.meta.name = {Bench::kNamespace, "main"};
  const Time now = at("2026-01-15T12:00:00Z");
  const auto blocking = [&] {
    bench.surroundings.note(database, findings, now);
    return in(Phase::shadow).posture.value_or(decide::Posture{});
  };
  EXPECT_EQ(blocking(), (decide::Posture{1, "OwnerBypasses app.nodes: the owner sees all"}));
  database.spec.policy.posture.block_at = api::Severity::medium;
  EXPECT_EQ(blocking().blocking, 3);
  auto& accepted = database.spec.policy.posture.accepted;
  accepted.push_back({"OwnerBypasses", "app.nodes", "known", now + std::chrono::seconds{1}});
  EXPECT_EQ(blocking(), (decide::Posture{2, "IndexNotUsed app.nodes: slow"}));
  accepted.front().expires = now;
  EXPECT_EQ(blocking().blocking, 3) << "no longer accepted";
  accepted.front() = {"OwnerBypasses", "app.other", "known", {}};
  EXPECT_EQ(blocking().blocking, 3) << "of another object";
  accepted.front() = {"Odd", "", "known", {}};
  EXPECT_EQ(blocking().blocking, 2);

  bench.surroundings.forget_findings({Bench::kNamespace, "other"});
  EXPECT_TRUE(in(Phase::shadow).posture) << "of another database";
  bench.surroundings.forget_findings({Bench::kNamespace, "main"});
  EXPECT_FALSE(in(Phase::shadow).posture) << "it is not known any more";
}

class Counting : public Beside {
 protected:
  Counting() {
    migration.spec.phase = Phase::enforcing;
    tell_who_counts(true);
  }
  void tell_who_counts(bool source, std::optional<std::int64_t> floor = {}) {
    api::RlsDatabase database = *bench.caches.databases.get({Bench::kNamespace, "main"});
    database.spec.policy.transactions.reset();
    if (source) database.spec.policy.transactions = api::TransactionSource{.sql = "SELECT $1, $2"};
    database.spec.policy.minimum_gates.min_transactions = floor;
    database.meta.resource_version += "x";
    bench.caches.databases.upsert(std::move(database));
  }
  void ask() {
    checks::Outcome outcome = checks::passed("");
    outcome.count = 12;
    bench.executor.outcomes["database/" + std::string(checks::kTransactions)] = outcome;
    while (bench.board.run_one()) {
    }
  }
  int runs_in(Phase phase, const std::function<void(decide::Observation&)>& change = {}) {
    bench.board.forget(migration.meta.name);
    bench.executor.runs = 0;
    in(phase, change);
    ask();
    return bench.executor.runs;
  }
};

TEST_F(Counting, TheFigureIsWhatTheSourceSays) {
  EXPECT_EQ(in(Phase::shadow).transactions, std::nullopt);
  EXPECT_EQ(in(Phase::shadow).transactions_message, "transactions have not been counted yet");
  ask();
  EXPECT_EQ(in(Phase::shadow).transactions, 12);
  since += 1h;
  EXPECT_EQ(in(Phase::shadow).transactions, std::nullopt) << "it came again, and has done nothing yet";
}

TEST_F(Counting, OnlyWhereTheStepToEnforcingAsksForIt) {
  EXPECT_EQ(runs_in(Phase::shadow), 1);
  EXPECT_EQ(runs_in(Phase::pending), 0);
  EXPECT_EQ(runs_in(Phase::enforcing), 0);
  EXPECT_EQ(runs_in(Phase::shadow, [](auto& seen) { seen.managed = true; }), 0) << "it counts by itself";
  EXPECT_EQ(runs_in(Phase::shadow, [](auto& seen) { seen.project_known = false; }), 0);
  EXPECT_EQ(runs_in(Phase::shadow, [](auto& seen) { seen.database = decide::DatabaseState::unreachable; }),
            0);
  migration.spec.gates.min_transactions = 0;
  EXPECT_EQ(runs_in(Phase::shadow), 0);
  tell_who_counts(true, 1);
  EXPECT_EQ(runs_in(Phase::shadow), 1) << "the floor asks for it";
  tell_who_counts(false, 1);
  EXPECT_EQ(runs_in(Phase::shadow), 0) << "nobody counts";
  tell_who_counts(true, 1);
  migration.spec.phase = Phase::shadow;
  EXPECT_EQ(runs_in(Phase::shadow), 0) << "it does not go up";
}

TEST_F(Counting, StopsWhereItIsNotAskedForAnyMore) {
  in(Phase::shadow);
  tell_who_counts(false);
  in(Phase::shadow);
  EXPECT_FALSE(bench.board.count(migration.meta.name));
  EXPECT_FALSE(bench.board.run_one());
}

TEST_F(Counting, AFigureOfBeforeIsNotShownWhereItIsNotAskedFor) {
  in(Phase::shadow);
  ask();
  const auto seen = in(Phase::shadow, [](auto& look) { look.database = decide::DatabaseState::unreachable; });
  EXPECT_EQ(seen.transactions, std::nullopt);
}

TEST_F(Counting, StandsBesideTheChecks) {
  check("suite", {});
  in(Phase::shadow);
  bench.executor.outcomes["suite"] = checks::passed("fine");
  ask();
  EXPECT_EQ(wanted_in(Phase::shadow), Names{"suite"});
  EXPECT_EQ(in(Phase::shadow).checks.at("suite").state, State::passed);
  EXPECT_EQ(in(Phase::shadow).transactions, 12);
}

}  // namespace
}  // namespace rls::reconcile
