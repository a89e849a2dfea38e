// R-D3: neither secrets nor row values are ever shown, whatever goes wrong. Every secret and every row value
// that is planted here holds the word canary; then everything that anybody can read is searched for it.

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "tests/support/world.hpp"

namespace rls::test {
namespace {

constexpr const char* kCanary = "canary";

std::string file(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

class Secrecy : public ::testing::Test {
 protected:
  bool becomes(const std::string& name, const std::string& wanted) {
    return world.eventually([&] {
      world.end_connections();
      return world.condition(name, "Ready") == wanted;
    });
  }
  std::string process_file(const char* name) {
    return file("/proc/" + std::to_string(world.operator_process().pid()) + "/" + name);
  }
  /// The part of `where` around the canary, so that a failure says where it sang.
  void expect_silent(const std::string& what, const std::string& where, const std::string& canary = kCanary) {
    const std::size_t at = where.find(canary);
    EXPECT_EQ(at, std::string::npos) << what << ": …"
                                     << where.substr(at < 300 ? 0 : at - 300, 300 + canary.size());
  }
  /// All of the operator's own tables, and what the server shows of its connections.
  std::string in_the_database() {
    return world.sql(
        "SELECT string_agg(query_to_xml(format('TABLE rls_operator.%I', relname), true, false, '')::text, "
        "'') "
        "|| (SELECT coalesce(string_agg(application_name || query, ' '), '') FROM pg_stat_activity WHERE "
        "usename = 'rls_operator_role') FROM pg_class WHERE relnamespace = 'rls_operator'::regnamespace AND "
        "relkind = 'r'");
  }

  World world;
};

TEST_F(Secrecy, R_D3_NoSecretAndNoRowValueIsEverShown) {
  world.create_database();
  world.start_operator();

  // A violation whose row and whose entry in the audit log hold a value that is nobody's business.
  world.sql("ALTER TABLE rls_audit_log ADD COLUMN row_key text DEFAULT 'row-canary-key'");
  world.sql("INSERT INTO nodes (project_id, label) VALUES ('sm', 'row-canary-label')");
  ASSERT_TRUE(world.migrate("motoko", "motoko", "shadow").ok());
  ASSERT_TRUE(world.eventually([&] { return world.phase_in_database("motoko") == "shadow"; }));
  ASSERT_TRUE(world
                  .sql_as_application("motoko",
                                      "UPDATE nodes SET label = label || '!' WHERE label LIKE 'row-canary%'")
                  .ok());
  ASSERT_TRUE(world.migrate("motoko", "motoko", "enforcing", "  gates: {shadowSoak: 0s}\n").ok());
  ASSERT_TRUE(world.eventually([&] {
    const std::string seen = world.field("motoko", "status.violations.total");
    return seen != "" && seen != "0";
  }));

  // Steps that fail, each with an error that quotes the row another way.
  world.sql(R"(
ALTER TABLE rls_migration_status ADD COLUMN note text DEFAULT 'row-canary-check';
ALTER TABLE rls_migration_status ADD CONSTRAINT never CHECK (project_id <> 'aa' OR migration_phase = 'pending');
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.project_id = 'ab' THEN
    RAISE EXCEPTION 'refused by the test' USING DETAIL = 'row-canary-detail ' || NEW::text, HINT = 'row-canary-hint';
  ELSIF NEW.project_id = 'bap' THEN
    PERFORM ('row-canary-' || NEW.project_id)::int;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON rls_migration_status FOR EACH ROW EXECUTE FUNCTION refuse())");
  for (const char* project : {"aa", "ab", "bap"}) {
    ASSERT_TRUE(world.migrate(project, project, "shadow").ok());
    ASSERT_TRUE(world.eventually([&] { return world.condition(project, "Ready") == "False/MoveRefused"; }))
        << project;
  }

  // Secrets that do not work.
  ASSERT_TRUE(world.migrate("sm", "sm", "shadow").ok());
  ASSERT_TRUE(world.eventually([&] { return world.condition("sm", "Ready") == "True/TargetReached"; }));
  std::string uri = world.operator_uri();
  uri.replace(uri.find(world.operator_password()), world.operator_password().size(), "wrong-canary");
  world.create_secret(uri);
  ASSERT_TRUE(becomes("sm", "False/AuthenticationFailed"));
  world.create_secret("postgresql://rls_operator_role:canary@[broken canary");
  ASSERT_TRUE(becomes("sm", "False/InvalidConnectionString"));
  world.create_secret("host=127.0.0.1 port=1 user=x password='canary a b' dbname=nowhere-canary");
  ASSERT_TRUE(world.eventually([&] {
    world.end_connections();
    return !world.condition("sm", "Ready").ends_with("InvalidConnectionString");
  }));
  world.create_secret(world.operator_uri());
  ASSERT_TRUE(world.eventually([&] { return world.condition("sm", "Ready") == "True/TargetReached"; }));
  ASSERT_TRUE(world.migrate("sm", "sm", "pending").ok());
  ASSERT_TRUE(world.eventually([&] { return world.field("sm", "status.phase") == "pending"; }));

  struct Output {
    const char* what;
    std::string text, control;  ///< `control`: stands there, so the right thing is searched
  };
  const auto yaml = [&](const char* kinds) {
    return world.kubectl({"get", kinds, "-o", "yaml", "--show-managed-fields"}).out;
  };
  const std::vector<Output> outputs = {
      {"the log", world.operator_process().log(), "MoveRefused"},
      {"/metrics", world.http("/metrics").out, "rls_transitions_total"},
      {"the objects", yaml("rlsdatabases,rlsmigrations"), "MoveRefused"},
      {"the Events", yaml("events.events.k8s.io"), "TransitionFailed"},
      {"the Events, old group", yaml("events"), "TransitionFailed"},
      {"kubectl describe", world.kubectl({"describe", "rlsm,rlsdb", "--show-events"}).out,
       "TransitionFailed"},
      {"the operator's tables", in_the_database(), "spec.phase lowered to pending"},
      {"the command line", process_file("cmdline"), "--kubeconfig"},
      {"the environment", process_file("environ"), "PATH="},
  };
  for (const Output& output : outputs) {
    EXPECT_NE(output.text.find(output.control), std::string::npos) << output.what << " is not what was meant";
    // The name of the database in a broken Secret is a place, and may be told; nothing else of it.
    std::string text = output.text;
    for (std::size_t at = 0; (at = text.find("nowhere-canary", at)) != std::string::npos;) text.erase(at, 14);
    expect_silent(output.what, text);
    expect_silent(output.what, text, world.token());
  }
}

TEST_F(Secrecy, R_D3_TheProcessLeavesNoCore) {
  world.create_database();
  world.start_operator();
  std::istringstream limits(process_file("limits"));
  bool found = false;
  for (std::string line; std::getline(limits, line);) {
    if (!line.starts_with("Max core file size")) continue;
    found = true;
    std::istringstream words(line.substr(18));
    std::string soft, hard;
    words >> soft >> hard;
    EXPECT_EQ(soft + "/" + hard, "0/0");
  }
  EXPECT_TRUE(found);
}

}  // namespace
}  // namespace rls::test
