#include "controller/postgres/runtime.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "controller/api/json_writer.hpp"
#include "controller/base/log.hpp"
#include "controller/base/text.hpp"
#include "controller/postgres/evidence.hpp"
#include "controller/postgres/sql.hpp"

namespace rls::postgres {
namespace {

constexpr std::string_view kLogger = "postgres";
constexpr std::int64_t kRuntimeVersion = 3;
// A waiting ACCESS EXCLUSIVE makes everybody else on the table wait behind it: short waits, some of them.
constexpr std::string_view kShortWait = "SET LOCAL lock_timeout = '100ms'";
constexpr int kWaits = 5;
// What waiting for tables may take of one look; those that are left are tried once.
constexpr std::chrono::seconds kPatience{5};
constexpr std::size_t kListed = 50, kDriftListed = 20;

/// It stands in SQL texts as it is: nothing that needs quoting.
bool is_plain_name(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
  return !name.empty() && name.size() <= 63 && letter(name.front()) && !name.starts_with("pg_") &&
         name != "rls_operator" && name != "information_schema" &&
         std::all_of(name.begin(), name.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

struct Installed {
  bool there = false;
  std::int64_t version = 0;
  std::string schema;
};

Result<Installed> read_installed(Connection& connection) {
  const Reply there =
      connection.script("runtime_there", "SELECT to_regclass('rls_operator.runtime') IS NOT NULL");
  if (!there.ok()) return to_error(*there.failure, "look for the managed runtime");
  if (!there.rows.boolean(0, 0)) return Installed{};
  const Reply reply = connection.run("runtime_state", sql::runtime_state);
  if (!reply.ok()) return to_error(*reply.failure, "read rls_operator.runtime");
  if (reply.rows.size() == 0) return Installed{};
  return Installed{true, reply.rows.integer(0, 0), std::string(reply.rows.text(0, 1))};
}

/// Of the tables that people know by name, one that is there already and not ours.
Result<void> refuse_foreign(Connection& connection, std::string_view schema) {
  const std::array<std::string, 1> parameters = {std::string(schema)};
  const Reply reply = connection.run("runtime_foreign", sql::runtime_foreign, parameters);
  if (!reply.ok()) return to_error(*reply.failure, "look into schema " + std::string(schema));
  if (reply.rows.size() == 0) return {};
  return terminal("RuntimeForeign",
                  "schema " + std::string(schema) + " holds " + quoted(reply.rows.text(0, 0), 80) +
                      ", which this operator did not make: use spec.runtime.mode Adopted for it, or another "
                      "spec.runtime.schema");
}

/// Who owns a schema or table can put another in its place.
Result<void> refuse_owners(Connection& connection, std::string_view schema) {
  const std::array<std::string, 1> parameters = {std::string(schema)};
  const Reply reply = connection.run("runtime_owners", sql::runtime_owners, parameters);
  if (!reply.ok()) return to_error(*reply.failure, "look who owns the managed runtime");
  if (reply.rows.size() == 0) return {};
  const std::string object(reply.rows.text(0, 0));
  return terminal("RuntimeNotOurs", object + " belongs to role " + quoted(reply.rows.text(0, 1), 63) +
                                        ", who could put something else in its place. If its content can be "
                                        "trusted, run as a DBA: ALTER " +
                                        object + " OWNER TO " + std::string(reply.rows.text(0, 2)) +
                                        "; else use another spec.runtime.schema");
}

Result<void> install_once(Connection& connection, const Timeouts& timeouts, std::string_view schema,
                          bool again) {
  constexpr std::string_view kDoing = "install the managed runtime";
  Transaction transaction(connection, timeouts);
  if (const auto failure = transaction.begin()) return to_error(*failure, kDoing);
  if (auto locked = lock_installation(connection, kDoing); !locked) return locked.error();
  // From here on what applications use is touched.
  const std::string settings = "SET LOCAL client_min_messages = warning; " + std::string(kShortWait);
  if (const Reply set = connection.script("install_settings", settings); !set.ok())
    return to_error(*set.failure, kDoing);
  const auto found = read_installed(connection);
  if (!found) return found.error();
  if (found->there && found->version == kRuntimeVersion && !again) return {};
  if (!found->there) {
    if (auto foreign = refuse_foreign(connection, schema); !foreign) return foreign.error();
  }
  if (auto owned = refuse_owners(connection, schema); !owned) return owned.error();
  std::string script = with_schema(sql::runtime_1, schema);
  script += with_schema(sql::runtime_tables, schema);
  script += with_schema(sql::runtime_notes, schema);
  if (const Reply reply = connection.script("install_runtime", script); !reply.ok()) {
    Error error = to_error(*reply.failure, kDoing);
    if (error.reason == "MissingPrivilege")
      error.message += "; run as a DBA what `rlsctl bootstrap-sql` prints";
    return error;
  }
  // What was not there before may have been made by somebody else just now.
  if (auto owned = refuse_owners(connection, schema); !owned) return owned.error();
  return transaction.commit_repeatable(kDoing);
}

/// Somewhere between two, so that two who wait for the same do not meet again.
void wait_a_little() {
  static thread_local std::minstd_rand random{std::random_device{}()};
  std::this_thread::sleep_for(std::chrono::milliseconds(50 + random() % 200));
}

/// Waits for what applications hold only for a moment each time: they would wait behind it.
Result<void> run_scripts(Connection& connection, const Timeouts& timeouts, std::string_view schema,
                         bool again) {
  for (int wait = 1;; ++wait) {
    auto installed = install_once(connection, timeouts, schema, again);
    if (installed || installed.error().reason != "LockTimeout" || wait == kWaits) return installed;
    wait_a_little();
  }
}

/// One table, as tend.sql tells of it.
struct Table {
  std::string relid, name, column, form, problem;
  bool is_protected = false, wanted = false, drifted = false;
};

struct Tables {
  std::vector<Table> tables;
  std::string wanted_form = "open";
  bool runtime_changed = false;
  std::string unregistered;
};

std::string wish_json(const RuntimeWish& wish) {
  api::JsonWriter json;
  json.begin_array();
  for (const api::TableSpec& table : wish.tables) {
    json.begin_object();
    json.key("name").value(table.name);
    json.key("column").value(table.project_column);
    json.end_object();
  }
  json.end_array();
  return json.take();
}

std::string_view level_name(api::AccessSpec::Level level) {
  switch (level) {
    case api::AccessSpec::Level::isolated: return "ISOLATED";
    case api::AccessSpec::Level::shared: return "SHARED";
    case api::AccessSpec::Level::super: return "SUPER";
  }
  return "ISOLATED";
}

std::string projects_json(const RuntimeWish& wish) {
  api::JsonWriter json;
  json.begin_array();
  for (const Registration& project : wish.projects) {
    json.begin_object();
    json.key("project").value(project.project);
    json.key("level").value(level_name(project.access.level));
    json.key("readable").begin_array();
    for (const std::string& readable : project.access.readable) json.value(readable);
    json.end_array().end_object();
  }
  json.end_array();
  return json.take();
}

Result<Tables> regular_work(OpenDatabase& database, const RuntimeWish& wish) {
  constexpr std::string_view kDoing = "tend the managed runtime";
  std::string projects = projects_json(wish);
  if (projects == database.tally.registered) projects.clear();
  const auto older = std::chrono::duration_cast<std::chrono::seconds>(wish.audit_retention).count();
  const std::array<std::string, 3> parameters = {wish_json(wish), projects, std::to_string(older)};

  Transaction transaction(database.connection, database.timeouts);
  if (const auto failure = transaction.begin()) return to_error(*failure, kDoing);
  if (const auto passed = pass_fence(database); !passed) return passed.error();
  const Reply reply = database.connection.run("tend", sql::tend, parameters);
  if (!reply.ok()) return to_error(*reply.failure, kDoing);
  if (auto committed = transaction.commit_repeatable(kDoing); !committed) return committed.error();

  const Rows& rows = reply.rows;
  Tables out;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    out.wanted_form = rows.text(row, 8);
    out.runtime_changed = rows.boolean(row, 9);
    out.unregistered = rows.text(row, 10);
    if (rows.is_null(row, 1)) continue;
    out.tables.push_back({.relid = std::string(rows.text(row, 0)),
                          .name = std::string(rows.text(row, 1)),
                          .column = std::string(rows.text(row, 2)),
                          .form = std::string(rows.text(row, 4)),
                          .problem = std::string(rows.text(row, 7)),
                          .is_protected = !rows.is_null(row, 3),
                          .wanted = rows.boolean(row, 5),
                          .drifted = rows.boolean(row, 6)});
  }
  // Who could not be registered is tried again at the next look.
  if (!projects.empty()) database.tally.registered = out.unregistered.empty() ? projects : "";
  return out;
}

/// What regular_work() has left in a full inbox, each portion in a transaction of its own, as long as
/// patience lasts.
Result<void> drain_more(OpenDatabase& database) {
  constexpr std::string_view kDoing = "take in what was noted";
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < until) {
    Transaction transaction(database.connection, database.timeouts);
    if (const auto failure = transaction.begin()) return to_error(*failure, kDoing);
    if (const auto passed = pass_fence(database); !passed) return passed.error();
    const Reply reply = database.connection.run("drain_more", sql::drain_more);
    if (!reply.ok()) return to_error(*reply.failure, kDoing);
    if (reply.rows.is_null(0, 0)) return {};
    if (auto committed = transaction.commit_repeatable(kDoing); !committed) return committed.error();
  }
  return {};
}

std::string describe_blocker(OpenDatabase& database, const std::string& table) {
  const std::array<std::string, 1> parameters = {table};
  const Reply reply = database.connection.run("relation_blocker", sql::relation_blocker, parameters);
  if (!reply.ok() || reply.rows.size() == 0) return "somebody";
  return "pid " + std::string(reply.rows.text(0, 0)) + " (application " + quoted(reply.rows.text(0, 1), 64) +
         ", role " + quoted(reply.rows.text(0, 2), 64) + ", open for " + std::string(reply.rows.text(0, 3)) +
         " s)";
}

/// Works on the tables one by one; what went wrong with one is told and hurts no other.
class Keeper {
 public:
  explicit Keeper(OpenDatabase& database)
      : database_(database), until_(std::chrono::steady_clock::now() + kPatience) {}

