// A person's yes by annotation, through the running operator: the message has the command, the command works,
// and it works once (docs/adr/0006).

#include <gtest/gtest.h>

#include <sstream>

#include "tests/support/world.hpp"

namespace rls::test {
namespace {

constexpr const char* kDatabase = "rlsdatabase";

class Yes : public ::testing::Test {
 protected:
  Yes() {
    world.create_database();
    world.start_operator({"--install-id", "prod-7"});
  }
  bool becomes(const std::string& name, const std::string& type, const std::string& wanted,
               const std::string& kind = "rlsmigration") {
    return world.eventually([&] { return world.condition(name, type, kind) == wanted; });
  }
  bool says(const std::string& name, const std::string& text, const std::string& kind = "rlsmigration") {
    return world.eventually([&] { return world.message(name, kind).find(text) != std::string::npos; });
  }
  bool reaches(const std::string& project, const std::string& phase) {
    return world.eventually([&] {
      return world.phase_in_database(project) == phase && world.field(project, "status.phase") == phase;
    });
  }
  void annotate(const std::string& object, const std::string& text) {
    const Output done = world.kubectl({"annotate", object, "rls-operator.dev/" + text, "--overwrite"});
    ASSERT_TRUE(done.ok()) << done.out;
  }
  /// Runs the command that the object's message ends with; returns the annotation's value in it.
  std::string run_command_of(const std::string& name, const std::string& kind = "rlsmigration") {
    static const std::string kRun = "run: kubectl ";
    const std::string message = world.message(name, kind);
    const auto at = message.find(kRun);
    EXPECT_NE(at, std::string::npos) << message;
    if (at == std::string::npos) return "";
    std::istringstream words(message.substr(at + kRun.size()));
    std::vector<std::string> arguments;
    std::string value;
    for (std::string word; words >> word;) {
      if (word.starts_with("rls-operator.dev/")) value = word.substr(word.find('=') + 1);
      arguments.push_back(word);
    }
    const Output done = world.kubectl(arguments);
    EXPECT_TRUE(done.ok()) << done.out;
    return value;
  }
  /// How often the log says that a database is somebody else's.
  int refusals() {
    const std::string log = world.operator_process().log();
    int count = 0;
    for (std::size_t at = 0; (at = log.find("\"reason\":\"Claimed\"", at)) != log.npos; ++at) ++count;
    return count;
  }
  void raise_by_hand(const std::string& project) {
    world.sql(
        "UPDATE rls_migration_status SET migration_phase = 'enforcing', rls_enabled = true "
        "WHERE project_id = '" +
        project + "'");
  }
  /// The newest raise by somebody else, as adopt-phase names it.
  std::string newest_raise(const std::string& project) {
    return "enforcing@" + world.sql(
                              "SELECT max(ordinal) FROM rls_operator.transition WHERE kind = 'drift' "
                              "AND project_id = '" +
                              project + "'");
  }
  std::string adopted_into_enforcing(const std::string& project) {
    return world.sql(
        "SELECT count(*) FROM rls_operator.transition WHERE kind = 'adopted' AND to_phase = "
        "'enforcing' AND project_id = '" +
        project + "'");
  }

