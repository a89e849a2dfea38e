#pragma once
// Which proxy leads to a server: the rules of Go's net/http, which kubectl follows. Pure.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "controller/base/result.hpp"

namespace rls::kube {

/// An HTTP proxy. User and password are decoded; both empty: none.
struct Proxy {
  std::string host;
  std::uint16_t port = 80;
  std::string user;
  std::string password;

  [[nodiscard]] std::string url() const;  ///< "http://host:port", fit for messages
  bool operator==(const Proxy&) const = default;
};

/// "http://[USER[:PASSWORD]@]HOST[:PORT]", the scheme may be missing. `field` names where it stands.
/// Error (terminal): InvalidProxy, which never quotes a password. https and SOCKS proxies, IPv6 literals and
/// whatever else is no such address are refused.
Result<Proxy> parse_proxy(std::string_view text, const std::string& field);

/// Is `host` (a name or an IPv4 address) at `port` on the list of NO_PROXY? The list is separated by commas:
/// "*" is everything; "10.0.0.0/8" the addresses in it; "10.0.0.1" an address; "example.com" the name and all
/// below it; ".example.com" and "*.example.com" only what is below it. Names and addresses may carry a
/// ":port", and count for that port alone then. Case is ignored; what cannot be understood matches nothing.
bool bypasses_proxy(std::string_view no_proxy, std::string_view host, std::uint16_t port);

/// The proxy that the variables name for `server` ("https://host[:port]…"), or none: HTTPS_PROXY for https,
/// HTTP_PROXY for http, NO_PROXY for both, each in capitals or else in small letters. This machine is never
/// reached through one. Errors as parse_proxy; the field is the variable's name.
Result<std::optional<Proxy>> proxy_from_environment(
    std::string_view server,
    const std::function<std::optional<std::string>(const std::string& variable)>& environment);

/// localhost or 127.0.0.0/8.
bool is_this_machine(const std::string& host);

}  // namespace rls::kube
