#include "controller/decide/schedule.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <string>
#include <vector>

#include "controller/base/text.hpp"

namespace rls::decide {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::local_days;
using std::chrono::minutes;
using std::chrono::year_month_day;

constexpr std::array<std::string_view, 12> kMonths = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                                      "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
constexpr std::array<std::string_view, 7> kWeekdays = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};
constexpr std::array<unsigned, 13> kLongest = {0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
constexpr std::size_t kMaxShown = 60;

struct FieldKind {
  std::string_view name;
  unsigned least, most;
  const std::string_view* names = nullptr;  ///< of the values from `least` on
  std::size_t name_count = 0;
};
constexpr std::array<FieldKind, 5> kFields = {{
    {"minute", 0, 59},
    {"hour", 0, 23},
    {"day of the month", 1, 31},
    {"month", 1, 12, kMonths.data(), kMonths.size()},
    {"day of the week", 0, 7, kWeekdays.data(), kWeekdays.size()},
}};
constexpr const FieldKind& kWeekdayField = kFields[4];

constexpr std::uint64_t bit(unsigned value) { return std::uint64_t{1} << value; }

Error invalid(std::string_view text, const std::string& why) {
  return terminal("InvalidSpec", quoted(text, kMaxShown) + ": " + why);
}

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find_first_of(separators);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

bool same_name(std::string_view a, std::string_view name) {
  const auto upper = [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; };
  return std::equal(a.begin(), a.end(), name.begin(), name.end(),
                    [&](char x, char y) { return upper(x) == y; });
}

/// What was found of one field.
struct Field {
  std::uint64_t values = 0;
  bool star = false;        ///< `*` somewhere
  bool restricted = false;  ///< not just `*`
  std::string problem;      ///< where it cannot be read
};

class FieldReader {
 public:
  explicit FieldReader(const FieldKind& kind) : kind_(kind) {}

  Field read(std::string_view text) {
    field_.restricted = text != "*" && text != "*/1";
    for (const std::string_view item : split(text, ",")) {
      if (!read_item(item)) break;
    }
    return std::move(field_);
  }

 private:
  bool fail(const std::string& why) {
    field_.problem = "the " + std::string(kind_.name) + " " + why;
    return false;
  }

  [[nodiscard]] std::string bounds() const {
    std::string out = std::to_string(kind_.least) + " to " + std::to_string(kind_.most);
    if (kind_.name_count != 0) {
      out += " or " + std::string(kind_.names[0]) + " to " + std::string(kind_.names[kind_.name_count - 1]);
    }
    return out;
  }

  bool read_value(std::string_view text, unsigned& out) {
    for (std::size_t i = 0; i < kind_.name_count; ++i) {
      if (!same_name(text, kind_.names[i])) continue;
      out = kind_.least + static_cast<unsigned>(i);
      return true;
    }
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size() || out < kind_.least ||
        out > kind_.most) {
      return fail("cannot be " + quoted(text, kMaxShown) + ": use * or " + bounds());
    }
    return true;
  }

  bool read_range(std::string_view text, unsigned& first, unsigned& last) {
    if (text == "*") {
      field_.star = true;
      first = kind_.least;
      last = kind_.most;
      return true;
    }
    const std::size_t dash = text.find('-');
    if (!read_value(text.substr(0, dash), first)) return false;
    last = first;
    if (dash == std::string_view::npos) return true;
    const std::string_view end = text.substr(dash + 1);
    if (!read_value(end, last)) return false;
    if (&kind_ == &kWeekdayField && same_name(end, "SUN")) last = 7;
    if (last >= first) return true;
    return fail("cannot be " + quoted(text, kMaxShown) +
                ", which ends before it begins: write it as two ranges, with a comma between");
  }

  bool read_item(std::string_view text) {
    const std::size_t slash = text.find('/');
    const std::string_view range = text.substr(0, slash);
    unsigned first = 0, last = 0, step = 1;
    if (!read_range(range, first, last)) return false;
    if (slash != std::string_view::npos) {
      const std::string_view number = text.substr(slash + 1);
      const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), step);
      if (number.empty() || error != std::errc{} || end != number.data() + number.size() || step == 0 ||
          step > kind_.most) {
        return fail("cannot have the step " + quoted(number, kMaxShown) + ": use 1 to " +
                    std::to_string(kind_.most));
      }
      if (range != "*" && range.find('-') == std::string_view::npos) {
        return fail("cannot be " + quoted(text, kMaxShown) + ": a step stands behind * or a range, such as " +
                    std::string(range) + "-" + std::to_string(kind_.most) + "/" + std::string(number));
      }
    }
    for (unsigned value = first; value <= last; value += step) {
      field_.values |= bit(&kind_ == &kWeekdayField ? value % 7 : value);
    }
    return true;
  }

  const FieldKind& kind_;
  Field field_;
};

/// The days alone decide: every month has some day of the week, and every day some hour.
bool ever_comes(const Schedule& schedule) {
  if (!schedule.any_weekday) return true;
  for (unsigned month = 1; month <= 12; ++month) {
    const std::uint64_t in_month = bit(kLongest[month] + 1) - 1;
    if ((schedule.months & bit(month)) != 0 && (schedule.days & in_month) != 0) return true;
  }
  return false;
}

bool comes_on(const Schedule& schedule, local_days day) {
  const year_month_day date{day};
  if ((schedule.months & bit(static_cast<unsigned>(date.month()))) == 0) return false;
  const bool in_days = (schedule.days & bit(static_cast<unsigned>(date.day()))) != 0;
  const bool in_weekdays = (schedule.weekdays & bit(std::chrono::weekday{day}.c_encoding())) != 0;
  if (schedule.any_day) return in_weekdays;
  return schedule.any_weekday ? in_days : in_days || in_weekdays;
}

