#pragma once
// A database with row-level security made by somebody else, which the operator adopts (design 3-database,
// Adopted runtime): nothing that exists is altered but phases and audit rows.

#include <memory>
#include <string>

#include "controller/base/seam.hpp"
#include "controller/postgres/dsn.hpp"
#include "controller/postgres/project_database.hpp"
#include "controller/postgres/transaction.hpp"

namespace rls::postgres {

/// `schema` holds the adopted tables (spec.runtime.schema). Connects in `open`, not here. `seam` must outlive
/// it.
std::unique_ptr<ProjectDatabase> make_adopted_database(ConnectionSettings settings, std::string schema,
                                                       Timeouts timeouts, Seam& seam);

}  // namespace rls::postgres
