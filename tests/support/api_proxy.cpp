#include "tests/support/api_proxy.hpp"

#include <signal.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace rls::test {
namespace {

using rls::kube::test::Peer;

int port_of(const std::string& server) { return std::stoi(server.substr(server.rfind(':') + 1)); }

/// The value of one field of an HTTP head, "" where it is not there.
std::string field(const std::string& head, std::string name) {
  std::string lower = head;
  const auto low = [](unsigned char c) { return static_cast<char>(std::tolower(c)); };
  std::transform(lower.begin(), lower.end(), lower.begin(), low);
  std::transform(name.begin(), name.end(), name.begin(), low);
  const auto at = lower.find("\r\n" + name + ":");
  if (at == std::string::npos) return {};
  auto begin = at + name.size() + 3;
  while (begin < head.size() && head[begin] == ' ') ++begin;
  return head.substr(begin, head.find("\r\n", begin) - begin);
}

std::vector<std::string> segments(const std::string& target) {
  std::vector<std::string> out;
  std::string path = target.substr(1, target.find('?') - 1);
  for (std::size_t at = 0; at <= path.size();) {
    const auto end = std::min(path.find('/', at), path.size());
    out.push_back(path.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

/// The path without "api/v1" or "apis/GROUP/VERSION" and without "namespaces/NAME" before a resource:
/// resource, object, subresource.
std::vector<std::string> resource_path(const std::string& target) {
  auto parts = segments(target);
  const std::size_t prefix = parts.front() == "api" ? 2 : 3;
  parts.erase(parts.begin(), parts.begin() + static_cast<long>(std::min(prefix, parts.size())));
  if (parts.size() > 2 && parts.front() == "namespaces") parts.erase(parts.begin(), parts.begin() + 2);
  return parts;
}

std::string chunk_of(const std::string& text) {
  std::array<char, 20> size{};
  const int digits = std::snprintf(size.data(), size.size(), "%zx\r\n", text.size());
  return std::string(size.data(), static_cast<std::size_t>(digits)) + text + "\r\n";
}

}  // namespace

std::string ApiRequest::kind() const {
  const auto parts = resource_path(target);
  std::string what = method;
  if (is_watch()) {
    what = "WATCH";
  } else if (method == "GET" && parts.size() == 1) {
    what = "LIST";
  }
  what += " " + (parts.empty() ? target : parts[0]);
  if (parts.size() > 2) what += "/" + parts[2];
  return what;
}

std::string ApiRequest::object() const {
  const auto parts = resource_path(target);
  return parts.size() > 1 ? parts[1] : "";
}

Verdict Verdict::refusal(int status, const std::string& reason, std::optional<int> retry_after) {
  return {What::answer, status, retry_after,
          R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"by the test",)"
          R"("reason":")" +
              reason + R"(","code":)" + std::to_string(status) + "}"};
}

/// One TLS connection and what of it was read and not yet used.
class ApiProxy::Wire {
 public:
  Wire(SSL_CTX* context, int fd, const Peer& peer, bool owns)
      : tls_(SSL_new(context), SSL_free), fd_(fd), peer_(peer), owns_(owns) {
    SSL_set_fd(tls_.get(), fd);
  }
  ~Wire() {
    if (owns_) ::close(fd_);
  }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  SSL* tls() { return tls_.get(); }
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] bool has_more() const { return !buffer_.empty() || SSL_pending(tls_.get()) > 0; }
  [[nodiscard]] const Peer& peer() const { return peer_; }

  /// Waits for more. False: closed, or the test is over.
  bool fill() {
    while (SSL_pending(tls_.get()) == 0) {
      if (peer_.over()) return false;
      pollfd waiting{fd_, POLLIN, 0};
      if (::poll(&waiting, 1, 20) > 0) break;
    }
    std::array<char, 16384> piece{};
    const int count = SSL_read(tls_.get(), piece.data(), static_cast<int>(piece.size()));
    if (count <= 0) return false;
    buffer_.append(piece.data(), static_cast<std::size_t>(count));
    return true;
  }
  /// Up to and with `end`.
  std::optional<std::string> read_to(const std::string& end) {
    for (;;) {
      const auto at = buffer_.find(end);
      if (at != std::string::npos) return take(at + end.size());
      if (!fill()) return std::nullopt;
    }
  }
  std::optional<std::string> read(std::size_t count) {
    while (buffer_.size() < count) {
      if (!fill()) return std::nullopt;
    }
    return take(count);
  }
  std::optional<std::string> read_chunk() {
    const auto size = read_to("\r\n");
    if (!size) return std::nullopt;
    auto text = read(std::stoul(*size, nullptr, 16));
    if (!text || !read(2)) return std::nullopt;
    return text;
  }
  bool write(const std::string& text) {
    return SSL_write(tls_.get(), text.data(), static_cast<int>(text.size())) > 0;
  }

 private:
  std::string take(std::size_t count) {
    std::string taken = buffer_.substr(0, count);
    buffer_.erase(0, count);
    return taken;
  }

  std::unique_ptr<SSL, decltype(&SSL_free)> tls_;
  const int fd_;
  const Peer& peer_;
  const bool owns_;
  std::string buffer_;
};

