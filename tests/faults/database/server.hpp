#pragma once
// What the tests of one broken server share: a private server, the operator behind a proxy, project sm.

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "tests/support/postgres_proxy.hpp"
#include "tests/support/postgres_server.hpp"
#include "tests/support/world.hpp"

namespace rls::test {

using namespace std::chrono_literals;

inline constexpr const char* kNoSoak = "  gates: {shadowSoak: 0s, enforcingSoak: 0s}\n";

class ServerFaults : public testing::Test {
 protected:
  explicit ServerFaults(const std::string& settings = {})
      : server(settings), proxy(server.port()), world(server.uri()) {}

  /// The operator runs and has seen sm in pending.
  void begin(const std::string& uri = {}, const std::string& rest = {}) {
    world.create_database(uri.empty() ? world.operator_uri_at(proxy.address()) : uri, rest);
    world.start_operator();
    ASSERT_TRUE(world.migrate("sm", "sm", "pending", kNoSoak).ok());
    ASSERT_TRUE(settles("pending"));
  }
  void want(const std::string& phase, const std::string& rest = kNoSoak) {
    ASSERT_TRUE(world.migrate("sm", "sm", phase, rest).ok());
  }
  /// Until database and status agree that it is there, and nothing is to be done.
  bool settles(const std::string& phase, std::chrono::seconds limit = 40s) {
    return world.eventually(
        [&] {
          return world.field("sm", "status.phase") == phase &&
                 world.condition("sm", "TargetReached") == "True/TargetReached" &&
                 world.field("sm", "status.observedGeneration") == world.field("sm", "metadata.generation") &&
                 world.phase_in_database("sm") == phase;
        },
        limit);
  }
  bool becomes(const std::string& type, const std::string& wanted, const std::string& kind = "rlsmigration",
               const std::string& name = "sm", std::chrono::seconds limit = 40s) {
    return world.eventually([&] { return world.condition(name, type, kind) == wanted; }, limit);
  }
  bool database_becomes(const std::string& type, const std::string& wanted) {
    return becomes(type, wanted, "rlsdatabase", "main");
  }
  std::string message(const std::string& type, const std::string& kind = "rlsmigration",
                      const std::string& name = "sm") {
    return world
        .kubectl(
            {"get", kind, name, "-o", "jsonpath={.status.conditions[?(@.type==\"" + type + "\")].message}"})
        .out;
  }
  std::string database_message(const std::string& type) { return message(type, "rlsdatabase", "main"); }
  /// Its entries in their order; each ordinal once.
  std::string ledger() {
    return world.sql(
        "SELECT string_agg(coalesce(from_phase, '') || '>' || to_phase, ' ' ORDER BY ordinal) FROM "
        "rls_operator.transition WHERE project_id = 'sm'");
  }
  std::string audit_rows() { return world.sql("SELECT count(*) FROM rls_audit_log WHERE project_id = 'sm'"); }
  std::string operator_schemas() {
    return world.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'rls_operator'");
  }
  void expect_unharmed() {
    EXPECT_TRUE(world.operator_process().running());
    EXPECT_EQ(world.stop_operator(), 0);
  }

  PostgresServer server;
  PostgresProxy proxy;
  World world;
};

}  // namespace rls::test
