#include "controller/app/telemetry.hpp"

#include <gmock/gmock.h>

#include "tests/unit/reconcile/fakes.hpp"

namespace rls::app {
namespace {

using reconcile::at;
using testing::HasSubstr;
using testing::Not;

api::Condition condition(std::string type, std::string reason) {
  return {std::move(type), api::ConditionStatus::is_true, std::move(reason), "", 1, Time{}};
}

api::WaveStatus wave(std::string name, std::int64_t total) {
  api::WaveStatus out;
  out.name = std::move(name);
  out.total = total;
  return out;
}

class Passes final : public reconcile::StatusListener {
 public:
  void written(const api::RlsMigration&, const api::MigrationStatus&) override { ++told; }
  void written(const api::RlsDatabase&, const api::DatabaseStatus&) override { ++told; }
  void written(const api::RlsRollout&, const api::RolloutStatus&) override { ++told; }
  int told = 0;
};

/// Caches as the watches would fill them, and what a scrape of the leader says of them.
struct TelemetryTest : testing::Test {
  TelemetryTest() { telemetry.leader(true); }

  api::RlsMigration migration(const std::string& project, Phase phase) {
    api::RlsMigration out;
    out.meta.name = {"tenants", project};
    out.meta.uid = project;
    out.meta.created = at("2026-01-01T00:00:00Z");
    out.spec.database = "main";
    out.spec.project = project;
    out.spec.phase = Phase::complete;
    out.status.phase = phase;
    return out;
  }
  void put(const api::RlsMigration& object) {
    caches.owners.add(object);
    caches.migrations.upsert(object);
  }
  std::string scrape() {
    std::string all, piece;
    for (const Pieces pieces = telemetry.begin_scrape(); pieces(piece);) all += piece;
    return all;
  }

