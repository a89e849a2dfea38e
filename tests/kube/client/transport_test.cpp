// The transport against servers that misbehave on purpose. Plain http on the loopback; no API server needed.

#include "tests/kube/client/real_server.hpp"
#include "tests/kube/client/tcp_server.hpp"

namespace rls::kube::test {
namespace {

const std::string kChunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

std::string chunk(const std::string& text) {
  std::array<char, 32> head{};
  std::snprintf(head.data(), head.size(), "%zx\r\n", text.size());
  return head.data() + text + "\r\n";
}
std::string whole(const std::string& status, const std::string& headers, const std::string& body) {
  return "HTTP/1.1 " + status + "\r\n" + headers + "Content-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

class TransportTest : public ::testing::Test {
 protected:
  std::unique_ptr<Transport> to(const TcpServer& server) {
    static const SystemClock clock;
    const std::string path = dir_.file("config",
                                       "current-context: c\ncontexts: [{name: c, context: {cluster: k}}]\n"
                                       "clusters: [{name: k, cluster: {server: '" +
                                           server.url() + "'}}]\n");
    auto credentials = Credentials::load({.kubeconfig = path, .context = {}}, real_surroundings(), clock);
    return make_cpprest_transport(std::move(credentials).value()).value();
  }
  static Request get(const std::string& path = "/api") {
    Request request;
    request.path = path;
    return request;
  }
  static Result<Response> send(Transport& transport, const Request& request) {
    return waited<Response>([&](auto done) { transport.send(request, std::move(done)); });
  }

  TempDir dir_;
};

/// For what is to end at once: without that it would take minutes.
constexpr std::chrono::minutes kAtOnce{1};

/// How long something took.
class Stopwatch {
 public:
  std::chrono::milliseconds read() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin_);
  }

 private:
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

TEST_F(TransportTest, SaysWhoItIsAndAsksForNoCompression) {
  std::string head;
  TcpServer server([&](Peer& peer) {
    head = peer.read_head();
    peer.say(whole("200 OK", "", "{}"));
  });
  const auto transport = to(server);
  const auto reply = send(*transport, get("/apis/g/v1/x?limit=1&continue=a%2Fb%3D"));
  ASSERT_TRUE(reply.ok()) << reply.error().message;
  EXPECT_EQ(reply->status, 200);
  EXPECT_EQ(reply->body, "{}");
  EXPECT_EQ(head.find("GET /apis/g/v1/x?limit=1&continue=a%2Fb%3D HTTP/1.1\r\n"), 0U) << head;
  EXPECT_NE(head.find("\r\nUser-Agent:rls-operator/" RLS_VERSION "\r\n"), std::string::npos) << head;
  EXPECT_NE(head.find("\r\nAccept:application/json\r\n"), std::string::npos) << head;
  EXPECT_EQ(head.find("Accept-Encoding"), std::string::npos) << head;
  EXPECT_EQ(head.find("Authorization"), std::string::npos) << head;
}

TEST_F(TransportTest, RedirectsAreNotFollowed) {
  TcpServer server([](Peer& peer) {
    if (peer.read_head().find("GET /secret") == 0) ADD_FAILURE() << "followed";
    peer.say(whole("302 Found", "Location: /secret\r\n", ""));
  });
  const auto transport = to(server);
  EXPECT_EQ(send(*transport, get())->status, 302);
}

TEST_F(TransportTest, RetryAfterIsPassedOn) {
  TcpServer server([](Peer& peer) {
    while (!peer.read_head().empty()) peer.say(whole("429 Too Many Requests", "Retry-After: 3\r\n", "busy"));
  });
  const auto transport = to(server);
  const auto reply = send(*transport, get());
  EXPECT_EQ(reply->status, 429);
  EXPECT_EQ(reply->retry_after, 3s);
  EXPECT_EQ(transport->stream(get(), [](std::string_view) { return true; }, 60s, {})->retry_after, 3s);
}

TEST_F(TransportTest, DeadPooledConnectionIsNotNoticed) {
  TcpServer server([](Peer& peer) {
    peer.read_head();
    peer.say(whole("200 OK", "", "{}"));  // and closes, without having said so
  });
  const auto transport = to(server);
  for (int i = 0; i < 3; ++i) {
    const auto reply = send(*transport, get());
    EXPECT_TRUE(reply.ok()) << reply.error().message;
    EXPECT_TRUE(eventually([&] { return server.closed() > i; }));
  }
  EXPECT_EQ(server.connections(), 3);
}

TEST_F(TransportTest, BrokenReplyIsALostConnection) {
  TcpServer server([](Peer& peer) {
    peer.read_head();
    peer.say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
  });
  const auto transport = to(server);
  const auto reply = send(*transport, get());
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().reason, "ConnectionLost");
}

TEST_F(TransportTest, HugeReplyIsCutOff) {
  TcpServer server([](Peer& peer) {
    peer.read_head();
    peer.say(kChunked);
    const std::string megabyte = chunk(std::string(1024 * 1024, 'x'));
    for (int i = 0; i < 66 && !peer.over(); ++i) peer.say(megabyte);
  });
  const auto transport = to(server);
  const auto reply = send(*transport, get());
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().reason, "ReplyTooLarge");
}

