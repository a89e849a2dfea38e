#include "controller/base/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <vector>

#include "controller/base/text.hpp"
#include "controller/base/time.hpp"

namespace rls::log {
namespace {

std::atomic<Level> lowest_level{Level::info};
std::atomic<Format> line_format{Format::console};

std::string_view name(Level level) {
  switch (level) {
    case Level::debug: return "debug";
    case Level::info: return "info";
    case Level::warn: return "warn";
    case Level::error: return "error";
  }
  return "info";
}

/// spdlog does the writing (thread-safe, line by line); its pattern cannot escape JSON, so the line is ours.
spdlog::logger& sink() {
  static const auto logger = [] {
    auto made = std::make_shared<spdlog::logger>("rls", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%v");
    made->set_level(spdlog::level::trace);
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  return *logger;
}

/// Secrets are few (a connection string, its password, a token); a plain list is searched.
struct Secrets {
  std::shared_mutex mutex;
  std::vector<std::string>
      list;  // guarded by mutex; longest first, so that a whole URI goes before its password
};
Secrets& secrets() {
  static Secrets instance;
  return instance;
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\t': out += "\\t"; break;
      case '\r': out += "\\r"; break;
      default:
        if (byte < 0x20 || byte == 0x7F) {
          std::array<char, 8> escaped{};
          std::snprintf(escaped.data(), escaped.size(), "\\u%04x", byte);
          out += escaped.data();
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

/// Secrets go before anything is escaped or cut: afterwards they would not be found.
std::string readable(std::string_view value) { return quoted(redacted(value), 1000); }

void append_json_value(std::string& out, const Field& field) {
  if (field.raw) {
    out += field.value;
  } else if (is_utf8(field.value)) {
    append_json_string(out, redacted(field.value));
  } else {
    append_json_string(out, readable(field.value));
  }
}

}  // namespace

void configure(Level lowest, Format format) {
  lowest_level = lowest;
  line_format = format;
}

bool enabled(Level level) { return level >= lowest_level.load(std::memory_order_relaxed); }

void write(Level level, std::string_view logger, std::string_view message, Fields fields) {
  if (!enabled(level)) return;
  const std::string line =
      format_line(line_format.load(std::memory_order_relaxed), format_rfc3339_micro(SystemClock{}.now()),
                  level, logger, message, fields);
  sink().log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
}

void add_secret(std::string_view secret) {
  if (secret.size() < 4) return;
  Secrets& known = secrets();
  const std::unique_lock lock(known.mutex);
  if (std::find(known.list.begin(), known.list.end(), secret) != known.list.end()) return;
  known.list.emplace_back(secret);
  std::sort(known.list.begin(), known.list.end(),
            [](const std::string& a, const std::string& b) { return a.size() > b.size(); });
}

std::string redacted(std::string_view text) {
  std::string out(text);
  Secrets& known = secrets();
  const std::shared_lock lock(known.mutex);
  for (const std::string& secret : known.list) {
    constexpr std::string_view kMark = "«redacted»";
    for (std::size_t at = 0; (at = out.find(secret, at)) != std::string::npos; at += kMark.size()) {
      out.replace(at, secret.size(), kMark);
    }
  }
  return out;
}

std::string format_line(Format format, std::string_view timestamp, Level level, std::string_view logger,
                        std::string_view message, Fields fields) {
  std::string out;
  switch (format) {
    case Format::json:
      out += "{\"ts\":";
      append_json_string(out, timestamp);
      out += ",\"level\":";
      append_json_string(out, name(level));
      out += ",\"logger\":";
      append_json_string(out, logger);
      out += ",\"msg\":";
      append_json_string(out, redacted(message));
      for (const Field& field : fields) {
        out += ',';
        append_json_string(out, field.key);
        out += ':';
        append_json_value(out, field);
      }
      out += '}';
      return out;
    case Format::console:
      out += timestamp.size() > 19 ? timestamp.substr(11, 12) : timestamp;
      out += ' ';
      out += name(level);
      out.append(level == Level::info || level == Level::warn ? 2 : 1, ' ');
      out += logger;
      out += ": ";
      out += redacted(message);
      for (const Field& field : fields) {
        out += "  ";
        out += field.key;
        out += '=';
        out += field.raw ? field.value : readable(field.value);
      }
      return out;
  }
  return out;
}

}  // namespace rls::log
