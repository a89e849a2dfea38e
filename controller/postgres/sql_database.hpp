#pragma once
// The implementation of the port: one PostgreSQL database, by SQL.

#include <memory>
#include <string>

#include "controller/base/seam.hpp"
#include "controller/postgres/dsn.hpp"
#include "controller/postgres/project_database.hpp"
#include "controller/postgres/transaction.hpp"

namespace rls::postgres {

/// Row-level security made by somebody else, which the operator adopts (design 3-database, Adopted runtime):
/// nothing that exists is altered but phases and audit rows. `schema` holds the adopted tables
/// (spec.runtime.schema). Connects in `open`, not here. `seam` must outlive it.
std::unique_ptr<ProjectDatabase> make_adopted_database(ConnectionSettings settings, std::string schema,
                                                       Timeouts timeouts, Seam& seam);

/// Row-level security of our own (design 3-database, Runtime): `open` installs it in `schema`, or brings it
/// to this version. Else as above.
std::unique_ptr<ProjectDatabase> make_managed_database(ConnectionSettings settings, std::string schema,
                                                       Timeouts timeouts, Seam& seam);

}  // namespace rls::postgres