TEST_F(TransportTest, RequestHasItsOwnTimeLimit) {
  std::atomic<bool> closed{false};
  TcpServer server([&](Peer& peer) {
    peer.read_head();
    peer.say(kChunked);
    // Never silent for long, so that no idle timer sees it.
    while (!peer.over()) {
      peer.say(chunk("drip"));
      std::this_thread::sleep_for(20ms);
      std::array<char, 1> byte{};
      if (::recv(peer.fd(), byte.data(), 1, MSG_DONTWAIT) == 0) {
        closed = true;
        return;
      }
    }
  });
  const auto transport = to(server);
  Request request = get();
  request.timeout = 200ms;
  const Stopwatch watch;
  const auto reply = send(*transport, request);
  EXPECT_GE(watch.read(), 190ms);
  EXPECT_LT(watch.read(), kAtOnce);
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().reason, "Timeout") << reply.error().message;
  EXPECT_EQ(reply.error().kind, ErrorKind::transient);
  EXPECT_TRUE(eventually([&] { return closed.load(); })) << "half a reply must not stay in the pool";
}

TEST_F(TransportTest, DestructorAnswersWhatIsUnderWay) {
  TcpServer server([](Peer& peer) { peer.silent_until_closed(); });
  auto transport = to(server);
  std::atomic<int> answers{0};
  Request request = get();
  request.timeout = 300s;
  for (int i = 0; i < 3; ++i) {
    transport->send(request, [&](const Result<Response>& reply) {
      EXPECT_FALSE(reply.ok());
      ++answers;
    });
  }
  EXPECT_TRUE(eventually([&] { return server.connections() == 3; }));
  const Stopwatch watch;
  transport.reset();
  EXPECT_EQ(answers, 3);
  EXPECT_LT(watch.read(), kAtOnce);
}

TEST_F(TransportTest, StreamBringsChunksAsTheyComeAndEndsWell) {
  TcpServer server([](Peer& peer) {
    peer.read_head();
    peer.say(kChunked + chunk("one\n"));
    std::this_thread::sleep_for(20ms);
    peer.say(chunk("two\n"));
    peer.say("0\r\n\r\n");
  });
  const auto transport = to(server);
  std::string all;
  const auto reply = transport->stream(get(),
                                       [&](std::string_view text) {
                                         EXPECT_TRUE(transport->on_library_thread());
                                         all += text;
                                         return true;
                                       },
                                       60s, {});
  ASSERT_TRUE(reply.ok()) << reply.error().message;
  EXPECT_EQ(reply->status, 200);
  EXPECT_EQ(all, "one\ntwo\n");
  EXPECT_FALSE(transport->on_library_thread());
}

