#pragma once
// HTTP as the Kubernetes client needs it: the only place that knows a library. Replaceable (ADR 0002).

#include <chrono>
#include <functional>
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
  /// From the call to the last byte of the reply; not for streams.
  std::chrono::milliseconds timeout{30'000};
  std::string what;  ///< for the seam and logs: "PUT rlsmigrations/status"; no names of objects
};

struct Response {
  int status = 0;
  std::string body;
  std::optional<std::chrono::seconds> retry_after{};
};

/// Gets each chunk of a streamed body; false ends the stream. Runs on the library's thread; must not throw.
using ChunkSink = std::function<bool(std::string_view chunk)>;

class Transport {
 public:
  virtual ~Transport() = default;

  /// Sends and calls `done` exactly once, on a thread of the library; `done` must not block or throw.
  /// An HTTP status of any kind is a Response; an Error (transient) is a connection that could not be made or
  /// was lost: ConnectionLost, Timeout (the request's, or 30 s without a byte), CertificateNotTrusted,
  /// ExecPluginFailed, Stopped.
  virtual void send(Request request, std::function<void(Result<Response>)> done) = 0;

  /// Sends and feeds the body of a 2xx reply to `sink` while it comes. Blocks until the stream ends, `idle`
  /// passes without a byte, or `stop` is requested. A reply that is not 2xx comes back whole as the Response.
  /// `stop` and a `false` of the sink end it within a second even when the peer is silent; the sink is never
  /// called after the return.
  /// Errors (transient): Stopped; Timeout (no reply); Silence (a 2xx reply, and then nothing for `idle`);
  /// ConnectionLost; CertificateNotTrusted; ExecPluginFailed. A stream that the sink ended is a success. Not
  /// to be called on the library's thread.
  virtual Result<Response> stream(Request request, ChunkSink sink, std::chrono::seconds idle,
                                  std::stop_token stop) = 0;

  /// Runs `task` on the library's thread, soon; so that `done` never runs inside the call that it belongs to.
  virtual void post(std::function<void()> task) = 0;

  /// Is this the thread that runs `done` and the sinks? Waiting for a reply there would wait for ever.
  [[nodiscard]] virtual bool on_library_thread() const = 0;
};

}  // namespace rls::kube
