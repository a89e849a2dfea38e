#pragma once
// What Postgres and the network say when they refuse, and what that means for us.

#include <string>
#include <string_view>

#include "controller/base/result.hpp"

namespace rls::postgres {

/// One failed statement or connection attempt, as the server put it. No DETAIL, HINT or CONTEXT: they quote
/// rows.
struct SqlFailure {
  std::string sqlstate;  ///< empty where the failure is the network's or libpq's
  std::string message;   ///< the primary message; may quote values: show it through to_error only
  bool lost = false;     ///< the connection is gone

  [[nodiscard]] bool is(std::string_view state) const { return sqlstate == state; }
  [[nodiscard]] bool in_class(std::string_view two) const { return sqlstate.starts_with(two); }
};

/// What a failed statement means. `doing` completes "cannot …": "read public.rls_migration_status".
Error to_error(const SqlFailure& failure, std::string_view doing);
/// What a failed connection attempt means; `where` as in ConnectionSettings.
Error to_connect_error(const SqlFailure& failure, std::string_view where);

/// True where the failure lies in the rows that were written (a constraint, a trigger that raises, a value),
/// so that other rows may succeed; false where any statement would have failed.
bool is_rows_own(const SqlFailure& failure);
/// True where spec.timeouts ended the statement, or its wait for a lock.
bool took_too_long(const SqlFailure& failure);
/// True where what the catalogue said does not hold any more: a table, column or type is gone or another.
bool is_stale_catalogue(const SqlFailure& failure);

/// The primary message as it may be shown: without values, secrets or control characters, cut.
std::string shown(const SqlFailure& failure);

}  // namespace rls::postgres
