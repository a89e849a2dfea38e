#pragma once
// An address to listen on, as flags give it.

#include <cstdint>
#include <string>
#include <string_view>

#include "controller/base/result.hpp"

namespace rls::app {

struct BindAddress {
  std::string host;  ///< a name or a literal, without brackets; empty: all addresses, IPv6 too
  std::uint16_t port = 0;
};

/// "0.0.0.0:8080", "[::1]:8080", "localhost:0", ":8080". The error is terminal and says what is wrong,
/// without the flag's name.
Result<BindAddress> parse_bind_address(std::string_view text);

}  // namespace rls::app
