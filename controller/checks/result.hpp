#pragma once
// What a check found. Unknown never passes a gate: silence is not evidence.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "controller/base/time.hpp"

namespace rls::checks {

struct CheckResult {
  enum class State { passed, failed, unknown };
  State state = State::unknown;
  std::string message;  ///< for people: no secrets, and of rows the value of the first column alone, cut
  Time at{};            ///< when it was asked; zero: never yet
  std::optional<std::int64_t> count{};  ///< of transactions, where these were asked for and `state` is passed
  bool operator==(const CheckResult&) const = default;
};

/// What one run of a check brought.
struct Outcome {
  enum class Heard {
    answer,   ///< it counts from now on, also where it is unknown
    nothing,  ///< nobody could be asked, or not in time: an answer from before counts until it is too old
    running,  ///< a Job is under way
  };
  Heard heard = Heard::answer;
  CheckResult::State state = CheckResult::State::unknown;
  std::string message;
  std::optional<Duration> again_in{};   ///< when to look again, where the check itself knows best
  std::optional<std::int64_t> count{};  ///< as of CheckResult
};

inline Outcome passed(std::string message) {
  return {Outcome::Heard::answer, CheckResult::State::passed, std::move(message), {}};
}
inline Outcome failed(std::string message) {
  return {Outcome::Heard::answer, CheckResult::State::failed, std::move(message), {}};
}
inline Outcome unknown(std::string message) {
  return {Outcome::Heard::answer, CheckResult::State::unknown, std::move(message), {}};
}
inline Outcome unheard(std::string message) {
  return {Outcome::Heard::nothing, CheckResult::State::unknown, std::move(message), {}};
}
inline Outcome running(std::string message) {
  return {Outcome::Heard::running, CheckResult::State::unknown, std::move(message), {}};
}

}  // namespace rls::checks
