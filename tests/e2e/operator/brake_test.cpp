// The brake: what is held stays down, whoever fights for the spec, until somebody resumes it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/e2e/operator/lifecycle.hpp"

namespace rls::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

std::string wanted(const std::string& project, const std::string& phase) {
  return "---\napiVersion: rls-operator.dev/v1alpha1\nkind: RlsMigration\nmetadata: {name: " + project +
         "}\nspec:\n  databaseRef: {name: main}\n  project: " + project + "\n  phase: " + phase + "\n" + kNoWait;
}

/// Two who want different phases, each second anew: one applies by force as Flux does, the other with kubectl.
class Fight {
 public:
  Fight(World& world, std::vector<std::string> projects)
      : thread_([this, &world, projects = std::move(projects)](const std::stop_token& stop) {
          std::string up, down;
          for (const std::string& project : projects) {
            up += wanted(project, "complete");
            down += wanted(project, "shadow");
          }
          const std::vector<std::string> force = {"apply",           "--server-side",
                                                  "--force-conflicts", "--field-manager=kustomize-controller",
                                                  "-f",              "-"};
          do {
            const auto next = std::chrono::steady_clock::now() + 1s;
            if (!world.kubectl(force, up).ok()) ++refused;
            if (!world.kubectl({"apply", "-f", "-"}, down).ok()) ++refused;
            if (!world.kubectl(force, up).ok()) ++refused;
            ++rounds;
            std::this_thread::sleep_until(next);
          } while (!stop.stop_requested());
        }) {}
  void end() {
    thread_.request_stop();
    thread_.join();
  }
  std::atomic<int> rounds = 0, refused = 0;

 private:
  std::jthread thread_;
};

class Brake : public testing::Test {
 protected:
  Brake() {
    world.create_database();
    world.start_operator();
  }
  bool at_rest(const std::string& project, const std::string& phase) {
    return world.eventually([&] { return world.phase_in_database(project) == phase; });
  }
  std::string newest(const std::string& project) {
    return world.sql("SELECT max(ordinal) FROM rls_operator.transition WHERE project_id = '" + project + "'");
  }
  World world;
};

TEST_F(Brake, WhatIsHeldStaysDownThoughTwoFightForTheSpec) {
  for (const char* project : {"sm", "io"}) {
    ASSERT_TRUE(world.migrate(project, project, "complete", kNoWait).ok());
    ASSERT_TRUE(arrives(world, project, "complete"));
  }
  Fight fight(world, {"sm", "io"});
  ASSERT_TRUE(world.eventually([&] { return fight.rounds >= 1; }));
  world.sql("SELECT rls_operator.hold('sm', 'pending', 'incident 7')");
  ASSERT_TRUE(annotate(world, "io", "hold-at=pending"));
  ASSERT_TRUE(at_rest("sm", "pending"));
  ASSERT_TRUE(at_rest("io", "pending"));
  const std::string sm = newest("sm"), io = newest("io");

  const int before = fight.rounds;
  ASSERT_TRUE(world.eventually([&] { return fight.rounds >= before + 5; }));
  EXPECT_EQ(newest("sm"), sm) << steps(world, "sm");
  EXPECT_EQ(newest("io"), io) << steps(world, "io");
  fight.end();
  EXPECT_EQ(fight.refused, 0);
  EXPECT_TRUE(becomes(world, "sm", "Ready", "True/Held"));
  EXPECT_TRUE(becomes(world, "io", "Ready", "True/Held"));
  EXPECT_THAT(gate(world, "sm", "Hold", "message"), HasSubstr("in the database by \"postgres\""));
  EXPECT_THAT(gate(world, "io", "Hold", "message"), HasSubstr("by annotation rls-operator.dev/hold-at"));
  EXPECT_EQ(world.field("io", "spec.phase"), "complete");

  ASSERT_TRUE(annotate(world, "sm", "resume=after-incident-7"));
  ASSERT_TRUE(annotate(world, "io", "hold-at-"));
  EXPECT_TRUE(arrives(world, "sm", "complete"));
  EXPECT_TRUE(arrives(world, "io", "complete"));
}

TEST_F(Brake, EachValueOfResumeClearsOneHold) {
  ASSERT_TRUE(world.migrate("sm", "sm", "enforcing", kNoWait).ok());
  ASSERT_TRUE(arrives(world, "sm", "enforcing"));
  world.sql("SELECT rls_operator.hold('sm', 'shadow', 'incident 7')");
  ASSERT_TRUE(arrives(world, "sm", "shadow"));
  ASSERT_TRUE(annotate(world, "sm", "resume=one"));
  ASSERT_TRUE(arrives(world, "sm", "enforcing"));
  EXPECT_EQ(world.sql("SELECT value FROM rls_operator.resumed"), "one");
  EXPECT_EQ(world.sql("SELECT count(*) FROM rls_operator.hold"), "0");

  world.sql("SELECT rls_operator.hold('sm', 'shadow', 'incident 8')");
  ASSERT_TRUE(arrives(world, "sm", "shadow"));
  ASSERT_TRUE(becomes(world, "sm", "Ready", "True/Held"));
  const std::string before = steps(world, "sm");
  ASSERT_TRUE(annotate(world, "sm", "resume=one"));
  ASSERT_TRUE(annotate(world, "sm", "requested-at=now"));
  ASSERT_TRUE(world.eventually([&] { return world.field("sm", "status.lastHandledReconcileAt") == "now"; }));
  EXPECT_EQ(steps(world, "sm"), before) << "the value was used up";
  EXPECT_EQ(world.sql("SELECT reason FROM rls_operator.hold"), "incident 8");

  ASSERT_TRUE(annotate(world, "sm", "resume=two"));
  EXPECT_TRUE(arrives(world, "sm", "enforcing"));
}

TEST_F(Brake, AHoldOutlivesTheObjectAndTheOperator) {
  ASSERT_TRUE(world.migrate("sm", "sm", "enforcing", kNoWait).ok());
  ASSERT_TRUE(arrives(world, "sm", "enforcing"));
  world.sql("SELECT rls_operator.hold('sm', 'shadow', 'incident 7')");
  ASSERT_TRUE(arrives(world, "sm", "shadow"));
  ASSERT_TRUE(world.kubectl({"delete", "rlsm/sm"}).ok());
  ASSERT_EQ(world.stop_operator(), 0);
  world.start_operator();
  ASSERT_TRUE(world.migrate("sm", "sm", "complete", kNoWait).ok());
  EXPECT_TRUE(becomes(world, "sm", "Ready", "True/Held"));
  EXPECT_EQ(steps(world, "sm"), "pending>shadow shadow>enforcing enforcing>shadow");
}

}  // namespace
}  // namespace rls::test
