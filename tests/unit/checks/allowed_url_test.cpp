// Which servers a check may ask.

#include "controller/checks/allowed_url.hpp"

#include <gmock/gmock.h>

namespace rls::checks {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const std::vector<std::string> kAllowed = {"http://prometheus.monitoring:9090",
                                           "https://metrics.example/prom", "http://10.0.0.1:80/a/b/"};

/// "" where it is allowed, else the error's reason.
std::string refusal(std::string_view url, const std::vector<std::string>& allowed = kAllowed) {
  const auto result = allowed_url(url, allowed);
  return result ? "" : result.error().reason;
}

TEST(AllowedUrl, IsAnEntryOrBelowOne) {
  for (const char* url :
       {"http://prometheus.monitoring:9090", "http://prometheus.monitoring:9090/",
        "http://prometheus.monitoring:9090/tenant/1", "https://metrics.example/prom",
        "https://metrics.example/prom/", "https://metrics.example/prom/x", "https://metrics.example:443/prom",
        "https://METRICS.example/prom", "http://10.0.0.1/a/b", "http://10.0.0.1:80/a/b/c"}) {
    EXPECT_EQ(refusal(url), "") << url;
  }
}

TEST(AllowedUrl, AnyOtherSchemeHostPortOrPathIsNot) {
  for (const char* url :
       {"https://prometheus.monitoring:9090", "http://prometheus.monitoring",
        "http://prometheus.monitoring:90", "http://prometheus.monitoring:90901",
        "http://prometheus.monitoring.evil.example:9090", "http://evil.prometheus.monitoring:9090",
        "https://metrics.example", "https://metrics.example/", "https://metrics.example/prometheus",
        "https://metrics.example/promx/y", "https://metrics.example/Prom", "https://metrics.example:444/prom",
        "http://metrics.example/prom", "http://10.0.0.1/a", "http://10.0.0.1/a/bc", "http://10.0.0.2/a/b"}) {
    EXPECT_NE(refusal(url), "") << url;
  }
}

TEST(AllowedUrl, WhatServersMayReadInAnotherWayIsRefused) {
  for (const char* url : {"",
                          "prometheus.monitoring:9090",
                          "//prometheus.monitoring:9090",
                          "ftp://prometheus.monitoring:9090",
                          "HTTP://prometheus.monitoring:9090",
                          "http:/prometheus.monitoring:9090",
                          "file:///etc/passwd",
                          "http://",
                          "http:///prom",
                          "http://:9090",
                          "http://prometheus.monitoring:9090?x=y",
                          "http://prometheus.monitoring:9090/#x",
                          "http://user@prometheus.monitoring:9090",
                          "http://evil.example\\@prometheus.monitoring:9090",
                          "http://prometheus.monitoring:",
                          "http://prometheus.monitoring:0",
                          "http://prometheus.monitoring:+9090",
                          "http://prometheus.monitoring:9090:1",
                          "http://prometheus.monitoring:99999",
                          "http://[::1]:9090",
                          "http://prometheus..monitoring:9090",
                          "http://prometheus.monitoring.:9090",
                          "https://metrics.example/prom/../admin",
                          "https://metrics.example/prom/.",
                          "https://metrics.example/prom/./x",
                          "https://metrics.example/prom/..",
                          "https://metrics.example/prom/%2e%2e/admin",
                          "https://metrics.example/prom//x",
                          "https://metrics.example//prom",
                          "https://metrics.example/prom\\..\\admin",
                          "https://metrics.example/prom/..;/admin",
                          "https://metrics.example/prom x",
                          "https://metrics.example/prom\nx",
                          "http://prometheus.monitoring:9090\r\nX: y",
                          "http://prometheus.monitoring\t:9090",
                          " http://prometheus.monitoring:9090"}) {
    EXPECT_EQ(refusal(url), "InvalidUrl") << url;
  }
  EXPECT_EQ(refusal("http://prometheus.monitoring:9090/" + std::string(1024, 'a')), "InvalidUrl");
}

TEST(AllowedUrl, NoListAllowsNothingAndSaysHowToGetOne) {
  const auto result = allowed_url("http://prometheus:9090", {});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, ErrorKind::terminal);
  EXPECT_EQ(result.error().reason, "UrlNotAllowed");
  EXPECT_THAT(result.error().message, HasSubstr("--allowed-prometheus-urls"));
  EXPECT_THAT(result.error().message, HasSubstr("allowedPrometheusUrls"));
  EXPECT_THAT(result.error().message, HasSubstr("\"http://prometheus:9090\""));
}

TEST(AllowedUrl, APasswordIsNotRepeated) {
  const auto result = allowed_url("http://user:hunter2@prometheus:9090", kAllowed);
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error().message, Not(HasSubstr("hunter2")));
}

TEST(AllowedUrls, AreReadFromOneValue) {
  EXPECT_THAT(*parse_allowed_urls(""), IsEmpty());
  EXPECT_THAT(*parse_allowed_urls("  "), IsEmpty());
  EXPECT_THAT(*parse_allowed_urls("http://a:9090"), ElementsAre("http://a:9090"));
  EXPECT_THAT(*parse_allowed_urls(" http://a:9090 , https://b/prom"),
              ElementsAre("http://a:9090", "https://b/prom"));
}

TEST(AllowedUrls, AMistakeIsNamed) {
  for (const char* text : {"http://a:9090,", ",", "http://a:9090,,http://b", "http://a:9090;http://b",
                           "http://a:9090 http://b", "a:9090", "http://a:9090/x?y"}) {
    const auto urls = parse_allowed_urls(text);
    ASSERT_FALSE(urls.ok()) << text;
    EXPECT_EQ(urls.error().reason, "InvalidUrl");
  }
  EXPECT_THAT(parse_allowed_urls("http://a:9090,b").error().message, HasSubstr("\"b\""));
}

TEST(Endpoint, StandsBelowTheUrl) {
  EXPECT_EQ(endpoint("http://a:9090", "/api/v1/query"), "http://a:9090/api/v1/query");
  EXPECT_EQ(endpoint("http://a/prom/", "/api/v1/query"), "http://a/prom/api/v1/query");
}

}  // namespace
}  // namespace rls::checks
