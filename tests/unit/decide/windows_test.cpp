// When windows are open: by example, and against an oracle that looks at every minute.

#include "controller/decide/windows.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bitset>
#include <random>
#include <string>
#include <vector>

namespace rls::decide {
namespace {

using namespace std::chrono_literals;
using std::chrono::days;
using std::chrono::floor;
using std::chrono::minutes;

Time at(const std::string& text) { return *parse_rfc3339(text); }
std::string shown(std::optional<Time> time) { return time ? format_rfc3339(*time) : "never"; }

api::WindowSpec window(std::string schedule, Duration duration, std::string zone = "UTC") {
  return {std::move(schedule), duration, std::move(zone)};
}

std::string state(const api::WindowSpec& spec, const std::string& now) {
  const auto found = window_at(spec, at(now));
  if (!found) return found.error().message;
  return (found->open ? "open until " : "closed until ") + shown(found->changes_at);
}
std::string state(const std::vector<api::WindowSpec>& specs, const std::string& now) {
  const auto found = any_window_at(specs, at(now));
  if (!found) return found.error().message;
  return (found->open ? "open until " : "closed until ") + shown(found->changes_at);
}

TEST(Window, IsOpenFromItsOpeningUntilJustBeforeItsEnd) {
  const auto night = window("0 2 * * *", 4h);
  EXPECT_EQ(state(night, "2026-01-15T01:59:59.999999Z"), "closed until 2026-01-15T02:00:00Z");
  EXPECT_EQ(state(night, "2026-01-15T02:00:00Z"), "open until 2026-01-15T06:00:00Z");
  EXPECT_EQ(state(night, "2026-01-15T05:59:59.999999Z"), "open until 2026-01-15T06:00:00Z");
  EXPECT_EQ(state(night, "2026-01-15T06:00:00Z"), "closed until 2026-01-16T02:00:00Z");
}

TEST(Window, GoesOverMidnightAndOverTheYear) {
  const auto late = window("30 22 * * FRI", 6h);
  EXPECT_EQ(state(late, "2026-01-17T04:00:00Z"), "open until 2026-01-17T04:30:00Z") << "of Friday";
  EXPECT_EQ(state(late, "2026-01-17T04:30:00Z"), "closed until 2026-01-23T22:30:00Z");
  EXPECT_EQ(state(window("0 23 31 12 *", 2h), "2027-01-01T00:30:00Z"), "open until 2027-01-01T01:00:00Z");
  EXPECT_EQ(state(window("0 0 29 2 *", 1h), "2026-01-15T00:00:00Z"), "closed until 2028-02-29T00:00:00Z");
  EXPECT_EQ(state(window("0 0 29 2 *", 1h), "2096-02-29T01:00:00Z"), "closed until 2104-02-29T00:00:00Z");
}

TEST(Window, ThatReachesTheNextOneIsOneWithIt) {
  EXPECT_EQ(state(window("0 0 * * MON-FRI", 24h), "2026-01-14T12:00:00Z"), "open until 2026-01-17T00:00:00Z");
  EXPECT_EQ(state(window("0 0 * * MON-FRI", 30h), "2026-01-14T12:00:00Z"), "open until 2026-01-17T06:00:00Z");
  EXPECT_EQ(state(window("0 0 * * MON-FRI", 24h - 1us), "2026-01-14T12:00:00Z"),
            "open until 2026-01-14T23:59:59.999999Z");
  EXPECT_EQ(state(window("* 8-17 * * *", 1min), "2026-01-14T12:00:30Z"), "open until 2026-01-14T18:00:00Z");
  EXPECT_EQ(state(window("*/5 8-17 * * *", 4min), "2026-01-14T12:01:00Z"), "open until 2026-01-14T12:04:00Z");
  EXPECT_EQ(state(window("* * 1-20 * *", 1min), "2026-01-14T12:00:00Z"), "open until 2026-01-21T00:00:00Z");
}

TEST(Window, LongerThanItsPeriodNeverCloses) {
  for (const char* now : {"2026-01-15T01:59:59Z", "2026-01-15T02:00:00Z", "2026-03-29T01:00:00Z"}) {
    EXPECT_EQ(state(window("0 2 * * *", 24h), now), "open until never");
    EXPECT_EQ(state(window("0 2 * * *", 8760h, "Europe/Berlin"), now), "open until never");
    EXPECT_EQ(state(window("* * * * *", 1min, "Europe/Berlin"), now), "open until never");
  }
  EXPECT_EQ(state(window("0 0 1 1 *", 8760h), "2028-12-30T12:00:00Z"), "open until 2028-12-31T00:00:00Z")
      << "365 days of a leap year";
}

TEST(Window, DurationIsTimeThatPasses) {
  // 23 hours to the next opening, and 25.
  const auto day = window("0 0 * * *", 24h, "Europe/Berlin");
  EXPECT_EQ(state(day, "2026-10-24T22:00:00Z"), "open until 2026-10-25T22:00:00Z");
  EXPECT_EQ(state(day, "2026-10-25T22:00:00Z"), "closed until 2026-10-25T23:00:00Z");
  EXPECT_EQ(state(window("0 1 * * *", 4h, "Europe/Berlin"), "2026-03-29T00:00:00Z"),
            "open until 2026-03-29T04:00:00Z");
  EXPECT_EQ(state(window("0 1 * * *", 4h, "Europe/Berlin"), "2026-10-24T23:00:00Z"),
            "open until 2026-10-25T03:00:00Z");
}

/// The openings of one window in a time, by asking for the next one again and again.
std::string openings(const std::string& text, const std::string& zone, const std::string& from,
                     const std::string& end) {
  const auto schedule = parse_schedule(text);
  const auto where = find_time_zone(zone);
  if (!schedule || !where) return "cannot be read";
  std::string out;
  for (auto next = next_opening(*schedule, *where, at(from)); next && *next < at(end);
       next = next_opening(*schedule, *where, *next + 1us)) {
    out += (out.empty() ? "" : " ") + format_rfc3339(*next).substr(8, 8);
  }
  return out;
}

TEST(Window, OpensOnceWhereTheClocksJumpOverIt) {
  const std::string berlin = "Europe/Berlin", from = "2026-03-28T12:00:00Z", end = "2026-03-29T12:00:00Z";
  EXPECT_EQ(openings("30 1 * * *", berlin, from, end), "29T00:30");
  EXPECT_EQ(openings("0 2 * * *", berlin, from, end), "29T01:00");
  EXPECT_EQ(openings("30 2 * * *", berlin, from, end), "29T01:00");
  EXPECT_EQ(openings("0,30,59 2 * * *", berlin, from, end), "29T01:00");
  EXPECT_EQ(openings("30 2,3 * * *", berlin, from, end), "29T01:00 29T01:30");
  EXPECT_EQ(openings("0 2,3 * * *", berlin, from, end), "29T01:00") << "03:00 is that moment, too";
  EXPECT_EQ(openings("0 3 * * *", berlin, from, end), "29T01:00");
  EXPECT_EQ(openings("30 2 * * SUN", berlin, from, end), "29T01:00");
  EXPECT_EQ(openings("30 2 * * SAT", berlin, from, end), "") << "not on that day";
  EXPECT_EQ(openings("30 2 * * *", "America/New_York", "2026-03-07T20:00:00Z", "2026-03-08T20:00:00Z"),
            "08T07:00");
  EXPECT_EQ(openings("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", "2026-10-04T00:00:00Z"),
            "03T15:30")
      << "02:00 to 02:30 is missing";
  EXPECT_EQ(openings("0 12 30 12 *", "Pacific/Apia", "2011-12-28T00:00:00Z", "2012-01-02T00:00:00Z"),
            "30T10:00")
      << "a day that never was";
}

TEST(Window, ThatOpensAtTheJumpClosesBeforeTheTimesOfThatDay) {
  // It opens at 23:00 of the 29th, an hour later for all of the missing 30th, and then at 20:00 of the 31st.
  EXPECT_EQ(state(window("0 20,21,23 * * *", 2h, "Pacific/Apia"), "2011-12-30T09:30:00Z"),
            "open until 2011-12-30T12:00:00Z");
  EXPECT_EQ(state(window("0 20,21,23 * * *", 2h, "Pacific/Apia"), "2011-12-30T12:00:00Z"),
            "closed until 2011-12-31T06:00:00Z");
}

TEST(Window, OpensAtTheFirstWhereTheClocksShowItTwice) {
  const std::string berlin = "Europe/Berlin", from = "2026-10-24T12:00:00Z", end = "2026-10-25T12:00:00Z";
  EXPECT_EQ(openings("30 1 * * *", berlin, from, end), "24T23:30");
  EXPECT_EQ(openings("0 2 * * *", berlin, from, end), "25T00:00");
  EXPECT_EQ(openings("30 2 * * *", berlin, from, end), "25T00:30");
  EXPECT_EQ(openings("0,30 2 * * *", berlin, from, end), "25T00:00 25T00:30");
  EXPECT_EQ(openings("0 3 * * *", berlin, from, end), "25T02:00");
  EXPECT_EQ(openings("30 2 * * *", berlin, "2026-10-25T00:30:00.000001Z", end), "") << "the second is none";
  EXPECT_EQ(openings("30 1 * * *", "America/New_York", "2026-10-31T20:00:00Z", "2026-11-01T20:00:00Z"),
            "01T05:30");
  EXPECT_EQ(openings("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", "2026-04-05T00:00:00Z"),
            "04T14:45");
  // At midnight, so that the day itself begins twice.
  EXPECT_EQ(openings("30 0 * * *", "America/Havana", "2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z"),
            "01T04:30");
}

TEST(Window, ARhythmFollowsTheClocks) {
  EXPECT_EQ(openings("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-29T02:00:00Z"),
            "29T00:00 29T00:30 29T01:00 29T01:30");
  EXPECT_EQ(openings("*/30 2 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-30T02:00:00Z"),
            "30T00:00 30T00:30")
      << "there is no such hour that day";
  EXPECT_EQ(openings("30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-29T02:00:00Z"),
            "29T00:30 29T01:30");
  EXPECT_EQ(openings("30 * * * *", "Europe/Berlin", "2026-10-24T23:00:00Z", "2026-10-25T03:00:00Z"),
            "24T23:30 25T00:30 25T01:30 25T02:30");
  EXPECT_EQ(openings("0,20,40 1-3/1 * * *", "UTC", "2026-10-25T00:00:00Z", "2026-10-25T01:30:00Z"),
            "25T01:00 25T01:20");
  EXPECT_EQ(openings("*/15 2 * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", "2026-10-25T03:00:00Z"),
            "25T00:00 25T00:15 25T00:30 25T00:45 25T01:00 25T01:15 25T01:30 25T01:45");
}

TEST(Windows, AreOpenWhereAnyIs) {
  const std::vector<api::WindowSpec> two = {window("0 2 * * *", 1h),
                                            window("30 11 * * *", 1h, "Europe/Berlin")};
  EXPECT_EQ(state(two, "2026-01-15T02:30:00Z"), "open until 2026-01-15T03:00:00Z");
  EXPECT_EQ(state(two, "2026-01-15T03:00:00Z"), "closed until 2026-01-15T10:30:00Z");
  EXPECT_EQ(state(two, "2026-01-15T11:00:00Z"), "open until 2026-01-15T11:30:00Z");
  EXPECT_EQ(state(two, "2026-01-15T11:30:00Z"), "closed until 2026-01-16T02:00:00Z");
}

TEST(Windows, ThatOverlapOrTouchCloseTogether) {
  const std::vector<api::WindowSpec> chain = {window("0 4 * * *", 1h), window("0 2 * * *", 1h),
                                              window("0 3 * * *", 90min)};
  EXPECT_EQ(state(chain, "2026-01-15T02:00:00Z"), "open until 2026-01-15T05:00:00Z");
  EXPECT_EQ(state({window("0 0-23/2 * * *", 1h), window("0 1-23/2 * * *", 1h)}, "2026-01-15T02:00:00Z"),
            "open until never");
  EXPECT_EQ(state({window("0 0 1-15 * *", 24h), window("0 0 16-31 * *", 24h)}, "2026-01-15T02:00:00Z"),
            "open until never");
  EXPECT_EQ(state({window("*/2 * * * *", 1min), window("1-59/2 * * * *", 1min)}, "2026-01-15T02:00:00Z"),
            "open until never")
      << "a hundred in a row";
  EXPECT_EQ(state({window("0 0 1 1 *", 8760h), window("0 0 2 1 *", 1h)}, "2028-01-01T00:00:00Z"),
            "open until 2028-12-31T00:00:00Z");
  EXPECT_EQ(state(std::vector<api::WindowSpec>{}, "2026-01-15T02:00:00Z"), "closed until never");
}

TEST(Windows, WhatCannotBeUsedNamesTheFieldAndItsPlace) {
  const auto said = [](const api::WindowSpec& spec, const std::string& wanted) {
    const auto one = window_at(spec, at("2026-01-15T02:00:00Z"));
    ASSERT_FALSE(one) << wanted;
    EXPECT_EQ(one.error().kind, ErrorKind::terminal);
    EXPECT_EQ(one.error().reason, "InvalidSpec");
    EXPECT_EQ(one.error().message.find(wanted), 0U) << one.error().message;
    // Also behind one that is open.
    const std::vector<api::WindowSpec> specs = {window("0 2 * * *", 4h), spec};
    const auto any = any_window_at(specs, at("2026-01-15T02:00:00Z"));
    ASSERT_FALSE(any) << wanted;
    EXPECT_EQ(any.error().message, "windows[1]." + one.error().message);
  };
  said(window("0 25 * * *", 4h), "schedule: \"0 25 * * *\": the hour cannot be \"25\"");
  said(window("0 2 * * *", 0h), "duration: 0s");
  said(window("0 2 * * *", -1h), "duration: -1h");
  said(window("0 2 * * *", 8760h + 1us), "duration: 8760h");
  said(window("0 2 * * *", Duration::max()), "duration: ");
  said(window("0 2 * * *", Duration::min() + 1us), "duration: ");
  said(window("0 2 * * *", 4h, "Europe/Bonn"), "timeZone: time zone \"Europe/Bonn\"");
  said(window("0 2 * * *", 4h, ""), "timeZone: time zone \"\"");
}

// ---- the oracle: every minute, one after the other
// -----------------------------------------------------------

/// A schedule as sets, with a text that means them.
struct Drawn {
  std::bitset<64> minutes, hours, days, months, weekdays;
  bool any_day = false, any_weekday = false, rhythm = false;
  std::string text;
};

class Draw {
 public:
  explicit Draw(unsigned seed) : random_(seed) {}

