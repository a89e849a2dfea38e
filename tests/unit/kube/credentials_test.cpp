#include "controller/kube/credentials.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "controller/base/log.hpp"

namespace rls::kube {
namespace {

using namespace std::chrono_literals;

class FakeClock final : public Clock {
 public:
  Time now() const override { return {}; }
  std::chrono::steady_clock::time_point steady() const override { return steady_; }
  void advance(std::chrono::seconds by) { steady_ += by; }

 private:
  std::chrono::steady_clock::time_point steady_{1h};
};

class CredentialsTest : public ::testing::Test {
 protected:
  CredentialsTest() {
    std::string name = (std::filesystem::temp_directory_path() / "rls-credentials-XXXXXX").string();
    dir_ = ::mkdtemp(name.data());
    surroundings_.environment = [this](const std::string& variable) -> std::optional<std::string> {
      const auto found = environment_.find(variable);
      return found == environment_.end() ? std::nullopt : std::optional(found->second);
    };
    surroundings_.service_account_dir = dir_;
  }
  ~CredentialsTest() override { std::filesystem::remove_all(dir_); }

  std::string file(const std::string& name, const std::string& content) const {
    std::ofstream(dir_ + "/" + name, std::ios::binary) << content;
    return dir_ + "/" + name;
  }
  Result<std::unique_ptr<Credentials>> load(const std::string& context = "") {
    return Credentials::load({.kubeconfig = {}, .context = context}, surroundings_, clock_);
  }
  /// One context; `cluster` and `user` are the inside of their mappings.
  Result<std::unique_ptr<Credentials>> load_config(const std::string& cluster, const std::string& user) {
    environment_["KUBECONFIG"] =
        file("config",
             "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u, namespace: apps}}]\n"
             "clusters: [{name: k, cluster: {" +
                 cluster + "}}]\nusers: [{name: u, user: {" + user + "}}]\n");
    return load();
  }
  std::string message_of(const std::string& cluster, const std::string& user) {
    const auto made = load_config(cluster, user);
    EXPECT_FALSE(made.ok());
    if (made.ok()) return {};
    EXPECT_EQ(made.error().kind, ErrorKind::terminal);
    EXPECT_EQ(made.error().reason, "InvalidKubeconfig");
    EXPECT_NE(made.error().message.find(dir_ + "/config"), std::string::npos) << "names the file";
    return made.error().message;
  }

  static constexpr const char* kCluster = "server: 'https://h:6443', certificate-authority-data: Y2E=";

