#pragma once
// The clocks of a place: how far from UTC they are, and when they are set forward and back, as the time zone
// database of this machine (tzdata) says. Nothing here depends on the machine's own time zone.

#include <chrono>
#include <string_view>

#include "controller/base/result.hpp"
#include "controller/base/time.hpp"

namespace rls {

/// What the clocks of a place show. It does not say by itself when that is: where clocks are set forward a
/// time on them never comes, where they are set back it comes twice.
using LocalTime = std::chrono::local_time<Duration>;

/// A time in which the clocks of a place are not set: from `begin` until just before `end`. The same moment
/// on the clocks of two neighbours tells all there is to know of daylight saving: what lies between
/// `before.local(after.begin)` and `after.local(after.begin)` never comes where the second is the later one,
/// and comes twice where it is the earlier one.
struct ClockStretch {
  Time begin;
  Time end;
  std::chrono::seconds offset;  ///< of the clocks to UTC; east of Greenwich it is positive

  [[nodiscard]] LocalTime local(Time time) const { return LocalTime{time.time_since_epoch() + offset}; }
  /// The moment in this stretch at which its clocks show `time`; the caller knows that there is one.
  [[nodiscard]] Time utc(LocalTime time) const { return Time{time.time_since_epoch() - offset}; }
  bool operator==(const ClockStretch&) const = default;
};

/// A time zone; a small value that stays good for as long as the program runs. Safe to use from every thread.
class TimeZone {
 public:
  /// The stretch that holds `time`: `begin <= time < end`. Never fails.
  [[nodiscard]] ClockStretch stretch_at(Time time) const;

 private:
  struct Clocks;
  explicit TimeZone(const Clocks* clocks) : clocks_(clocks) {}
  friend Result<TimeZone> find_time_zone(std::string_view name);

  const Clocks* clocks_;  ///< kept until the program ends
};

/// The zone of that name, e.g. "Europe/Berlin", as the database writes it. Terminal error InvalidSpec for
/// everything else, what the machine calls its own ("localtime") included. The first call for a zone reads
/// files.
[[nodiscard]] Result<TimeZone> find_time_zone(std::string_view name);

}  // namespace rls
