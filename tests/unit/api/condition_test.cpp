#include <gtest/gtest.h>

#include "controller/api/object.hpp"

namespace rls::api {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

constexpr Time kBefore{seconds{1'000}};
constexpr Time kNow{seconds{2'000} + microseconds{999'999}};
constexpr Time kNowToTheSecond{seconds{2'000}};

Condition condition(std::string type, ConditionStatus status, Time transition = {}) {
  return {std::move(type), status, "R", "", 0, transition};
}

TEST(ConditionStatus, NamesAreReadBack) {
  for (const auto status : {ConditionStatus::is_true, ConditionStatus::is_false, ConditionStatus::unknown}) {
    EXPECT_EQ(parse_condition_status(to_string(status)), status);
  }
  for (const char* text : {"", "true", "TRUE", "Yes"}) EXPECT_EQ(parse_condition_status(text), std::nullopt);
}

TEST(FindCondition, ByTypeOrNone) {
  const std::vector<Condition> conditions = {condition("Ready", ConditionStatus::is_true),
                                             condition("Stalled", ConditionStatus::is_false)};
  EXPECT_EQ(find_condition(conditions, "Stalled"), &conditions[1]);
  EXPECT_EQ(find_condition(conditions, "ready"), nullptr);
  EXPECT_EQ(find_condition({}, "Ready"), nullptr);
}

TEST(TransitionTimes, MoveOnlyWithTheStatus) {
  struct Row {
    const char* name;
    std::vector<Condition> before;
    ConditionStatus wanted;
    Time expected;
  };
  const std::vector<Row> rows = {
      {"new", {}, ConditionStatus::is_true, kNowToTheSecond},
      {"only others stood there",
       {condition("Stalled", ConditionStatus::is_true, kBefore)},
       ConditionStatus::is_true,
       kNowToTheSecond},
      {"same", {condition("Ready", ConditionStatus::is_true, kBefore)}, ConditionStatus::is_true, kBefore},
      {"flipped",
       {condition("Ready", ConditionStatus::is_true, kBefore)},
       ConditionStatus::is_false,
       kNowToTheSecond},
      {"known to unknown",
       {condition("Ready", ConditionStatus::is_false, kBefore)},
       ConditionStatus::unknown,
       kNowToTheSecond},
  };
  for (const Row& row : rows) {
    const auto result =
        with_transition_times({condition("Ready", row.wanted, Time{seconds{77}})}, row.before, kNow);
    ASSERT_EQ(result.size(), 1U) << row.name;
    EXPECT_EQ(result[0].last_transition, row.expected) << row.name;
    EXPECT_EQ(result[0].status, row.wanted) << row.name;
  }
}

TEST(TransitionTimes, StayWhenOnlyReasonOrMessageChange) {
  Condition old = condition("Ready", ConditionStatus::is_true, kBefore);
  Condition wanted = old;
  wanted.reason = "Other";
  wanted.message = "other";
  wanted.observed_generation = 9;
  const auto result = with_transition_times({wanted}, {old}, kNow);
  EXPECT_EQ(result[0].last_transition, kBefore);
  EXPECT_EQ(result[0].reason, "Other");
  EXPECT_EQ(result[0].observed_generation, 9);
}

TEST(TransitionTimes, KeepTheOrderWanted) {
  const auto result = with_transition_times(
      {condition("B", ConditionStatus::is_true), condition("A", ConditionStatus::is_true)},
      {condition("A", ConditionStatus::is_true, kBefore)}, kNow);
  EXPECT_EQ(result[0].type, "B");
  EXPECT_EQ(result[1].last_transition, kBefore);
}

}  // namespace
}  // namespace rls::api