TEST_F(TransportTest, RefusedStreamComesBackWhole) {
  TcpServer server([](Peer& peer) {
    peer.read_head();
    peer.say(whole("410 Gone", "", R"({"kind":"Status","code":410})"));
  });
  const auto transport = to(server);
  const auto reply = transport->stream(get(),
                                       [](std::string_view) {
                                         ADD_FAILURE() << "a refusal is no stream";
                                         return true;
                                       },
                                       60s, {});
  ASSERT_TRUE(reply.ok()) << reply.error().message;
  EXPECT_EQ(reply->status, 410);
  EXPECT_EQ(reply->body, R"({"kind":"Status","code":410})");
}

TEST_F(TransportTest, CutStreamIsALostConnection) {
  TcpServer server([](Peer& peer) {
    peer.read_head();
    peer.say(kChunked + chunk("one\n") + "ff\r\nhalf");
  });
  const auto transport = to(server);
  const auto reply = transport->stream(get(), [](std::string_view) { return true; }, 60s, {});
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().reason, "ConnectionLost");
}

TEST_F(TransportTest, SilentStreamTimesOut) {
  for (const bool with_head : {true, false}) {
    TcpServer server([&](Peer& peer) {
      peer.read_head();
      if (with_head) peer.say(kChunked + chunk("one\n"));
      peer.silent_until_closed();
    });
    const auto transport = to(server);
    const Stopwatch watch;
    const auto reply = transport->stream(get(), [](std::string_view) { return true; }, 1s, {});
    ASSERT_FALSE(reply.ok());
    EXPECT_EQ(reply.error().reason, with_head ? "Silence" : "Timeout") << reply.error().message;
    EXPECT_GE(watch.read(), 900ms);
    EXPECT_LT(watch.read(), kAtOnce);
  }
}

TEST_F(TransportTest, StopEndsASilentStreamAndItsConnection) {
  for (const bool with_head : {true, false}) {
    std::atomic<bool> closed{false};
    TcpServer server([&](Peer& peer) {
      peer.read_head();
      if (with_head) peer.say(kChunked + chunk("one\n"));
      closed = peer.silent_until_closed();
    });
    const auto transport = to(server);
    std::stop_source stop;
    std::atomic<bool> ended{false};
    std::jthread stopper([&] {
      std::this_thread::sleep_for(100ms);
      stop.request_stop();
    });
    const Stopwatch watch;
    const auto reply = transport->stream(
        get(),
        [&](std::string_view) {
          EXPECT_FALSE(ended);
          return true;
        },
        300s, stop.get_token());
    ended = true;
    EXPECT_LT(watch.read(), kAtOnce);
    ASSERT_FALSE(reply.ok());
    EXPECT_EQ(reply.error().reason, "Stopped");
    EXPECT_TRUE(eventually([&] { return closed.load(); })) << "the connection is not left behind";
  }
}

TEST_F(TransportTest, SinkEndsAStreamThatGoesOn) {
  std::atomic<bool> closed{false};
  TcpServer server([&](Peer& peer) {
    peer.read_head();
    peer.say(kChunked + chunk("one\n"));
    closed = peer.silent_until_closed();
  });
  const auto transport = to(server);
  const Stopwatch watch;
  const auto reply = transport->stream(get(), [](std::string_view) { return false; }, 300s, {});
  EXPECT_LT(watch.read(), kAtOnce);
  ASSERT_TRUE(reply.ok()) << reply.error().message;
  EXPECT_EQ(reply->status, 200);
  EXPECT_TRUE(eventually([&] { return closed.load(); }));
}

TEST_F(TransportTest, EndlessStreamDoesNotPileUp) {
  TcpServer server([](Peer& peer) {
    peer.read_head();
    peer.say(kChunked);
    const std::string text = chunk(std::string(64 * 1024, 'x'));
    for (int i = 0; i < 2000 && !peer.over(); ++i) peer.say(text);
    peer.say("0\r\n\r\n");
  });
  const auto transport = to(server);
  std::size_t bytes = 0;
  const auto reply = transport->stream(get(),
                                       [&](std::string_view text) {
                                         bytes += text.size();
                                         return true;
                                       },
                                       60s, {});
  ASSERT_TRUE(reply.ok()) << reply.error().message;
  EXPECT_EQ(bytes, 2000U * 64 * 1024);
}

}  // namespace
}  // namespace rls::kube::test
