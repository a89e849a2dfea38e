// Prometheus checks against a genuine Prometheus.

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <memory>

#include "controller/checks/prometheus_check.hpp"
#include "tests/support/prometheus.hpp"

namespace rls::checks {
namespace {

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

// Two labels are equal where Prometheus reads the name as it is.
TEST_F(GenuinePrometheus, TheProjectIsATextWhateverItHolds) {
  const auto labelled = [](const std::string& text) {
    return "label_replace(vector(1), \"p\", " + text + ", \"\", \"\")";
  };
  const std::string meant = labelled("`" + std::string(kProject) + "`");
  for (const char* quoted : {"\"$project\"", "'$project'", "`$project`"}) {
    const Outcome outcome = ask(meant + " and on (p) " + labelled(quoted), "== 1");
    EXPECT_EQ(outcome.state, State::passed) << quoted << ": " << outcome.message;
  }
  EXPECT_EQ(ask(meant + " and on (p) " + labelled("\"another\""), "== 1").state, State::unknown);
  EXPECT_THAT(ask("vector(1) > $project", "== 1").message, HasSubstr("$project outside of quotes"));
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

}  // namespace
}  // namespace rls::checks
