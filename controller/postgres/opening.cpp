#include "controller/postgres/opening.hpp"

#include <array>

#include "controller/base/text.hpp"
#include "controller/postgres/sql.hpp"

namespace rls::postgres {
namespace {

constexpr std::int64_t kSchemaVersion = 6;
constexpr std::int64_t kOldestServer = 130000;

Error not_primary(bool in_recovery) {
  return transient("NotPrimary", in_recovery ? "a standby answered; only the primary is read and written"
                                             : "the database is read-only (default_transaction_read_only)");
}

}  // namespace

Error schema_not_ours(const Hello& hello) {
  const std::string ours = "rls_operator";
  if (!hello.schema_is_there) {
    return terminal("MissingPrivilege", "role " + hello.role + " may not create schema " + ours +
                                            " in database " + hello.database +
                                            "; run as a DBA: CREATE SCHEMA " + ours + " AUTHORIZATION " +
                                            hello.role + ";");
  }
  return terminal("MissingPrivilege", "schema " + ours + " in database " + hello.database +
                                          " belongs to another role than " + hello.role +
                                          "; if it was made for the operator, run as a DBA: ALTER SCHEMA " +
                                          ours + " OWNER TO " + hello.role + ";");
}

namespace {

/// What a person names to take the claim over. The number makes that a yes counts once: after a take-over the
/// claim has another one, so that two owners who both say yes do not fight.
std::string claim_name(std::string_view install_id, std::int64_t number) {
  return std::string(install_id) + (number == 1 ? "" : "@" + std::to_string(number));
}

std::string annotate(const Claimant& claimant, std::string_view annotation, std::string_view value) {
  return "kubectl --namespace " + claimant.database.ns + " annotate rlsdatabase " + claimant.database.name +
         " " + std::string(annotation) + "=" + std::string(value) + " --overwrite";
}

}  // namespace

std::optional<Error> refuse_system(const Claimant& claimant, std::string_view system_identifier) {
  if (claimant.known_system.empty() || claimant.known_system == system_identifier ||
      claimant.accept_system == system_identifier) {
    return std::nullopt;
  }
  return terminal(
      "DatabaseChanged",
      "another server answers: system identifier " + std::string(system_identifier) + ", " +
          claimant.known_system +
          " was known. Point the Secret back, or, if the change is meant (pg_upgrade, restore), run: " +
          annotate(claimant, api::kAcceptSystemAnnotation, system_identifier));
}

Result<Hello> greet(Connection& connection, const Timeouts& timeouts) {
  // First of all and by itself: names are looked up when a statement is parsed, and a function or operator of
  // a user who may create in a schema of the path would be run as us wherever it fits better than the
  // server's own.
  const Reply path = connection.script(
      "search_path", "SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', false)");
  if (!path.ok()) return to_error(*path.failure, "set the search path");
  const std::array<std::string, 2> parameters = {std::to_string(timeouts.statement.count()),
                                                 std::to_string(timeouts.lock.count())};
  const Reply reply = connection.run("hello", sql::hello, parameters);
  if (!reply.ok()) return to_error(*reply.failure, "ask the server who it is");
  const Rows& rows = reply.rows;
  if (rows.boolean(0, 3) || rows.boolean(0, 4)) return not_primary(rows.boolean(0, 3));
  Hello hello;
  hello.server_version = rows.text(0, 6);
  if (rows.integer(0, 5) < kOldestServer) {
    return terminal("UnsupportedServer", "the server is PostgreSQL " + hello.server_version +
                                             "; 13 is the oldest that is supported");
  }
  hello.utf8 = rows.text(0, 7) == "UTF8";
  hello.role = rows.text(0, 8);
  hello.database = rows.text(0, 9);
  hello.may_create_schema = rows.boolean(0, 10);
  hello.schema_is_there = !rows.is_null(0, 11);
  hello.schema_is_ours = rows.boolean(0, 11);
  hello.version_is_there = rows.boolean(0, 12);
  hello.search_path = rows.text(0, 13);
  hello.system_identifier = rows.text(0, 14);
  return hello;
}

Result<void> lock_installation(Connection& connection, std::string_view doing) {
  constexpr std::string_view kThere = "SELECT to_regclass('rls_operator.version') IS NOT NULL";
  constexpr std::string_view kLock = "LOCK TABLE rls_operator.version IN SHARE ROW EXCLUSIVE MODE";
  Reply there = connection.script("version_there", kThere);
  if (!there.ok()) return to_error(*there.failure, doing);
  if (!there.rows.boolean(0, 0)) {
    const Reply first =
        connection.script("lock_first", "SELECT pg_advisory_xact_lock(hashtext('rls_operator schema'))");
    if (!first.ok()) {
      Error error = to_error(*first.failure, doing);
      if (error.reason == "LockTimeout") {
        error.message +=
            "; another session holds the advisory lock of the first installation: pg_locks has it (locktype "
            "advisory); end that session if it is not an operator's";
      }
      return error;
    }
    // Somebody may have been first.
    there = connection.script("version_there", kThere);
    if (!there.ok()) return to_error(*there.failure, doing);
    if (!there.rows.boolean(0, 0)) return {};
  }
  if (const Reply locked = connection.script("lock_version", kLock); !locked.ok())
    return to_error(*locked.failure, doing);
  return {};
}

Result<void> install_schema(Connection& connection, const Timeouts& timeouts, const Hello& hello) {
  constexpr std::string_view kDoing = "install schema rls_operator";
  // The owner's rights count, also where the schema is there: in somebody else's, tables could be swapped.
  if (hello.schema_is_there ? !hello.schema_is_ours : !hello.may_create_schema) return schema_not_ours(hello);
  Transaction transaction(connection, timeouts);
  if (const auto failure = transaction.begin()) return to_error(*failure, kDoing);
  if (auto locked = lock_installation(connection, kDoing); !locked) return locked.error();
  Reply reply = connection.script("schema_there",
                                  "SELECT to_regclass('rls_operator.version') IS NOT NULL, "
                                  "EXISTS (SELECT FROM pg_namespace WHERE nspname = 'rls_operator')");
  if (!reply.ok()) return to_error(*reply.failure, kDoing);
  std::int64_t version = 0;
  if (reply.rows.boolean(0, 0)) {
    const Reply found = connection.script("schema_version", "SELECT number FROM rls_operator.version");
    if (!found.ok()) return to_error(*found.failure, kDoing);
    if (found.rows.size() != 0) version = found.rows.integer(0, 0);
  }
  if (version > kSchemaVersion) {
    return terminal("SchemaTooNew", "schema rls_operator has version " + std::to_string(version) +
                                        " of a newer operator; this one knows " +
                                        std::to_string(kSchemaVersion));
  }
  if (version == kSchemaVersion) return {};
  // Not IF NOT EXISTS: that asks for CREATE on the database even where nothing is to be done.
  std::string script = reply.rows.boolean(0, 1) ? "" : "CREATE SCHEMA rls_operator;\n";
  // One script a version, each run once.
  if (version < 1) script += sql::schema_1;
  if (version < 2) script += sql::schema_2;
  if (version < 3) script += sql::schema_3;
  if (version < 4) script += sql::schema_4;
  if (version < 5) script += sql::schema_5;
  if (version < 6) script += sql::schema_6;
  if (reply = connection.script("install_schema", script); !reply.ok())
    return to_error(*reply.failure, kDoing);
  if (const auto failed = transaction.commit()) return to_error(failed->failure, kDoing);
  return {};
}

Result<State> read_state(Connection& connection, const Claimant& claimant) {
  const Reply reply = connection.run("state", sql::state);
  State state;
  if (!reply.ok()) {
    if (!is_stale_catalogue(*reply.failure)) return to_error(*reply.failure, "read schema rls_operator");
    state.needs_install = true;
    return state;
  }
  const Rows& rows = reply.rows;
  if (rows.boolean(0, 0) || rows.boolean(0, 1)) return not_primary(rows.boolean(0, 0));
  state.system_identifier = rows.text(0, 2);
  state.needs_install = rows.integer(0, 3) != kSchemaVersion || rows.is_null(0, 4);
  state.epoch = rows.integer(0, 4);
  state.holder = rows.text(0, 10);
  state.needs_claim = true;
  if (rows.is_null(0, 5)) return state;
  if (rows.text(0, 5) != claimant.install_id || rows.text(0, 6) != claimant.database.ns ||
      rows.text(0, 7) != claimant.database.name) {
    const std::string name = claim_name(rows.text(0, 5), rows.integer(0, 9));
    if (claimant.take_over != name) {
      return terminal("Claimed", "the database belongs to RlsDatabase " + std::string(rows.text(0, 6)) + "/" +
                                     std::string(rows.text(0, 7)) + " of installation " +
                                     quoted(rows.text(0, 5)) + "; to take it over from there, run: " +
                                     annotate(claimant, api::kTakeOverAnnotation, name));
    }
    state.needs_claim = false;
    state.takes_over = rows.integer(0, 9);
    return state;
  }
  state.needs_claim = rows.text(0, 8) != claimant.database_uid;
  return state;
}

Result<void> take_claim(Connection& connection, const Claimant& claimant) {
  const std::array<std::string, 4> parameters = {claimant.install_id, claimant.database.ns,
                                                 claimant.database.name, claimant.database_uid};
  const Reply reply = connection.run("take_claim", sql::take_claim, parameters);
  if (!reply.ok()) return to_error(*reply.failure, "claim the database");
  return {};
}

Result<void> take_over(Connection& connection, const Timeouts& timeouts, const Claimant& claimant,
                       std::int64_t number) {
  constexpr std::string_view kDoing = "take the database over";
  Transaction transaction(connection, timeouts);
  if (const auto failure = transaction.begin()) return to_error(*failure, kDoing);
  // The table, not the row: ever new holders of FOR SHARE would starve an UPDATE, and lock_timeout would not
  // end it.
  if (const Reply locked = connection.script("lock_claim", "LOCK TABLE rls_operator.claim IN EXCLUSIVE MODE");
      !locked.ok())
    return to_error(*locked.failure, kDoing);
  const std::array<std::string, 5> parameters = {claimant.install_id, claimant.database.ns,
                                                 claimant.database.name, claimant.database_uid,
                                                 std::to_string(number)};
  const Reply reply = connection.run("take_over", sql::take_over, parameters);
  if (!reply.ok()) return to_error(*reply.failure, kDoing);
  // In doubt or not: who reads the claim again sees whose it is.
  return transaction.commit_repeatable(kDoing);
}

Result<std::int64_t> raise_epoch(Connection& connection, const Timeouts& timeouts, const Mandate& mandate,
                                 std::int64_t seen) {
  constexpr std::string_view kDoing = "raise the epoch in rls_operator.fence";
  const auto term = mandate.term_above(seen);
  if (!term) return term.error();
  Transaction transaction(connection, timeouts);
  if (const auto failure = transaction.begin()) return to_error(*failure, kDoing);
  if (const Reply ended = connection.run("end_leaders", sql::end_leaders); !ended.ok())
    return to_error(*ended.failure, kDoing);
  // The table, not the row: ever new holders of FOR SHARE would starve an UPDATE, and lock_timeout would not
  // end it.
  if (const Reply locked = connection.script("lock_fence", "LOCK TABLE rls_operator.fence IN EXCLUSIVE MODE");
      !locked.ok())
    return to_error(*locked.failure, kDoing);
  const std::array<std::string, 2> parameters = {std::to_string(*term), mandate.holder};
  const Reply reply = connection.run("raise_epoch", sql::raise_epoch, parameters);
  if (!reply.ok()) return to_error(*reply.failure, kDoing);
  if (reply.rows.size() == 0) {
    return transient("NotLeading", "another leader has raised the epoch in rls_operator.fence just now");
  }
  // In doubt or not: the next look at the fence shows whether we hold it.
  if (const auto committed = transaction.commit_repeatable(kDoing); !committed) return committed.error();
  return *term;
}

}  // namespace rls::postgres
