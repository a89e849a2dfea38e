#include "controller/postgres/sql_database.hpp"

#include <algorithm>
#include <utility>

#include "controller/base/log.hpp"
#include "controller/postgres/moving.hpp"
#include "controller/postgres/opening.hpp"
#include "controller/postgres/reporting.hpp"
#include "controller/postgres/runtime.hpp"

namespace rls::postgres {
namespace {

constexpr std::string_view kLogger = "postgres";

class SqlDatabase final : public ProjectDatabase {
 public:
  SqlDatabase(ConnectionSettings settings, std::string schema, bool managed, Timeouts timeouts, Seam& seam)
      : settings_(std::move(settings)),
        schema_(std::move(schema)),
        managed_(managed),
        timeouts_(timeouts),
        seam_(seam) {}

  Result<DatabaseFacts> open(const Claimant& claimant) override;
  Result<std::vector<decide::Observation>> observe(std::span<const ProjectQuery> queries,
                                                   Counting counting) override {
    return with<std::vector<decide::Observation>>(
        [&](OpenDatabase& database) { return postgres::observe(database, queries, counting); });
  }
  Result<std::vector<MoveResult>> move(std::span<const Move> moves, const DecideAgain& again) override;
  Result<std::vector<std::vector<api::HistoryEntry>>> history(
      std::span<const std::string> projects) override {
    return with<std::vector<std::vector<api::HistoryEntry>>>(
        [&](OpenDatabase& database) { return postgres::history(database, projects); });
  }
  Result<std::vector<api::ViolationsStatus>> violations(std::span<const std::string> projects) override {
    // Known since `open`, and no reason to look again.
    if (known_ && !known_->catalogue.violations_unknown_because.empty()) {
      return terminal("MissingTable",
                      "violations cannot be read: " + known_->catalogue.violations_unknown_because);
    }
    return with<std::vector<api::ViolationsStatus>>(
        [&](OpenDatabase& database) { return postgres::violations(database, projects); });
  }
  Result<std::map<std::string, std::int64_t>> count_by_phase() override {
    return with<std::map<std::string, std::int64_t>>(
        [&](OpenDatabase& database) { return postgres::count_by_phase(database); });
  }
  Result<api::AdoptedStatus> describe() override {
    return with<api::AdoptedStatus>(
        [&](OpenDatabase& database) { return postgres::describe(database, known_->audit_refused); });
  }
  Result<std::optional<RuntimeReport>> tend(const RuntimeWish& wish) override;
  void interrupt() override { line_.cut(); }

 private:
  /// What is known of the database behind the present connection.
  struct Known {
    Hello hello;
    Catalogue catalogue;
    PolicyCache policies;
    Tally tally;
    std::string audit_refused;  // by the table itself, when we tried
  };

  Result<DatabaseFacts> open_once(const Claimant& claimant);
  Result<void> prepare(const Claimant& claimant);
  Result<DatabaseFacts> accept(State state);
  Result<void> begin_epoch(State& state);
  Result<std::vector<MoveResult>> settle(InDoubt doubt);
  std::optional<Error> not_open() const;
  OpenDatabase opened() {
    return {*connection_,     known_->catalogue, timeouts_,
            claimant_,        *epoch_,           known_->hello.utf8,
            known_->policies, known_->tally,     known_->hello.search_path};
  }
  /// An error may mean that what we know does not hold any more: then the next `open` looks anew.
  void learn_from(const Error& error);

  template <class T, class Call>
  Result<T> with(const Call& call) {
    if (auto error = not_open()) return *error;
    OpenDatabase database = opened();
    Result<T> result = call(database);
    if (!result) learn_from(result.error());
    return result;
  }

