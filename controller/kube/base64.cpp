#include "controller/kube/base64.hpp"

#include <cstdint>

namespace rls::kube {
namespace {

std::optional<std::uint32_t> digit(char c) {
  if (c >= 'A' && c <= 'Z') return static_cast<std::uint32_t>(c - 'A');
  if (c >= 'a' && c <= 'z') return static_cast<std::uint32_t>(c - 'a' + 26);
  if (c >= '0' && c <= '9') return static_cast<std::uint32_t>(c - '0' + 52);
  if (c == '+') return 62;
  if (c == '/') return 63;
  return std::nullopt;
}

bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

}  // namespace

std::optional<std::string> decode_base64(std::string_view text) {
  std::string out;
  out.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  unsigned digits = 0;   // in the group of four at hand
  unsigned padding = 0;  // '=' seen; nothing but '=' may follow
  for (const char c : text) {
    if (is_blank(c)) continue;
    if (c == '=') {
      ++padding;
      continue;
    }
    const auto value = digit(c);
    if (!value || padding != 0) return std::nullopt;
    bits = (bits << 6) | *value;
    if (++digits < 4) continue;
    out += static_cast<char>(bits >> 16 & 0xFF);
    out += static_cast<char>(bits >> 8 & 0xFF);
    out += static_cast<char>(bits & 0xFF);
    bits = 0;
    digits = 0;
  }
  if (digits == 0) return padding == 0 ? std::optional(out) : std::nullopt;
  if (digits == 2 && padding == 2 && (bits & 0xF) == 0) {
    out += static_cast<char>(bits >> 4 & 0xFF);
    return out;
  }
  if (digits == 3 && padding == 1 && (bits & 0x3) == 0) {
    out += static_cast<char>(bits >> 10 & 0xFF);
    out += static_cast<char>(bits >> 2 & 0xFF);
    return out;
  }
  return std::nullopt;
}

std::string encode_base64(std::string_view bytes) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](std::size_t at) -> std::uint32_t {
      return at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : 0U;
    };
    const std::uint32_t group = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    out += kDigits[group >> 18 & 0x3F];
    out += kDigits[group >> 12 & 0x3F];
    out += i + 1 < bytes.size() ? kDigits[group >> 6 & 0x3F] : '=';
    out += i + 2 < bytes.size() ? kDigits[group & 0x3F] : '=';
  }
  return out;
}

}  // namespace rls::kube
