#pragma once
// Time as this project uses it. Soak is counted in database time; nothing here reads a clock but `Clock`.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace rls {

/// A moment in UTC, to the microsecond (what Postgres keeps).
using Time = std::chrono::sys_time<std::chrono::microseconds>;
using Duration = std::chrono::microseconds;

/// "2026-01-15T12:00:00Z"; fractions of a second are printed only when they are not zero.
std::string format_rfc3339(Time time);
/// The same without fractions (metav1.Time, which Kubernetes keeps to the second). Rounds down.
std::string format_rfc3339_seconds(Time time);
/// The same with always six digits of fraction (metav1.MicroTime).
std::string format_rfc3339_micro(Time time);
/// Accepts RFC 3339 with any offset and up to nine digits of fraction; nothing else.
std::optional<Time> parse_rfc3339(std::string_view text);

/// "168h", "1h30m", "500ms": the units of the CRD (ms, s, m, h), each part a whole number of at most six
/// digits. Anything else, days included, and what a Duration cannot hold is nullopt (rule: crds/, the
/// durations' CEL).
std::optional<Duration> parse_duration(std::string_view text);
/// The largest units first, zero parts left out: "168h", "1h30m", "0s". Rounds towards zero to the
/// millisecond.
std::string format_duration(Duration duration);
/// For people, two units at the most: "2d 4h", "4h 12m", "37s".
std::string format_age(Duration duration);

/// The wall clock and the steady clock, injected wherever time is asked for.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time now() const = 0;                                      ///< wall clock; only for status and logs
  virtual std::chrono::steady_clock::time_point steady() const = 0;  ///< for backoff, queues and timeouts
};

/// The machine's clocks.
class SystemClock final : public Clock {
 public:
  Time now() const override;
  std::chrono::steady_clock::time_point steady() const override;
};

}  // namespace rls
