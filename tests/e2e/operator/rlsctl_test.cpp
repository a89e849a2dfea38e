// What people do with rlsctl while an operator runs: approve, roll back, resume, look.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <thread>

#include "tests/support/world.hpp"

namespace rls::test {
namespace {

using namespace std::chrono_literals;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

class Rlsctl : public testing::Test {
 protected:
  void SetUp() override {
    world_.create_database();
    world_.start_operator();
  }

  Output rlsctl(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), RLS_CTL_BINARY);
    Output output = run(arguments);
    EXPECT_THAT(output.out, Not(HasSubstr(world_.operator_password())));
    return output;
  }
  Output here(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--namespace", world_.ns()});
    return rlsctl(std::move(arguments));
  }
  /// The same under the operator's service account, which is nobody's.
  Output as_account(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--kubeconfig", world_.directory() + "/kubeconfig"});
    return here(std::move(arguments));
  }
  /// As somebody at a terminal, who types `input`.
  Output at_terminal(const std::string& arguments, const std::string& input) {
    return run({"script", "-qec",
                std::string(RLS_CTL_BINARY) + " " + arguments + " --namespace " + world_.ns(), "/dev/null"},
               input);
  }
  /// What the message of a gate tells people to run, as words behind `rlsctl`.
  std::vector<std::string> told_by(const std::string& name, const std::string& gate) {
    const std::string message = world_.field(name, "status.gates[?(@.name==\"" + gate + "\")].message");
    const std::size_t command = message.find("rlsctl ");
    EXPECT_NE(command, message.npos) << message;
    std::istringstream words(message.substr(command + 7));
    return {std::istream_iterator<std::string>(words), {}};
  }
  bool reaches(const std::string& name, const std::string& phase) {
    return world_.eventually([&] { return world_.field(name, "status.phase") == phase; });
  }
  bool waits_at(const std::string& name, const std::string& gate) {
    return world_.eventually([&] { return world_.field(name, "status.blockedBy") == gate; });
  }
  void migrate_with_approval(const std::string& name, const std::string& project) {
    ASSERT_TRUE(world_.migrate(name, project, "shadow", "  gates: {approvals: {shadow: 1}}\n").ok());
    // Unknown until the operator has looked at the policies.
    ASSERT_TRUE(world_.eventually(
        [&] { return world_.field(name, "status.gates[?(@.name==\"Approval\")].state") == "Waiting"; }));
    ASSERT_TRUE(waits_at(name, "Approval"));
  }
  /// Approvals count that come more than ten seconds after the policy.
  void let_policy_be_old() {
    ASSERT_TRUE(world_.eventually([] {
      return run({"bash", "-c",
                  "created=$(${RLS_KUBECTL:-kubectl} get validatingadmissionpolicybinding "
                  "rls-operator-approvals -o jsonpath={.metadata.creationTimestamp}); "
                  "(( $(date +%s) - $(date +%s -d \"$created\") > 12 ))"})
          .ok();
    }));
  }
  World world_;
};

TEST_F(Rlsctl, ApprovesAsTheGateSays) {
  let_policy_be_old();
  migrate_with_approval("sm", "sm");
  std::vector<std::string> told = told_by("sm", "Approval");
  EXPECT_EQ(told,
            (std::vector<std::string>{"approve", "sm", "--namespace", world_.ns(), "--phase", "shadow"}));

  const Output unasked = rlsctl(told);
  EXPECT_EQ(unasked.exit_code, 1);
  EXPECT_THAT(unasked.out, HasSubstr("step        pending → shadow"));
  EXPECT_THAT(unasked.out, HasSubstr("✗ NotConfirmed: there is no terminal"));
  EXPECT_EQ(world_.kubectl({"get", "rlsa", "-o", "name"}).out, "");

  told.insert(told.end(), {"--yes", "--comment", "a clean week", "--expires", "1h"});
  const Output approved = rlsctl(told);
  EXPECT_TRUE(approved.ok()) << approved.out;
  EXPECT_THAT(approved.out, ContainsRegex("✓ .* approves that sm enters shadow \\(rlsapproval sm-shadow-"));
  EXPECT_TRUE(reaches("sm", "shadow"));
  EXPECT_THAT(world_.kubectl({"get", "rlsa", "-o", "jsonpath={.items[0].spec.comment}"}).out, "a clean week");

  const Output again = rlsctl(told);
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_THAT(again.out, HasSubstr("✗ NothingToApprove: project \"sm\" is in shadow already"));
}

