// Exec plugins as real programs: how they are run, and who we are then for a real API server.

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "controller/kube/child_process.hpp"
#include "tests/kube/client/real_server.hpp"

namespace rls::kube::test {
namespace {

/// For what is to end at once: without that it would take minutes.
constexpr std::chrono::minutes kAtOnce{1};

class Programs : public ::testing::Test {
 protected:
  /// A script that is run by its own name.
  Program script(const std::string& text) const {
    const std::string path = dir_.file("plugin", "#!/bin/sh\n" + text);
    ::chmod(path.c_str(), 0700);
    Program made;
    made.command = path;
    return made;
  }
  static bool gone(const std::string& pid) {
    return eventually([&] {
      if (::kill(static_cast<pid_t>(std::stol(pid)), 0) != 0) return true;
      // An orphan whose new parent takes its time is dead all the same.
      std::string state;
      std::ifstream stat("/proc/" + pid + "/stat");
      for (int word = 0; word < 3; ++word) stat >> state;
      return state == "Z";
    });
  }
  std::string read(const std::string& name) const {
    std::string text;
    std::getline(std::ifstream(dir_.path() + "/" + name), text);
    return text;
  }
  TempDir dir_;
};

TEST_F(Programs, GetTheirArgumentsAndNothingOfOurs) {
  ::setenv("RLS_TEST_CANARY", "must-not-be-seen", 1);
  const int ours = ::open("/dev/null", O_RDONLY);  // without O_CLOEXEC, as a library may have it
  Program program =
      script(R"(printf '%s|' "$@"; ls -l /proc/self/fd | grep -c . ; cat; env; echo oops >&2; exit 7)");
  program.args = {"a b", "$(id)", ""};
  program.environment = {"PATH=" + std::string(std::getenv("PATH")), "MINE=1"};
  const auto end = run_program(program, {});
  ::close(ours);
  ASSERT_TRUE(end.ok()) << end.error().message;
  EXPECT_EQ(end->exit_code, 7);
  EXPECT_EQ(end->errors, "oops\n");
  // "total", then 0, 1, 2 and the folder that ls reads.
  EXPECT_EQ(end->output.find("a b|$(id)||5\n"), 0U) << end->output;
  EXPECT_NE(end->output.find("\nMINE=1\n"), std::string::npos) << end->output;
  EXPECT_EQ(end->output.find("RLS_TEST_CANARY"), std::string::npos) << end->output;
}

TEST_F(Programs, AreEndedWithAllThatTheyStarted) {
  Program program = script("sleep 600 & echo $! >" + dir_.path() + "/child; echo $$ >" + dir_.path() +
                           "/self; trap '' TERM; sleep 600");
  program.environment = {"PATH=" + std::string(std::getenv("PATH"))};
  program.limit = 3s;  // by which it has written both
  const auto begin = std::chrono::steady_clock::now();
  const auto end = run_program(program, {});
  EXPECT_LT(std::chrono::steady_clock::now() - begin, kAtOnce);
  ASSERT_FALSE(end.ok());
  EXPECT_EQ(end.error().reason, "ProgramTooSlow");
  EXPECT_TRUE(gone(read("self")));
  EXPECT_TRUE(gone(read("child")));
}

TEST_F(Programs, WhatTheyLeaveBehindHoldsNobodyUp) {
  Program program = script("sleep 600 & echo $! >" + dir_.path() + "/child; echo done");
  program.environment = {"PATH=" + std::string(std::getenv("PATH"))};
  program.limit = 10min;
  const auto begin = std::chrono::steady_clock::now();
  const auto end = run_program(program, {});  // the child still has our pipe
  EXPECT_LT(std::chrono::steady_clock::now() - begin, kAtOnce);
  ASSERT_TRUE(end.ok()) << end.error().message;
  EXPECT_EQ(end->output, "done\n");
  EXPECT_TRUE(gone(read("child")));
}

TEST_F(Programs, AreBounded) {
  Program program = script("while :; do echo 0123456789012345678901234567890123456789; done");
  const auto end = run_program(program, {});
  ASSERT_FALSE(end.ok());
  EXPECT_EQ(end.error().reason, "ProgramTooLoud");
  Program chatty =
      script("i=0; while [ $i -lt 20000 ]; do echo 01234567890123456789 >&2; i=$((i+1)); done; echo ok");
  const auto fine = run_program(chatty, {});
  ASSERT_TRUE(fine.ok()) << fine.error().message;
  EXPECT_EQ(fine->errors.size(), chatty.kept_errors);
  EXPECT_EQ(fine->output, "ok\n");
}

TEST_F(Programs, StopEndsThem) {
  std::stop_source stop;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(100ms);
    stop.request_stop();
  });
  Program program = script("while :; do :; done");
  program.limit = 10min;
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(run_program(program, stop.get_token()).error().reason, "Stopped");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, kAtOnce);
}

