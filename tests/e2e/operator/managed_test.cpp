// The managed runtime from `kubectl apply` to enforcing, on a database that had no row-level security.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/operator/lifecycle.hpp"

namespace rls::test {
namespace {

using testing::HasSubstr;

class Managed : public testing::Test {
 protected:
  void SetUp() override {
    world_.sql(
        "DO $$ BEGIN CREATE ROLE e2e_managed_owner; EXCEPTION WHEN duplicate_object OR unique_violation THEN "
        "NULL; END $$; "
        "GRANT e2e_managed_owner, pg_read_all_stats TO rls_operator_role; CREATE SCHEMA shop AUTHORIZATION "
        "e2e_managed_owner; "
        "SET ROLE e2e_managed_owner; CREATE TABLE shop.orders (id int PRIMARY KEY, project_id text NOT "
        "NULL); "
        "CREATE INDEX ON shop.orders (project_id); INSERT INTO shop.orders SELECT i, (ARRAY['sm', 'io'])[1 + "
        "i % 2] FROM "
        "generate_series(1, 20) i; GRANT USAGE ON SCHEMA shop TO app_user; GRANT SELECT, INSERT, UPDATE, "
        "DELETE ON "
        "shop.orders TO app_user");
    world_.create_secret(world_.operator_uri());
    const Output applied = world_.apply(
        "apiVersion: rls-operator.dev/v1alpha1\nkind: RlsDatabase\nmetadata: {name: main}\nspec:\n"
        "  connection: {secretRef: {name: main-db}}\n  runtime: {mode: Managed}\n  tables: [{name: "
        "shop.*}]\n");
    ASSERT_EQ(applied.exit_code, 0) << applied.out;
    world_.start_operator();
  }
  bool reaches(const std::string& name, const std::string& phase) {
    return world_.eventually([&] { return world_.field(name, "status.phase") == phase; });
  }
  Output as(const std::string& project, const std::string& statement) {
    return run({"psql", "-XAt", "-v", "ON_ERROR_STOP=1", world_.application_uri(), "-c",
                "BEGIN; SELECT rls.set_project_context('" + project + "'); " + statement + "; COMMIT"});
  }
  World world_;
};

TEST_F(Managed, FromNothingToEnforcedOnEvidence) {
  const std::string gates = "  gates: {shadowSoak: 2s, minTransactions: 0}\n  access: {level: isolated}\n";
  ASSERT_EQ(world_.migrate("sm", "sm", "shadow", gates).exit_code, 0);
  ASSERT_TRUE(reaches("sm", "shadow"));
  ASSERT_TRUE(
      world_.eventually([&] { return world_.condition("main", "Ready", "rlsdatabase") == "True/Managed"; }));
  EXPECT_EQ(world_.field("main", "status.tables.protected", "rlsdatabase"), "1");

  // A read that enforcing would deny: seen, blocked by it, nothing refused.
  EXPECT_THAT(as("sm", "SELECT count(*) FROM shop.orders").out, HasSubstr("20"));
  ASSERT_EQ(world_.migrate("sm", "sm", "enforcing", gates).exit_code, 0);
  ASSERT_TRUE(world_.eventually([&] {
    const std::string blocked = world_.field("sm", "status.blockedBy");
    return blocked.find("Violations") != blocked.npos && blocked.find("Review") != blocked.npos;
  }));
  ASSERT_TRUE(world_.eventually([&] { return world_.field("sm", "status.violations.unreviewed") == "1"; }));
  EXPECT_EQ(world_.field("sm", "status.violations.samples[0].operation"), "SELECT");
  const std::string kind = world_.field("sm", "status.violations.samples[0].fingerprint");

  // The application is mended, somebody says so, and the soak is over again.
  EXPECT_EQ(
      world_.sql("SELECT rls_operator.review(ARRAY['" + kind + "'], 'fixed', 'ann', 'adds the condition')"),
      "1");
  ASSERT_TRUE(reaches("sm", "enforcing"));
  EXPECT_THAT(as("sm", "SELECT count(*) FROM shop.orders").out, HasSubstr("10"));
  EXPECT_NE(as("sm", "INSERT INTO shop.orders VALUES (100, 'io')").exit_code, 0);
  EXPECT_EQ(as("sm", "INSERT INTO shop.orders VALUES (100, 'sm')").exit_code, 0);

  ASSERT_EQ(world_.migrate("sm", "sm", "pending", gates).exit_code, 0);
  ASSERT_TRUE(reaches("sm", "pending"));
  EXPECT_THAT(as("sm", "SELECT count(*) FROM shop.orders").out, HasSubstr("21"));
}

TEST_F(Managed, RlsctlFindsTheDatabaseByItsObject) {
  ASSERT_EQ(world_.migrate("sm", "sm", "shadow", "  access: {level: isolated}\n").exit_code, 0);
  ASSERT_TRUE(reaches("sm", "shadow"));
  ASSERT_TRUE(world_.eventually(
      [&] { return world_.field("main", "status.runtime.evidence.state", "rlsdatabase") == "Complete"; }));
  as("sm", "SELECT count(*) FROM shop.orders");
  const auto rlsctl = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), RLS_CTL_BINARY);
    arguments.insert(arguments.end(), {"--database", "main", "--namespace", world_.ns()});
    return run(arguments);
  };
  const Output list = rlsctl({"review", "list", "sm"});
  ASSERT_TRUE(list.ok()) << list.out;
  EXPECT_THAT(list.out, HasSubstr("shop.orders SELECT (candidate)"));
  const Output fixed = rlsctl({"review", "fixed", list.out.substr(0, 16), "--by", "ann"});
  EXPECT_TRUE(fixed.ok()) << fixed.out;
  EXPECT_EQ(world_.sql("SELECT verdict || ' ' || by FROM rls_operator.review"), "fixed ann");
  const Output missing =
      run({RLS_CTL_BINARY, "review", "list", "--database", "nowhere", "--namespace", world_.ns()});
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_THAT(missing.out, HasSubstr("✗ NotFound"));
  EXPECT_THAT(list.out + missing.out, testing::Not(HasSubstr(world_.operator_password())));
}

