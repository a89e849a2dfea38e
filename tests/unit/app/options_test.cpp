#include "controller/app/options.hpp"

#include <gmock/gmock.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace rls::app {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

std::variant<Options, EarlyExit> parse(std::vector<std::string> arguments, bool terminal = false) {
  return parse_options(arguments, terminal);
}
Options good(std::vector<std::string> arguments, bool terminal = false) {
  auto parsed = parse(std::move(arguments), terminal);
  if (const auto* exit = std::get_if<EarlyExit>(&parsed)) {
    ADD_FAILURE() << exit->text;
    return {};
  }
  return std::get<Options>(parsed);
}
EarlyExit bad(std::vector<std::string> arguments) {
  auto parsed = parse(std::move(arguments));
  if (!std::holds_alternative<EarlyExit>(parsed)) {
    ADD_FAILURE() << "was accepted";
    return {};
  }
  return std::get<EarlyExit>(parsed);
}

TEST(Options, HaveDefaults) {
  const Options options = good({});
  EXPECT_EQ(options.kubeconfig, "");
  EXPECT_EQ(options.context, "");
  EXPECT_EQ(options.ns, "");
  EXPECT_EQ(options.workers, 4u);
  EXPECT_EQ(options.observe_interval, std::chrono::seconds{15});
  EXPECT_EQ(options.relist_interval, std::chrono::minutes{10});
  EXPECT_EQ(options.bind_address, "0.0.0.0:8080");
  EXPECT_TRUE(options.metrics_projects);
  EXPECT_EQ(options.log_level, log::Level::info);
  EXPECT_EQ(options.log_format, log::Format::json);
  EXPECT_EQ(options.install_id, "");
  EXPECT_TRUE(options.allowed_prometheus_urls.empty());
  EXPECT_FALSE(options.inject_fault);
}

TEST(Options, LogForAConsoleWhereThereIsOne) {
  EXPECT_EQ(good({}, true).log_format, log::Format::console);
  EXPECT_EQ(good({"--log-format=json"}, true).log_format, log::Format::json);
  EXPECT_EQ(good({"--log-format=console"}, false).log_format, log::Format::console);
}

TEST(Options, TakeWhatFlagsSay) {
  const Options options = good({"--kubeconfig",
                                "/tmp/k",
                                "--context=kind",
                                "--namespace",
                                "shop",
                                "--workers=64",
                                "--observe-interval",
                                "1m30s",
                                "--relist-interval",
                                "5m",
                                "--bind-address",
                                "[::1]:0",
                                "--metrics-projects=off",
                                "--log-level",
                                "debug",
                                "--install-id",
                                "prod-1.eu/rls",
                                "--allowed-prometheus-urls",
                                "http://prometheus:9090, https://metrics.example/prom",
                                "--inject-fault",
                                "sql:4:lose-reply"});
  EXPECT_EQ(options.kubeconfig, "/tmp/k");
  EXPECT_EQ(options.context, "kind");
  EXPECT_EQ(options.ns, "shop");
  EXPECT_EQ(options.workers, 64u);
  EXPECT_EQ(options.observe_interval, std::chrono::seconds{90});
  EXPECT_EQ(options.relist_interval, std::chrono::minutes{5});
  EXPECT_EQ(options.bind_address, "[::1]:0");
  EXPECT_FALSE(options.metrics_projects);
  EXPECT_EQ(options.log_level, log::Level::debug);
  EXPECT_EQ(options.install_id, "prod-1.eu/rls");
  EXPECT_THAT(options.allowed_prometheus_urls,
              testing::ElementsAre("http://prometheus:9090", "https://metrics.example/prom"));
  ASSERT_TRUE(options.inject_fault);
  EXPECT_EQ(options.inject_fault->kind, CallKind::sql);
  EXPECT_EQ(options.inject_fault->number, 4u);
  EXPECT_EQ(options.inject_fault->fault, Fault::lose_reply);
}

TEST(Options, AnEmptyNamespaceIsAll) {
  EXPECT_EQ(good({"--namespace="}).ns, "");
  EXPECT_EQ(good({"--namespace", ""}).ns, "");
}

