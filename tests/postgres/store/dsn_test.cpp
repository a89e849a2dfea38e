#include "controller/postgres/dsn.hpp"

#include <gmock/gmock.h>

#include <algorithm>

#include "controller/base/log.hpp"

namespace rls::postgres {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string parameter(const ConnectionSettings& settings, std::string_view keyword) {
  std::string found;  // the last one counts, as for libpq
  for (const auto& [key, value] : settings.parameters) {
    if (key == keyword) found = value;
  }
  return found;
}

TEST(Secret, R_D3_UriAndKeywordsWithTrailingNewline) {
  for (const char* text :
       {"postgresql://op:pw%2Fx1@db.example:6432/main?sslmode=require\n",
        "host=db.example port=6432 dbname=main user=op password='pw/x1' sslmode=require\r\n"}) {
    const auto settings = parse_connection_settings(text);
    ASSERT_TRUE(settings.ok()) << settings.error().message;
    EXPECT_EQ(parameter(*settings, "password"), "pw/x1");
    EXPECT_EQ(parameter(*settings, "sslmode"), "require");
    EXPECT_EQ(settings.value().where, "main on db.example:6432");
    EXPECT_EQ(log::redacted("it was pw/x1"), "it was «redacted»");
  }
}

TEST(Secret, OursAreUsedWhateverItSays) {
  const auto settings = parse_connection_settings(
      "postgresql://op:secret@h/"
      "d?application_name=other&connect_timeout=9&client_encoding=LATIN1&keepalives=0");
  ASSERT_TRUE(settings.ok()) << settings.error().message;
  EXPECT_EQ(parameter(*settings, "application_name"), "rls-operator");
  EXPECT_EQ(parameter(*settings, "client_encoding"), "UTF8");
  EXPECT_EQ(parameter(*settings, "keepalives"), "1");
  EXPECT_EQ(settings.value().connect_timeout, std::chrono::seconds(9));
  EXPECT_EQ(parse_connection_settings("postgresql://op:secret@h/d").value().connect_timeout,
            std::chrono::seconds(5));
  EXPECT_EQ(parse_connection_settings("postgresql://op:secret@h/d?connect_timeout=0").value().connect_timeout,
            std::chrono::seconds(1));
}

TEST(Secret, SeveralHostsMeanThePrimary) {
  const auto settings = parse_connection_settings("postgresql://op:secret@a:1,b:2/d");
  ASSERT_TRUE(settings.ok()) << settings.error().message;
  EXPECT_EQ(parameter(*settings, "target_session_attrs"), "primary");
}

TEST(Secret, EachOfSeveralHostsIsTriedByItself) {
  const auto of = [](const ConnectionParameters& parameters) {
    std::string all;
    for (const auto& [keyword, value] : parameters) all += keyword + "=" + value + " ";
    return all;
  };
  const auto listed = each_host({{"host", "a,b,"}, {"port", "1,2,"}, {"user", "x,y"}});
  ASSERT_EQ(listed.size(), 3U);
  EXPECT_EQ(of(listed[0]), "host=a port=1 user=x,y ");
  EXPECT_EQ(of(listed[1]), "host=b port=2 user=x,y ");
  EXPECT_EQ(of(listed[2]), "host= port= user=x,y ");
  const auto one_port = each_host({{"hostaddr", "::1,::2"}, {"port", "5433"}});
  ASSERT_EQ(one_port.size(), 2U);
  EXPECT_EQ(of(one_port[1]), "hostaddr=::2 port=5433 ");
  EXPECT_EQ(each_host({{"host", "a"}}).size(), 1U);
  const auto unfit = each_host({{"host", "a,b,c"}, {"port", "1,2"}});
  ASSERT_EQ(unfit.size(), 1U) << "libpq says what is wrong";
  EXPECT_EQ(of(unfit[0]), "host=a,b,c port=1,2 ");
}

TEST(Secret, SmuggledParametersAreNamedAndRefused) {
  for (const char* keyword :
       {"options", "service", "passfile", "sslkey", "sslcert", "sslpassword", "replication", "krbsrvname",
        "gssencmode", "requirepeer", "load_balance_hosts"}) {
    const auto settings =
        parse_connection_settings("postgresql://op:c4n4ry@h/d?" + std::string(keyword) + "=c4n4ry-value");
    ASSERT_FALSE(settings.ok()) << keyword;
    EXPECT_EQ(settings.error().kind, ErrorKind::terminal);
    EXPECT_EQ(settings.error().reason, "InvalidConnectionString");
    // What this libpq does not know is not named: it could be a piece of a password.
    if (std::string_view(keyword) != "load_balance_hosts") {
      EXPECT_THAT(settings.error().message, HasSubstr(keyword));
    }
    EXPECT_THAT(settings.error().message, Not(HasSubstr("c4n4ry")));
  }
}

TEST(Secret, WhatIsWrongIsSaidWithoutTheValue) {
  const std::string nul = std::string("postgresql://op:c4n4ry@h/d") + '\0' + "x";
  const std::pair<std::string, const char*> cases[] = {
      {"", "empty"},
      {"\n", "empty"},
      {"c4n4ry", "cannot be read"},
      {"postgresql://op:c4n4ry@h:port/d", "port"},
      {"host=h dbname=d user=op password=c4n4ry port=c4n4ry", "port"},
      {"postgresql://:c4n4ry@h/d", "no user"},
      {"postgresql://op:c4n4ry@h/", "no database"},
      {"postgresql://op:c4n4ry@/d", "no host"},
      {"postgresql://op:c4n4ry@h/d?sslmode=c4n4ry", "sslmode"},
      {"postgresql://op:c4n4ry@h/d?target_session_attrs=c4n4ry", "target_session_attrs"},
      {"postgresql://op:c4n4ry@h/d?connect_timeout=c4n4ry", "connect_timeout"},
      {"host=h user=op password=c4n4ry dbname='host=evil options=c4n4ry'", "dbname"},
      {"host=h user=op dbname=d password=c4n4ry extra words=c4n4ry", "cannot be read"},
      {nul, "NUL"},
      {"postgresql://op:c4n4ry\xff@h/d", "UTF-8"},
      {"postgresql://op:" + std::string(20000, 'x') + "@h/d", "16 KiB"},
  };
  for (const auto& [text, said] : cases) {
    const auto settings = parse_connection_settings(text);
    ASSERT_FALSE(settings.ok()) << text;
    EXPECT_THAT(settings.error().message, HasSubstr(said));
    EXPECT_THAT(settings.error().message, Not(HasSubstr("c4n4ry")));
    EXPECT_EQ(settings.error().kind, ErrorKind::terminal);
  }
}

constexpr const char* kCa = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";

TEST(Secret, WithACaTheServerIsVerifiedInFull) {
  const auto settings = parse_connection_settings("postgresql://op:secret@h/d", kCa);
  ASSERT_TRUE(settings.ok()) << settings.error().message;
  EXPECT_EQ(parameter(*settings, "sslmode"), "verify-full");
  EXPECT_EQ(settings.value().ca, kCa);
  for (const char* mode : {"require", "verify-ca", "verify-full"}) {
    const auto asked =
        parse_connection_settings("postgresql://op:secret@h/d?sslmode=" + std::string(mode), kCa);
    ASSERT_TRUE(asked.ok()) << asked.error().message;
    EXPECT_EQ(parameter(*asked, "sslmode"), mode);
  }
}

TEST(Secret, ACaThatWouldNotBeUsedIsRefused) {
  for (const char* mode : {"disable", "allow", "prefer"}) {
    const auto settings =
        parse_connection_settings("postgresql://op:secret@h/d?sslmode=" + std::string(mode), kCa);
    ASSERT_FALSE(settings.ok()) << mode;
    EXPECT_THAT(settings.error().message, HasSubstr("ca.crt"));
  }
  const auto two = parse_connection_settings("postgresql://op:secret@h/d?sslrootcert=/etc/ca.crt", kCa);
  ASSERT_FALSE(two.ok());
  EXPECT_THAT(two.error().message, HasSubstr("leave one out"));
  for (const char* none : {"", "\n", "c4n4ry"}) {
    const auto settings = parse_connection_settings("postgresql://op:secret@h/d", none);
    ASSERT_FALSE(settings.ok()) << none;
    EXPECT_EQ(settings.error().reason, "InvalidConnectionString");
    EXPECT_THAT(settings.error().message, AllOf(HasSubstr("PEM"), Not(HasSubstr("c4n4ry"))));
  }
}

TEST(Secret, WhoAsksToVerifyIsToldWhereTheCaBelongs) {
  for (const char* mode : {"verify-ca", "verify-full"}) {
    const std::string uri = "postgresql://op:secret@h/d?sslmode=" + std::string(mode);
    const auto settings = parse_connection_settings(uri);
    ASSERT_FALSE(settings.ok()) << "libpq would look into a home directory";
    EXPECT_EQ(settings.error().reason, "InvalidConnectionString");
    EXPECT_THAT(settings.error().message, AllOf(HasSubstr(mode), HasSubstr("key ca.crt"), HasSubstr("PEM")));
    EXPECT_FALSE(parse_connection_settings(uri + "&sslrootcert=").ok());
    EXPECT_TRUE(parse_connection_settings(uri + "&sslrootcert=/etc/ssl/certs/ca-certificates.crt").ok());
  }
}

TEST(Secret, WholeValueIsASecret) {
  (void)parse_connection_settings("postgresql://op:wholevalue1@h/d\n");
  EXPECT_EQ(log::redacted("x postgresql://op:wholevalue1@h/d y"), "x «redacted» y");
}

}  // namespace
}  // namespace rls::postgres