ApiProxy::ApiProxy(const std::string& server)
    : server_port_(port_of(server)),
      own_(ca_.issue("api proxy", "IP:127.0.0.1")),
      tcp_([this](Peer& peer) { serve(peer); }) {}

void ApiProxy::on_request(OnRequest hook) {
  const std::lock_guard lock(mutex_);
  on_request_ = std::move(hook);
}
void ApiProxy::on_line(OnLine hook) {
  const std::lock_guard lock(mutex_);
  on_line_ = std::move(hook);
}
void ApiProxy::on_reply(OnReply hook) {
  const std::lock_guard lock(mutex_);
  on_reply_ = std::move(hook);
}
void ApiProxy::use(rls::kube::test::Pair certificate) {
  const std::lock_guard lock(mutex_);
  own_ = std::move(certificate);
}
void ApiProxy::away(bool is_away) {
  {
    const std::lock_guard lock(mutex_);
    away_ = is_away;
  }
  if (is_away) cut_all();
}
void ApiProxy::cut_all() {
  const std::lock_guard lock(mutex_);
  for (const int fd : clients_) ::shutdown(fd, SHUT_RDWR);
}

void ApiProxy::serve(Peer& peer) {
  // Writing to who has gone must not end the test; in this thread alone, as programs inherit the rest.
  sigset_t pipe_signal;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &pipe_signal, nullptr);

  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_server_method()),
                                                                  SSL_CTX_free);
  bool is_away = false;
  {
    const std::lock_guard lock(mutex_);
    is_away = away_;
    rls::kube::test::show(context.get(), own_);
    clients_.insert(peer.fd());
  }
  if (!is_away) {
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, [](int, X509_STORE_CTX*) { return 1; });
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
    Wire client(context.get(), peer.fd(), peer, false);
    if (peer.readable() && SSL_accept(client.tls()) == 1) talk(client);
  }
  {
    const std::lock_guard lock(mutex_);
    clients_.erase(peer.fd());
  }
  ERR_clear_error();
  OPENSSL_thread_stop();
}

void ApiProxy::talk(Wire& client) {
  const std::string certificate = rls::kube::test::client_name(client.tls());
  std::unique_ptr<Wire> server;
  for (;;) {
    const auto head = client.read_to("\r\n\r\n");
    if (!head) return;
    ApiRequest request;
    request.method = head->substr(0, head->find(' '));
    const auto begin = request.method.size() + 1;
    request.target = head->substr(begin, head->find(' ', begin) - begin);
    request.client_certificate = certificate;
    request.content_type = field(*head, "Content-Type");
    request.accept = field(*head, "Accept");
    const std::string authorization = field(*head, "Authorization");
    if (authorization.starts_with("Bearer ")) request.token = authorization.substr(7);
    if (const std::string length = field(*head, "Content-Length"); !length.empty()) {
      auto body = client.read(std::stoul(length));
      if (!body) return;
      request.body = std::move(*body);
    }

    const auto hook = copy(on_request_);
    const Verdict verdict = hook ? hook(request) : Verdict{};
    switch (verdict.what) {
      case Verdict::What::cut_before: return;
      case Verdict::What::answer: {
        std::string reply = "HTTP/1.1 " + std::to_string(verdict.status) +
                            " By The Test\r\nContent-Type: application/json\r\n";
        if (verdict.retry_after) reply += "Retry-After: " + std::to_string(*verdict.retry_after) + "\r\n";
        reply += "Content-Length: " + std::to_string(verdict.body.size()) + "\r\n\r\n" + verdict.body;
        if (!client.write(reply)) return;
        break;
      }
      default:
        if (!pass_on(client, server, request, verdict.what)) return;
    }
  }
}

