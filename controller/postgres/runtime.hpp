#pragma once
// The managed runtime in a database (design 3-database, Runtime): installing it, and the regular work on it.
// What its objects are: sql/runtime_*.sql, docs/database.md.

#include <string>
#include <string_view>

#include "controller/base/result.hpp"
#include "controller/postgres/observing.hpp"
#include "controller/postgres/opening.hpp"
#include "controller/postgres/project_database.hpp"

namespace rls::postgres {

/// Installs the runtime in `schema`, or brings it to this version, in one transaction; two at once take
/// turns. Nothing where it is there already. Terminal: InvalidSpec (no plain name), RuntimeForeign (somebody
/// else's tables stand there), RuntimeNotOurs (somebody else owns a part of it), RuntimeElsewhere (ours
/// stands in another schema), SchemaTooNew, MissingPrivilege.
Result<void> install_runtime(Connection& connection, const Timeouts& timeouts, std::string_view schema,
                             const Hello& hello);

/// A script of the runtime's, in which {{schema}} stands for where it lives. Precondition: a schema that
/// install_runtime took.
std::string with_schema(std::string_view script, std::string_view schema);

/// ProjectDatabase::tend of a managed runtime.
Result<RuntimeReport> tend(OpenDatabase& database, const RuntimeWish& wish);

}  // namespace rls::postgres
