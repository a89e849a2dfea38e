// The heads of requests to the listener.

#include "controller/app/http_request.hpp"

#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rls::app;
  using rls::fuzz::require;
  const std::string_view bytes = rls::fuzz::text_of(data, size);
  const auto read = parse_request(bytes);
  if (std::holds_alternative<Incomplete>(read)) {
    require(bytes.size() < kLongestRequestHead, "nobody is waited for without end");
    return 0;
  }
  if (const auto* bad = std::get_if<BadRequest>(&read)) {
    require(bad->status == 400 || bad->status == 431 || bad->status == 505, "the status is one that we send");
    return 0;
  }
  const HttpRequest& request = std::get<HttpRequest>(read);
  require(request.size <= bytes.size() && request.size <= kLongestRequestHead,
          "the head is there, and bounded");
  require(request.path.starts_with('/'), "there is a path");
  for (const char c : request.method + request.path) {
    require(c != '\r' && c != '\n' && c != '\0' && c != ' ', "method and path fit into a line");
  }
  const auto alone = parse_request(bytes.substr(0, request.size));
  const auto* same = std::get_if<HttpRequest>(&alone);
  require(same != nullptr && same->method == request.method && same->path == request.path &&
              same->keep_alive == request.keep_alive && same->chunks == request.chunks &&
              same->size == request.size,
          "what comes after a head is not looked at");
  for (std::size_t less = 1; less <= request.size && less < 8; ++less) {
    require(std::holds_alternative<Incomplete>(parse_request(bytes.substr(0, request.size - less))),
            "a piece of a head is waited for");
  }
  return 0;
}
