#include "controller/kube/status_error.hpp"

#include <array>
#include <cassert>

#include "controller/base/log.hpp"
#include "controller/base/text.hpp"
#include "controller/kube/watch_decoder.hpp"

namespace rls::kube {
namespace {

struct Row {
  int status;
  ErrorKind kind;
  std::string_view reason;
};

// clang-format off
constexpr std::array kTable = {
    Row{400, ErrorKind::terminal,  "BadRequest"},
    Row{401, ErrorKind::transient, "Unauthorized"},  // the token is read again
    Row{403, ErrorKind::terminal,  "Forbidden"},
    Row{404, ErrorKind::terminal,  "NotFound"},
    Row{405, ErrorKind::terminal,  "MethodNotAllowed"},
    Row{406, ErrorKind::terminal,  "NotAcceptable"},
    Row{408, ErrorKind::transient, "Timeout"},
    Row{409, ErrorKind::conflict,  "Conflict"},
    Row{410, ErrorKind::transient, "Expired"},  // history is compacted: list again
    Row{413, ErrorKind::terminal,  "RequestEntityTooLarge"},
    Row{415, ErrorKind::terminal,  "UnsupportedMediaType"},
    Row{422, ErrorKind::terminal,  "Invalid"},
    Row{429, ErrorKind::transient, "TooManyRequests"},
    Row{500, ErrorKind::transient, "InternalError"},
    Row{502, ErrorKind::transient, "BadGateway"},
    Row{503, ErrorKind::transient, "ServiceUnavailable"},
    Row{504, ErrorKind::transient, "Timeout"},
};
// clang-format on

/// A server's own word for the same status, where callers tell the two apart.
constexpr std::string_view kAlreadyExists = "AlreadyExists";

constexpr std::size_t kLongestQuote = 512;

Error row(int status) {
  for (const Row& each : kTable) {
    if (each.status == status) return {each.kind, std::string(each.reason), {}, {}};
  }
  // Not in the table: the server's fault may pass, ours will not. A redirect is nobody the token was meant
  // for.
  const bool theirs = status >= 500;
  return {theirs ? ErrorKind::transient : ErrorKind::terminal, "HttpStatus" + std::to_string(status), {}, {}};
}

std::string_view group(std::string_view group_version) {
  const auto slash = group_version.find('/');
  return slash == std::string_view::npos ? std::string_view{} : group_version.substr(0, slash);
}

std::string where(std::string_view ns) {
  return ns.empty() ? "in all namespaces" : "in namespace " + rls::quoted(ns);
}

/// RBAC's refusals read `User "…" cannot list resource "…"`; quota, admission and a namespace that is going
/// away are 403 as well, and no rule would help there.
bool is_rbac(std::string_view message) {
  return message.find("User \"") != std::string_view::npos &&
         message.find("\" cannot ") != std::string_view::npos;
}

std::string missing_rule(const Asked& asked) {
  return "RBAC does not allow it: add {apiGroups: [" + rls::quoted(group(asked.group_version)) +
         "], resources: [" + rls::quoted(asked.resource) + "], verbs: [" + rls::quoted(asked.verb) +
         "]} to the operator's " +
         (asked.ns.empty() ? "ClusterRole" : "Role in namespace " + rls::quoted(asked.ns)) + ". ";
}

}  // namespace

bool is_success(int status) { return status >= 200 && status < 300; }

Error status_error(Response response, const Asked& asked) {
  assert(!is_success(response.status));
  Error error = row(response.status);
  const StatusBody status = decode_status(response.body);
  if (response.status == 409 && status.reason == kAlreadyExists) error.reason = kAlreadyExists;
  if (response.status == 429 || response.status == 503) error.retry_after = response.retry_after;

  error.message = "the API server refused to " + std::string(asked.verb) + " " + std::string(asked.resource) +
                  " " + where(asked.ns) + " (" + std::to_string(response.status) + "). ";
  if (response.status == 401) {
    error.message +=
        "The token or client certificate is not accepted: check that it is of this cluster and has "
        "not expired; it is read again. ";
  }
  if (response.status == 403 && is_rbac(status.message)) error.message += missing_rule(asked);
  const std::string& quote = status.message.empty() ? response.body : status.message;
  error.message += "The server says: " + rls::quoted(log::redacted(quote), kLongestQuote);
  return error;
}

Error resource_not_installed(const Resource& resource, const Error& not_found) {
  return terminal("ResourceNotInstalled", "the API server does not know " + resource.plural + " (" +
                                              resource.group_version +
                                              "): install the CustomResourceDefinitions (crds/) of this "
                                              "version. " +
                                              not_found.message);
}

}  // namespace rls::kube