  const ConnectionSettings settings_;
  const std::string schema_;
  const bool managed_;
  const Timeouts timeouts_;
  Seam& seam_;
  Line line_;
  std::unique_ptr<Connection> connection_;
  std::optional<Known> known_;
  std::optional<std::int64_t> epoch_;  // as first seen: who meets a higher one is not the leader any more
  Claimant claimant_;
};

Result<DatabaseFacts> SqlDatabase::open(const Claimant& claimant) {
  auto facts = open_once(claimant);
  if (!facts) learn_from(facts.error());
  return facts;
}

Result<DatabaseFacts> SqlDatabase::open_once(const Claimant& claimant) {
  claimant_ = claimant;
  if (connection_ == nullptr || !connection_->usable()) {
    known_.reset();
    connection_.reset();
    auto connected = Connection::connect(settings_, seam_, line_, timeouts_.client());
    if (const auto* failure = std::get_if<SqlFailure>(&connected))
      return to_connect_error(*failure, settings_.where);
    connection_ = std::move(std::get<0>(connected));
  }
  if (!known_) {
    if (auto prepared = prepare(claimant); !prepared) return prepared.error();
  }
  auto state = read_state(*connection_, claimant);
  if (!state) return state.error();
  if (auto changed = refuse_system(claimant, state->system_identifier)) return *changed;
  // The schema went away under us (a restore, a person), or there is a yes to take over: once.
  if (state->needs_install || state->needs_claim || state->takes_over) {
    known_.reset();
    if (auto prepared = prepare(claimant); !prepared) return prepared.error();
    state = read_state(*connection_, claimant);
    if (!state) return state.error();
  }
  return accept(*state);
}

/// Everything that is done once a connection, or again when something turned out not to hold any more.
Result<void> SqlDatabase::prepare(const Claimant& claimant) {
  auto hello = greet(*connection_, timeouts_);
  if (!hello) return hello.error();
  // Before anything is written.
  if (auto changed = refuse_system(claimant, hello->system_identifier)) return *changed;
  // In a schema of somebody else's, ledger, clocks and holds could be made up.
  if (hello->schema_is_there && !hello->schema_is_ours) return schema_not_ours(*hello);
  // Where the version is there, an installation that turns out to be older is found by reading it.
  if (!hello->version_is_there) {
    if (auto installed = install_schema(*connection_, timeouts_, *hello); !installed)
      return installed.error();
  }
  auto state = read_state(*connection_, claimant);
  if (!state) return state.error();
  if (state->needs_install) {
    if (auto installed = install_schema(*connection_, timeouts_, *hello); !installed)
      return installed.error();
    state = read_state(*connection_, claimant);
    if (!state) return state.error();
  }
  if (state->needs_claim) {
    if (auto claimed = take_claim(*connection_, claimant); !claimed) return claimed.error();
  }
  if (state->takes_over) {
    if (auto taken = take_over(*connection_, timeouts_, claimant, *state->takes_over); !taken)
      return taken.error();
    log::warn(kLogger, "the database was taken over from another owner",
              {{"database", settings_.where}, {"by", claimant.database.str()}});
  }
  if (managed_) {
    if (auto installed = install_runtime(*connection_, timeouts_, schema_, *hello); !installed)
      return installed.error();
  }
  auto catalogue = read_catalogue(*connection_, schema_, hello->role, managed_);
  if (!catalogue) return catalogue.error();
  if (!catalogue->no_audit_rows_because.empty()) {
    log::warn(kLogger, "moves are not mirrored into the audit table; the ledger has them",
              {{"database", settings_.where}, {"why", catalogue->no_audit_rows_because}});
  }
  known_ = Known{std::move(*hello), std::move(*catalogue), {}, {}, {}};
  return {};
}

Result<DatabaseFacts> SqlDatabase::accept(State state) {
  if (state.needs_install || state.needs_claim || state.takes_over) {
    return transient("DatabaseError", "schema rls_operator changes while it is read");
  }
  const bool known = claimant_.epoch && claimant_.epoch_system == state.system_identifier;
  if (!epoch_ && known) epoch_ = *claimant_.epoch;
  // A number that went back is of no newer leader: the schema was restored, or made anew.
  if (!epoch_ || state.epoch < *epoch_) {
    if (auto begun = begin_epoch(state); !begun) return begun.error();
  }
  if (*epoch_ != state.epoch) {
    return terminal("FenceLost", "another leader has raised the epoch from " + std::to_string(*epoch_) +
                                     " to " + std::to_string(state.epoch) +
                                     "; this process may not write any more");
  }
  return DatabaseFacts{.server_version = known_->hello.server_version,
                       .system_identifier = state.system_identifier,
                       .epoch = state.epoch};
}

/// Our leadership begins here, or it begins again.
Result<void> SqlDatabase::begin_epoch(State& state) {
  if (claimant_.mandate == nullptr) return transient("NotLeading", "this process does not lead");
  // Raised by us already, and the answer was lost; or by an earlier leadership of ours.
  if (!epoch_ && state.holder == claimant_.mandate->holder) {
    epoch_ = state.epoch;
    return {};
  }
  const std::int64_t above = epoch_ ? *epoch_ - 1 : state.epoch;
  auto raised = raise_epoch(*connection_, timeouts_, *claimant_.mandate, std::max(above, state.epoch));
  if (!raised) return raised.error();
  epoch_ = state.epoch = *raised;
  log::info(kLogger, "leading in this database", {{"database", settings_.where}, {"epoch", *raised}});
  return {};
}

Result<std::optional<RuntimeReport>> SqlDatabase::tend(const RuntimeWish& wish) {
  if (!managed_) return std::optional<RuntimeReport>{};
  if (auto error = not_open()) return *error;
  OpenDatabase database = opened();
  // Whatever is wrong with the runtime, what is known of the phases still holds.
  auto report = postgres::tend(database, wish);
  if (!report) return report.error();
  return std::optional(std::move(report).value());
}

std::optional<Error> SqlDatabase::not_open() const {
  if (connection_ != nullptr && connection_->usable() && known_ && epoch_) return std::nullopt;
  return transient("DatabaseUnreachable", "there is no connection to " + settings_.where);
}

void SqlDatabase::learn_from(const Error& error) {
  const bool known_fits = error.reason != "MissingTable" && error.reason != "MissingColumn" &&
                          error.reason != "MissingPrivilege" && error.reason != "UnsupportedTable" &&
                          error.reason != "DatabaseError";
  if (!known_fits) known_.reset();
}

Result<std::vector<MoveResult>> SqlDatabase::move(std::span<const Move> moves, const DecideAgain& again) {
  bool careful = false, audit_held = false;
  std::optional<Error> held;
  // First all at once; each way in which that can fail is tried once: without audit rows, without the rows
  // that somebody holds, row by row.
  for (;;) {
    if (auto error = not_open()) return *error;
    OpenDatabase database = opened();
    const bool write_audit =
        known_->catalogue.no_audit_rows_because.empty() && known_->audit_refused.empty() && !audit_held;
    Attempt attempt =
        attempt_move(database, moves, again, {.careful = careful, .write_audit = write_audit, .held = held});
    if (auto* results = std::get_if<std::vector<MoveResult>>(&attempt)) return std::move(*results);
    if (auto* doubt = std::get_if<InDoubt>(&attempt)) return settle(std::move(*doubt));
    if (auto* error = std::get_if<Error>(&attempt)) {
      learn_from(*error);
      return std::move(*error);
    }
    if (auto* refused = std::get_if<AuditRefused>(&attempt)) {
      known_->audit_refused = refused->why;
      log::warn(
          kLogger, "the audit table refuses rows about moves; the ledger has them",
          {{"database", settings_.where}, {"table", known_->catalogue.audit_table}, {"why", refused->why}});
      continue;
    }
    if (auto* audit = std::get_if<AuditHeld>(&attempt)) {
      audit_held = true;
      log::warn(
          kLogger, "the audit table is held by somebody; the ledger alone has these moves down",
          {{"database", settings_.where}, {"table", known_->catalogue.audit_table}, {"why", audit->why}});
      continue;
    }
    if (auto* rows_held = std::get_if<RowsHeld>(&attempt)) {
      held = std::move(rows_held->error);
      continue;
    }
    const SqlFailure& failure = std::get<RowRefused>(attempt).failure;
    if (careful) return to_error(failure, "move projects");
    // A right that was taken away looks like a trigger that refuses: the catalogue knows which it is.
    if (failure.is("42501")) {
      auto catalogue = read_catalogue(*connection_, schema_, known_->hello.role, managed_);
      if (!catalogue) {
        learn_from(catalogue.error());
        return catalogue.error();
      }
    }
    careful = true;
  }
}

/// The COMMIT was not answered: asks the ledger, on a new connection. Never repeats anything.
Result<std::vector<MoveResult>> SqlDatabase::settle(InDoubt doubt) {
  const auto still_in_doubt = [&](const Error& error) {
    return in_doubt(
        "InDoubt",
        "the connection was lost at COMMIT, and what became of it could not be found out: " + error.message);
  };
  connection_.reset();
  if (auto facts = open(claimant_); !facts) return still_in_doubt(facts.error());
  OpenDatabase database = opened();
  const auto committed = was_committed(database, doubt);
  if (!committed) return still_in_doubt(committed.error());
  log::info(kLogger, "a COMMIT in doubt was found out",
            {{"database", settings_.where}, {"committed", *committed}});
  if (*committed) return std::move(doubt.if_committed);
  if (doubt.if_not.kind == ErrorKind::in_doubt) doubt.if_not.kind = ErrorKind::transient;
  return std::move(doubt.if_not);
}

}  // namespace

std::unique_ptr<ProjectDatabase> make_adopted_database(ConnectionSettings settings, std::string schema,
                                                       Timeouts timeouts, Seam& seam) {
  return std::make_unique<SqlDatabase>(std::move(settings), std::move(schema), false, timeouts, seam);
}

std::unique_ptr<ProjectDatabase> make_managed_database(ConnectionSettings settings, std::string schema,
                                                       Timeouts timeouts, Seam& seam) {
  return std::make_unique<SqlDatabase>(std::move(settings), std::move(schema), true, timeouts, seam);
}

}  // namespace rls::postgres
