#include "controller/kube/proxy.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "controller/base/text.hpp"

namespace rls::kube {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return out;
}

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

template <class Number>
std::optional<Number> number(std::string_view text) {
  Number value{};
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (bad != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::uint16_t> port_number(std::string_view text) {
  const auto port = number<std::uint16_t>(text);
  return port && *port != 0 ? port : std::nullopt;
}

std::optional<std::uint32_t> ipv4(std::string_view text) {
  in_addr address{};
  if (inet_pton(AF_INET, std::string(text).c_str(), &address) != 1) return std::nullopt;
  return ntohl(address.s_addr);
}

bool is_name(std::string_view host) {
  return !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  });
}

/// %XX decoded, or nothing where it is not that.
std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    unsigned byte = 0;
    if (i + 2 >= text.size()) return std::nullopt;
    const auto [end, bad] = std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16);
    if (bad != std::errc{} || end != text.data() + i + 3) return std::nullopt;
    out += static_cast<char>(byte);
    i += 2;
  }
  return out;
}

/// "host:port" in two; no port: empty.
std::pair<std::string_view, std::string_view> split_port(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return {text, {}};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

bool in_network(std::string_view network, std::string_view host) {
  const auto slash = network.find('/');
  const auto base = ipv4(network.substr(0, slash));
  const auto bits = number<unsigned>(network.substr(slash + 1));
  const auto address = ipv4(host);
  if (!base || !bits || *bits > 32 || !address) return false;
  const std::uint32_t mask = *bits == 0 ? 0 : ~std::uint32_t{0} << (32 - *bits);
  return (*base & mask) == (*address & mask);
}

/// One entry of NO_PROXY, trimmed and in small letters, as `host` is.
bool entry_matches(std::string_view entry, const std::string& host, std::uint16_t port) {
  if (entry == "*") return true;
  if (entry.find('/') != std::string_view::npos) return in_network(entry, host);
  const auto [name, port_text] = split_port(entry);
  if (name.size() != entry.size() && port_number(port_text) != port) return false;
  if (name.empty()) return false;
  if (ipv4(name) || ipv4(host)) return name == host;
  std::string suffix(name.starts_with("*.") ? name.substr(1) : name);
  if (!suffix.starts_with('.')) {
    if (host == suffix) return true;
    suffix.insert(suffix.begin(), '.');
  }
  return host.size() > suffix.size() && host.ends_with(suffix);
}

}  // namespace

std::string Proxy::url() const { return "http://" + host + ":" + std::to_string(port); }

Result<Proxy> parse_proxy(std::string_view text, const std::string& field) {
  // The text may hold a password, so that no message quotes more of it than its scheme or its host.
  const auto refuse = [&](const std::string& what) { return terminal("InvalidProxy", field + ": " + what); };
  std::string_view rest = trimmed(text);
  if (const auto end = rest.find("://"); end != std::string_view::npos) {
    const std::string scheme = lower(rest.substr(0, end));
    if (scheme != "http") {
      return refuse("a proxy of the kind " + rls::quoted(scheme, 20) +
                    " is not supported; use one that takes http:// (CONNECT)");
    }
    rest.remove_prefix(end + 3);
  }
  if (const auto path = rest.find_first_of("/?#"); path != std::string_view::npos) {
    if (rest.substr(path) != "/") return refuse("a path has no meaning here; http://HOST:PORT is expected");
    rest = rest.substr(0, path);
  }
  Proxy proxy;
  if (const auto at = rest.rfind('@'); at != std::string_view::npos) {
    const std::string_view who = rest.substr(0, at);
    const auto colon = who.find(':');
    const auto user = percent_decoded(who.substr(0, colon));
    const auto password =
        percent_decoded(colon == std::string_view::npos ? std::string_view{} : who.substr(colon + 1));
    if (!user || !password) return refuse("user or password are not percent-encoded as in a URL");
    proxy.user = *user;
    proxy.password = *password;
    rest.remove_prefix(at + 1);
  }
  if (rest.starts_with('[')) return refuse("IPv6 literals are not supported; use a host name");
  const auto [host, port] = split_port(rest);
  if (!is_name(host)) return refuse("http://HOST:PORT is expected");
  proxy.host = host;
  if (host.size() != rest.size()) {
    const auto given = port_number(port);
    if (!given) return refuse("a port from 1 to 65535 is expected after " + rls::quoted(host));
    proxy.port = *given;
  }
  return proxy;
}

bool bypasses_proxy(std::string_view no_proxy, std::string_view host, std::uint16_t port) {
  std::string name = lower(host);
  if (name.ends_with('.')) name.pop_back();
  while (!no_proxy.empty()) {
    const auto comma = no_proxy.find(',');
    const std::string entry = lower(trimmed(no_proxy.substr(0, comma)));
    if (!entry.empty() && entry_matches(entry, name, port)) return true;
    if (comma == std::string_view::npos) break;
    no_proxy.remove_prefix(comma + 1);
  }
  return false;
}

Result<std::optional<Proxy>> proxy_from_environment(
    std::string_view server,
    const std::function<std::optional<std::string>(const std::string& variable)>& environment) {
  using None = std::optional<Proxy>;
  const bool tls = server.starts_with("https://");
  std::string_view address = server.substr(server.find("://") + 3);
  address = address.substr(0, address.find('/'));
  const auto [host, port_text] = split_port(address);
  const std::uint16_t fallback = tls ? 443 : 80;
  const std::uint16_t port = port_number(port_text).value_or(fallback);
  if (is_this_machine(std::string(host))) return None{};

  // The name of the variable that is set, and its value.
  const auto either = [&](const std::string& capitals) {
    auto value = environment(capitals);
    if (value && !value->empty()) return std::pair{capitals, *value};
    const std::string small = lower(capitals);
    return std::pair{small, environment(small).value_or("")};
  };
  const auto [variable, text] = either(tls ? "HTTPS_PROXY" : "HTTP_PROXY");
  if (text.empty() || bypasses_proxy(either("NO_PROXY").second, host, port)) return None{};
  auto proxy = parse_proxy(text, variable);
  if (!proxy) return proxy.error();
  return None{std::move(*proxy)};
}

bool is_this_machine(const std::string& host) {
  if (lower(host) == "localhost") return true;
  return ipv4(host) && host.starts_with("127.");
}

}  // namespace rls::kube
