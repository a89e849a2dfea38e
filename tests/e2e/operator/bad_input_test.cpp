// Bad input: each gives a clear condition, and recovers alone when it is mended.

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <thread>

#include "tests/support/world.hpp"

namespace rls::test {
namespace {

using namespace std::chrono_literals;

class BadInput : public ::testing::Test {
 protected:
  bool becomes(const std::string& type, const std::string& wanted, const std::string& name = "sm") {
    return world.eventually([&] { return world.condition(name, type) == wanted; });
  }
  std::string message(const std::string& name = "sm") { return world.message(name); }
  void expect_healed() {
    EXPECT_TRUE(becomes("Ready", "True/TargetReached"));
    EXPECT_EQ(world.phase_in_database("sm"), "shadow");
    EXPECT_TRUE(
        world.eventually([&] { return world.condition("main", "Ready", "rlsdatabase") == "True/Adopted"; }));
  }

  World world;
};

TEST_F(BadInput, AMigrationBeforeItsDatabaseWaitsForIt) {
  world.start_operator();
  ASSERT_TRUE(world.migrate("sm", "sm", "shadow").ok());
  ASSERT_TRUE(becomes("Ready", "False/DatabaseNotFound"));
  EXPECT_NE(message().find("spec.databaseRef.name"), std::string::npos);
  world.create_database();
  expect_healed();
}

TEST_F(BadInput, AMissingSecretIsNamed) {
  world.start_operator();
  world.create_database();
  world.kubectl({"delete", "secret", "main-db"});
  ASSERT_TRUE(world.migrate("sm", "sm", "shadow").ok());
  // It may have connected before the Secret went: then it goes on until the connection ends.
  world.sql(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'rls_operator_role' AND "
      "datname = '" +
      world.database() + "'");
  ASSERT_TRUE(world.eventually([&] {
    world.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'rls_operator_role' AND "
        "datname "
        "= '" +
        world.database() + "'");
    return world.condition("sm", "Ready") == "False/SecretNotFound";
  }));
  EXPECT_NE(message().find("main-db"), std::string::npos);
  world.create_secret(world.operator_uri());
  expect_healed();
}

TEST_F(BadInput, ASecretThatIsNoConnectionStringIsSaidWithoutShowingIt) {
  world.create_database();
  world.create_secret("this is not a uri canary-1");
  world.start_operator();
  ASSERT_TRUE(world.migrate("sm", "sm", "shadow").ok());
  ASSERT_TRUE(world.eventually([&] { return world.condition("sm", "Ready").starts_with("False/"); }));
  EXPECT_EQ((message() + world.operator_process().log()).find("canary-1"), std::string::npos) << message();
  world.create_secret(world.operator_uri());
  expect_healed();
}

TEST_F(BadInput, AForbiddenConnectionParameterIsNamed) {
  world.create_database();
  world.create_secret(world.operator_uri() + "?passfile=/etc/passwd");
  world.start_operator();
  ASSERT_TRUE(world.migrate("sm", "sm", "shadow").ok());
  ASSERT_TRUE(world.eventually([&] { return message().find("passfile") != std::string::npos; }));
  world.create_secret(world.operator_uri());
  expect_healed();
}

TEST_F(BadInput, AWrongPasswordIsSaid) {
  world.create_database();
  std::string uri = world.operator_uri();
  uri.replace(uri.find(world.operator_password()), world.operator_password().size(), "wrong-canary");
  world.create_secret(uri);
  world.start_operator();
  ASSERT_TRUE(world.migrate("sm", "sm", "shadow").ok());
  ASSERT_TRUE(becomes("Ready", "False/AuthenticationFailed"));
  world.create_secret(world.operator_uri());
  expect_healed();
}

TEST_F(BadInput, AnUnreachableDatabaseIsSaid) {
  world.create_database();
  world.create_secret("postgresql://rls_operator_role:x@127.0.0.1:1/app");
  world.start_operator();
  ASSERT_TRUE(world.migrate("sm", "sm", "shadow").ok());
  ASSERT_TRUE(becomes("Ready", "False/DatabaseUnreachable"));
  EXPECT_EQ(world.condition("sm", "Reconciling"), "True/DatabaseUnreachable");
  EXPECT_EQ(world.condition("sm", "TargetReached"), "Unknown/DatabaseUnreachable");
  EXPECT_TRUE(world.http("/healthz").ok()) << "health never asks Postgres";
  world.create_secret(world.operator_uri());
  expect_healed();
}

TEST_F(BadInput, MissingTablesAreNamed) {
  world.create_database();
  world.sql("ALTER TABLE rls_migration_status RENAME TO elsewhere");
  world.start_operator();
  ASSERT_TRUE(world.migrate("sm", "sm", "shadow").ok());
  ASSERT_TRUE(becomes("Ready", "False/MissingTable"));
  EXPECT_NE(message().find("rls_migration_status"), std::string::npos) << message();
  world.sql("ALTER TABLE elsewhere RENAME TO rls_migration_status");
  expect_healed();
}

TEST_F(BadInput, AnUnknownProjectStallsUntilItIsThere) {
  world.create_database();
  world.start_operator();
  ASSERT_TRUE(world.migrate("new", "brandnew", "shadow").ok());
  ASSERT_TRUE(becomes("Stalled", "True/UnknownProject", "new"));
  EXPECT_NE(message("new").find("brandnew"), std::string::npos) << message("new");
  world.sql(
      "INSERT INTO project_registry (project_id, access_level) SELECT 'brandnew', access_level FROM "
      "project_registry LIMIT 1");
  world.sql("INSERT INTO rls_migration_status (project_id) VALUES ('brandnew')");
  EXPECT_TRUE(becomes("Ready", "True/TargetReached", "new"));
}

TEST_F(BadInput, TheYoungerOfTwoObjectsForOneProjectStalls) {
  world.create_database();
  world.start_operator();
  ASSERT_TRUE(world.migrate("sm", "sm", "shadow").ok());
  ASSERT_TRUE(becomes("Ready", "True/TargetReached"));
  std::this_thread::sleep_for(1100ms);  // creation times are to the second
  ASSERT_TRUE(world.migrate("sm-again", "sm", "pending").ok());
  ASSERT_TRUE(becomes("Stalled", "True/Conflict", "sm-again"));
  EXPECT_EQ(world.phase_in_database("sm"), "shadow");
  ASSERT_TRUE(world.kubectl({"delete", "rlsm/sm"}).ok());
  EXPECT_TRUE(becomes("Ready", "True/TargetReached", "sm-again"));
  EXPECT_EQ(world.phase_in_database("sm"), "pending");
}

struct Name {
  std::string label;
  std::string yaml;  ///< as a double-quoted YAML scalar
  std::string sql;   ///< as an SQL literal
};

TEST_F(BadInput, UnusualProjectNamesWork) {
  world.create_database();
  std::string fifty_two_byte;
  for (int i = 0; i < 50; ++i) fifty_two_byte += "é";
  const std::vector<Name> names = {
      {"quote", "\"o'brien\"", "'o''brien'"},
      {"double", "'a\"b'", "'a\"b'"},
      {"backslash", "'a\\b; DROP TABLE nodes; --'", "'a\\b; DROP TABLE nodes; --'"},
      {"brace", "'{a,b}'", "'{a,b}'"},
      {"letters", "\"" + fifty_two_byte + "\"", "'" + fifty_two_byte + "'"},
      {"spaces", "'  two  '", "'  two  '"},
      {"word", "'null'", "'null'"},
  };
  for (const Name& name : names) {
    world.sql("INSERT INTO project_registry (project_id, access_level) SELECT " + name.sql +
              ", access_level FROM project_registry LIMIT 1");
    world.sql("INSERT INTO rls_migration_status (project_id) VALUES (" + name.sql +
              ") ON CONFLICT DO NOTHING");
  }
  world.start_operator();
  for (const Name& name : names) {
    const Output applied = world.migrate(name.label, name.yaml, "shadow");
    ASSERT_TRUE(applied.ok()) << applied.out;
  }
  for (const Name& name : names) {
    EXPECT_TRUE(becomes("Ready", "True/TargetReached", name.label)) << name.label;
    EXPECT_EQ(world.sql("SELECT migration_phase FROM rls_migration_status WHERE project_id = " + name.sql),
              "shadow")
        << name.label;
  }
  EXPECT_TRUE(world.http("/metrics").ok());
}

TEST_F(BadInput, ImpossibleProjectNamesAreRefusedByTheApiServer) {
  const std::string fifty_one(51, 'x');
  const std::vector<std::string> names = {"\"a\\u0001b\"", "\"a\\tb\"", "\"" + fifty_one + "\"", "\"\""};
  for (const std::string& project : names) {
    const Output refused = world.migrate("bad", project, "shadow");
    EXPECT_FALSE(refused.ok()) << project;
    EXPECT_NE(refused.out.find("spec.project"), std::string::npos) << refused.out;
  }
}

TEST_F(BadInput, ABackendThatIsKilledIsReplaced) {
  world.create_database();
  world.start_operator();
  ASSERT_TRUE(world.migrate("sm", "sm", "shadow").ok());
  expect_healed();
  world.sql(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'rls_operator_role' AND "
      "datname = '" +
      world.database() + "'");
  ASSERT_TRUE(world.migrate("ab", "ab", "shadow").ok());
  EXPECT_TRUE(becomes("Ready", "True/TargetReached", "ab"));
}

TEST_F(BadInput, TwoDatabaseObjectsForOneDatabaseNeverFight) {
  world.create_database();
  world.start_operator();
  ASSERT_TRUE(world.migrate("sm", "sm", "shadow").ok());
  expect_healed();
  ASSERT_TRUE(world
                  .apply(R"(apiVersion: rls-operator.dev/v1alpha1
kind: RlsDatabase
metadata: {name: twin}
spec:
  connection: {secretRef: {name: main-db}}
  runtime: {mode: Adopted, schema: public}
)")
                  .ok());
  EXPECT_TRUE(
      world.eventually([&] { return world.condition("twin", "Stalled", "rlsdatabase") == "True/Claimed"; }));
}

TEST(CommandLine, WithoutAnApiServerItIsAliveNotReadyAndStops) {
  const std::string directory = ::testing::TempDir() + "no-api-server-" + std::to_string(::getpid());
  std::filesystem::create_directories(directory);
  std::ofstream(directory + "/kubeconfig")
      << "apiVersion: v1\nkind: Config\ncurrent-context: o\n"
      << "clusters: [{name: o, cluster: {server: 'http://127.0.0.1:1'}}]\n"
      << "contexts: [{name: o, context: {cluster: o, user: o}}]\nusers: [{name: o, user: {token: "
         "not-a-secret}}]\n";
  Background process({RLS_OPERATOR_BINARY, "--kubeconfig", directory + "/kubeconfig", "--bind-address",
                      "127.0.0.1:0", "--log-format", "json"},
                     directory + "/log");
  std::smatch port;
  const auto deadline = std::chrono::steady_clock::now() + 120s;
  for (std::string log; !std::regex_search(log = process.log(), port, std::regex("\"port\":([0-9]+)"));) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << log;
    std::this_thread::sleep_for(20ms);
  }
  const std::string log = process.log();
  std::regex_search(log, port, std::regex("\"port\":([0-9]+)"));
  const std::string address = "http://127.0.0.1:" + port[1].str();
  EXPECT_TRUE(run({"curl", "-fsS", "--max-time", "30", address + "/healthz"}).ok());
  const Output ready = run({"curl", "-sS", "--max-time", "30", address + "/readyz"});
  EXPECT_NE(ready.out.find("the cluster's identity is not known yet"), std::string::npos) << ready.out;
  process.signal(SIGTERM);
  EXPECT_EQ(process.wait(60s), 0) << process.log();
  std::filesystem::remove_all(directory);
}

TEST(CommandLine, HelpAndVersionAnswerAndBadFlagsAreNamed) {
  const Output help = run({RLS_OPERATOR_BINARY, "--help"});
  EXPECT_TRUE(help.ok());
  EXPECT_NE(help.out.find("--observe-interval"), std::string::npos);
  const Output version = run({RLS_OPERATOR_BINARY, "--version"});
  EXPECT_TRUE(version.ok());
  EXPECT_NE(version.out.find("rls-operator 0.1.0"), std::string::npos) << version.out;
  const Output bad = run({RLS_OPERATOR_BINARY, "--workers", "many"});
  EXPECT_EQ(bad.exit_code, 2);
  EXPECT_NE(bad.out.find("--workers"), std::string::npos) << bad.out;
  const Output missing = run({RLS_OPERATOR_BINARY, "--kubeconfig", "/nonexistent/kubeconfig"});
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_NE(missing.out.find("/nonexistent/kubeconfig"), std::string::npos) << missing.out;
}

}  // namespace
}  // namespace rls::test
