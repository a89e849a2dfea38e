// The rollout of the eight projects (R-A10) on a managed runtime, under the application's own traffic.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/e2e/operator/lifecycle.hpp"

namespace rls::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

const std::vector<std::vector<std::string>> kWaves = {
    {"sm"}, {"motoko"}, {"ab", "aa", "bap"}, {"echo", "ea"}, {"io"}};

class Rollout : public testing::Test {
 protected:
  void SetUp() override {
    world_.sql(
        "DO $$ BEGIN CREATE ROLE e2e_managed_owner; EXCEPTION WHEN duplicate_object OR unique_violation THEN "
        "NULL; END $$; "
        "GRANT e2e_managed_owner TO rls_operator_role; CREATE SCHEMA shop AUTHORIZATION e2e_managed_owner; "
        "SET ROLE e2e_managed_owner; CREATE TABLE shop.orders (id int PRIMARY KEY, project_id text NOT NULL, "
        "paid bool NOT NULL DEFAULT false); CREATE INDEX ON shop.orders (project_id); "
        "INSERT INTO shop.orders SELECT i, (ARRAY['sm', 'motoko', 'ab', 'aa', 'bap', 'echo', 'ea', 'io'])"
        "[1 + i % 8] FROM generate_series(1, 80) i; "
        "GRANT USAGE ON SCHEMA shop TO app_user; GRANT SELECT, INSERT, UPDATE, DELETE ON shop.orders TO "
        "app_user");
    world_.create_secret(world_.operator_uri());
    const Output applied = world_.apply(
        "apiVersion: rls-operator.dev/v1alpha1\nkind: RlsDatabase\nmetadata: {name: main}\nspec:\n"
        "  connection: {secretRef: {name: main-db}}\n  runtime: {mode: Managed}\n  tables: [{name: "
        "shop.*}]\n");
    ASSERT_TRUE(applied.ok()) << applied.out;
    world_.start_operator();
    ASSERT_TRUE(world_.eventually(
        [&] { return world_.condition("main", "Ready", "rlsdatabase") == "True/Managed"; }));
  }

  /// The application at work: a transaction of each project after the other, all the time.
  std::unique_ptr<Background> traffic(const std::string& projects) {
    return std::make_unique<Background>(
        std::vector<std::string>{
            "psql", "-qXAt", world_.application_uri(), "-c",
            "DO $$ DECLARE p text; BEGIN LOOP FOREACH p IN ARRAY ARRAY[" + projects +
                "] LOOP PERFORM rls.set_project_context(p); PERFORM count(*) FROM shop.orders WHERE "
                "project_id = p; COMMIT; END LOOP; PERFORM pg_sleep(0.01); END LOOP; END $$"},
        world_.directory() + "/traffic.log");
  }
  Output as(const std::string& project, const std::string& statement) {
    return run({"psql", "-XAt", "-v", "ON_ERROR_STOP=1", world_.application_uri(), "-c",
                "BEGIN; SELECT rls.set_project_context('" + project + "'); " + statement + "; COMMIT"});
  }
  Output rlsctl(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), RLS_CTL_BINARY);
    arguments.insert(arguments.end(), {"--database", "main", "--namespace", world_.ns()});
    return run(arguments);
  }

  /// The RlsMigrations have names of the rollout's making.
  std::string migration_of(const std::string& project) {
    return world_
        .kubectl({"get", "rlsm", "--field-selector", "spec.project=" + project, "-o",
                  "jsonpath={.items[*].metadata.name}"})
        .out;
  }
  std::string time_of(const std::string& project, const std::string& to) {
    return "(SELECT at FROM rls_operator.transition WHERE kind = 'moved' AND project_id = '" + project +
           "' AND to_phase = '" + to + "')";
  }
  World world_;
};

