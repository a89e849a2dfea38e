#include "controller/app/http_server.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <exception>
#include <list>
#include <optional>
#include <stop_token>
#include <string_view>
#include <utility>
#include <variant>

#include "controller/app/http_request.hpp"
#include "controller/base/log.hpp"
#include "controller/base/text.hpp"

namespace rls::app {
namespace {

using Moment = std::chrono::steady_clock::time_point;

constexpr std::string_view kLogger = "app.http";
constexpr std::string_view kPlain = "text/plain; charset=utf-8";
constexpr std::string_view kExposition = "text/plain; version=0.0.4; charset=utf-8";

/// Owns a file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

std::string_view phrase(int status) {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Unknown";  // not ours: any number may be looked up
  }
}

struct Connection {
  /// draining: the reply is sent; what the client still sends is thrown away until it hangs up, because
  /// closing on unread bytes would reset the connection and could destroy the reply.
  enum class State { reading, writing, draining };

  Descriptor socket;
  State state = State::reading;
  Moment deadline{};
  std::string in;
  std::string out;
  std::size_t sent = 0;
  Pieces more;  ///< of a reply that streams
  bool chunks = false;
  bool keep_alive = false;
  bool dead = false;
};

/// Makes a chunk of the piece in `out`, in place.
void frame(std::string& out) {
  std::array<char, 20> size{};
  const auto [end, error] = std::to_chars(size.data(), size.data() + size.size(), out.size(), 16);
  out.insert(0, std::string(size.data(), end) + "\r\n");
  out += "\r\n";
}

}  // namespace

/// Owns the sockets; all of it but `wake` runs on the server's thread.
class HttpServer::Loop {
 public:
  Loop(Descriptor listener, Descriptor wake, HttpHandlers handlers, const Clock& clock, HttpLimits limits)
      : listener_(std::move(listener)),
        wake_(std::move(wake)),
        handlers_(std::move(handlers)),
        clock_(clock),
        limits_(limits) {}

  void run(const std::stop_token& stop) {
    const std::stop_callback wake_up(stop, [this] {
      const std::uint64_t one = 1;
      [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
    });
    std::vector<pollfd> polled;
    while (!stop.stop_requested()) {
      const bool accepting = connections_.size() < limits_.connections && clock_.steady() >= accept_again_;
      polled.assign({{wake_.get(), POLLIN, 0}, {accepting ? listener_.get() : -1, POLLIN, 0}});
      for (const Connection& connection : connections_) {
        const bool writing = connection.state == Connection::State::writing;
        polled.push_back({connection.socket.get(), static_cast<short>(writing ? POLLOUT : POLLIN), 0});
      }
      ::poll(polled.data(), polled.size(), timeout());
      auto event = polled.begin() + 2;
      for (Connection& connection : connections_) serve(connection, (event++)->revents != 0);
      connections_.remove_if([](const Connection& connection) { return connection.dead; });
      if (polled[1].revents != 0) accept_all();
    }
  }

 private:
  /// Milliseconds until the next deadline.
  int timeout() const {
    if (connections_.empty() && accept_again_ <= clock_.steady()) return -1;
    Moment next = accept_again_ > clock_.steady() ? accept_again_ : Moment::max();
    for (const Connection& connection : connections_) next = std::min(next, connection.deadline);
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - clock_.steady()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
  }

  void accept_all() {
    while (connections_.size() < limits_.connections) {
      Descriptor socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!socket) {
        const bool none_left = errno == EAGAIN || errno == EWOULDBLOCK;
        if (!none_left && errno != ECONNABORTED && errno != EINTR) {
          log::warn(kLogger, "cannot accept connections for now", {{"err", std::strerror(errno)}});
          accept_again_ = clock_.steady() + std::chrono::milliseconds{200};  // out of descriptors, mostly
        }
        return;
      }
      const int on = 1;
      ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      Connection& connection = connections_.emplace_back();
      connection.socket = std::move(socket);
      connection.deadline = clock_.steady() + limits_.head;
    }
  }

  void serve(Connection& connection, bool ready) {
    if (ready) {
      switch (connection.state) {
        case Connection::State::reading: read(connection); break;
        case Connection::State::writing: break;
        case Connection::State::draining: drain(connection); break;
      }
      while (!connection.dead && step(connection)) {
      }
    }
    if (clock_.steady() >= connection.deadline) connection.dead = true;
  }

