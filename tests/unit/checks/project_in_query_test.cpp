// How a PromQL query names its project: whatever the project is called, it stays a text.

#include "controller/checks/project_in_query.hpp"

#include <gmock/gmock.h>

namespace rls::checks {
namespace {

using testing::HasSubstr;

std::string made(std::string_view query, std::string_view project) {
  const auto out = with_project(query, project);
  return out ? *out : "refused: " + out.error().message;
}

TEST(ProjectInQuery, StandsInStringsOfEachKind) {
  EXPECT_EQ(made(R"(errors{project="$project"})", "sm"), R"(errors{project="sm"})");
  EXPECT_EQ(made("errors{project='$project'}", "sm"), "errors{project='sm'}");
  EXPECT_EQ(made("errors{project=`$project`}", "sm"), "errors{project=`sm`}");
  EXPECT_EQ(made(R"(a{p="$project"} / b{p="x-$project-y"})", "sm"), R"(a{p="sm"} / b{p="x-sm-y"})");
}

TEST(ProjectInQuery, IsTextWhateverItHolds) {
  EXPECT_EQ(made(R"(a{p="$project"})", R"(x"} or vector(0) # \)"), R"(a{p="x\"} or vector(0) # \\"})");
  EXPECT_EQ(made("a{p='$project'}", "o'sm\""), R"(a{p='o\'sm"'})");
  EXPECT_EQ(made("a{p=`$project`}", R"(o'"sm\)"), R"(a{p=`o'"sm\`})");
  EXPECT_THAT(made("a{p=`$project`}", "o`sm"), HasSubstr("use double quotes"));
  EXPECT_EQ(made(R"(a{p="$project"})", "$project"), R"(a{p="$project"})") << "it is not looked at again";
}

TEST(ProjectInQuery, OutsideOfAStringItIsRefused) {
  for (const char* query : {"a > $project", R"(a{p="x"} > $project)", R"(a{p="x\\"} > $project)",
                            "a{p=`\\`} > $project", "a # it's\n > $project"}) {
    EXPECT_THAT(made(query, "1 or vector(1)"), HasSubstr("outside of quotes")) << query;
  }
}

TEST(ProjectInQuery, EscapedQuotesDoNotEndAString) {
  EXPECT_EQ(made(R"(a{p="\"$project"})", "sm"), R"(a{p="\"sm"})");
  EXPECT_EQ(made(R"(a{p='\'$project'})", "sm"), R"(a{p='\'sm'})");
}

TEST(ProjectInQuery, EverythingElseStaysAsItIs) {
  for (const char* query : {"", "up", R"(a{p="$projects"})", R"(a{p="$project_id"})", R"(a{p=~"x$"})",
                            "a # \"quoted\ncomment\" + 1", R"(a{p="open)", R"(a{p="open\)"}) {
    EXPECT_EQ(made(query, "sm"), query);
  }
}

}  // namespace
}  // namespace rls::checks
