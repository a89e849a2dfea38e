// Everything the operator shows of itself, and that others show it, changes while it works.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <thread>

#include "tests/faults/api/scenario.hpp"

namespace rls::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr const char* kSystem = "rls-operator-system";

class Credentials : public testing::Test {
 protected:
  void write(const std::string& file, const std::string& text) {
    // As a kubelet does: whole, or not at all.
    const std::string path = world.directory() + "/" + file;
    std::ofstream(path + ".new") << text;
    std::filesystem::rename(path + ".new", path);
  }
  void start() {
    world.create_database();
    proxied.start();
    go("sm", "shadow");
  }
  /// Asks, and sees it done.
  void go(const std::string& project, const std::string& phase) {
    ASSERT_TRUE(world.migrate(project, project, phase).ok());
    all[project] = phase;
    ASSERT_TRUE(proxied.reaches(all)) << proxied.missing(all);
  }
  /// A new token of the operator's service account; `more`: arguments of kubectl.
  std::string new_token(std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"-n", kSystem, "create", "token", "rls-operator"});
    std::string made = world.kubectl(more).out;
    while (!made.empty() && made.back() == '\n') made.pop_back();
    return made;
  }
  void TearDown() override {
    EXPECT_TRUE(world.operator_process().running());
    EXPECT_EQ(proxied.lies(), "");
  }

  std::map<std::string, std::string> all;
  // What hooks use outlives the proxy's threads.
  std::atomic<bool> rotated = false, refused = false;
  std::mutex mutex;
  std::string current_token;  // guarded by mutex
  ProxiedWorld proxied;
  World& world = proxied.world;
};

TEST_F(Credentials, ARevokedTokenIsReplacedByThatOfTheFile) {
  const std::string binding = "of-" + world.ns();
  ASSERT_TRUE(world.kubectl({"-n", kSystem, "create", "secret", "generic", binding}).ok());
  const std::string revoked = new_token({"--bound-object-kind", "Secret", "--bound-object-name", binding});
  write("token", revoked);
  start();

  proxied.proxy.on_reply([this, revoked](const ApiRequest& request, int status) {
    if (status == 401 && request.token == revoked) refused = true;
  });
  write("token", new_token());
  ASSERT_TRUE(world.kubectl({"-n", kSystem, "delete", "secret", binding}).ok());
  // The server itself remembers tokens for some seconds; the operator for a minute, or until it is refused.
  ASSERT_TRUE(world.eventually([&] { return refused.load(); }));
  go("sm", "pending");
  go("motoko", "shadow");
  EXPECT_EQ(proxied.ledger(), "motoko: >pending pending>shadow; sm: >pending pending>shadow shadow>pending");
}

TEST_F(Credentials, ARefusedClientCertificateIsReplacedByThatOfTheFile) {
  proxied.proxy.on_request([this](ApiRequest& request) -> Verdict {
    if (request.client_certificate != (rotated ? "second" : "first")) {
      return Verdict::refusal(401, "Unauthorized");
    }
    request.token = world.token();  // whom the certificate stands for
    return {};
  });
  const auto show = [&](const std::string& name) {
    const auto pair = proxied.proxy.ca().issue(name);
    write("me.pem", pair.certificate);
    write("me.key", pair.key);
  };
  show("first");
  world.use_kubeconfig("server: '" + proxied.proxy.url() + "', certificate-authority: ca.pem",
                       "client-certificate: me.pem, client-key: me.key");
  start();
  show("second");
  rotated = true;
  proxied.proxy.cut_all();
  go("sm", "pending");
  go("motoko", "shadow");
}

TEST_F(Credentials, ANewCaOfTheServerIsTakenFromTheFile) {
  start();
  const rls::kube::test::TestCa next("the next ca");
  proxied.proxy.use(next.issue("api proxy", "IP:127.0.0.1"));
  proxied.proxy.cut_all();
  // The server is ahead of the file: whoever it is, it is not believed.
  ASSERT_TRUE(world.migrate("sm", "sm", "pending").ok());
  ASSERT_TRUE(world.eventually([&] {
    return world.operator_process().log().find("certificate is not trusted") != std::string::npos;
  }));
  EXPECT_EQ(world.phase_in_database("sm"), "shadow");
  write("ca.pem", next.pem());
  go("sm", "pending");
  go("motoko", "shadow");
}

/// Takes the operator's rights, and gives them back whatever happens.
class RightsAway {
 public:
  explicit RightsAway(World& world) {
    EXPECT_TRUE(world.kubectl({"delete", "clusterrolebinding", "rls-operator"}).ok());
  }
  ~RightsAway() { World::install_rights(); }
  RightsAway(const RightsAway&) = delete;
  RightsAway& operator=(const RightsAway&) = delete;
};