  /// One step from request to reply or from reply to the next request; false: the network must do something.
  bool step(Connection& connection) {
    switch (connection.state) {
      case Connection::State::reading: return take_request(connection);
      case Connection::State::writing: return send(connection);
      case Connection::State::draining: return false;
    }
    return false;
  }

  void read(Connection& connection) {
    std::array<char, 4096> bytes;
    const ssize_t got = ::recv(connection.socket.get(), bytes.data(), bytes.size(), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
      connection.dead = true;
      return;
    }
    if (connection.in.empty()) connection.deadline = clock_.steady() + limits_.head;
    connection.in.append(bytes.data(), static_cast<std::size_t>(got));
  }

  /// Answers the request at the front of what was read; false: it is not there as a whole.
  bool take_request(Connection& connection) {
    const auto parsed = parse_request(connection.in);
    if (std::holds_alternative<Incomplete>(parsed)) return false;
    connection.state = Connection::State::writing;
    connection.deadline = clock_.steady() + limits_.reply;
    if (const auto* bad = std::get_if<BadRequest>(&parsed)) {
      connection.keep_alive = false;
      reply(connection, bad->status, std::string(phrase(bad->status)) + "\n");
      return true;
    }
    const HttpRequest& request = *std::get_if<HttpRequest>(&parsed);
    connection.in.erase(0, request.size);
    connection.keep_alive = request.keep_alive;
    connection.chunks = request.chunks;
    try {
      answer(connection, request);
    } catch (const std::exception& error) {
      log::error(kLogger, "a handler failed",
                 {{"path", truncated(request.path, 200)}, {"err", error.what()}});
      connection.more = nullptr;
      reply(connection, 500, "internal error, see the operator's log\n");
    }
    return true;
  }

  void answer(Connection& connection, const HttpRequest& request) {
    if (request.method != "GET") {
      connection.keep_alive = false;  // a body may follow
      return reply(connection, 405, request.method == "HEAD" ? "" : "only GET is served here\n",
                   "Allow: GET\r\n");
    }
    if (request.path == "/healthz") return reply(connection, 200, "ok\n");
    if (request.path == "/readyz") {
      std::string missing;
      for (const std::string& line : handlers_.not_ready()) missing += line + "\n";
      return missing.empty() ? reply(connection, 200, "ok\n")
                             : reply(connection, 503, "not ready:\n" + std::move(missing));
    }
    if (request.path == "/metrics") return begin_scrape(connection);
    reply(connection, 404, "not found; there are /healthz, /readyz and /metrics\n");
  }

  void begin_scrape(Connection& connection) {
    const auto running = std::count_if(connections_.begin(), connections_.end(),
                                       [](const Connection& one) { return one.more != nullptr; });
    if (static_cast<std::size_t>(running) >= limits_.scrapes) {
      return reply(connection, 503, "too many scrapes at once\n");
    }
    connection.more = handlers_.metrics();
    if (!connection.chunks)
      connection.keep_alive = false;  // HTTP/1.0: the end of the connection ends the reply
    connection.out =
        head(connection, 200, kExposition, connection.chunks ? "Transfer-Encoding: chunked\r\n" : "");
    std::string first;
    if (next_piece(connection, first)) connection.out += first;
  }

  /// Puts what is to be sent next into `out`; false: the reply is complete.
  static bool next_piece(Connection& connection, std::string& out) {
    while (connection.more) {
      if (!connection.more(out)) {
        connection.more = nullptr;
        out = connection.chunks ? "0\r\n\r\n" : "";
        return connection.chunks;
      }
      if (out.empty()) continue;  // an empty chunk would end the reply
      if (connection.chunks) frame(out);
      return true;
    }
    return false;
  }

  static std::string head(const Connection& connection, int status, std::string_view type,
                          std::string_view extra) {
    std::string out = "HTTP/1.1 " + std::to_string(status) + " " + std::string(phrase(status)) + "\r\n";
    out.append("Content-Type: ").append(type).append("\r\n").append(extra);
    if (!connection.keep_alive) out += "Connection: close\r\n";
    return out + "\r\n";
  }

  static void reply(Connection& connection, int status, std::string_view body, std::string_view extra = "") {
    const std::string length = "Content-Length: " + std::to_string(body.size()) + "\r\n";
    connection.out = head(connection, status, kPlain, length + std::string(extra));
    connection.out += body;
  }