  FakeClock clock_;
  std::map<std::string, std::string> environment_;
  Surroundings surroundings_;
  std::string dir_;
};

#define EXPECT_SAYS(message, text) EXPECT_NE((message).find(text), std::string::npos) << (message)

TEST_F(CredentialsTest, TokenAndInlineCa) {
  const auto made = load_config(kCluster, "token: the-inline-token");
  ASSERT_TRUE(made.ok()) << made.error().message;
  EXPECT_EQ((*made)->server(), "https://h:6443");
  EXPECT_EQ((*made)->ns(), "apps");
  EXPECT_EQ((*made)->token().value(), "the-inline-token");
  EXPECT_EQ((*made)->tls().value().ca, "ca");
  EXPECT_EQ(log::redacted("has the-inline-token in it").find("the-inline-token"), std::string::npos);
}

TEST_F(CredentialsTest, FilesAreLookedForBesideTheKubeconfig) {
  file("ca.pem", "the ca");
  file("me.pem", "the certificate");
  file("me.key", "the private key");
  file("me.token", "the-file-token\n");
  const auto made =
      load_config("server: 'https://h:6443/prefix/', certificate-authority: ca.pem",
                  "client-certificate: me.pem, client-key: me.key, tokenFile: me.token, token: loses");
  ASSERT_TRUE(made.ok()) << made.error().message;
  EXPECT_EQ((*made)->server(), "https://h:6443/prefix");
  EXPECT_EQ((*made)->token().value(), "the-file-token");
  const auto tls = (*made)->tls().value();
  EXPECT_EQ(tls.ca, "the ca");
  EXPECT_EQ(tls.certificate, "the certificate");
  EXPECT_EQ(tls.key, "the private key");
  EXPECT_EQ(log::redacted("the private key"), "«redacted»");
}

TEST_F(CredentialsTest, RotatedCaIsReadAgain) {
  file("ca.pem", "old");
  const auto made = load_config("server: 'https://h', certificate-authority: ca.pem", "token: aaaa");
  EXPECT_EQ((*made)->tls().value().ca, "old");
  file("ca.pem", "new");
  EXPECT_EQ((*made)->tls().value().ca, "new");
  std::filesystem::remove(dir_ + "/ca.pem");
  EXPECT_SAYS((*made)->tls().error().message, "ca.pem");
}

TEST_F(CredentialsTest, ContextsAreChosenByName) {
  environment_["KUBECONFIG"] = file("config", R"(
current-context: one
contexts:
- {name: one, context: {cluster: k, user: u}}
- {name: two, context: {cluster: k2, user: u}}
clusters:
- {name: k, cluster: {server: 'https://one', certificate-authority-data: Y2E=}}
- {name: k2, cluster: {server: 'https://two', certificate-authority-data: Y2E=}}
users: [{name: u, user: {token: aaaa}}]
)");
  EXPECT_EQ(load().value()->server(), "https://one");
  EXPECT_EQ(load().value()->ns(), "default");
  EXPECT_EQ(load("two").value()->server(), "https://two");
  EXPECT_SAYS(load("three").error().message, "contexts: there is no entry named \"three\"");
}

TEST_F(CredentialsTest, FirstExistingFileOfAList) {
  const std::string there = file("config", "");
  environment_["KUBECONFIG"] = dir_ + "/nowhere::" + there;
  EXPECT_SAYS(load().error().message, there);
  environment_["KUBECONFIG"] = dir_ + "/nowhere:" + dir_ + "/neither";
  EXPECT_SAYS(load().error().message, dir_ + "/nowhere cannot be read");
}

TEST_F(CredentialsTest, OptionGoesBeforeTheEnvironment) {
  environment_["KUBECONFIG"] = file("other", "{}");
  const auto made = Credentials::load({.kubeconfig = dir_ + "/mine", .context = {}}, surroundings_, clock_);
  EXPECT_SAYS(made.error().message, dir_ + "/mine");
}

TEST_F(CredentialsTest, WhatIsNotSupportedIsRefusedByName) {
  for (const std::string field :
       {"auth-provider: {name: gcp}", "username: me", "password: pass", "as: you", "as-groups: [a]"}) {
    const std::string message = message_of(kCluster, field);
    EXPECT_SAYS(message, "users[u].user." + field.substr(0, field.find(':')) + ": is not supported");
  }
}

TEST_F(CredentialsTest, ServerNameOfTheCertificate) {
  const auto made = load_config(std::string(kCluster) + ", tls-server-name: api.internal", "token: aaaa");
  ASSERT_TRUE(made.ok()) << made.error().message;
  EXPECT_EQ((*made)->tls_server_name(), "api.internal");
  EXPECT_SAYS(message_of(std::string(kCluster) + ", tls-server-name: 'a b'", "token: aaaa"),
              "clusters[k].cluster.tls-server-name");
}

TEST_F(CredentialsTest, ProxyOfTheKubeconfigGoesBeforeTheEnvironments) {
  EXPECT_EQ(load_config(kCluster, "token: aaaa").value()->proxy(), std::nullopt);
  environment_["HTTPS_PROXY"] = "http://env:1";
  EXPECT_EQ(load_config(kCluster, "token: aaaa").value()->proxy()->host, "env");
  const auto made =
      load_config(std::string(kCluster) + ", proxy-url: 'http://me:proxy-pass@file:2'", "token: aaaa");
  ASSERT_TRUE(made.ok()) << made.error().message;
  EXPECT_EQ(*(*made)->proxy(), (Proxy{"file", 2, "me", "proxy-pass"}));
  EXPECT_EQ(log::redacted("proxy-pass"), "«redacted»");
}

TEST_F(CredentialsTest, BadProxiesNameWhereTheyStand) {
  const auto bad = load_config(std::string(kCluster) + ", proxy-url: 'socks5://p'", "token: aaaa");
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().reason, "InvalidProxy");
  EXPECT_SAYS(bad.error().message, dir_ + "/config: clusters[k].cluster.proxy-url: ");
  const auto plain = load_config("server: 'http://127.0.0.1:1', proxy-url: p", "");
  ASSERT_FALSE(plain.ok());
  EXPECT_SAYS(plain.error().message, "without TLS");
  environment_["https_proxy"] = "https://p";
  const auto env = load_config(kCluster, "token: aaaa");
  ASSERT_FALSE(env.ok());
  EXPECT_SAYS(env.error().message, "https_proxy: ");
}

TEST_F(CredentialsTest, PluginFieldsAreChecked) {
  const std::string v1 = "apiVersion: client.authentication.k8s.io/v1, ";
  const auto says = [&](const std::string& inside, const std::string& text) {
    EXPECT_SAYS(message_of(kCluster, "exec: {" + inside + "}"), "users[u].user.exec" + text);
  };
  says("command: aws", ".apiVersion: ");
  says("apiVersion: client.authentication.k8s.io/v1alpha1, command: aws", ".apiVersion: ");
  says(v1 + "command: aws", ".interactiveMode: Never or IfAvailable");
  says(v1 + "command: aws, interactiveMode: Always", ".interactiveMode: a plugin that must ask");
  says(v1 + "interactiveMode: Never", ".command: is missing");
  says(v1 + "interactiveMode: Never, command: aws, args: x", ".args: a list");
  says(v1 + "interactiveMode: Never, command: aws, args: [[x]]", ".args: a list");
  says(v1 + "interactiveMode: Never, command: aws, env: x", ".env: a list");
  says(v1 + "interactiveMode: Never, command: aws, env: [{value: x}]", ".env: a name is missing");
  says(v1 + "interactiveMode: Never, command: aws, provideClusterInfo: maybe", ".provideClusterInfo: ");
  EXPECT_SAYS(message_of(kCluster, "exec: {" + v1 + "interactiveMode: Never, command: a}, token: aaaa"),
              "Keep one");
  EXPECT_SAYS(message_of(std::string(kCluster) +
                             ", extensions: [{name: client.authentication.k8s.io/exec, extension: {a: b}}]",
                         "exec: {" + v1 + "interactiveMode: Never, command: a, provideClusterInfo: true}"),
              "extensions[client.authentication.k8s.io/exec]");
  EXPECT_TRUE(
      load_config(kCluster, "exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: a}").ok());
}

TEST_F(CredentialsTest, BeforeThePluginWasRunThereIsNoToken) {
  const auto made = load_config(
      kCluster, "exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: a}");
  ASSERT_TRUE(made.ok()) << made.error().message;
  EXPECT_TRUE((*made)->has_plugin());
  EXPECT_EQ((*made)->plugin_state(), ExecPlugin::State::stale);
  EXPECT_EQ((*made)->token().error().reason, "ExecPluginFailed");
  EXPECT_EQ((*made)->tls().error().reason, "ExecPluginFailed");
}

TEST_F(CredentialsTest, ARefusedClientCertificateAsksForNewConnections) {
  file("me.pem", "the certificate");
  file("me.key", "the private key");
  const auto made = load_config(kCluster, "client-certificate: me.pem, client-key: me.key");
  const auto before = (*made)->connection_generation();
  (*made)->token_refused();
  EXPECT_NE((*made)->connection_generation(), before);
  const auto by_token = load_config(kCluster, "token: aaaa");
  (*by_token)->token_refused();
  EXPECT_EQ((*by_token)->connection_generation(), 0U);
}

TEST_F(CredentialsTest, UncheckedTlsIsRefused) {
  EXPECT_SAYS(message_of("server: 'https://h', insecure-skip-tls-verify: true", "token: aaaa"),
              "insecure-skip-tls-verify: is refused");
  EXPECT_TRUE(load_config(std::string(kCluster) + ", insecure-skip-tls-verify: false", "token: aaaa").ok());
}

TEST_F(CredentialsTest, BadFieldsAreNamed) {
  EXPECT_SAYS(message_of("certificate-authority-data: Y2E=", "token: aaaa"), "server");
  EXPECT_SAYS(message_of("server: h, certificate-authority-data: Y2E=", "token: aaaa"),
              "clusters[k].cluster.server");
  EXPECT_SAYS(message_of("server: 'https://h'", "token: aaaa"), "certificate-authority: is missing");
  EXPECT_SAYS(message_of("server: 'https://[::1]:1', certificate-authority-data: Y2E=", "token: aaaa"),
              "IPv6");
  EXPECT_SAYS(message_of("server: 'https://h', certificate-authority-data: '***'", "token: aaaa"),
              "certificate-authority-data: is not base64");
  EXPECT_SAYS(message_of(kCluster, "client-certificate-data: Y2E="), "belong together");
  EXPECT_SAYS(message_of(kCluster, "token: [a]"), "users[u].user.token");
  EXPECT_SAYS(message_of(kCluster, "token: hidden two"), "users[u].user.token: a token is expected");
}

TEST_F(CredentialsTest, PlainHttpOnlyForThisMachine) {
  EXPECT_TRUE(load_config("server: 'http://127.0.0.1:8001'", "").ok());
  EXPECT_TRUE(load_config("server: 'http://localhost:8001'", "").ok());
  EXPECT_SAYS(message_of("server: 'http://10.0.0.1:8001'", ""), "plain http");
  EXPECT_SAYS(message_of("server: 'http://localhost.example'", ""), "plain http");
  EXPECT_SAYS(message_of("server: 'http://127.0.0.1.example'", ""), "plain http");
  EXPECT_SAYS(message_of("server: 'http://127.0.0.1@evil.example'", ""), "clusters[k].cluster.server");
  EXPECT_SAYS(message_of("server: 'https://127.0.0.1:6443/ /'", ""), "clusters[k].cluster.server");
}

TEST_F(CredentialsTest, NonsenseIsAnError) {
  for (const std::string text :
       {"", "[]", "text", "{", "a: [", "contexts: 1\ncurrent-context: x",
        "current-context: x\ncontexts: [1, {name: [x]}, {name: x}]", "\xff\xfe", "&a [*a]"}) {
    environment_["KUBECONFIG"] = file("config", text);
    const auto made = load();
    ASSERT_FALSE(made.ok()) << text;
    EXPECT_EQ(made.error().reason, "InvalidKubeconfig") << text;
  }
}

TEST_F(CredentialsTest, Pod) {
  environment_ = {{"KUBERNETES_SERVICE_HOST", "10.0.0.1"}, {"KUBERNETES_SERVICE_PORT", "443"}};
  file("token", "pod-token\n");
  file("ca.crt", "the ca");
  file("namespace", "operators\n");
  const auto made = load();
  ASSERT_TRUE(made.ok()) << made.error().message;
  EXPECT_EQ((*made)->server(), "https://10.0.0.1:443");
  EXPECT_EQ((*made)->ns(), "operators");
  EXPECT_EQ((*made)->token().value(), "pod-token");
  EXPECT_EQ((*made)->tls().value().ca, "the ca");
}

TEST_F(CredentialsTest, PodWithIpv6GoesByName) {
  environment_ = {{"KUBERNETES_SERVICE_HOST", "fd00::1"}, {"KUBERNETES_SERVICE_PORT", "443"}};
  file("token", "pod-token");
  file("ca.crt", "the ca");
  EXPECT_EQ(load().value()->server(), "https://kubernetes.default.svc:443");
}

TEST_F(CredentialsTest, PodWithoutATokenSaysSo) {
  environment_ = {{"KUBERNETES_SERVICE_HOST", "10.0.0.1"}, {"KUBERNETES_SERVICE_PORT", "443"}};
  file("ca.crt", "the ca");
  const auto made = load();
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().reason, "NoCredentials");
  EXPECT_SAYS(made.error().message, dir_ + "/token");
}

