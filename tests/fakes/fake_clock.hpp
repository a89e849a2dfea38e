#pragma once
// A clock that stands still until a test moves it.

#include <atomic>
#include <chrono>

#include "controller/base/time.hpp"

namespace rls::fakes {

/// Starts at 2026-01-15T12:00:00Z and an arbitrary steady moment. Thread-safe.
class FakeClock final : public Clock {
 public:
  [[nodiscard]] Time now() const override { return kStart + passed_.load(); }
  [[nodiscard]] std::chrono::steady_clock::time_point steady() const override {
    return std::chrono::steady_clock::time_point{std::chrono::hours{1}} + passed_.load();
  }
  void advance(Duration by) { passed_ = passed_.load() + by; }

 private:
  static constexpr Time kStart =
      std::chrono::sys_days{std::chrono::year{2026} / 1 / 15} + std::chrono::hours{12};
  std::atomic<Duration> passed_{Duration{0}};
};

}  // namespace rls::fakes
