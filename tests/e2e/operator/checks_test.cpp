// Checks of all kinds. All projects run from the beginning, so that the tests wait beside each other.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/operator/lifecycle.hpp"
#include "tests/support/prometheus.hpp"

namespace rls::test {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kPassword = "checks-canary-3Kd";
constexpr const char* kFormerPassword = "former-canary-8Wq";

void give_secret(World& world, const std::string& password) {
  std::string uri = world.application_uri();
  const auto at = uri.find("://") + 3;
  uri.replace(at, uri.find('@') - at, "e2e_checks:" + password);
  world.kubectl({"delete", "secret", "checks", "--ignore-not-found"});
  ASSERT_TRUE(
      world.kubectl({"create", "secret", "generic", "checks", "--from-file=uri=/dev/stdin"}, uri).ok());
}

/// The role of checks, which may read that table of the application's, and the operator's right to its
/// Secret.
void make_role(World& world, const std::string& table, const std::string& columns) {
  world.sql(std::string("DO $$ BEGIN CREATE ROLE e2e_checks LOGIN NOSUPERUSER NOBYPASSRLS; EXCEPTION WHEN "
                        "duplicate_object OR unique_violation THEN NULL; END $$; "
                        "ALTER ROLE e2e_checks PASSWORD '") +
            kPassword + "'; CREATE TABLE " + table + " (" + columns +
            "); GRANT USAGE ON SCHEMA public TO e2e_checks; GRANT SELECT ON " + table + " TO e2e_checks");
  ASSERT_TRUE(world
                  .apply(R"(apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: checks}
rules: [{apiGroups: [""], resources: [secrets], resourceNames: [checks], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: checks}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: checks}
subjects: [{kind: ServiceAccount, name: rls-operator, namespace: rls-operator-system}]
)")
                  .ok());
}

/// One world for all.
class Checks : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    world_ = std::make_unique<World>();
    prometheus_ = std::make_unique<Prometheus>(world_->directory());
    url_ = prometheus_->url();
    make_role(*world_, "verdict", "errors int NOT NULL");
    world_->sql("INSERT INTO verdict VALUES (0)");
    give_secret(*world_, kFormerPassword);
    world_->create_database("", "  checks: {secretRef: {name: checks}}\n");
    world_->start_operator({"--allowed-prometheus-urls", url_});

    const std::string gates = "  gates:\n    shadowSoak: 0s\n    enforcingSoak: 0s\n    checks:\n      - ";
    const auto guarded = [&](const char* project, const std::string& check) {
      const Output applied = world_->migrate(project, project, "complete", gates + check + "\n");
      EXPECT_TRUE(applied.ok()) << applied.out;
    };
    guarded("sm",
            "{name: errors, phases: [enforcing, complete], onFailure: Rollback, every: 5s, sql: {query: "
            "'SELECT errors = 0 FROM public.verdict'}}");
    guarded("motoko",
            "{name: restore, phases: [complete], job: {template: {spec: {template: {spec: {restartPolicy: "
            "Never, containers: [{name: restore, image: 'registry.example/restore:1'}]}}}}}}");
    guarded("ab", "{name: rate, phases: [enforcing], every: 5s, prometheus: {url: '" + url_ +
                      "', query: 'vector(0.5)', expect: '< 0.01'}}");
    guarded("aa",
            "{name: rate, phases: [shadow], prometheus: {url: 'http://metrics.example:9090', query: "
            "'vector(0)', expect: '< 1'}}");
  }
  static void TearDownTestSuite() {
    prometheus_.reset();
    world_.reset();
  }

  static inline std::unique_ptr<World> world_;
  static inline std::unique_ptr<Prometheus> prometheus_;
  static inline std::string url_;
};

