#pragma once
// The one place where a request leaves: passes the Seam, is counted, and gets its name. Thread-safe.

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "controller/base/result.hpp"
#include "controller/base/seam.hpp"
#include "controller/kube/client.hpp"
#include "controller/kube/transport.hpp"

namespace rls::kube {

class Calls {
 public:
  Calls(Transport& transport, Seam& seam) : transport_(transport), seam_(seam) {}

  /// One call; `done` once, on the library's thread. An injected fault is a ConnectionLost.
  void start(Request request, std::function<void(Result<Response>)> done);

  /// One call, waited for: until the reply, or `stop` (error Stopped; the reply then goes nowhere). Not on
  /// the library's thread.
  Result<Response> wait(Request request, const std::stop_token& stop);

  /// One call: a watch's start. A lost reply cannot be told from a call not made: a watch changes nothing.
  Result<Response> stream(Request request, ChunkSink sink, std::chrono::seconds idle, std::stop_token stop);

  [[nodiscard]] std::vector<RequestCount> counts() const;

 private:
  void count(const std::string& method, const Result<Response>& result);

  Transport& transport_;
  Seam& seam_;
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, std::uint64_t> counts_;  // guarded by mutex_
};

}  // namespace rls::kube
