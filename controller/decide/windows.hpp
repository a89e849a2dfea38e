#pragma once
// Windows in time: a schedule on the clocks of a zone opens them, and each stays open for a while (design
// 2-api, gates.windows; R-C4). Pure and exact; the work is bounded for every schedule.
//
// Where the clocks are set forward or back:
// - A schedule that names its hour and minute (`30 2 * * *`) opens once for each such time: where the clocks
//   jump over it, when they jump; where they show it twice, at the first of the two.
// - A schedule with `*` in hour or minute (`*/15 * * * *`) is a rhythm: it opens when clocks show such a
//   time, so twice where they show it twice, and not where they jump over it. Vixie's cron does so.
// How long a window stays open is time that passes, whatever clocks show.

#include <optional>
#include <span>

#include "controller/api/gating.hpp"
#include "controller/base/result.hpp"
#include "controller/base/time.hpp"
#include "controller/base/time_zone.hpp"
#include "controller/decide/schedule.hpp"

namespace rls::decide {

/// Eight years lie between two 29th of February where the year between them leaves its own out.
inline constexpr Duration kOpeningHorizon = std::chrono::days{8 * 366};
/// Windows that follow each other without a gap count as one, for as long as this.
inline constexpr Duration kClosingHorizon = std::chrono::days{31};
inline constexpr Duration kMaxWindow = std::chrono::hours{8760};

struct WindowState {
  bool open = false;
  /// Open: when it closes; none where windows follow each other without a gap for kClosingHorizon, or for
  /// many (a hundred) in a row. Closed: when it opens next; none where that is not within kOpeningHorizon.
  std::optional<Time> changes_at;
  bool operator==(const WindowState&) const = default;
};

/// The first opening at or after `from`, and before `from` + kOpeningHorizon.
std::optional<Time> next_opening(const Schedule& schedule, const TimeZone& zone, Time from);

/// Open where an opening o has o <= now < o + duration. `now` is in a year that RFC 3339 can write. Terminal
/// error InvalidSpec that names the field for a schedule, duration or zone that cannot be used.
[[nodiscard]] Result<WindowState> window_at(const api::WindowSpec& window, Time now);

/// All of them as one: open where any is. An error where any cannot be used, with its place in the list.
/// Without windows it is closed, and never opens.
[[nodiscard]] Result<WindowState> any_window_at(std::span<const api::WindowSpec> windows, Time now);

}  // namespace rls::decide
