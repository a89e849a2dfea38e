#include "controller/kube/exec_plugin.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "controller/base/log.hpp"

namespace rls::kube {
namespace {

using namespace std::chrono_literals;

constexpr const char* kV1 = "client.authentication.k8s.io/v1";

std::string output(const std::string& status) {
  return R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{)" + status +
         "}}";
}

TEST(ExecCredential, IsUnderstood) {
  const auto made = parse_exec_credential(
      output(
          R"("expirationTimestamp":"2026-01-15T12:00:00Z","token":"tok","clientCertificateData":"C","clientKeyData":"K")"),
      kV1);
  ASSERT_TRUE(made.ok()) << made.error().message;
  EXPECT_EQ(made->token, "tok");
  EXPECT_EQ(made->certificate, "C");
  EXPECT_EQ(made->key, "K");
  EXPECT_EQ(made->expires, parse_rfc3339("2026-01-15T12:00:00Z"));
  EXPECT_EQ(parse_exec_credential(output(R"("token":"tok","expirationTimestamp":null)"), kV1)->expires,
            std::nullopt);
}

TEST(ExecCredential, AnythingElseIsRefusedAndNotQuoted) {
  for (const std::string& text :
       {std::string(), std::string("hidden"), std::string("[]"), std::string("{\"hidden\""),
        output(R"("hidden":1)"), output(R"("token":"hidden two")"), output(R"("token":{"hidden":1})"),
        output(R"("clientKeyData":"hidden")"), output(R"("token":"hidden","expirationTimestamp":"tomorrow")"),
        std::string(
            R"({"kind":"Other","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"hidden"}})"),
        std::string(R"({"kind":"ExecCredential","apiVersion":"x/v2","status":{"token":"hidden"}})"),
        std::string(R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1"})")}) {
    const auto made = parse_exec_credential(text, kV1);
    ASSERT_FALSE(made.ok()) << text;
    EXPECT_EQ(made.error().reason, "InvalidExecCredential");
    EXPECT_EQ(made.error().kind, ErrorKind::transient);
    EXPECT_EQ(made.error().message.find("hidden"), std::string::npos) << made.error().message;
  }
}

