// Down is always possible: past whatever keeps a project from going up (R-A4).

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/operator/lifecycle.hpp"

namespace rls::test {
namespace {

struct Obstacle {
  const char* name;
  const char* project;
  const char* rest;                 ///< of the spec
  const char* annotation;           ///< "": none
  std::vector<std::string> closed;  ///< gates that are not open then
};

// Each wants complete, and stands in enforcing. The database is frozen for all of them, and the rollout for
// io.
const std::vector<Obstacle> kObstacles = {
    {"Frozen", "sm", "  gates: {shadowSoak: 0s, enforcingSoak: 0s}\n", "", {"Window"}},
    {"Waiting", "motoko", "  gates: {shadowSoak: 0s, enforcingSoak: 168h}\n", "", {"SoakTime", "Window"}},
    {"Suspended", "ab", "  gates: {shadowSoak: 0s, enforcingSoak: 0s}\n  suspend: true\n", "", {"Window"}},
    {"RolloutFrozen", "io", "  gates: {shadowSoak: 0s, enforcingSoak: 0s}\n", "", {"Window", "Wave"}},
    {"Unapproved",
     "aa",
     "  gates: {shadowSoak: 0s, enforcingSoak: 0s, approvals: {complete: 2}}\n",
     "",
     {"Approval", "Window"}},
    {"HeldInEnforcing",
     "bap",
     "  gates: {shadowSoak: 0s, enforcingSoak: 0s}\n",
     "hold-at=enforcing",
     {"Window", "Hold"}},
    {"AtEveryGate",
     "ea",
     "  group: {name: two, members: [ea, nobody]}\n"
     "  gates: {shadowSoak: 0s, enforcingSoak: 168h, approvals: {complete: 2}, windows: [{schedule: '0 0 30 "
     "2 *', "
     "duration: 1m}], checks: [{name: rate, phases: [complete], prometheus: {url: 'http://metrics.example', "
     "query: "
     "'1', expect: '> 0'}}]}\n  suspend: true\n",
     "hold-at=enforcing",
     {"SoakTime", "Violations", "Approval", "Checks", "Window", "Wave", "Group", "Hold"}},
};

std::string phase_of(World& world, const std::string& project) {
  return world.field(project, "status.phase");
}

TEST(Demotion, R_A4_HappensWhateverHoldsTheProjectBack) {
  World world;
  world.create_database();
  world.start_operator();
  for (const Obstacle& obstacle : kObstacles)
    ASSERT_TRUE(world.migrate(obstacle.project, obstacle.project, "enforcing", kNoWait).ok());
  for (const Obstacle& obstacle : kObstacles) ASSERT_TRUE(arrives(world, obstacle.project, "enforcing"));

  ASSERT_TRUE(world
                  .kubectl({"patch", "rlsdatabase", "main", "--type=merge", "-p",
                            R"({"spec":{"freeze":{"reason":"incident 9"}}})"})
                  .ok());
  ASSERT_TRUE(seen(world, "main", "rlsdatabase"));
  ASSERT_TRUE(
      world
          .apply("apiVersion: rls-operator.dev/v1alpha1\nkind: RlsRollout\nmetadata: {name: cold}\nspec:\n"
                 "  databaseRef: {name: main}\n  phase: complete\n  freeze: {reason: incident 10}\n"
                 "  waves: [{name: one, projects: [io]}, {name: two, projects: [ea]}]\n")
          .ok());
  ASSERT_TRUE(world.eventually([&] { return world.condition("cold", "Ready", "rlsro") == "True/Frozen"; }));
  world.sql(
      "INSERT INTO rls_audit_log (project_id, table_name, operation, reason, would_be_denied) VALUES ('ea', "
      "'nodes', 'UPDATE', 'row belongs to another project', true)");
  for (const Obstacle& obstacle : kObstacles) {
    ASSERT_TRUE(world.migrate(obstacle.project, obstacle.project, "complete", obstacle.rest).ok())
        << obstacle.name;
    if (*obstacle.annotation != '\0') {
      ASSERT_TRUE(annotate(world, obstacle.project, obstacle.annotation));
    }
  }
  for (const Obstacle& obstacle : kObstacles) {
    EXPECT_TRUE(world.eventually([&] {
      for (const std::string& name : obstacle.closed) {
        const std::string state = gate(world, obstacle.project, name);
        if (state.empty() || state == "Passed") return false;
      }
      return true;
    })) << obstacle.name;
    EXPECT_EQ(phase_of(world, obstacle.project), "enforcing") << obstacle.name;
  }

  for (const Obstacle& obstacle : kObstacles)
    ASSERT_TRUE(patch(world, obstacle.project, R"({"spec":{"phase":"pending"}})").ok());
  for (const Obstacle& obstacle : kObstacles) {
    EXPECT_TRUE(arrives(world, obstacle.project, "pending")) << obstacle.name;
    EXPECT_EQ(steps(world, obstacle.project), "pending>shadow shadow>enforcing enforcing>pending")
        << obstacle.name;
  }
}

TEST(Demotion, BeatsAPromotionInFlight) {
  World world;
  world.create_database("", "  timeouts: {lock: 60s, statement: 2m}\n");
  world.start_operator();
  ASSERT_TRUE(world.migrate("sm", "sm", "shadow", kNoWait).ok());
  ASSERT_TRUE(arrives(world, "sm", "shadow"));
  const auto holder = world.hold_row("sm");
  ASSERT_TRUE(world.migrate("sm", "sm", "enforcing", kNoWait).ok());
  // The promotion has been decided, and waits for the row in its transaction.
  ASSERT_TRUE(world.eventually([&] {
    return world.sql(
               "SELECT count(*) FROM pg_stat_activity WHERE usename = 'rls_operator_role' AND "
               "wait_event_type = "
               "'Lock' AND datname = current_database()") != "0";
  }));
  ASSERT_TRUE(world.migrate("sm", "sm", "pending", kNoWait).ok());
  // The operator has it: changes come in order, and it has answered to a later one.
  ASSERT_TRUE(
      world
          .apply("apiVersion: rls-operator.dev/v1alpha1\nkind: RlsMigration\nmetadata: {name: later}\n"
                 "spec: {databaseRef: {name: nowhere}, project: later, phase: pending}\n")
          .ok());
  ASSERT_TRUE(becomes(world, "later", "Ready", "False/DatabaseNotFound"));
  World::release_row(holder);
  ASSERT_TRUE(arrives(world, "sm", "pending"));
  EXPECT_TRUE(becomes(world, "sm", "Ready", "True/TargetReached"));
  EXPECT_EQ(steps(world, "sm"), "pending>shadow shadow>pending");
}

}  // namespace
}  // namespace rls::test