TEST_F(Rlsctl, AsksAtATerminal) {
  migrate_with_approval("sm", "sm");
  const Output no = at_terminal("approve sm --phase shadow", "n\n");
  EXPECT_EQ(no.exit_code, 1) << no.out;
  EXPECT_THAT(no.out, HasSubstr("approve? [y/N]"));
  EXPECT_THAT(no.out, HasSubstr("✗ NotConfirmed: nothing was written"));
  const Output yes = at_terminal("approve sm --phase shadow", "y\n");
  EXPECT_TRUE(yes.ok()) << yes.out;
  EXPECT_THAT(yes.out, HasSubstr("approves that sm enters shadow"));
  EXPECT_THAT(at_terminal("status", "").out, HasSubstr("\x1b[33mpending"));
}

TEST_F(Rlsctl, SaysWhyItMayNotApprove) {
  migrate_with_approval("sm", "sm");
  const std::vector<std::string> approve = {"approve", "sm", "--phase", "shadow", "--yes"};
  const Output role = as_account(approve);
  EXPECT_EQ(role.exit_code, 1);
  EXPECT_THAT(role.out,
              HasSubstr("✗ Forbidden: \"system:serviceaccount:rls-operator-system:rls-operator\" may "
                        "not create rlsapprovals in namespace \"" +
                        world_.ns() + "\": it takes ClusterRole rls-operator-approver there"));
  ASSERT_TRUE(world_
                  .kubectl({"create", "rolebinding", "robot", "--clusterrole=rls-operator-approver",
                            "--serviceaccount=rls-operator-system:rls-operator"})
                  .ok());
  Output policy;
  EXPECT_TRUE(world_.eventually([&] {
    policy = as_account(approve);
    return policy.out.find("a policy of the cluster says no") != policy.out.npos;
  })) << policy.out;
  EXPECT_EQ(policy.exit_code, 1);
  EXPECT_THAT(policy.out, HasSubstr("approvals are given by people, and \"system:serviceaccount:"));
}

TEST_F(Rlsctl, WantsNoApprovalWhereNoneIsAskedFor) {
  ASSERT_TRUE(world_.migrate("sm", "sm", "shadow").ok());
  ASSERT_TRUE(reaches("sm", "shadow"));
  const Output arrived = here({"approve", "sm", "--phase", "enforcing", "--yes"});
  EXPECT_EQ(arrived.exit_code, 1);
  EXPECT_THAT(arrived.out,
              HasSubstr("✗ NothingToApprove: project \"sm\" is not waiting to go up: TargetReached"));
  const Output missing = here({"approve", "nobody", "--phase", "shadow"});
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_THAT(missing.out, HasSubstr("✗ NotFound: there is no RlsMigration \"nobody\""));
}

TEST_F(Rlsctl, RollsBackAtOnceAndResumesAsTheGateSays) {
  ASSERT_TRUE(world_.migrate("sm", "sm", "shadow").ok());
  ASSERT_TRUE(reaches("sm", "shadow"));
  const Output back =
      here({"rollback", "sm", "--to", "pending", "--reason", "orders vanish", "--by", "ann", "--wait"});
  EXPECT_TRUE(back.ok()) << back.out;
  EXPECT_THAT(back.out, HasSubstr("✓ sm is held at pending in the database\n✓ sm is in pending\n"));
  EXPECT_EQ(world_.phase_in_database("sm"), "pending");
  EXPECT_EQ(world_.sql("SELECT reason FROM rls_operator.transition ORDER BY at DESC LIMIT 1"),
            "held at pending in the database by \"ann\"");

  // Asked for at once, and not at the next look.
  EXPECT_NE(world_.field("sm", "metadata.annotations.rls-operator\\.dev/requested-at"), "");
  ASSERT_TRUE(waits_at("sm", "Hold"));
  EXPECT_THAT(here({"explain", "sm"}).out,
              HasSubstr("hold        held at pending in the database by \"ann\""));

  std::vector<std::string> told = told_by("sm", "Hold");
  EXPECT_EQ(told, (std::vector<std::string>{"resume", "sm", "--namespace", world_.ns()}));
  told.push_back("--wait");
  const Output resumed = rlsctl(told);
  EXPECT_TRUE(resumed.ok()) << resumed.out;
  EXPECT_THAT(resumed.out, HasSubstr("✓ the hold of sm in the database is gone"));
  EXPECT_TRUE(reaches("sm", "shadow"));
  EXPECT_THAT(here({"resume", "sm"}).out, HasSubstr("✓ asked; the status shows no hold of sm"));
}

TEST_F(Rlsctl, AResumeOfBeforeDoesNotReleaseTheBrake) {
  ASSERT_TRUE(world_.migrate("sm", "sm", "shadow").ok());
  ASSERT_TRUE(reaches("sm", "shadow"));
  world_.kill_operator();
  EXPECT_TRUE(here({"resume", "sm"}).ok());
  EXPECT_TRUE(here({"rollback", "sm", "--to", "pending", "--reason", "r", "--by", "ann"}).ok());
  world_.start_operator();
  EXPECT_TRUE(waits_at("sm", "Hold"));
  EXPECT_EQ(world_.sql("SELECT phase FROM rls_operator.hold"), "pending");
}