TEST_F(Managed, TransactionsAreWaitedFor) {
  ASSERT_EQ(
      world_.migrate("io", "io", "enforcing", "  gates: {shadowSoak: 0s, minTransactions: 20}\n").exit_code,
      0);
  ASSERT_TRUE(world_.eventually([&] { return world_.field("io", "status.blockedBy") == "Transactions"; }));
  std::string statements;
  for (int i = 0; i < 400; ++i) statements += "BEGIN; SELECT rls.set_project_context('io'); COMMIT;\n";
  ASSERT_EQ(run({"psql", "-XAtq", world_.application_uri()}, statements).exit_code, 0);
  EXPECT_TRUE(reaches("io", "enforcing"));
}

TEST_F(Managed, AMisspeltProjectIsUnknownAndAnAccessRegistersANewOne) {
  world_.migrate("typo", "smm", "shadow");
  world_.migrate("fresh", "fresh", "shadow", "  access: {level: shared, readable: [io]}\n");
  ASSERT_TRUE(reaches("fresh", "shadow"));
  EXPECT_EQ(world_.sql("SELECT readable FROM rls.effective_access WHERE project_id = 'fresh'"), "{fresh,io}");
  EXPECT_TRUE(world_.eventually([&] { return world_.condition("typo", "Ready") == "False/UnknownProject"; }));
}