  World world;
};

TEST_F(Yes, AdoptPhaseAcceptsTheRaiseThatItNamesAndNoLaterOne) {
  ASSERT_TRUE(world.migrate("sm", "sm", "enforcing").ok());
  ASSERT_TRUE(reaches("sm", "shadow"));
  raise_by_hand("sm");
  ASSERT_TRUE(becomes("sm", "Ready", "False/Drifted"));
  const std::string first = newest_raise("sm");

  annotate("rlsm/sm", "adopt-phase=enforcing@1");
  ASSERT_TRUE(says("sm", "\"enforcing@1\" does not name this raise"));
  EXPECT_EQ(world.condition("sm", "Ready"), "False/Drifted");
  EXPECT_EQ(adopted_into_enforcing("sm"), "0");

  EXPECT_EQ(run_command_of("sm"), first);
  ASSERT_TRUE(becomes("sm", "Ready", "True/TargetReached"));
  EXPECT_EQ(world.condition("sm", "Drifted"), "");
  EXPECT_EQ(world.phase_in_database("sm"), "enforcing");
  EXPECT_EQ(adopted_into_enforcing("sm"), "1");

  // The annotation stays, and a later raise to the same phase is another one.
  ASSERT_TRUE(world.migrate("sm", "sm", "shadow").ok());
  ASSERT_TRUE(reaches("sm", "shadow"));
  ASSERT_TRUE(world.migrate("sm", "sm", "enforcing").ok());
  ASSERT_TRUE(becomes("sm", "Ready", "True/AwaitingGates"));
  raise_by_hand("sm");
  ASSERT_TRUE(says("sm", "\"" + first + "\" does not name this raise"));
  annotate("rlsm/sm", "adopt-phase=enforcing");
  ASSERT_TRUE(says("sm", "\"enforcing\" was used up by an earlier raise"));
  EXPECT_EQ(world.condition("sm", "Ready"), "False/Drifted");
  EXPECT_EQ(adopted_into_enforcing("sm"), "1");

  EXPECT_EQ(run_command_of("sm"), newest_raise("sm"));
  ASSERT_TRUE(becomes("sm", "Ready", "True/TargetReached"));
  EXPECT_EQ(adopted_into_enforcing("sm"), "2");
}

TEST_F(Yes, AdoptPhaseByThePhaseAloneWillDoForTheFirstRaise) {
  ASSERT_TRUE(world.migrate("ab", "ab", "enforcing").ok());
  ASSERT_TRUE(reaches("ab", "shadow"));
  raise_by_hand("ab");
  ASSERT_TRUE(becomes("ab", "Ready", "False/Drifted"));
  annotate("rlsm/ab", "adopt-phase=enforcing");
  ASSERT_TRUE(becomes("ab", "Ready", "True/TargetReached"));
  EXPECT_EQ(adopted_into_enforcing("ab"), "1");
}

TEST_F(Yes, TakeOverMakesTheDatabaseTheOthersAndCountsOnce) {
  ASSERT_TRUE(world.migrate("sm", "sm", "shadow").ok());
  ASSERT_TRUE(reaches("sm", "shadow"));
  const auto owner = [&] { return world.sql("SELECT name || ' ' || number FROM rls_operator.claim"); };

  world.create_database_object("copy");
  ASSERT_TRUE(becomes("copy", "Stalled", "True/Claimed", kDatabase));
  annotate("rlsdb/copy", "take-over=prod-8");
  const int refused = refusals();
  ASSERT_TRUE(world.eventually([&] { return refusals() > refused + 1; })) << "it is looked at again";
  EXPECT_EQ(world.condition("copy", "Ready", kDatabase), "False/Claimed");
  EXPECT_EQ(run_command_of("copy", kDatabase), "prod-7");
  ASSERT_TRUE(becomes("copy", "Ready", "True/Adopted", kDatabase));
  EXPECT_EQ(owner(), "copy 2");

  // The first owner is told, and moves nothing more, neither up nor down.
  ASSERT_TRUE(becomes("main", "Stalled", "True/Claimed", kDatabase));
  ASSERT_TRUE(becomes("sm", "Stalled", "True/Claimed"));
  ASSERT_TRUE(world.migrate("sm", "sm", "pending").ok());
  ASSERT_TRUE(world.eventually([&] {
    return world.field("sm", "status.observedGeneration") == world.field("sm", "metadata.generation");
  }));
  EXPECT_EQ(world.phase_in_database("sm"), "shadow");

  // The same words once more name a claim that is no more.
  annotate("rlsdb/main", "take-over=prod-7");
  ASSERT_TRUE(says("main", "take-over=prod-7@2", kDatabase));
  EXPECT_EQ(world.condition("main", "Ready", kDatabase), "False/Claimed");
  EXPECT_EQ(run_command_of("main", kDatabase), "prod-7@2");
  ASSERT_TRUE(becomes("main", "Ready", "True/Adopted", kDatabase));
  ASSERT_TRUE(reaches("sm", "pending"));

  // The other one's yes still stands there, and is spent: they do not take it from each other for ever.
  ASSERT_TRUE(says("copy", "take-over=prod-7@3", kDatabase));
  EXPECT_EQ(owner(), "main 3");
  EXPECT_EQ(world.condition("main", "Ready", kDatabase), "True/Adopted");
}

TEST_F(Yes, AcceptSystemIsAskedForWhereAnotherServerAnswers) {
  const std::string genuine = world.sql("SELECT system_identifier FROM pg_control_system()");
  ASSERT_TRUE(world.migrate("sm", "sm", "shadow").ok());
  ASSERT_TRUE(reaches("sm", "shadow"));
  ASSERT_EQ(world.field("main", "status.systemIdentifier", kDatabase), genuine);

  // As if the server first seen had been another one.
  ASSERT_TRUE(world
                  .kubectl({"patch", "rlsdb", "main", "--subresource=status", "--type=merge", "-p",
                            R"({"status":{"systemIdentifier":"7000000000000000001"}})"})
                  .ok());
  ASSERT_TRUE(becomes("main", "Stalled", "True/DatabaseChanged", kDatabase));
  ASSERT_TRUE(becomes("sm", "Stalled", "True/DatabaseChanged"));
  EXPECT_EQ(world.field("main", "status.systemIdentifier", kDatabase), "7000000000000000001");

  annotate("rlsdb/main", "accept-system=7000000000000000001");  // the one that is known, not the new one
  ASSERT_TRUE(world.migrate("sm", "sm", "pending").ok());
  ASSERT_TRUE(world.eventually([&] {
    return world.field("sm", "status.observedGeneration") == world.field("sm", "metadata.generation");
  }));
  EXPECT_EQ(world.condition("main", "Ready", kDatabase), "False/DatabaseChanged");
  EXPECT_EQ(world.phase_in_database("sm"), "shadow") << "not even downwards: it may be a copy";

  EXPECT_EQ(run_command_of("main", kDatabase), genuine);
  ASSERT_TRUE(becomes("main", "Ready", "True/Adopted", kDatabase));
  EXPECT_EQ(world.field("main", "status.systemIdentifier", kDatabase), genuine);
  EXPECT_EQ(world.condition("main", "Stalled", kDatabase), "");
  ASSERT_TRUE(reaches("sm", "pending"));
}

}  // namespace
}  // namespace rls::test