  /// An Error: no table can be worked on any further.
  std::optional<Error> bring(const Table& table, const std::string& form);
  /// By table, why it is not as it should be.
  [[nodiscard]] const std::map<std::string, std::string>& problems() const { return problems_; }
  [[nodiscard]] bool changed() const { return changed_; }

 private:
  std::optional<Error> in_transaction(std::string_view name, std::string_view statement,
                                      std::span<const std::string> parameters, std::string_view setting,
                                      std::string_view doing);
  /// Whether others may be tried: notes what is wrong with this one.
  std::optional<Error> note(const Table& table, const Error& error);

  OpenDatabase& database_;
  const std::chrono::steady_clock::time_point until_;
  std::map<std::string, std::string> problems_;
  bool changed_ = false;
};

std::optional<Error> Keeper::in_transaction(std::string_view name, std::string_view statement,
                                            std::span<const std::string> parameters, std::string_view setting,
                                            std::string_view doing) {
  Transaction transaction(database_.connection, database_.timeouts);
  if (const auto failure = transaction.begin()) return to_error(*failure, doing);
  if (const auto passed = pass_fence(database_); !passed) return passed.error();
  if (!setting.empty()) {
    if (const Reply set = database_.connection.script("lock_timeout", setting); !set.ok())
      return to_error(*set.failure, doing);
  }
  if (const Reply reply = database_.connection.run(name, statement, parameters); !reply.ok())
    return to_error(*reply.failure, doing);
  if (auto committed = transaction.commit_repeatable(doing); !committed) return committed.error();
  return std::nullopt;
}

std::optional<Error> Keeper::note(const Table& table, const Error& error) {
  if (error.reason == "FenceLost" || error.reason == "Claimed" || !database_.connection.usable())
    return error;
  problems_[table.name] = error.message;
  return std::nullopt;
}

std::optional<Error> Keeper::bring(const Table& table, const std::string& form) {
  // At first, and again before everything depends on who is registered.
  if (form != "none" && (!table.is_protected || (table.form == "open" && form != "open"))) {
    const std::array<std::string, 2> parameters = {table.relid, table.column};
    if (const auto error = in_transaction("register_found", sql::register_found, parameters, "",
                                          "look for the projects in " + table.name))
      return note(table, *error);
  }
  const std::array<std::string, 3> parameters = {table.relid, table.column, form};
  for (int wait = 1;; ++wait) {
    const auto error = in_transaction("set_form", sql::set_form, parameters, kShortWait,
                                      "bring " + table.name + " into the form " + quoted(form));
    if (!error) break;
    const bool held = error->reason == "LockTimeout";
    if (!held) return note(table, *error);
    problems_[table.name] =
        error->message + "; held by " + log::redacted(describe_blocker(database_, table.name));
    if (wait == kWaits || std::chrono::steady_clock::now() >= until_) {
      log::warn(kLogger, "a table is held by somebody and could not be brought into its form",
                {{"table", table.name}, {"form", form}, {"err", problems_[table.name]}});
      return std::nullopt;
    }
    wait_a_little();
  }
  changed_ = true;
  problems_.erase(table.name);
  log::info(kLogger, "a table's protection has another form",
            {{"table", table.name}, {"from", table.is_protected ? table.form : "none"}, {"to", form}});
  return std::nullopt;
}

std::string state_name(const Table& table) {
  if (!table.is_protected) return "Unprotected";
  return table.form == "open" ? "Open" : table.form == "noting" ? "Noting" : "Quiet";
}

/// Tables whose policies are of another version of the runtime.
Result<std::set<std::string>> read_outdated(OpenDatabase& database) {
  const Reply reply = database.connection.run("outdated_forms", sql::outdated_forms);
  if (!reply.ok()) return to_error(*reply.failure, "read the versions of the tables' policies");
  std::set<std::string> out;
  for (std::size_t row = 0; row < reply.rows.size(); ++row) out.emplace(reply.rows.text(row, 0));
  return out;
}

Result<std::vector<api::Finding>> read_findings(OpenDatabase& database) {
  const Reply reply = database.connection.run("findings", sql::findings);
  if (!reply.ok()) return to_error(*reply.failure, "look for what row-level security breaks");
  std::vector<api::Finding> out;
  for (std::size_t row = 0; row < reply.rows.size(); ++row) {
    const auto text = [&](int column) { return truncated(reply.rows.text(row, column), 300); };
    out.push_back(
        {.id = text(0), .severity = text(1), .object = text(2), .message = text(3), .remedy = text(4)});
  }
  return out;
}

}  // namespace

std::string with_schema(std::string_view script, std::string_view schema) {
  constexpr std::string_view kPlace = "{{schema}}";
  std::string out;
  for (std::size_t at = 0;;) {
    const std::size_t place = script.find(kPlace, at);
    out += script.substr(at, place == script.npos ? place : place - at);
    if (place == script.npos) return out;
    out += schema;
    at = place + kPlace.size();
  }
}

Result<void> install_runtime(Connection& connection, const Timeouts& timeouts, std::string_view schema,
                             const Hello& hello) {
  if (!is_plain_name(schema)) {
    return terminal(
        "InvalidSpec",
        "spec.runtime.schema must be a plain name for a managed runtime: lower-case letters, digits "
        "and _, not beginning with a digit or pg_, and not rls_operator");
  }
  const auto found = read_installed(connection);
  if (!found) return found.error();
  if (found->version > kRuntimeVersion) {
    return terminal("SchemaTooNew", "the managed runtime has version " + std::to_string(found->version) +
                                        " of a newer operator; this one knows " +
                                        std::to_string(kRuntimeVersion));
  }
  if (found->there && found->schema != schema) {
    return terminal("RuntimeElsewhere", "the managed runtime of database " + hello.database +
                                            " is installed in schema " + quoted(found->schema, 63) +
                                            ": set spec.runtime.schema back to it");
  }
  if (found->version == kRuntimeVersion) return refuse_owners(connection, schema);
  if (auto installed = run_scripts(connection, timeouts, schema, false); !installed) return installed.error();
  log::info(kLogger, "the managed runtime is installed", {{"schema", schema}, {"version", kRuntimeVersion}});
  return {};
}

Result<RuntimeReport> tend(OpenDatabase& database, const RuntimeWish& wish) {
  std::vector<std::string> drift;
  const auto tell = [&](std::string what, bool mended) {
    log::warn(kLogger,
              mended ? "somebody changed the runtime; it was put back" : "somebody changed the runtime",
              {{"what", what}});
    if (drift.size() < kDriftListed) drift.push_back(std::move(what) + (mended ? "; put back" : ""));
  };
  const bool mends = wish.repair == api::Repair::automatic;
  bool made_anew = false;
  auto seen = regular_work(database, wish);
  // A table or function of the runtime is gone.
  if (!seen && mends && seen.error().kind == ErrorKind::terminal && database.connection.usable()) {
    if (auto again = run_scripts(database.connection, database.timeouts, database.catalogue.schema, true);
        !again)
      return again.error();
    made_anew = true;
    tell("objects of the runtime were missing", true);
    seen = regular_work(database, wish);
  }
  if (!seen) return seen.error();
  if (seen->runtime_changed) {
    if (mends) {
      const auto again = run_scripts(database.connection, database.timeouts, database.catalogue.schema, true);
      // Held by somebody: it is tried again at the next look, and the tables are looked after now.
      if (!again && again.error().reason != "LockTimeout") return again.error();
      made_anew = again.ok();
    }
    tell("functions, triggers or rights of the runtime are not those that were installed", made_anew);
  }
  if (auto drained = drain_more(database); !drained) return drained.error();
  Keeper keeper(database);
  const auto outdated = read_outdated(database);
  if (!outdated) return outdated.error();
  for (const Table& table : seen->tables) {
    std::optional<Error> error;
    if (table.drifted) {
      tell("policies, triggers or settings of " + table.name + " are not those that were installed", mends);
    }
    if (!table.wanted) {
      if (seen->wanted_form == "open") error = keeper.bring(table, "none");
    } else if (table.problem.empty() && (!table.is_protected || table.form != seen->wanted_form ||
                                         outdated->contains(table.relid) || (table.drifted && mends))) {
      error = keeper.bring(table, seen->wanted_form);
    }
    if (error) return *error;
  }
  if (keeper.changed() || made_anew) {
    // From now on it is recorded, and the status tells what is there now.
    seen = regular_work(database, wish);
    if (!seen) return seen.error();
    database.tally.findings.reset();
  }
  auto watched = watch_policies(database);
  if (const auto* failure = std::get_if<SqlFailure>(&watched))
    return to_error(*failure, "read whether denials are recorded");
  const PolicyWatch& watch = std::get<0>(watched);
  if (!database.tally.findings) {
    auto findings = read_findings(database);
    if (!findings) return findings.error();
    database.tally.findings = std::move(findings).value();
  }

  RuntimeReport report;
  report.findings = *database.tally.findings;
  api::RuntimeStatus& status = report.status;
  status.version = watch.version;
  status.policy_hash = watch.hash;
  status.drift = std::move(drift);
  status.recorded_since = watch.recorded_since;
  status.old_sessions = watch.old_sessions < 0 ? std::nullopt : std::optional(watch.old_sessions);
  status.without_context = watch.without_context;
  status.evidence = {.state = watch.evidence.state == decide::Evidence::State::complete  ? "Complete"
                              : watch.evidence.state == decide::Evidence::State::unknown ? "Unknown"
                                                                                         : "Incomplete",
                     .tables = watch.tables,
                     .recorded = watch.recorded,
                     .reads = watch.evidence.reads,
                     .message = watch.evidence.why};
  const auto not_ready = [&](const std::string& why) {
    if (status.not_ready_because.empty()) status.not_ready_because = why;
  };
  for (const Table& table : seen->tables) {
    if (table.wanted) ++status.tables;
    if (table.wanted && table.is_protected && table.problem.empty()) ++status.protected_tables;
    const auto tried = keeper.problems().find(table.name);
    std::string message = tried != keeper.problems().end() ? tried->second : table.problem;
    if (table.wanted && !message.empty()) not_ready(table.name + ": " + message);
    if (table.wanted && message.empty() && table.form != seen->wanted_form)
      not_ready(table.name + " is not in the form " + quoted(seen->wanted_form) + " yet");
    status.list.push_back({table.name, table.column, state_name(table), std::move(message)});
  }
  std::stable_sort(status.list.begin(), status.list.end(),
                   [](const auto& a, const auto& b) { return a.message.empty() < b.message.empty(); });
  if (status.list.size() > kListed) status.list.resize(kListed);
  if (status.tables == 0) not_ready("spec.tables matches no table");
  if (!seen->unregistered.empty()) not_ready(seen->unregistered);
  return report;
}

}  // namespace rls::postgres