TEST_F(Managed, ATenantThatComesLaterOpensNothing) {
  const std::string gates =
      "  gates: {shadowSoak: 0s, enforcingSoak: 0s, minTransactions: 0, review: None}\n"
      "  access: {level: isolated}\n";
  for (const char* name : {"sm", "io"}) {
    ASSERT_EQ(world_.migrate(name, name, "enforcing", gates).exit_code, 0);
  }
  ASSERT_TRUE(reaches("sm", "enforcing") && reaches("io", "enforcing"));
  const std::string everything = "SELECT 'rows ' || count(*) FROM shop.orders";
  ASSERT_THAT(as("late", everything).out, HasSubstr("rows 0"));
  ASSERT_TRUE(world_.eventually(
      [&] { return world_.condition("main", "Isolated", "rlsdatabase") == "True/EveryProjectEnforces"; }));

  ASSERT_EQ(world_.migrate("late", "late", "complete", gates).exit_code, 0);
  ASSERT_TRUE(reaches("late", "complete"));
  EXPECT_EQ(world_.condition("late", "TargetReached"), "True/TargetReached");
  EXPECT_EQ(world_.sql("SELECT string_agg(kind || ' ' || to_phase, ', ' ORDER BY ordinal) FROM "
                       "rls_operator.transition WHERE project_id = 'late'"),
            "adopted enforcing, moved complete");
  EXPECT_THAT(as("late", everything).out, HasSubstr("rows 0"));
  EXPECT_THAT(run({"psql", "-XAt", world_.application_uri(), "-c", everything}).out, HasSubstr("rows 0"))
      << "without a context";
  EXPECT_TRUE(world_.eventually(
      [&] { return world_.condition("main", "Isolated", "rlsdatabase") == "True/EveryProjectEnforces"; }));
  EXPECT_EQ(world_.kubectl({"get", "events.events.k8s.io"}).out.find("IsolationLost"), std::string::npos);

  // A person may open it again, and everybody is told.
  ASSERT_EQ(world_.migrate("late", "late", "shadow", gates).exit_code, 0);
  EXPECT_TRUE(world_.eventually(
      [&] { return world_.condition("main", "Isolated", "rlsdatabase") == "False/ProjectsOpen"; }));
  EXPECT_TRUE(world_.eventually([&] {
    return world_.kubectl({"get", "events.events.k8s.io"}).out.find("IsolationLost") != std::string::npos;
  }));
}

TEST_F(Managed, ATableThatCannotBeProtectedIsSaidSo) {
  world_.sql("CREATE TABLE shop.invoices (project_id text); ALTER TABLE shop.invoices OWNER TO postgres");
  ASSERT_TRUE(world_.eventually(
      [&] { return world_.condition("main", "Ready", "rlsdatabase") == "False/TablesNotProtected"; }));
  EXPECT_THAT(world_.message("main", "rlsdatabase"), HasSubstr("shop.invoices: its owner is postgres"));
  EXPECT_TRUE(world_.eventually([&] {
    return world_.http("/metrics")
               .out.find("rls_database_tables_unprotected{namespace=\"" + world_.ns() +
                         "\",database=\"main\"} 1") != std::string::npos;
  }));
  world_.sql("ALTER TABLE shop.invoices OWNER TO e2e_managed_owner");
  EXPECT_TRUE(
      world_.eventually([&] { return world_.condition("main", "Ready", "rlsdatabase") == "True/Managed"; }));
}

TEST_F(Managed, DriftIsShownAndPutBack) {
  ASSERT_TRUE(
      world_.eventually([&] { return world_.condition("main", "Ready", "rlsdatabase") == "True/Managed"; }));
  ASSERT_EQ(world_
                .kubectl({"patch", "rlsdatabase", "main", "--type=merge", "-p",
                          R"({"spec":{"runtime":{"repair":"Report"}}})"})
                .exit_code,
            0);
  ASSERT_TRUE(seen(world_, "main", "rlsdatabase"));
  world_.sql("DROP POLICY rls_operator_select ON shop.orders");
  ASSERT_TRUE(world_.eventually(
      [&] { return world_.condition("main", "Drifted", "rlsdatabase") == "True/RuntimeChanged"; }));
  ASSERT_EQ(world_
                .kubectl({"patch", "rlsdatabase", "main", "--type=merge", "-p",
                          R"({"spec":{"runtime":{"repair":"Auto"}}})"})
                .exit_code,
            0);
  EXPECT_TRUE(world_.eventually([&] { return world_.condition("main", "Drifted", "rlsdatabase").empty(); }));
  EXPECT_EQ(world_.sql("SELECT count(*) FROM pg_policy WHERE polrelid = 'shop.orders'::regclass"), "4");
}

}  // namespace
}  // namespace rls::test
