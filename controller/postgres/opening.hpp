#pragma once
// What happens before anything else is asked of a database: is it the primary, does it have our schema, is it
// ours?

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "controller/base/result.hpp"
#include "controller/postgres/project_database.hpp"
#include "controller/postgres/transaction.hpp"

namespace rls::postgres {

/// What the first statement on a connection tells.
struct Hello {
  std::string server_version;  ///< "15.18"
  std::string system_identifier;
  bool utf8 = true;         ///< false: only ASCII names can be asked for
  std::string search_path;  ///< of this role here, as strangers' triggers know it
  std::string role;         ///< quoted
  std::string database;     ///< quoted
  bool may_create_schema = false;
  bool schema_is_there = false;
  bool schema_is_ours = false;
  bool version_is_there = false;
};

/// Sets the connection up. Writes nothing. NotPrimary, UnsupportedServer.
Result<Hello> greet(Connection& connection, const Timeouts& timeouts);

/// What is said where schema `rls_operator` cannot be made, or is there and somebody else's.
Error schema_not_ours(const Hello& hello);

/// Makes those who install take turns, until the transaction ends, which must have begun. Only the operator
/// can hold the table; anybody can hold the advisory lock, which is for the very first installation alone.
/// LockTimeout.
Result<void> lock_installation(Connection& connection, std::string_view doing);

/// Creates schema `rls_operator`, or brings it to this version; two operators at once take turns.
/// MissingPrivilege holds the SQL that a DBA runs instead. SchemaTooNew where a newer operator was here.
Result<void> install_schema(Connection& connection, const Timeouts& timeouts, const Hello& hello);

/// Whose the database is and in which epoch.
struct State {
  std::string system_identifier;
  std::int64_t epoch = 0;
  std::string holder;          ///< of the epoch; empty: nobody's yet
  bool needs_install = false;  ///< the schema is not there, or older
  bool needs_claim = false;    ///< nobody's, or ours under another uid
  /// Somebody else's, which a person lets us take over: its number.
  std::optional<std::int64_t> takes_over;
};

/// One statement. NotPrimary, Claimed.
Result<State> read_state(Connection& connection, const Claimant& claimant);

/// Writes our claim where there is none, or our new uid.
Result<void> take_claim(Connection& connection, const Claimant& claimant);

/// Makes the foreign claim of that number ours. Waits until no transaction of its owner is open that passed
/// the fence; each later one is refused (Claimed).
Result<void> take_over(Connection& connection, const Timeouts& timeouts, const Claimant& claimant,
                       std::int64_t number);

/// Begins our leadership here: ends the connections of whoever led before, waits until no transaction that
/// passed the fence is open, and raises the epoch to our term. `seen`: the epoch that stands there. In a
/// transaction of its own that holds nothing else. NotLeading (transient) where the mandate does not hold.
Result<std::int64_t> raise_epoch(Connection& connection, const Timeouts& timeouts, const Mandate& mandate,
                                 std::int64_t seen);

}  // namespace rls::postgres