  int below(int end) { return std::uniform_int_distribution<int>(0, end - 1)(random_); }

  Drawn schedule() {
    Drawn out;
    bool star = false;
    out.text = field(out.minutes, 0, 59, 3, star);
    out.rhythm = star;
    out.text += " " + field(out.hours, 0, 23, 3, star);
    out.rhythm = out.rhythm || star;
    out.text += " " + field(out.days, 1, 31, 1, star);
    out.any_day = star && out.days.count() == 31;
    // The months of the changes, mostly.
    out.text += below(3) == 0 ? " 3,4,10-11" : " *";
    for (const int month : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}) {
      out.months[static_cast<std::size_t>(month)] =
          out.text.back() == '*' || month == 3 || month == 4 || month == 10 || month == 11;
    }
    out.text += " " + field(out.weekdays, 0, 6, 1, star);
    out.any_weekday = star && out.weekdays.count() == 7;
    return out;
  }

 private:
  /// One time in `seldom` + 1 it is `*` or a step of it, else a list or a range.
  std::string field(std::bitset<64>& values, int least, int most, int seldom, bool& star) {
    star = below(seldom + 1) == 0;
    const auto set = [&](int value) { values.set(static_cast<std::size_t>(value)); };
    if (star) {
      const int step = below(2) == 0 ? 1 : 2 + below(most / 2);
      for (int value = least; value <= most; value += step) set(value);
      return step == 1 ? "*" : "*/" + std::to_string(step);
    }
    if (below(3) == 0) {
      const int first = least + below(most - least), last = first + below(most - first + 1),
                step = 1 + below(3);
      for (int value = first; value <= last; value += step) set(value);
      return std::to_string(first) + "-" + std::to_string(last) + "/" + std::to_string(step);
    }
    std::string text;
    for (int i = 1 + below(4); i > 0; --i) {
      // Hours of the night, mostly: there the clocks are set.
      const int value = most == 23 && below(3) != 0 ? below(5) : least + below(most - least + 1);
      set(value);
      text += (text.empty() ? "" : ",") + std::to_string(value);
    }
    return text;
  }

