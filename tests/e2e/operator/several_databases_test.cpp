// Several databases in one operator: each in a namespace of its own, with projects of the same names. None
// touches another, and none waits for another.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

#include "tests/support/world.hpp"

namespace rls::test {
namespace {

constexpr const char* kNoSoak = "  gates: {shadowSoak: 0s, enforcingSoak: 0s}\n";

/// Takes connections and never says a word, as behind a dead network: who connects waits for his own limit.
class SilentServer {
 public:
  SilentServer() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    if (socket_ < 0 || ::bind(socket_, any, size) != 0 || ::listen(socket_, 64) != 0 ||
        ::getsockname(socket_, any, &size) != 0) {
      throw std::runtime_error("no socket");
    }
    port_ = ntohs(address.sin_port);
  }
  ~SilentServer() { ::close(socket_); }
  SilentServer(const SilentServer&) = delete;
  SilentServer& operator=(const SilentServer&) = delete;

  [[nodiscard]] std::string uri() const {
    // Twenty hosts of half a minute each: longer than a test takes.
    std::string hosts;
    for (int i = 0; i < 20; ++i) hosts += (i == 0 ? "" : ",") + ("127.0.0.1:" + std::to_string(port_));
    return "postgresql://op:pw@" + hosts + "/app?connect_timeout=30";
  }

 private:
  int socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  unsigned port_ = 0;
};

/// Two worlds; the operator of the first one works in all namespaces.
class SeveralDatabases : public ::testing::Test {
 protected:
  SeveralDatabases() {
    one.create_database();
    two.create_database();
  }
  void start() { one.start_operator({"--namespace", ""}); }
  static bool reaches(World& world, const std::string& phase) {
    return world.eventually(
        [&] { return world.phase_in_database("sm") == phase && world.field("sm", "status.phase") == phase; });
  }
  static std::string ledger(World& world) {
    return world.sql(
        "SELECT string_agg(coalesce(from_phase::text, '') || '>' || to_phase, ' ' ORDER BY ordinal) "
        "FROM rls_operator.transition WHERE kind = 'moved' AND project_id = 'sm'");
  }

  World one, two;
};

TEST_F(SeveralDatabases, TheSameProjectInEachGoesItsOwnWay) {
  start();
  ASSERT_TRUE(one.migrate("sm", "sm", "enforcing", kNoSoak).ok());
  ASSERT_TRUE(two.migrate("sm", "sm", "shadow").ok());
  ASSERT_TRUE(reaches(one, "enforcing"));
  ASSERT_TRUE(reaches(two, "shadow"));
  for (World* world : {&one, &two}) {
    EXPECT_TRUE(world->eventually([&] { return world->condition("sm", "Ready") == "True/TargetReached"; }))
        << "no Conflict: another database";
  }

  const std::string version = two.field("sm", "metadata.resourceVersion");
  ASSERT_TRUE(one.migrate("sm", "sm", "pending").ok());
  ASSERT_TRUE(reaches(one, "pending"));
  EXPECT_EQ(two.phase_in_database("sm"), "shadow");
  EXPECT_EQ(two.field("sm", "metadata.resourceVersion"), version) << "its status neither";
  EXPECT_EQ(ledger(one), "pending>shadow shadow>enforcing enforcing>pending");
  EXPECT_EQ(ledger(two), "pending>shadow");
  EXPECT_EQ(one.sql("SELECT namespace FROM rls_operator.claim"), one.ns());
  EXPECT_EQ(two.sql("SELECT namespace FROM rls_operator.claim"), two.ns());
  const auto in_shadow = [](World& world) {
    return world.field("main", "status.projects.shadow", "rlsdatabase");
  };
  EXPECT_TRUE(one.eventually([&] { return in_shadow(one) == "0" && in_shadow(two) == "1"; }));
}

TEST_F(SeveralDatabases, OneThatDoesNotAnswerHoldsTheOtherUpNeitherUpNorDown) {
  const SilentServer silent;
  two.create_secret(silent.uri());
  ASSERT_TRUE(one.migrate("sm", "sm", "shadow").ok());
  ASSERT_TRUE(two.migrate("sm", "sm", "enforcing", kNoSoak).ok());
  start();
  ASSERT_TRUE(reaches(one, "shadow"));
  // A worker waits for the silent one; now a second one, the urgent.
  ASSERT_TRUE(two.migrate("sm", "sm", "pending").ok());
  ASSERT_TRUE(one.migrate("sm", "sm", "enforcing", kNoSoak).ok());
  ASSERT_TRUE(reaches(one, "enforcing"));
  ASSERT_TRUE(one.migrate("sm", "sm", "pending").ok());
  ASSERT_TRUE(reaches(one, "pending"));
  EXPECT_EQ(two.condition("sm", "Ready"), "") << "all that while the other one was waited for";
}

TEST_F(SeveralDatabases, OneThatIsAwayIsSaidThereAloneAndComesBack) {
  two.create_secret("postgresql://op:pw@127.0.0.1:1/app");
  ASSERT_TRUE(one.migrate("sm", "sm", "shadow").ok());
  ASSERT_TRUE(two.migrate("sm", "sm", "shadow").ok());
  start();
  ASSERT_TRUE(reaches(one, "shadow"));
  ASSERT_TRUE(two.eventually([&] { return two.condition("sm", "Ready") == "False/DatabaseUnreachable"; }));
  EXPECT_TRUE(
      one.eventually([&] { return one.condition("main", "Ready", "rlsdatabase") == "True/Adopted"; }));
  two.create_secret(two.operator_uri());
  ASSERT_TRUE(reaches(two, "shadow"));
  EXPECT_EQ(ledger(one), "pending>shadow");
}

}  // namespace
}  // namespace rls::test
