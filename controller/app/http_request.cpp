#include "controller/app/http_request.hpp"

#include <algorithm>

namespace rls::app {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_word(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// The text up to `mark`, which is taken off `rest` with it; all of it where there is no mark.
std::string_view take_until(std::string_view& rest, std::string_view mark) {
  const std::size_t at = rest.find(mark);
  const std::string_view out = rest.substr(0, at);
  rest.remove_prefix(at == std::string_view::npos ? rest.size() : at + mark.size());
  return out;
}

/// A CR or LF that ends no line could be one to whoever reads after us.
bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return (c >= '\0' && c < ' ' && c != '\t') || c == '\x7F'; });
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

}  // namespace

std::variant<HttpRequest, Incomplete, BadRequest> parse_request(std::string_view bytes) {
  const std::size_t end = bytes.substr(0, kLongestRequestHead).find("\r\n\r\n");
  if (end == std::string_view::npos) {
    if (bytes.size() >= kLongestRequestHead) return BadRequest{431};
    return Incomplete{};
  }
  std::string_view head = bytes.substr(0, end);

  std::string_view line = take_until(head, "\r\n");
  HttpRequest out;
  out.size = end + 4;
  out.method = take_until(line, " ");
  std::string_view target = take_until(line, " ");
  if (has_control(target) || !is_token(out.method) || !target.starts_with('/')) return BadRequest{400};
  out.path = take_until(target, "?");
  if (line != "HTTP/1.1" && line != "HTTP/1.0") return BadRequest{line.starts_with("HTTP/") ? 505 : 400};
  out.chunks = out.keep_alive = line == "HTTP/1.1";

  while (!head.empty()) {
    line = take_until(head, "\r\n");
    if (line.find(':') == std::string_view::npos) return BadRequest{400};
    const std::string_view name = take_until(line, ":");
    if (!is_token(name) || has_control(line)) return BadRequest{400};
    const std::string_view value = trimmed(line);
    const bool body =
        same_word(name, "transfer-encoding") || (same_word(name, "content-length") && value != "0");
    if (body || (same_word(name, "connection") && same_word(value, "close"))) out.keep_alive = false;
  }
  return out;
}

}  // namespace rls::app
