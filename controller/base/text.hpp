#pragma once
// Text that came from outside: is it fit to be sent to Postgres, and how is it shown to a person.

#include <string>
#include <string_view>

namespace rls {

/// True for well-formed UTF-8 (no surrogates, no overlong forms). NUL is well-formed.
bool is_utf8(std::string_view text);

/// `text` in double quotes, with quotes, backslashes and control characters escaped, cut after `max_bytes`
/// on a character's border with `…`: safe for logs, conditions and Events, whatever the text holds.
std::string quoted(std::string_view text, std::size_t max_bytes = 120);

/// Cuts on a character's border so that the whole with its `…` has at most `max_bytes`.
std::string truncated(std::string_view text, std::size_t max_bytes);

}  // namespace rls
