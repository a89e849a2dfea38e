#pragma once
// A check by SQL: one query, read-only, as a role of its own.

#include <chrono>
#include <stop_token>
#include <string>

#include "controller/api/gating.hpp"
#include "controller/base/seam.hpp"
#include "controller/checks/result.hpp"
#include "controller/postgres/dsn.hpp"

namespace rls::checks {

struct SqlLimits {
  std::chrono::milliseconds statement{10'000};
  std::chrono::milliseconds lock{2'000};
};

/// Asks the query on a connection of its own, which is closed afterwards, as a part of one SELECT in a READ
/// ONLY transaction that is rolled back: nothing but a query is understood, and of two queries none. Names
/// are looked up in pg_catalog alone (docs/adr/0007): whoever may create things in another schema of the path
/// could answer in place of what was meant. `project` is the query's $1.
///
/// Passed: exactly one row came, and its first column as text is `expect` (empty: "true"; of a boolean, t and
/// f do, too). Failed: it is another value. All else is unknown. Blocks; `stop` cuts the connection.
Outcome run_sql_check(const api::SqlCheck& check, const std::string& project,
                      const postgres::ConnectionSettings& settings, Seam& seam, const std::stop_token& stop,
                      const SqlLimits& limits = {});

}  // namespace rls::checks
