#pragma once
// Which Prometheus servers checks may ask. Who writes an RlsMigration chooses the URL, and it is the operator
// that asks: without a list, any server that it can reach could be asked through it.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/result.hpp"

namespace rls::checks {

/// True (Ok) where `url` is one of the allowed ones or below one: the same scheme (http, https), host and
/// port (the scheme's own where none stands there), and a path that is equal or goes on after a slash. A URL
/// has no user, no query, no fragment, no percent sign and no dot segments. No list allows nothing. Errors
/// (terminal): InvalidUrl; UrlNotAllowed, which names the configuration's key.
Result<void> allowed_url(std::string_view url, std::span<const std::string> allowed);

/// Reads the configuration's value: URLs with commas between them, blanks around them. Empty: none. The error
/// (terminal, InvalidUrl) says what is wrong with which of them.
Result<std::vector<std::string>> parse_allowed_urls(std::string_view text);

/// The endpoint below a URL of a check: "http://prometheus:9090/" and "/api/v1/query" are
/// "http://prometheus:9090/api/v1/query".
std::string endpoint(std::string_view url, std::string_view path);

}  // namespace rls::checks
