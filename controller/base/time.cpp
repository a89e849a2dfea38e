#include "controller/base/time.hpp"

#include <array>
#include <cstdint>
#include <cstdio>

namespace rls {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

enum class Fraction { none, where_needed, always };

std::string format(Time time, Fraction fraction) {
  const auto day = floor<days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  const auto micros = clock.subseconds().count();
  std::array<char, 48> text{};
  int used =
      std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
                    static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                    static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                    static_cast<int>(clock.seconds().count()));
  std::string out(text.data(), static_cast<std::size_t>(used));
  if (fraction == Fraction::always || (fraction == Fraction::where_needed && micros != 0)) {
    used = std::snprintf(text.data(), text.size(), ".%06d", static_cast<int>(micros));
    out.append(text.data(), static_cast<std::size_t>(used));
  }
  return out + "Z";
}

/// Reads decimal digits off a text; a text that does not fit makes the whole reading fail.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  std::optional<int> digits(std::size_t count) {
    if (rest_.size() < count) return std::nullopt;
    int value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (rest_[i] < '0' || rest_[i] > '9') return std::nullopt;
      value = value * 10 + (rest_[i] - '0');
    }
    rest_.remove_prefix(count);
    return value;
  }
  bool take(char wanted) {
    if (rest_.empty() || rest_.front() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool at_digit() const { return !rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9'; }
  bool done() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

}  // namespace

std::string format_rfc3339(Time time) { return format(time, Fraction::where_needed); }
std::string format_rfc3339_seconds(Time time) { return format(time, Fraction::none); }
std::string format_rfc3339_micro(Time time) { return format(time, Fraction::always); }

std::optional<Time> parse_rfc3339(std::string_view text) {
  Reader reader(text);
  const auto year = reader.digits(4);
  if (!year || !reader.take('-')) return std::nullopt;
  const auto month = reader.digits(2);
  if (!month || !reader.take('-')) return std::nullopt;
  const auto day = reader.digits(2);
  if (!day || (!reader.take('T') && !reader.take('t') && !reader.take(' '))) return std::nullopt;
  const auto hour = reader.digits(2);
  if (!hour || !reader.take(':')) return std::nullopt;
  const auto minute = reader.digits(2);
  if (!minute || !reader.take(':')) return std::nullopt;
  const auto second = reader.digits(2);
  if (!second || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;

  std::int64_t micros = 0;
  if (reader.take('.')) {
    if (!reader.at_digit()) return std::nullopt;
    int seen = 0;
    for (; reader.at_digit(); ++seen) {
      const int digit = *reader.digits(1);
      if (seen < 6) micros = micros * 10 + digit;
      if (seen >= 9) return std::nullopt;
    }
    for (; seen < 6; ++seen) micros *= 10;
  }

  minutes offset{0};
  if (!reader.take('Z') && !reader.take('z')) {
    const bool minus = reader.take('-');
    if (!minus && !reader.take('+')) return std::nullopt;
    const auto offset_hours = reader.digits(2);
    if (!reader.take(':')) return std::nullopt;
    const auto offset_minutes = reader.digits(2);
    if (!offset_hours || !offset_minutes || *offset_hours > 23 || *offset_minutes > 59) return std::nullopt;
    offset = hours{*offset_hours} + minutes{*offset_minutes};
    if (minus) offset = -offset;
  }
  if (!reader.done()) return std::nullopt;

  const std::chrono::year_month_day date{std::chrono::year{*year},
                                         std::chrono::month{static_cast<unsigned>(*month)},
                                         std::chrono::day{static_cast<unsigned>(*day)}};
  if (!date.ok()) return std::nullopt;
  const Time time{std::chrono::sys_days{date}.time_since_epoch() + hours{*hour} + minutes{*minute} +
                  seconds{*second} + microseconds{micros} - offset};
  // In UTC it may be a year that no four digits can write.
  constexpr Time kFirst = std::chrono::sys_days{std::chrono::year{0} / 1 / 1};
  constexpr Time kEnd = std::chrono::sys_days{std::chrono::year{10'000} / 1 / 1};
  if (time < kFirst || time >= kEnd) return std::nullopt;
  return time;
}

std::optional<Duration> parse_duration(std::string_view text) {
  if (text.empty()) return std::nullopt;
  Duration total{0};
  while (!text.empty()) {
    std::int64_t number = 0;
    std::size_t digits = 0;
    while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') {
      if (digits == 6) return std::nullopt;
      number = number * 10 + (text[digits] - '0');
      ++digits;
    }
    if (digits == 0) return std::nullopt;
    text.remove_prefix(digits);
    Duration part{0};
    if (text.starts_with("ms")) {
      part = milliseconds{number};
      text.remove_prefix(1);
    } else if (text.starts_with('s')) {
      part = seconds{number};
    } else if (text.starts_with('m')) {
      part = minutes{number};
    } else if (text.starts_with('h')) {
      part = hours{number};
    } else {
      return std::nullopt;
    }
    text.remove_prefix(1);
    if (total > Duration::max() - part) return std::nullopt;
    total += part;
  }
  return total;
}

std::string format_duration(Duration duration) {
  if (duration <= -milliseconds{1}) return "-" + format_duration(-duration);
  std::string out;
  const auto part = [&](auto unit, const char* suffix) {
    const auto whole = std::chrono::duration_cast<decltype(unit)>(duration);
    if (whole.count() == 0) return;
    out += std::to_string(whole.count()) + suffix;
    duration -= whole;
  };
  part(hours{}, "h");
  part(minutes{}, "m");
  part(seconds{}, "s");
  part(milliseconds{}, "ms");
  return out.empty() ? "0s" : out;
}

std::string format_age(Duration duration) {
  if (duration < Duration{0}) duration = Duration{0};
  const std::int64_t total = std::chrono::duration_cast<seconds>(duration).count();
  const std::int64_t d = total / 86400, h = total / 3600 % 24, m = total / 60 % 60, s = total % 60;
  const auto two = [](std::int64_t big, const char* big_unit, std::int64_t small, const char* small_unit) {
    std::string out = std::to_string(big) + big_unit;
    if (small != 0) out += " " + std::to_string(small) + small_unit;
    return out;
  };
  if (d != 0) return two(d, "d", h, "h");
  if (h != 0) return two(h, "h", m, "m");
  if (m != 0) return two(m, "m", s, "s");
  return std::to_string(s) + "s";
}

Time SystemClock::now() const { return floor<microseconds>(std::chrono::system_clock::now()); }
std::chrono::steady_clock::time_point SystemClock::steady() const { return std::chrono::steady_clock::now(); }

}  // namespace rls