TEST_F(Checks, R_A14_AFailingSqlCheckTakesTheProjectBackAndHoldsItThere) {
  World& world = *world_;
  // With a wrong password there is no answer, and no answer is no evidence.
  EXPECT_TRUE(gate_is(world, "sm", "Checks", "Unknown", "\"errors\": "));
  EXPECT_TRUE(gate_is(world, "sm", "Checks", "Unknown", "password authentication failed"));
  EXPECT_EQ(steps(world, "sm"), "pending>shadow");
  give_secret(world, kPassword);
  ASSERT_TRUE(arrives(world, "sm", "complete"));

  world.sql("UPDATE verdict SET errors = 3");
  ASSERT_TRUE(arrives(world, "sm", "shadow"));
  EXPECT_EQ(steps(world, "sm"), "pending>shadow shadow>enforcing enforcing>complete complete>shadow");
  EXPECT_TRUE(becomes(world, "sm", "Ready", "False/CheckFailed"));
  EXPECT_EQ(world.condition("sm", "Stalled"), "True/CheckFailed");
  EXPECT_EQ(world.condition("sm", "Held"), "True/CheckFailed");
  EXPECT_EQ(world.sql("SELECT phase || ' ' || by FROM rls_operator.hold"), "shadow check errors");
  EXPECT_THAT(world.sql("SELECT reason FROM rls_operator.transition WHERE project_id = 'sm' AND from_phase = "
                        "'complete'"),
              HasSubstr("check \"errors\" failed: "));
  EXPECT_TRUE(tells(world, "sm", "CheckFailed"));

  // That it passes again is no reason to climb again.
  ASSERT_TRUE(gate_is(world, "sm", "Checks", "Blocked"));
  world.sql("UPDATE verdict SET errors = 0");
  ASSERT_TRUE(gate_is(world, "sm", "Checks", "Passed"));
  EXPECT_EQ(world.condition("sm", "Ready"), "False/CheckFailed");
  EXPECT_EQ(gate(world, "sm", "Hold"), "Blocked");
  EXPECT_THAT(gate(world, "sm", "Hold", "message"), HasSubstr("rlsctl resume sm --namespace " + world.ns()));
  EXPECT_EQ(world.field("sm", "status.phase"), "shadow");
  ASSERT_TRUE(annotate(world, "sm", "resume=mended"));
  EXPECT_TRUE(arrives(world, "sm", "complete"));
  EXPECT_TRUE(becomes(world, "sm", "Ready", "True/TargetReached"));
  EXPECT_EQ(world.condition("sm", "Held"), "");
}

TEST_F(Checks, R_A14_AJobMustSucceedBeforeComplete) {
  World& world = *world_;
  ASSERT_TRUE(arrives(world, "motoko", "enforcing"));
  std::string job;
  ASSERT_TRUE(world.eventually([&] {
    job = world
              .kubectl({"get", "jobs", "-l", "rls-operator.dev/check=restore", "-o",
                        "jsonpath={.items[*].metadata.name}"})
              .out;
    return !job.empty();
  }));
  EXPECT_TRUE(gate_is(world, "motoko", "Checks", "Unknown", job));
  EXPECT_EQ(world.field("motoko", "status.phase"), "enforcing");
  // No controller runs Jobs here: this is what it would write.
  const Output done = world.kubectl(
      {"patch", "job", job, "--subresource=status", "--type=merge", "-p",
       R"({"status":{"startTime":"2026-01-15T11:00:00Z","succeeded":1,"completionTime":"2026-01-15T12:00:00Z",)"
       R"("conditions":[)"
       R"({"type":"SuccessCriteriaMet","status":"True","lastTransitionTime":"2026-01-15T12:00:00Z"},)"
       R"({"type":"Complete","status":"True","lastTransitionTime":"2026-01-15T12:00:00Z"}]}})"});
  ASSERT_TRUE(done.ok()) << done.out;
  EXPECT_TRUE(arrives(world, "motoko", "complete"));
}

TEST_F(Checks, PrometheusIsAskedAndWaitedFor) {
  World& world = *world_;
  ASSERT_TRUE(gate_is(world, "ab", "Checks", "Blocked", "1 of 1 samples not < 0.01, such as 0.5"));
  EXPECT_EQ(steps(world, "ab"), "pending>shadow");
  ASSERT_TRUE(patch(world, "ab",
                    R"({"spec":{"gates":{"checks":[{"name":"rate","phases":["enforcing"],"every":"5s",)"
                    R"("prometheus":{"url":")" +
                        url_ + R"+(","query":"vector(0.005)","expect":"< 0.01"}}]}}})+")
                  .ok());
  EXPECT_TRUE(arrives(world, "ab", "complete"));
}

TEST_F(Checks, AUrlThatIsNotAllowedIsNotAsked) {
  World& world = *world_;
  ASSERT_TRUE(gate_is(world, "aa", "Checks", "Unknown", "--allowed-prometheus-urls"));
  EXPECT_EQ(steps(world, "aa"), "");
  EXPECT_TRUE(tells(world, "aa", "GateUnknown"));
}

TEST_F(Checks, NoPasswordOfThemIsShownAnywhere) {
  World& world = *world_;
  ASSERT_TRUE(world.eventually([&] { return world.field("sm", "status.phase") != ""; }));
  const std::string all = world.operator_process().log() +
                          world.kubectl({"get", "rlsm,rlsdb,events.events.k8s.io", "-o", "yaml"}).out +
                          world.kubectl({"describe", "rlsm"}).out + world.http("/metrics").out +
                          world.sql("SELECT string_agg(t::text, '') FROM rls_operator.transition t") +
                          world.sql("SELECT string_agg(t::text, '') FROM rls_operator.hold t");
  EXPECT_THAT(all, HasSubstr("errors"));
  EXPECT_THAT(all, Not(HasSubstr(kPassword)));
  EXPECT_THAT(all, Not(HasSubstr(kFormerPassword)));
}