TEST(Options, BadValuesAreRefusedByName) {
  const struct {
    std::vector<std::string> arguments;
    std::string flag;
    std::string part;
  } rows[] = {
      {{"--workers=0"}, "--workers", "a number from 1 to 64, not \"0\""},
      {{"--workers=65"}, "--workers", "1 to 64"},
      {{"--workers=four"}, "--workers", "\"four\""},
      {{"--workers=4x"}, "--workers", "\"4x\""},
      {{"--workers=-1"}, "--workers", "\"-1\""},
      {{"--workers"}, "--workers", ""},
      {{"--workers="}, "--workers", "not \"\""},
      {{"--workers=2", "--workers=3"}, "--workers", ""},
      {{"--observe-interval=15"}, "--observe-interval", "such as 15s"},
      {{"--observe-interval=1d"}, "--observe-interval", "\"1d\""},
      {{"--observe-interval=999ms"}, "--observe-interval", "from 1s"},
      {{"--observe-interval=2h"}, "--observe-interval", "to 1h"},
      {{"--bind-address=8080"}, "--bind-address", "HOST:PORT"},
      {{"--bind-address=:99999"}, "--bind-address", "HOST:PORT"},
      {{"--metrics-projects=yes"}, "--metrics-projects", "on or off, not \"yes\""},
      {{"--log-level=trace"}, "--log-level", "debug, info, warn or error, not \"trace\""},
      {{"--log-format=xml"}, "--log-format", "json or console"},
      {{"--namespace=Shop"}, "--namespace", "\"Shop\""},
      {{"--namespace=-shop"}, "--namespace", ""},
      {{"--namespace", std::string(64, 'a')}, "--namespace", ""},
      {{"--install-id=a b"}, "--install-id", "\"a b\""},
      {{"--allowed-prometheus-urls=http://a,b"},
       "--allowed-prometheus-urls",
       "\"b\" is neither http nor https"},
      {{"--inject-fault=now"}, "--inject-fault", "fail-before"},
      {{"--inject-fault=0:kill-after"}, "--inject-fault", ""},
      {{"--unknown"}, "--unknown", ""},
      {{"--worker=4"}, "--worker", ""},
      {{"stray"}, "stray", ""},
  };
  for (const auto& row : rows) {
    const EarlyExit exit = bad(row.arguments);
    EXPECT_EQ(exit.code, 2) << row.arguments[0];
    EXPECT_THAT(exit.text, AllOf(StartsWith("rls-operator: "), HasSubstr(row.flag), HasSubstr(row.part)));
    EXPECT_THAT(exit.text, HasSubstr("See rls-operator --help.\n"));
  }
}

TEST(Options, PrintTheVersion) {
  const EarlyExit exit = bad({"--version"});
  EXPECT_EQ(exit.code, 0);
  EXPECT_EQ(exit.text, "rls-operator 0.1.0\n");
}

/// The flags that the help names.
std::vector<std::string> flags_of(const std::string& help) {
  std::vector<std::string> out;
  std::istringstream in(help);
  for (std::string line; std::getline(in, line);) {
    const auto at = line.find("  --");
    if (at == 0) out.push_back(line.substr(2, line.find(' ', 2) - 2));
  }
  return out;
}

TEST(Options, TheHelpNamesEveryFlagWithItsDefault) {
  const EarlyExit exit = bad({"--help"});
  EXPECT_EQ(exit.code, 0);
  EXPECT_THAT(
      flags_of(exit.text),
      testing::UnorderedElementsAre(
          "--help", "--version", "--config", "--kubeconfig", "--context", "--namespace", "--workers",
          "--observe-interval", "--relist-interval", "--bind-address", "--metrics-projects", "--log-level",
          "--log-format", "--install-id", "--allowed-prometheus-urls", "--inject-fault", "--leader-elect",
          "--leader-elect-resource-name", "--leader-elect-resource-namespace",
          "--leader-elect-lease-duration", "--leader-elect-renew-deadline", "--leader-elect-retry-period"));
  std::size_t defaults = 0;
  for (auto at = exit.text.find("default:"); at != std::string::npos;
       at = exit.text.find("default:", at + 1)) {
    ++defaults;
  }
  EXPECT_EQ(defaults, flags_of(exit.text).size() - 2) << "all but --help and --version\n" << exit.text;
}

TEST(Options, ALeaderStopsBeforeTheNextOneMayBegin) {
  EXPECT_THAT(
      bad({"--leader-elect-renew-deadline=15s"}).text,
      HasSubstr("--leader-elect-renew-deadline: must be less than --leader-elect-lease-duration (15s), "
                "not 15s"));
  EXPECT_THAT(
      bad({"--leader-elect-retry-period=10s"}).text,
      HasSubstr("--leader-elect-retry-period: must be less than --leader-elect-renew-deadline (10s)"));
}

TEST(Options, TheDocumentationNamesEveryFlag) {
  std::ifstream file(RLS_SOURCE_DIR "/docs/configuration.md");
  std::stringstream text;
  text << file.rdbuf();
  for (const std::string& flag : flags_of(bad({"--help"}).text)) {
    EXPECT_THAT(text.str(), HasSubstr("| `" + flag));
  }
}

}  // namespace
}  // namespace rls::app
