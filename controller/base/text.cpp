#include "controller/base/text.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace rls {
namespace {

/// Length of the character that starts at `text[at]`, or 0 where it is not well-formed UTF-8.
std::size_t character_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at);
  std::size_t length = 0;
  unsigned lowest_second = 0x80, highest_second = 0xBF;
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) {
    length = 2;
  } else if (first >= 0xE0 && first <= 0xEF) {
    length = 3;
    if (first == 0xE0) lowest_second = 0xA0;
    if (first == 0xED) highest_second = 0x9F;
  } else if (first >= 0xF0 && first <= 0xF4) {
    length = 4;
    if (first == 0xF0) lowest_second = 0x90;
    if (first == 0xF4) highest_second = 0x8F;
  } else {
    return 0;
  }
  if (at + length > text.size()) return 0;
  if (byte(at + 1) < lowest_second || byte(at + 1) > highest_second) return 0;
  for (std::size_t i = at + 2; i < at + length; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xBF) return 0;
  }
  return length;
}

/// U+0000–U+001F, U+007F–U+009F: some terminals obey the latter, too.
bool is_control(std::string_view character) {
  const auto first = static_cast<unsigned char>(character.front());
  if (character.size() == 1) return first < 0x20 || first == 0x7F;
  return first == 0xC2 && static_cast<unsigned char>(character[1]) < 0xA0;
}

constexpr std::string_view kEllipsis = "…";

}  // namespace

bool is_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = character_length(text, at);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

std::string quoted(std::string_view text, std::size_t max_bytes) {
  std::string out = "\"";
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = character_length(text, at);
    const auto first = static_cast<unsigned char>(text[at]);
    std::string piece;
    if (length == 0 || is_control(text.substr(at, length))) {
      for (const char byte : text.substr(at, std::max<std::size_t>(length, 1))) {
        std::array<char, 8> escaped{};
        std::snprintf(escaped.data(), escaped.size(), "\\x%02x", static_cast<unsigned char>(byte));
        piece += escaped.data();
      }
    } else if (first == '"' || first == '\\') {
      piece = {'\\', static_cast<char>(first)};
    } else {
      piece = text.substr(at, length);
    }
    if (out.size() - 1 + piece.size() > max_bytes) {
      out += kEllipsis;
      break;
    }
    out += piece;
    at += length == 0 ? 1 : length;
  }
  return out + "\"";
}

std::string truncated(std::string_view text, std::size_t max_bytes) {
  if (text.size() <= max_bytes) return std::string(text);
  if (max_bytes < kEllipsis.size()) return {};
  std::size_t end = max_bytes - kEllipsis.size();
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)) + std::string(kEllipsis);
}

}  // namespace rls
