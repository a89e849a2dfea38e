#include "controller/kube/exec_credential.hpp"

#include <simdjson.h>

#include <algorithm>

#include "controller/api/json_writer.hpp"
#include "controller/kube/base64.hpp"

namespace rls::kube {
namespace {

Error invalid(const std::string& what) {
  return transient("InvalidExecCredential", "its output is not an ExecCredential: " + what);
}

bool is_token(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

/// A text; missing and null are empty. False: it is something else.
bool read_text(const simdjson::dom::object& object, const char* key, std::string& into) {
  simdjson::dom::element found;
  if (object[key].get(found) != simdjson::SUCCESS || found.is_null()) return true;
  std::string_view text;
  if (found.get(text) != simdjson::SUCCESS) return false;
  into = text;
  return true;
}

}  // namespace

std::string exec_info(const std::string& api_version, const std::optional<ExecCluster>& cluster) {
  api::JsonWriter out;
  out.begin_object();
  out.member("kind", "ExecCredential");
  out.member("apiVersion", api_version);
  out.key("spec").begin_object();
  if (cluster) {
    out.key("cluster").begin_object();
    out.member("server", cluster->server);
    out.member("tls-server-name", cluster->tls_server_name);
    out.member("certificate-authority-data", encode_base64(cluster->ca));
    out.member("proxy-url", cluster->proxy_url);
    out.end_object();
  }
  std::string text = out.take();
  // The writer knows no booleans, as no status has one.
  text += text.ends_with('{') ? R"("interactive":false}})" : R"(,"interactive":false}})";
  return text;
}

Result<ExecCredential> parse_exec_credential(std::string text, const std::string& api_version) {
  simdjson::dom::parser parser;
  simdjson::dom::object root, status;
  if (parser.parse(text).get(root) != simdjson::SUCCESS) return invalid("a JSON object is expected");
  std::string kind, version, expires;
  if (!read_text(root, "kind", kind) || kind != "ExecCredential")
    return invalid("kind is not ExecCredential");
  if (!read_text(root, "apiVersion", version) || version != api_version) {
    return invalid("apiVersion is not " + api_version + ", as the kubeconfig demands");
  }
  if (root["status"].get(status) != simdjson::SUCCESS) return invalid("status is missing");
  ExecCredential made;
  for (const auto& [key, into] :
       {std::pair{"token", &made.token}, std::pair{"clientCertificateData", &made.certificate},
        std::pair{"clientKeyData", &made.key}, std::pair{"expirationTimestamp", &expires}}) {
    if (!read_text(status, key, *into)) return invalid(std::string("status.") + key + " is not a text");
  }
  if (made.certificate.empty() != made.key.empty()) {
    return invalid("status.clientCertificateData and status.clientKeyData belong together");
  }
  if (made.token.empty() && made.key.empty()) return invalid("status has neither a token nor a certificate");
  if (!is_token(made.token)) return invalid("status.token has blanks or control characters in it");
  if (!expires.empty()) {
    made.expires = parse_rfc3339(expires);
    if (!made.expires) return invalid("status.expirationTimestamp is not a time (RFC 3339)");
  }
  return made;
}

}  // namespace rls::kube
