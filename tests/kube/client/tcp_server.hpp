#pragma once
// A TCP server of a test's own: says what the test wants said, at the moment it wants, or hands everything on
// to another server. For what a real API server cannot be made to do.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace rls::kube::test {

/// One accepted connection.
class Peer {
 public:
  explicit Peer(int fd, const std::atomic<bool>& over) : fd_(fd), over_(over) {}

  /// The head of the next request, up to the empty line; "" when the client has gone or the test is over.
  std::string read_head() {
    std::string head;
    while (head.find("\r\n\r\n") == std::string::npos) {
      std::array<char, 4096> buffer{};
      if (!readable()) return {};
      const ssize_t count = ::recv(fd_, buffer.data(), buffer.size(), 0);
      if (count <= 0) return {};
      head.append(buffer.data(), static_cast<std::size_t>(count));
    }
    return head;
  }
  void say(const std::string& text) const { (void)::send(fd_, text.data(), text.size(), MSG_NOSIGNAL); }
  /// Says nothing until the client closes. True: it did, false: the test is over.
  bool silent_until_closed() {
    std::array<char, 64> buffer{};
    return readable() && ::recv(fd_, buffer.data(), buffer.size(), 0) <= 0;
  }
  /// Waits until something can be read; false: the test is over.
  bool readable() const {
    while (!over_) {
      pollfd waiting{fd_, POLLIN, 0};
      if (::poll(&waiting, 1, 20) > 0) return true;
    }
    return false;
  }
  int fd() const { return fd_; }
  bool over() const { return over_; }

 private:
  int fd_;
  const std::atomic<bool>& over_;
};

class TcpServer {
 public:
  /// `serve` is run on a thread of its own for each connection; `address` is an IPv4 loopback address.
  explicit TcpServer(std::function<void(Peer&)> serve, const std::string& address = "127.0.0.1")
      : serve_(std::move(serve)), fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in where{};
    where.sin_family = AF_INET;
    ::inet_pton(AF_INET, address.c_str(), &where.sin_addr);
    socklen_t size = sizeof where;
    if (::bind(fd_, reinterpret_cast<sockaddr*>(&where), size) != 0 || ::listen(fd_, 16) != 0 ||
        ::getsockname(fd_, reinterpret_cast<sockaddr*>(&where), &size) != 0) {
      throw std::runtime_error("cannot listen on " + address);
    }
    port_ = ntohs(where.sin_port);
    accepting_ = std::thread([this] { accept_all(); });
  }
  ~TcpServer() {
    over_ = true;
    accepting_.join();
    for (auto& each : serving_) each.join();
    ::close(fd_);
  }
  TcpServer(const TcpServer&) = delete;
  TcpServer& operator=(const TcpServer&) = delete;

  int port() const { return port_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  int connections() const { return connections_; }
  int closed() const { return closed_; }

 private:
  void accept_all() {
    while (!over_) {
      pollfd waiting{fd_, POLLIN, 0};
      if (::poll(&waiting, 1, 20) <= 0) continue;
      const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) continue;
      ++connections_;
      serving_.emplace_back([this, fd] {
        Peer peer(fd, over_);
        serve_(peer);
        ::close(fd);
        ++closed_;
      });
    }
  }

  const std::function<void(Peer&)> serve_;
  const int fd_;
  int port_ = 0;
  std::atomic<bool> over_{false};
  std::atomic<int> connections_{0}, closed_{0};
  std::vector<std::thread> serving_;  // touched by accepting_, and after it has ended
  std::thread accepting_;
};

/// Hands everything on to 127.0.0.1:`port`, in both directions.
inline std::function<void(Peer&)> forward_to(int port) {
  return [port](Peer& peer) {
    const int out = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_port = htons(static_cast<std::uint16_t>(port));
    ::inet_pton(AF_INET, "127.0.0.1", &where.sin_addr);
    bool open = ::connect(out, reinterpret_cast<sockaddr*>(&where), sizeof where) == 0;
    while (open && !peer.over()) {
      std::array<pollfd, 2> both{pollfd{peer.fd(), POLLIN, 0}, pollfd{out, POLLIN, 0}};
      if (::poll(both.data(), both.size(), 20) <= 0) continue;
      for (const auto& [from, to] : {std::pair{both[0], out}, std::pair{both[1], peer.fd()}}) {
        if (from.revents == 0) continue;
        std::array<char, 16384> buffer{};
        const ssize_t count = ::recv(from.fd, buffer.data(), buffer.size(), 0);
        if (count <= 0) open = false;
        if (count > 0) (void)::send(to, buffer.data(), static_cast<std::size_t>(count), MSG_NOSIGNAL);
      }
    }
    ::close(out);
  };
}

}  // namespace rls::kube::test
