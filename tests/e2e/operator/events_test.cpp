// The story that kubectl tells of an object (docs/events.md).

#include <gtest/gtest.h>

#include "tests/support/world.hpp"

namespace rls::test {
namespace {

class EventStory : public ::testing::Test {
 protected:
  EventStory() {
    world.create_database();
    world.start_operator();
  }
  std::string described(const std::string& kind, const std::string& name) {
    const std::string all = world.kubectl({"describe", kind, name}).out;
    const auto events = all.find("\nEvents:");
    return events == std::string::npos ? "" : all.substr(events);
  }
  bool tells(const std::string& reason, const std::string& kind = "rlsm", const std::string& name = "sm") {
    return world.eventually(
        [&] { return described(kind, name).find(" " + reason + " ") != std::string::npos; });
  }
  std::string field(const std::string& reason, const std::string& path) {
    return world
        .kubectl({"get", "events.events.k8s.io", "-o",
                  "jsonpath={range .items[?(@.reason==\"" + reason + "\")]}{" + path + "}{end}"})
        .out;
  }

  World world;
};

TEST_F(EventStory, OfSoakPromotionDriftAndRollback) {
  ASSERT_TRUE(world.migrate("sm", "sm", "enforcing", "  gates: {shadowSoak: 8s}\n").ok());
  EXPECT_TRUE(tells("GateWaiting")) << "the gate waits";
  EXPECT_TRUE(tells("GatePassed")) << "and passes";
  EXPECT_TRUE(world.eventually([&] { return world.phase_in_database("sm") == "enforcing"; }));
  EXPECT_TRUE(world.eventually([&] {
    const std::string story = described("rlsm", "sm");
    return story.find("from pending to shadow: all gates passed") != std::string::npos &&
           story.find("from shadow to enforcing: all gates passed") != std::string::npos;
  }));
  EXPECT_NE(described("rlsm", "sm").find("needed in shadow"), std::string::npos);

  world.sql(
      "UPDATE rls_migration_status SET migration_phase = 'complete', rls_enabled = true WHERE project_id = "
      "'sm'");
  EXPECT_TRUE(tells("DriftDetected"));
  ASSERT_TRUE(world.migrate("sm", "sm", "shadow", "  drift: Revert\n").ok());
  EXPECT_TRUE(tells("Demoted"));
  EXPECT_TRUE(tells("DriftResolved"));

  EXPECT_EQ(field("Demoted", ".action"), "Demote");
  EXPECT_EQ(field("Demoted", ".type"), "Normal");
  EXPECT_EQ(field("Demoted", ".reportingController"), "rls-operator.dev/rls-operator");
  EXPECT_NE(field("Demoted", ".reportingInstance"), "");
  EXPECT_EQ(field("Demoted", ".regarding.uid"), world.field("sm", "metadata.uid"));
  EXPECT_EQ(field("DriftDetected", ".type"), "Warning");

  const std::string story = described("rlsm", "sm");
  std::size_t last = 0;
  for (const char* reason :
       {" GateWaiting ", " GatePassed ", " from shadow to enforcing", " DriftDetected ", " Demoted "}) {
    const std::size_t at = story.find(reason);
    ASSERT_NE(at, std::string::npos) << reason;
    EXPECT_GT(at, last) << reason << " stands too early in\n" << story;
    last = at;
  }
}

TEST_F(EventStory, OfADatabaseThatGoesAndComesBack) {
  EXPECT_TRUE(tells("DatabaseConnected", "rlsdb", "main"));
  ASSERT_TRUE(world.migrate("sm", "sm", "shadow").ok());
  EXPECT_TRUE(tells("Promoted"));
  world.create_secret("postgresql://rls_operator_role:x@127.0.0.1:1/app");
  EXPECT_TRUE(world.eventually([&] {
    world.end_connections();  // the Secret is read again when what worked fails
    return world.condition("main", "Ready", "rlsdatabase") == "False/DatabaseUnreachable";
  }));
  EXPECT_TRUE(tells("DatabaseUnreachable", "rlsdb", "main"));
  world.create_secret(world.operator_uri());
  // Within ten minutes: a series of the first.
  EXPECT_TRUE(world.eventually([&] { return field("DatabaseConnected", ".series.count") == "2"; }));
  EXPECT_EQ(described("rlsm", "sm").find("Unreachable"), std::string::npos) << "told once, where it happened";
}

TEST_F(EventStory, OfRepetitionsIsASeries) {
  ASSERT_TRUE(world.migrate("sm", "sm", "enforcing", "  suspend: true\n").ok());
  ASSERT_TRUE(tells("Suspended"));
  ASSERT_TRUE(world.migrate("sm", "sm", "enforcing", "  suspend: false\n").ok());
  ASSERT_TRUE(tells("Resumed"));
  ASSERT_TRUE(world.migrate("sm", "sm", "enforcing", "  suspend: true\n").ok());
  EXPECT_TRUE(world.eventually([&] { return field("Suspended", ".series.count") == "2"; }));
  EXPECT_EQ(field("Suspended", ".metadata.name").find("sm."), 0U);
  EXPECT_NE(described("rlsm", "sm").find("(x2 over"), std::string::npos) << described("rlsm", "sm");
}

TEST_F(EventStory, OfMistakes) {
  ASSERT_TRUE(world.migrate("lost", "nowhere", "shadow").ok());
  EXPECT_TRUE(tells("UnknownProject", "rlsm", "lost"));
  ASSERT_TRUE(world.migrate("first", "sm", "shadow").ok());
  EXPECT_TRUE(tells("Promoted", "rlsm", "first"));
  ASSERT_TRUE(world.migrate("second", "sm", "shadow").ok());
  EXPECT_TRUE(tells("Conflict", "rlsm", "second"));
  world.kubectl({"delete", "rlsm/first"});
  EXPECT_TRUE(tells("ConflictResolved", "rlsm", "second"));
  ASSERT_TRUE(world.kubectl({"annotate", "rlsm/second", "rls-operator.dev/hold-at=pending"}).ok());
  EXPECT_TRUE(tells("Held", "rlsm", "second"));
  ASSERT_TRUE(world.kubectl({"annotate", "rlsm/second", "rls-operator.dev/hold-at-"}).ok());
  EXPECT_TRUE(tells("Released", "rlsm", "second"));
}

}  // namespace
}  // namespace rls::test
