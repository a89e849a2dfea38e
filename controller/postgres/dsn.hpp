#pragma once
// What the Secret holds: a libpq URI or keyword string, of which only harmless parameters are taken, and the
// CA to verify the server with.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/base/result.hpp"

namespace rls::postgres {

/// What is taken of a Secret.
struct ConnectionSecret {
  std::string uri;                  ///< the value of secretRef.key
  std::optional<std::string> ca{};  ///< the value of the key ca.crt, where there is one: certificates, PEM

  bool operator==(const ConnectionSecret&) const = default;
};

using ConnectionParameters = std::vector<std::pair<std::string, std::string>>;

/// What a connection is made with. Holds the password: never printed, `where` is.
struct ConnectionSettings {
  ConnectionParameters parameters;          ///< libpq keywords, ours included
  std::chrono::seconds connect_timeout{5};  ///< for each host
  std::string where;                        ///< "main on db.example:5432", for messages
  std::string ca;                           ///< PEM; empty: sslrootcert, or none

  bool operator==(const ConnectionSettings&) const = default;
};

/// Reads the value of a Secret. Registers the password and the whole value with log::add_secret first.
/// Refuses (terminal, InvalidConnectionString) what would make libpq read files of the operator or change
/// what a connection means: everything that is not on the list in dsn.cpp. The error names the parameter and
/// never echoes a value.
/// With a `ca` (ConnectionSecret::ca) the server is verified: sslmode is verify-full unless the value says
/// otherwise, and one that would not verify is refused. Without any CA, a mode that verifies is.
Result<ConnectionSettings> parse_connection_settings(std::string_view secret_value,
                                                     const std::optional<std::string>& ca = {});

/// The same for each of its hosts alone, in their order. Lists that do not fit together stay as they are, for
/// libpq to say so.
std::vector<ConnectionParameters> each_host(const ConnectionParameters& parameters);

}  // namespace rls::postgres