  std::mt19937 random_;
};

bool matches(const Drawn& drawn, LocalTime time) {
  const auto day = floor<days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{floor<minutes>(time - day)};
  const auto has = [](const std::bitset<64>& set, auto value) {
    return set[static_cast<std::size_t>(value)];
  };
  const bool in_days = has(drawn.days, static_cast<unsigned>(date.day()));
  const bool in_weekdays = has(drawn.weekdays, std::chrono::weekday{day}.c_encoding());
  const bool right_day = drawn.any_day || drawn.any_weekday ? in_days && in_weekdays : in_days || in_weekdays;
  return right_day && has(drawn.months, static_cast<unsigned>(date.month())) &&
         has(drawn.hours, clock.hours().count()) && has(drawn.minutes, clock.minutes().count());
}

/// All minutes of a time: whether the window is open in each. What opened before `from` is not known.
std::vector<bool> look_at_every_minute(const Drawn& drawn, Duration duration, const TimeZone& zone, Time from,
                                       Time end) {
  std::vector<bool> open;
  std::optional<Time> opened;
  LocalTime shown = zone.stretch_at(from).local(from) - minutes{1};  // the latest time the clocks have shown
  for (Time now = from; now < end; now += minutes{1}) {
    const LocalTime local = zone.stretch_at(now).local(now);
    bool opens = drawn.rhythm ? matches(drawn, local) : false;
    if (!drawn.rhythm) {
      for (LocalTime time = shown + minutes{1}; time <= local; time += minutes{1})
        opens = opens || matches(drawn, time);
    }
    shown = std::max(shown, local);
    if (opens) opened = now;
    open.push_back(opened && now < *opened + duration);
  }
  return open;
}

TEST(Windows, AgreeWithAnOracleThatLooksAtEveryMinute) {
  const struct {
    std::string zone, from;
  } places[] = {
      {"Europe/Berlin", "2026-03-25T00:00:00Z"},       {"Europe/Berlin", "2026-10-20T00:00:00Z"},
      {"America/New_York", "2026-03-04T00:00:00Z"},    {"America/New_York", "2026-10-28T00:00:00Z"},
      {"Australia/Lord_Howe", "2026-04-01T00:00:00Z"}, {"Australia/Lord_Howe", "2026-09-30T00:00:00Z"},
      {"America/Havana", "2026-03-04T00:00:00Z"},      {"America/Havana", "2026-10-28T00:00:00Z"},
      {"Africa/Casablanca", "2026-02-11T00:00:00Z"},   {"Africa/Casablanca", "2026-03-18T00:00:00Z"},
      {"Pacific/Apia", "2011-12-27T00:00:00Z"},        {"UTC", "2028-02-26T00:00:00Z"},
  };
  constexpr int kDays = 9, kMinutes = kDays * 24 * 60;
  Draw draw(20260115);
  int asked = 0, were_open = 0;
  for (int round = 0; round < 60; ++round) {
    for (const auto& place : places) {
      const Drawn drawn = draw.schedule();
      const Duration duration = minutes{1 + draw.below(draw.below(2) == 0 ? 90 : 2000)};
      const api::WindowSpec spec = window(drawn.text, duration, place.zone);
      const auto zone = find_time_zone(place.zone);
      ASSERT_TRUE(zone);
      const Time from = at(place.from);
      const auto open = look_at_every_minute(drawn, duration, *zone, from, from + minutes{kMinutes});
      for (int i = 0; i < 40; ++i) {
        // By then the oracle has seen all that may still be open.
        const int minute = 2000 + draw.below(kMinutes - 2000);
        const Time now = from + minutes{minute} + Duration{draw.below(2) * 59'999'999};
        const auto found = window_at(spec, now);
        if (!found && found.error().message.find("never comes") != std::string::npos) continue;
        ASSERT_TRUE(found) << found.error().message;
        const auto seen = open.begin() + minute;
        ASSERT_EQ(found->open, *seen) << drawn.text << " for " << format_duration(duration) << " "
                                      << place.zone << " at " << format_rfc3339(now);
        const auto change = std::find(seen, open.end(), !*seen);
        const Time wanted = from + minutes{change - open.begin()};
        if (change != open.end()) {
          ASSERT_EQ(shown(found->changes_at), shown(wanted))
              << drawn.text << " for " << format_duration(duration) << " " << place.zone << " at "
              << format_rfc3339(now) << (found->open ? " open" : " closed");
        } else if (found->changes_at) {
          ASSERT_GE(*found->changes_at, wanted) << drawn.text << " " << place.zone;
        }
        ++asked;
        were_open += found->open ? 1 : 0;
      }
    }
  }
  EXPECT_GT(asked, 20'000);
  EXPECT_GT(were_open, asked / 10) << "the draw is too poor";
  EXPECT_LT(were_open, asked * 9 / 10) << "the draw is too poor";
}

TEST(Windows, SeveralAgreeWithEachByItself) {
  Draw draw(7);
  const std::vector<std::string> zones = {"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"};
  for (int round = 0; round < 200; ++round) {
    std::vector<api::WindowSpec> specs;
    while (specs.size() < 3) {
      const Drawn drawn = draw.schedule();
      if (!parse_schedule(drawn.text)) continue;
      specs.push_back(
          window(drawn.text, minutes{1 + draw.below(600)}, zones[static_cast<std::size_t>(draw.below(4))]));
    }
    const Time now = at("2026-10-20T00:00:00Z") + minutes{draw.below(14 * 24 * 60)};
    const auto any_open = [&](Time time) {
      return std::any_of(specs.begin(), specs.end(),
                         [&](const auto& spec) { return window_at(spec, time)->open; });
    };
    const auto whole = any_window_at(specs, now);
    ASSERT_TRUE(whole);
    ASSERT_EQ(whole->open, any_open(now));
    const Time end = whole->changes_at.value_or(now + kClosingHorizon);
    for (Time time = now; time < std::min(end, now + 12h); time += 1min)
      ASSERT_EQ(any_open(time), whole->open);
    if (whole->changes_at) {
      ASSERT_EQ(any_open(end - 1us), whole->open);
      ASSERT_EQ(any_open(end), !whole->open);
    }
  }
}

}  // namespace
}  // namespace rls::decide
