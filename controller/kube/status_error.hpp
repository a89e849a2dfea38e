#pragma once
// What an HTTP status of the API server means for the caller: one table. Pure.

#include <string>
#include <string_view>

#include "controller/base/result.hpp"
#include "controller/kube/client.hpp"
#include "controller/kube/transport.hpp"

namespace rls::kube {

/// What was asked, in the words of RBAC.
struct Asked {
  std::string_view verb;           ///< "get", "list", "watch", "create", "update", "patch", "delete"
  std::string_view group_version;  ///< "v1", "rls-operator.dev/v1alpha1"
  std::string_view resource;       ///< "rlsmigrations", "rlsmigrations/status"
  std::string_view ns;             ///< empty: all namespaces
};

/// 200–299.
[[nodiscard]] bool is_success(int status);

/// The Error for a reply that is no success (precondition). The reason is the table's; where the server names
/// a known reason of its own under the same status (AlreadyExists under 409) it is that one. The message says
/// what was asked and quotes the server, without secrets, cut to 512 bytes. Forbidden names the RBAC rule
/// that is missing, where RBAC it was. 429 and 503 carry the server's Retry-After.
Error status_error(Response response, const Asked& asked);

/// NotFound of a whole collection: the kind is not there.
Error resource_not_installed(const Resource& resource, const Error& not_found);

}  // namespace rls::kube
