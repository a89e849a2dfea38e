// Jobs of checks on a genuine API server. No controller runs there: the test says in a Job's status what
// became of it.

#include "controller/checks/job_check.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/kube/client/real_server.hpp"

namespace rls::checks {
namespace {

using namespace std::chrono_literals;
using kube::test::kubectl;
using nlohmann::json;
using testing::HasSubstr;
using State = CheckResult::State;
using Heard = Outcome::Heard;

constexpr const char* kTemplate =
    R"({"metadata":{"labels":{"team":"a"}},"spec":{"backoffLimit":0,"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"busybox"}]}}}})";

class JobCheck : public testing::Test {
 protected:
  static void SetUpTestSuite() { kube::initialize_http_library(); }
  void SetUp() override {
    kube::test::demand_server();
    static int count = 0;
    ns_ = "checks-test-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
    kube::test::apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: " + ns_ + "}\n");
    auto made = kube::make_client({}, seam_);
    ASSERT_TRUE(made.ok()) << made.error().message;
    client_ = std::move(*made);
    owner_ = {{ns_, "shop"}, "5b2e7c0a-1111-4222-8333-944445555666", "enforcing"};
    check_.name = "restore";
    check_.job = api::JobCheck{kTemplate};
  }
  void TearDown() override {
    if (ns_.empty()) return;
    kubectl("delete jobs --all --wait=false -n " + ns_);
    kubectl("delete namespace --wait=false " + ns_);
  }

  Outcome look() { return run_job_check(owner_, check_, *client_, now_, {}); }
  std::string job_name() const { return job_identity(owner_, check_)->name.name; }
  std::string of_job(const std::string& jsonpath) const {
    return kubectl("get job " + job_name() + " -n " + ns_ + " -o 'jsonpath={" + jsonpath + "}'");
  }
  std::string jobs() const {
    return kubectl("get jobs -n " + ns_ + " -o 'jsonpath={.items[*].metadata.name}'");
  }
  /// As the Job controller ends it.
  void end(const std::string& type, const std::string& reason) const {
    const std::string before = type == "Complete" ? "SuccessCriteriaMet" : "FailureTarget";
    const auto condition = [&](const std::string& which) {
      return R"({"type":")" + which + R"(","status":"True","reason":")" + reason +
             R"(","lastTransitionTime":"2026-01-15T12:00:00Z"})";
    };
    const std::string done =
        type == "Complete" ? R"("succeeded":1,"completionTime":"2026-01-15T12:00:00Z",)" : R"("failed":1,)";
    patch(R"({"status":{"startTime":"2026-01-15T11:00:00Z",)" + done + R"("conditions":[)" +
          condition(before) + "," + condition(type) + "]}}");
  }
  void patch(const std::string& status) const {
    kubectl("patch job " + job_name() + " -n " + ns_ + " --subresource=status --type=merge -p '" + status +
            "'");
  }

  std::string ns_;
  Seam seam_;
  std::unique_ptr<kube::Client> client_;
  JobOwner owner_;
  api::CheckSpec check_;
  Time now_ = *parse_rfc3339("2026-01-15T12:30:00Z");
};

TEST_F(JobCheck, MakesItsJobOnceAndFindsItAgain) {
  const Outcome first = look();
  EXPECT_EQ(first.heard, Heard::running) << first.message;
  EXPECT_EQ(first.again_in, 5s);
  EXPECT_EQ(jobs(), job_name());
  const std::string uid = of_job(".metadata.uid");
  const Outcome second = look();
  EXPECT_EQ(second.heard, Heard::running);
  EXPECT_EQ(second.message, "Job " + job_name() + " is running");
  EXPECT_EQ(of_job(".metadata.uid"), uid);
}