TEST_F(Programs, ThatAreNotThereAreSaid) {
  Program program;
  program.command = dir_.path() + "/nothing";
  const auto end = run_program(program, {});
  ASSERT_FALSE(end.ok());
  EXPECT_EQ(end.error().kind, ErrorKind::terminal);
  EXPECT_NE(end.error().message.find("No such file"), std::string::npos) << end.error().message;
}

/// Stands still but for what the test moves it by.
class MovedClock final : public Clock {
 public:
  Time now() const override { return now_ + std::chrono::seconds(offset.load()); }
  std::chrono::steady_clock::time_point steady() const override {
    return steady_ + std::chrono::seconds(offset.load());
  }
  std::atomic<int> offset{0};

 private:
  const Time now_ = SystemClock().now();
  const std::chrono::steady_clock::time_point steady_ = SystemClock().steady();
};

class Plugins : public RealServer {
 protected:
  /// `text` is the plugin; it stands beside the kubeconfig. More fields of `exec`.
  std::unique_ptr<Client> client_with(const std::string& text, const std::string& fields = {}) {
    const std::string path = dir_.file("plugin", "#!/bin/sh\necho run >>" + dir_.path() + "/runs\n" + text);
    ::chmod(path.c_str(), 0700);
    const std::string config =
        dir_.file("kubeconfig",
                  "current-context: it\ncontexts: [{name: it, context: {cluster: it, user: me}}]\n"
                  "clusters: [{name: it, cluster: {server: '" +
                      server() + "', certificate-authority-data: " + ca_data() +
                      "}}]\nusers: [{name: me, user: {exec: {apiVersion: "
                      "client.authentication.k8s.io/v1, interactiveMode: Never, command: ./plugin" +
                      fields + "}}}]\n");
    auto credentials = Credentials::load({.kubeconfig = config, .context = {}}, real_surroundings(), clock_);
    if (!credentials) throw std::runtime_error(credentials.error().message);
    return std::make_unique<ApiClient>(make_cpprest_transport(std::move(*credentials)).value(), seam_,
                                       real_tuning());
  }
  static std::string gives(const std::string& status) {
    return "cat <<'END'\n{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\","
           "\"status\":{" +
           status + "}}\nEND\n";
  }
  int runs() const {
    std::ifstream in(dir_.path() + "/runs");
    int count = 0;
    for (std::string line; std::getline(in, line);) ++count;
    return count;
  }
  static std::string admin_token() { return config(".users[0].user.token"); }

  MovedClock clock_;  // outlives the clients, which the tests hold
};

TEST_F(Plugins, TokenOpensTheServer) {
  make_config_map("mine", "x");
  const auto it = client_with(
      "test \"$MINE\" = 'a b' -a \"$1\" = get || exit 1\n" + gives("\"token\":\"" + admin_token() + "\""),
      ", args: [get], env: [{name: MINE, value: a b}]");
  for (int i = 0; i < 3; ++i) {
    const auto got = it->get(config_maps(), {ns_, "mine"});
    ASSERT_TRUE(got.ok()) << got.error().message;
  }
  RememberingSink sink;
  Watching watching(*it, config_maps(), sink);
  EXPECT_TRUE(sink.relists_reach(1));
  watching.stop();
  EXPECT_EQ(runs(), 1);
}

