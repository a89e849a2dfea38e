#include "controller/app/config_file.hpp"

#include <gmock/gmock.h>
#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "controller/app/options.hpp"

namespace rls::app {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class ConfigFile : public ::testing::Test {
 protected:
  ConfigFile()
      : path_((std::filesystem::temp_directory_path() / ("rls-config-" + std::to_string(::getpid())))
                  .string()) {}
  ~ConfigFile() override { std::filesystem::remove(path_); }

  void write(const std::string& text) const { std::ofstream(path_) << text; }
  std::variant<Options, EarlyExit> parse(const std::string& text, std::vector<std::string> flags = {}) const {
    write(text);
    flags.insert(flags.begin(), "--config=" + path_);
    return parse_options(flags, false);
  }
  Options good(const std::string& text, std::vector<std::string> flags = {}) const {
    auto parsed = parse(text, std::move(flags));
    if (const auto* exit = std::get_if<EarlyExit>(&parsed)) {
      ADD_FAILURE() << exit->text;
      return {};
    }
    return std::get<Options>(parsed);
  }
  std::string bad(const std::string& text, std::vector<std::string> flags = {}) const {
    auto parsed = parse(text, std::move(flags));
    const auto* exit = std::get_if<EarlyExit>(&parsed);
    if (exit == nullptr) return "(was accepted)";
    EXPECT_EQ(exit->code, 2);
    return exit->text;
  }

  const std::string path_;
};

TEST_F(ConfigFile, TheChartListsItsKeys) {
  // But for those that rights and ports hang on, and the one for tests.
  const std::string others =
      "namespace bindAddress installId injectFault leaderElectResourceName leaderElectResourceNamespace ";
  const YAML::Node schema = YAML::LoadFile(RLS_SOURCE_DIR "/charts/rls-operator/values.schema.json");
  std::vector<std::string> keys;
  std::istringstream words(others);
  for (std::string word; words >> word;) keys.push_back(word);
  for (const auto& property : schema["properties"]["config"]["properties"])
    keys.push_back(property.first.as<std::string>());

  const std::string known = bad("unknown: 1\n");
  std::istringstream list(known.substr(known.find("these are: ") + 11));
  std::vector<std::string> wanted;
  for (std::string word; std::getline(list >> std::ws, word, ',');)
    wanted.push_back(word.substr(0, word.find('\n')));
  EXPECT_THAT(keys, testing::UnorderedElementsAreArray(wanted)) << known;
}

TEST_F(ConfigFile, EveryFlagHasItsKey) {
  const Options options = good(R"(
kubeconfig: /tmp/k
context: kind
namespace: shop
workers: 64
observeInterval: 1m30s
relistInterval: 5m
bindAddress: "[::1]:0"
metricsProjects: off
logLevel: debug
logFormat: console
installId: prod-1.eu
allowedPrometheusUrls: http://prometheus:9090,https://metrics.example/prom
injectFault: sql:4:lose-reply
leaderElect: off
leaderElectResourceName: other
leaderElectResourceNamespace: team-a
leaderElectLeaseDuration: 60s
leaderElectRenewDeadline: 40s
leaderElectRetryPeriod: 5s
)");
  EXPECT_EQ(options.kubeconfig, "/tmp/k");
  EXPECT_EQ(options.context, "kind");
  EXPECT_EQ(options.ns, "shop");
  EXPECT_EQ(options.workers, 64U);
  EXPECT_EQ(options.observe_interval, std::chrono::seconds{90});
  EXPECT_EQ(options.relist_interval, std::chrono::minutes{5});
  EXPECT_EQ(options.bind_address, "[::1]:0");
  EXPECT_FALSE(options.metrics_projects);
  EXPECT_EQ(options.log_level, log::Level::debug);
  EXPECT_EQ(options.log_format, log::Format::console);
  EXPECT_EQ(options.install_id, "prod-1.eu");
  EXPECT_EQ(options.allowed_prometheus_urls.size(), 2U);
  EXPECT_TRUE(options.inject_fault);
  EXPECT_FALSE(options.leader_elect);
  EXPECT_EQ(options.lease_name, "other");
  EXPECT_EQ(options.lease_namespace, "team-a");
  EXPECT_EQ(options.lease_duration, std::chrono::seconds{60});
  EXPECT_EQ(options.renew_deadline, std::chrono::seconds{40});
  EXPECT_EQ(options.retry_period, std::chrono::seconds{5});
}

TEST_F(ConfigFile, EveryFlagOfTheHelpIsAKey) {
  const std::string keys = bad("nothing: 1\n");
  const auto help = parse_options(std::vector<std::string>{"--help"}, false);
  std::istringstream lines(std::get<EarlyExit>(help).text);
  int flags = 0;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("  --")) continue;
    const std::string flag = line.substr(4, line.find(' ', 4) - 4);
    if (flag == "help" || flag == "version" || flag == "config") continue;
    EXPECT_THAT(keys, HasSubstr(config_key(flag))) << flag;
    ++flags;
  }
  EXPECT_EQ(flags, 19);
}

