#include "controller/postgres/dsn.hpp"

#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <memory>

#include "controller/base/log.hpp"
#include "controller/base/text.hpp"

namespace rls::postgres {
namespace {

constexpr std::size_t kLongest = 16 * 1024;

/// Taken from the Secret. sslrootcert names a file, but only of certificates that are public.
constexpr std::array<std::string_view, 13> kTaken = {"host",
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
                                                     "target_session_attrs"};
/// Read, but ours is used instead (connect_timeout: within bounds).
constexpr std::array<std::string_view, 8> kOverridden = {
    "application_name", "fallback_application_name", "connect_timeout",     "client_encoding",
    "keepalives",       "keepalives_idle",           "keepalives_interval", "keepalives_count"};

constexpr std::array<std::string_view, 6> kSslModes = {"disable", "allow",     "prefer",
                                                       "require", "verify-ca", "verify-full"};
constexpr std::array<std::string_view, 6> kTargets = {"any",     "read-write", "read-only",
                                                      "primary", "standby",    "prefer-standby"};

Error refused(std::string message) {
  return terminal("InvalidConnectionString", "the Secret's connection string " + std::move(message));
}

template <std::size_t N>
bool contains(const std::array<std::string_view, N>& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

/// The parameters that stand in the text itself; defaults and the environment play no part.
Result<std::map<std::string, std::string>> parse(const std::string& text) {
  char* message = nullptr;  // quotes pieces of the text, passwords included: dropped unread
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
      PQconninfoParse(text.c_str(), &message), &PQconninfoFree);
  PQfreemem(message);
  if (!options) {
    return refused(
        "cannot be read; expected postgresql://user:password@host:5432/database or "
        "\"host=… port=… dbname=… user=… password=…\" with parameters that libpq knows");
  }
  std::map<std::string, std::string> found;
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val != nullptr) found.emplace(option->keyword, option->val);
  }
  return found;
}

Result<std::chrono::seconds> connect_timeout(const std::map<std::string, std::string>& given) {
  const auto it = given.find("connect_timeout");
  if (it == given.end() || it->second.empty()) return std::chrono::seconds{5};
  int seconds = 0;
  const char* end = it->second.data() + it->second.size();
  const auto [stop, error] = std::from_chars(it->second.data(), end, seconds);
  if (error != std::errc{} || stop != end)
    return refused("has a connect_timeout that is no whole number of seconds");
  return std::chrono::seconds{std::clamp(seconds, 1, 30)};
}

Result<void> check_values(const std::map<std::string, std::string>& given) {
  const auto value = [&](const char* keyword) {
    const auto it = given.find(keyword);
    return it == given.end() ? std::string{} : it->second;
  };
  if (value("user").empty()) return refused("names no user");
  if (value("dbname").empty()) return refused("names no database (dbname)");
  if (value("host").empty() && value("hostaddr").empty()) return refused("names no host");
  const std::string port = value("port");
  if (port.find_first_not_of("0123456789,") != std::string::npos)
    return refused("has a port that is no number");
  // libpq would take a dbname with such a start for a connection string of its own, with parameters
  // unchecked.
  const std::string dbname = value("dbname");
  if (dbname.find('=') != std::string::npos || dbname.starts_with("postgres://") ||
      dbname.starts_with("postgresql://")) {
    return refused("has a dbname that is itself a connection string");
  }
  if (!value("sslmode").empty() && !contains(kSslModes, value("sslmode"))) {
    return refused(
        "has an unknown sslmode; known are disable, allow, prefer, require, verify-ca, verify-full");
  }
  if (!value("target_session_attrs").empty() && !contains(kTargets, value("target_session_attrs"))) {
    return refused("has an unknown target_session_attrs; \"primary\" is what the operator needs");
  }
  return {};
}