  Options options;
  reconcile::FakeClock clock;
  reconcile::FakeClient client;
  reconcile::Caches caches;
  reconcile::Queue queue{clock, {}};
  Passes next;
  Telemetry telemetry{options, caches, queue, client, clock, next};
};

TEST_F(TelemetryTest, TellsWhoHoldsAProject) {
  auto annotated = migration("annotated", Phase::shadow), by_sql = migration("by-sql", Phase::shadow),
       by_check = migration("by-check", Phase::shadow), elsewhere = migration("elsewhere", Phase::shadow);
  annotated.hold_at = Phase::shadow;
  elsewhere.hold_at = Phase::complete;  // holds nobody: the hold row does
  for (auto* held : {&annotated, &by_sql, &elsewhere}) held->status.conditions = {condition("Held", "Held")};
  by_check.status.conditions = {condition("Held", "CheckFailed")};
  for (const auto* one : {&annotated, &by_sql, &by_check, &elsewhere}) put(*one);
  put(migration("free", Phase::shadow));
  const std::string text = scrape();
  const std::string of = R"(rls_migration_held{namespace="tenants",database="main",project=)";
  for (const char* line : {R"("annotated",by="annotation"} 1)", R"("by-sql",by="database"} 1)",
                           R"("by-check",by="check"} 1)", R"("elsewhere",by="database"} 1)"}) {
    EXPECT_THAT(text, HasSubstr(of + line));
  }
  EXPECT_THAT(text, Not(HasSubstr(of + R"("free")")));
  EXPECT_THAT(text, HasSubstr(R"(rls_database_held{namespace="tenants",database="main",by="database"} 2)"));
}

TEST_F(TelemetryTest, TellsOfOverrides) {
  auto overridden = migration("sm", Phase::shadow);
  overridden.status.conditions = {condition("Overridden", "Overridden")};
  put(overridden);
  EXPECT_THAT(scrape(),
              HasSubstr(R"(rls_migration_overridden{namespace="tenants",database="main",project="sm"} 1)"));
}

TEST_F(TelemetryTest, TellsWhoOfAnOpenWaveSoaks) {
  auto soaking = migration("soaking", Phase::shadow), over = migration("over", Phase::shadow),
       arrived = migration("arrived", Phase::enforcing);
  soaking.status.eligible_at = clock.now() + std::chrono::hours{1};
  over.status.eligible_at = clock.now() - std::chrono::hours{1};
  arrived.status.eligible_at = clock.now() + std::chrono::hours{1};  // on its way to complete
  for (const auto* one : {&soaking, &over, &arrived}) put(*one);
  api::RlsRollout rollout;
  rollout.meta.name = {"tenants", "all"};
  rollout.spec.database = "main";
  rollout.spec.waves = {{.name = "one", .projects = {"soaking", "over", "arrived", "missing"}},
                        {.name = "two", .projects = {"later"}}};
  api::WaveStatus one = wave("one", 4);
  one.state = api::WaveState::open;
  one.reached = 1;
  one.phases.shadow = 2;
  one.phases.enforcing = 1;
  rollout.status.waves = {one, wave("two", 1)};
  caches.rollouts.upsert(rollout);
  const std::string text = scrape();
  const std::string labels = R"({namespace="tenants",rollout="all",wave="one")";
  EXPECT_THAT(text, HasSubstr("rls_rollout_wave_open" + labels + "} 1\n"));
  EXPECT_THAT(text, HasSubstr("rls_rollout_wave_behind" + labels + ",state=\"Soaking\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("rls_rollout_wave_behind" + labels + ",state=\"Waiting\"} 2\n"))
      << "one whose soak is over, one without RlsMigration";
  EXPECT_THAT(text, HasSubstr(R"(rls_rollout_wave_open{namespace="tenants",rollout="all",wave="two"} 0)"));
  EXPECT_THAT(text, HasSubstr(R"(rls_rollout_projects{namespace="tenants",rollout="all",phase="shadow"} 2)"));
}

TEST_F(TelemetryTest, WhoDoesNotLeadTellsOfNoRollout) {
  api::RlsRollout rollout;
  rollout.meta.name = {"tenants", "all"};
  rollout.status.waves = {wave("one", 1)};
  caches.rollouts.upsert(rollout);
  telemetry.leader(false);
  EXPECT_THAT(scrape(), Not(HasSubstr("rls_rollout_")));
}

TEST_F(TelemetryTest, CountsDriftOnceAlsoWhereItWasPutBackAtOnce) {
  auto before = migration("sm", Phase::shadow);
  before.status.history = {{"1", Phase::pending, Phase::shadow, clock.now(), "all gates passed"}};
  api::MigrationStatus after = before.status;
  const std::string drift(postgres::kDriftReason);
  after.history.insert(after.history.begin(), {"2", Phase::shadow, Phase::enforcing, clock.now(), drift});
  after.history.insert(after.history.begin(),
                       {"3", Phase::enforcing, Phase::shadow, clock.now(), "drift reverted"});
  telemetry.written(before, after);
  before.status = after;
  telemetry.written(before, after);
  EXPECT_THAT(scrape(), HasSubstr("rls_drift_total{direction=\"raised\"} 1\n"));
  EXPECT_THAT(scrape(), HasSubstr("rls_drift_total{direction=\"lowered\"} 0\n"));
  EXPECT_EQ(next.told, 2) << "the next listener is told, too";
}

TEST_F(TelemetryTest, CountsWhatChecksFoundAndNotThatAJobRuns) {
  reconcile::FakeExecutor executor;
  executor.outcomes = {{"passes", checks::passed("")},
                       {"fails", checks::failed("")},
                       {"database/fails", checks::failed("")},
                       {"silent", checks::unheard("")},
                       {"job", checks::running("")}};
  CountedChecks counted(executor, telemetry);
  for (const char* name : {"passes", "fails", "fails", "silent", "job"}) {
    checks::Run run;
    run.check.name = name;
    counted.run(run, {});
  }
  checks::Run of_database;
  of_database.check.name = "fails";
  of_database.check.demanded_by = api::CheckSpec::DemandedBy::database;
  counted.run(of_database, {});
  const std::string text = scrape();
  EXPECT_THAT(text, HasSubstr("rls_check_results_total{demanded_by=\"migration\",result=\"passed\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("rls_check_results_total{demanded_by=\"migration\",result=\"failed\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("rls_check_results_total{demanded_by=\"migration\",result=\"unknown\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("rls_check_results_total{demanded_by=\"database\",result=\"failed\"} 1\n"));
}

}  // namespace
}  // namespace rls::app
