#pragma once
// /healthz, /readyz and /metrics over plain HTTP, on a thread of their own (docs/adr/0004). Built for
// probes and scrapes: few connections, small requests, replies that stream; everything has a limit.

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "controller/app/bind_address.hpp"
#include "controller/base/result.hpp"
#include "controller/base/time.hpp"

namespace rls::app {

/// Puts the next piece of a reply into the text, in place of what was there. False: that was all.
using Pieces = std::function<bool(std::string& piece)>;

/// Called on the server's thread, one at a time; they must be quick. One that throws is a 500.
struct HttpHandlers {
  /// What is not ready yet, a line for each; empty: ready.
  std::function<std::vector<std::string>()> not_ready;
  /// Begins one scrape.
  std::function<Pieces()> metrics;
};

struct HttpLimits {
  std::size_t connections = 64;             ///< further ones wait
  std::size_t scrapes = 4;                  ///< at once; further ones get 503
  std::chrono::milliseconds head{5'000};    ///< for a request to come in whole
  std::chrono::milliseconds idle{60'000};   ///< between requests; Prometheus asks every 15–60 s
  std::chrono::milliseconds reply{30'000};  ///< for a reply to be taken
};

class HttpServer {
 public:
  /// Listens; requests are served from now on until the object dies (at once: nobody is waited for). `flag`
  /// names the flag that gave the address, for messages. Errors are terminal: AddressInUse, InvalidAddress,
  /// ListenFailed.
  static Result<std::unique_ptr<HttpServer>> start(const BindAddress& address, std::string_view flag,
                                                   HttpHandlers handlers, const Clock& clock,
                                                   HttpLimits limits = {});
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// The port that was chosen, where 0 was asked for.
  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  class Loop;
  HttpServer(std::unique_ptr<Loop> loop, std::uint16_t port);

  const std::unique_ptr<Loop> loop_;
  const std::uint16_t port_;
  std::jthread thread_;
};

}  // namespace rls::app