/// Whom the server's certificate is verified by. libpq would look for a file in a home directory where
/// nothing is said, and would skip the check with a mode that does not ask for one: neither may happen
/// unnoticed.
Result<void> settle_trust(const std::map<std::string, std::string>& given,
                          const std::optional<std::string>& ca, ConnectionSettings& settings) {
  const auto mode = given.find("sslmode");
  const std::string sslmode = mode == given.end() ? "" : mode->second;
  const bool names_file = given.contains("sslrootcert") && !given.at("sslrootcert").empty();
  if (!ca) {
    if (sslmode.starts_with("verify-") && !names_file) {
      return refused("asks for sslmode=" + sslmode +
                     ", but there is no CA to verify the server with: add its certificate (PEM) to the same "
                     "Secret as key ca.crt, or name a file with sslrootcert");
    }
    return {};
  }
  if (names_file) return refused("holds sslrootcert, and the Secret has a key ca.crt, too; leave one out");
  if (ca->find("-----BEGIN CERTIFICATE-----") == std::string::npos) {
    return terminal("InvalidConnectionString", "the Secret's key ca.crt holds no certificate in PEM form");
  }
  if (sslmode == "disable" || sslmode == "allow" || sslmode == "prefer") {
    return refused("asks for sslmode=" + sslmode +
                   ", which verifies nothing, though the Secret has a key ca.crt; use verify-full, or leave "
                   "ca.crt out");
  }
  if (sslmode.empty()) settings.parameters.emplace_back("sslmode", "verify-full");
  settings.ca = *ca;
  return {};
}

std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> parts;
  for (std::size_t comma = 0; comma != list.npos;) {
    comma = list.find(',');
    parts.emplace_back(list.substr(0, comma));
    list.remove_prefix(comma == list.npos ? list.size() : comma + 1);
  }
  return parts;
}

void add_ours(ConnectionSettings& settings, bool several_hosts) {
  const auto set = [&](const char* keyword, const char* text) {
    settings.parameters.emplace_back(keyword, text);
  };
  set("application_name", "rls-operator");
  set("client_encoding", "UTF8");
  set("keepalives", "1");
  set("keepalives_idle", "10");
  set("keepalives_interval", "5");
  set("keepalives_count", "3");
  set("tcp_user_timeout", "20000");
  set("gssencmode", "disable");
  set("passfile", "/dev/null");  // else libpq looks for ~/.pgpass
  const bool chosen = std::any_of(settings.parameters.begin(), settings.parameters.end(),
                                  [](const auto& p) { return p.first == "target_session_attrs"; });
  if (several_hosts && !chosen) set("target_session_attrs", "primary");
}

}  // namespace

Result<ConnectionSettings> parse_connection_settings(std::string_view secret_value,
                                                     const std::optional<std::string>& ca) {
  // Files made with echo or an editor end in a newline.
  while (!secret_value.empty() && (secret_value.back() == '\n' || secret_value.back() == '\r')) {
    secret_value.remove_suffix(1);
  }
  log::add_secret(secret_value);
  if (secret_value.empty()) return refused("is empty");
  if (secret_value.size() > kLongest) return refused("is longer than 16 KiB");
  if (secret_value.find('\0') != std::string_view::npos) return refused("holds a NUL byte");
  if (!is_utf8(secret_value)) return refused("is not UTF-8");

  const auto given = parse(std::string(secret_value));
  if (!given) return given.error();
  ConnectionSettings settings;
  for (const auto& [keyword, value] : *given) {
    if (keyword == "password") log::add_secret(value);
    if (contains(kTaken, keyword)) {
      settings.parameters.emplace_back(keyword, value);
    } else if (!contains(kOverridden, keyword)) {
      return refused("holds the parameter " + keyword + ", which is not allowed; leave it out");
    }
  }
  if (const auto checked = check_values(*given); !checked) return checked.error();
  if (const auto settled = settle_trust(*given, ca, settings); !settled) return settled.error();
  const auto timeout = connect_timeout(*given);
  if (!timeout) return timeout.error();
  settings.connect_timeout = *timeout;

  const auto host = given->contains("host") ? given->at("host") : given->at("hostaddr");
  const auto port = given->find("port");
  settings.where = given->at("dbname") + " on " + host + ":" + (port == given->end() ? "5432" : port->second);
  add_ours(settings, host.find(',') != std::string::npos);
  return settings;
}

std::vector<ConnectionParameters> each_host(const ConnectionParameters& parameters) {
  constexpr std::array<std::string_view, 3> kLists = {"host", "hostaddr", "port"};
  std::size_t count = 1;
  for (const auto& [keyword, value] : parameters) {
    if (contains(kLists, keyword)) count = std::max(count, split(value).size());
  }
  std::vector<ConnectionParameters> each(count, parameters);
  for (std::size_t i = 0; i < count; ++i) {
    for (auto& [keyword, value] : each[i]) {
      if (!contains(kLists, keyword)) continue;
      const std::vector<std::string> parts = split(value);
      if (parts.size() == count) {
        value = parts[i];
      } else if (keyword != "port" || parts.size() != 1) {  // one port may do for all
        return {parameters};
      }
    }
  }
  return each;
}

}  // namespace rls::postgres
