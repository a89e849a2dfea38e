#pragma once
// Counting denials behind a watermark (docs/adr/0009). The audit rows are read in the order of a key. What
// lies up to the watermark is settled: counted once and remembered; what lies beyond is counted anew at each
// look. Because a row may still appear behind any watermark, the sum is a lower bound, and now and then all
// is counted anew. No IO here but in `count_denials`.

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/time.hpp"
#include "controller/postgres/catalogue.hpp"
#include "controller/postgres/connection.hpp"
#include "controller/postgres/transaction.hpp"

namespace rls::postgres {

struct Denials {
  std::int64_t count = 0;
  std::optional<Time> last;  ///< as the row says: it may lie in the future

  void add(const Denials& more);
  bool operator==(const Denials&) const = default;
};

/// A project in the phase that it entered with the ledger's entry `ordinal`, at `since`.
struct InPhase {
  std::string project;
  std::int64_t ordinal = 0;
  Time since{};
};

/// What one statement found.
struct Slice {
  struct Project {
    std::size_t index = 0;     ///< of those asked for
    std::int64_t denials = 0;  ///< of whatever phase
    Denials settled, fresh;
  };
  std::vector<Project> projects;
  std::int64_t rows = 0;  ///< of the audit table, of all projects
  /// The greatest key read, what may become a watermark, the greatest that is settled.
  std::optional<std::string> key, usable_key, settled_key;
  /// Numbers of transactions: all below `oldest` have ended, `next` and above had not begun to write.
  std::int64_t oldest = 0, next = 0;
};

/// One pass over the audit rows from a key on, slice by slice.
class Pass {
 public:
  Pass(std::size_t projects, std::string from, std::string settle_to, bool whole)
      : first_(from),
        from_(std::move(from)),
        settle_to_(std::move(settle_to)),
        whole_(whole),
        projects_(projects) {}

  [[nodiscard]] const std::string& from() const { return from_; }
  [[nodiscard]] const std::string& settle_to() const { return settle_to_; }
  /// All rows are counted, none is only remembered.
  [[nodiscard]] bool whole() const { return whole_; }
  /// Slices of `size` rows were asked for. True: there may be more.
  bool add(const Slice& slice, std::int64_t size);
  [[nodiscard]] Denials all(std::size_t project) const;

 private:
  friend class Watermark;
  std::string first_, from_, settle_to_;
  bool whole_;
  std::vector<Slice::Project> projects_;
  std::optional<std::string> usable_key_, settled_key_;
  std::int64_t rows_ = 0;
  std::int64_t oldest_ = 0, next_ = 0;  // as last seen; 0: no row was read
};

/// What is remembered from one look to the next, on one connection.
class Watermark {
 public:
  using Moment = std::chrono::steady_clock::time_point;

  /// How to look at these projects, which are all that are to be remembered.
  [[nodiscard]] Pass begin(std::span<const InPhase> asked, const Catalogue& catalogue,
                           const Timeouts& timeouts, Moment now) const;
  /// Remembers what the pass found, and returns each project's denials. `seen_at`: database time of the look.
  std::vector<Denials> end(std::span<const InPhase> asked, const Pass& pass, const Timeouts& timeouts,
                           Moment now, Time seen_at);
  /// How many denials of that project there were, of whatever phase, when all were counted last. 0: not
  /// known.
  [[nodiscard]] std::int64_t denials_of(std::string_view project) const;
  /// So many audit rows there were then.
  [[nodiscard]] std::int64_t rows() const { return rows_; }

 private:
  struct Remembered {
    std::int64_t ordinal = 0;
    Denials settled;
    std::int64_t denials = 0;  // of whatever phase
  };
  /// A key that becomes the watermark once nobody can be writing below it any more, as far as that is known.
  struct Next {
    std::string key;
    Moment seen_at;
    std::int64_t transaction;  // those before it may have been writing then
    bool settled = false;      // they have ended
  };

  std::map<std::string, Remembered, std::less<>> projects_;
  std::int64_t rows_ = 0;
  std::optional<std::string> key_;  // none: nothing was counted yet
  std::optional<Next> next_;
  Moment counted_at_{}, recount_at_{};
  Time seen_at_{};
};

/// Runs the pass to its end. A failure leaves it of no use.
std::optional<SqlFailure> count_denials(Connection& connection, const Catalogue& catalogue,
                                        const Timeouts& timeouts, std::span<const InPhase> asked, Pass& pass);

}  // namespace rls::postgres
