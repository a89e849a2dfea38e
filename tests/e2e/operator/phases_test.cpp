// What a person applies with kubectl, and what is then true in Postgres (R-A).

#include <gtest/gtest.h>
#include <signal.h>

#include "tests/support/world.hpp"

namespace rls::test {
namespace {

using namespace std::chrono_literals;

constexpr const char* kNoSoak = "  gates: {shadowSoak: 0s, enforcingSoak: 0s}\n";

/// The world with the operator running and the RlsDatabase ready.
class Operator : public ::testing::Test {
 protected:
  Operator() {
    world.create_database();
    world.start_operator();
  }
  bool reaches(const std::string& name, const std::string& project, const std::string& phase) {
    return world.eventually([&] {
      return world.phase_in_database(project) == phase && world.field(name, "status.phase") == phase;
    });
  }
  bool becomes(const std::string& name, const std::string& type, const std::string& wanted) {
    return world.eventually([&] { return world.condition(name, type) == wanted; });
  }
  std::string moves(const std::string& project) {
    return world.sql(
        "SELECT string_agg(coalesce(from_phase::text, '') || '>' || to_phase, ' ' ORDER BY ordinal) "
        "FROM rls_operator.transition WHERE kind = 'moved' AND project_id = '" +
        project + "'");
  }

