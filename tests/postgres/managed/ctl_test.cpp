// rlsctl as a process, on a genuine database.

#include <gmock/gmock.h>

#include <fstream>

#include "tests/postgres/managed/fixture.hpp"
#include "tests/support/process.hpp"

namespace rls::postgres {
namespace {

using test::Output;
using testing::HasSubstr;
using testing::Not;

class Rlsctl : public ManagedTest {
 protected:
  Output rlsctl(std::vector<std::string> arguments) {
    const std::string file = testing::TempDir() + "rlsctl-" + std::to_string(::getpid());
    std::ofstream(file) << uri("managed_operator") << "\n";
    arguments.insert(arguments.begin(), RLS_CTL_BINARY);
    arguments.insert(arguments.end(), {"--uri-file", file});
    Output output = test::run(arguments);
    std::remove(file.c_str());
    EXPECT_THAT(output.out, Not(HasSubstr("managed-password")));
    return output;
  }
};

TEST_F(Rlsctl, InstallsOnceAndSaysSo) {
  Output output = rlsctl({"install"});
  EXPECT_EQ(output.exit_code, 0) << output.out;
  EXPECT_THAT(output.out, HasSubstr("✓ the managed runtime is installed in schema rls"));
  EXPECT_THAT(rlsctl({"install"}).out, HasSubstr("is there already"));
  output = rlsctl({"install", "--schema", "other"});
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.out, HasSubstr("✗ RuntimeElsewhere"));
}

TEST_F(Rlsctl, ListsWhatWaitsForAVerdictAndTakesIt) {
  Output output = rlsctl({"review", "list"});
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.out, HasSubstr("has no managed runtime"));
  open();
  tend();
  bring("a", Phase::shadow);
  EXPECT_EQ(rlsctl({"review", "list"}).out, "nothing waits for a verdict\n");
  as("a", "SELECT * FROM app.nodes WHERE label = 'n1'");
  output = rlsctl({"review", "list", "a"});
  EXPECT_EQ(output.exit_code, 0) << output.out;
  EXPECT_THAT(output.out, HasSubstr("app.nodes SELECT (candidate)  1×"));
  EXPECT_THAT(output.out, HasSubstr("label = ?"));
  const std::string kind = output.out.substr(0, 16);
  output = rlsctl({"review", "false-positive", kind, "0000000000000000", "--by", "ann"});
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.out, HasSubstr("1 of 2 kinds are known, nothing was written"));
  EXPECT_EQ(see("a").violations.count, 1);
  output = rlsctl({"review", "false-positive", kind, "--by", "ann", "--comment", "a report over all"});
  EXPECT_EQ(output.exit_code, 0) << output.out;
  EXPECT_EQ(see("a").violations.count, 0);
  EXPECT_EQ(rlsctl({"review", "list"}).out, "nothing waits for a verdict\n");
  EXPECT_THAT(rlsctl({"review", "list", "--all"}).out,
              HasSubstr("false-positive, says ann: a report over all"));
  EXPECT_THAT(rlsctl({"review", "list", "--all", "--json"}).out, HasSubstr(R"("verdict":"false-positive")"));
}

TEST_F(Rlsctl, UninstallIsRefusedWhileItMattersAndLeavesNothingBehind) {
  const std::string before = value(
      "SELECT string_agg(relname || relrowsecurity || relforcerowsecurity, ' ' ORDER BY relname) "
      "FROM pg_class WHERE relnamespace = 'app'::regnamespace");
  open();
  tend();
  bring("a", Phase::enforcing);
  store.reset();
  Output output = rlsctl({"uninstall"});
  EXPECT_THAT(output.out, HasSubstr("with --yes it is done"));
  output = rlsctl({"uninstall", "--yes"});
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.out, HasSubstr("✗ RuntimeInUse: not all projects are in pending"));

  store = make();
  open();
  must_go("a", Phase::enforcing, Phase::pending);
  tend();
  output = rlsctl({"uninstall", "--yes"});
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.out, HasSubstr("an operator is connected"));
  store.reset();
  output = rlsctl({"uninstall", "--yes"});
  EXPECT_EQ(output.exit_code, 0) << output.out;
  EXPECT_THAT(output.out, HasSubstr("app.nodes is as it was before"));
  EXPECT_EQ(value("SELECT string_agg(relname || relrowsecurity || relforcerowsecurity, ' ' ORDER BY relname) "
                  "FROM pg_class "
                  "WHERE relnamespace = 'app'::regnamespace"),
            before);
  EXPECT_EQ(value("SELECT count(*) FROM pg_policy"), "0");
  EXPECT_EQ(value("SELECT count(*) FROM pg_namespace WHERE nspname = 'rls'"), "0");
  EXPECT_EQ(value("SELECT count(*) > 0 FROM rls_operator.transition"), "t");

  // And again from the start.
  store = make();
  open();
  EXPECT_EQ(tend().status.not_ready_because, "");
}