TEST_F(Rlsctl, RollbackIsRefusedWhereItBrakesNothing) {
  ASSERT_TRUE(world_.migrate("sm", "sm", "pending").ok());
  ASSERT_TRUE(reaches("sm", "pending"));
  const Output below = here({"rollback", "sm", "--to", "shadow", "--reason", "r"});
  EXPECT_EQ(below.exit_code, 1);
  EXPECT_THAT(below.out,
              HasSubstr("✗ NothingToRollBack: project \"sm\" is in pending, which is below shadow"));
  EXPECT_EQ(world_.sql("SELECT count(*) FROM rls_operator.hold"), "0");
}

TEST_F(Rlsctl, RollbackWithoutTheDatabaseTellsOfTheAnnotation) {
  ASSERT_TRUE(world_.migrate("sm", "sm", "shadow").ok());
  ASSERT_TRUE(reaches("sm", "shadow"));
  const Output output =
      here({"rollback", "sm", "--to", "pending", "--reason", "r", "--uri-file", "/nowhere"});
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.out, HasSubstr("✗ UnreadableFile"));
  EXPECT_THAT(output.out,
              HasSubstr("kubectl --namespace " + world_.ns() +
                        " annotate rlsmigration sm rls-operator.dev/hold-at=pending --overwrite"));
}

TEST_F(Rlsctl, WaitingInVainFailsAndTheHoldStands) {
  ASSERT_TRUE(world_.migrate("sm", "sm", "shadow").ok());
  ASSERT_TRUE(reaches("sm", "shadow"));
  world_.kill_operator();
  const Output output = here(
      {"rollback", "sm", "--to", "pending", "--reason", "r", "--by", "ann", "--wait", "--timeout", "1s"});
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.out, HasSubstr("✗ TimedOut: sm is in shadow after 1s, and the hold stands"));
  EXPECT_EQ(world_.sql("SELECT phase FROM rls_operator.hold"), "pending");
}

TEST_F(Rlsctl, ShowsAllProjects) {
  ASSERT_TRUE(world_.migrate("sm", "sm", "shadow").ok());
  migrate_with_approval("waits", "io");
  ASSERT_TRUE(reaches("sm", "shadow"));
  const Output all = here({"status"});
  EXPECT_TRUE(all.ok()) << all.out;
  EXPECT_THAT(all.out,
              testing::StartsWith("pending 1   shadow 1   enforcing 0   complete 0\n\nPROJECT  PHASE"));
  EXPECT_THAT(all.out,
              ContainsRegex("\nio       pending  shadow  -       [0-9ms ]+ ago +waits      Approval\n"
                            "sm       shadow   shadow  -       [0-9ms ]+ ago +sm\n"));
  EXPECT_THAT(all.out, Not(HasSubstr("\x1b")));
  EXPECT_THAT(rlsctl({"status", "-A"}).out, HasSubstr(world_.ns() + "/waits"));
  EXPECT_THAT(here({"status", "--database", "other"}).out, HasSubstr("there are no RlsMigrations"));
  EXPECT_THAT(here({"status", "--json"}).out, HasSubstr(R"("blockedBy":"Approval")"));
  const Output one = here({"status", "waits"});
  EXPECT_THAT(one.out, HasSubstr("gates of the step to shadow"));
  EXPECT_THAT(one.out, ContainsRegex("…  Approval  Waiting .*0 people, needs 1 person for shadow"));
  EXPECT_EQ(one.out.substr(0, one.out.find('\n')),
            here({"explain", "waits"}).out.substr(0, one.out.find('\n')));
}

TEST_F(Rlsctl, ShowsTheWavesOfARollout) {
  ASSERT_TRUE(
      world_
          .apply("apiVersion: rls-operator.dev/v1alpha1\nkind: RlsRollout\nmetadata: {name: all}\nspec:\n"
                 "  databaseRef: {name: main}\n  phase: shadow\n  advanceWhen: shadow\n"
                 "  template: {gates: {approvals: {shadow: 1}}}\n"
                 "  waves: [{name: one, projects: [sm]}, {name: two, projects: [io]}]\n")
          .ok());
  std::string shown;
  EXPECT_TRUE(world_.eventually([&] {
    shown = here({"status"}).out;
    return shown.find("\nrollout all: 0/2 shadow") != shown.npos && shown.find("Wave") != shown.npos;
  })) << shown;
  EXPECT_THAT(shown, ContainsRegex("\n  one  Open     0/1 shadow"));
  EXPECT_THAT(shown, ContainsRegex("\n  two  Waiting  0/1 shadow  [a-z]"));
}

}  // namespace
}  // namespace rls::test