  World world;
};

TEST_F(Operator, R_A1_ApplyingAMigrationMovesTheProject) {
  ASSERT_TRUE(world.migrate("sm", "sm", "shadow").ok());
  ASSERT_TRUE(reaches("sm", "sm", "shadow"));
  EXPECT_TRUE(world.kubectl({"wait", "rlsm/sm", "--for=condition=TargetReached", "--timeout=120s"}).ok());
  EXPECT_EQ(moves("sm"), "pending>shadow");
  EXPECT_EQ(
      world.sql("SELECT count(*) FROM rls_audit_log WHERE project_id = 'sm' AND operation = 'PHASE_CHANGE' "
                "AND NOT would_be_denied"),
      "1");
  EXPECT_EQ(world.condition("sm", "Ready"), "True/TargetReached");
  EXPECT_EQ(world.field("sm", "status.observedGeneration"), "1");
  EXPECT_EQ(world.field("sm", "status.history[0].to"), "shadow");
}

TEST_F(Operator, WhatWasAdoptedIsDescribed) {
  const auto evidence = [&] {
    return world.kubectl({"get", "rlsdb", "main", "-o", "jsonpath={.status.adopted.evidence.state}"}).out;
  };
  EXPECT_TRUE(world.eventually([&] { return evidence() == "Complete"; }));
  const std::string described = world.kubectl({"describe", "rlsdb", "main"}).out;
  for (const char* text : {"enum public.migration_phase_enum", "public.rls_audit_log", "would_be_denied",
                           "public.project_registry", "Tables With Policies"})
    EXPECT_NE(described.find(text), std::string::npos) << text << " in " << described;
  world.sql("ALTER TABLE nodes DISABLE TRIGGER note_denied_write");
  EXPECT_TRUE(world.eventually([&] { return evidence() == "Incomplete"; })) << "by the next look";
}

TEST_F(Operator, R_A2_ShadowIsNeverSkippedOnTheWayUp) {
  ASSERT_TRUE(world.migrate("sm", "sm", "complete", kNoSoak).ok());
  ASSERT_TRUE(reaches("sm", "sm", "complete"));
  EXPECT_EQ(moves("sm"), "pending>shadow shadow>enforcing enforcing>complete");
}

TEST_F(Operator, R_A4_RollbackIsOneStepAndRestoresLegacyBehaviour) {
  ASSERT_TRUE(world.migrate("sm", "sm", "enforcing", kNoSoak).ok());
  ASSERT_TRUE(reaches("sm", "sm", "enforcing"));
  const std::string foreign = "SELECT count(*) > 0 FROM nodes WHERE project_id = 'motoko'";
  EXPECT_EQ(world.sql_as_application("sm", foreign).out, "f\n");
  ASSERT_TRUE(world.migrate("sm", "sm", "pending", kNoSoak).ok());
  ASSERT_TRUE(reaches("sm", "sm", "pending"));
  EXPECT_EQ(moves("sm"), "pending>shadow shadow>enforcing enforcing>pending");
  EXPECT_EQ(world.sql_as_application("sm", foreign).out, "t\n");
}

TEST_F(Operator, R_A5_EnforcingBlocksAndCompleteIsDeclaredStable) {
  ASSERT_TRUE(world.migrate("sm", "sm", "enforcing", kNoSoak).ok());
  ASSERT_TRUE(reaches("sm", "sm", "enforcing"));
  const Output refused = world.sql_as_application("sm", "INSERT INTO nodes (project_id) VALUES ('motoko')");
  EXPECT_FALSE(refused.ok());
  EXPECT_NE(refused.out.find("row-level security"), std::string::npos) << refused.out;
  EXPECT_EQ(world.sql("SELECT rls_enabled || '/' || (migrated_at IS NULL) FROM rls_migration_status "
                      "WHERE project_id = 'sm'"),
            "true/true");
  ASSERT_TRUE(world.migrate("sm", "sm", "complete", kNoSoak).ok());
  ASSERT_TRUE(reaches("sm", "sm", "complete"));
  EXPECT_EQ(world.sql("SELECT rls_enabled || '/' || (migrated_at IS NOT NULL) FROM rls_migration_status "
                      "WHERE project_id = 'sm'"),
            "true/true");
}

TEST_F(Operator, R_A6_TheSoakIsWaitedForAndSaid) {
  ASSERT_TRUE(world.migrate("sm", "sm", "enforcing", "  gates: {shadowSoak: 12s}\n").ok());
  ASSERT_TRUE(becomes("sm", "Ready", "True/AwaitingGates"));
  EXPECT_EQ(world.field("sm", "status.blockedBy"), "SoakTime");
  EXPECT_NE(world.field("sm", "status.eligibleAt"), "");
  ASSERT_TRUE(reaches("sm", "sm", "enforcing"));
  EXPECT_EQ(
      world.sql("SELECT b.at - a.at >= '12s' FROM rls_operator.transition a, rls_operator.transition b WHERE "
                "a.project_id = 'sm' AND b.project_id = 'sm' AND a.to_phase = 'shadow' AND b.to_phase = "
                "'enforcing'"),
      "t");
}

TEST_F(Operator, R_A6_ARecordedViolationBlocksPromotion) {
  ASSERT_TRUE(world.migrate("motoko", "motoko", "shadow").ok());
  ASSERT_TRUE(reaches("motoko", "motoko", "shadow"));
  ASSERT_TRUE(
      world.sql_as_application("motoko", "UPDATE nodes SET project_id = project_id WHERE project_id = 'sm'")
          .ok());
  ASSERT_TRUE(world.migrate("motoko", "motoko", "enforcing", "  gates: {shadowSoak: 0s}\n").ok());
  ASSERT_TRUE(becomes("motoko", "Ready", "True/AwaitingGates"));
  EXPECT_NE(world.field("motoko", "status.blockedBy").find("Violations"), std::string::npos);
  EXPECT_EQ(world.field("motoko", "status.gates[?(@.name==\"Violations\")].state"), "Blocked");
  EXPECT_NE(world.field("motoko", "status.violations.total"), "0");
  EXPECT_NE(world.field("motoko", "status.violations.byTable[0].table").find("nodes"), std::string::npos);
  EXPECT_EQ(world.phase_in_database("motoko"), "shadow");
}

TEST_F(Operator, TheHoldAnnotationTakesDownAtOnceAndKeepsThere) {
  ASSERT_TRUE(world.migrate("io", "io", "enforcing", kNoSoak).ok());
  ASSERT_TRUE(reaches("io", "io", "enforcing"));
  ASSERT_TRUE(world.kubectl({"annotate", "rlsm/io", "rls-operator.dev/hold-at=shadow"}).ok());
  ASSERT_TRUE(reaches("io", "io", "shadow"));
  EXPECT_TRUE(becomes("io", "Ready", "True/Held"));
  EXPECT_EQ(world.condition("io", "Held"), "True/Held");
  ASSERT_TRUE(world.kubectl({"annotate", "rlsm/io", "rls-operator.dev/hold-at-"}).ok());
  ASSERT_TRUE(reaches("io", "io", "enforcing"));
}

TEST_F(Operator, AHoldSetWithPsqlWorksWithoutKubernetes) {
  ASSERT_TRUE(world.migrate("io", "io", "enforcing", kNoSoak).ok());
  ASSERT_TRUE(reaches("io", "io", "enforcing"));
  world.sql("SELECT rls_operator.hold('io', 'pending', 'incident 7')");
  ASSERT_TRUE(reaches("io", "io", "pending"));
  EXPECT_TRUE(becomes("io", "Ready", "True/Held"));
  world.sql("SELECT rls_operator.release('io')");
  ASSERT_TRUE(reaches("io", "io", "enforcing"));
}

TEST_F(Operator, SuspendStopsPromotionsAndNeverDemotions) {
  ASSERT_TRUE(world.migrate("sm", "sm", "enforcing", std::string(kNoSoak) + "  suspend: true\n").ok());
  ASSERT_TRUE(becomes("sm", "Ready", "True/Suspended"));
  EXPECT_EQ(world.phase_in_database("sm"), "pending");
  ASSERT_TRUE(world.migrate("sm", "sm", "enforcing", std::string(kNoSoak) + "  suspend: false\n").ok());
  ASSERT_TRUE(reaches("sm", "sm", "enforcing"));
  ASSERT_TRUE(world.migrate("sm", "sm", "shadow", std::string(kNoSoak) + "  suspend: true\n").ok());
  ASSERT_TRUE(reaches("sm", "sm", "shadow"));
}

TEST_F(Operator, APhaseRaisedByHandIsReportedAndWithRevertTakenBack) {
  ASSERT_TRUE(world.migrate("sm", "sm", "shadow").ok());
  ASSERT_TRUE(reaches("sm", "sm", "shadow"));
  world.sql(
      "UPDATE rls_migration_status SET migration_phase = 'enforcing', rls_enabled = true WHERE project_id = "
      "'sm'");
  ASSERT_TRUE(becomes("sm", "Drifted", "True/Drifted"));
  EXPECT_EQ(world.condition("sm", "Ready"), "False/Drifted");
  EXPECT_EQ(world.phase_in_database("sm"), "enforcing");
  ASSERT_TRUE(world.migrate("sm", "sm", "shadow", "  drift: Revert\n").ok());
  ASSERT_TRUE(reaches("sm", "sm", "shadow"));
  EXPECT_TRUE(becomes("sm", "Ready", "True/TargetReached"));
}

TEST_F(Operator, DeletingTheObjectChangesNothingInTheDatabase) {
  ASSERT_TRUE(world.migrate("sm", "sm", "enforcing", kNoSoak).ok());
  ASSERT_TRUE(reaches("sm", "sm", "enforcing"));
  ASSERT_TRUE(world.kubectl({"delete", "rlsm/sm"}).ok());
  // Something later is seen to be done, so the deletion has been seen, too.
  ASSERT_TRUE(world.migrate("ab", "ab", "shadow").ok());
  ASSERT_TRUE(reaches("ab", "ab", "shadow"));
  EXPECT_EQ(world.phase_in_database("sm"), "enforcing");
  // Made anew it takes up where it was.
  ASSERT_TRUE(world.migrate("sm", "sm", "enforcing", kNoSoak).ok());
  EXPECT_TRUE(becomes("sm", "Ready", "True/TargetReached"));
  EXPECT_EQ(moves("sm"), "pending>shadow shadow>enforcing");
}

TEST_F(Operator, ARestartMovesNothingTwice) {
  ASSERT_TRUE(world.migrate("sm", "sm", "enforcing", kNoSoak).ok());
  ASSERT_TRUE(reaches("sm", "sm", "enforcing"));
  ASSERT_TRUE(becomes("sm", "Ready", "True/TargetReached"));
  const std::string version = world.field("sm", "metadata.resourceVersion");
  EXPECT_EQ(world.stop_operator(), 0) << world.operator_process().log();
  world.start_operator();
  ASSERT_TRUE(world.migrate("ab", "ab", "shadow").ok());
  ASSERT_TRUE(reaches("ab", "ab", "shadow"));
  EXPECT_EQ(moves("sm"), "pending>shadow shadow>enforcing");
  EXPECT_EQ(world.field("sm", "metadata.resourceVersion"), version)
      << "nothing changed, so nothing is written";
}

TEST_F(Operator, KilledAtAnyMomentItGoesOn) {
  ASSERT_TRUE(world.migrate("sm", "sm", "complete", kNoSoak).ok());
  world.kill_operator();
  world.start_operator();
  ASSERT_TRUE(reaches("sm", "sm", "complete"));
  EXPECT_EQ(moves("sm"), "pending>shadow shadow>enforcing enforcing>complete");
}

TEST_F(Operator, SigtermEndsItInSeconds) {
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(world.stop_operator(), 0);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 15s) << "then Kubernetes would kill it";
}

TEST_F(Operator, MetricsAndProbesAnswer) {
  ASSERT_TRUE(world.migrate("sm", "sm", "enforcing", "  gates: {shadowSoak: 1h}\n").ok());
  ASSERT_TRUE(becomes("sm", "Ready", "True/AwaitingGates"));
  EXPECT_TRUE(world.http("/healthz").ok());
  EXPECT_TRUE(world.http("/readyz").ok());
  // They tell what the caches hold, to which a status comes back after a moment.
  std::string metrics;
  const auto shows = [&](const std::string& line) {
    return world.eventually(
        [&] { return (metrics = world.http("/metrics").out).find(line) != std::string::npos; });
  };
  const std::string labels = "{namespace=\"" + world.ns() + "\",database=\"main\",project=\"sm\",";
  EXPECT_TRUE(shows("rls_migration_phase" + labels + "phase=\"shadow\"} 1")) << metrics;
  EXPECT_TRUE(shows("rls_migration_gate_blocked" + labels + "gate=\"SoakTime\",state=\"Waiting\"} 1"))
      << metrics;
  EXPECT_TRUE(shows("rls_transitions_total{from=\"pending\",result=\"committed\",to=\"shadow\"} 1"))
      << metrics;
  EXPECT_TRUE(shows("rls_database_up{")) << metrics;
}

TEST_F(Operator, KubectlGetAndDescribeTellWhatIsUp) {
  ASSERT_TRUE(world.migrate("sm", "sm", "enforcing", "  gates: {shadowSoak: 1h}\n").ok());
  ASSERT_TRUE(becomes("sm", "Ready", "True/AwaitingGates"));
  const std::string table = world.kubectl({"get", "rls"}).out;
  for (const char* text : {"PROJECT", "PHASE", "TARGET", "BLOCKED", "shadow", "enforcing", "SoakTime"}) {
    EXPECT_NE(table.find(text), std::string::npos) << text << " in\n" << table;
  }
  const std::string story = world.kubectl({"describe", "rlsm", "sm"}).out;
  EXPECT_NE(story.find("needed in shadow"), std::string::npos) << story;
}

}  // namespace
}  // namespace rls::test
