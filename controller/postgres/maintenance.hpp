#pragma once
// What people do by hand with a managed runtime (rlsctl): install it, take it away, look at what was noted
// and say what it is. Beside a running operator all of this is harmless: the same locks, the same functions.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "controller/api/phase.hpp"
#include "controller/base/result.hpp"
#include "controller/base/seam.hpp"
#include "controller/base/time.hpp"
#include "controller/postgres/dsn.hpp"
#include "controller/postgres/transaction.hpp"

namespace rls::postgres {

/// A kind of violation: the same statement of the same application on the same table.
struct ViolationKind {
  std::string fingerprint;
  std::string project;  ///< empty: without a context
  std::string table, operation, user, application;
  std::string query;  ///< without values; empty where they could not be taken out for sure
  bool certain = false;
  std::int64_t count = 0;  ///< since the phase began and since a verdict fixed
  std::int64_t total = 0;
  std::optional<Time> last;
  std::string verdict, by, comment;  ///< empty where there is none
};

class Maintenance {
 public:
  /// Connects, and proves that it is the primary. Errors as ProjectDatabase::open.
  static Result<std::unique_ptr<Maintenance>> connect(const ConnectionSettings& settings,
                                                      const Timeouts& timeouts, Seam& seam);
  virtual ~Maintenance() = default;

  /// Schema rls_operator and the runtime in `schema`; nothing where they are there. True: something was done.
  virtual Result<bool> install(std::string_view schema) = 0;

  /// Takes every table out of protection, one a transaction, then the runtime itself. The ledger, the
  /// verdicts and the archive in schema rls_operator stay. Refused (terminal): RuntimeInUse where a project
  /// is not in pending, an operator is connected, or something of somebody else's depends on the runtime;
  /// MissingTable where there is no runtime. `tell` is called with a sentence for each step. A table that
  /// somebody holds is LockTimeout (transient): what was done stays done, and the next call goes on.
  virtual Result<void> uninstall(const std::function<void(const std::string&)>& tell) = 0;

  /// Kinds of violations of this phase, newest first; `project` empty: of all. `unreviewed`: without a
  /// verdict alone.
  virtual Result<std::vector<ViolationKind>> kinds(const std::string& project, bool unreviewed) = 0;

  /// A verdict (false-positive, fixed, real) on kinds; how many there were. Terminal UnknownViolation, and
  /// nothing is written, where one of them is not there.
  virtual Result<std::int64_t> review(std::span<const std::string> fingerprints, const std::string& verdict,
                                      const std::string& by, const std::string& comment) = 0;

  /// The brake (R-A4): the project goes down to `to` at once and stays there until somebody resumes it. An
  /// annotation `resume` of before, `resumed`, is counted as followed: it does not clear this hold. `by`
  /// empty: the role that is connected. Terminal, and nothing is written: UnknownProject; HeldLower where it
  /// is held below `to` already, which this would loosen; MissingTable where no operator ever was here.
  virtual Result<void> hold(const std::string& project, Phase to, const std::string& reason,
                            const std::string& by, const std::string& resumed) = 0;
};

}  // namespace rls::postgres
