// The Secret's connection string. Wherever the word PASSWORD stands, a secret is put that must not come out
// again.

#include "controller/postgres/dsn.hpp"

#include <algorithm>
#include <array>

#include "tests/fuzz/fuzz.hpp"

namespace {

constexpr std::string_view kWord = "PASSWORD";
constexpr std::string_view kSecret = "q7Zx-w0-q7Zx";

/// Those that may be read from a Secret, and those that are ours; libpq knows more, some of which name files
/// or programs. sslrootcert and sslcrl name files of what is public.
constexpr std::array<std::string_view, 22> kAllowed = {"host",
                                                       "hostaddr",
                                                       "port",
                                                       "dbname",
                                                       "user",
                                                       "password",
                                                       "sslmode",
                                                       "sslrootcert",
                                                       "sslcrl",
                                                       "sslsni",
                                                       "ssl_min_protocol_version",
                                                       "channel_binding",
                                                       "target_session_attrs",
                                                       "application_name",
                                                       "client_encoding",
                                                       "keepalives",
                                                       "keepalives_idle",
                                                       "keepalives_interval",
                                                       "keepalives_count",
                                                       "tcp_user_timeout",
                                                       "gssencmode",
                                                       "passfile"};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using rls::fuzz::require;
  std::string text(rls::fuzz::text_of(data, size));
  for (std::size_t at = 0; (at = text.find(kWord, at)) != std::string::npos; at += kSecret.size()) {
    text.replace(at, kWord.size(), kSecret);
  }
  const auto settings = rls::postgres::parse_connection_settings(text);
  if (!settings.ok()) {
    require(settings.error().reason == "InvalidConnectionString", "the reason names the Secret");
    require(settings.error().message.find(kSecret) == std::string::npos, "no value is echoed");
    return 0;
  }
  bool host = false, user = false;
  std::string dbname;
  for (const auto& [keyword, value] : settings->parameters) {
    require(std::find(kAllowed.begin(), kAllowed.end(), keyword) != kAllowed.end(),
            "a parameter is on the list");
    require(value.find('\0') == std::string::npos, "libpq sees what we see");
    if (keyword == "passfile") require(value == "/dev/null", "no file of passwords is read");
    if (keyword == "gssencmode") require(value == "disable", "no ticket is looked for");
    if (keyword == "dbname") dbname = value;
    host = host || keyword == "host" || keyword == "hostaddr";
    user = user || (keyword == "user" && !value.empty());
  }
  require(host && user && !dbname.empty(), "it is said whereto and as whom");
  require(dbname.find('=') == std::string::npos && !dbname.starts_with("postgres://") &&
              !dbname.starts_with("postgresql://"),
          "dbname is no connection string of its own");
  require(settings->connect_timeout.count() >= 1 && settings->connect_timeout.count() <= 30,
          "waiting has bounds");
  return 0;
}
