#pragma once
// How rlsctl reaches an API server and a database.

#include <memory>
#include <string>

#include "controller/base/result.hpp"
#include "controller/base/seam.hpp"
#include "controller/ctl/options.hpp"
#include "controller/kube/client.hpp"
#include "controller/postgres/maintenance.hpp"

namespace rls::ctl {

/// Errors as of kube::make_client. `seam` outlives the client.
Result<std::unique_ptr<kube::Client>> reach_api_server(const Cluster& cluster, Seam& seam);
/// The one that is asked about: the one given, or that of the credentials.
std::string namespace_of(const Cluster& cluster);

/// The database by its file, RLSCTL_DATABASE_URI, or the Secret of its RlsDatabase, in this order; NoDatabase
/// (terminal) where none is given.
Result<std::unique_ptr<postgres::Maintenance>> connect(const Target& target, Seam& seam);

}  // namespace rls::ctl
