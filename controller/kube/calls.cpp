#include "controller/kube/calls.hpp"

#include <cassert>
#include <condition_variable>
#include <memory>
#include <optional>

namespace rls::kube {
namespace {

Error injected() { return transient("ConnectionLost", "connection lost (injected)"); }

}  // namespace

void Calls::start(Request request, std::function<void(Result<Response>)> done) {
  const Fault fault = seam_.enter(CallKind::api, request.what);
  const std::string method = request.method;
  auto finish = [this, fault, method, done = std::move(done)](Result<Response> result) {
    if (seam_.reply_lost(fault)) result = injected();
    count(method, result);
    done(std::move(result));
  };
  if (fault == Fault::fail_before) {
    transport_.post([finish = std::move(finish)] { finish(injected()); });
  } else {
    transport_.send(std::move(request), std::move(finish));
  }
}

Result<Response> Calls::wait(Request request, const std::stop_token& stop) {
  assert(!transport_.on_library_thread());
  struct Waiting {
    std::mutex mutex;
    std::condition_variable_any came;
    std::optional<Result<Response>> result;  // guarded by mutex
  };
  const auto waiting = std::make_shared<Waiting>();
  start(std::move(request), [waiting](Result<Response> result) {
    const std::lock_guard lock(waiting->mutex);
    waiting->result = std::move(result);
    waiting->came.notify_all();
  });
  std::unique_lock lock(waiting->mutex);
  waiting->came.wait(lock, stop, [&] { return waiting->result.has_value(); });
  if (!waiting->result) return transient("Stopped", "the call was stopped");
  return *std::move(waiting->result);
}

Result<Response> Calls::stream(Request request, ChunkSink sink, std::chrono::seconds idle,
                               std::stop_token stop) {
  const std::string method = request.method;
  const Fault fault = seam_.enter(CallKind::api, request.what);
  Result<Response> result = injected();
  if (fault != Fault::fail_before && !seam_.reply_lost(fault)) {
    result = transport_.stream(std::move(request), std::move(sink), idle, stop);
  }
  if (!stop.stop_requested()) count(method, result);
  return result;
}

std::vector<RequestCount> Calls::counts() const {
  const std::lock_guard lock(mutex_);
  std::vector<RequestCount> all;
  all.reserve(counts_.size());
  for (const auto& [key, count] : counts_) all.push_back({key.first, key.second, count});
  return all;
}

void Calls::count(const std::string& method, const Result<Response>& result) {
  const std::lock_guard lock(mutex_);
  ++counts_[{method, result ? result->status : 0}];
}

}  // namespace rls::kube
