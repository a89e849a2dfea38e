#pragma once
// HTTP as the Kubernetes client needs it: the only place that knows a library. Replaceable (ADR 0002).

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "controller/base/result.hpp"

namespace rls::kube {

struct Request {
  std::string method = "GET";
  std::string path;          ///< "/apis/…", with its query, already encoded
  std::string content_type;  ///< of the body
  std::string accept = "application/json";
  std::string body;
  std::string what;  ///< for the seam, logs and metrics: "PUT rlsmigrations/status"; no names of objects
};

struct Response {
  int status = 0;
  std::string body;
  std::optional<std::chrono::seconds> retry_after;
};

/// Gets each chunk of a streamed body; false ends the stream. Runs on a thread of the library.
using ChunkSink = std::function<bool(std::string_view chunk)>;

class Transport {
 public:
  virtual ~Transport() = default;

  /// Sends and calls `done` exactly once, on a thread of the library; `done` must not block.
  /// An HTTP status of any kind is a Response; an Error is a lost or refused connection (transient).
  virtual void send(Request request, std::function<void(Result<Response>)> done) = 0;

  /// Sends and feeds the body of a 2xx reply to `sink` while it comes. Blocks until the stream ends, `idle`
  /// passes without a byte, or `stop` is requested. A reply that is not 2xx comes back whole as the Response.
  virtual Result<Response> stream(Request request, ChunkSink sink, std::chrono::seconds idle,
                                  std::stop_token stop) = 0;
};

}  // namespace rls::kube