TEST_F(CredentialsTest, NowhereSaysWhatToDo) {
  const auto made = load();
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().reason, "NoCredentials");
  EXPECT_SAYS(made.error().message, "--kubeconfig");
}

class TokenFile : public CredentialsTest {
 protected:
  TokenFile() {
    file("me.token", "token-one");
    credentials_ = load_config(kCluster, "tokenFile: me.token").value();
  }
  std::unique_ptr<Credentials> credentials_;
};

TEST_F(TokenFile, IsReadAgainAfterAMinute) {
  EXPECT_EQ(credentials_->token().value(), "token-one");
  file("me.token", "token-two");
  clock_.advance(59s);
  EXPECT_EQ(credentials_->token().value(), "token-one");
  clock_.advance(1s);
  EXPECT_EQ(credentials_->token().value(), "token-two");
}

TEST_F(TokenFile, IsReadAgainAfterARefusal) {
  EXPECT_EQ(credentials_->token().value(), "token-one");
  file("me.token", "token-two");
  credentials_->token_refused();
  EXPECT_EQ(credentials_->token().value(), "token-two");
  EXPECT_EQ(log::redacted("token-two"), "«redacted»");
}

TEST_F(TokenFile, LastTokenServesWhileTheFileIsAway) {
  EXPECT_EQ(credentials_->token().value(), "token-one");
  std::filesystem::remove(dir_ + "/me.token");
  clock_.advance(60s);
  EXPECT_EQ(credentials_->token().value(), "token-one");
}

TEST_F(TokenFile, BadTokensAreRefused) {
  for (const std::string bad : {"two words", "line\nline", "nul", "  \n", "caf\xc3\xa9"}) {
    file("me.token", bad == "nul" ? std::string("a\0b", 3) : bad);
    const auto token = load_config(kCluster, "tokenFile: me.token").value()->token();
    ASSERT_FALSE(token.ok()) << bad;
    EXPECT_EQ(token.error().reason, "InvalidToken");
    EXPECT_SAYS(token.error().message, "me.token");
  }
}

}  // namespace
}  // namespace rls::kube