TEST_F(Rlsctl, WhatSomebodyElseBuiltOnItIsNotTakenAway) {
  open();
  tend();
  store.reset();
  sql("CREATE VIEW public.who AS SELECT * FROM rls.project_registry");
  const Output output = rlsctl({"uninstall", "--yes"});
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.out, HasSubstr("depends on the runtime"));
  EXPECT_EQ(value("SELECT count(*) FROM public.who"), "4");
}

TEST_F(Rlsctl, RollsAProjectBackWithoutKubernetes) {
  Output output = rlsctl({"rollback", "--project", "a", "--to", "shadow", "--reason", "r"});
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.out, HasSubstr("✗ MissingTable"));
  open();
  tend();
  bring("a", Phase::enforcing);
  output =
      rlsctl({"rollback", "--project", "a", "--to", "shadow", "--reason", "it's \"bad\"", "--by", "ann"});
  EXPECT_EQ(output.exit_code, 0) << output.out;
  EXPECT_THAT(output.out, HasSubstr("✓ a is held at shadow in the database"));
  EXPECT_EQ(
      value("SELECT phase || ' ' || by || ': ' || reason FROM rls_operator.hold WHERE project_id = 'a'"),
      "shadow ann: it's \"bad\"");
  const auto hold = see("a").hold;
  ASSERT_TRUE(hold);
  EXPECT_EQ(hold->at, Phase::shadow);
  EXPECT_EQ(hold->by, "ann");
}

TEST_F(Rlsctl, ABrakeIsTightenedAndNeverLoosened) {
  open();
  tend();
  bring("a", Phase::enforcing);
  const auto at = [&](const std::string& phase) {
    return rlsctl({"rollback", "--project", "a", "--to", phase, "--reason", "r", "--by", "ann"});
  };
  EXPECT_EQ(at("shadow").exit_code, 0);
  EXPECT_EQ(at("pending").exit_code, 0);
  const Output looser = at("enforcing");
  EXPECT_EQ(looser.exit_code, 1);
  EXPECT_THAT(looser.out, HasSubstr("✗ HeldLower: project \"a\" is held at pending already, by \"ann\""));
  EXPECT_EQ(value("SELECT phase FROM rls_operator.hold"), "pending");
}

TEST_F(Rlsctl, OnlyAProjectThatIsKnownIsHeld) {
  open();
  tend();
  // Registered, and not looked at by anybody yet.
  sql("INSERT INTO rls.project_registry (project_id) VALUES ('fresh') ON CONFLICT DO NOTHING");
  EXPECT_EQ(rlsctl({"rollback", "--project", "fresh", "--to", "pending", "--reason", "r"}).exit_code, 0);
  const Output unknown = rlsctl({"rollback", "--project", "frehs", "--to", "pending", "--reason", "r"});
  EXPECT_EQ(unknown.exit_code, 1);
  EXPECT_THAT(unknown.out, HasSubstr("✗ UnknownProject: the operator knows no project \"frehs\""));
  EXPECT_EQ(value("SELECT string_agg(project_id, ' ') FROM rls_operator.hold"), "fresh");
}

TEST_F(Rlsctl, NoPersonPassesForACheck) {
  open();
  tend();
  bring("a", Phase::shadow);
  const Output output =
      rlsctl({"rollback", "--project", "a", "--to", "pending", "--reason", "r", "--by", "check errors"});
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.out, HasSubstr("would look like a check's hold"));
  EXPECT_EQ(value("SELECT count(*) FROM rls_operator.hold"), "0");
}

}  // namespace
}  // namespace rls::postgres
