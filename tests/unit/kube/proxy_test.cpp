#include "controller/kube/proxy.hpp"

#include <gtest/gtest.h>

#include <map>
#include <vector>

namespace rls::kube {
namespace {

TEST(Proxy, AddressesAreUnderstood) {
  struct Case {
    std::string text;
    Proxy proxy;
  };
  const std::vector<Case> cases = {
      {"http://proxy.example:3128", {"proxy.example", 3128, "", ""}},
      {"HTTP://proxy.example:3128/", {"proxy.example", 3128, "", ""}},
      {"proxy.example:3128", {"proxy.example", 3128, "", ""}},
      {" 10.1.2.3 ", {"10.1.2.3", 80, "", ""}},
      {"http://me:pa%40ss:word@proxy:8080", {"proxy", 8080, "me", "pa@ss:word"}},
      {"me@proxy", {"proxy", 80, "me", ""}},
  };
  for (const Case& each : cases) {
    const auto proxy = parse_proxy(each.text, "HTTPS_PROXY");
    ASSERT_TRUE(proxy.ok()) << proxy.error().message;
    EXPECT_EQ(*proxy, each.proxy) << each.text;
  }
  EXPECT_EQ(parse_proxy("me:secret@proxy:1", "f")->url(), "http://proxy:1");
}

TEST(Proxy, WhatIsNotSupportedIsRefusedWithoutItsPassword) {
  for (const std::string text :
       {"https://me:hidden@proxy:1", "socks5://me:hidden@proxy:1", "socks5h://proxy",
        "http://me:hidden@[::1]:1", "http://me:hidden@proxy:0", "http://me:hidden@proxy:65536",
        "http://me:hidden@proxy:x", "http://me:hidden%4@proxy", "http://me:hidden%zz@proxy",
        "http://me:hidden@proxy:1/path", "http://me:hidden@", "http://", ":", "http://me:hidden@two words"}) {
    const auto proxy = parse_proxy(text, "HTTPS_PROXY");
    ASSERT_FALSE(proxy.ok()) << text;
    EXPECT_EQ(proxy.error().kind, ErrorKind::terminal);
    EXPECT_EQ(proxy.error().reason, "InvalidProxy");
    EXPECT_EQ(proxy.error().message.find("HTTPS_PROXY: "), 0U) << proxy.error().message;
    EXPECT_EQ(proxy.error().message.find("hidden"), std::string::npos) << proxy.error().message;
  }
}

TEST(Proxy, NoProxy) {
  struct Case {
    std::string list;
    std::string host;
    bool matches;
  };
  const std::vector<Case> cases = {
      {"", "api.example.com", false},
      {"*", "api.example.com", true},
      {"example.com", "example.com", true},
      {"example.com", "api.example.com", true},
      {"example.com", "myexample.com", false},
      {"EXAMPLE.com", "api.Example.COM", true},
      {"example.com", "api.example.com.", true},
      {".example.com", "api.example.com", true},
      {".example.com", "example.com", false},
      {"*.example.com", "api.example.com", true},
      {"*.example.com", "example.com", false},
      {"other, example.com ,", "example.com", true},
      {"example.com:6443", "example.com", true},
      {"example.com:443", "example.com", false},
      {"example.com:", "example.com", false},
      {"example.com:x", "example.com", false},
      {"10.0.0.0/8", "10.200.3.4", true},
      {"10.0.0.0/8", "11.0.0.1", false},
      {"10.0.0.0/8", "ten.example", false},
      {"10.0.0.0/33", "10.0.0.1", false},
      {"10.0.0.0/", "10.0.0.1", false},
      {"/8", "10.0.0.1", false},
      {"0.0.0.0/0", "10.0.0.1", true},
      {"10.0.0.1/32", "10.0.0.1", true},
      {"10.0.0.1", "10.0.0.1", true},
      {"10.0.0.1:6443", "10.0.0.1", true},
      {"10.0.0.1:1", "10.0.0.1", false},
      {"0.0.1", "10.0.0.1", false},
      {".svc,.cluster.local", "kubernetes.default.svc", true},
      {":", "example.com", false},
      {",,", "example.com", false},
  };
  for (const Case& each : cases) {
    EXPECT_EQ(bypasses_proxy(each.list, each.host, 6443), each.matches) << each.list << " / " << each.host;
  }
}

class ProxyFromEnvironment : public ::testing::Test {
 protected:
  Result<std::optional<Proxy>> of(const std::string& server) const {
    return proxy_from_environment(server, [this](const std::string& name) -> std::optional<std::string> {
      const auto found = variables_.find(name);
      return found == variables_.end() ? std::nullopt : std::optional(found->second);
    });
  }
  std::string host(const std::string& server) const {
    const auto proxy = of(server);
    return proxy && *proxy ? (*proxy)->host : "";
  }
  std::map<std::string, std::string> variables_;
};

TEST_F(ProxyFromEnvironment, OneForEachScheme) {
  EXPECT_EQ(host("https://h:1"), "");
  variables_ = {{"HTTPS_PROXY", "secure:1"}, {"HTTP_PROXY", "plain:1"}};
  EXPECT_EQ(host("https://h:1"), "secure");
  EXPECT_EQ(host("http://h"), "plain");
}

TEST_F(ProxyFromEnvironment, CapitalsGoFirst) {
  variables_ = {{"https_proxy", "small"}};
  EXPECT_EQ(host("https://h"), "small");
  variables_["HTTPS_PROXY"] = "";
  EXPECT_EQ(host("https://h"), "small");
  variables_["HTTPS_PROXY"] = "LARGE";
  EXPECT_EQ(host("https://h"), "LARGE");
}

TEST_F(ProxyFromEnvironment, NoProxyKnowsThePort) {
  variables_ = {{"HTTPS_PROXY", "proxy"}, {"no_proxy", "a:443,b:6443"}};
  EXPECT_EQ(host("https://a/prefix"), "") << "443 is https's own";
  EXPECT_EQ(host("https://a:6443"), "proxy");
  EXPECT_EQ(host("https://b:6443/prefix"), "");
}

TEST_F(ProxyFromEnvironment, ThisMachineIsReachedDirectly) {
  variables_ = {{"HTTPS_PROXY", "proxy"}};
  for (const char* server : {"https://localhost:1", "https://127.0.0.1", "https://127.3.2.1:9"}) {
    EXPECT_EQ(host(server), "") << server;
  }
  EXPECT_EQ(host("https://127.0.0.1.example"), "proxy");
}

TEST_F(ProxyFromEnvironment, ABadOneIsAnErrorWhereItWouldBeUsed) {
  variables_ = {{"https_proxy", "socks5://proxy"}};
  ASSERT_FALSE(of("https://h").ok());
  EXPECT_EQ(of("https://h").error().message.find("https_proxy: "), 0U);
  EXPECT_TRUE(of("https://localhost").ok());
  variables_["NO_PROXY"] = "*";
  EXPECT_TRUE(of("https://h").ok());
}

}  // namespace
}  // namespace rls::kube
