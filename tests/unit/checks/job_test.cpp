// The Job of a check: its name, its object, and what its status says.

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "controller/checks/job_check.hpp"

namespace rls::checks {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::MatchesRegex;

const JobOwner kOwner{{"tenants", "shop"}, "uid-1", "enforcing since 2026-01-15"};
const std::string kTemplate =
    R"({"metadata":{"labels":{"team":"a"},"annotations":{"note":"b"}},"spec":{"backoffLimit":0,"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"busybox"}]}}}})";

api::CheckSpec check(const std::string& template_json = kTemplate, const std::string& name = "restore-test") {
  api::CheckSpec spec;
  spec.name = name;
  spec.job = api::JobCheck{template_json};
  return spec;
}
json made(const std::string& template_json = kTemplate) {
  const auto spec = check(template_json);
  const auto manifest = job_manifest(kOwner, spec, job_identity(kOwner, spec).value());
  if (!manifest) {
    ADD_FAILURE() << manifest.error().message;
    return {};
  }
  return json::parse(*manifest);
}
std::string refusal(const std::string& template_json) {
  const auto spec = check(template_json);
  const auto manifest = job_manifest(kOwner, spec, job_identity(kOwner, spec).value());
  if (manifest) return "(was accepted)";
  EXPECT_EQ(manifest.error().reason, "InvalidJobTemplate");
  return manifest.error().message;
}

TEST(JobName, IsTheChecksAndTheSameEachTime) {
  const auto one = job_identity(kOwner, check());
  EXPECT_THAT(one->name.name, MatchesRegex("restore-test-[0-9a-f]{10}"));
  EXPECT_EQ(one->name.ns, "tenants");
  EXPECT_EQ(one->digest.size(), 64U);
  EXPECT_EQ(job_identity(kOwner, check())->name, one->name);
  api::CheckSpec other = check();
  other.every = std::chrono::hours{1};
  EXPECT_EQ(job_identity(kOwner, other)->name, one->name) << "how often does not make it another Job";
}

TEST(JobName, IsAnotherOneWithAnythingThatItIsEvidenceFor) {
  std::set<std::string> names = {job_identity(kOwner, check())->name.name.substr(13)};
  names.insert(job_identity({kOwner.migration, "uid-2", kOwner.subject}, check())->name.name.substr(13));
  names.insert(job_identity({kOwner.migration, "uid-1", "shadow"}, check())->name.name.substr(13));
  names.insert(job_identity(kOwner, check("{}"))->name.name.substr(13));
  names.insert(job_identity(kOwner, check(kTemplate, "restore-tesu"))->name.name.substr(13));
  EXPECT_EQ(names.size(), 5U);
}

TEST(JobName, FitsIntoALabelOfItsPods) {
  const auto identity =
      job_identity(kOwner, check(kTemplate, std::string(51, 'a') + "-" + std::string(11, 'b')));
  EXPECT_THAT(identity->name.name, MatchesRegex("a{51}-[0-9a-f]{10}"));
}

TEST(JobName, IsRefusedWhereItCannotBeOne) {
  for (const std::string& name :
       {std::string(), std::string("Restore"), std::string("a.b"), std::string("-a"), std::string("a-"),
        std::string("a/b"), std::string(64, 'a')}) {
    const auto identity = job_identity(kOwner, check(kTemplate, name));
    ASSERT_FALSE(identity.ok()) << name;
    EXPECT_EQ(identity.error().reason, "InvalidCheckName");
  }
}

TEST(JobManifest, IsTheTemplateWithWhatIsOurs) {
  const json job = made();
  EXPECT_EQ(job["apiVersion"], "batch/v1");
  EXPECT_EQ(job["kind"], "Job");
  EXPECT_THAT(job["metadata"]["name"].get<std::string>(), MatchesRegex("restore-test-[0-9a-f]{10}"));
  EXPECT_EQ(job["metadata"]["namespace"], "tenants");
  EXPECT_EQ(job["metadata"]["labels"], json::parse(R"({"team":"a","rls-operator.dev/migration-uid":"uid-1",
                                                       "rls-operator.dev/check":"restore-test"})"));
  EXPECT_EQ(job["metadata"]["annotations"]["note"], "b");
  EXPECT_EQ(job["metadata"]["annotations"]["rls-operator.dev/check-digest"],
            job_identity(kOwner, check())->digest);
  EXPECT_EQ(job["metadata"]["ownerReferences"],
            json::parse(R"([{"apiVersion":"rls-operator.dev/v1alpha1","kind":"RlsMigration","name":"shop",
                             "uid":"uid-1"}])"));
  EXPECT_EQ(job["spec"]["backoffLimit"], 0);
  EXPECT_EQ(job["spec"]["template"]["spec"]["containers"][0]["image"], "busybox");
}

TEST(JobManifest, EndsAndGoesUnlessItSaysOtherwise) {
  const json plain = made();
  EXPECT_EQ(plain["spec"]["activeDeadlineSeconds"], 3600);
  EXPECT_EQ(plain["spec"]["ttlSecondsAfterFinished"], 86400);
  const json own = made(R"({"spec":{"activeDeadlineSeconds":60,"ttlSecondsAfterFinished":0}})");
  EXPECT_EQ(own["spec"]["activeDeadlineSeconds"], 60);
  EXPECT_EQ(own["spec"]["ttlSecondsAfterFinished"], 0);
  EXPECT_EQ(made(R"({"spec":{"activeDeadlineSeconds":null}})")["spec"]["activeDeadlineSeconds"], 3600);
}

