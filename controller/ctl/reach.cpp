#include "controller/ctl/reach.hpp"

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "controller/base/log.hpp"
#include "controller/base/text.hpp"
#include "controller/kube/cpprest_transport.hpp"
#include "controller/reconcile/secret.hpp"

namespace rls::ctl {
namespace {

kube::ClientOptions options_of(const Cluster& cluster) {
  return {.kubeconfig = cluster.kubeconfig, .context = cluster.context};
}

/// The connection as the RlsDatabase's Secret has it.
Result<postgres::ConnectionSecret> secret_of(const Target& target, Seam& seam) {
  auto client = reach_api_server(target, seam);
  if (!client) return client.error();
  const api::ObjectName name{namespace_of(target), target.database};
  const auto json = (*client)->get({std::string(api::kGroupVersion), "rlsdatabases", name.ns}, name);
  if (!json) return json.error();
  const auto database = api::decode_database(*json);
  if (!database) return database.error();
  return reconcile::read_secret(**client, *database);
}

Result<postgres::ConnectionSecret> read_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) return terminal("UnreadableFile", "cannot read " + quoted(path) + " (--uri-file)");
  std::string uri((std::istreambuf_iterator<char>(file)), {});
  while (!uri.empty() && (uri.back() == '\n' || uri.back() == '\r')) uri.pop_back();
  return postgres::ConnectionSecret{std::move(uri), {}};
}

Result<postgres::ConnectionSecret> connection_secret(const Target& target, Seam& seam) {
  if (!target.uri_file.empty()) return read_file(target.uri_file);
  const char* const uri = std::getenv("RLSCTL_DATABASE_URI");
  if (uri != nullptr && *uri != '\0' && target.database.empty()) return postgres::ConnectionSecret{uri, {}};
  if (target.database.empty()) {
    return terminal("NoDatabase",
                    "which database? give --database NAME, --uri-file FILE or RLSCTL_DATABASE_URI");
  }
  return secret_of(target, seam);
}

}  // namespace

Result<std::unique_ptr<kube::Client>> reach_api_server(const Cluster& cluster, Seam& seam) {
  kube::initialize_http_library();
  return kube::make_client(options_of(cluster), seam);
}

std::string namespace_of(const Cluster& cluster) {
  return cluster.ns.empty() ? kube::default_namespace(options_of(cluster)) : cluster.ns;
}

Result<std::unique_ptr<postgres::Maintenance>> connect(const Target& target, Seam& seam) {
  auto secret = connection_secret(target, seam);
  if (!secret) return secret.error();
  log::add_secret(secret->uri);
  auto settings = postgres::parse_connection_settings(secret->uri, secret->ca);
  if (!settings) return settings.error();
  return postgres::Maintenance::connect(*settings, {}, seam);
}

}  // namespace rls::ctl
