#pragma once
// A transaction on a connection, under the timeouts that every one of ours has (R-C3).

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "controller/base/result.hpp"
#include "controller/postgres/connection.hpp"

namespace rls::postgres {

struct Timeouts {
  std::chrono::milliseconds lock{5000};
  std::chrono::milliseconds statement{30000};
  std::chrono::milliseconds policies{1000};  ///< so long what was seen of the policies counts
  std::chrono::milliseconds commit{10000};   ///< on our side; COMMIT is then in doubt
  /// Audit rows older than this are counted once, not at each look: writers need milliseconds for a row, and
  /// cached sequences seldom hand a number out later. Who needs longer is counted at the next recount.
  std::chrono::milliseconds settled{60'000};
  std::chrono::milliseconds recount{600'000};  ///< every so often all audit rows are counted anew
  std::int64_t slice = 1'000'000;              ///< audit rows that one statement reads: less than a second

  /// How long any statement may take until we think that the server is gone: it would have ended it long
  /// since.
  [[nodiscard]] std::chrono::milliseconds client() const { return statement + std::chrono::seconds{5}; }
};

/// Begins in `begin`, rolls back at the end of its life where it was not committed.
class Transaction {
 public:
  Transaction(Connection& connection, const Timeouts& timeouts)
      : connection_(connection), timeouts_(timeouts) {}
  ~Transaction() { roll_back(); }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  std::optional<SqlFailure> begin();
  void roll_back();

  struct CommitFailure {
    SqlFailure failure;
    bool in_doubt = false;  ///< it may have been committed
  };
  std::optional<CommitFailure> commit();
  /// For what does no harm when it is done again: in doubt or not, a failure is one to try again, because who
  /// asks again sees what became of it and does the rest. `doing` as in to_error.
  Result<void> commit_repeatable(std::string_view doing);

 private:
  Connection& connection_;
  const Timeouts& timeouts_;
  bool open_ = false;
};

}  // namespace rls::postgres
