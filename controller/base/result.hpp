#pragma once
// What a call that may fail returns: a value or an Error. The error's kind alone decides what happens next.

#include <cassert>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace rls {

enum class ErrorKind {
  transient,  ///< try again later with backoff: the world may heal (network, lock timeout, 429)
  conflict,   ///< what we decided on is stale: observe and decide again at once
  terminal,   ///< trying again cannot help until somebody changes something; never retried on a timer alone
  in_doubt,   ///< the call may or may not have taken effect: find out before anything else is done
};

std::string_view to_string(ErrorKind kind);

struct Error {
  ErrorKind kind = ErrorKind::transient;
  std::string reason;   ///< CamelCase, fit for a condition's reason: "DatabaseUnreachable"
  std::string message;  ///< for people: names the field and the remedy; never a secret, never row values
  /// The server asked for so long a pause (Retry-After): ask nothing of it until then.
  std::optional<std::chrono::seconds> retry_after{};
};

/// A value or an Error. Reading the value of a failure is a programming error (asserted).
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit on purpose
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  [[nodiscard]] T& value() & {
    assert(ok());
    return *std::get_if<0>(&state_);
  }
  [[nodiscard]] const T& value() const& {
    assert(ok());
    return *std::get_if<0>(&state_);
  }
  [[nodiscard]] T&& value() && {
    assert(ok());
    return std::move(*std::get_if<0>(&state_));
  }
  [[nodiscard]] const Error& error() const {
    assert(!ok());
    return *std::get_if<1>(&state_);
  }

  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Error> state_;
};

/// Success without a value.
struct Ok {};
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Ok) {}                                                     // NOLINT
  Result(Error error) : error_(std::move(error)), failed_(true) {}  // NOLINT

  [[nodiscard]] bool ok() const { return !failed_; }
  explicit operator bool() const { return ok(); }
  [[nodiscard]] const Error& error() const {
    assert(failed_);
    return error_;
  }

 private:
  Error error_;
  bool failed_ = false;
};

inline Error transient(std::string reason, std::string message) {
  return {ErrorKind::transient, std::move(reason), std::move(message), {}};
}
inline Error conflict(std::string reason, std::string message) {
  return {ErrorKind::conflict, std::move(reason), std::move(message), {}};
}
inline Error terminal(std::string reason, std::string message) {
  return {ErrorKind::terminal, std::move(reason), std::move(message), {}};
}
inline Error in_doubt(std::string reason, std::string message) {
  return {ErrorKind::in_doubt, std::move(reason), std::move(message), {}};
}

}  // namespace rls
