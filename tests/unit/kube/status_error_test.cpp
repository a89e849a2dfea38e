#include "controller/kube/status_error.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "controller/base/log.hpp"

namespace rls::kube {
namespace {

constexpr Asked kUpdate{"update", "rls-operator.dev/v1alpha1", "rlsmigrations/status", "apps"};

Response reply(int status, const std::string& reason, const std::string& message) {
  return {status,
          R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":")" + message +
              R"(","reason":")" + reason + R"(","code":)" + std::to_string(status) + "}",
          {}};
}

TEST(StatusError, Table) {
  struct Case {
    int status;
    ErrorKind kind;
    std::string reason;
  };
  const std::vector<Case> cases = {
      {301, ErrorKind::terminal, "HttpStatus301"},
      {400, ErrorKind::terminal, "BadRequest"},
      {401, ErrorKind::transient, "Unauthorized"},
      {403, ErrorKind::terminal, "Forbidden"},
      {404, ErrorKind::terminal, "NotFound"},
      {409, ErrorKind::conflict, "Conflict"},
      {410, ErrorKind::transient, "Expired"},
      {413, ErrorKind::terminal, "RequestEntityTooLarge"},
      {415, ErrorKind::terminal, "UnsupportedMediaType"},
      {418, ErrorKind::terminal, "HttpStatus418"},
      {422, ErrorKind::terminal, "Invalid"},
      {429, ErrorKind::transient, "TooManyRequests"},
      {500, ErrorKind::transient, "InternalError"},
      {503, ErrorKind::transient, "ServiceUnavailable"},
      {504, ErrorKind::transient, "Timeout"},
      {599, ErrorKind::transient, "HttpStatus599"},
  };
  for (const Case& each : cases) {
    const Error error = status_error(reply(each.status, "Whatever", "because"), kUpdate);
    EXPECT_EQ(error.kind, each.kind) << each.status;
    EXPECT_EQ(error.reason, each.reason) << each.status;
    EXPECT_NE(error.message.find("because"), std::string::npos) << error.message;
    EXPECT_NE(error.message.find("update rlsmigrations/status"), std::string::npos) << error.message;
  }
}

TEST(StatusError, ThePauseThatTheServerAsksForIsPassedOn) {
  for (const int status : {429, 503}) {
    Response busy = reply(status, "TooManyRequests", "later");
    EXPECT_EQ(status_error(busy, kUpdate).retry_after, std::nullopt);
    busy.retry_after = std::chrono::seconds(7);
    EXPECT_EQ(status_error(busy, kUpdate).retry_after, std::chrono::seconds(7));
  }
  Response conflict = reply(409, "Conflict", "later");
  conflict.retry_after = std::chrono::seconds(7);
  EXPECT_EQ(status_error(conflict, kUpdate).retry_after, std::nullopt);
}

TEST(StatusError, TakenNameIsNotAStaleVersion) {
  EXPECT_EQ(status_error(reply(409, "AlreadyExists", "x"), kUpdate).reason, "AlreadyExists");
  EXPECT_EQ(status_error(reply(409, "AlreadyExists", "x"), kUpdate).kind, ErrorKind::conflict);
}

TEST(StatusError, ForbiddenNamesTheMissingRule) {
  const std::string refusal =
      R"(rlsmigrations.rls-operator.dev \"a\" is forbidden: User \"system:serviceaccount:x:y\" cannot update resource \"rlsmigrations/status\" in API group \"rls-operator.dev\" in the namespace \"apps\")";
  const Error one = status_error(reply(403, "Forbidden", refusal), kUpdate);
  EXPECT_NE(
      one.message.find(
          R"({apiGroups: ["rls-operator.dev"], resources: ["rlsmigrations/status"], verbs: ["update"]} to the operator's Role in namespace "apps")"),
      std::string::npos)
      << one.message;
  const Error all = status_error(reply(403, "Forbidden", refusal), {"list", "v1", "secrets", ""});
  EXPECT_NE(
      all.message.find(
          R"({apiGroups: [""], resources: ["secrets"], verbs: ["list"]} to the operator's ClusterRole)"),
      std::string::npos)
      << all.message;
}

TEST(StatusError, ForbiddenByAQuotaNamesNoRule) {
  const Error error = status_error(reply(403, "Forbidden", "exceeded quota: compute"), kUpdate);
  EXPECT_EQ(error.message.find("RBAC"), std::string::npos) << error.message;
  EXPECT_NE(error.message.find("exceeded quota"), std::string::npos);
}

TEST(StatusError, QuotesAreShortAndClean) {
  log::add_secret("hunter2-canary");
  const Error error = status_error({500, "hunter2-canary \x01 " + std::string(5000, 'x'), {}}, kUpdate);
  EXPECT_EQ(error.message.find("hunter2-canary"), std::string::npos);
  EXPECT_EQ(error.message.find('\x01'), std::string::npos);
  EXPECT_LT(error.message.size(), 800U);
}

TEST(StatusError, Success) {
  EXPECT_TRUE(is_success(200));
  EXPECT_TRUE(is_success(201));
  EXPECT_FALSE(is_success(0));
  EXPECT_FALSE(is_success(304));
}

}  // namespace
}  // namespace rls::kube