TEST_F(Credentials, WithoutItsRightsItSaysWhatIsMissingAndGoesOnWhenTheyAreBack) {
  start();
  {
    const RightsAway rights(world);
    proxied.proxy.cut_all();
    ASSERT_TRUE(world.eventually(
        [&] { return world.operator_process().log().find("Forbidden") != std::string::npos; }));
    EXPECT_THAT(world.operator_process().log(), HasSubstr("resources: [\\\"rlsmigrations\\\"]"));
    ASSERT_TRUE(world.migrate("motoko", "motoko", "shadow").ok());
    ASSERT_TRUE(world.migrate("sm", "sm", "pending").ok());
    std::this_thread::sleep_for(2s);
    EXPECT_EQ(world.phase_in_database("motoko"), "pending") << "nobody may know of it";
  }
  all["motoko"] = "shadow";
  go("sm", "pending");
  EXPECT_EQ(proxied.ledger(), "motoko: >pending pending>shadow; sm: >pending pending>shadow shadow>pending");
}

TEST_F(Credentials, WhileAStatusMayNotBeWrittenTheDatabaseGoesOnAndTheStatusFollows) {
  start();
  {
    // The watches go on: the server asks for rights only when they begin.
    const RightsAway rights(world);
    ASSERT_TRUE(world.migrate("sm", "sm", "pending").ok());
    ASSERT_TRUE(world.eventually([&] { return world.phase_in_database("sm") == "pending"; }));
    ASSERT_TRUE(world.eventually(
        [&] { return world.operator_process().log().find("status refused") != std::string::npos; }));
    EXPECT_EQ(world.field("sm", "status.phase"), "shadow");
  }
  go("sm", "pending");
  EXPECT_EQ(proxied.ledger(), "sm: >pending pending>shadow shadow>pending");
}

TEST_F(Credentials, ANewPasswordInTheSecretIsUsedByTheNextTransition) {
  start();
  std::string uri = world.operator_uri();
  const std::string password = "rotated-canary-3Kd";
  uri.replace(uri.find(world.operator_password()), world.operator_password().size(), password);
  world.sql("ALTER ROLE rls_operator_role PASSWORD '" + password + "'");
  world.end_connections();
  // Asked before the Secret is there, and waits for it.
  ASSERT_TRUE(world.migrate("sm", "sm", "pending").ok());
  ASSERT_TRUE(world.eventually(
      [&] { return world.operator_process().log().find("database cannot be used") != std::string::npos; }));
  world.create_secret(uri);
  go("sm", "pending");
  go("motoko", "shadow");

  // And once more with the Secret first, as rotators do.
  world.create_secret(world.operator_uri());
  world.sql("ALTER ROLE rls_operator_role PASSWORD '" + world.operator_password() + "'");
  world.end_connections();
  go("motoko", "pending");
  EXPECT_EQ(proxied.ledger(),
            "motoko: >pending pending>shadow shadow>pending; sm: >pending pending>shadow shadow>pending");
  EXPECT_EQ(world.operator_process().log().find(password), std::string::npos);
}

TEST_F(Credentials, AllOfThemChangeAllTheTimeWhileProjectsMove) {
  proxied.proxy.on_request([this](ApiRequest& request) -> Verdict {
    const std::lock_guard lock(mutex);
    if (request.token != current_token) return Verdict::refusal(401, "Unauthorized");
    return {};
  });
  current_token = world.token();
  start();
  std::vector<std::unique_ptr<rls::kube::test::TestCa>> authorities;
  std::atomic<int> rotations = 0;
  std::jthread rotator([&](const std::stop_token& stop) {
    for (; !stop.stop_requested(); ++rotations) {
      const std::string token = new_token();
      write("token", token);
      {
        const std::lock_guard lock(mutex);
        current_token = token;
      }
      std::this_thread::sleep_for(500ms);
      const auto& authority = authorities.emplace_back(
          std::make_unique<rls::kube::test::TestCa>("ca " + std::to_string(rotations)));
      proxied.proxy.use(authority->issue("api proxy", "IP:127.0.0.1"));
      write("ca.pem", authority->pem());
      proxied.proxy.cut_all();
      std::this_thread::sleep_for(500ms);
      const std::string password = "rotated-canary-" + std::to_string(rotations);
      std::string uri = world.operator_uri();
      uri.replace(uri.find(world.operator_password()), world.operator_password().size(), password);
      world.sql("ALTER ROLE rls_operator_role PASSWORD '" + password + "'");
      world.create_secret(uri);
      world.end_connections();
      std::this_thread::sleep_for(1s);
    }
  });
  std::string motoko = "motoko: >pending", sm = "sm: >pending pending>shadow";
  for (int round = 0; rotations < 3 && round < 60; ++round) {
    go("motoko", "shadow");
    go("sm", "pending");
    go("motoko", "pending");
    go("sm", "shadow");
    motoko += " pending>shadow shadow>pending";
    sm += " shadow>pending pending>shadow";
  }
  rotator.request_stop();
  rotator.join();
  EXPECT_GE(rotations, 3);
  EXPECT_EQ(proxied.ledger(), motoko + "; " + sm);
}

}  // namespace
}  // namespace rls::test
