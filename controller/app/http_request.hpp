#pragma once
// The little of HTTP/1 that probes and Prometheus speak. Pure: text in, values out.

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>

namespace rls::app {

/// A request's head that is longer is refused.
inline constexpr std::size_t kLongestRequestHead = 8192;

struct HttpRequest {
  std::string method;
  std::string path;         ///< without its query
  bool keep_alive = false;  ///< another request may follow on the connection
  bool chunks = false;      ///< the client understands a chunked reply (HTTP/1.1)
  std::size_t size = 0;     ///< bytes of the head; what comes after it is the next request
};

struct Incomplete {};  ///< more bytes are needed
struct BadRequest {
  int status = 400;
};

/// Reads the head of one request off the front of `bytes`. A request with a body is understood, but
/// `keep_alive` is false then: nobody here reads bodies.
std::variant<HttpRequest, Incomplete, BadRequest> parse_request(std::string_view bytes);

}  // namespace rls::app
