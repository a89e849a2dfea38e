#pragma once
// One GET of a server that is not the API server: without our credentials, with bounds of its own.

#include <chrono>
#include <cstddef>
#include <stop_token>
#include <string>

#include "controller/base/result.hpp"
#include "controller/kube/transport.hpp"

namespace rls::kube {

/// The certificates of the system, in the operator's image and in Debian.
inline constexpr const char* kSystemRoots = "/etc/ssl/certs/ca-certificates.crt";

struct HttpGet {
  std::string url{};                          ///< http or https, already encoded, its host a name or IPv4
  std::chrono::milliseconds timeout{10'000};  ///< to the last byte of the reply
  std::size_t largest = 1024 * 1024;          ///< of a reply's body
  std::string roots = kSystemRoots;  ///< whom https trusts: certificates, PEM; read again when changed
};

/// The reply, whatever its status: a redirect is one, and is not followed. No proxy, no compression; of https
/// the server is verified, its name, too. Blocks; not on the library's thread. `stop` ends it.
/// Errors: InvalidUrl (terminal); all others are transient, and name the host: NameNotFound, ConnectionLost,
/// Timeout, ReplyTooLarge, NoRoots, Stopped.
Result<Response> http_get(const HttpGet& request, const std::stop_token& stop);

}  // namespace rls::kube