TEST_F(Rollout, R_A10_EightProjectsInFiveWavesFromNothingToComplete) {
  const auto most = traffic("'sm', 'motoko', 'ab', 'bap', 'echo', 'ea', 'io'");
  const Output applied = world_.apply(R"(apiVersion: rls-operator.dev/v1alpha1
kind: RlsRollout
metadata: {name: all}
spec:
  databaseRef: {name: main}
  phase: complete
  advanceWhen: enforcing
  template:
    gates: {shadowSoak: 1s, enforcingSoak: 1s, minTransactions: 16}
  waves:
    - {name: one, projects: [sm]}
    - {name: two, projects: [motoko]}
    - {name: three, projects: [ab, aa, bap]}
    - {name: four, projects: [echo, ea]}
    - {name: five, projects: [io], access: {level: super}}
)");
  ASSERT_TRUE(applied.ok()) << applied.out;

  // Wave three stands still: aa has no traffic yet. Then it reads what is not its own.
  ASSERT_TRUE(world_.eventually([&] { return steps(world_, "aa") == "pending>shadow"; }));
  const std::string aa = migration_of("aa"), ab = migration_of("ab"), io = migration_of("io");
  EXPECT_EQ(world_.condition("all", "Complete", "rlsrollout"), "False/AwaitingWaves");
  EXPECT_THAT(as("aa", "SELECT count(*) FROM shop.orders").out, HasSubstr("80"));
  const auto rest = traffic("'aa'");
  ASSERT_TRUE(world_.eventually([&] {
    const std::string blocked = world_.field(aa, "status.blockedBy");
    return blocked.starts_with("Violations,Review") || blocked.starts_with("SoakTime,Violations,Review");
  }));
  ASSERT_TRUE(gate_is(world_, ab, "Group", "Waiting", "held back by \"aa\" (Violations Blocked, Review"));
  ASSERT_TRUE(world_.eventually([&] {
    return world_.field("all", "status.message", "rlsrollout").find("aa: Violations,Review") !=
           std::string::npos;
  }));
  EXPECT_THAT(world_.message("all", "rlsrollout"), HasSubstr("wave 3 of 5 (three)"));
  EXPECT_TRUE(gate_is(world_, io, "Wave", "Waiting", "aa is in shadow"));

  world_.kill_operator();
  world_.start_operator();
  const Output list = rlsctl({"review", "list", "aa"});
  ASSERT_THAT(list.out, HasSubstr("shop.orders SELECT"));
  for (const std::string& project : kWaves[2]) EXPECT_EQ(steps(world_, project), "pending>shadow");
  for (const char* project : {"echo", "ea", "io"}) EXPECT_EQ(steps(world_, project), "") << project;
  ASSERT_TRUE(rlsctl({"review", "fixed", list.out.substr(0, 16), "--by", "ann"}).ok());

  ASSERT_TRUE(world_.eventually(
      [&] { return world_.condition("all", "Complete", "rlsrollout") == "True/Complete"; }, 300s));
  EXPECT_EQ(world_.condition("all", "Ready", "rlsrollout"), "True/Complete");
  EXPECT_THAT(world_.kubectl({"get", "rlsro", "all"}).out, HasSubstr(" 8/8 "));
  EXPECT_EQ(world_.field("all", "status.migrations", "rlsrollout"),
            R"({"created":8,"foreign":0,"missing":0})");

  // What the ledger says of it.
  for (const auto& wave : kWaves) {
    for (const std::string& project : wave)
      EXPECT_EQ(steps(world_, project), "pending>shadow shadow>enforcing enforcing>complete") << project;
  }
  for (const char* phase : {"shadow", "enforcing", "complete"}) {
    EXPECT_EQ(transactions_of(world_, "'ab', 'aa', 'bap'", phase), "3 in 1") << phase;
    EXPECT_EQ(transactions_of(world_, "'echo', 'ea'", phase), "2 in 1") << phase;
  }
  for (std::size_t i = 1; i < kWaves.size(); ++i) {
    for (const std::string& before : kWaves[i - 1]) {
      for (const std::string& after : kWaves[i]) {
        EXPECT_EQ(world_.sql("SELECT " + time_of(before, "enforcing") + " < " + time_of(after, "shadow")),
                  "t")
            << before << " was enforcing before " << after << " left pending";
      }
    }
  }
  EXPECT_EQ(world_.sql("SELECT " + time_of("aa", "enforcing") +
                       " >= at + interval '1 second' FROM rls_operator.review WHERE project_id = 'aa'"),
            "t")
      << "released after its clean time";

  // And the Events.
  std::map<std::string, int> told;
  ASSERT_TRUE(world_.eventually([&] {
    told.clear();
    for (const std::string& reason : story(world_, "rlsro", "all")) ++told[reason];
    return told["RolloutComplete"] == 1;
  }));
  EXPECT_EQ(told["WaveOpened"], 5);
  EXPECT_EQ(told["WaveDone"], 5);

  // All of it is in force, and io reads everything.
  EXPECT_THAT(as("aa", "SELECT count(*) FROM shop.orders").out, HasSubstr("10"));
  EXPECT_THAT(as("io", "SELECT count(*) FROM shop.orders").out, HasSubstr("80"));
  EXPECT_THAT(as("io", "UPDATE shop.orders SET paid = true WHERE project_id = 'sm'").out,
              HasSubstr("UPDATE 0"));
  for (const auto* application : {&most, &rest})
    EXPECT_TRUE((*application)->running()) << (*application)->log();
}

}  // namespace
}  // namespace rls::test
