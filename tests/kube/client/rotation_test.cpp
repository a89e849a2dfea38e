// Files that are rotated while the client runs: the CA, the client's certificate. Against a TLS server of the
// test's own; no API server needed.

#include "tests/kube/client/real_server.hpp"
#include "tests/kube/client/tls_server.hpp"

namespace rls::kube::test {
namespace {

class Rotation : public ::testing::Test {
 protected:
  /// `cluster` and `user`: more fields of theirs.
  std::unique_ptr<Transport> to(const std::string& server, const std::string& cluster = {},
                                const std::string& user = {}) {
    static const SystemClock clock;
    const std::string path =
        dir_.file("config",
                  "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"
                  "clusters: [{name: k, cluster: {server: '" +
                      server + "', certificate-authority: ca.pem" + cluster +
                      "}}]\nusers: [{name: u, user: {" + user + "}}]\n");
    auto credentials = Credentials::load({.kubeconfig = path, .context = {}}, real_surroundings(), clock);
    if (!credentials) throw std::runtime_error(credentials.error().message);
    return make_cpprest_transport(std::move(credentials).value()).value();
  }
  std::unique_ptr<Transport> to(const TlsServer& server, const std::string& cluster = {},
                                const std::string& user = {}) {
    return to("https://127.0.0.1:" + std::to_string(server.port()), cluster, user);
  }
  static Result<Response> get(Transport& transport) {
    Request request;
    request.path = "/api";
    return waited<Response>([&](auto done) { transport.send(request, std::move(done)); });
  }

  TempDir dir_;
  TestCa old_ca_{"old"}, new_ca_{"new"};
};

TEST_F(Rotation, TheCaOfTheFileIsTheOneThatCounts) {
  dir_.file("ca.pem", old_ca_.pem());
  TlsServer server(old_ca_.issue("server", "IP:127.0.0.1"), [](const Heard&) {
    return "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}";
  });
  const auto transport = to(server);
  ASSERT_EQ(get(*transport).value().status, 200);

  server.use(new_ca_.issue("server", "IP:127.0.0.1"));
  const auto refused = get(*transport);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().reason, "CertificateNotTrusted") << refused.error().message;

  dir_.file("ca.pem", old_ca_.pem() + new_ca_.pem());
  EXPECT_EQ(get(*transport).value().status, 200) << "both, as while a rotation goes on";
  dir_.file("ca.pem", old_ca_.pem());
  EXPECT_FALSE(get(*transport).ok()) << "the CA is taken away again";
  dir_.file("ca.pem", new_ca_.pem());
  const auto stream = transport->stream({}, [](std::string_view) { return true; }, 60s, {});
  EXPECT_TRUE(stream.ok()) << stream.error().message;
}

TEST_F(Rotation, ARefusedClientCertificateIsReadAgainOnANewConnection) {
  dir_.file("ca.pem", old_ca_.pem());
  const auto show = [this](const std::string& name) {
    const Pair pair = old_ca_.issue(name);
    dir_.file("me.pem", pair.certificate);
    dir_.file("me.key", pair.key);
  };
  show("expired");
  TlsServer server(old_ca_.issue("server", "IP:127.0.0.1"), [](const Heard& heard) {
    return heard.client_certificate == "renewed" ? http_reply("200 OK", heard.client_certificate)
                                                 : http_reply("401 Unauthorized", heard.client_certificate);
  });
  const auto transport = to(server, "", "client-certificate: me.pem, client-key: me.key");
  const auto first = get(*transport);
  ASSERT_TRUE(first.ok()) << first.error().message;
  EXPECT_EQ(first->status, 401);
  EXPECT_EQ(first->body, "expired");

  show("renewed");
  const auto second = get(*transport);
  ASSERT_TRUE(second.ok()) << second.error().message;
  EXPECT_EQ(second->body, "renewed") << "the kept connection still shows the old one, so it is not used";
  EXPECT_EQ(server.connections(), 2);
  EXPECT_EQ(get(*transport).value().body, "renewed");
  EXPECT_EQ(server.connections(), 2) << "and a good one is kept";
}

TEST_F(Rotation, AKeyThatDoesNotBelongIsSaid) {
  dir_.file("ca.pem", old_ca_.pem());
  dir_.file("me.pem", old_ca_.issue("me").certificate);
  dir_.file("me.key", old_ca_.issue("other").key);
  TlsServer server(old_ca_.issue("server", "IP:127.0.0.1"),
                   [](const Heard&) { return http_reply("200 OK", "{}"); });
  const auto transport = to(server, "", "client-certificate: me.pem, client-key: me.key");
  const auto half_way = get(*transport);  // the certificate is there already, the key not yet
  ASSERT_FALSE(half_way.ok());
  EXPECT_EQ(half_way.error().reason, "InvalidTlsMaterial") << half_way.error().message;
}

TEST_F(Rotation, TlsServerNameIsSaidAndChecked) {
  dir_.file("ca.pem", old_ca_.pem());
  TlsServer server(old_ca_.issue("server", "DNS:api.internal"),
                   [](const Heard& heard) { return http_reply("200 OK", heard.server_name); });
  const auto right = get(*to(server, ", tls-server-name: api.internal"));
  ASSERT_TRUE(right.ok()) << right.error().message;
  EXPECT_EQ(right->body, "api.internal");
  for (const char* wrong : {"", ", tls-server-name: other.internal", ", tls-server-name: 127.0.0.1"}) {
    const auto refused = get(*to(server, wrong));
    ASSERT_FALSE(refused.ok()) << wrong;
    EXPECT_EQ(refused.error().reason, "CertificateNotTrusted") << refused.error().message;
  }
  dir_.file("ca.pem", new_ca_.pem());
  EXPECT_EQ(get(*to(server, ", tls-server-name: api.internal")).error().reason, "CertificateNotTrusted")
      << "the right name does not make up for another CA";
}

}  // namespace
}  // namespace rls::kube::test