  /// Sends what there is of the reply, and the pieces that follow; false: the network takes no more for now.
  bool send(Connection& connection) {
    for (;;) {
      while (connection.sent < connection.out.size()) {
        const ssize_t count = ::send(connection.socket.get(), connection.out.data() + connection.sent,
                                     connection.out.size() - connection.sent, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) {
          connection.dead = errno != EAGAIN;
          return false;
        }
        connection.sent += static_cast<std::size_t>(count);
      }
      connection.sent = 0;
      try {
        if (!next_piece(connection, connection.out)) break;
      } catch (const std::exception& error) {
        // The head is sent: all that can be said is an end before the last chunk.
        log::error(kLogger, "a reply failed midway", {{"err", error.what()}});
        connection.dead = true;
        return false;
      }
    }
    connection.out = {};
    if (connection.keep_alive) {
      connection.state = Connection::State::reading;
      connection.deadline = clock_.steady() + (connection.in.empty() ? limits_.idle : limits_.head);
    } else {
      ::shutdown(connection.socket.get(), SHUT_WR);
      connection.state = Connection::State::draining;
      connection.deadline = clock_.steady() + std::chrono::seconds{1};
    }
    return true;
  }

  static void drain(Connection& connection) {
    std::array<char, 4096> bytes;
    const ssize_t got = ::recv(connection.socket.get(), bytes.data(), bytes.size(), 0);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) connection.dead = true;
  }

  const Descriptor listener_;
  const Descriptor wake_;
  const HttpHandlers handlers_;
  const Clock& clock_;
  const HttpLimits limits_;
  std::list<Connection> connections_;
  Moment accept_again_{};
};

namespace {

std::string shown(const BindAddress& address, std::uint16_t port) {
  const bool literal6 = address.host.find(':') != std::string::npos;
  return (literal6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(port);
}

/// A listening socket, or the errno of what failed.
std::variant<Descriptor, int> listen_on(const addrinfo& where) {
  Descriptor out(
      ::socket(where.ai_family, where.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, where.ai_protocol));
  if (!out) return errno;
  const int on = 1, off = 0;
  ::setsockopt(out.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (where.ai_family == AF_INET6) ::setsockopt(out.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (::bind(out.get(), where.ai_addr, where.ai_addrlen) != 0 || ::listen(out.get(), 128) != 0) return errno;
  return out;
}

std::uint16_t port_of(const Descriptor& socket) {
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&bound), &size);
  // The port stands at the same place in both kinds of address.
  return ntohs(reinterpret_cast<const sockaddr_in*>(&bound)->sin_port);
}

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::start(const BindAddress& address, std::string_view flag,
                                                      HttpHandlers handlers, const Clock& clock,
                                                      HttpLimits limits) {
  const std::string given = std::string(flag) + " " + shown(address, address.port);
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failed = ::getaddrinfo(address.host.empty() ? nullptr : address.host.c_str(),
                                   std::to_string(address.port).c_str(), &hints, &found);
  if (failed != 0) return terminal("InvalidAddress", given + ": " + ::gai_strerror(failed));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> release(found, ::freeaddrinfo);

  std::vector<const addrinfo*> candidates;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) candidates.push_back(one);
  // All addresses: the IPv6 socket takes IPv4 as well.
  if (address.host.empty()) {
    std::stable_partition(candidates.begin(), candidates.end(),
                          [](const addrinfo* one) { return one->ai_family == AF_INET6; });
  }
  int error = EADDRNOTAVAIL;
  for (const addrinfo* one : candidates) {
    auto made = listen_on(*one);
    if (const int* why = std::get_if<int>(&made)) {
      error = *why;
      if (error == EADDRINUSE) break;
      continue;
    }
    Descriptor listener = std::move(*std::get_if<Descriptor>(&made));
    Descriptor wake(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (!wake) return terminal("ListenFailed", given + ": " + std::strerror(errno));
    const std::uint16_t port = port_of(listener);
    auto loop =
        std::make_unique<Loop>(std::move(listener), std::move(wake), std::move(handlers), clock, limits);
    return std::unique_ptr<HttpServer>(new HttpServer(std::move(loop), port));
  }
  if (error == EADDRINUSE) {
    return terminal("AddressInUse", given + ": the port is in use by another process; choose another with " +
                                        std::string(flag));
  }
  return terminal("ListenFailed", given + ": " + std::strerror(error));
}

HttpServer::HttpServer(std::unique_ptr<Loop> loop, std::uint16_t port)
    : loop_(std::move(loop)),
      port_(port),
      thread_([this](const std::stop_token& stop) { loop_->run(stop); }) {}

HttpServer::~HttpServer() = default;

}  // namespace rls::app
