// Transactions of an adopted database, counted by who is named in its spec.evidence.transactions.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/operator/lifecycle.hpp"

namespace rls::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kPassword = "counting-canary-6Hs";

class Transactions : public testing::Test {
 protected:
  void SetUp() override {
    world_.sql(std::string("DO $$ BEGIN CREATE ROLE e2e_counts LOGIN NOSUPERUSER NOBYPASSRLS; EXCEPTION WHEN "
                           "duplicate_object OR unique_violation THEN NULL; END $$; "
                           "ALTER ROLE e2e_counts PASSWORD '") +
               kPassword +
               "'; CREATE TABLE requests (project_id text, at timestamptz NOT NULL DEFAULT now()); "
               "GRANT USAGE ON SCHEMA public TO e2e_counts; GRANT SELECT ON requests TO e2e_counts");
    ASSERT_TRUE(world_
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
    std::string uri = world_.application_uri();
    const auto at = uri.find("://") + 3;
    uri.replace(at, uri.find('@') - at, std::string("e2e_counts:") + kPassword);
    ASSERT_TRUE(
        world_.kubectl({"create", "secret", "generic", "checks", "--from-file=uri=/dev/stdin"}, uri).ok());
  }
  void do_work(const std::string& project, int transactions) {
    world_.sql("INSERT INTO requests (project_id) SELECT '" + project + "' FROM generate_series(1, " +
               std::to_string(transactions) + ")");
  }
  Output count_by(const std::string& source) {
    return world_.kubectl({"patch", "rlsdb", "main", "--type=merge", "-p",
                           R"({"spec":{"evidence":{"transactions":)" + source + "}}}"});
  }

  World world_;
};

constexpr const char* kCounting =
    R"({"sql":"SELECT count(*) FROM public.requests WHERE project_id = $1 AND at > $2"})";

constexpr const char* kBroken =
    R"q({"sql":"SELECT count(*) FROM public.nobody WHERE $1 = '' AND $2 < now()"})q";
constexpr const char* kElsewhere =
    R"q({"prometheus":{"url":"http://metrics.example:9090","query":"sum(x{p=\"$project\"}[$window])"}})q";

TEST_F(Transactions, R_A6_AnAdoptedProjectWaitsUntilAThousandAreCounted) {
  do_work("sm", 5000);  // before shadow: they prove nothing
  world_.create_database("", "  checks: {secretRef: {name: checks}}\n");
  ASSERT_TRUE(count_by(kCounting).ok());
  world_.start_operator();
  ASSERT_TRUE(world_.migrate("sm", "sm", "enforcing", kNoWait).ok());
  ASSERT_TRUE(arrives(world_, "sm", "shadow"));
  EXPECT_TRUE(gate_is(world_, "sm", "Transactions", "Waiting", "0 of 1000 transactions"));
  do_work("sm", 12);
  do_work("motoko", 5000);

  // A statement that does not work is no evidence, whatever the one before has said.
  ASSERT_TRUE(count_by(kBroken).ok());
  EXPECT_TRUE(gate_is(world_, "sm", "Transactions", "Unknown", "\"public.nobody\" does not exist"));
  ASSERT_TRUE(count_by(kCounting).ok());
  EXPECT_TRUE(gate_is(world_, "sm", "Transactions", "Waiting", "12 of 1000 transactions"));
  EXPECT_EQ(gate(world_, "sm", "Transactions", "observed"), "12");
  EXPECT_EQ(gate(world_, "sm", "Transactions", "required"), "at least 1000");
  EXPECT_EQ(steps(world_, "sm"), "pending>shadow");

  // It is asked again every 30 s.
  do_work("sm", 988);
  EXPECT_TRUE(world_.eventually([&] { return world_.phase_in_database("sm") == "enforcing"; }, 90s));
  EXPECT_TRUE(arrives(world_, "sm", "enforcing"));
  EXPECT_TRUE(tells(world_, "sm", "GateUnknown"));

  const std::string all = world_.operator_process().log() +
                          world_.kubectl({"get", "rlsm,rlsdb,events.events.k8s.io", "-o", "yaml"}).out;
  EXPECT_THAT(all, HasSubstr("public.nobody"));
  EXPECT_THAT(all, Not(HasSubstr(kPassword)));
}

TEST_F(Transactions, AServerThatIsNotAllowedIsNotAsked) {
  world_.create_database();
  ASSERT_TRUE(count_by(kElsewhere).ok());
  world_.start_operator();
  ASSERT_TRUE(world_.migrate("sm", "sm", "enforcing", kNoWait).ok());
  EXPECT_TRUE(gate_is(world_, "sm", "Transactions", "Unknown", "--allowed-prometheus-urls"));
  // Whoever asks for none waits for none.
  ASSERT_TRUE(patch(world_, "sm", R"({"spec":{"gates":{"minTransactions":0}}})").ok());
  EXPECT_TRUE(arrives(world_, "sm", "enforcing"));
}

}  // namespace
}  // namespace rls::test
