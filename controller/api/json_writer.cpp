#include "controller/api/json_writer.hpp"

#include <array>
#include <charconv>
#include <utility>

#include "controller/base/text.hpp"

namespace rls::api {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
constexpr std::string_view kHex = "0123456789abcdef";

/// Length of the well-formed character at the front of `text`, or 0.
std::size_t front_character(std::string_view text) {
  for (std::size_t length = 1; length <= 4 && length <= text.size(); ++length) {
    if (is_utf8(text.substr(0, length))) return length;
  }
  return 0;
}

bool needs_escape(char c) { return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\'; }

}  // namespace

std::string well_formed(std::string_view text) {
  if (is_utf8(text)) return std::string(text);
  std::string out;
  while (!text.empty()) {
    const std::size_t length = front_character(text);
    out += length == 0 ? kReplacement : text.substr(0, length);
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  separate();
  append_string(name);
  out_ += ':';
  return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
  separate();
  if (is_utf8(text)) {
    append_string(text);
  } else {
    append_string(well_formed(text));
  }
  return *this;
}

JsonWriter& JsonWriter::value(std::int64_t number) {
  separate();
  std::array<char, 24> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out_.append(digits.data(), end);
  return *this;
}

void JsonWriter::member(std::string_view name, std::string_view text) {
  if (!text.empty()) key(name).value(text);
}

void JsonWriter::member(std::string_view name, std::int64_t number) { key(name).value(number); }

void JsonWriter::flag(std::string_view name, bool yes) {
  key(name).separate();
  out_ += yes ? "true" : "false";
}

std::string JsonWriter::take() { return std::exchange(out_, {}); }

JsonWriter& JsonWriter::open(char bracket) {
  separate();
  out_ += bracket;
  return *this;
}

JsonWriter& JsonWriter::close(char bracket) {
  out_ += bracket;
  return *this;
}

void JsonWriter::separate() {
  // A finished value never ends with one of these: strings end with their quote.
  if (out_.empty() || out_.back() == '{' || out_.back() == '[' || out_.back() == ':') return;
  out_ += ',';
}

void JsonWriter::append_string(std::string_view text) {
  out_ += '"';
  std::size_t plain = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (!needs_escape(text[at])) continue;
    out_.append(text, plain, at - plain);
    plain = at + 1;
    const auto byte = static_cast<unsigned char>(text[at]);
    out_ += '\\';
    switch (text[at]) {
      case '"':
      case '\\': out_ += text[at]; break;
      case '\n': out_ += 'n'; break;
      case '\t': out_ += 't'; break;
      default:
        out_ += "u00";
        out_ += kHex[byte >> 4U];
        out_ += kHex[byte & 0xFU];
    }
  }
  out_.append(text, plain);
  out_ += '"';
}

}  // namespace rls::api
