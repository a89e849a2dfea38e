#include "controller/kube/http_get.hpp"

#include <cpprest/http_client.h>
#include <netdb.h>
#include <pplx/threadpool.h>

#include <condition_variable>
#include <ctime>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>

#include "controller/base/log.hpp"
#include "controller/kube/cpprest_transport.hpp"
#include "controller/kube/detail/write_only.hpp"
#include "controller/kube/tls.hpp"

namespace rls::kube {
namespace {

namespace http = web::http;

struct FreeStore {
  void operator()(X509_STORE* store) const { X509_STORE_free(store); }
};
using Store = std::unique_ptr<X509_STORE, FreeStore>;

/// The roots, which take 30 ms to read: kept until their file is another one. Thread-safe.
class Roots {
 public:
  /// A reference of the caller's own; none where the file cannot be read.
  Store of(const std::string& path) {
    std::error_code bad;
    const auto changed = std::filesystem::last_write_time(path, bad);
    if (bad) return nullptr;
    const std::lock_guard lock(mutex_);
    if (!store_ || path_ != path || changed_ != changed) {
      Store fresh(X509_STORE_new());
      if (X509_STORE_load_file(fresh.get(), path.c_str()) != 1) return nullptr;
      store_ = std::move(fresh);
      path_ = path;
      changed_ = changed;
    }
    X509_STORE_up_ref(store_.get());
    return Store(store_.get());
  }

 private:
  std::mutex mutex_;
  Store store_;  // all guarded by mutex_
  std::string path_;
  std::filesystem::file_time_type changed_;
};

/// For messages: "http://host:port".
std::string origin(const web::uri& uri) {
  std::string text = uri.authority().to_string();
  if (text.ends_with('/')) text.pop_back();
  return text;
}

/// A reply on its way; shared with the library, which may let go of it later than the caller.
struct Call {
  std::mutex mutex;
  std::condition_variable_any came;
  std::string body;        // everything here is guarded by mutex
  bool too_large = false;  // a body's rest is not kept
  std::optional<Result<Response>> result;
  pplx::cancellation_token_source cancel;
};

void finish(Call& call, Result<Response> result) {
  const std::lock_guard lock(call.mutex);
  if (!call.result) call.result = std::move(result);
  call.came.notify_all();
}

void cancel_soon(const pplx::cancellation_token_source& source) {
  // On the library's thread: closing the socket must not run into an operation on it.
  crossplat::threadpool::shared_instance().service().post([source] { source.cancel(); });
}

/// The library has one thread for looking names up, which the API server's client needs, too: a name that
/// cannot be looked up, or takes its time, must not get there.
bool can_be_found(const std::string& host) {
  addrinfo* found = nullptr;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return false;
  ::freeaddrinfo(found);
  return true;
}

http::client::http_client_config configuration(const HttpGet& request, const std::string& host,
                                               std::shared_ptr<X509_STORE> roots) {
  http::client::http_client_config made;
  made.set_timeout(request.timeout);
  made.set_max_redirects(0);
  made.set_validate_certificates(true);
  made.set_request_compressed_response(false);
  made.set_proxy(web::web_proxy(web::web_proxy::disabled));
  made.set_ssl_context_callback([host, roots = std::move(roots)](boost::asio::ssl::context& context) {
    SSL_CTX* const tls = context.native_handle();
    SSL_CTX_set1_cert_store(tls, roots.get());
    SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, nullptr);
    check_host(tls, host);
  });
  return made;
}

/// Makes the call. What it may throw is thrown before anything is under way.
void start(const HttpGet& request, const web::uri& uri, const std::shared_ptr<Call>& call,
           std::shared_ptr<X509_STORE> roots) {
  http::http_request made(http::methods::GET);
  made.headers().add("User-Agent", "rls-operator/" RLS_VERSION);
  made.headers().add("Accept", "application/json");
  made.set_response_stream(
      detail::write_only([call, largest = request.largest](std::string_view chunk) noexcept {
        const std::lock_guard lock(call->mutex);
        if (call->too_large) return;
        if (call->body.size() + chunk.size() <= largest) {
          call->body += chunk;
          return;
        }
        call->too_large = true;
        cancel_soon(call->cancel);
      }));
  http::client::http_client client(uri, configuration(request, uri.host(), std::move(roots)));
  client.request(made, call->cancel.get_token())
      .then([](const http::http_response& response) { return response.content_ready(); })
      .then([call, where = origin(uri)](const pplx::task<http::http_response>& task) {
        try {
          const int status = task.get().status_code();
          std::unique_lock lock(call->mutex);
          if (call->too_large) throw std::length_error("the whole of it came nevertheless");
          std::string body = std::move(call->body);
          lock.unlock();
          finish(*call, Response{status, std::move(body), {}});
        } catch (const std::exception& bad) {
          const bool large = [&] {
            const std::lock_guard lock(call->mutex);
            return call->too_large;
          }();
          finish(*call, large ? transient("ReplyTooLarge", where + " sends too large a reply")
                              : transient("ConnectionLost", "the connection to " + where +
                                                                " could not be made or was lost: " +
                                                                log::redacted(bad.what())));
        }
      });
}

}  // namespace

Result<Response> http_get(const HttpGet& request, const std::stop_token& stop) {
  initialize_http_library();
  static Roots all_roots;
  const auto call = std::make_shared<Call>();
  const auto deadline = std::chrono::steady_clock::now() + request.timeout;
  std::string where;
  try {
    const web::uri uri(request.url);
    where = origin(uri);
    if (!can_be_found(uri.host())) {
      return transient("NameNotFound", "the host of " + where + " cannot be looked up");
    }
    std::shared_ptr<X509_STORE> roots;
    if (uri.scheme() == "https") {
      roots = all_roots.of(request.roots);
      if (!roots) return transient("NoRoots", "there are no certificates in " + request.roots);
    }
    if (stop.stop_requested()) return transient("Stopped", "the call was stopped");
    start(request, uri, call, std::move(roots));
  } catch (const std::exception& bad) {
    return terminal("InvalidUrl", std::string("the URL cannot be used: ") + bad.what());
  }
  std::unique_lock lock(call->mutex);
  call->came.wait_until(lock, stop, deadline, [&] { return call->result.has_value(); });
  if (call->result) return *std::move(call->result);
  cancel_soon(call->cancel);
  if (stop.stop_requested()) return transient("Stopped", "the call was stopped");
  return transient("Timeout",
                   where + " has not answered within " + std::to_string(request.timeout.count()) + " ms");
}

}  // namespace rls::kube
