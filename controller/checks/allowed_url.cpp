#include "controller/checks/allowed_url.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "controller/base/text.hpp"

namespace rls::checks {
namespace {

constexpr std::size_t kLongest = 1024;

struct Url {
  bool https = false;
  std::string host;  ///< lower-case
  std::uint16_t port = 0;
  std::string path;  ///< "" or "/a/b": without a slash at its end
};

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_host(std::string_view host) {
  return !host.empty() && host.size() <= 253 && is_alphanumeric(host.front()) &&
         is_alphanumeric(host.back()) && host.find("..") == host.npos &&
         std::all_of(host.begin(), host.end(),
                     [](char c) { return is_alphanumeric(c) || c == '-' || c == '.' || c == '_'; });
}

Error bad(std::string_view url, std::string_view why) {
  return terminal("InvalidUrl",
                  "the URL " + rls::quoted(url) + " " + std::string(why) +
                      "; http://HOST:PORT or https://HOST:PORT is expected, with a path at most");
}

/// Not echoed: what stands before the @ may be a password.
Error has_a_user() {
  return terminal("InvalidUrl", "the URL holds an @: user and password have no place in it");
}

/// Empty: the path is good.
std::string_view wrong_with_path(std::string_view path) {
  if (path.find('%') != path.npos) return "has a percent sign, and servers differ in what they make of it";
  for (const char c : path) {
    if (!is_alphanumeric(c) && std::string_view("/-._~").find(c) == std::string_view::npos) {
      return "has a character in its path that has no place there";
    }
  }
  std::string_view rest = path;
  while (!rest.empty()) {
    rest.remove_prefix(1);
    const std::string_view segment = rest.substr(0, rest.find('/'));
    if (segment == "." || segment == "..") return "has a dot segment in its path";
    rest.remove_prefix(segment.size());
    if (segment.empty() && !rest.empty()) return "has an empty segment in its path";
  }
  return {};
}

Result<Url> parse(std::string_view text) {
  if (text.size() > kLongest) return terminal("InvalidUrl", "the URL is longer than 1024 bytes");
  Url url;
  std::string_view rest = text;
  if (rest.find('@') != rest.npos) return has_a_user();
  if (rest.starts_with("https://")) {
    url.https = true;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return bad(text, "is neither http nor https");
  }
  if (rest.find_first_of("?#") != rest.npos) return bad(text, "has a query or a fragment");
  const std::string_view authority = rest.substr(0, rest.find('/'));
  const std::string_view path = rest.substr(authority.size());
  const std::size_t colon = authority.find(':');
  const std::string_view host = authority.substr(0, colon);
  if (!is_host(host)) return bad(text, "has no host that is a name or an IPv4 address");
  for (const char c : host) url.host += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  url.port = url.https ? 443 : 80;
  if (colon != authority.npos) {
    const std::string_view port = authority.substr(colon + 1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), url.port);
    if (error != std::errc{} || end != port.data() + port.size() || url.port == 0) {
      return bad(text, "has a port that is no number from 1 to 65535");
    }
  }
  if (const std::string_view wrong = wrong_with_path(path); !wrong.empty()) return bad(text, wrong);
  url.path = path.ends_with('/') ? path.substr(0, path.size() - 1) : path;
  return url;
}

bool is_at_or_below(const Url& url, const Url& allowed) {
  return url.https == allowed.https && url.host == allowed.host && url.port == allowed.port &&
         (url.path == allowed.path || url.path.starts_with(allowed.path + "/"));
}

}  // namespace

Result<void> allowed_url(std::string_view url, std::span<const std::string> allowed) {
  const auto asked = parse(url);
  if (!asked) return asked.error();
  for (const std::string& entry : allowed) {
    const auto known = parse(entry);
    if (known && is_at_or_below(*asked, *known)) return {};
  }
  return terminal("UrlNotAllowed", "the operator's configuration does not allow the URL " + rls::quoted(url) +
                                       "; who runs the operator may add it to --allowed-prometheus-urls "
                                       "(allowedPrometheusUrls in the configuration file)");
}

Result<std::vector<std::string>> parse_allowed_urls(std::string_view text) {
  std::vector<std::string> urls;
  if (text.find_first_not_of(" \t") == text.npos) return urls;
  for (bool more = true; more;) {
    const std::size_t comma = text.find(',');
    std::string_view entry = text.substr(0, comma);
    entry.remove_prefix(std::min(entry.find_first_not_of(" \t"), entry.size()));
    entry = entry.substr(0, entry.find_last_not_of(" \t") + 1);
    if (const auto good = parse(entry); !good) return good.error();
    urls.emplace_back(entry);
    more = comma != text.npos;
    if (more) text.remove_prefix(comma + 1);
  }
  return urls;
}

std::string endpoint(std::string_view url, std::string_view path) {
  if (url.ends_with('/')) url.remove_suffix(1);
  return std::string(url) + std::string(path);
}

}  // namespace rls::checks
