#pragma once
// How a PromQL query names the project that it is asked for.

#include <string>
#include <string_view>

#include "controller/base/result.hpp"

namespace rls::checks {

/// The query with the project's name in place of each `$project` in a string, in the form that the string's
/// quotes ask for: whatever the name holds, it is never anything but text. What goes on with a letter, a
/// digit or _ is another name, and stays as it is. Error (terminal, InvalidQuery): `$project` stands outside
/// of a string, or the name cannot stand in this one. Pure.
Result<std::string> with_project(std::string_view query, std::string_view project);

}  // namespace rls::checks