std::unique_ptr<ApiProxy::Wire> ApiProxy::connect_to_server(const Peer& peer) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(static_cast<std::uint16_t>(server_port_));
  ::inet_pton(AF_INET, "127.0.0.1", &where.sin_addr);
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()),
                                                                  SSL_CTX_free);
  auto wire = std::make_unique<Wire>(context.get(), fd, peer, true);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&where), sizeof where) != 0 ||
      SSL_connect(wire->tls()) != 1) {
    return nullptr;
  }
  return wire;
}

/// False: the connection is to end.
bool ApiProxy::pass_on(Wire& client, std::unique_ptr<Wire>& server, const ApiRequest& request,
                       Verdict::What what) {
  std::string text = request.method + " " + request.target +
                     " HTTP/1.1\r\nHost: api\r\nAccept: " + request.accept +
                     "\r\nContent-Length: " + std::to_string(request.body.size()) + "\r\n";
  if (!request.token.empty()) text += "Authorization: Bearer " + request.token + "\r\n";
  if (!request.content_type.empty()) text += "Content-Type: " + request.content_type + "\r\n";
  text += "\r\n" + request.body;
  std::optional<std::string> head;
  // The server may have closed a connection that idled.
  for (int attempt = 0; attempt < 2 && !head; ++attempt) {
    if (server == nullptr || attempt > 0) server = connect_to_server(client.peer());
    if (server == nullptr || !server->write(text)) continue;
    head = server->read_to("\r\n\r\n");
  }
  if (!head) return false;
  const int status = std::stoi(head->substr(head->find(' ') + 1));
  const bool chunked = field(*head, "Transfer-Encoding") == "chunked";
  if (request.is_watch() && status == 200 && chunked) {
    return what == Verdict::What::pass && client.write(*head) && relay_watch(client, *server, request);
  }

  std::string body;
  if (chunked) {
    for (;;) {
      auto chunk = server->read_chunk();
      if (!chunk) return false;
      if (chunk->empty()) break;
      body += *chunk;
    }
  } else if (const std::string length = field(*head, "Content-Length"); !length.empty()) {
    auto read = server->read(std::stoul(length));
    if (!read) return false;
    body = std::move(*read);
  }
  if (const auto hook = copy(on_reply_)) hook(request, status);
  std::string reply =
      head->substr(0, head->find("\r\n")) + "\r\nContent-Type: " + field(*head, "Content-Type") + "\r\n";
  if (const std::string pause = field(*head, "Retry-After"); !pause.empty()) {
    reply += "Retry-After: " + pause + "\r\n";
  }
  reply += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n";
  if (what == Verdict::What::lose_reply) return false;
  if (what == Verdict::What::cut_reply) {
    client.write(reply + body.substr(0, body.size() / 2));
    return false;
  }
  return client.write(reply + body);
}

/// False: the connection is to end.
bool ApiProxy::relay_watch(Wire& client, Wire& server, const ApiRequest& request) {
  const SendLine send = [&](const std::string& text) { return client.write(chunk_of(text)); };
  std::string lines;
  for (;;) {
    // A client that closes, or is silent on purpose, must not keep the watch of the server.
    while (!server.has_more()) {
      if (client.peer().over()) return false;
      std::array<pollfd, 2> both{pollfd{server.fd(), POLLIN, 0}, pollfd{client.fd(), POLLIN, 0}};
      if (::poll(both.data(), both.size(), 20) <= 0) continue;
      if (both[1].revents != 0) return false;
      break;
    }
    const auto chunk = server.read_chunk();
    if (!chunk) return false;
    if (chunk->empty()) return client.write("0\r\n\r\n");
    lines += *chunk;
    for (auto end = lines.find('\n'); end != std::string::npos; end = lines.find('\n')) {
      const std::string line = lines.substr(0, end + 1);
      lines.erase(0, end + 1);
      const auto hook = copy(on_line_);
      const Stream next = hook ? hook(request, line, send) : (send(line) ? Stream::go_on : Stream::cut);
      if (next == Stream::cut) return false;
      if (next == Stream::end) {
        client.write("0\r\n\r\n");
        return false;
      }
    }
  }
}

}  // namespace rls::test
