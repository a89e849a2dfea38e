#pragma once
// Structured logging. One line an event, as JSON or for a console; every secret is taken out in one place.

#include <cmath>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

namespace rls::log {

enum class Level { debug, info, warn, error };
enum class Format { json, console };

/// One key and its value. Numbers and booleans stay such in JSON. Keys are literals.
struct Field {
  std::string_view key;
  std::string value;
  bool raw = false;  ///< value is already JSON (number, true, false)

  Field(std::string_view k, std::string v) : key(k), value(std::move(v)) {}
  Field(std::string_view k, std::string_view v) : key(k), value(v) {}
  Field(std::string_view k, const char* v) : key(k), value(v) {}
  template <class Number>
  requires std::is_arithmetic_v<Number> Field(std::string_view k, Number v)
      : key(k), value(number(v)), raw(is_json(v)) {}

 private:
  static std::string number(bool v) { return v ? "true" : "false"; }
  /// JSON has no NaN and no infinity; they are texts.
  template <class Number>
  static bool is_json(Number v) {
    if constexpr (std::is_floating_point_v<Number>) return std::isfinite(v);
    return true;
  }
  template <class Number>
  static std::string number(Number v) {
    return std::to_string(v);
  }
};
using Fields = std::initializer_list<Field>;

/// Once, first thing in main and before other threads; before it lines go to stderr as console text, level
/// info.
void configure(Level lowest, Format format);
bool enabled(Level level);

/// `logger` names the room or reconciler: "kube.watch". `message` is a constant sentence; what varies is a
/// field.
void write(Level level, std::string_view logger, std::string_view message, Fields fields);

inline void debug(std::string_view logger, std::string_view message, Fields fields = {}) {
  if (enabled(Level::debug)) write(Level::debug, logger, message, fields);
}
inline void info(std::string_view logger, std::string_view message, Fields fields = {}) {
  write(Level::info, logger, message, fields);
}
inline void warn(std::string_view logger, std::string_view message, Fields fields = {}) {
  write(Level::warn, logger, message, fields);
}
inline void error(std::string_view logger, std::string_view message, Fields fields = {}) {
  write(Level::error, logger, message, fields);
}

/// Registers a secret: from now on it is replaced by «redacted» wherever it would appear in a log line or in
/// a text that passes `redacted`. Thread-safe. Texts under four bytes are not registered (they would blank
/// everything).
void add_secret(std::string_view secret);
/// `text` without any registered secret: for conditions, Events and error messages that quote a server or a
/// file.
std::string redacted(std::string_view text);

/// The line as it would be written, without newline; for tests.
std::string format_line(Format format, std::string_view timestamp, Level level, std::string_view logger,
                        std::string_view message, Fields fields);

}  // namespace rls::log
