#pragma once
// A check by SQL: one query, read-only, as a role of its own.

#include <chrono>
#include <stop_token>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "controller/api/gating.hpp"
#include "controller/base/seam.hpp"
#include "controller/checks/result.hpp"
#include "controller/postgres/dsn.hpp"

namespace rls::checks {

struct SqlLimits {
  std::chrono::milliseconds statement{10'000};
  std::chrono::milliseconds lock{2'000};
};

/// One query with its parameters $1, $2, …, which it need not use.
struct SqlQuestion {
  struct Parameter {
    std::string_view type;  ///< of pg_catalog, a literal: "text"; empty: what the query takes it for
    std::string value;
  };
  std::string_view query;
  std::vector<Parameter> parameters{};
  std::size_t longest = 0;  ///< so many characters of the value are needed; some more may come
};

/// The first column of the only row, as text; it may be cut after `longest`.
struct SqlAnswer {
  std::string value;
  bool boolean = false;  ///< its type is boolean
};

/// Asks the query on a connection of its own, which is closed afterwards, as a part of one SELECT in a READ
/// ONLY transaction that is rolled back: nothing but a query is understood, and of two queries none. Names
/// are looked up in pg_catalog alone (docs/adr/0007): whoever may create things in another schema of the path
/// could answer in place of what was meant. No row, several rows and NULL are no answer: the Outcome says
/// what there was instead. Blocks; `stop` cuts the connection.
std::variant<SqlAnswer, Outcome> ask_sql(const SqlQuestion& question,
                                         const postgres::ConnectionSettings& settings, Seam& seam,
                                         const std::stop_token& stop, const SqlLimits& limits = {});

/// A value as it is shown to people: without secrets, and at most 100 characters of it.
std::string shown_value(std::string_view value);

/// Asks the check's query as ask_sql does; `project` is its $1, of the type that the query takes it for.
///
/// Passed: exactly one row came, and its first column as text is `expect` (empty: "true"; of a boolean, t and
/// f do, too). Failed: it is another value. All else is unknown.
Outcome run_sql_check(const api::SqlCheck& check, const std::string& project,
                      const postgres::ConnectionSettings& settings, Seam& seam, const std::stop_token& stop,
                      const SqlLimits& limits = {});

}  // namespace rls::checks