/// The database demands that no project is in trouble; `sm` is.
class ChecksOfTheDatabase : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    world_ = std::make_unique<World>();
    make_role(*world_, "trouble", "project text PRIMARY KEY");
    world_->sql("INSERT INTO trouble VALUES ('sm')");
    give_secret(*world_, kPassword);
    world_->create_database("", "  checks: {secretRef: {name: checks}}\n  minimumGates: {checks: [" +
                                    std::string(kTrouble) + "]}\n");
    world_->start_operator();
    for (const char* const project : {"sm", "ab"}) migrate(project, "complete");
    migrate("aa", "enforcing",
            "    checks: [{name: trouble, every: 5s, sql: {query: 'SELECT true', expect: 'true'}}]\n");
  }
  static void TearDownTestSuite() { world_.reset(); }

  static void migrate(const std::string& project, const std::string& phase, const std::string& checks = "") {
    const Output applied = world_->migrate(project, project, phase,
                                           "  gates:\n    shadowSoak: 0s\n    enforcingSoak: 0s\n" + checks);
    EXPECT_TRUE(applied.ok()) << applied.out;
  }
  static void demand(const std::string& checks) {
    const Output patched = world_->kubectl({"patch", "rlsdb", "main", "--type=merge", "-p",
                                            R"({"spec":{"minimumGates":{"checks":[)" + checks + "]}}}"});
    EXPECT_TRUE(patched.ok()) << patched.out;
  }

  static constexpr const char* kTrouble =
      R"({"name": "trouble", "onFailure": "Rollback", "every": "5s", "sql": {"query": )"
      R"json("SELECT NOT EXISTS (SELECT FROM public.trouble WHERE project = $1)"}})json";
  static inline std::unique_ptr<World> world_;
};

TEST_F(ChecksOfTheDatabase, R_A14_HoldAndTakeBackWhomTheyFailFor) {
  World& world = *world_;
  ASSERT_TRUE(gate_is(world, "sm", "Checks", "Blocked", "\"trouble\" of the database: "));
  EXPECT_TRUE(arrives(world, "ab", "complete")) << "each project is asked about by its name";
  EXPECT_EQ(steps(world, "sm"), "");
  EXPECT_THAT(run({RLS_CTL_BINARY, "explain", "sm", "--namespace", world.ns()}).out,
              HasSubstr("\"trouble\" of the database: "));
  world.sql("DELETE FROM trouble");
  ASSERT_TRUE(arrives(world, "sm", "complete"));

  world.sql("INSERT INTO trouble VALUES ('sm')");
  ASSERT_TRUE(arrives(world, "sm", "shadow"));
  EXPECT_TRUE(becomes(world, "sm", "Stalled", "True/CheckFailed"));
  EXPECT_EQ(world.sql("SELECT project_id || ' ' || phase || ' ' || by FROM rls_operator.hold"),
            "sm shadow check database/trouble");
  EXPECT_THAT(world.field("sm", "status.history[0].reason"),
              HasSubstr("check \"trouble\" of the database failed: "));
  EXPECT_TRUE(tells(world, "sm", "CheckFailed"));
  EXPECT_THAT(world.http("/metrics").out,
              Not(HasSubstr("rls_check_results_total{demanded_by=\"database\",result=\"failed\"} 0\n")));
  EXPECT_EQ(world.field("ab", "status.phase"), "complete");
}

TEST_F(ChecksOfTheDatabase, CountAtOnceWhenTheyAreChanged) {
  World& world = *world_;
  ASSERT_TRUE(arrives(world, "aa", "enforcing"));
  demand(std::string(kTrouble) +
         R"(,{"name":"closed","phases":["complete"],"sql":{"query":"SELECT 'no'","expect":"yes"}})");
  ASSERT_TRUE(patch(world, "aa", R"({"spec":{"phase":"complete"}})").ok());
  ASSERT_TRUE(gate_is(world, "aa", "Checks", "Blocked", "\"closed\" of the database: "));
  EXPECT_EQ(world.field("aa", "status.phase"), "enforcing");
  demand(kTrouble);
  EXPECT_TRUE(arrives(world, "aa", "complete"));
}

}  // namespace
}  // namespace rls::test
