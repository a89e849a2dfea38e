// What lists and watches suffer beyond the single faults of the matrix: the whole operator behind a proxy
// that misbehaves, and the control plane itself stopped, killed and started again.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/faults/api/scenario.hpp"

namespace rls::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class WatchFaults : public testing::Test {
 protected:
  void start(const std::vector<std::string>& flags = {}) {
    world.create_database();
    proxied.start(flags);
    ASSERT_TRUE(world.migrate("sm", "sm", "pending").ok());
    ASSERT_TRUE(proxied.reaches({{"sm", "pending"}}));
  }
  void expect_up(std::chrono::seconds limit = 40s) {
    EXPECT_TRUE(proxied.reaches({{"sm", "shadow"}}, limit)) << proxied.missing({{"sm", "shadow"}});
    EXPECT_EQ(proxied.ledger(), "sm: >pending pending>shadow");
    EXPECT_TRUE(world.operator_process().running());
  }
  /// Puts `text` before the next event of an RlsMigration.
  void say_before_next_event(const std::string& text) {
    proxied.proxy.on_line([text, said = std::make_shared<std::atomic<bool>>(false)](
                              const ApiRequest& request, const std::string& line, const SendLine& send) {
      if (request.kind() == "WATCH rlsmigrations" && !said->exchange(true)) send(text);
      return send(line) ? Stream::go_on : Stream::cut;
    });
  }
  std::string log() { return world.operator_process().log(); }

  // What hooks use outlives the proxy's threads.
  std::atomic<int> count = 0, conflicts = 0;
  std::atomic<bool> broken = true;
  ProxiedWorld proxied;
  World& world = proxied.world;
};

TEST_F(WatchFaults, AListThatIsCutBetweenAndInItsPagesNeverTakesAnObjectAway) {
  const std::map<std::string, std::string> all = {
      {"aa", "shadow"}, {"ab", "shadow"}, {"bap", "shadow"}, {"motoko", "shadow"}, {"sm", "shadow"}};
  proxied.proxy.on_request([this](ApiRequest& request) -> Verdict {
    if (request.kind() != "LIST rlsmigrations") return {};
    // The server makes pages of two, and each third page meets another end.
    request.target.replace(request.target.find("limit=250"), 9, "limit=2");
    const int page = ++count;
    if (page % 9 == 2) return {.what = Verdict::What::cut_reply};
    if (page % 9 == 5) return Verdict::refusal(410, "Expired");
    if (page % 9 == 8) return {.what = Verdict::What::cut_before};
    return {};
  });
  world.create_database();
  for (const auto& [name, phase] : all) ASSERT_TRUE(world.migrate(name, name, phase).ok());
  proxied.start({"--relist-interval", "2s"});
  ASSERT_TRUE(proxied.reaches(all)) << proxied.missing(all);
  const int before = count;
  ASSERT_TRUE(world.eventually([&] { return count > before + 9; })) << "each fault once more";
  EXPECT_EQ(proxied.missing(all), "");
  EXPECT_EQ(world.sql("SELECT count(*) FROM rls_operator.transition"), "10") << "one start, one step each";
}

TEST_F(WatchFaults, AWatchThatIsRefusedWith410ListsAnew) {
  start();
  proxied.proxy.on_request([this](ApiRequest& request) -> Verdict {
    if (!request.is_watch() || count >= 4) return {};
    ++count;
    return Verdict::refusal(410, "Expired");
  });
  proxied.proxy.cut_all();
  ASSERT_TRUE(world.migrate("sm", "sm", "shadow").ok());
  expect_up();
  EXPECT_EQ(count, 4);
}

TEST_F(WatchFaults, AnOverlongLineListsAnew) {
  start();
  say_before_next_event(R"({"type":"MODIFIED","object":{"x":")" + std::string(4 * 1024 * 1024, 'x'));
  ASSERT_TRUE(world.migrate("sm", "sm", "shadow").ok());
  expect_up();
  EXPECT_THAT(log(), HasSubstr("longer than 3 MiB"));
}

TEST_F(WatchFaults, AnUnknownTypeOfEventListsAnew) {
  start();
  say_before_next_event(R"({"type":"REWOUND","object":{"metadata":{"name":"sm","resourceVersion":"1"}}})"
                        "\n");
  ASSERT_TRUE(world.migrate("sm", "sm", "shadow").ok());
  expect_up();
  EXPECT_THAT(log(), HasSubstr("watch event cannot be read"));
}

TEST_F(WatchFaults, AStreamThatFallsSilentIsGivenUp) {
  start({"--relist-interval", "5s"});
  proxied.proxy.on_line([this, first = std::make_shared<std::atomic<bool>>(true)](
                            const ApiRequest& request, const std::string& line, const SendLine& send) {
    if (request.kind() == "WATCH rlsmigrations" && first->exchange(false)) {
      while (broken) std::this_thread::sleep_for(20ms);
      return Stream::cut;
    }
    return send(line) ? Stream::go_on : Stream::cut;
  });
  EXPECT_TRUE(world.migrate("sm", "sm", "shadow").ok());
  expect_up();
  EXPECT_THAT(log(), HasSubstr("has not answered in time"));
  broken = false;
}

