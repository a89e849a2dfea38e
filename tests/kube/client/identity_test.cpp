// Who we are and whom we trust, against a real API server.

#include "tests/kube/client/real_server.hpp"
#include "tests/kube/client/tls_server.hpp"

namespace rls::kube::test {
namespace {

class Identity : public RealServer {
 protected:
  /// A service account with a token, as a Pod would find them.
  Surroundings pod(const std::string& account) {
    apply("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: " + account + ", namespace: " + ns_ +
          "}\n");
    dir_.file("token", kubectl("create token " + account + " -n " + ns_));
    dir_.file("ca.crt", run("printf %s '" + ca_data() + "' | base64 -d"));
    dir_.file("namespace", ns_);
    const std::string address = server().substr(server().find("://") + 3);
    Surroundings made;
    made.service_account_dir = dir_.path();
    made.environment = [address](const std::string& variable) -> std::optional<std::string> {
      if (variable == "KUBERNETES_SERVICE_HOST") return address.substr(0, address.find(':'));
      if (variable == "KUBERNETES_SERVICE_PORT") return address.substr(address.find(':') + 1);
      return std::nullopt;
    };
    return made;
  }
  std::unique_ptr<Client> client_in(const Surroundings& surroundings) {
    static const SystemClock clock;
    auto credentials = Credentials::load({}, surroundings, clock).value();
    return std::make_unique<ApiClient>(make_cpprest_transport(std::move(credentials)).value(), seam_,
                                       real_tuning());
  }
};

TEST_F(Identity, WrongTokenIsUnauthorized) {
  const auto it = client(kubeconfig(server(), ca_data(), "not-the-token"));
  const auto got = it->get(config_maps(), {ns_, "any"});
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().reason, "Unauthorized");
  EXPECT_EQ(got.error().kind, ErrorKind::transient);
  EXPECT_EQ(got.error().message.find("not-the-token"), std::string::npos);
}

TEST_F(Identity, RightTokenIsWelcome) {
  make_config_map("mine", "x");
  const std::string token = config(".users[0].user.token");
  if (token.empty()) GTEST_FAIL() << "the admin's kubeconfig is expected to have a token";
  const auto it = client(kubeconfig(server(), ca_data(), token));
  EXPECT_TRUE(it->get(config_maps(), {ns_, "mine"}).ok());
}

TEST_F(Identity, ForeignCaIsRefusedAndSaidSo) {
  const std::string ca = run("printf %s '" + TestCa("nobody").pem() + "' | base64 -w0");
  const auto it = client(kubeconfig(server(), ca, "token"));
  const auto got = it->get(config_maps(), {ns_, "any"});
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().reason, "CertificateNotTrusted") << got.error().message;
  EXPECT_EQ(got.error().kind, ErrorKind::transient);
  EXPECT_NE(got.error().message.find("not trusted"), std::string::npos) << got.error().message;
}

TEST_F(Identity, OtherNameIsRefused) {
  const std::string address = server();
  const TcpServer elsewhere(forward_to(std::stoi(address.substr(address.rfind(':') + 1))), "127.0.0.2");
  const auto it =
      client(kubeconfig("https://127.0.0.2:" + std::to_string(elsewhere.port()), ca_data(), "token"));
  const auto got = it->get(config_maps(), {ns_, "any"});
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().reason, "CertificateNotTrusted") << got.error().message;
  EXPECT_NE(got.error().message.find("IP address mismatch"), std::string::npos) << got.error().message;
}

TEST_F(Identity, NobodyThereIsALostConnection) {
  const auto it = client(kubeconfig("https://127.0.0.1:1", ca_data(), "token"));
  const auto got = it->get(config_maps(), {ns_, "any"});
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().reason, "ConnectionLost") << got.error().message;
}

TEST_F(Identity, PodIsRefusedUntilItHasTheRole) {
  make_config_map("mine", "x");
  const auto it = client_in(pod("operator"));
  const auto refused = it->get(config_maps(), {ns_, "mine"});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().reason, "Forbidden");
  EXPECT_EQ(refused.error().kind, ErrorKind::terminal);
  EXPECT_NE(refused.error().message.find(R"({apiGroups: [""], resources: ["configmaps"], verbs: ["get"]})"),
            std::string::npos)
      << refused.error().message;

  RememberingSink sink;
  Watching watching(*it, config_maps(), sink);
  std::this_thread::sleep_for(300ms);
  EXPECT_EQ(sink.relists(), 0);
  kubectl("create role reader --verb=get,list,watch --resource=configmaps -n " + ns_);
  kubectl("create rolebinding reader --role=reader --serviceaccount=" + ns_ + ":operator -n " + ns_);
  EXPECT_TRUE(sink.relists_reach(1)) << "the role was given, the list goes through";
  EXPECT_TRUE(it->get(config_maps(), {ns_, "mine"}).ok());
  watching.stop();
}

TEST_F(Identity, RotatedTokenIsReadAfterARefusal) {
  make_config_map("mine", "x");
  const Surroundings surroundings = pod("operator");
  kubectl("create role reader --verb=get --resource=configmaps -n " + ns_);
  kubectl("create rolebinding reader --role=reader --serviceaccount=" + ns_ + ":operator -n " + ns_);
  const std::string good = kubectl("create token operator -n " + ns_);
  ASSERT_TRUE(eventually([&] {
    return kubectl("auth can-i get configmaps -n " + ns_ + " --as=system:serviceaccount:" + ns_ +
                   ":operator || true") == "yes\n";
  })) << "a role acts after a moment";
  dir_.file("token", "expired-token");
  const auto it = client_in(surroundings);
  EXPECT_EQ(it->get(config_maps(), {ns_, "mine"}).error().reason, "Unauthorized");
  dir_.file("token", good);
  const auto got = it->get(config_maps(), {ns_, "mine"});
  EXPECT_TRUE(got.ok()) << got.error().message;
}

}  // namespace
}  // namespace rls::kube::test
