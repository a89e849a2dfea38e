#pragma once
// Text that goes into a request's path or query.

#include <string>
#include <string_view>

namespace rls::kube {

/// Everything but RFC 3986's unreserved characters as %XX: safe in a path segment and in a query's value.
std::string percent_encoded(std::string_view text);

/// False for what would name something else once it stands in a path: nothing (the collection) and the dot
/// segments (the parent). Names come from specs that people write.
bool is_path_segment(std::string_view text);

}  // namespace rls::kube
