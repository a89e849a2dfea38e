#include "tests/support/postgres_proxy.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace rls::test {
namespace {

constexpr std::int32_t kSslRequest = 80877103, kGssRequest = 80877104, kCancelRequest = 80877102;

std::map<std::string, std::string> names_by_first_line() {
  std::map<std::string, std::string> names;
  const std::string folder = std::string(RLS_SOURCE_DIR) + "/controller/postgres/sql";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path());
    std::string line;
    std::getline(file, line);
    names.emplace(line, entry.path().stem());
  }
  return names;
}

std::int32_t number_at(const std::string& bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8U | static_cast<unsigned char>(bytes[at + i]);
  return static_cast<std::int32_t>(value);
}

bool send_all(int socket, const char* bytes, std::size_t size) {
  while (size > 0) {
    const ssize_t n = ::send(socket, bytes, size, MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes += n;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

bool send_all(int socket, const std::string& bytes) { return send_all(socket, bytes.data(), bytes.size()); }

/// False at its end.
bool receive(int socket, std::string& into) {
  std::array<char, 65536> buffer{};
  const ssize_t n = ::recv(socket, buffer.data(), buffer.size(), 0);
  if (n <= 0) return false;
  into.append(buffer.data(), static_cast<std::size_t>(n));
  return true;
}

/// Takes one message with its type off the front, where it is whole.
std::optional<std::string> take_message(std::string& bytes) {
  if (bytes.size() < 5) return std::nullopt;
  const std::size_t size = 1 + static_cast<std::size_t>(number_at(bytes, 1));
  if (bytes.size() < size) return std::nullopt;
  std::string message = bytes.substr(0, size);
  bytes.erase(0, size);
  return message;
}

std::string first_words(const std::string& sql) {
  const std::string line = sql.substr(0, sql.find_first_of("\n;("));
  return line.substr(0, 48);
}

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

int connect_to(int port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return socket;
  ::close(socket);
  return -1;
}

}  // namespace

std::string to_string(Cut cut) {
  switch (cut) {
    case Cut::before: return "before";
    case Cut::reply_lost: return "reply_lost";
    case Cut::reply_held: return "reply_held";
    case Cut::sent_and_gone: return "sent_and_gone";
    case Cut::stall: return "stall";
  }
  return "";
}

std::string StatementFault::str() const {
  return statement + "#" + std::to_string(occurrence) + ":" + to_string(cut);
}

struct PostgresProxy::Session {
  int client = -1, server = -1;
  bool done = false;  // guarded by mutex_
  std::jthread thread;
};

PostgresProxy::PostgresProxy(int upstream_port)
    : names_(names_by_first_line()), upstream_port_(upstream_port) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof(address);
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 64) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("the proxy cannot listen");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::jthread([this] { listen(); });
}

PostgresProxy::~PostgresProxy() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  ::shutdown(listener_, SHUT_RDWR);
  thread_.join();
  ::close(listener_);
  cut_all();
  sessions_.clear();  // joins
}

void PostgresProxy::restart(std::optional<StatementFault> fault) {
  cut_all();
  const std::lock_guard lock(mutex_);
  statements_.clear();
  counts_.clear();
  fault_ = std::move(fault);
  fault_came_ = false;
}

std::vector<std::string> PostgresProxy::statements() const {
  const std::lock_guard lock(mutex_);
  return statements_;
}

bool PostgresProxy::fault_came() const {
  const std::lock_guard lock(mutex_);
  return fault_came_;
}

void PostgresProxy::release() {
  const std::lock_guard lock(mutex_);
  stalled_ = false;
  released_.notify_all();
}

void PostgresProxy::use_upstream(int port) {
  {
    const std::lock_guard lock(mutex_);
    upstream_port_ = port;
  }
  cut_all();
}

void PostgresProxy::cut_all() {
  const std::lock_guard lock(mutex_);
  stalled_ = false;
  released_.notify_all();
  for (const Session& session : sessions_) {
    if (session.done) continue;
    ::shutdown(session.client, SHUT_RDWR);
    if (session.server >= 0) ::shutdown(session.server, SHUT_RDWR);
  }
}