TEST_F(WatchFaults, AServerThatAsksForPausesGetsThem) {
  start();
  proxied.proxy.on_request([this](ApiRequest& request) -> Verdict {
    if (!broken || request.kind().ends_with(" leases")) return {};
    ++count;
    return count % 2 == 0 ? Verdict::refusal(429, "TooManyRequests", 1)
                          : Verdict::refusal(503, "ServiceUnavailable", 1);
  });
  proxied.proxy.cut_all();
  ASSERT_TRUE(world.migrate("sm", "sm", "shadow").ok());
  std::this_thread::sleep_for(5s);
  broken = false;
  EXPECT_GT(count, 0);
  EXPECT_LT(count, 60) << "two watches, statuses and Events: each at most once a second and its share";
  expect_up();
}

TEST_F(WatchFaults, EachStatusWriteMeetsAConflictAndTheEndIsTheSame) {
  start();
  proxied.proxy.on_request([this](ApiRequest& request) -> Verdict {
    if (broken && request.kind() == "PUT rlsmigrations/status") {
      // Somebody writes in the moment before.
      world.kubectl({"annotate", "rlsmigration", "sm", "--overwrite", "storm=" + std::to_string(++count)});
    }
    return {};
  });
  proxied.proxy.on_reply([this](const ApiRequest& request, int status) {
    if (request.kind() == "PUT rlsmigrations/status" && status == 409) ++conflicts;
  });
  ASSERT_TRUE(world.migrate("sm", "sm", "shadow").ok());
  ASSERT_TRUE(world.eventually([&] { return conflicts >= 5; }));
  EXPECT_EQ(world.phase_in_database("sm"), "shadow") << "the database does not wait for a status";
  broken = false;
  expect_up();
}

TEST_F(WatchFaults, AServerThatIsAwayForLongerThanALeaseIsWaitedFor) {
  start();
  proxied.proxy.away(true);
  ASSERT_TRUE(world.migrate("sm", "sm", "shadow").ok());
  ASSERT_TRUE(world.eventually(
      [&] { return world.http("/metrics").out.find("\nrls_leader 0\n") != std::string::npos; }));
  EXPECT_EQ(world.phase_in_database("sm"), "pending");
  proxied.proxy.away(false);
  expect_up();
}

/// A part of the control plane that dev/cluster started.
class ControlPlane {
 public:
  explicit ControlPlane(const std::string& part) {
    run_ = std::filesystem::path(required_environment("KUBECONFIG")).parent_path();
    std::ifstream(run_ / (part + ".pid")) >> pid_;
    if (pid_ <= 1) throw std::runtime_error("no pid of " + part);
  }
  ~ControlPlane() { go_on(); }
  ControlPlane(const ControlPlane&) = delete;
  ControlPlane& operator=(const ControlPlane&) = delete;

  void stop() {
    ::kill(pid_, SIGSTOP);
    stopped_ = true;
  }
  void go_on() {
    if (std::exchange(stopped_, false)) ::kill(pid_, SIGCONT);
  }
  void kill() const { ::kill(pid_, SIGKILL); }
  [[nodiscard]] Output start_again() const {
    return run({"dev/cluster", "up", "--name", run_.filename().string()});
  }

 private:
  std::filesystem::path run_;
  pid_t pid_ = 0;
  bool stopped_ = false;
};

TEST_F(WatchFaults, AServerThatIsCutOffFromEtcdIsWaitedForAndNothingHappensTwice) {
  start();
  ASSERT_TRUE(world.migrate("sm", "sm", "shadow").ok());
  ASSERT_TRUE(proxied.reaches({{"sm", "shadow"}}));
  ControlPlane etcd("etcd");
  etcd.stop();
  // It reads from memory and cannot write: the Lease runs out, and nobody may work.
  ASSERT_TRUE(world.eventually(
      [&] { return world.http("/metrics").out.find("\nrls_leader 0\n") != std::string::npos; }));
  world.sql("SELECT rls_operator.hold('sm', 'pending', 'while etcd is away')");
  std::this_thread::sleep_for(2s);
  EXPECT_EQ(world.phase_in_database("sm"), "shadow");
  etcd.go_on();
  ASSERT_TRUE(proxied.reaches({{"sm", "pending"}}));
  EXPECT_EQ(proxied.ledger(), "sm: >pending pending>shadow shadow>pending");
  EXPECT_TRUE(world.operator_process().running());
}

TEST_F(WatchFaults, AServerThatIsKilledAndComesBackIsGoneOnWith) {
  start();
  const ControlPlane server("kube-apiserver");
  ASSERT_TRUE(world.migrate("sm", "sm", "shadow").ok());
  server.kill();
  const Output again = server.start_again();
  ASSERT_TRUE(again.ok()) << again.out;
  expect_up();
}

}  // namespace
}  // namespace rls::test