TEST(ExecInfo, TellsTheClusterWhereThePluginAsks) {
  EXPECT_EQ(
      exec_info(kV1, std::nullopt),
      R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","spec":{"interactive":false}})");
  EXPECT_EQ(exec_info(kV1, ExecCluster{"https://h", "name", "ca", "http://p:1"}),
            R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","spec":{"cluster":{)"
            R"("server":"https://h","tls-server-name":"name","certificate-authority-data":"Y2E=",)"
            R"("proxy-url":"http://p:1"},"interactive":false}})");
}

class FakeClock final : public Clock {
 public:
  Time now() const override { return *parse_rfc3339("2026-01-15T12:00:00Z") + offset; }
  std::chrono::steady_clock::time_point steady() const override {
    return std::chrono::steady_clock::time_point{1h} + offset;
  }
  std::chrono::seconds offset{0};
};

class ExecPluginTest : public ::testing::Test {
 protected:
  using State = ExecPlugin::State;

  /// What the plugin prints at its next runs; the last for ever.
  void prints(const std::string& status) { end_ = ProgramEnd{0, output(status), ""}; }
  std::string token() { return (*plugin_.current())->token; }

  FakeClock clock_;
  Result<ProgramEnd> end_ = ProgramEnd{};
  std::vector<Program> runs_;
  ExecPlugin plugin_{{kV1, "aws", {"get-token"}, {"PATH=/bin"}, "install aws", "INFO"},
                     clock_,
                     [this](const Program& program, const std::stop_token&) {
                       runs_.push_back(program);
                       return end_;
                     }};
};

TEST_F(ExecPluginTest, IsRunOnceForACredentialWithoutEnd) {
  prints(R"("token":"the-plugin-token")");
  EXPECT_EQ(plugin_.state(), State::stale);
  ASSERT_TRUE(plugin_.renew({}).ok());
  clock_.offset += 1000h;
  EXPECT_EQ(plugin_.state(), State::fresh);
  ASSERT_TRUE(plugin_.renew({}).ok());
  EXPECT_EQ(token(), "the-plugin-token");
  EXPECT_EQ(log::redacted("the-plugin-token"), "«redacted»");
  ASSERT_EQ(runs_.size(), 1U);
  EXPECT_EQ(runs_[0].command, "aws");
  EXPECT_EQ(runs_[0].args, std::vector<std::string>{"get-token"});
  EXPECT_EQ(runs_[0].environment, (std::vector<std::string>{"PATH=/bin", "KUBERNETES_EXEC_INFO=INFO"}));
  EXPECT_EQ(runs_[0].limit, 60s);
}

TEST_F(ExecPluginTest, RenewsBeforeTheEnd) {
  prints(R"("token":"one-token","expirationTimestamp":"2026-01-15T12:15:00Z")");
  ASSERT_TRUE(plugin_.renew({}).ok());
  clock_.offset = 839s;
  EXPECT_EQ(plugin_.state(), State::fresh);
  clock_.offset = 840s;
  EXPECT_EQ(plugin_.state(), State::ageing) << "a minute before the end";
  EXPECT_EQ(token(), "one-token") << "is still good";
  clock_.offset = 900s;
  EXPECT_EQ(plugin_.state(), State::stale);
  prints(R"("token":"two-token","expirationTimestamp":"2026-01-15T12:30:00Z")");
  ASSERT_TRUE(plugin_.renew({}).ok());
  EXPECT_EQ(token(), "two-token");
  EXPECT_EQ(plugin_.generation(), 2U);
}

TEST_F(ExecPluginTest, AShortLifeIsRenewedInItsLastQuarter) {
  prints(R"("token":"one-token","expirationTimestamp":"2026-01-15T12:00:40Z")");
  ASSERT_TRUE(plugin_.renew({}).ok());
  clock_.offset = 29s;
  EXPECT_EQ(plugin_.state(), State::fresh);
  clock_.offset = 30s;
  EXPECT_EQ(plugin_.state(), State::ageing);
}

TEST_F(ExecPluginTest, ARefusalRunsItAgainButNotAtOnce) {
  prints(R"("token":"one-token")");
  ASSERT_TRUE(plugin_.renew({}).ok());
  plugin_.refused();
  EXPECT_EQ(plugin_.state(), State::fresh) << "it would bring the same";
  clock_.offset = kExecPause;
  plugin_.refused();
  EXPECT_EQ(plugin_.state(), State::stale);
  ASSERT_TRUE(plugin_.renew({}).ok());
  EXPECT_EQ(plugin_.state(), State::fresh);
  EXPECT_EQ(runs_.size(), 2U);
}

TEST_F(ExecPluginTest, AFailureIsToldAndNotRepeatedAtOnce) {
  log::add_secret("canary-secret");
  end_ = ProgramEnd{3, "", "no login: canary-secret " + std::string(5000, 'x')};
  const auto failed = plugin_.renew({});
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().kind, ErrorKind::transient);
  EXPECT_EQ(failed.error().reason, "ExecPluginFailed");
  EXPECT_NE(failed.error().message.find("\"aws\": it ended with code 3 and said: \"no login: «redacted»"),
            std::string::npos)
      << failed.error().message;
  EXPECT_NE(failed.error().message.find("install aws"), std::string::npos);
  EXPECT_LT(failed.error().message.size(), 700U);
  EXPECT_FALSE(plugin_.renew({}).ok());
  EXPECT_EQ(runs_.size(), 1U);
  prints(R"("token":"one-token")");
  clock_.offset = kExecPause;
  EXPECT_TRUE(plugin_.renew({}).ok());
}

TEST_F(ExecPluginTest, AFailureBeforeTheEndLeavesTheLastCredential) {
  prints(R"("token":"one-token","expirationTimestamp":"2026-01-15T12:15:00Z")");
  ASSERT_TRUE(plugin_.renew({}).ok());
  clock_.offset = 870s;
  end_ = transient("ProgramTooSlow", "too slow");
  EXPECT_FALSE(plugin_.renew({}).ok());
  EXPECT_EQ(plugin_.state(), State::ageing);
  EXPECT_EQ(token(), "one-token");
}

TEST_F(ExecPluginTest, WhatHasExpiredAlreadyIsAFailure) {
  prints(R"("token":"one-token","expirationTimestamp":"2026-01-15T11:59:59Z")");
  const auto failed = plugin_.renew({});
  ASSERT_FALSE(failed.ok());
  EXPECT_NE(failed.error().message.find("has expired at 2026-01-15T11:59:59Z"), std::string::npos);
}

}  // namespace
}  // namespace rls::kube
