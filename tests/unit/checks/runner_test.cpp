// Which kind of check goes which way, where it cannot even begin. What each does when it can is tested
// against genuine servers.

#include "controller/checks/runner.hpp"

#include <gmock/gmock.h>

#include "controller/kube/api_client.hpp"
#include "tests/fakes/fake_clock.hpp"
#include "tests/unit/kube/fake_transport.hpp"

namespace rls::checks {
namespace {

using testing::HasSubstr;
using State = CheckResult::State;
using Heard = Outcome::Heard;

class RunnerTest : public testing::Test {
 protected:
  Outcome run(api::CheckSpec check) {
    check.name = "c";
    Runner runner(client, seam, clock,
                  [this](const api::ObjectName& database) {
                    asked = database;
                    return Result<postgres::ConnectionSettings>(settings);
                  },
                  {});
    return runner.run({{"tenants", "shop"}, "uid", {"tenants", "main"}, "sm", "shadow", std::move(check)},
                      {});
  }

  Seam seam;
  fakes::FakeClock clock;
  kube::ApiClient client{std::make_unique<kube::FakeTransport>(std::deque<kube::Scripted>{}), seam,
                         kube::real_tuning()};
  Error settings = terminal("MissingSecret", "spec.checks.secretRef is missing");
  api::ObjectName asked;
};

TEST_F(RunnerTest, SqlNeedsTheRoleOfItsDatabase) {
  api::CheckSpec check;
  check.sql = api::SqlCheck{"SELECT true", ""};
  Outcome outcome = run(check);
  EXPECT_EQ(asked, (api::ObjectName{"tenants", "main"}));
  EXPECT_EQ(outcome.message, "spec.checks.secretRef is missing");
  EXPECT_EQ(outcome.heard, Heard::answer);
  settings = transient("Timeout", "later");
  EXPECT_EQ(run(check).heard, Heard::nothing);
}

TEST_F(RunnerTest, PrometheusNeedsAnAllowedUrl) {
  api::CheckSpec check;
  check.prometheus = api::PrometheusCheck{"http://prometheus:9090", "up", "== 1"};
  EXPECT_THAT(run(check).message, HasSubstr("--allowed-prometheus-urls"));
}

TEST_F(RunnerTest, AJobNeedsTheApiServer) {
  api::CheckSpec check;
  check.job = api::JobCheck{R"({"spec":{}})"};
  const Outcome outcome = run(check);
  EXPECT_EQ(outcome.heard, Heard::nothing);
  EXPECT_THAT(outcome.message, HasSubstr("the script is at its end"));
}

TEST_F(RunnerTest, NoneOfTheThreeIsSaid) { EXPECT_EQ(run({}).state, State::unknown); }

TEST_F(RunnerTest, CountsNeedTheRoleOfTheDatabaseOrAnAllowedUrl) {
  Runner runner(client, seam, clock,
                [this](const api::ObjectName&) { return Result<postgres::ConnectionSettings>(settings); },
                {});
  checks::Run run{{"tenants", "shop"}, "uid", {"tenants", "main"}, "shop", "shadow", {}, {}};
  run.count = CountQuery{.source = {.sql = "SELECT $1, $2"}, .project = "shop", .since = Time{}};
  for (const Error& error : {settings, transient("Timeout", "spec.checks.secretRef is missing")}) {
    settings = error;
    const Outcome outcome = runner.run(run, {});
    EXPECT_EQ(outcome.message, "transactions are not counted: spec.checks.secretRef is missing");
    EXPECT_EQ(outcome.heard, Heard::answer) << "no older figure stands in for it";
  }
  run.count->source = {};
  run.count->source.prometheus = {"http://prometheus:9090", "x{p=\"$project\"}[$window]"};
  EXPECT_THAT(runner.run(run, {}).message, HasSubstr("--allowed-prometheus-urls"));
}

}  // namespace
}  // namespace rls::checks
