#pragma once
// One transition, one transaction (design 3-database).

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "controller/postgres/observing.hpp"

namespace rls::postgres {

/// A transaction whose COMMIT was sent and not answered.
struct InDoubt {
  Backend backend;
  std::vector<std::string> projects;                         ///< the moved ones
  std::vector<std::string> ledger_ids;                       ///< theirs
  std::vector<std::pair<std::string, std::string>> resumed;  ///< of which a hold was cleared, and by what
  std::vector<MoveResult> if_committed;                      ///< what to report then
  Error if_not;                                              ///< and what where it was not
};

/// The audit table refused our rows: do without from now on.
struct AuditRefused {
  std::string why;
};

/// Somebody holds the audit table for longer than the timeouts, and all moves go down: do without this time.
struct AuditHeld {
  std::string why;
};

/// A row of the batch may be at fault: try again carefully.
struct RowRefused {
  SqlFailure failure;
};

/// Somebody holds rows of the batch for longer than lock_timeout: try again with the others.
struct RowsHeld {
  Error error;
};

/// How one attempt ended.
using Attempt =
    std::variant<std::vector<MoveResult>, Error, InDoubt, AuditRefused, AuditHeld, RowRefused, RowsHeld>;

struct MoveMode {
  bool careful = false;       ///< each statement behind a savepoint, halved where a row refuses
  bool write_audit = false;   ///< rows in the adopted audit table
  std::optional<Error> held;  ///< leave out rows that somebody holds; this is their result then
};

/// One attempt at ProjectDatabase::move. Does not retry, does not reconnect.
Attempt attempt_move(OpenDatabase& database, std::span<const Move> moves, const DecideAgain& again,
                     MoveMode mode);

/// On a new connection: was it committed? Ends the old backend where it still lives, waits for its locks.
Result<bool> was_committed(OpenDatabase& database, const InDoubt& doubt);

}  // namespace rls::postgres
