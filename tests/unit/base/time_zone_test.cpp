#include "controller/base/time_zone.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace rls {
namespace {

using namespace std::chrono_literals;

Time at(const std::string& text) { return *parse_rfc3339(text); }

TEST(TimeZone, KnowsWhenTheClocksAreSet) {
  const struct {
    std::string zone, begin, end;
    std::chrono::seconds offset;
  } rows[] = {
      {"Europe/Berlin", "2025-10-26T01:00:00Z", "2026-03-29T01:00:00Z", 1h},
      {"Europe/Berlin", "2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z", 2h},
      {"America/New_York", "2026-03-08T07:00:00Z", "2026-11-01T06:00:00Z", -4h},
      {"America/New_York", "2026-11-01T06:00:00Z", "2027-03-14T07:00:00Z", -5h},
      // Half an hour, in the other half of the year.
      {"Australia/Lord_Howe", "2026-04-04T15:00:00Z", "2026-10-03T15:30:00Z", 10h + 30min},
      {"Australia/Lord_Howe", "2026-10-03T15:30:00Z", "2027-04-03T15:00:00Z", 11h},
      // Where summer is the standard time, and the clocks are set back for the winter.
      {"Europe/Dublin", "2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z", 1h},
      // A day that never was.
      {"Pacific/Apia", "2011-12-30T10:00:00Z", "2012-03-31T14:00:00Z", 14h},
      // After 2037, where the files have no entries any more, but a rule.
      {"Europe/Berlin", "2037-10-25T01:00:00Z", "2038-03-28T01:00:00Z", 1h},
      {"Europe/Berlin", "2045-03-26T01:00:00Z", "2045-10-29T01:00:00Z", 2h},
      {"America/New_York", "2044-11-06T06:00:00Z", "2045-03-12T07:00:00Z", -5h},
      {"Australia/Lord_Howe", "2044-10-01T15:30:00Z", "2045-04-01T15:00:00Z", 11h},
  };
  for (const auto& row : rows) {
    const auto zone = find_time_zone(row.zone);
    ASSERT_TRUE(zone) << zone.error().message;
    const ClockStretch wanted{at(row.begin), at(row.end), row.offset};
    for (const Time time : {wanted.begin, wanted.begin + (wanted.end - wanted.begin) / 2, wanted.end - 1us}) {
      const ClockStretch stretch = zone->stretch_at(time);
      EXPECT_EQ(stretch, wanted) << row.zone << " at " << format_rfc3339(time) << ": "
                                 << format_rfc3339(stretch.begin) << " to " << format_rfc3339(stretch.end);
    }
    EXPECT_EQ(zone->stretch_at(wanted.begin - 1us).end, wanted.begin);
    EXPECT_EQ(zone->stretch_at(wanted.end).begin, wanted.end);
  }
}

TEST(TimeZone, UtcIsNeverSet) {
  const auto zone = find_time_zone("UTC");
  ASSERT_TRUE(zone);
  for (const char* time : {"0001-01-01T00:00:00Z", "2026-03-29T01:00:00Z", "9999-12-31T23:59:59Z"}) {
    const ClockStretch stretch = zone->stretch_at(at(time));
    EXPECT_EQ(stretch.offset, 0s);
    EXPECT_LE(stretch.begin, at("0001-01-01T00:00:00Z"));
    EXPECT_GE(stretch.end, at("9999-12-31T23:59:59Z"));
  }
}

TEST(TimeZone, StretchesFollowEachOtherWithoutGap) {
  for (const char* name : {"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"}) {
    const auto zone = find_time_zone(name);
    ASSERT_TRUE(zone) << name;
    ClockStretch stretch = zone->stretch_at(at("2020-01-01T00:00:00Z"));
    int seen = 0;
    for (; stretch.end < at("2100-01-01T00:00:00Z"); ++seen) {
      const ClockStretch next = zone->stretch_at(stretch.end);
      ASSERT_EQ(next.begin, stretch.end) << name;
      ASSERT_GT(next.end, next.begin) << name;
      stretch = next;
    }
    EXPECT_GT(seen, 100) << name;
  }
}

// What the clocks show, where they jump and where they go twice over the same hour.
TEST(TimeZone, ShowsWhatIsMissingAndWhatComesTwice) {
  const auto zone = find_time_zone("Europe/Berlin");
  ASSERT_TRUE(zone);
  const auto local = [](int hour, int day, int month) {
    return LocalTime{std::chrono::local_days{std::chrono::year{2026} / month / day} +
                     std::chrono::hours{hour}};
  };
  const Time spring = at("2026-03-29T01:00:00Z"), autumn = at("2026-10-25T01:00:00Z");
  EXPECT_EQ(zone->stretch_at(spring - 1us).local(spring), local(2, 29, 3));
  EXPECT_EQ(zone->stretch_at(spring).local(spring), local(3, 29, 3)) << "02:00 to 03:00 never comes";
  EXPECT_EQ(zone->stretch_at(autumn - 1us).local(autumn), local(3, 25, 10));
  EXPECT_EQ(zone->stretch_at(autumn).local(autumn), local(2, 25, 10)) << "02:00 to 03:00 comes twice";
  EXPECT_EQ(zone->stretch_at(autumn).utc(local(2, 25, 10)), autumn);
}

TEST(TimeZone, NoOtherNameIsOne) {
  using std::string_literals::operator""s;
  for (const std::string& name : {""s,
                                  "utc "s,
                                  "Europe/Berlin "s,
                                  "europe/berlin"s,
                                  "Mars/Olympus"s,
                                  "Europe"s,
                                  "Europe/"s,
                                  "/UTC"s,
                                  "../zoneinfo/UTC"s,
                                  "../../etc/passwd"s,
                                  "Europe/../UTC"s,
                                  "/usr/share/zoneinfo/UTC"s,
                                  "localtime"s,
                                  "posix/UTC"s,
                                  "right/UTC"s,
                                  "tzdata.zi"s,
                                  "iso3166.tab"s,
                                  "leapseconds"s,
                                  "CET-1CEST,M3.5.0,M10.5.0/3"s,
                                  "UTC\0/x"s,
                                  "+01:00"s,
                                  std::string(100'000, 'a')}) {
    const auto zone = find_time_zone(name);
    ASSERT_FALSE(zone) << name;
    EXPECT_EQ(zone.error().kind, ErrorKind::terminal);
    EXPECT_EQ(zone.error().reason, "InvalidSpec");
    EXPECT_NE(zone.error().message.find("use"), std::string::npos) << "the remedy: " << zone.error().message;
    EXPECT_LT(zone.error().message.size(), 300U);
  }
  EXPECT_NE(find_time_zone("Mars/Olympus").error().message.find("\"Mars/Olympus\""), std::string::npos);
}

TEST(TimeZone, IsFoundFromSeveralThreadsAtOnce) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([] {
      for (const char* name : {"Asia/Tokyo", "Asia/Kolkata", "America/Lima", "Mars/Olympus", "Asia/Tokyo"}) {
        const auto zone = find_time_zone(name);
        ASSERT_EQ(zone.ok(), name != std::string("Mars/Olympus"));
        if (zone) {
          EXPECT_NE(zone->stretch_at(at("2026-01-01T00:00:00Z")).offset, 0s);
        }
      }
    });
  }
}

}  // namespace
}  // namespace rls
