// A server with TLS, verified by the CA that stands beside the connection string in the Secret.

#include <gtest/gtest.h>

#include "tests/support/server_tls.hpp"
#include "tests/support/world.hpp"

namespace rls::test {
namespace {

constexpr const char* kNames = "IP:127.0.0.1,DNS:localhost";

class DatabaseTls : public ::testing::Test {
 protected:
  bool becomes(const std::string& wanted) {
    return world.eventually([&] { return world.condition("main", "Ready", "rlsdatabase") == wanted; });
  }
  bool says(const std::string& text) {
    return world.message("main", "rlsdatabase").find(text) != std::string::npos;
  }
  std::string verified_uri() { return world.operator_uri() + "?sslmode=verify-full"; }

  World world;
  TestCa ca{"the CA"}, next{"the next CA"};
  ServerTls tls{world.admin_uri(), ca.issue("db", kNames)};
};

TEST_F(DatabaseTls, VerifyFullWorksWithTheCaOfTheSecretAndThroughItsRotation) {
  world.create_database();
  world.create_secret(verified_uri(), ca.pem());
  world.start_operator();
  ASSERT_TRUE(world.migrate("sm", "sm", "shadow").ok());
  ASSERT_TRUE(world.eventually([&] { return world.condition("sm", "Ready") == "True/TargetReached"; }));
  EXPECT_EQ(world.sql("SELECT bool_and(s.ssl) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE "
                      "a.usename = 'rls_operator_role' AND a.datname = current_database()"),
            "t");

  // The server gets its certificate from another CA: nobody is believed who shows one of it, until the Secret
  // has it.
  tls.use(next.issue("db", kNames));
  world.end_connections();
  ASSERT_TRUE(becomes("False/TlsFailed"));
  EXPECT_TRUE(says("key ca.crt")) << world.message("main", "rlsdatabase");
  ASSERT_TRUE(world.migrate("sm", "sm", "pending").ok());
  world.create_secret(verified_uri(), ca.pem() + next.pem());
  ASSERT_TRUE(becomes("True/Adopted"));
  ASSERT_TRUE(world.eventually([&] { return world.phase_in_database("sm") == "pending"; }));
}

TEST_F(DatabaseTls, VerifyFullWithoutACaSaysWhereItBelongs) {
  world.create_database();
  world.create_secret(verified_uri());
  world.start_operator();
  ASSERT_TRUE(becomes("False/InvalidConnectionString"));
  EXPECT_TRUE(says("to the same Secret as key ca.crt")) << world.message("main", "rlsdatabase");
  world.create_secret(verified_uri(), next.pem());
  ASSERT_TRUE(becomes("False/TlsFailed"));
  world.create_secret(verified_uri(), ca.pem());
  ASSERT_TRUE(becomes("True/Adopted"));
}

}  // namespace
}  // namespace rls::test
