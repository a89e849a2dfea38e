#include "controller/decide/windows.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace rls::decide {
namespace {

using std::chrono::days;
using std::chrono::floor;

constexpr Duration kTick{1};
constexpr int kMaxInARow = 100;

/// When a schedule opens on the clocks of a zone, in UTC.
class Openings {
 public:
  Openings(const Schedule& schedule, const TimeZone& zone) : schedule_(schedule), zone_(zone) {}

  /// The first opening in `from <= opening < end`.
  [[nodiscard]] std::optional<Time> first(Time from, Time end) const {
    for (Time begin = from; begin < end;) {
      const Stretch stretch = stretch_at(begin);
      if (stretch.begin >= from && opens_at_jump(stretch)) return stretch.begin;
      const LocalTime start = std::max(stretch.local(begin), stretch.fresh_from);
      const LocalTime stop = stretch.local(std::min(end, stretch.end));
      if (const auto match = first_match(schedule_, start, stop)) return stretch.utc(*match);
      begin = stretch.end;
    }
    return std::nullopt;
  }

  /// The last opening in `from <= opening < end`.
  [[nodiscard]] std::optional<Time> last(Time from, Time end) const {
    while (from < end) {
      const Stretch stretch = stretch_at(end - kTick);
      const Time begin = std::max(from, stretch.begin);
      const LocalTime start = std::max(stretch.local(begin), stretch.fresh_from);
      if (const auto match = last_match(schedule_, start, stretch.local(end))) return stretch.utc(*match);
      if (stretch.begin >= from && opens_at_jump(stretch)) return stretch.begin;
      end = begin;
    }
    return std::nullopt;
  }

  /// The last opening of `opening`'s day where the whole rest of it has no gap longer than `gap`; else
  /// `opening`. This is what makes steps of days out of steps of minutes.
  [[nodiscard]] Time rest_of_day(Time opening, Duration gap) const {
    if (schedule_.longest_gap > gap) return opening;
    const Stretch stretch = stretch_at(opening);
    const LocalTime local = stretch.local(opening);
    const LocalTime midnight = floor<days>(local) + days{1};
    // At a jump the opening is no match itself, and says nothing of how far away the next is.
    if (midnight > stretch.local(stretch.end) || !first_match(schedule_, local, local + kTick))
      return opening;
    const auto match = last_match(schedule_, local, midnight);
    return match ? stretch.utc(*match) : opening;
  }

 private:
  struct Stretch : ClockStretch {
    LocalTime shown_before;  ///< what the clocks were about to show when they were set at `begin`
    LocalTime fresh_from;    ///< what they show before this counted when they showed it first
  };

  [[nodiscard]] Stretch stretch_at(Time time) const {
    Stretch stretch{zone_.stretch_at(time), {}, {}};
    stretch.shown_before = zone_.stretch_at(stretch.begin - kTick).local(stretch.begin);
    stretch.fresh_from = schedule_.rhythm ? stretch.local(stretch.begin) : stretch.shown_before;
    return stretch;
  }

  /// Whether the clocks jump over a time of the schedule at the beginning of `stretch`.
  [[nodiscard]] bool opens_at_jump(const Stretch& stretch) const {
    return !schedule_.rhythm &&
           first_match(schedule_, stretch.shown_before, stretch.local(stretch.begin)).has_value();
  }

  const Schedule& schedule_;
  const TimeZone& zone_;
};

/// A window that can be asked.
struct Window {
  Schedule schedule;
  TimeZone zone;
  Duration duration;

  [[nodiscard]] WindowState at(Time now) const {
    const Openings openings(schedule, zone);
    // A window that opened at now - duration closes now.
    if (const auto opened = openings.last(now - duration + kTick, now + kTick)) {
      return {true, closing(openings, *opened, now + kClosingHorizon)};
    }
    return {false, next_opening(schedule, zone, now)};
  }

 private:
  /// When the window that opened at `opened` closes, with all that follow it without a gap; none where they
  /// do so until `end`.
  [[nodiscard]] std::optional<Time> closing(const Openings& openings, Time opened, Time end) const {
    while (opened < end) {
      const Time closes = opened + duration;
      const auto next = openings.first(opened + kTick, closes + kTick);
      if (!next) return closes;
      opened = openings.rest_of_day(*next, duration);
    }
    return std::nullopt;
  }
};

Error in_field(const std::string& field, Error error) {
  error.message = field + error.message;
  return error;
}

Result<Window> read(const api::WindowSpec& spec) {
  auto schedule = parse_schedule(spec.schedule);
  if (!schedule) return in_field("schedule: ", schedule.error());
  if (spec.duration <= Duration{0} || spec.duration > kMaxWindow) {
    return terminal("InvalidSpec", "duration: " + format_duration(spec.duration) +
                                       " is none of a window: use more than 0s, and at most " +
                                       format_duration(kMaxWindow));
  }
  const auto zone = find_time_zone(spec.time_zone);
  if (!zone) return in_field("timeZone: ", zone.error());
  return Window{*schedule, *zone, spec.duration};
}

/// When the last of those that follow each other closes; some are open.
std::optional<Time> closing(const std::vector<Window>& windows, Time now) {
  const Time end = now + kClosingHorizon;
  for (int i = 0; i < kMaxInARow; ++i) {
    std::optional<Time> closes;
    for (const Window& window : windows) {
      const WindowState state = window.at(now);
      if (!state.open) continue;
      if (!state.changes_at) return std::nullopt;
      if (!closes || *closes < *state.changes_at) closes = state.changes_at;
    }
    if (!closes) return now;
    if (now >= end) return std::nullopt;
    now = *closes;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Time> next_opening(const Schedule& schedule, const TimeZone& zone, Time from) {
  return Openings(schedule, zone).first(from, from + kOpeningHorizon);
}

Result<WindowState> window_at(const api::WindowSpec& window, Time now) {
  const auto read_window = read(window);
  if (!read_window) return read_window.error();
  return read_window->at(now);
}

Result<WindowState> any_window_at(std::span<const api::WindowSpec> windows, Time now) {
  std::vector<Window> all;
  for (std::size_t i = 0; i < windows.size(); ++i) {
    auto window = read(windows[i]);
    if (!window) return in_field("windows[" + std::to_string(i) + "].", window.error());
    all.push_back(*window);
  }
  WindowState whole;
  for (const Window& window : all) {
    const WindowState state = window.at(now);
    if (state.open) return WindowState{true, closing(all, now)};
    if (state.changes_at && (!whole.changes_at || *state.changes_at < *whole.changes_at)) {
      whole.changes_at = state.changes_at;
    }
  }
  return whole;
}

}  // namespace rls::decide
