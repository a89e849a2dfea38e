// What cron's five fields mean, and what is refused.

#include "controller/decide/schedule.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace rls::decide {
namespace {

using namespace std::chrono_literals;

std::uint64_t bits(std::initializer_list<unsigned> values) {
  std::uint64_t out = 0;
  for (const unsigned value : values) out |= std::uint64_t{1} << value;
  return out;
}

std::uint64_t all(unsigned first, unsigned last) {
  std::uint64_t out = 0;
  for (unsigned value = first; value <= last; ++value) out |= std::uint64_t{1} << value;
  return out;
}

Schedule schedule(const std::string& text) {
  const auto read = parse_schedule(text);
  if (!read) ADD_FAILURE() << read.error().message;
  return read ? *read : Schedule{};
}

LocalTime local(const char* text) { return LocalTime{parse_rfc3339(text)->time_since_epoch()}; }
std::string shown(std::optional<LocalTime> time) {
  return time ? format_rfc3339(Time{time->time_since_epoch()}) : "never";
}

TEST(Schedule, ReadsEveryFormOfAField) {
  EXPECT_EQ(schedule("* * * * *").minutes, all(0, 59));
  EXPECT_EQ(schedule("* * * * *").hours, all(0, 23));
  EXPECT_EQ(schedule("* * * * *").days, all(1, 31));
  EXPECT_EQ(schedule("* * * * *").months, all(1, 12));
  EXPECT_EQ(schedule("* * * * *").weekdays, all(0, 6));
  EXPECT_EQ(schedule("5 * * * *").minutes, bits({5}));
  EXPECT_EQ(schedule("05 * * * *").minutes, bits({5}));
  EXPECT_EQ(schedule("0,59,7 * * * *").minutes, bits({0, 7, 59}));
  EXPECT_EQ(schedule("10-13 * * * *").minutes, all(10, 13));
  EXPECT_EQ(schedule("10-10 * * * *").minutes, bits({10}));
  EXPECT_EQ(schedule("*/20 * * * *").minutes, bits({0, 20, 40}));
  EXPECT_EQ(schedule("10-30/10,5 * * * *").minutes, bits({5, 10, 20, 30}));
  EXPECT_EQ(schedule("0 22-23,0-2 * * *").hours, bits({22, 23, 0, 1, 2}));
  EXPECT_EQ(schedule("0 0 */10 * *").days, bits({1, 11, 21, 31}));
  EXPECT_EQ(schedule("0 0 1 jan,JUL-Sep *").months, bits({1, 7, 8, 9}));
  EXPECT_EQ(schedule("0 0 * * MON-fri").weekdays, all(1, 5));
  EXPECT_EQ(schedule(" 0\t2  * * * "), schedule("0 2 * * *")) << "blanks between and around";
}

TEST(Schedule, SundayIsZeroAndSeven) {
  for (const char* text : {"0 0 * * 0", "0 0 * * 7", "0 0 * * SUN", "0 0 * * 0,7"}) {
    EXPECT_EQ(schedule(text).weekdays, bits({0})) << text;
  }
  EXPECT_EQ(schedule("0 0 * * 5-7").weekdays, bits({5, 6, 0}));
  EXPECT_EQ(schedule("0 0 * * FRI-SUN").weekdays, bits({5, 6, 0}));
  EXPECT_EQ(schedule("0 0 * * SUN-TUE").weekdays, bits({0, 1, 2}));
  EXPECT_EQ(schedule("0 0 * * 0-7").weekdays, all(0, 6));
}

TEST(Schedule, WhatCannotBeReadNamesTheFieldAndTheRemedy) {
  const struct {
    std::string text;
    std::vector<std::string> said;
  } rows[] = {
      {"60 * * * *", {"the minute cannot be \"60\"", "0 to 59"}},
      {"-1 * * * *", {"the minute"}},
      {"+1 * * * *", {"the minute cannot be \"+1\""}},
      {"1.5 * * * *", {"the minute cannot be \"1.5\""}},
      {"99999999999999999999 * * * *", {"the minute"}},
      {"0 24 * * *", {"the hour cannot be \"24\"", "0 to 23"}},
      {"0 0 0 * *", {"the day of the month cannot be \"0\"", "1 to 31"}},
      {"0 0 32 * *", {"the day of the month"}},
      {"0 0 L * *", {"the day of the month cannot be \"L\""}},
      {"0 0 ? * *", {"the day of the month cannot be \"?\""}},
      {"0 0 15W * *", {"the day of the month"}},
      {"0 0 * 0 *", {"the month cannot be \"0\"", "1 to 12 or JAN to DEC"}},
      {"0 0 * 13 *", {"the month"}},
      {"0 0 * MON *", {"the month cannot be \"MON\""}},
      {"0 0 * JANUARY *", {"the month cannot be \"JANUARY\""}},
      {"0 0 * * 8", {"the day of the week cannot be \"8\"", "0 to 7 or SUN to SAT"}},
      {"0 0 * * MON#1", {"the day of the week"}},
      {"MON 0 * * *", {"the minute cannot be \"MON\""}},
      {"0 22-2 * * *", {"the hour cannot be \"22-2\"", "two ranges"}},
      {"0 0 * * FRI-MON", {"the day of the week", "two ranges"}},
      {"0 0 * * 7-2", {"the day of the week", "two ranges"}},
      {"*/0 * * * *", {"the minute cannot have the step \"0\"", "1 to 59"}},
      {"*/60 * * * *", {"the minute cannot have the step \"60\""}},
      {"*/ * * * *", {"the minute cannot have the step \"\""}},
      {"*/5/5 * * * *", {"the minute cannot have the step \"5/5\""}},
      {"5/15 * * * *", {"the minute cannot be \"5/15\"", "5-59/15"}},
      {"1, * * * *", {"the minute cannot be \"\""}},
      {", * * * *", {"the minute"}},
      {"1- * * * *", {"the minute"}},
      {"1-2-3 * * * *", {"the minute cannot be \"2-3\""}},
      {"*-5 * * * *", {"the minute cannot be \"*\""}},
      {"** * * * *", {"the minute cannot be \"**\""}},
      {"", {"it has 0 fields", "write five"}},
      {"0 2 * *", {"it has 4 fields", "write five"}},
      {"0 0 2 * * *", {"it has 6 fields", "without seconds"}},
      {"0 2 * * * 2026", {"it has 6 fields"}},
      {"@daily", {"names for schedules are not read", "0 0 * * *"}},
      {"@reboot", {"names for schedules"}},
      {"TZ=Europe/Berlin 0 2 * * *", {"set timeZone"}},
      {"CRON_TZ=UTC 0 2 * * *", {"set timeZone"}},
      {"0 0 30 2 *", {"it never comes"}},
      {"0 0 31 2,4,6,9,11 *", {"it never comes"}},
      {"0 0 31 2 */1", {"it never comes"}},
      {std::string("0 2 * * *\0", 10), {"the day of the week cannot be \"*\\x00\""}},
      {"0 2 * * *\n", {"the day of the week"}},
  };
  for (const auto& row : rows) {
    const auto read = parse_schedule(row.text);
    ASSERT_FALSE(read) << row.text;
    EXPECT_EQ(read.error().kind, ErrorKind::terminal);
    EXPECT_EQ(read.error().reason, "InvalidSpec");
    for (const std::string& said : row.said) {
      EXPECT_NE(read.error().message.find(said), std::string::npos) << read.error().message;
    }
    EXPECT_LT(read.error().message.size(), 400U);
  }
  EXPECT_LT(parse_schedule(std::string(1'000'000, '*')).error().message.size(), 400U);
}

TEST(Schedule, ThatComesSeldomIsAllRight) {
  for (const char* text : {"0 0 29 2 *", "0 0 31 2,3 *", "0 0 30 2 MON", "0 0 31 4 0"}) {
    EXPECT_TRUE(parse_schedule(text)) << text;
  }
}

TEST(Schedule, FindsTheFirstAndTheLastMatch) {
  const struct {
    const char *text, *from, *end, *first, *last;
  } rows[] = {
      {"0 2 * * *", "2026-01-15T00:00:00Z", "2026-01-17T00:00:00Z", "2026-01-15T02:00:00Z",
       "2026-01-16T02:00:00Z"},
      // The beginning belongs to it, the end does not.
      {"0 2 * * *", "2026-01-15T02:00:00Z", "2026-01-16T02:00:00Z", "2026-01-15T02:00:00Z",
       "2026-01-15T02:00:00Z"},
      {"0 2 * * *", "2026-01-15T02:00:00.000001Z", "2026-01-16T02:00:00.000001Z", "2026-01-16T02:00:00Z",
       "2026-01-16T02:00:00Z"},
      {"0 2 * * *", "2026-01-15T02:00:00.000001Z", "2026-01-16T02:00:00Z", "never", "never"},
      {"0 2 * * *", "2026-01-15T02:00:00Z", "2026-01-15T02:00:00Z", "never", "never"},
      // Over the hour, the day, the month and the year.
      {"5,50 23 * * *", "2026-12-31T23:51:00Z", "2027-01-02T00:00:00Z", "2027-01-01T23:05:00Z",
       "2027-01-01T23:50:00Z"},
      {"0-10 0 1 1 *", "2026-01-01T00:10:30Z", "2027-01-01T00:05:30Z", "2027-01-01T00:00:00Z",
       "2027-01-01T00:05:00Z"},
      {"*/15 * * * *", "2026-01-31T23:46:00Z", "2026-02-01T00:01:00Z", "2026-02-01T00:00:00Z",
       "2026-02-01T00:00:00Z"},
      {"59 23 31 12 *", "2026-01-01T00:00:00Z", "2028-01-01T00:00:00Z", "2026-12-31T23:59:00Z",
       "2027-12-31T23:59:00Z"},
      // Leap years: 2100 is none.
      {"0 0 29 2 *", "2026-01-01T00:00:00Z", "2033-01-01T00:00:00Z", "2028-02-29T00:00:00Z",
       "2032-02-29T00:00:00Z"},
      {"0 0 29 2 *", "2096-03-01T00:00:00Z", "2108-01-01T00:00:00Z", "2104-02-29T00:00:00Z",
       "2104-02-29T00:00:00Z"},
      {"0 0 29 2 *", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z", "never", "never"},
      {"0 0 31 * *", "2026-04-01T00:00:00Z", "2026-07-31T00:00:00Z", "2026-05-31T00:00:00Z",
       "2026-05-31T00:00:00Z"},
      // Days of the week; 2026-01-15 is a Thursday.
      {"0 2 * * SAT", "2026-01-15T00:00:00Z", "2026-02-01T00:00:00Z", "2026-01-17T02:00:00Z",
       "2026-01-31T02:00:00Z"},
      {"0 2 * * MON-FRI", "2026-01-17T00:00:00Z", "2026-01-26T00:00:00Z", "2026-01-19T02:00:00Z",
       "2026-01-23T02:00:00Z"},
      // Both restricted: the one or the other.
      {"0 2 20 * SAT", "2026-01-18T00:00:00Z", "2026-01-24T00:00:00Z", "2026-01-20T02:00:00Z",
       "2026-01-20T02:00:00Z"},
      {"0 2 20 * SAT", "2026-01-15T00:00:00Z", "2026-01-25T00:00:00Z", "2026-01-17T02:00:00Z",
       "2026-01-24T02:00:00Z"},
      {"0 2 */31 * SAT", "2026-01-02T00:00:00Z", "2026-02-03T00:00:00Z", "2026-01-03T02:00:00Z",
       "2026-02-01T02:00:00Z"},
      {"0 2 30 2 MON", "2026-02-03T00:00:00Z", "2027-02-02T00:00:00Z", "2026-02-09T02:00:00Z",
       "2027-02-01T02:00:00Z"},
      // One of them `*`: the other alone.
      {"0 2 */1 * SAT", "2026-01-15T00:00:00Z", "2026-01-20T00:00:00Z", "2026-01-17T02:00:00Z",
       "2026-01-17T02:00:00Z"},
      {"0 2 16 * *", "2026-01-15T00:00:00Z", "2026-03-01T00:00:00Z", "2026-01-16T02:00:00Z",
       "2026-02-16T02:00:00Z"},
  };
  for (const auto& row : rows) {
    const Schedule read = schedule(row.text);
    EXPECT_EQ(shown(first_match(read, local(row.from), local(row.end))), row.first)
        << row.text << " " << row.from;
    EXPECT_EQ(shown(last_match(read, local(row.from), local(row.end))), row.last)
        << row.text << " " << row.end;
  }
}

TEST(Schedule, KnowsItsLongestGapWithinADay) {
  EXPECT_EQ(schedule("* * * * *").longest_gap, 1min);
  EXPECT_EQ(schedule("0 2 * * *").longest_gap, 0min);
  EXPECT_EQ(schedule("0,45 * * * *").longest_gap, 45min);
  EXPECT_EQ(schedule("0,20 8-10,18 * * *").longest_gap, 7h + 40min);
}

}  // namespace
}  // namespace rls::decide
