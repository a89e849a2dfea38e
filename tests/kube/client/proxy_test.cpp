// Through a proxy to the real API server. The proxy is the test's own, on the loopback.

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

#include <future>

#include "tests/kube/client/real_server.hpp"
#include "tests/kube/client/tcp_server.hpp"

namespace rls::kube::test {
namespace {

/// Takes CONNECT, whatever the name, and leads to the API server. Remembers what was asked.
class ConnectProxy {
 public:
  explicit ConnectProxy(int to, std::string demanded = {})
      : demanded_(std::move(demanded)), tcp_([this, forward = forward_to(to)](Peer& peer) {
          const std::string head = peer.read_head();
          {
            const std::lock_guard lock(mutex_);
            asked_.push_back(head);
          }
          if (!demanded_.empty() && head.find(demanded_) == std::string::npos) {
            return peer.say("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
          }
          peer.say("HTTP/1.1 200 Connection established\r\n\r\n");
          forward(peer);
        }) {}
  int port() const { return tcp_.port(); }
  std::vector<std::string> asked() const {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  const std::string demanded_;
  mutable std::mutex mutex_;
  std::vector<std::string> asked_;  // guarded by mutex_
  TcpServer tcp_;
};

/// cpprestsdk loses 32 bytes, the size of a string, for each tunnel to a proxy with a password (measured).
/// What its thread loses is not counted meanwhile.
class LibraryMayLeak {
 public:
  explicit LibraryMayLeak(Transport& transport) : transport_(transport) { set(true); }
  ~LibraryMayLeak() { set(false); }
  LibraryMayLeak(const LibraryMayLeak&) = delete;
  LibraryMayLeak& operator=(const LibraryMayLeak&) = delete;

 private:
  void set([[maybe_unused]] bool may) {
    std::promise<void> done;
    transport_.post([&] {
#if defined(__SANITIZE_ADDRESS__)
      may ? __lsan_disable() : __lsan_enable();
#endif
      done.set_value();
    });
    done.get_future().wait();
  }
  Transport& transport_;
};

class ThroughProxy : public RealServer {
 protected:
  static int server_port() { return std::stoi(server().substr(server().rfind(':') + 1)); }
  /// `cluster`: more fields of it.
  std::unique_ptr<Client> client_of(const std::string& address, const std::string& cluster,
                                    std::map<std::string, std::string> variables = {}) {
    static const SystemClock clock;
    Surroundings surroundings;
    surroundings.environment = [variables](const std::string& name) -> std::optional<std::string> {
      const auto found = variables.find(name);
      return found == variables.end() ? std::nullopt : std::optional(found->second);
    };
    const std::string path =
        dir_.file("kubeconfig",
                  "current-context: it\ncontexts: [{name: it, context: {cluster: it, user: me}}]\n"
                  "clusters: [{name: it, cluster: {server: '" +
                      address + "', certificate-authority-data: " + ca_data() + cluster +
                      "}}]\nusers: [{name: me, user: {token: " + config(".users[0].user.token") + "}}]\n");
    auto credentials = Credentials::load({.kubeconfig = path, .context = {}}, surroundings, clock);
    if (!credentials) throw std::runtime_error(credentials.error().message);
    auto transport = make_cpprest_transport(std::move(*credentials)).value();
    transport_ = transport.get();
    return std::make_unique<ApiClient>(std::move(transport), seam_, real_tuning());
  }

  Transport* transport_ = nullptr;  ///< of the last client
};

TEST_F(ThroughProxy, RequestsAndWatchesGoThroughTheKubeconfigsProxy) {
  make_config_map("mine", "x");
  const ConnectProxy proxy(server_port());
  const auto it = client_of(server(), ", proxy-url: 'http://127.0.0.1:" + std::to_string(proxy.port()) + "'");
  for (int i = 0; i < 2; ++i) {
    const auto got = it->get(config_maps(), {ns_, "mine"});
    ASSERT_TRUE(got.ok()) << got.error().message;
  }
  EXPECT_EQ(proxy.asked().size(), 1U) << "the tunnel is kept";
  RememberingSink sink;
  Watching watching(*it, config_maps(), sink);
  EXPECT_TRUE(sink.relists_reach(1));
  make_config_map("other", "x");
  EXPECT_TRUE(sink.comes_to([](const auto& objects) { return objects.contains("other"); }));
  watching.stop();
  ASSERT_GE(proxy.asked().size(), 2U);
  for (const std::string& head : proxy.asked()) {
    EXPECT_EQ(head.find("CONNECT 127.0.0.1:" + std::to_string(server_port()) + " HTTP/1.1\r\n"), 0U) << head;
    EXPECT_EQ(head.find("Bearer"), std::string::npos) << "the token is for the server alone";
  }
}

TEST_F(ThroughProxy, EnvironmentsProxyIsAskedForANameThatItAloneKnows) {
  make_config_map("mine", "x");
  const ConnectProxy proxy(server_port());
  const std::string url = "http://127.0.0.1:" + std::to_string(proxy.port());
  const std::string name = ", tls-server-name: kubernetes";
  const auto it = client_of("https://api.rls-operator.invalid:6443", name, {{"HTTPS_PROXY", url}});
  const auto got = it->get(config_maps(), {ns_, "mine"});
  ASSERT_TRUE(got.ok()) << got.error().message;
  EXPECT_EQ(proxy.asked().at(0).find("CONNECT api.rls-operator.invalid:6443 "), 0U);

  const auto direct = client_of(server(), "", {{"HTTPS_PROXY", "http://127.0.0.1:1"}});
  EXPECT_TRUE(direct->get(config_maps(), {ns_, "mine"}).ok()) << "this machine is reached directly";
}

TEST_F(ThroughProxy, CredentialsAreForTheProxy) {
  make_config_map("mine", "x");
  const ConnectProxy proxy(server_port(), "Proxy-Authorization: Basic bWU6cHJveHktcGFzcw==\r\n");
  const std::string at = "127.0.0.1:" + std::to_string(proxy.port());
  const auto it = client_of(server(), ", proxy-url: 'http://me:proxy-pass@" + at + "'");
  const auto got = [&] {
    const LibraryMayLeak known(*transport_);
    return it->get(config_maps(), {ns_, "mine"});
  }();
  EXPECT_TRUE(got.ok()) << got.error().message;

  const auto without = client_of(server(), ", proxy-url: 'http://" + at + "'");
  const auto refused = without->get(config_maps(), {ns_, "mine"});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().reason, "ConnectionLost");
  EXPECT_NE(refused.error().message.find("through the proxy http://" + at), std::string::npos)
      << refused.error().message;
  EXPECT_NE(refused.error().message.find("407"), std::string::npos) << refused.error().message;
}

TEST_F(ThroughProxy, NobodyThereIsSaidWithTheProxysName) {
  const auto it = client_of(server(), ", proxy-url: 'http://127.0.0.1:1'");
  const auto got = it->get(config_maps(), {ns_, "mine"});
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().reason, "ConnectionLost");
  EXPECT_NE(got.error().message.find("through the proxy http://127.0.0.1:1"), std::string::npos)
      << got.error().message;
}

}  // namespace
}  // namespace rls::kube::test