TEST(JobManifest, WhatIsOursToSayIsRefusedByField) {
  for (const char* field : {"name", "namespace", "generateName", "ownerReferences", "finalizers", "uid",
                            "resourceVersion", "managedFields"}) {
    EXPECT_THAT(refusal(R"({"metadata":{")" + std::string(field) + R"(":"x"},"spec":{}})"),
                HasSubstr("job.template.metadata." + std::string(field)));
  }
  EXPECT_THAT(refusal(R"({"metadata":{"labels":{"rls-operator.dev/check":"x"}},"spec":{}})"),
              HasSubstr(R"(job.template.metadata.labels["rls-operator.dev/check"])"));
  EXPECT_THAT(refusal(R"({"metadata":{"annotations":{"rls-operator.dev/check-digest":"x"}},"spec":{}})"),
              HasSubstr("job.template.metadata.annotations"));
  for (const char* field : {"apiVersion", "kind", "status"}) {
    EXPECT_THAT(refusal(R"({"spec":{},")" + std::string(field) + R"(":"x"})"),
                HasSubstr("job.template." + std::string(field)));
  }
}

TEST(JobManifest, WhatIsNoTemplateIsRefused) {
  for (const char* text :
       {"", "{", "[]", "null", "\"x\"", "{}", R"({"spec":[]})", R"({"spec":null})",
        R"({"metadata":null,"spec":{}})", R"({"metadata":[],"spec":{}})",
        R"({"metadata":{"labels":null},"spec":{}})", R"({"metadata":{"labels":{"a":1}},"spec":{}})",
        R"({"metadata":{"annotations":[]},"spec":{}})"}) {
    EXPECT_THAT(refusal(text), HasSubstr("job.template")) << text;
  }
  EXPECT_THAT(refusal(std::string(70'000, ' ')), HasSubstr("64 KiB"));
}

json job_with(const std::string& conditions) {
  const auto identity = job_identity(kOwner, check()).value();
  json job = json::parse(R"({"metadata":{"uid":"u"},"status":{"conditions":)" + conditions + "}}");
  job["metadata"]["labels"][std::string(kMigrationUidLabel)] = kOwner.uid;
  job["metadata"]["annotations"][std::string(kDigestAnnotation)] = identity.digest;
  return job;
}
JobSeen seen(const json& job) {
  return read_job(job.dump(), kOwner, job_identity(kOwner, check()).value()).value();
}

TEST(JobStatus, OnlyCompleteAndFailedAreAnEnd) {
  using End = JobSeen::End;
  const auto condition = [](const std::string& type, const std::string& status) {
    return R"([{"type":")" + type + R"(","status":")" + status +
           R"(","reason":"BackoffLimitExceeded","lastTransitionTime":"2026-01-15T12:00:00Z"}])";
  };
  const struct {
    std::string conditions;
    End end;
  } rows[] = {{"[]", End::none},
              {condition("Complete", "True"), End::complete},
              {condition("Complete", "False"), End::none},
              {condition("Complete", "Unknown"), End::none},
              {condition("SuccessCriteriaMet", "True"), End::none},
              {condition("FailureTarget", "True"), End::none},
              {condition("Suspended", "True"), End::none},
              {condition("Failed", "True"), End::failed}};
  for (const auto& row : rows) EXPECT_EQ(seen(job_with(row.conditions)).end, row.end) << row.conditions;
  EXPECT_EQ(seen(job_with(condition("Failed", "True"))).reason, "BackoffLimitExceeded");
  EXPECT_EQ(seen(job_with(condition("Failed", "True"))).ended_at, parse_rfc3339("2026-01-15T12:00:00Z"));
}

TEST(JobStatus, AForeignJobIsNotOurs) {
  EXPECT_TRUE(seen(job_with("[]")).ours);
  json other_uid = job_with("[]");
  other_uid["metadata"]["labels"][std::string(kMigrationUidLabel)] = "uid-2";
  EXPECT_FALSE(seen(other_uid).ours);
  json other_digest = job_with("[]");
  other_digest["metadata"]["annotations"].clear();
  EXPECT_FALSE(seen(other_digest).ours);
}

TEST(JobStatus, OneThatIsBeingDeletedIsGoing) {
  json job = job_with("[]");
  EXPECT_FALSE(seen(job).going);
  job["metadata"]["deletionTimestamp"] = "2026-01-15T12:00:00Z";
  EXPECT_TRUE(seen(job).going);
}

TEST(JobStatus, NonsenseIsNoJob) {
  for (const char* text : {"", "[]", "{}", R"({"metadata":{"uid":1}})", R"({"metadata":[]})"}) {
    EXPECT_FALSE(read_job(text, kOwner, job_identity(kOwner, check()).value()).ok()) << text;
  }
  EXPECT_EQ(seen(job_with("{}")).end, JobSeen::End::none);
  EXPECT_EQ(seen(job_with("[1,[],{}]")).end, JobSeen::End::none);
}

}  // namespace
}  // namespace rls::checks
