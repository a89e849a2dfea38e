// What stands where a query names the project and the instant.

#include "controller/checks/promql.hpp"

#include <gmock/gmock.h>

namespace rls::checks {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

const Time kSince = *parse_rfc3339("2026-01-15T12:00:00Z");  // 1768478400

std::string filled(std::string_view query, const std::string& project = "sm", Duration ago = 90s) {
  const auto result = fill_in(query, {project, kSince, kSince + ago});
  return result ? *result : result.error().reason + ": " + result.error().message;
}

TEST(FillIn, TheProjectTheWindowAndTheInstant) {
  EXPECT_EQ(filled(R"(sum(increase(seen{project="$project"}[$window])) or vector(0))"),
            R"(sum(increase(seen{project="sm"}[90000ms])) or vector(0))");
  EXPECT_EQ(filled(R"(seen{p='$project'} - (seen{p = "$project"} @ $since))"),
            R"(seen{p='sm'} - (seen{p = "sm"} @ 1768478400.000))");
  EXPECT_EQ(filled("up"), "up");
}

TEST(FillIn, ACheckKnowsNoInstant) {
  const auto check = [](std::string_view query) {
    const auto result = fill_in(query, {.project = "sm"});
    return result ? *result : result.error().message;
  };
  EXPECT_EQ(check(R"(errors{project="$project"} / ignoring(project) all)"),
            R"(errors{project="sm"} / ignoring(project) all)");
  EXPECT_THAT(check("rate(errors[$window])"), HasSubstr(R"("$window" is not $project)"));
  EXPECT_THAT(check("errors @ $since"), HasSubstr(R"("$since" is not $project)"));
}

// A project may have any name. What it holds stays a part of the text, in both kinds of quotes.
TEST(FillIn, NoNameOfAProjectEndsTheText) {
  EXPECT_EQ(filled(R"(seen{p="$project"})", R"(a"} or vector(9e9) #)"),
            R"(seen{p="a\x22} or vector(9e9) #"})");
  EXPECT_EQ(filled(R"(seen{p='$project'})", "a'b"), R"(seen{p='a\x27b'})");
  EXPECT_EQ(filled(R"(seen{p="$project"})", R"(a\)"), R"(seen{p="a\x5c"})");
  EXPECT_EQ(filled(R"(seen{p="$project"})", "$window ä`"), "seen{p=\"$window ä`\"}") << "not filled in twice";
}

// In a pattern the name a.b is that of axb, too; and != counts the work of all others.
TEST(FillIn, TheProjectIsComparedByEqualityAlone) {
  for (const char* query : {R"(seen{p=~"$project"})", R"(seen{p!="$project"})", R"(seen{p!~"$project"})",
                            R"(seen{p=~ "$project"})", "seen{p=~ # it's so\n\"$project\"}",
                            R"(label_replace(seen, "p", "$project", "", ""))"}) {
    EXPECT_THAT(filled(query), HasSubstr(R"($project must be compared by =)")) << query;
  }
  for (const char* query : {R"(seen{p="x-$project"})", R"(seen{p="$project.*"})", R"(seen{p=~"a|$project"})",
                            "seen{p=`$project`}"}) {
    EXPECT_THAT(filled(query), HasSubstr("$project must be the whole of a text in double quotes")) << query;
  }
  EXPECT_THAT(filled("seen{p=$project}"), HasSubstr("$project must stand in double quotes"));
}

TEST(FillIn, OtherDollarSignsInTextsStayAndElsewhereAreRefused) {
  for (const char* query :
       {R"(seen{p=~"a$"})", R"q(label_replace(up, "a", "$1", "b", "(.*)"))q", R"(seen{p="$projects"})",
        "up # $project, it's a \"comment", "seen{p=`$window`}", R"(seen{p="\"$x"})", "seen{p=\"no end $1",
        "seen{p=\"$project", "seen{p=\"$project\\\"}"}) {
    EXPECT_EQ(filled(query), query);
  }
  EXPECT_THAT(filled("seen[$__range]"), HasSubstr(R"("$__range" is none of $project, $since and $window)"));
  EXPECT_THAT(filled("seen[$]"), HasSubstr("is none of"));
}

// Who counts demands both, where they mean something: else it would count everybody's, or all of the past.
TEST(FillIn, WhatIsDemandedCountsInNoCommentAndNoOtherText) {
  const auto demanded = [](std::string_view query) {
    const auto result = fill_in(query, {"sm", kSince, kSince + 90s, true});
    return result ? *result : result.error().message;
  };
  EXPECT_EQ(demanded(R"(x{p="$project"}[$window])"), R"(x{p="sm"}[90000ms])");
  EXPECT_THAT(demanded("sum(x[7d]) # \"$project\" $since"),
              HasSubstr("$project is nowhere but in a comment"));
  EXPECT_THAT(demanded("x{p=\"$project\"} # $window"), HasSubstr("$since or $window is nowhere but"));
}

TEST(FillIn, ACommentEndsWithItsLineHoweverThatEnds) {
  EXPECT_EQ(filled("x # y\r{p=\"$project\"}"), "x # y\r{p=\"sm\"}");
}

TEST(FillIn, OtherWritingsOfTheProjectAreRefused) {
  EXPECT_THAT(filled(R"(x{p="${project}"})"), HasSubstr("$project must be the whole of a text"));
}

TEST(FillIn, TheWindowNeverBeginsBeforeThePhase) {
  EXPECT_EQ(filled("x[$window]", "sm", 1ms), "x[1ms]");
  EXPECT_EQ(filled("x[$window]", "sm", 168h), "x[604800000ms]");
  const auto part = fill_in("x[$window] @ $since", {"sm", kSince + 1us, kSince + 10ms + 999us});
  EXPECT_EQ(*part, "x[9ms] @ 1768478400.001");
  for (const Duration ago : {Duration{0}, Duration{999us}, Duration{-1h}}) {
    EXPECT_THAT(filled("x[$window]", "sm", ago),
                HasSubstr("InvalidQuery: prometheus.query: no time has passed"));
  }
}

}  // namespace
}  // namespace rls::checks
