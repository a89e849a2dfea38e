#include "controller/ctl/approving.hpp"

#include <gmock/gmock.h>

#include "controller/api/approval.hpp"

namespace rls::ctl {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

const Time kNow = *parse_rfc3339("2026-11-21T12:00:00Z");

/// In shadow, and wants a yes for enforcing.
api::RlsMigration waiting() {
  api::RlsMigration out;
  out.meta.name = {"tenants", "sm"};
  out.meta.generation = 2;
  out.spec.project = "sm";
  out.spec.database = "main";
  out.spec.phase = Phase::complete;
  out.status.observed_generation = 2;
  out.status.phase = Phase::shadow;
  out.status.evidence_digest = std::string(64, '7');
  out.status.violations = api::ViolationsStatus{};
  out.status.gates = {{"SoakTime", api::GateState::passed, kNow, "", "", ""},
                      {"Approval", api::GateState::waiting, kNow, "", "1 person for enforcing", "waits"}};
  out.status.conditions = {{"Ready", api::ConditionStatus::is_true, "AwaitingGates", "waiting", 2, kNow}};
  return out;
}

std::string refusal(const api::RlsMigration& migration, Phase phase) {
  const auto why = why_no_approval(migration, phase);
  return why ? why->reason + ": " + why->message : "";
}

TEST(WhyNoApproval, TheNextStepThatWantsOneCanBeApproved) {
  EXPECT_EQ(refusal(waiting(), Phase::enforcing), "");
}

TEST(WhyNoApproval, OnlyTheNextStep) {
  EXPECT_THAT(refusal(waiting(), Phase::complete),
              HasSubstr("the next step of project \"sm\" is from shadow to enforcing"));
  EXPECT_THAT(refusal(waiting(), Phase::shadow), HasSubstr("is in shadow already"));
}

TEST(WhyNoApproval, NotWithoutEvidence) {
  api::RlsMigration none = waiting();
  none.status.evidence_digest.clear();
  EXPECT_THAT(refusal(none, Phase::enforcing),
              HasSubstr("NothingToApprove: the step of project \"sm\" to enforcing wants no approval"));
  none.status.gates.clear();
  none.status.conditions[0] = {
      "Ready", api::ConditionStatus::is_true, "TargetReached", "the project is in shadow", 2, kNow};
  EXPECT_THAT(refusal(none, Phase::enforcing),
              HasSubstr("is not waiting to go up: TargetReached, the project is in shadow"));
}

TEST(WhyNoApproval, NotOnAnOldStatus) {
  api::RlsMigration old = waiting();
  old.status.observed_generation = 1;
  EXPECT_THAT(refusal(old, Phase::enforcing),
              HasSubstr("StatusIsOld: the operator has not looked at this spec"));
  old = waiting();
  old.status.phase.reset();
  EXPECT_THAT(refusal(old, Phase::enforcing), HasSubstr("StatusIsOld"));
}

TEST(WhyNoApproval, NotWhereApprovalsDoNotCount) {
  api::RlsMigration unguarded = waiting();
  unguarded.status.gates[1].state = api::GateState::unknown;
  unguarded.status.gates[1].message = "nobody can tell who wrote an RlsApproval: the policy is missing";
  EXPECT_THAT(refusal(unguarded, Phase::enforcing),
              HasSubstr("approvals do not count here: nobody can tell"));
}

TEST(ApprovalSummary, ShowsWhatIsSaidYesTo) {
  EXPECT_EQ(approval_summary(waiting(), Phase::enforcing, "ann", kNow + 1h),
            "project     sm (tenants/sm, database main)\n"
            "step        shadow → enforcing\n"
            "violations  none\n"
            "approver    ann\n"
            "evidence    " +
                std::string(64, '7') +
                "\n"
                "gates\n"
                "  ✓  SoakTime  Passed   1h\n"
                "  …  Approval  Waiting  1h  needs 1 person for enforcing: waits\n");
  api::RlsMigration grouped = waiting();
  grouped.spec.group = api::GroupSpec{"wave-3", {"sm", "io"}};
  EXPECT_THAT(approval_summary(grouped, Phase::enforcing, "ann", kNow),
              HasSubstr("group       wave-3: goes up with"));
}

TEST(EncodeApproval, IsWhatTheOperatorReads) {
  std::string made =
      encode_approval(waiting(), Phase::enforcing, "ann@example.org", "a \"clean\" week", kNow + 24h);
  constexpr std::string_view kGenerated = R"("generateName":"sm-enforcing-")";
  ASSERT_NE(made.find(kGenerated), made.npos) << made;
  made.replace(made.find(kGenerated), kGenerated.size(),
               R"("name":"sm-enforcing-x7k2p")");  // as the API server
  const auto read = api::decode_approval(made);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(read->migration, "sm");
  EXPECT_EQ(read->meta.name.ns, "tenants");
  EXPECT_EQ(read->phase, Phase::enforcing);
  EXPECT_EQ(read->approver, "ann@example.org");
  EXPECT_EQ(read->evidence_digest, std::string(64, '7'));
  EXPECT_EQ(read->comment, "a \"clean\" week");
  EXPECT_EQ(read->expires, kNow + 24h);
  EXPECT_THAT(encode_approval(waiting(), Phase::enforcing, "ann", "", {}),
              testing::AllOf(HasSubstr(R"("generateName":"sm-enforcing-")"), Not(HasSubstr("expires")),
                             Not(HasSubstr("comment"))));
}

TEST(ParseExpiry, TakesALengthOrATime) {
  EXPECT_EQ(parse_expiry("24h", kNow), kNow + 24h);
  EXPECT_EQ(parse_expiry("2026-12-01T00:00:00Z", kNow), parse_rfc3339("2026-12-01T00:00:00Z"));
  EXPECT_EQ(parse_expiry("tomorrow", kNow), std::nullopt);
}

TEST(ForPeople, ThePolicysOwnWords) {
  const Error denied = terminal(
      "Forbidden",
      R"(the API server refused to create rlsapprovals in namespace "t" (403). The server says: )"
      R"("rlsapprovals.rls-operator.dev \"sm-x\" is forbidden: ValidatingAdmissionPolicy 'rls-operator-approvals' )"
      R"(with binding 'rls-operator-approvals' denied request: \"bob\" may not approve rlsmigration \"sm\"")");
  EXPECT_EQ(for_people(denied, {"bob", "create", "rlsapprovals", "t", "rls-operator-approver"}).message,
            R"(a policy of the cluster says no: "bob" may not approve rlsmigration "sm")");
}

TEST(ForPeople, TheRoleThatIsMissing) {
  const Error denied = terminal(
      "Forbidden",
      R"(… The server says: "rlsapprovals.rls-operator.dev is forbidden: User \"bob\" cannot create resource \"rlsapprovals\"")");
  EXPECT_EQ(
      for_people(denied, {"bob", "create", "rlsapprovals", "t", "rls-operator-approver"}).message,
      R"("bob" may not create rlsapprovals in namespace "t": it takes ClusterRole rls-operator-approver there, )"
      "which an administrator gives (docs/approvals.md)");
  EXPECT_THAT(for_people(denied, {"", "list", "rlsmigrations", "", "rls-operator-viewer"}).message,
              HasSubstr("you may not list rlsmigrations in all namespaces: it takes ClusterRole "
                        "rls-operator-viewer, which"));
}

TEST(ForPeople, OtherErrorsStay) {
  EXPECT_EQ(for_people(transient("Timeout", "late"), {}).message, "late");
  EXPECT_EQ(for_people(terminal("Forbidden", "quota is used up"), {}).message, "quota is used up");
}

}  // namespace
}  // namespace rls::ctl