TEST_F(JobCheck, TheJobIsTheMigrationsAndSaysSo) {
  look();
  EXPECT_EQ(of_job(".metadata.labels.rls-operator\\.dev/migration-uid"), owner_.uid);
  EXPECT_EQ(of_job(".metadata.labels.rls-operator\\.dev/check"), "restore");
  EXPECT_EQ(of_job(".metadata.labels.team"), "a");
  EXPECT_EQ(of_job(".metadata.ownerReferences[*].uid"), owner_.uid);
  EXPECT_EQ(of_job(".metadata.ownerReferences[*].kind"), "RlsMigration");
  EXPECT_EQ(of_job(".spec.activeDeadlineSeconds"), "3600");
  EXPECT_EQ(of_job(".spec.ttlSecondsAfterFinished"), "86400");
}

TEST_F(JobCheck, PassesWhenItIsComplete) {
  look();
  patch(
      R"({"status":{"startTime":"2026-01-15T11:00:00Z","conditions":[{"type":"SuccessCriteriaMet","status":"True",)"
      R"("reason":"CompletionsReached","lastTransitionTime":"2026-01-15T12:00:00Z"}]}})");
  EXPECT_EQ(look().heard, Heard::running) << "its Pods are still going";
  end("Complete", "CompletionsReached");
  const Outcome outcome = look();
  EXPECT_EQ(outcome.state, State::passed);
  EXPECT_EQ(outcome.message, "Job " + job_name() + " succeeded");
  EXPECT_EQ(outcome.again_in, 5min);
}

TEST_F(JobCheck, FailsWithItsReason) {
  look();
  end("Failed", "BackoffLimitExceeded");
  const Outcome outcome = look();
  EXPECT_EQ(outcome.state, State::failed);
  EXPECT_EQ(outcome.message, "Job " + job_name() + " failed: BackoffLimitExceeded");
}

TEST_F(JobCheck, OneThatSomebodyDeletedIsRunAnew) {
  look();
  end("Failed", "BackoffLimitExceeded");
  const std::string uid = of_job(".metadata.uid");
  kubectl("delete job " + job_name() + " -n " + ns_);
  EXPECT_EQ(look().heard, Heard::running);
  EXPECT_NE(of_job(".metadata.uid"), uid);
}

TEST_F(JobCheck, WithEveryItIsRunAnewWhenItsEndIsThatLongAgo) {
  check_.every = 45min;
  look();
  end("Complete", "CompletionsReached");
  const std::string uid = of_job(".metadata.uid");
  Outcome outcome = look();
  EXPECT_EQ(outcome.state, State::passed) << "half an hour ago";
  EXPECT_EQ(outcome.again_in, 5min);
  now_ += 14min;
  EXPECT_EQ(look().again_in, 1min) << "to be there in time";
  now_ += 1min;
  outcome = look();
  EXPECT_EQ(outcome.heard, Heard::running) << outcome.message;
  EXPECT_EQ(jobs(), "");
  look();
  EXPECT_NE(of_job(".metadata.uid"), uid);
}

TEST_F(JobCheck, AForeignJobOfItsNameIsNoEvidence) {
  kube::test::apply(
      "apiVersion: batch/v1\nkind: Job\nmetadata: {name: " + job_name() + ", namespace: " + ns_ +
      "}\nspec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: x}]}}}\n");
  end("Complete", "CompletionsReached");
  const Outcome outcome = look();
  EXPECT_EQ(outcome.state, State::unknown);
  EXPECT_EQ(outcome.heard, Heard::answer);
  EXPECT_THAT(outcome.message, HasSubstr("is not of this check"));
}

TEST_F(JobCheck, AnotherMigrationsJobIsNoEvidenceEither) {
  look();
  end("Complete", "CompletionsReached");
  kubectl("label job " + job_name() + " -n " + ns_ + " --overwrite rls-operator.dev/migration-uid=another");
  EXPECT_EQ(look().state, State::unknown);
}

TEST_F(JobCheck, WhatTheServerRefusesIsSaid) {
  check_.job->template_json = R"({"spec":{"template":{"spec":{"containers":[]}}}})";
  const Outcome outcome = look();
  EXPECT_EQ(outcome.state, State::unknown);
  EXPECT_EQ(outcome.heard, Heard::answer);
  EXPECT_THAT(outcome.message, HasSubstr("spec.template.spec.containers"));
}

