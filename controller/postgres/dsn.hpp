#pragma once
// The Secret's value: a libpq URI or keyword string, of which only harmless parameters are taken.

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/base/result.hpp"

namespace rls::postgres {

using ConnectionParameters = std::vector<std::pair<std::string, std::string>>;

/// What a connection is made with. Holds the password: never printed, `where` is.
struct ConnectionSettings {
  ConnectionParameters parameters;          ///< libpq keywords, ours included
  std::chrono::seconds connect_timeout{5};  ///< for each host
  std::string where;                        ///< "main on db.example:5432", for messages

  bool operator==(const ConnectionSettings&) const = default;
};

/// Reads the value of a Secret. Registers the password and the whole value with log::add_secret first.
/// Refuses (terminal, InvalidConnectionString) what would make libpq read files of the operator or change
/// what a connection means: everything that is not on the list in dsn.cpp. The error names the parameter and
/// never echoes a value.
Result<ConnectionSettings> parse_connection_settings(std::string_view secret_value);

/// The same for each of its hosts alone, in their order. Lists that do not fit together stay as they are, for
/// libpq to say so.
std::vector<ConnectionParameters> each_host(const ConnectionParameters& parameters);

}  // namespace rls::postgres
