#include "controller/postgres/transaction.hpp"

#include <string>

#include "controller/postgres/errors.hpp"

namespace rls::postgres {

std::optional<SqlFailure> Transaction::begin() {
  const auto ms = [](std::chrono::milliseconds t) { return std::to_string(t.count()); };
  // READ COMMITTED whatever the database's default: what is read again under the locks must not come from a
  // snapshot taken before them.
  Reply reply = connection_.script(
      "BEGIN", "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = " + ms(timeouts_.lock) +
                   "; SET LOCAL statement_timeout = " + ms(timeouts_.statement) +
                   "; SET LOCAL idle_in_transaction_session_timeout = " + ms(timeouts_.client()) +
                   // What moves is as durable as the database's owner wants it.
                   "; SET LOCAL synchronous_commit TO DEFAULT");
  open_ = reply.ok();
  return reply.failure;
}

void Transaction::roll_back() {
  if (!open_) return;
  open_ = false;
  // A connection that is not known to be out of the transaction is of no more use.
  if (connection_.usable() && !connection_.script("ROLLBACK", "ROLLBACK").ok()) connection_.close();
}

std::optional<Transaction::CommitFailure> Transaction::commit() {
  open_ = false;
  Reply reply = connection_.script("COMMIT", "COMMIT", timeouts_.commit);
  if (reply.ok()) return std::nullopt;
  const SqlFailure& failure = *reply.failure;
  // The server ended us (57P…) while it waited for a standby: it had committed locally.
  const bool in_doubt =
      failure.lost || failure.is("40003") || failure.in_class("57P") || failure.in_class("08");
  return CommitFailure{failure, in_doubt};
}

Result<void> Transaction::commit_repeatable(std::string_view doing) {
  const auto failed = commit();
  if (!failed) return {};
  Error error = to_error(failed->failure, doing);
  if (failed->in_doubt) error.kind = ErrorKind::transient;
  return error;
}

}  // namespace rls::postgres
