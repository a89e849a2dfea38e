#include "controller/base/time.hpp"

#include <gtest/gtest.h>

#include <string>

namespace rls {
namespace {

using namespace std::chrono_literals;
using std::chrono::days;
using std::chrono::microseconds;
using std::chrono::sys_days;
using std::chrono::year;

const Time kNoon = sys_days{year{2026} / 1 / 15} + 12h;

TEST(Rfc3339, IsWritten) {
  EXPECT_EQ(format_rfc3339(kNoon), "2026-01-15T12:00:00Z");
  EXPECT_EQ(format_rfc3339(kNoon + 1us), "2026-01-15T12:00:00.000001Z");
  EXPECT_EQ(format_rfc3339(kNoon + 500ms), "2026-01-15T12:00:00.500000Z");
  EXPECT_EQ(format_rfc3339_seconds(kNoon + 999'999us), "2026-01-15T12:00:00Z") << "rounds down";
  EXPECT_EQ(format_rfc3339_micro(kNoon), "2026-01-15T12:00:00.000000Z");
  EXPECT_EQ(format_rfc3339_seconds(Time{-1us}), "1969-12-31T23:59:59Z") << "rounds down before 1970, too";
  EXPECT_EQ(format_rfc3339(Time{-1us}), "1969-12-31T23:59:59.999999Z");
}

TEST(Rfc3339, IsRead) {
  const struct {
    std::string text;
    Time time;
  } rows[] = {
      {"2026-01-15T12:00:00Z", kNoon},
      {"2026-01-15t12:00:00z", kNoon},
      {"2026-01-15 12:00:00Z", kNoon},
      {"2026-01-15T14:30:00+02:30", kNoon},
      {"2026-01-14T23:00:00-13:00", kNoon},
      {"2026-01-15T12:00:00.5Z", kNoon + 500ms},
      {"2026-01-15T12:00:00.000001Z", kNoon + 1us},
      {"2026-01-15T12:00:00.123456789Z", kNoon + 123'456us},
      {"2024-02-29T00:00:00Z", sys_days{year{2024} / 2 / 29}},
      {"2016-12-31T23:59:60Z", sys_days{year{2017} / 1 / 1}},  // a leap second
      {"1969-12-31T23:59:59.5Z", Time{-500ms}},
      {"0001-01-01T00:00:00Z", sys_days{year{1} / 1 / 1}},  // Go's zero time
  };
  for (const auto& row : rows) {
    const auto time = parse_rfc3339(row.text);
    ASSERT_TRUE(time) << row.text;
    EXPECT_EQ(*time, row.time) << row.text;
  }
}

TEST(Rfc3339, AnythingElseIsNot) {
  for (const char* text : {"",
                           "2026",
                           "2026-01-15",
                           "2026-01-15T12:00Z",
                           "2026-01-15T12:00:00",
                           "2026-1-15T12:00:00Z",
                           "2026-13-01T00:00:00Z",
                           "2026-00-01T00:00:00Z",
                           "2026-02-29T00:00:00Z",
                           "2026-04-31T00:00:00Z",
                           "2026-01-15T24:00:00Z",
                           "2026-01-15T12:60:00Z",
                           "2026-01-15T12:00:61Z",
                           "2026-01-15T12:00:00.Z",
                           "2026-01-15T12:00:00.1234567890Z",
                           "2026-01-15T12:00:00,5Z",
                           "2026-01-15T12:00:00+2:30",
                           "2026-01-15T12:00:00+0230",
                           "2026-01-15T12:00:00+24:00",
                           "2026-01-15T12:00:00+02:60",
                           "2026-01-15T12:00:00+02",
                           "2026-01-15T12:00:00Z ",
                           " 2026-01-15T12:00:00Z",
                           "2026-01-15T12:00:00ZZ",
                           "-026-01-15T12:00:00Z",
                           "+026-01-15T12:00:00Z",
                           "2026-01-15T12:00:-1Z",
                           "9999-12-31T23:59:60Z",
                           "9999-12-31T23:59:59-00:01",
                           "0000-01-01T00:00:00+00:01",
                           "tomorrow"}) {
    EXPECT_FALSE(parse_rfc3339(text)) << text;
  }
}

TEST(Rfc3339, ComesBackAsItWas) {
  for (Time time = sys_days{year{1968} / 1 / 1}; time < Time{sys_days{year{2040} / 1 / 1}};
       time += 37h + 41min + 13s + 123'457us) {
    EXPECT_EQ(parse_rfc3339(format_rfc3339(time)), time);
    EXPECT_EQ(parse_rfc3339(format_rfc3339_micro(time)), time);
  }
}

TEST(Duration, IsRead) {
  const struct {
    std::string text;
    Duration duration;
  } rows[] = {
      {"168h", 168h}, {"1h30m", 90min},      {"500ms", 500ms},
      {"0s", 0s},     {"999999h", 999'999h}, {"1h1m1s1ms", 3'661'001ms},
      {"1m1m", 2min}, {"000001s", 1s},       {"1ms1m", 60'001ms},
  };
  for (const auto& row : rows) EXPECT_EQ(parse_duration(row.text), row.duration) << row.text;
}

TEST(Duration, AnythingElseIsNot) {
  for (const char* text : {"", "1", "h", "1d", "1w", "1.5h", "-1h", "+1h", "1 h", "1h ", " 1h", "1H", "1us",
                           "1000000s", "1h30", "1hm", "ms"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(Duration, ThatDoesNotFitIsNot) {
  std::string text;
  for (int i = 0; i < 3000; ++i) text += "999999h";
  EXPECT_FALSE(parse_duration(text));
}

TEST(Duration, IsWrittenLargestUnitsFirst) {
  EXPECT_EQ(format_duration(168h), "168h");
  EXPECT_EQ(format_duration(90min), "1h30m");
  EXPECT_EQ(format_duration(3'661'001ms), "1h1m1s1ms");
  EXPECT_EQ(format_duration(0s), "0s");
  EXPECT_EQ(format_duration(1999us), "1ms") << "rounds down";
  EXPECT_EQ(format_duration(999us), "0s");
  EXPECT_EQ(format_duration(-90s), "-1m30s");
  EXPECT_EQ(format_duration(-999us), "0s") << "not -0s";
}

TEST(Duration, ComesBackAsItWas) {
  for (Duration duration = 0s; duration < 10'000h; duration = duration * 3 + 7ms) {
    EXPECT_EQ(parse_duration(format_duration(duration)), duration);
  }
}

TEST(Age, IsForPeople) {
  const struct {
    Duration age;
    std::string text;
  } rows[] = {
      {0s, "0s"},          {59s, "59s"}, {60s, "1m"},
      {61s, "1m 1s"},      {1h, "1h"},   {4h + 12min + 59s, "4h 12m"},
      {1h + 59s, "1h"},    {24h, "1d"},  {52h, "2d 4h"},
      {48h + 59min, "2d"}, {-5s, "0s"},  {1999ms, "1s"},
      {8760h, "365d"},
  };
  for (const auto& row : rows) EXPECT_EQ(format_age(row.age), row.text);
}

TEST(SystemClock, Goes) {
  const SystemClock clock;
  const auto before = clock.steady();
  EXPECT_GT(clock.now(), kNoon - days{3650});
  EXPECT_GE(clock.steady(), before);
}

}  // namespace
}  // namespace rls
