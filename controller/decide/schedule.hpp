#pragma once
// Cron's five fields: minute, hour, day of the month, month, day of the week (design 2-api, windows; R-C4).
// Which times of the clock a schedule means; what that is in UTC is the business of decide/windows.
//
// Understood: `*`, numbers, names (JAN, MON, in any case), ranges `a-b`, steps `*/n` and `a-b/n`, lists of
// them; 0 and 7 are Sunday. As for a CronJob a day counts where the day of the month or the day of the week
// matches, if both are restricted, which is to say that neither is `*`. What programs read differently is
// refused: macros, `a/n`, fields for seconds, `?`, `L`, `W`, `#`, a time zone inside.

#include <cstdint>
#include <optional>
#include <string_view>

#include "controller/base/result.hpp"
#include "controller/base/time_zone.hpp"

namespace rls::decide {

struct Schedule {
  // Bit n is set where the value n matches.
  std::uint64_t minutes = 0;
  std::uint64_t hours = 0;
  std::uint64_t days = 0;      ///< of the month, 1 to 31
  std::uint64_t months = 0;    ///< 1 to 12
  std::uint64_t weekdays = 0;  ///< 0 to 6, from Sunday
  bool any_day = false;        ///< the day of the month is not restricted
  bool any_weekday = false;
  /// Minute or hour is written with `*`: it means a rhythm, not a time of day (windows.hpp).
  bool rhythm = false;
  /// The longest time from one match to the next of the same day; zero where a day has one alone.
  std::chrono::minutes longest_gap{0};
  bool operator==(const Schedule&) const = default;
};

/// Reads five fields. Terminal error InvalidSpec that names the field, what is wrong with it and what to
/// write; a schedule that never comes, such as "0 0 30 2 *", is one.
[[nodiscard]] Result<Schedule> parse_schedule(std::string_view text);

/// The first and the last match in `from <= match < end`. Steps over days and months, not over minutes.
std::optional<LocalTime> first_match(const Schedule& schedule, LocalTime from, LocalTime end);
std::optional<LocalTime> last_match(const Schedule& schedule, LocalTime from, LocalTime end);

}  // namespace rls::decide
