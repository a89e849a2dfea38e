#include "controller/base/seam.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

namespace rls {
namespace {

FaultPlan plan(std::string_view text) {
  const auto parsed = parse_fault_plan(text);
  EXPECT_TRUE(parsed.ok()) << text;
  return parsed.ok() ? *parsed : FaultPlan{};
}

TEST(FaultPlan, IsRead) {
  const struct {
    std::string text;
    std::optional<CallKind> kind;
    std::uint64_t number;
    Fault fault;
  } rows[] = {
      {"17:kill-after", std::nullopt, 17, Fault::kill_after},
      {"1:kill-before", std::nullopt, 1, Fault::kill_before},
      {"3:lose-reply", std::nullopt, 3, Fault::lose_reply},
      {"api:9:fail-before", CallKind::api, 9, Fault::fail_before},
      {"sql:4:lose-reply", CallKind::sql, 4, Fault::lose_reply},
      {"18446744073709551615:lose-reply", std::nullopt, UINT64_MAX, Fault::lose_reply},
  };
  for (const auto& row : rows) {
    const FaultPlan got = plan(row.text);
    EXPECT_EQ(got.kind, row.kind) << row.text;
    EXPECT_EQ(got.number, row.number) << row.text;
    EXPECT_EQ(got.fault, row.fault) << row.text;
  }
}

TEST(FaultPlan, AnythingElseIsRefusedWithTheGrammar) {
  for (const char* text :
       {"", ":", "1", "1:", "kill-after", "0:kill-after", "-1:kill-after", "+1:kill-after", "1:none",
        "1:Kill-After", "1:kill-after ", " 1:kill-after", "http:1:kill-after", "sql:kill-after",
        "sql::kill-after", "sql:api:1:kill-after", "1x:kill-after", "18446744073709551616:kill-after"}) {
    const auto parsed = parse_fault_plan(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.error().kind, ErrorKind::terminal);
    EXPECT_NE(parsed.error().message.find("[api:|sql:|NAME#]NUMBER:"), std::string::npos);
  }
}

TEST(Seam, CountsAndDoesNothingElse) {
  Seam seam;
  EXPECT_EQ(seam.calls(), 0u);
  EXPECT_EQ(seam.enter(CallKind::api, "GET things"), Fault::none);
  EXPECT_EQ(seam.enter(CallKind::sql, "observe"), Fault::none);
  EXPECT_FALSE(seam.reply_lost(Fault::none));
  EXPECT_EQ(seam.calls(), 2u);
}

/// What is chosen for the calls api, sql, api, sql, …
std::vector<Fault> faults(std::string_view text) {
  PlannedSeam seam(plan(text));
  std::vector<Fault> out;
  for (int i = 0; i < 6; ++i) out.push_back(seam.enter(i % 2 == 0 ? CallKind::api : CallKind::sql, "call"));
  return out;
}

TEST(PlannedSeam, StrikesOnceAtItsNumber) {
  constexpr Fault o = Fault::none, x = Fault::lose_reply;
  EXPECT_EQ(faults("1:lose-reply"), (std::vector{x, o, o, o, o, o}));
  EXPECT_EQ(faults("3:lose-reply"), (std::vector{o, o, x, o, o, o}));
  EXPECT_EQ(faults("api:2:lose-reply"), (std::vector{o, o, x, o, o, o}));
  EXPECT_EQ(faults("sql:1:lose-reply"), (std::vector{o, x, o, o, o, o}));
  EXPECT_EQ(faults("sql:3:lose-reply"), (std::vector{o, o, o, o, o, x}));
  EXPECT_EQ(faults("7:lose-reply"), (std::vector{o, o, o, o, o, o}));
}

TEST(PlannedSeam, CountsTheCallsOfOneName) {
  const auto plan = parse_fault_plan("PUT rlsmigrations/status#2:lose-reply");
  ASSERT_TRUE(plan.ok());
  PlannedSeam seam(*plan);
  EXPECT_EQ(seam.enter(CallKind::api, "PUT rlsmigrations/status"), Fault::none);
  EXPECT_EQ(seam.enter(CallKind::sql, "observe"), Fault::none);
  EXPECT_EQ(seam.enter(CallKind::api, "PUT rlsmigrations/status"), Fault::lose_reply);
  EXPECT_EQ(seam.enter(CallKind::api, "PUT rlsmigrations/status"), Fault::none);
  for (const char* bad :
       {"#2:lose-reply", "sql:observe#2:lose-reply", "observe#:lose-reply", "observe#0:lose-reply"}) {
    EXPECT_FALSE(parse_fault_plan(bad).ok()) << bad;
  }
}

TEST(PlannedSeam, FailBeforeIsForTheCallerToSee) {
  PlannedSeam seam(plan("1:fail-before"));
  const Fault fault = seam.enter(CallKind::sql, "call");
  EXPECT_EQ(fault, Fault::fail_before);
  EXPECT_FALSE(seam.reply_lost(fault)) << "there was no call, so no reply";
}

TEST(PlannedSeam, LoseReplyLosesTheReply) {
  PlannedSeam seam(plan("1:lose-reply"));
  EXPECT_TRUE(seam.reply_lost(seam.enter(CallKind::sql, "call")));
}

TEST(PlannedSeamDeathTest, KillBeforeDiesBeforeTheCall) {
  EXPECT_EXIT(
      {
        PlannedSeam seam(plan("2:kill-before"));
        seam.enter(CallKind::sql, "first");
        seam.enter(CallKind::sql, "second");
        std::exit(0);
      },
      testing::ExitedWithCode(137), "");
}

TEST(PlannedSeamDeathTest, KillAfterDiesAfterTheCall) {
  EXPECT_EXIT(
      {
        PlannedSeam seam(plan("1:kill-after"));
        const Fault fault = seam.enter(CallKind::sql, "call");
        std::fputs("the call was made", stderr);
        (void)seam.reply_lost(fault);
        std::exit(0);
      },
      testing::ExitedWithCode(137), "the call was made");
}

TEST(CallKind, HasAName) {
  EXPECT_EQ(to_string(CallKind::api), "api");
  EXPECT_EQ(to_string(CallKind::sql), "sql");
}

}  // namespace
}  // namespace rls
