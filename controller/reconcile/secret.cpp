#include "controller/reconcile/secret.hpp"

#include <nlohmann/json.hpp>

#include "controller/base/log.hpp"
#include "controller/base/text.hpp"
#include "controller/kube/base64.hpp"

namespace rls::reconcile {
namespace {

/// As in Secrets of type kubernetes.io/tls.
constexpr const char* kCaKey = "ca.crt";

Result<postgres::ConnectionSecret> read_key(kube::Client& client, const std::string& ns,
                                            const api::SecretKeyRef& ref, const std::string& field) {
  const api::ObjectName name{ns, ref.name};
  const std::string where = "Secret " + rls::quoted(name.str()) + " (" + field + ")";

  const Result<std::string> json = client.get({"v1", "secrets", name.ns}, name);
  if (!json) {
    const Error& error = json.error();
    if (error.reason == "NotFound") {
      return terminal("SecretNotFound", where + " does not exist: create it, or correct secretRef.name");
    }
    if (error.reason == "Forbidden") {
      return terminal("SecretForbidden",
                      where +
                          " may not be read by the operator: grant its service account the verb "
                          "get on secrets with resourceNames [" +
                          ref.name + "]");
    }
    return Error{error.kind, error.reason, where + ": " + error.message};
  }

  const auto object = nlohmann::json::parse(json.value(), nullptr, false);
  const auto data = object.is_object() ? object.find("data") : object.end();
  const auto has = [&](const std::string& key) {
    return data != object.end() && data->is_object() && data->contains(key) && (*data)[key].is_string();
  };
  const auto decoded = [&](const std::string& key) -> Result<std::string> {
    auto value = kube::decode_base64((*data)[key].get_ref<const std::string&>());
    if (!value) return terminal("SecretUnreadable", where + ": key " + rls::quoted(key) + " is not base64");
    return std::move(*value);
  };
  if (!has(ref.key)) {
    return terminal("SecretKeyMissing",
                    where + " has no key " + rls::quoted(ref.key) + ": add it, or correct secretRef.key");
  }
  auto uri = decoded(ref.key);
  if (!uri) return uri.error();
  log::add_secret(*uri);
  postgres::ConnectionSecret secret{std::move(*uri), {}};
  if (has(kCaKey)) {
    auto ca = decoded(kCaKey);
    if (!ca) return ca.error();
    secret.ca = std::move(*ca);
  }
  return secret;
}

}  // namespace

Result<postgres::ConnectionSecret> read_secret(kube::Client& client, const api::RlsDatabase& database) {
  return read_key(client, database.meta.name.ns, database.spec.secret, "spec.connection.secretRef");
}

Result<postgres::ConnectionSecret> read_checks_secret(kube::Client& client,
                                                      const api::RlsDatabase& database) {
  if (!database.spec.checks_secret) {
    return terminal("NoChecksSecret", "RlsDatabase " + rls::quoted(database.meta.name.name) +
                                          " names no role for SQL checks: set spec.checks.secretRef");
  }
  return read_key(client, database.meta.name.ns, *database.spec.checks_secret, "spec.checks.secretRef");
}

}  // namespace rls::reconcile