TEST_F(Plugins, ManyRequestsWaitForOneRun) {
  make_config_map("mine", "x");
  const auto it = client_with("sleep 0.3\n" + gives("\"token\":\"" + admin_token() + "\""));
  std::vector<std::jthread> all;
  std::atomic<int> good{0};
  for (int i = 0; i < 8; ++i) {
    all.emplace_back([&] { good += it->get(config_maps(), {ns_, "mine"}).ok() ? 1 : 0; });
  }
  all.clear();
  EXPECT_EQ(good, 8);
  EXPECT_EQ(runs(), 1);
}

TEST_F(Plugins, RefusedTokenIsAskedForAgain) {
  make_config_map("mine", "x");
  dir_.file("token", "expired-token");
  const auto it = client_with(
      "printf '{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\","
      "\"status\":{\"token\":\"%s\"}}' \"$(cat " +
      dir_.path() + "/token)\"");
  EXPECT_EQ(it->get(config_maps(), {ns_, "mine"}).error().reason, "Unauthorized");
  dir_.file("token", admin_token());
  EXPECT_EQ(it->get(config_maps(), {ns_, "mine"}).error().reason, "Unauthorized") << "too soon to ask again";
  EXPECT_EQ(runs(), 1);
  clock_.offset = 10;
  EXPECT_EQ(it->get(config_maps(), {ns_, "mine"}).error().reason, "Unauthorized") << "this one finds out";
  EXPECT_TRUE(it->get(config_maps(), {ns_, "mine"}).ok());
  EXPECT_EQ(runs(), 2);
}

TEST_F(Plugins, ClientCertificateOpensTheServer) {
  make_config_map("mine", "x");
  const std::filesystem::path run_dir = std::filesystem::path(std::getenv("KUBECONFIG")).parent_path();
  const auto line = [](const std::filesystem::path& file) {
    std::string out;
    std::ifstream in(file);
    for (std::string text; std::getline(in, text);) out += text + "\\n";
    return out;
  };
  const auto it = client_with(gives("\"clientCertificateData\":\"" + line(run_dir / "pki/admin.crt") +
                                    "\",\"clientKeyData\":\"" + line(run_dir / "pki/admin.key") + "\""));
  const auto got = it->get(config_maps(), {ns_, "mine"});
  EXPECT_TRUE(got.ok()) << got.error().message;
}

TEST_F(Plugins, FailureIsTheRequestsError) {
  const auto it = client_with("echo 'no login here' >&2; exit 3\n");
  const auto got = it->get(config_maps(), {ns_, "mine"});
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().kind, ErrorKind::transient);
  EXPECT_EQ(got.error().reason, "ExecPluginFailed");
  EXPECT_NE(got.error().message.find("code 3 and said: \"no login here"), std::string::npos)
      << got.error().message;
}

TEST_F(Plugins, SlowOneHoldsNeitherTheLibraryNorTheEndUp) {
  auto it = client_with("while :; do :; done\n");
  std::atomic<int> answers{0};
  it->put_status(widgets(), {ns_, "it"}, "{}", [&](const Result<std::string>& result) {
    EXPECT_EQ(result.error().reason, "Stopped");
    ++answers;
  });
  EXPECT_TRUE(eventually([&] { return runs() == 1; }));
  const auto other = client();  // the same thread of the library serves it meanwhile
  EXPECT_EQ(other->get(config_maps(), {ns_, "nobody"}).error().reason, "NotFound");
  const auto begin = std::chrono::steady_clock::now();
  it.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 30s) << "the plugin has a minute";
  EXPECT_EQ(answers, 1);
}

}  // namespace
}  // namespace rls::kube::test