TEST_F(JobCheck, ALostReplyMakesNoSecondJob) {
  PlannedSeam seam(FaultPlan{CallKind::api, 2, Fault::lose_reply});
  auto faulty = kube::make_client({}, seam);
  ASSERT_TRUE(faulty.ok());
  EXPECT_EQ(run_job_check(owner_, check_, **faulty, now_, {}).heard, Heard::nothing);
  const std::string uid = of_job(".metadata.uid");
  EXPECT_EQ(look().heard, Heard::running);
  EXPECT_EQ(of_job(".metadata.uid"), uid);
}

TEST_F(JobCheck, AStopMakesNoJob) {
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(run_job_check(owner_, check_, *client_, now_, stop.get_token()).heard, Heard::nothing);
  EXPECT_EQ(jobs(), "");
}

TEST_F(JobCheck, TwoLeadersMakeOneJob) {
  std::vector<std::jthread> both;
  std::atomic<int> running{0};
  for (int i = 0; i < 4; ++i) {
    both.emplace_back([&] { running += look().heard == Heard::running; });
  }
  both.clear();
  EXPECT_EQ(running, 4);
  EXPECT_EQ(jobs(), job_name());
}

TEST_F(JobCheck, JobsThatNobodyWantsAreDeletedAndOthersAreNot) {
  look();
  const std::string kept = job_name();
  const api::CheckSpec wanted = check_;
  check_.name = "removed";
  look();
  check_ = wanted;
  owner_.subject = "shadow";
  look();
  owner_.subject = "enforcing";
  check_.job->template_json =
      R"({"spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"old"}]}}}})";
  look();
  check_ = wanted;
  owner_.uid = "another-migration";
  look();
  const std::string others = job_name();
  owner_.uid = "5b2e7c0a-1111-4222-8333-944445555666";
  // Labelled like ours, but not made by us.
  kube::test::apply(
      "apiVersion: batch/v1\nkind: Job\nmetadata: {name: copy, namespace: " + ns_ +
      ", labels: {rls-operator.dev/migration-uid: " + owner_.uid +
      "}}\nspec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: x}]}}}\n");
  const auto swept = delete_stale_jobs(owner_, std::vector{wanted}, *client_, {});
  ASSERT_TRUE(swept.ok()) << swept.error().message;
  std::vector<std::string> left;
  std::istringstream names(jobs());
  for (std::string name; names >> name;) left.push_back(name);
  EXPECT_THAT(left, testing::UnorderedElementsAre(kept, others, "copy"));
  ASSERT_TRUE(delete_stale_jobs(owner_, {}, *client_, {}).ok());
  EXPECT_THAT(jobs(), testing::Not(HasSubstr(kept)));
}

TEST_F(JobCheck, OnlyTheJobThatWasSeenIsDeleted) {
  look();
  const auto deleted =
      client_->delete_object({"batch/v1", "jobs", ns_}, {ns_, job_name()}, "another-uid", 5s);
  ASSERT_FALSE(deleted.ok());
  EXPECT_EQ(deleted.error().kind, ErrorKind::conflict);
  EXPECT_EQ(jobs(), job_name());
}

TEST_F(JobCheck, MetadataOfAListIsAllThatComes) {
  look();
  const auto listed = client_->list_metadata({"batch/v1", "jobs", ns_}, "team=a", 5s);
  ASSERT_TRUE(listed.ok()) << listed.error().message;
  const json list = json::parse(*listed);
  ASSERT_EQ(list["items"].size(), 1U);
  EXPECT_EQ(list["items"][0]["metadata"]["name"], job_name());
  EXPECT_FALSE(list["items"][0].contains("spec"));
  EXPECT_EQ(json::parse(*client_->list_metadata({"batch/v1", "jobs", ns_}, "team=b", 5s))["items"].size(),
            0U);
}

}  // namespace
}  // namespace rls::checks