TEST_F(ConfigFile, FlagsWin) {
  const std::string file = "workers: 8\nobserveInterval: 30s\n";
  EXPECT_EQ(good(file, {"--workers=2"}).workers, 2U);
  EXPECT_EQ(good(file, {"--workers=2"}).observe_interval, std::chrono::seconds{30});
  const auto before = parse_options(std::vector<std::string>{"--workers=2", "--config", path_}, false);
  EXPECT_EQ(std::get<Options>(before).workers, 2U) << "in any order";
}

TEST_F(ConfigFile, AnEmptyFileAndAnEmptyFlagChangeNothing) {
  EXPECT_EQ(good("").workers, 4U);
  EXPECT_EQ(good("# nothing\n").workers, 4U);
  EXPECT_EQ(good("---\n").workers, 4U);
  EXPECT_EQ(good("namespace:\n").ns, "");
  EXPECT_TRUE(std::holds_alternative<Options>(parse_options(std::vector<std::string>{"--config="}, false)));
}

TEST_F(ConfigFile, WhatIsWrongIsNamedWithFileLineAndKey) {
  const struct {
    std::string text, where, part;
  } rows[] = {
      {"workers: 4\nworker: 4\n", ":2: ", "\"worker\" is no key; these are: kubeconfig, context, namespace"},
      {"observe-interval: 15s\n", ":1: ", "\"observe-interval\" is no key"},
      {"\n\nobserveInterval: 15\n", ":3: ", "observeInterval: must be a duration from 1s to 1h"},
      {"metricsProjects: true\n", ":1: ", "metricsProjects: must be on or off, not \"true\""},
      {"workers:\n", ":1: ", "workers: must be a number from 1 to 64, not \"\""},
      {"workers: [4]\n", ":1: ", "workers: one value is expected"},
      {"logLevel: info\nworkers: {n: 4}\n", ":2: ", "workers: one value is expected"},
      {"workers: 4\nworkers: 4\n", ":2: ", "workers: stands in line 1 already"},
      {"- workers\n", ":1: ", "a mapping of keys to values is expected"},
      {"workers: 4\n  logLevel: info\n", ":2: ", "is not YAML"},
      {"workers: {4\n", ":", "is not YAML"},
      {"config: other.yaml\n", ":1: ", "\"config\" is no key"},
  };
  for (const auto& row : rows) {
    EXPECT_THAT(bad(row.text), AllOf(StartsWith("rls-operator: " + path_ + row.where), HasSubstr(row.part),
                                     HasSubstr("See rls-operator --help.\n")));
  }
  EXPECT_THAT(bad("workers: 0\n", {"--workers=2"}), HasSubstr("workers: must be")) << "though a flag wins";
}

TEST_F(ConfigFile, AFileThatCannotBeReadIsNamed) {
  for (const std::string path : {"/nonexistent/config.yaml", "/"}) {
    const auto parsed = parse_options(std::vector<std::string>{"--config", path}, false);
    ASSERT_TRUE(std::holds_alternative<EarlyExit>(parsed)) << path;
    EXPECT_THAT(std::get<EarlyExit>(parsed).text, StartsWith("rls-operator: " + path + ": cannot be read"));
  }
}

TEST_F(ConfigFile, TheExampleOfTheDocumentationWorks) {
  std::ifstream file(std::string(RLS_SOURCE_DIR) + "/docs/configuration.md");
  std::stringstream all;
  all << file.rdbuf();
  const std::string text = all.str();
  const auto begin = text.find("```yaml\n") + 8;
  const Options options = good(text.substr(begin, text.find("```", begin) - begin));
  EXPECT_EQ(options.ns, "tenants");
  EXPECT_EQ(options.workers, 4U);
  EXPECT_EQ(options.observe_interval, std::chrono::seconds{15});
  EXPECT_EQ(options.relist_interval, std::chrono::minutes{10});
}

}  // namespace
}  // namespace rls::app