void PostgresProxy::listen() {
  for (;;) {
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const std::lock_guard lock(mutex_);
    if (stopping_ || client < 0) {
      if (client >= 0) ::close(client);
      return;
    }
    sessions_.remove_if([](const Session& session) { return session.done; });
    Session& session = sessions_.emplace_back();
    session.client = client;
    session.server = connect_to(upstream_port_);
    session.thread = std::jthread([this, &session] {
      if (session.server >= 0) serve(session);
      const std::lock_guard closing(mutex_);
      ::close(session.client);
      if (session.server >= 0) ::close(session.server);
      session.done = true;
    });
  }
}

std::optional<Cut> PostgresProxy::count(const std::string& name) {
  const std::lock_guard lock(mutex_);
  statements_.push_back(name);
  const int occurrence = ++counts_[name];
  if (!fault_ || fault_came_ || fault_->statement != name || fault_->occurrence != occurrence)
    return std::nullopt;
  fault_came_ = true;
  stalled_ = fault_->cut == Cut::stall;
  return fault_->cut;
}

void PostgresProxy::wait_for_release(Session& session) {
  std::unique_lock lock(mutex_);
  while (stalled_) {
    released_.wait_for(lock, std::chrono::milliseconds{20});
    // A client that has gone does not wait.
    pollfd gone{.fd = session.client, .events = POLLRDHUP, .revents = 0};
    if (::poll(&gone, 1, 0) > 0) return;
  }
}

/// One connection, from its start packet to its end. A statement is what stands between two ReadyForQuery: a
/// Query, or all up to Sync.
void PostgresProxy::serve(Session& session) {
  std::string from_client, from_server, statement, name;
  bool started = false, drop_reply = false, hold_reply = false, connecting = false;
  const auto begin = [&](const std::string& bytes) {  // false: the end
    const auto cut = count(name);
    if (cut == Cut::before) return false;
    if (cut == Cut::stall) wait_for_release(session);
    drop_reply = cut == Cut::reply_lost;
    hold_reply = cut == Cut::reply_held;
    return send_all(session.server, bytes) && cut != Cut::sent_and_gone;
  };
  const auto take_from_client = [&] {
    if (!started) {
      if (from_client.size() < 8 || from_client.size() < static_cast<std::size_t>(number_at(from_client, 0)))
        return true;
      const std::int32_t code = number_at(from_client, 4);
      if (code == kSslRequest || code == kGssRequest) {
        from_client.erase(0, 8);
        return send_all(session.client, "N", 1);
      }
      started = true;
      if (code == kCancelRequest) return send_all(session.server, from_client) && false;
      std::string packet;
      packet.swap(from_client);
      name = "connect";
      connecting = true;
      return begin(packet);
    }
    while (auto message = take_message(from_client)) {
      const char type = message->front();
      if (type == 'p' || type == 'X') {  // a password; the end
        if (!send_all(session.server, *message)) return false;
        continue;
      }
      if (type == 'Q' || type == 'P') {
        std::string sql = message->substr(5);
        if (type == 'P') sql.erase(0, sql.find('\0') + 1);
        sql.resize(sql.find('\0'));
        const auto known = names_.find(sql.substr(0, sql.find('\n')));
        name = known != names_.end() ? known->second : first_words(sql);
      }
      statement += *message;
      if (type != 'Q' && type != 'S') continue;
      std::string whole;
      whole.swap(statement);
      if (!begin(whole)) return false;
    }
    return true;
  };
  const auto take_from_server = [&] {
    while (auto message = take_message(from_server)) {
      if (hold_reply) continue;
      const bool ready = message->front() == 'Z';
      if (drop_reply && ready) return false;
      if (drop_reply && !connecting) continue;
      if (ready) connecting = false;
      if (!send_all(session.client, *message)) return false;
    }
    return true;
  };
  for (;;) {
    std::array<pollfd, 2> sockets{pollfd{.fd = session.client, .events = POLLIN, .revents = 0},
                                  pollfd{.fd = session.server, .events = POLLIN, .revents = 0}};
    if (::poll(sockets.data(), sockets.size(), -1) < 0) return;
    if (sockets[1].revents != 0 && (!receive(session.server, from_server) || !take_from_server())) return;
    if (sockets[0].revents != 0 && (!receive(session.client, from_client) || !take_from_client())) return;
  }
}

}  // namespace rls::test
