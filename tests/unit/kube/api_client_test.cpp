// Single objects: what is asked of the API server, and what its answers mean.

#include "controller/kube/api_client.hpp"

#include <gmock/gmock.h>

#include "tests/unit/kube/fake_transport.hpp"

namespace rls::kube {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

const Resource kJobs{"batch/v1", "jobs", "team-a"};

/// A client of which the script and the requests can be seen.
struct Asked {
  explicit Asked(std::deque<Scripted> script) {
    auto made = std::make_unique<FakeTransport>(std::move(script));
    transport = made.get();
    client = std::make_unique<ApiClient>(std::move(made), seam, real_tuning());
  }
  Seam seam;
  FakeTransport* transport = nullptr;
  std::unique_ptr<ApiClient> client;
};

TEST(ApiClientDelete, NamesTheObjectByItsUidAndWaitsForNobody) {
  Asked asked({{Response{200, "{}", {}}}});
  ASSERT_TRUE(asked.client->delete_object(kJobs, {"team-a", "backup"}, "uid-1", 5s).ok());
  const Request& request = asked.transport->requests.at(0);
  EXPECT_EQ(request.method, "DELETE");
  EXPECT_EQ(request.path, "/apis/batch/v1/namespaces/team-a/jobs/backup");
  EXPECT_EQ(
      request.body,
      R"({"apiVersion":"v1","kind":"DeleteOptions","propagationPolicy":"Background","preconditions":{"uid":"uid-1"}})");
  EXPECT_EQ(request.timeout, 5s);
  EXPECT_EQ(asked.seam.calls(), 1U);
}

TEST(ApiClientDelete, AnotherObjectOfThatNameIsAConflict) {
  Asked asked({{Response{409, R"({"kind":"Status","reason":"Conflict","message":"uid"})", {}}}});
  const auto deleted = asked.client->delete_object(kJobs, {"team-a", "backup"}, "uid-1", 5s);
  ASSERT_FALSE(deleted.ok());
  EXPECT_EQ(deleted.error().kind, ErrorKind::conflict);
}

TEST(ApiClientDelete, ForbiddenNamesTheMissingRule) {
  const std::string refusal =
      R"({"kind":"Status","reason":"Forbidden","message":"jobs.batch is forbidden: User \"u\" cannot delete resource \"jobs\""})";
  Asked asked({{Response{403, refusal, {}}}});
  EXPECT_THAT(asked.client->delete_object(kJobs, {"team-a", "backup"}, "uid-1", 5s).error().message,
              HasSubstr(R"(resources: ["jobs"], verbs: ["delete"])"));
}

TEST(ApiClientDelete, NamesThatClimbAreNotAsked) {
  Asked asked({});
  EXPECT_EQ(asked.client->delete_object(kJobs, {"team-a", ".."}, "uid-1", 5s).error().reason, "InvalidName");
  EXPECT_EQ(asked.client->delete_object(kJobs, {"team-a", ""}, "uid-1", 5s).error().reason, "InvalidName");
  EXPECT_TRUE(asked.transport->requests.empty());
}

TEST(ApiClientListMetadata, AsksByLabelsForMetadataAlone) {
  Asked asked({{Response{200, R"({"items":[]})", {}}}});
  const auto listed = asked.client->list_metadata(kJobs, "a.b/c=d,e", 5s);
  ASSERT_TRUE(listed.ok());
  EXPECT_EQ(*listed, R"({"items":[]})");
  const Request& request = asked.transport->requests.at(0);
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.path, "/apis/batch/v1/namespaces/team-a/jobs?labelSelector=a.b%2Fc%3Dd%2Ce");
  EXPECT_THAT(request.accept, HasSubstr("as=PartialObjectMetadataList"));
  EXPECT_EQ(request.timeout, 5s);
}

TEST(ApiClientListMetadata, ARefusalIsAnErrorOfList) {
  Asked asked({{Response{500, "{}", {}}}});
  EXPECT_THAT(asked.client->list_metadata(kJobs, "a=b", 5s).error().message,
              HasSubstr("refused to list jobs"));
}

TEST(ApiClientList, GathersThePages) {
  Asked asked(
      {{Response{200, R"({"metadata":{"resourceVersion":"7","continue":"t="},"items":[{"a":1}]})", {}}},
       {Response{200, R"({"metadata":{"resourceVersion":"7"},"items":[{"b":2}]})", {}}}});
  const auto listed = asked.client->list(kJobs, 5s);
  ASSERT_TRUE(listed.ok());
  EXPECT_THAT(*listed, testing::ElementsAre(R"({"a":1})", R"({"b":2})"));
  EXPECT_THAT(asked.transport->requests.at(1).path, testing::EndsWith("&continue=t%3D"));
  EXPECT_EQ(asked.transport->requests.at(1).timeout, 5s);
}

TEST(ApiClientList, IsWholeOrAnError) {
  Asked asked(
      {{Response{200, R"({"metadata":{"resourceVersion":"7","continue":"t"},"items":[{"a":1}]})", {}}},
       {Response{410, "{}", {}}}});
  EXPECT_EQ(asked.client->list(kJobs, 5s).error().reason, "Expired");
}

TEST(ApiClientList, AKindThatIsNotThereIsSaidSo) {
  Asked asked({{Response{404, "{}", {}}}});
  const auto listed = asked.client->list(kJobs, 5s);
  EXPECT_EQ(listed.error().reason, "ResourceNotInstalled");
  EXPECT_THAT(listed.error().message, HasSubstr("does not know jobs (batch/v1)"));
}

}  // namespace
}  // namespace rls::kube
