#pragma once
// A Transport that says what the test has written down, reply by reply. No threads: `done` is called at once,
// so that tests need not wait.

#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "controller/kube/transport.hpp"

namespace rls::kube {

/// One scripted reply. For a stream the chunks come first; then it ends as `end` says.
struct Scripted {
  Result<Response> end;
  std::vector<std::string> chunks = {};
};

class FakeTransport final : public Transport {
 public:
  /// When the script is at its end, `finished` is called (tests stop there) and calls fail.
  explicit FakeTransport(std::deque<Scripted> script, std::function<void()> finished = {})
      : script_(std::move(script)), finished_(std::move(finished)) {}

  void send(Request request, std::function<void(Result<Response>)> done) override {
    done(next(std::move(request)).end);
  }
  Result<Response> stream(Request request, ChunkSink sink, std::chrono::seconds, std::stop_token) override {
    const Scripted reply = next(std::move(request));
    for (const std::string& chunk : reply.chunks) {
      if (!sink(chunk)) return Response{200, {}, {}};
    }
    return reply.end;
  }
  void post(std::function<void()> task) override { task(); }
  bool on_library_thread() const override { return false; }

  std::vector<Request> requests;

 private:
  Scripted next(Request request) {
    requests.push_back(std::move(request));
    if (script_.empty()) {
      if (finished_) finished_();
      return {transient("ConnectionLost", "the script is at its end")};
    }
    Scripted reply = std::move(script_.front());
    script_.pop_front();
    return reply;
  }

  std::deque<Scripted> script_;
  const std::function<void()> finished_;
};

}  // namespace rls::kube
