// Prometheus checks against a genuine Prometheus.

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <memory>

#include "controller/checks/prometheus_check.hpp"
#include "controller/checks/transactions.hpp"
#include "tests/support/prometheus.hpp"

namespace rls::checks {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using State = CheckResult::State;
using Heard = Outcome::Heard;

/// One server for all tests; below a path, as behind an ingress.
class GenuinePrometheus : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    home_ =
        (std::filesystem::temp_directory_path() / ("rls-prometheus-" + std::to_string(::getpid()))).string();
    std::filesystem::create_directories(home_);
    server_ = std::make_unique<test::Prometheus>(home_, "/prom");
    url_ = server_->url();
  }
  static void TearDownTestSuite() {
    server_.reset();
    std::filesystem::remove_all(home_);
  }
  void SetUp() override {
    ASSERT_TRUE(server_) << "Prometheus did not start";
    ASSERT_EQ(ask("vector(1)", "== 1").state, State::passed)
        << ask("vector(1)", "== 1").message << server_->log();
  }

  static Outcome ask(const std::string& query, const std::string& expect, const std::string& below = "") {
    return run_prometheus_check({url_ + below, query, expect}, kProject, std::vector<std::string>{url_}, {});
  }

  static constexpr const char* kProject = R"(x"}y\z'#)";

  static inline std::string home_, url_;
  static inline std::unique_ptr<test::Prometheus> server_;
};

TEST_F(GenuinePrometheus, VectorsAndScalarsAreJudged) {
  EXPECT_EQ(ask("vector(0.005)", "< 0.01").state, State::passed);
  EXPECT_EQ(ask("scalar(vector(0.005))", "< 0.01").state, State::passed);
  EXPECT_EQ(ask("2 + 2", "== 4").state, State::passed);
  EXPECT_EQ(ask("vector(0.5)", "< 0.01").message, "1 of 1 samples not < 0.01, such as 0.5");
  EXPECT_EQ(ask("vector(1) / 0", "< 5").state, State::failed) << "+Inf";
  EXPECT_EQ(ask("label_replace(vector(1), \"a\", \"ä b&c\", \"\", \"\") or vector(9)", "<= 1").state,
            State::failed);
}

TEST_F(GenuinePrometheus, NoSampleAndNaNSayNothing) {
  EXPECT_EQ(ask("nobody_has_this_metric", "< 1").message, "the query gives no sample: use `or vector(0)`");
  EXPECT_EQ(ask("nobody_has_this_metric or vector(0)", "< 1").state, State::passed);
  EXPECT_EQ(ask("vector(0) / 0", "!= 1").state, State::unknown);
  EXPECT_EQ(ask("vector(1)[5m:1m]", "< 5").state, State::unknown) << "a matrix";
}

// absent() gives a sample with the labels that it was asked for: what the server has read of the name.
TEST_F(GenuinePrometheus, TheProjectIsATextWhateverItHolds) {
  const std::string meant = "absent(x{p=`" + std::string(kProject) + "`})";
  for (const char* quoted : {"\"$project\"", "'$project'"}) {
    const Outcome outcome = ask(meant + " and on (p) absent(x{p=" + quoted + "})", "== 1");
    EXPECT_EQ(outcome.state, State::passed) << quoted << ": " << outcome.message;
  }
  EXPECT_EQ(ask(meant + " and on (p) absent(x{p=\"another\"})", "== 1").state, State::unknown);
  EXPECT_THAT(ask("vector(1) > $project", "== 1").message, HasSubstr("$project must stand in double quotes"));
}

TEST_F(GenuinePrometheus, ItsRefusalIsQuoted) {
  const Outcome outcome = ask("this is no PromQL", "< 1");
  EXPECT_EQ(outcome.state, State::unknown);
  EXPECT_EQ(outcome.heard, Heard::answer);
  EXPECT_THAT(outcome.message, HasSubstr("Prometheus answers 400"));
  EXPECT_THAT(outcome.message, HasSubstr("parse error"));
}

TEST_F(GenuinePrometheus, AnotherPathIsNotFound) {
  EXPECT_THAT(ask("vector(1)", "== 1", "/elsewhere").message, HasSubstr("404"));
}

/// As a source of transactions of a project that entered its phase a minute and a half ago.
class GenuineSource : public GenuinePrometheus {
 protected:
  static Outcome count(const std::string& query, const std::string& project = "sm") {
    const Time now = std::chrono::floor<Duration>(std::chrono::system_clock::now());
    CountQuery asked{.source = {}, .project = project, .since = now - 90s};
    asked.source.prometheus = {url_, query};
    return count_by_prometheus(asked, std::vector<std::string>{url_}, now, {});
  }
};

TEST_F(GenuineSource, WindowAndInstantAreUnderstood) {
  const Outcome window =
      count("sum_over_time(vector(1)[$window:1s]) * scalar(absent(x{p=\"$project\"} @ $since))");
  ASSERT_TRUE(window.count) << window.message;
  EXPECT_GE(*window.count, 90);
  EXPECT_LE(*window.count, 91);
  const Outcome ago = count("vector(time() - $since) * scalar(absent(x{p=\"$project\"} @ $since))");
  ASSERT_TRUE(ago.count) << ago.message;
  EXPECT_GE(*ago.count, 89);
  EXPECT_LE(*ago.count, 90);
  const Outcome at = count("sum(x{p=\"$project\"} @ $since) or vector(7)");
  EXPECT_EQ(at.count, 7) << at.message;
}

// absent() gives a sample with the labels that it was asked for: what the server has read of the name.
TEST_F(GenuineSource, AProjectOfAnyNameIsTheLabelThatWasMeant) {
  const std::pair<std::string, std::string> rows[] = {
      {"sm", "sm"},       {"a.b", "a.b"},   {"a\"b", "a\\\"b"},
      {"a'b`c", "a'b`c"}, {"a\\", "a\\\\"}, {"ä\"} or vector(9e9) #", "ä\\\"} or vector(9e9) #"}};
  for (const auto& [project, literal] : rows) {
    const std::string mine = "sum(absent(x{p=\"$project\"} @ $since) and on(p) ";
    const Outcome same = count(mine + "absent(x{p=\"" + literal + "\"})) or vector(0)", project);
    EXPECT_EQ(same.count, 1) << project << ": " << same.message;
    const Outcome other = count(mine + "absent(x{p=\"other\"})) or vector(0)", project);
    EXPECT_EQ(other.count, 0) << project << ": " << other.message;
    EXPECT_EQ(count("absent(x{p='$project'} @ $since) * 3", project).count, 3) << project;
  }
}

TEST_F(GenuineSource, ABrokenQueryIsNoFigure) {
  const Outcome broken = count("sum(increase(x{p=\"$project\"}[$window])");
  EXPECT_EQ(broken.state, State::unknown);
  EXPECT_THAT(broken.message, HasSubstr("parse error"));
  EXPECT_THAT(count("sum(increase(x{p=\"$project\"}[$window]))").message, HasSubstr("use `or vector(0)`"));
}

}  // namespace
}  // namespace rls::checks
