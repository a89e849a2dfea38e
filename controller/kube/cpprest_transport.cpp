#include "controller/kube/cpprest_transport.hpp"

#include <cpprest/http_client.h>
#include <pplx/threadpool.h>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <charconv>
#include <condition_variable>
#include <cstdlib>
#include <future>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "controller/base/log.hpp"
#include "controller/base/text.hpp"
#include "controller/kube/detail/write_only.hpp"
#include "controller/kube/status_error.hpp"
#include "controller/kube/tls.hpp"

namespace rls::kube {
namespace {

namespace http = web::http;

constexpr std::chrono::seconds kUnaryIdle{30};
constexpr std::size_t kLargestReply = 64 * 1024 * 1024;  ///< a page of 250 objects of 256 KiB
constexpr std::size_t kLargestRefusal = 256 * 1024;      ///< a body that is kept because it is no stream
constexpr const char* kUserAgent = "rls-operator/" RLS_VERSION;

std::thread::id library_thread;  // written once, before any use

boost::asio::io_service& library() { return crossplat::threadpool::shared_instance().service(); }

std::optional<std::chrono::seconds> retry_after(const http::http_headers& headers) {
  const auto found = headers.find("Retry-After");
  if (found == headers.end()) return std::nullopt;
  const std::string& text = found->second;
  unsigned seconds = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  // The API server gives seconds; a date is not looked at. No server may send us to sleep for a day.
  if (bad != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return std::chrono::seconds(std::min(seconds, 300U));
}

/// A reply on its way to one caller; shared with the library, which may let go of it later than the caller.
struct Unary {
  std::string body;
  bool too_large = false;
  pplx::cancellation_token_source cancel;
  std::atomic<bool> answered{false};
  std::optional<boost::asio::steady_timer>
      limit;  ///< touched by the sender first, then by the library's thread
  std::function<void(Result<Response>)> done;
};

/// The calls that wait for their reply. Shared with the library, which may call back after the transport has
/// gone.
struct UnderWay {
  std::mutex mutex;
  std::condition_variable fewer;
  std::set<std::shared_ptr<Unary>> calls;  // guarded by mutex
};

/// Answers the caller, unless somebody has.
void answer(UnderWay& under_way, const std::shared_ptr<Unary>& call, Result<Response> result) noexcept {
  if (call->answered.exchange(true)) return;
  call->done(std::move(result));
  call->done = nullptr;
  library().dispatch([call] { call->limit->cancel(); });  // here and now on the library's own thread
  const std::lock_guard lock(under_way.mutex);
  under_way.calls.erase(call);
  under_way.fewer.notify_all();
}

/// A stream on its way. The mutex also keeps the sink from running after the stream is over for its caller.
struct Stream {
  std::mutex mutex;
  std::condition_variable_any changed;
  ChunkSink sink;         // everything here is guarded by mutex
  Response response;      // status 0: not known yet
  std::string early;      // body bytes that came before the status
  bool over = false;      // the sink has had enough, or the caller has gone
  bool finished = false;  // the library has nothing more to say
  std::optional<Error> error;
  pplx::cancellation_token_source cancel;
};

void cancel_soon(const pplx::cancellation_token_source& source) {
  // On the library's thread: closing the socket must not run into an operation on it.
  library().post([source] { source.cancel(); });
}

class CpprestTransport final : public Transport {
 public:
  explicit CpprestTransport(std::shared_ptr<Credentials> credentials)
      : credentials_(std::move(credentials)),
        trouble_(std::make_shared<TlsTrouble>()),
        unary_(
            std::make_shared<http::client::http_client>(credentials_->server(), configuration(kUnaryIdle))),
        generation_(credentials_->connection_generation()) {
    if (credentials_->has_plugin()) {
      renewer_ = std::jthread([this](std::stop_token stop) { renew_when_asked(stop); });
    }
  }

  ~CpprestTransport() override {
    assert(!on_library_thread());
    if (renewer_.joinable()) {
      renewer_.request_stop();
      renewer_.join();  // answers those who wait for it
    }
    stop_all();
    {
      const std::lock_guard lock(mutex_);
      unary_.reset();
    }
    // What OpenSSL keeps for a thread goes when the thread ends, and this one never does: a leak to the
    // checkers.
    std::promise<void> freed;
    post([&freed] {
      OPENSSL_thread_stop();
      freed.set_value();
    });
    freed.get_future().wait();
  }

  void send(Request request, std::function<void(Result<Response>)> done) override;
  Result<Response> stream(Request request, ChunkSink sink, std::chrono::seconds idle,
                          std::stop_token stop) override;
  void post(std::function<void()> task) override { library().post(std::move(task)); }
  bool on_library_thread() const override { return std::this_thread::get_id() == library_thread; }

 private:
  http::client::http_client_config configuration(std::chrono::seconds idle) const;
  Result<http::http_request> message(const Request& request) const;
  void stop_all();
  std::shared_ptr<http::client::http_client> unary();
  void dispatch(const std::shared_ptr<Unary>& call, const Request& request);
  void renew_when_asked(const std::stop_token& stop);

  /// A call that waits for the exec plugin.
  struct Waiting {
    std::shared_ptr<Unary> call;
    Request request;
  };

  const std::shared_ptr<Credentials> credentials_;
  const std::shared_ptr<TlsTrouble> trouble_;
  std::mutex mutex_;
  std::condition_variable_any asked_;
  std::shared_ptr<http::client::http_client> unary_;  // guarded by mutex_; null when the end has come
  std::uint64_t generation_;                          // guarded by mutex_: of the connections in unary_
  bool renew_ = false;                                // guarded by mutex_
  std::vector<Waiting> waiting_;                      // guarded by mutex_
  std::jthread renewer_;
  const std::shared_ptr<UnderWay> under_way_ = std::make_shared<UnderWay>();
};

http::client::http_client_config CpprestTransport::configuration(std::chrono::seconds idle) const {
  http::client::http_client_config made;
  made.set_timeout(idle);
  made.set_max_redirects(0);
  made.set_validate_certificates(true);
  made.set_request_compressed_response(false);
  const std::string host = web::uri(credentials_->server()).host();
  made.set_ssl_context_callback(
      [host, credentials = credentials_, trouble = trouble_](boost::asio::ssl::context& context) {
        set_up_tls(context.native_handle(), host, credentials, trouble);
      });
  if (const auto& proxy = credentials_->proxy()) {
    web::web_proxy way(web::uri(proxy->url()));
    if (!proxy->user.empty()) way.set_credentials(web::credentials(proxy->user, proxy->password));
    made.set_proxy(std::move(way));
  }
  return made;
}

/// The pool of the connections that show who we are now.
std::shared_ptr<http::client::http_client> CpprestTransport::unary() {
  const auto now = credentials_->connection_generation();
  const std::lock_guard lock(mutex_);
  if (unary_ == nullptr || generation_ == now) return unary_;
  auto old = std::exchange(
      unary_, std::make_shared<http::client::http_client>(credentials_->server(), configuration(kUnaryIdle)));
  generation_ = now;
  library().post([gone = std::move(old)] {});  // closes its sockets there
  return unary_;
}

/// The renewer's thread: runs the exec plugin, so that no request and no callback has to.
void CpprestTransport::renew_when_asked(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  for (;;) {
    const bool asked = asked_.wait(lock, stop, [this] { return renew_; });
    const auto waiting = std::exchange(waiting_, {});
    renew_ = false;
    lock.unlock();
    const Result<void> renewed = asked && !stop.stop_requested()
                                     ? credentials_->renew(stop)
                                     : transient("Stopped", "the client is going down");
    for (const Waiting& each : waiting) {
      post([this, each, renewed] {
        // Where somebody has answered it the transport may be gone.
        if (each.call->answered) return;
        if (!renewed) return answer(*under_way_, each.call, renewed.error());
        dispatch(each.call, each.request);
      });
    }
    lock.lock();
    if (stop.stop_requested() && waiting_.empty()) return;
  }
}

Result<http::http_request> CpprestTransport::message(const Request& request) const {
  const auto token = credentials_->token();
  if (!token) return token.error();
  try {
    http::http_request made(request.method);
    made.set_request_uri(request.path);
    http::http_headers& headers = made.headers();
    headers.add("User-Agent", kUserAgent);
    headers.add("Accept", request.accept);
    if (!token->empty()) headers.add("Authorization", "Bearer " + *token);
    if (!request.body.empty()) made.set_body(request.body, request.content_type);
    return made;
  } catch (const std::exception& bad) {
    return terminal("InvalidRequest", std::string("the request cannot be made: ") + bad.what());
  }
}

/// What the exception in flight means. Numbers from the library: 110 timeout, 125 cancelled; nothing else
/// about it can be relied on.
Error failure(TlsTrouble& trouble, const Credentials& credentials) {
  const std::string& server = credentials.server();
  const auto lost = [&](std::string_view why) {
    const std::string way = credentials.proxy() ? " through the proxy " + credentials.proxy()->url() : "";
    return transient("ConnectionLost", "the connection to " + server + way +
                                           " could not be made or was lost: " + log::redacted(why));
  };
  try {
    throw;
  } catch (const http::http_exception& bad) {
    if (auto tls = trouble.take()) return *std::move(tls);
    if (bad.error_code().value() == 110) return transient("Timeout", server + " has not answered in time");
    return lost(bad.what());
  } catch (const std::exception& bad) {
    return lost(bad.what());
  } catch (...) {
    return lost("unknown");
  }
}

void saw_status(Credentials& credentials, int status) {
  if (status == 401) credentials.token_refused();
}

void CpprestTransport::send(Request request, std::function<void(Result<Response>)> done) {
  const auto call = std::make_shared<Unary>();
  call->done = std::move(done);
  {
    const std::lock_guard lock(under_way_->mutex);
    under_way_->calls.insert(call);
  }
  call->limit.emplace(library());
  call->limit->expires_after(request.timeout);
  call->limit->async_wait([call, under_way = under_way_, server = credentials_->server(),
                           timeout = request.timeout](const boost::system::error_code& cancelled) {
    if (cancelled) return;
    answer(
        *under_way, call,
        transient("Timeout", server + " has not answered within " + std::to_string(timeout.count()) + " ms"));
    call->cancel.cancel();
  });

  const ExecPlugin::State state = credentials_->plugin_state();
  if (state != ExecPlugin::State::fresh) {
    const std::lock_guard lock(mutex_);
    renew_ = true;
    asked_.notify_all();
    if (state == ExecPlugin::State::stale) {
      waiting_.push_back({call, std::move(request)});
      return;
    }
  }
  dispatch(call, request);
}

void CpprestTransport::dispatch(const std::shared_ptr<Unary>& call, const Request& request) {
  auto made = message(request);
  if (!made) {
    return post([call, under_way = under_way_, error = made.error()] { answer(*under_way, call, error); });
  }
  made->set_response_stream(detail::write_only([call](std::string_view chunk) noexcept {
    if (call->too_large) return;
    if (call->body.size() + chunk.size() <= kLargestReply) {
      call->body += chunk;
      return;
    }
    call->too_large = true;
    cancel_soon(call->cancel);  // closes the connection: its rest must not be the next request's reply
  }));
  const auto pool = unary();
  if (pool == nullptr) {
    return post([call, under_way = under_way_] {
      answer(*under_way, call, transient("Stopped", "the client is going down"));
    });
  }
  pool->request(*made, call->cancel.get_token())
      .then([](const http::http_response& response) { return response.content_ready(); })
      .then([call, under_way = under_way_, trouble = trouble_,
             credentials = credentials_](const pplx::task<http::http_response>& task) {
        try {
          const http::http_response response = task.get();
          saw_status(*credentials, response.status_code());
          if (call->too_large) throw std::length_error("the whole of it came nevertheless");
          answer(*under_way, call,
                 Response{response.status_code(), std::move(call->body), retry_after(response.headers())});
        } catch (...) {
          Error error = failure(*trouble, *credentials);
          if (call->too_large) error = transient("ReplyTooLarge", "the API server's reply is over 64 MiB");
          answer(*under_way, call, std::move(error));
        }
      });
}

void CpprestTransport::stop_all() {
  std::unique_lock lock(under_way_->mutex);
  const auto none_left = [this] { return under_way_->calls.empty(); };
  for (const auto& call : under_way_->calls) cancel_soon(call->cancel);
  // A name look-up cannot be cancelled and may take its time: who still waits then is told from here.
  under_way_->fewer.wait_for(lock, std::chrono::milliseconds(500), none_left);
  const auto left = under_way_->calls;
  lock.unlock();
  for (const auto& call : left) answer(*under_way_, call, transient("Stopped", "the client is going down"));
  lock.lock();
  under_way_->fewer.wait(lock, none_left);
}

/// Gives the sink what it is owed. With the stream's mutex held. False: the stream is over.
bool feed(Stream& stream, std::string_view chunk) {
  if (stream.over) return false;
  const int status = stream.response.status;
  if (status != 0 && is_success(status)) {
    if (!chunk.empty() && !stream.sink(chunk)) stream.over = true;
  } else {
    std::string& kept = status == 0 ? stream.early : stream.response.body;
    const std::size_t limit = status == 0 ? kLargestReply : kLargestRefusal;
    if (kept.size() + chunk.size() > limit) {
      stream.over = true;
    } else {
      kept += chunk;
    }
  }
  if (stream.over) stream.changed.notify_all();
  return !stream.over;
}

void status_came(Stream& stream, const http::http_response& response) {
  const std::lock_guard lock(stream.mutex);
  stream.response.status = response.status_code();
  stream.response.retry_after = retry_after(response.headers());
  const std::string early = std::move(stream.early);
  stream.early.clear();
  if (!feed(stream, early)) cancel_soon(stream.cancel);
}

void finish(Stream& stream, std::optional<Error> error) {
  const std::lock_guard lock(stream.mutex);
  stream.finished = true;
  stream.error = std::move(error);
  stream.changed.notify_all();
}

Result<Response> CpprestTransport::stream(Request request, ChunkSink sink, std::chrono::seconds idle,
                                          std::stop_token stop) {
  assert(!on_library_thread());
  if (credentials_->plugin_state() != ExecPlugin::State::fresh) {
    const auto renewed = credentials_->renew(stop);
    if (!renewed && credentials_->plugin_state() == ExecPlugin::State::stale) return renewed.error();
  }
  auto made = message(request);
  if (!made) return made.error();
  const auto state = std::make_shared<Stream>();
  state->sink = std::move(sink);
  made->set_response_stream(detail::write_only([state](std::string_view chunk) noexcept {
    const std::lock_guard lock(state->mutex);
    if (!state->over && !feed(*state, chunk)) cancel_soon(state->cancel);
  }));
  http::client::http_client client(credentials_->server(), configuration(idle));
  client.request(*made, state->cancel.get_token())
      .then([state](const http::http_response& response) {
        status_came(*state, response);
        return response.content_ready();
      })
      .then([state, trouble = trouble_,
             credentials = credentials_](const pplx::task<http::http_response>& task) {
        try {
          task.get();
          finish(*state, std::nullopt);
        } catch (...) {
          finish(*state, failure(*trouble, *credentials));
        }
      });

  std::unique_lock lock(state->mutex);
  state->changed.wait(lock, stop, [&] { return state->finished || state->over; });
  const bool by_sink = state->over;
  const bool finished = state->finished;
  state->over = true;
  state->sink = nullptr;
  if (!finished) cancel_soon(state->cancel);
  saw_status(*credentials_, state->response.status);
  if (finished && state->error && !by_sink) {
    if (state->error->reason != "Timeout" || !is_success(state->response.status)) return *state->error;
    return transient(
        "Silence", credentials_->server() + " sent nothing more for " + std::to_string(idle.count()) + " s");
  }
  if (!finished && !by_sink) return transient("Stopped", "the stream was stopped");
  if (state->response.status == 0) return transient("ConnectionLost", "a body came, and never a status");
  return std::move(state->response);
}

}  // namespace

void initialize_http_library() {
  static std::once_flag once;
  std::call_once(once, [] {
    // The library loads the system's roots for each connection before we can say no: 20–35 ms each.
    ::setenv("SSL_CERT_FILE", "/dev/null", 1);
    ::setenv("SSL_CERT_DIR", "/nonexistent", 1);
    try {
      // Asynchronous chains on one thread cost the least CPU (measured), and make callbacks take turns.
      crossplat::threadpool::initialize_with_threads(1);
    } catch (const std::exception&) {
      log::error("kube.transport", "the HTTP library was used before initialize_http_library was called");
      std::abort();
    }
    std::promise<std::thread::id> id;
    library().post([&id] { id.set_value(std::this_thread::get_id()); });
    library_thread = id.get_future().get();
  });
}

Result<std::unique_ptr<Transport>> make_cpprest_transport(std::shared_ptr<Credentials> credentials) {
  initialize_http_library();
  const std::string server = credentials->server();
  try {
    return std::unique_ptr<Transport>(std::make_unique<CpprestTransport>(std::move(credentials)));
  } catch (const std::exception& bad) {
    return terminal("InvalidServer", "the API server's address " + rls::quoted(server) + " cannot be used: " +
                                         bad.what() + "; https://HOST:PORT is expected");
  }
}

}  // namespace rls::kube