/// The lowest and the highest value in `values` that is not below `from`, or below `end`.
std::optional<unsigned> lowest(std::uint64_t values, unsigned from) {
  values = values >> from << from;
  if (values == 0) return std::nullopt;
  return static_cast<unsigned>(std::countr_zero(values));
}
std::optional<unsigned> highest(std::uint64_t values, unsigned end) {
  values &= bit(end) - 1;
  if (values == 0) return std::nullopt;
  return 63U - static_cast<unsigned>(std::countl_zero(values));
}

/// The first time of a day that is not before `from`.
std::optional<minutes> first_time(const Schedule& schedule, minutes from) {
  if (from >= days{1}) return std::nullopt;
  const auto hour = static_cast<unsigned>(from.count() / 60),
             minute = static_cast<unsigned>(from.count() % 60);
  if ((schedule.hours & bit(hour)) != 0) {
    if (const auto found = lowest(schedule.minutes, minute)) return minutes{hour * 60 + *found};
  }
  const auto later = lowest(schedule.hours, hour + 1);
  if (!later) return std::nullopt;
  return minutes{*later * 60 + static_cast<unsigned>(std::countr_zero(schedule.minutes))};
}

/// The last time of a day that is before `end`, which is at most 24 hours.
std::optional<minutes> last_time(const Schedule& schedule, minutes end) {
  const auto hour = static_cast<unsigned>(end.count() / 60), minute = static_cast<unsigned>(end.count() % 60);
  if (hour < 24 && (schedule.hours & bit(hour)) != 0) {
    if (const auto found = highest(schedule.minutes, minute)) return minutes{hour * 60 + *found};
  }
  const auto earlier = highest(schedule.hours, hour);
  if (!earlier) return std::nullopt;
  return minutes{*earlier * 60 + *highest(schedule.minutes, 60)};
}

minutes longest_gap(const Schedule& schedule) {
  minutes longest{0};
  std::optional<minutes> before;
  for (auto time = first_time(schedule, minutes{0}); time; time = first_time(schedule, *time + minutes{1})) {
    if (before) longest = std::max(longest, *time - *before);
    before = time;
  }
  return longest;
}

}  // namespace

Result<Schedule> parse_schedule(std::string_view text) {
  constexpr std::string_view kBlanks = " \t";
  constexpr std::string_view kOrder = "minute, hour, day of the month, month, day of the week";
  if (text.starts_with('@')) {
    return invalid(text, "names for schedules are not read: write five fields (" + std::string(kOrder) +
                             "), such as 0 0 * * * for @daily");
  }
  if (text.find("TZ=") != std::string_view::npos) {
    return invalid(text, "a time zone does not belong into the schedule: set timeZone");
  }
  auto fields = split(text, kBlanks);
  std::erase_if(fields, [](std::string_view field) { return field.empty(); });
  if (fields.size() != kFields.size()) {
    return invalid(text, "it has " + std::to_string(fields.size()) + " fields: write five (" +
                             std::string(kOrder) + "), without seconds and years");
  }

  std::array<Field, kFields.size()> read;
  for (std::size_t i = 0; i < kFields.size(); ++i) {
    read[i] = FieldReader(kFields[i]).read(fields[i]);
    if (!read[i].problem.empty()) return invalid(text, read[i].problem);
  }
  Schedule schedule{.minutes = read[0].values,
                    .hours = read[1].values,
                    .days = read[2].values,
                    .months = read[3].values,
                    .weekdays = read[4].values,
                    .any_day = !read[2].restricted,
                    .any_weekday = !read[4].restricted,
                    .rhythm = read[0].star || read[1].star};
  if (!ever_comes(schedule)) {
    return invalid(text, "it never comes: none of its months has such a day of the month");
  }
  schedule.longest_gap = longest_gap(schedule);
  return schedule;
}

std::optional<LocalTime> first_match(const Schedule& schedule, LocalTime from, LocalTime end) {
  local_days day = floor<days>(from);
  minutes time = std::chrono::ceil<minutes>(from - day);
  while (day < end) {
    const year_month_day date{day};
    if ((schedule.months & bit(static_cast<unsigned>(date.month()))) == 0) {
      day = local_days{(date.year() / date.month() + std::chrono::months{1}) / 1};
    } else {
      if (comes_on(schedule, day)) {
        if (const auto found = first_time(schedule, time)) {
          const LocalTime match = day + *found;
          return match < end ? std::optional(match) : std::nullopt;
        }
      }
      day += days{1};
    }
    time = minutes{0};
  }
  return std::nullopt;
}

std::optional<LocalTime> last_match(const Schedule& schedule, LocalTime from, LocalTime end) {
  local_days day = floor<days>(end);
  minutes before = std::chrono::ceil<minutes>(end - day);
  while (day + days{1} > from) {
    const year_month_day date{day};
    if ((schedule.months & bit(static_cast<unsigned>(date.month()))) == 0) {
      day = local_days{date.year() / date.month() / 1} - days{1};
    } else {
      if (comes_on(schedule, day)) {
        if (const auto found = last_time(schedule, before)) {
          const LocalTime match = day + *found;
          return match >= from ? std::optional(match) : std::nullopt;
        }
      }
      day -= days{1};
    }
    before = minutes{24 * 60};
  }
  return std::nullopt;
}

}  // namespace rls::decide
