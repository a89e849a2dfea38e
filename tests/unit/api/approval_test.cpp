#include "controller/api/approval.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "controller/api/limits.hpp"

namespace rls::api {
namespace {

using nlohmann::json;
using testing::HasSubstr;

json approval_json() {
  return json::parse(R"({
    "apiVersion": "rls-operator.dev/v1alpha1", "kind": "RlsApproval",
    "metadata": {"name": "sm-enforcing-ann", "namespace": "tenants", "uid": "u-3", "resourceVersion": "8",
                 "generation": 1, "creationTimestamp": "2026-01-15T12:00:00Z"},
    "spec": {"migrationRef": {"name": "sm"}, "phase": "enforcing", "approver": "ann@example.com",
             "evidenceDigest": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
             "comment": "no violation\nin a week", "expires": "2026-02-01T00:00:00+01:00"}
  })");
}

TEST(DecodeApproval, ReadsEveryField) {
  const auto decoded = decode_approval(approval_json().dump());
  ASSERT_TRUE(decoded.ok()) << decoded.error().message;
  const RlsApproval wanted{
      .meta = {.name = {"tenants", "sm-enforcing-ann"},
               .uid = "u-3",
               .resource_version = "8",
               .generation = 1,
               .created = *parse_rfc3339("2026-01-15T12:00:00Z"),
               .deleting = false},
      .migration = "sm",
      .phase = Phase::enforcing,
      .approver = "ann@example.com",
      .evidence_digest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
      .comment = "no violation\nin a week",
      .expires = parse_rfc3339("2026-01-31T23:00:00Z")};
  EXPECT_EQ(*decoded, wanted);
}

TEST(DecodeApproval, CommentAndEndAreOptional) {
  json object = approval_json();
  object["spec"].erase("comment");
  object["spec"]["expires"] = nullptr;
  const auto decoded = decode_approval(object.dump());
  ASSERT_TRUE(decoded.ok()) << decoded.error().message;
  EXPECT_EQ(decoded->comment, "");
  EXPECT_EQ(decoded->expires, std::nullopt);
}

TEST(DecodeApproval, PeopleAreCalledWhatTheirClusterCallsThem) {
  std::string longest;
  for (std::size_t i = 0; i < kMaxApprover; ++i) longest += "ä";
  for (const std::string& name :
       {std::string("https://accounts.example.com#1234"), std::string("Ann O'Neill"), longest}) {
    json object = approval_json();
    object["spec"]["approver"] = name;
    const auto decoded = decode_approval(object.dump());
    ASSERT_TRUE(decoded.ok()) << decoded.error().message;
    EXPECT_EQ(decoded->approver, name);
  }
}

TEST(DecodeApproval, NamesTheFieldThatIsWrong) {
  struct Row {
    const char* pointer;  ///< of what is replaced; null removes
    json value;
    const char* message;
  };
  const std::string digest = approval_json()["spec"]["evidenceDigest"];
  const std::vector<Row> rows = {
      {"/metadata/name", nullptr, "metadata.name: required"},
      {"/spec", nullptr, "spec.migrationRef.name: required"},
      {"/spec", "yes", "spec: an object is wanted, this is a string"},
      {"/spec/migrationRef", nullptr, "spec.migrationRef.name: required"},
      {"/spec/migrationRef/name", "", "spec.migrationRef.name: required"},
      {"/spec/migrationRef/name", std::string(254, 'x'), "is longer than 253 characters"},
      {"/spec/phase", nullptr, "spec.phase: required"},
      {"/spec/phase", "pending", R"(spec.phase: "pending" is not one of shadow, enforcing, complete)"},
      {"/spec/phase", "Shadow", R"("Shadow" is not one of)"},
      {"/spec/approver", nullptr, "spec.approver: required"},
      {"/spec/approver", "", "spec.approver: required"},
      {"/spec/approver", 7, "spec.approver: a string is wanted, this is a number"},
      {"/spec/approver", "ann\nbob", "spec.approver: \"ann\\x0abob\" has a control character"},
      {"/spec/approver", "ann\xEF\xBF\xBD", "U+FFFD"},
      {"/spec/approver", std::string(257, 'x'), "is longer than 256 characters"},
      {"/spec/evidenceDigest", nullptr, "spec.evidenceDigest: required"},
      {"/spec/evidenceDigest", digest.substr(1), "is not 64 digits from 0 to 9 and a to f"},
      {"/spec/evidenceDigest", digest + "0", "is not 64 digits"},
      {"/spec/evidenceDigest", "G" + digest.substr(1), "is not 64 digits"},
      {"/spec/evidenceDigest", "A" + digest.substr(1), "is not 64 digits"},
      {"/spec/comment", std::string(1025, 'x'), "spec.comment: longer than 1024 characters"},
      {"/spec/comment", json::array(), "spec.comment: a string is wanted, this is a list"},
      {"/spec/expires", "tomorrow", R"(spec.expires: "tomorrow" is not a time (RFC 3339))"},
  };
  for (const Row& row : rows) {
    json object = approval_json();
    object[json::json_pointer(row.pointer)] = row.value;
    const auto decoded = decode_approval(object.dump());
    ASSERT_FALSE(decoded.ok()) << row.pointer << " = " << row.value;
    EXPECT_EQ(decoded.error().kind, ErrorKind::terminal);
    EXPECT_EQ(decoded.error().reason, "InvalidSpec");
    EXPECT_THAT(decoded.error().message, HasSubstr(row.message));
  }
}

TEST(DecodeApproval, WhatIsNoJsonIsSaidSo) {
  for (const char* text : {"", "{", "\xFF"}) EXPECT_EQ(decode_approval(text).error().reason, "InvalidObject");
}

}  // namespace
}  // namespace rls::api
