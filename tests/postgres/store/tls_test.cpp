// The server's certificate is verified, by a CA that stands in the Secret itself: against a genuine server
// with TLS.
#include <gmock/gmock.h>

#include "controller/postgres/memory_file.hpp"
#include "tests/postgres/store/fixture.hpp"
#include "tests/support/process.hpp"
#include "tests/support/server_tls.hpp"

namespace rls::postgres {
namespace {

using rls::test::required_environment;
using rls::test::ServerTls;
using rls::test::TestCa;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kNames = "IP:127.0.0.1,DNS:localhost";

class Tls : public StoreTest {
 protected:
  /// Opens with a Secret of that CA; the error, without a reason where it went well.
  Error open_with(const std::string& parameters, const std::optional<std::string>& trusted) {
    auto settings = parse_connection_settings(operator_uri() + parameters, trusted);
    if (!settings) return settings.error();
    store = make_adopted_database(std::move(*settings), "public", {}, seam);
    const auto facts = store->open(claimant);
    return facts ? Error{} : facts.error();
  }
  std::string encrypted() {
    return value(
        "SELECT bool_and(s.ssl) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE "
        "a.usename = 'rls_operator_role' AND a.datname = current_database()");
  }

  TestCa ca{"the CA"}, other{"another CA"};
  ServerTls tls{required_environment("DATABASE_URL"), ca.issue("db", kNames)};
};

TEST_F(Tls, CaInTheSecretVerifiesTheServer) {
  for (const char* parameters : {"", "?sslmode=verify-full", "?sslmode=verify-ca", "?sslmode=require"}) {
    const Error error = open_with(parameters, ca.pem());
    EXPECT_EQ(error.reason, "") << parameters << ": " << error.message;
    EXPECT_EQ(encrypted(), "t") << parameters;
  }
}

TEST_F(Tls, OfSeveralHostsTheLastOnesRefusalIsSaid) {
  std::string uri = operator_uri();
  uri.insert(uri.find('@') + 1, "127.0.0.1:1,");
  auto settings = parse_connection_settings(uri, other.pem());
  ASSERT_TRUE(settings.ok()) << settings.error().message;
  const auto facts = make_adopted_database(std::move(*settings), "public", {}, seam)->open(claimant);
  ASSERT_FALSE(facts.ok());
  EXPECT_EQ(facts.error().reason, "TlsFailed") << facts.error().message;
}

TEST_F(Tls, OneOfSeveralCasWillDo) {
  EXPECT_EQ(open_with("?sslmode=verify-full", other.pem() + ca.pem()).reason, "");
}

TEST_F(Tls, WrongCaIsRefusedWithTheRemedy) {
  for (const char* parameters : {"", "?sslmode=verify-full", "?sslmode=verify-ca", "?sslmode=require"}) {
    const Error error = open_with(parameters, other.pem());
    EXPECT_EQ(error.reason, "TlsFailed") << parameters;
    EXPECT_EQ(error.kind, ErrorKind::transient) << "it is tried again: the server's may be the wrong one";
    EXPECT_THAT(error.message, AllOf(HasSubstr("certificate verify failed"), HasSubstr("ca.crt")));
  }
}

TEST_F(Tls, AnotherHostsCertificateIsRefusedByVerifyFullAlone) {
  tls.use(ca.issue("db", "DNS:db.example"));
  for (const char* parameters : {"", "?sslmode=verify-full"}) {
    const Error error = open_with(parameters, ca.pem());
    EXPECT_EQ(error.reason, "TlsFailed");
    EXPECT_THAT(error.message, AllOf(HasSubstr("does not match host name \"127.0.0.1\""),
                                     HasSubstr("connect by a name that stands in the server's certificate")));
  }
  EXPECT_EQ(open_with("?sslmode=verify-ca", ca.pem()).reason, "");
}

TEST_F(Tls, ServerWithoutTlsIsRefusedWhereItIsAskedFor) {
  tls.turn_off();
  for (const char* parameters : {"?sslmode=require", "?sslmode=verify-ca", "?sslmode=verify-full", ""}) {
    const Error error = open_with(parameters, ca.pem());
    EXPECT_EQ(error.reason, "TlsFailed") << parameters;
    EXPECT_THAT(error.message,
                AllOf(HasSubstr("does not support SSL"), HasSubstr("turn TLS on at the server")));
  }
  EXPECT_EQ(open_with("?sslmode=require", std::nullopt).reason, "TlsFailed");
  EXPECT_EQ(open_with("", std::nullopt).reason, "");
}

TEST_F(Tls, ServerThatTakesAnotherCertificateNeedsItsCa) {
  ASSERT_EQ(open_with("", ca.pem()).reason, "");
  tls.use(other.issue("db", kNames));
  EXPECT_EQ(open_with("", ca.pem()).reason, "TlsFailed");
  EXPECT_EQ(open_with("", other.pem()).reason, "");
}

TEST_F(Tls, DamagedCaIsSaidAndTheServerIsNotBelieved) {
  std::string damaged = ca.pem();
  damaged.replace(damaged.find('\n') + 1, 8, "????????");
  const Error error = open_with("", damaged);
  EXPECT_EQ(error.reason, "TlsFailed");
  EXPECT_THAT(error.message, AllOf(HasSubstr("key ca.crt"), Not(HasSubstr("/proc"))));
}

TEST_F(Tls, CaByFileWorksAsBefore) {
  const MemoryFile right(ca.pem()), wrong(other.pem());
  EXPECT_EQ(open_with("?sslmode=verify-full&sslrootcert=" + right.path(), std::nullopt).reason, "");
  EXPECT_EQ(open_with("?sslmode=verify-full&sslrootcert=" + wrong.path(), std::nullopt).reason, "TlsFailed");
}

}  // namespace
}  // namespace rls::postgres
