// Over the loopback, on ports that the kernel chooses.
#include "controller/app/http_server.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <string>

#include "controller/base/time.hpp"

namespace rls::app {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/// A client's connection; reads give up after some seconds.
class Client {
 public:
  explicit Client(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const timeval patience{10, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  ~Client() { ::close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// False: the server has hung up, and on unread bytes at that.
  bool send(std::string_view bytes) {
    return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
  }
  /// Until the server hangs up.
  std::string all() {
    std::string out, piece(65536, '\0');
    for (ssize_t got = 0; (got = ::recv(fd_, piece.data(), piece.size(), 0)) > 0;) {
      out.append(piece, 0, static_cast<std::size_t>(got));
    }
    return out;
  }
  /// Up to `end` and no further.
  std::string until(std::string_view end) {
    std::string out;
    for (char byte = 0; !out.ends_with(end) && ::recv(fd_, &byte, 1, 0) == 1;) out += byte;
    return out;
  }

 private:
  const int fd_;
};

class HttpServerTest : public testing::Test {
 protected:
  void start(HttpLimits limits = {}) {
    auto started = HttpServer::start({"127.0.0.1", 0}, "--bind-address", handlers, clock, limits);
    ASSERT_TRUE(started.ok()) << started.error().message;
    server = std::move(started).value();
  }
  std::string ask(const std::string& request) {
    Client client(server->port());
    client.send(request);
    return client.all();
  }
  std::string get(const std::string& path) {
    return ask("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  }

  SystemClock clock;
  std::vector<std::string> missing;
  std::vector<std::string> pieces = {"one 1\n", "", "two 2\n"};
  HttpHandlers handlers{[this] { return missing; },
                        [this]() -> Pieces {
                          return [this, i = std::size_t{0}](std::string& piece) mutable {
                            if (i == pieces.size()) return false;
                            piece = pieces[i++];
                            return true;
                          };
                        }};
  std::unique_ptr<HttpServer> server;
};

TEST_F(HttpServerTest, ChoosesAPort) {
  start();
  EXPECT_NE(server->port(), 0);
}

TEST_F(HttpServerTest, IsHealthy) {
  start();
  EXPECT_EQ(get("/healthz"),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\nConnection: "
            "close\r\n\r\nok\n");
}

TEST_F(HttpServerTest, IsReadyWhenNothingIsMissing) {
  start();
  EXPECT_THAT(get("/readyz"), AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), EndsWith("\r\n\r\nok\n")));
}

TEST_F(HttpServerTest, SaysWhatIsMissing) {
  missing = {"RlsMigration cache is not filled", "no leader"};
  start();
  EXPECT_THAT(get("/readyz"),
              AllOf(StartsWith("HTTP/1.1 503 Service Unavailable\r\n"),
                    EndsWith("\r\n\r\nnot ready:\nRlsMigration cache is not filled\nno leader\n")));
  EXPECT_THAT(get("/healthz"), StartsWith("HTTP/1.1 200")) << "health does not depend on it";
}

TEST_F(HttpServerTest, StreamsMetricsInChunks) {
  start();
  EXPECT_THAT(
      get("/metrics?x=y"),
      AllOf(StartsWith("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"),
            HasSubstr("Transfer-Encoding: chunked\r\n"),
            EndsWith("\r\n\r\n6\r\none 1\n\r\n6\r\ntwo 2\n\r\n0\r\n\r\n")));
}

TEST_F(HttpServerTest, StreamsWithoutChunksToAnOldClient) {
  start();
  EXPECT_THAT(ask("GET /metrics HTTP/1.0\r\n\r\n"),
              AllOf(Not(HasSubstr("chunked")), EndsWith("\r\n\r\none 1\ntwo 2\n")));
}

TEST_F(HttpServerTest, StreamsMoreThanTheSocketTakesAtOnce) {
  pieces.assign(8, std::string(1 << 20, 'x'));
  start();
  EXPECT_EQ(ask("GET /metrics HTTP/1.0\r\n\r\n").size() >> 20, 8u);
}

TEST_F(HttpServerTest, RefusesWhatItDoesNotServe) {
  start();
  EXPECT_THAT(get("/"), AllOf(StartsWith("HTTP/1.1 404 Not Found\r\n"), HasSubstr("/metrics")));
  EXPECT_THAT(get("/metrics/"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(get("/healthz/x"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(ask("POST /healthz HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"),
              AllOf(StartsWith("HTTP/1.1 405 Method Not Allowed\r\n"), HasSubstr("Allow: GET\r\n")));
  EXPECT_THAT(ask("HEAD /healthz HTTP/1.1\r\nConnection: close\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 405"), EndsWith("\r\n\r\n")));
  EXPECT_THAT(ask("nonsense\r\n\r\n"), StartsWith("HTTP/1.1 400"));
}

TEST_F(HttpServerTest, ServesManyRequestsOnOneConnection) {
  start();
  Client client(server->port());
  for (int i = 0; i < 3; ++i) {
    client.send("GET /healthz HTTP/1.1\r\n\r\n");
    EXPECT_THAT(client.until("ok\n"), StartsWith("HTTP/1.1 200"));
    client.send("GET /metrics HTTP/1.1\r\n\r\n");
    EXPECT_THAT(client.until("0\r\n\r\n"), StartsWith("HTTP/1.1 200"));
  }
}

TEST_F(HttpServerTest, ServesRequestsThatComeTogether) {
  start();
  constexpr int kRequests = 1000;
  std::string requests;
  for (int i = 0; i < kRequests; ++i) requests += "GET /healthz HTTP/1.1\r\n\r\n";
  const std::string replies = ask(requests + "GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n");
  int count = 0;
  for (auto at = replies.find("ok\n"); at != std::string::npos; at = replies.find("ok\n", at + 1)) ++count;
  EXPECT_EQ(count, kRequests + 1);
}

TEST_F(HttpServerTest, WaitsForARequestThatComesInPieces) {
  start();
  Client client(server->port());
  for (const char byte : std::string_view("GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n"))
    client.send({&byte, 1});
  EXPECT_THAT(client.all(), EndsWith("ok\n"));
}

TEST_F(HttpServerTest, AHandlerThatThrowsIsAnError) {
  handlers.not_ready = []() -> std::vector<std::string> { throw std::runtime_error("boom"); };
  handlers.metrics = []() -> Pieces { throw std::runtime_error("boom"); };
  start();
  EXPECT_THAT(get("/readyz"), AllOf(StartsWith("HTTP/1.1 500"), Not(HasSubstr("boom"))));
  EXPECT_THAT(get("/metrics"), AllOf(StartsWith("HTTP/1.1 500"), Not(HasSubstr("chunked"))));
  EXPECT_THAT(get("/healthz"), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, AScrapeThatFailsMidwayHasNoEnd) {
  handlers.metrics = []() -> Pieces {
    return [first = true](std::string& piece) mutable {
      if (!std::exchange(first, false)) throw std::runtime_error("boom");
      piece = "one 1\n";
      return true;
    };
  };
  start();
  EXPECT_THAT(get("/metrics"), AllOf(HasSubstr("one 1"), Not(EndsWith("0\r\n\r\n"))));
}

TEST_F(HttpServerTest, HangsUpOnClientsThatDoNotAsk) {
  start({.head = std::chrono::milliseconds{20}, .idle = std::chrono::milliseconds{20}});
  Client silent(server->port()), slow(server->port()), idle(server->port());
  slow.send("GET /healthz HT");
  idle.send("GET /healthz HTTP/1.1\r\n\r\n");
  EXPECT_EQ(silent.all(), "");
  EXPECT_EQ(slow.all(), "");
  EXPECT_THAT(idle.all(), EndsWith("ok\n"));
}

TEST_F(HttpServerTest, HangsUpOnClientsThatDoNotRead) {
  pieces.assign(64, std::string(1 << 20, 'x'));
  start({.reply = std::chrono::milliseconds{20}});
  Client client(server->port());
  client.send("GET /metrics HTTP/1.0\r\n\r\n");
  // Each turn waits for the server; what is sent to a connection that is closed is refused at last.
  do {
    EXPECT_THAT(get("/healthz"), HasSubstr("200"));
  } while (client.send("x"));
}

TEST_F(HttpServerTest, FurtherConnectionsWait) {
  start({.connections = 1});
  auto first = std::make_unique<Client>(server->port());
  first->send("GET /healthz HTTP/1.1\r\n\r\n");
  EXPECT_THAT(first->until("ok\n"), HasSubstr("200"));
  Client second(server->port());
  second.send("GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n");
  first.reset();
  EXPECT_THAT(second.all(), EndsWith("ok\n"));
}

TEST_F(HttpServerTest, TooManyScrapesAtOnceAreRefused) {
  pieces.assign(64, std::string(1 << 20, 'x'));
  start({.scrapes = 1});
  Client hanging(server->port());
  hanging.send("GET /metrics HTTP/1.1\r\n\r\n");
  EXPECT_THAT(hanging.until("\r\n\r\n"), HasSubstr("200"));
  EXPECT_THAT(get("/metrics"), StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(get("/healthz"), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, StopsAtOnceWhateverIsOpen) {
  pieces.assign(64, std::string(1 << 20, 'x'));
  start();
  Client idle(server->port()), half(server->port()), reading(server->port());
  half.send("GET /hea");
  reading.send("GET /metrics HTTP/1.1\r\n\r\n");
  EXPECT_THAT(reading.until("\r\n\r\n"), HasSubstr("200"));
  const auto before = clock.steady();
  server.reset();
  EXPECT_LT(clock.steady() - before, std::chrono::seconds{1});
  EXPECT_EQ(half.all(), "");
}

TEST_F(HttpServerTest, APortInUseIsAnErrorThatNamesTheFlag) {
  start();
  const auto second = HttpServer::start({"127.0.0.1", server->port()}, "--bind-address", handlers, clock);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().kind, ErrorKind::terminal);
  EXPECT_EQ(second.error().reason, "AddressInUse");
  EXPECT_EQ(second.error().message, "--bind-address 127.0.0.1:" + std::to_string(server->port()) +
                                        ": the port is in use by another process; choose another with "
                                        "--bind-address");
}

TEST_F(HttpServerTest, ThePortIsFreeAgainAfterwards) {
  start();
  const std::uint16_t port = server->port();
  EXPECT_THAT(get("/healthz"), HasSubstr("200"));
  server.reset();
  EXPECT_TRUE(HttpServer::start({"127.0.0.1", port}, "--bind-address", handlers, clock).ok());
}

TEST_F(HttpServerTest, AnAddressThatIsNotOursIsAnError) {
  const auto foreign = HttpServer::start({"192.0.2.1", 0}, "--bind-address", handlers, clock);
  ASSERT_FALSE(foreign.ok());
  EXPECT_THAT(foreign.error().message, StartsWith("--bind-address 192.0.2.1:0: "));
}

TEST_F(HttpServerTest, AllAddressesIncludeIpv4) {
  auto started = HttpServer::start({"", 0}, "--bind-address", handlers, clock);
  ASSERT_TRUE(started.ok());
  server = std::move(started).value();
  EXPECT_THAT(get("/healthz"), HasSubstr("200"));
}

}  // namespace
}  // namespace rls::app
