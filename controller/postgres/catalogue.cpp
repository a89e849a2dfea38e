#include "controller/postgres/catalogue.hpp"

#include <array>
#include <initializer_list>
#include <optional>
#include <set>
#include <vector>

#include "controller/base/text.hpp"
#include "controller/postgres/sql.hpp"

namespace rls::postgres {
namespace {

constexpr std::string_view kStatusTable = "rls_migration_status";
constexpr std::string_view kAuditTable = "rls_audit_log";
constexpr std::string_view kRegistryTable = "project_registry";

using Names = std::initializer_list<std::string_view>;  // most usual first
const Names kProject = {"project_id", "project", "tenant_id"};
const Names kPhase = {"migration_phase", "phase"};
const Names kEnabled = {"rls_enabled", "enabled"};
const Names kMigratedAt = {"migrated_at", "completed_at"};
const Names kUpdatedAt = {"updated_at", "modified_at", "last_updated"};
const Names kTableName = {"table_name", "target_table", "relation"};
const Names kOperation = {"operation", "command", "action"};
const Names kUser = {"user_name", "session_user_name", "db_user", "username", "user"};
const Names kReason = {"reason", "denial_reason", "violation_reason", "message"};
const Names kDenied = {"would_be_denied", "would_deny", "denied"};
const Names kAuditTime = {"created_at", "logged_at", "occurred_at", "recorded_at", "event_time", "timestamp"};

struct Column {
  std::string name;       // as it is
  std::string quoted;     // for statements
  std::string type;       // without its length
  std::string base_type;  // of a domain, the type below it; else the same
  std::string full_type;  // with it: a cast to it cuts
  bool must_be_given = false;
  bool may_select = false, may_update = false, may_insert = false;
  int phase_labels = 0;  // of the enum, how many of the four
  bool is_enum = false;
  bool is_unique = false;
  bool from_sequence = false;  // and never NULL
  bool ordered = false;        // an index leads with it

  [[nodiscard]] bool is_text() const { return base_type == "text" || base_type == "character varying"; }
  [[nodiscard]] bool is_time() const {
    return base_type == "timestamp with time zone" || base_type == "timestamp without time zone";
  }
  [[nodiscard]] bool is_integer() const {
    return base_type == "bigint" || base_type == "integer" || base_type == "smallint";
  }
  /// As text, without losing an index where it is text already.
  [[nodiscard]] std::string as_text() const { return is_text() ? quoted : quoted + "::text"; }
};

struct Table {
  std::string quoted;
  std::vector<Column> columns;
  bool found = false;
  bool hides_rows = false;

  [[nodiscard]] const Column* find(Names names) const {
    for (const std::string_view name : names) {
      for (const Column& column : columns) {
        if (column.name == name) return &column;
      }
    }
    return nullptr;
  }
};

std::string alternatives(Names names) {
  std::string out;
  for (const std::string_view name : names) out += (out.empty() ? "" : " or ") + std::string(name);
  return out;
}

Table read_table(const Rows& rows, std::string_view name, std::string_view schema) {
  Table table;
  table.quoted = std::string(schema) + "." + std::string(name);
  for (std::size_t row = 0; row < rows.size(); ++row) {
    if (rows.text(row, 3) != name) continue;
    table.found = true;
    table.quoted = rows.text(row, 4);
    table.hides_rows = rows.boolean(row, 16);
    if (rows.is_null(row, 5)) continue;
    Column& column = table.columns.emplace_back();
    column.name = rows.text(row, 5);
    column.quoted = rows.text(row, 6);
    column.type = rows.text(row, 7);
    column.full_type = rows.text(row, 8);
    column.must_be_given = rows.boolean(row, 9);
    column.may_select = rows.boolean(row, 10);
    column.may_update = rows.boolean(row, 11);
    column.may_insert = rows.boolean(row, 12);
    column.phase_labels = static_cast<int>(rows.integer(row, 13));
    column.is_enum = rows.boolean(row, 14);
    column.is_unique = rows.boolean(row, 15);
    column.base_type = rows.text(row, 17);
    column.from_sequence = rows.boolean(row, 18);
    column.ordered = rows.boolean(row, 19);
  }
  return table;
}

using Values = std::map<std::string, std::string, std::less<>>;

std::string render(std::string_view text, const Values& values) {
  std::string out;
  for (std::size_t at = 0;;) {
    const std::size_t open = text.find("{{", at);
    out += text.substr(at, open == text.npos ? text.npos : open - at);
    if (open == text.npos) return out;
    const std::size_t close = text.find("}}", open);
    const auto value = values.find(text.substr(open + 2, close - open - 2));
    if (value != values.end()) out += value->second;
    at = close + 2;
  }
}

/// The id of a ledger row: the same move of the same claim always has the same one, so that it cannot be
/// ledgered twice, and can be found again when its COMMIT was in doubt.
constexpr std::string_view kTransitionId =
    "encode(substring(sha256(convert_to(concat_ws(E'\\x1f', c.install_id, c.namespace, c.name, m.project, "
    "coalesce(m.from_phase, ''), m.to_phase, m.ordinal), 'UTF8')) FROM 1 FOR 16), 'hex')";

Error missing_privilege(const Table& table, std::string_view rights, std::string_view role) {
  return terminal("MissingPrivilege", "role " + std::string(role) + " has no " + std::string(rights) +
                                          " on " + table.quoted + "; run as a DBA: GRANT " +
                                          std::string(rights) + " ON " + table.quoted + " TO " +
                                          std::string(role) + ";");
}

/// The status table must be right: without it nothing can be moved, up or down.
Result<Values> status_values(const Table& table, std::string_view role) {
  if (!table.found) {
    return terminal("MissingTable", "there is no table " + table.quoted +
                                        "; set spec.runtime.schema to the schema that holds it");
  }
  const auto missing = [&](Names names) {
    return terminal("MissingColumn", "table " + table.quoted + " has no column " + alternatives(names));
  };
  const auto unsupported = [&](const Column& column, std::string_view problem) {
    return terminal("UnsupportedTable",
                    "column " + column.quoted + " of " + table.quoted + " " + std::string(problem));
  };
  const Column* const project = table.find(kProject);
  const Column* const phase = table.find(kPhase);
  const Column* const enabled = table.find(kEnabled);
  const Column* const migrated_at = table.find(kMigratedAt);
  const Column* const updated_at = table.find(kUpdatedAt);
  if (project == nullptr) return missing(kProject);
  if (phase == nullptr) return missing(kPhase);
  if (enabled == nullptr) return missing(kEnabled);
  if (migrated_at == nullptr) return missing(kMigratedAt);
  if (!project->is_unique) {
    return unsupported(*project, "has no unique index; a project must have one row: add UNIQUE");
  }
  if (phase->is_enum && phase->phase_labels != 4) {
    return unsupported(
        *phase, "has the enum type " + phase->type +
                    ", which lacks one of pending, shadow, enforcing, complete: ALTER TYPE … ADD VALUE");
  }
  if (!phase->is_enum && !phase->is_text()) return unsupported(*phase, "is neither an enum nor text");
  if (enabled->base_type != "boolean") return unsupported(*enabled, "is not boolean");
  if (!migrated_at->is_time()) return unsupported(*migrated_at, "is no timestamp");
  if (!project->may_select || !phase->may_select || !migrated_at->may_select) {
    return missing_privilege(table, "SELECT, UPDATE", role);
  }
  if (!phase->may_update || !enabled->may_update || !migrated_at->may_update) {
    return missing_privilege(table, "SELECT, UPDATE", role);
  }
  if (table.hides_rows) {
    return terminal("MissingPrivilege", "row-level security of " + table.quoted +
                                            " may hide rows from role " + std::string(role) +
                                            "; run as a DBA: CREATE POLICY rls_operator ON " + table.quoted +
                                            " TO " + std::string(role) + " USING (true);");
  }
  const bool touch = updated_at != nullptr && updated_at->is_time() && updated_at->may_update;
  return Values{{"status", table.quoted},
                {"status.project", project->quoted},
                {"status.project_text", project->as_text()},
                {"status.phase", phase->quoted},
                {"status.phase_type", phase->type},
                {"status.enabled", enabled->quoted},
                {"status.migrated_at", migrated_at->quoted},
                {"status.touch", touch ? ", " + updated_at->quoted + " = $4::timestamptz" : ""}};
}

/// What a first row of a project is made of, as far as it is known to us.
struct NewRow {
  std::string columns, values, why_not;
};
/// Precondition: status_values found the table right.
NewRow new_row(const Table& table, std::string_view role) {
  NewRow row;
  std::set<std::string_view> given;
  const auto give = [&](const Column& column, const std::string& value) {
    if (!column.may_insert) row.why_not = missing_privilege(table, "INSERT", role).message;
    row.columns += (row.columns.empty() ? "" : ", ") + column.quoted;
    row.values += (row.values.empty() ? "" : ", ") + value + "::" + column.type;
    given.insert(column.name);
  };
  give(*table.find(kProject), "m.project");
  give(*table.find(kPhase), "'pending'");
  give(*table.find(kEnabled), "false");
  for (const Column& column : table.columns) {
    if (!column.must_be_given || given.contains(column.name)) continue;
    if (&column == table.find(kUpdatedAt) && column.is_time()) {
      give(column, "clock.now");
    } else if (row.why_not.empty()) {
      row.why_not = "column " + column.quoted + " of " + table.quoted +
                    " is NOT NULL without a default, and what belongs there is not known";
    }
  }
  return row;
}

/// Where projects are known that have no row in the status table yet: they count as in their first phase.
Values registry_values(const Table& table, const Values& status, bool managed) {
  // What rls_operator.first_phase() says; by itself, as steps down need no function of the runtime.
  const std::string& rows = status.at("status");
  const std::string phase = managed ? "SELECT FROM " + rows + " f WHERE f." + status.at("status.phase") : "";
  const std::string first = !managed ? "'pending'"
                                     : "(SELECT CASE WHEN EXISTS (" + phase +
                                           " IN ('pending', 'shadow')) OR NOT EXISTS (SELECT FROM " + rows +
                                           ") THEN 'pending' ELSE 'enforcing' END)";
  const Column* const project = table.find(kProject);
  const bool usable = table.found && project != nullptr && project->may_select && !table.hides_rows;
  if (!usable) return {{"registered", "false"}, {"first_phase", first}};
  return {
      {"registry", table.quoted},
      {"first_phase", first},
      {"registered",
       "EXISTS (SELECT FROM " + table.quoted + " r WHERE r." + project->as_text() + " = asked.project)"},
      {"unlisted", "UNION ALL SELECT " + first + " FROM " + table.quoted + " r WHERE r." + project->quoted +
                       " IS NOT NULL AND NOT EXISTS (SELECT FROM " + status.at("status") + " s WHERE s." +
                       status.at("status.project_text") + " = r." + project->as_text() + ")"}};
}

/// Why the violations in the audit table cannot be counted; empty where they can.
std::string why_not_counted(const Table& table, std::string_view role) {
  if (!table.found) return "there is no table " + table.quoted;
  for (const Names names : {kProject, kDenied, kAuditTime}) {
    const Column* const column = table.find(names);
    if (column == nullptr) return "table " + table.quoted + " has no column " + alternatives(names);
    if (!column->may_select) return missing_privilege(table, "SELECT", role).message;
  }
  if (table.find(kDenied)->base_type != "boolean")
    return table.quoted + "." + table.find(kDenied)->quoted + " is not boolean";
  if (!table.find(kAuditTime)->is_time())
    return table.quoted + "." + table.find(kAuditTime)->quoted + " is no timestamp";
  if (table.hides_rows) {
    return "row-level security of " + table.quoted + " may hide rows from role " + std::string(role) +
           "; run as a DBA: CREATE POLICY rls_operator_reads ON " + table.quoted + " FOR SELECT TO " +
           std::string(role) + " USING (true);";
  }
  return {};
}

/// The columns and values of our own row, as far as the table has a place for them.
struct AuditRow {
  std::string columns, values, why_not;
};
AuditRow audit_row(const Table& table, std::string_view role) {
  AuditRow row;
  std::set<std::string_view> given;
  const auto give = [&](const Column* column, const std::string& value, bool cut) {
    if (column == nullptr) return;
    if (!column->may_insert) row.why_not = missing_privilege(table, "INSERT", role).message;
    row.columns += (row.columns.empty() ? "" : ", ") + column->quoted;
    // A cast to the full type cuts a text that is too long; the operation must be whole or refused.
    row.values += (row.values.empty() ? "" : ", ") + value + "::" + (cut ? column->full_type : column->type);
    given.insert(column->name);
  };
  if (!table.found) return {.columns = "", .values = "", .why_not = "there is no table " + table.quoted};
  if (table.find(kProject) == nullptr || table.find(kOperation) == nullptr) {
    row.why_not = "table " + table.quoted + " has no column for the project or the operation";
    return row;
  }
  give(table.find(kProject), "m.project", false);
  give(table.find(kTableName), "'" + std::string(kStatusTable) + "'", true);
  give(table.find(kOperation), "'PHASE_CHANGE'", false);
  give(table.find(kUser), "m.actor", true);
  give(table.find(kReason),
       "(m.from_phase OPERATOR(pg_catalog.||) ' → '::text OPERATOR(pg_catalog.||) m.to_phase "
       "OPERATOR(pg_catalog.||) "
       "': '::text OPERATOR(pg_catalog.||) m.reason)",
       true);
  give(table.find(kDenied), "false", true);
  give(table.find(kAuditTime), "clock.now", true);
  for (const Column& column : table.columns) {
    if (column.must_be_given && !given.contains(column.name)) {
      row.why_not = "column " + column.quoted + " of " + table.quoted + " is NOT NULL without a default";
    }
  }
  return row;
}

/// A time without time zone is a wall clock's, in whatever zone the session that wrote the row had: from
/// UTC-12 to UTC+14. No violation may be overlooked, so each counts from where it can have happened, and
/// until where.
bool is_wall_clock(const Column& time) { return time.base_type == "timestamp without time zone"; }
constexpr std::string_view kEarliestWallClock = " AT TIME ZONE 'UTC' - interval '12 hours'";
constexpr std::string_view kLatestOfWallClock = " AT TIME ZONE 'UTC' + interval '12 hours'";

Values audit_values(const Table& table, const AuditRow& row) {
  const auto text = [&](Names names) {
    const Column* const column = table.find(names);
    // Without the right to read it, or the column itself, the report has a gap and no error.
    return column == nullptr || !column->may_select ? std::string("NULL::text")
                                                    : "a." + column->quoted + "::text";
  };
  const Column* const project = table.find(kProject);
  const Column* const time = table.find(kAuditTime);
  const bool wall_clock = time != nullptr && is_wall_clock(*time);
  const Column* const denied = table.find(kDenied);
  std::string read;
  for (const Names names : {kProject, kDenied, kAuditTime, kTableName, kOperation, kUser, kReason}) {
    const Column* const column = table.find(names);
    if (column != nullptr && column->may_select) read += (read.empty() ? "a." : ", a.") + column->quoted;
  }
  return Values{{"audit", table.quoted},
                {"audit.read", read},
                {"audit.project_text", project == nullptr ? "" : project->as_text()},
                {"audit.denied", denied == nullptr ? "" : denied->quoted},
                {"audit.time", time == nullptr ? "" : time->quoted},
                {"audit.since", std::string(wall_clock ? kEarliestWallClock : "")},
                {"audit.at_the_latest", std::string(wall_clock ? kLatestOfWallClock : "")},
                {"audit.table_text", text(kTableName)},
                {"audit.operation_text", text(kOperation)},
                {"audit.user_text", text(kUser)},
                {"audit.reason_text", text(kReason)},
                {"audit.columns", row.columns},
                {"audit.values", row.values}};
}

std::string describe_type(const Column& column) {
  const std::string base = (column.is_enum ? "enum " : "") + column.base_type;
  return column.type == column.base_type ? base : "domain " + column.type + " over " + base;
}

api::AdoptedTable describe_table(const Table& table,
                                 std::initializer_list<std::pair<std::string_view, Names>> meanings) {
  api::AdoptedTable out{.name = table.quoted, .columns = {}};
  for (const auto& [meaning, names] : meanings) {
    if (const Column* const column = table.find(names)) out.columns.emplace(meaning, column->quoted);
  }
  return out;
}

/// Precondition: status_values found the status table right.
api::AdoptedStatus describe(const Table& status, const Table& audit, const Catalogue& found) {
  api::AdoptedStatus out;
  out.status_table = describe_table(status, {{"project", kProject},
                                             {"phase", kPhase},
                                             {"enforced", kEnabled},
                                             {"completed", kMigratedAt},
                                             {"changed", kUpdatedAt}});
  out.phase_type = describe_type(*status.find(kPhase));
  if (audit.found) {
    out.audit_table = describe_table(audit, {{"project", kProject},
                                             {"denied", kDenied},
                                             {"time", kAuditTime},
                                             {"table", kTableName},
                                             {"operation", kOperation},
                                             {"user", kUser},
                                             {"reason", kReason}});
  }
  out.registry_table = found.registry_table;
  out.uncounted_because = found.violations_unknown_because;
  out.unmirrored_because = found.no_audit_rows_because;
  if (!found.registry_table.empty()) out.no_first_row_because = found.no_new_rows_because;
  return out;
}

/// The column in whose order the audit rows are read, most of which come in that order: a sequence's, else
/// the time. None: no index leads with either. Precondition: why_not_counted found nothing.
struct Key {
  std::string column, type, first, last;
};
std::optional<Key> key_of(const Table& audit) {
  for (const Column& column : audit.columns) {
    if (column.from_sequence && column.is_integer() && column.ordered && column.may_select)
      return Key{column.quoted, "bigint", "-9223372036854775808", "9223372036854775807"};
  }
  const Column* const time = audit.find(kAuditTime);
  // A time yet to come is none to start from.
  if (time->ordered) return Key{time->quoted, time->type, "-infinity", "now"};
  return std::nullopt;
}

}  // namespace

Result<Catalogue> read_catalogue(Connection& connection, std::string_view schema, std::string_view role,
                                 bool managed) {
  if (schema.find('\0') != schema.npos || !is_utf8(schema) || schema.size() > 63) {
    return terminal("MissingTable", "spec.runtime.schema is no possible name of a schema");
  }
  const std::array<std::string, 3> tables = {std::string(kStatusTable), std::string(kAuditTable),
                                             std::string(kRegistryTable)};
  const std::array<std::string, 2> parameters = {std::string(schema), array_text(tables)};
  const Reply reply = connection.run("catalogue", sql::catalogue, parameters);
  if (!reply.ok()) return to_error(*reply.failure, "read the catalogue");
  const Rows& rows = reply.rows;
  if (rows.size() == 0 || !rows.boolean(0, 0)) {
    return terminal("MissingTable",
                    "there is no schema " + quoted(schema, 63) + "; " + std::string(kStatusTable) +
                        " was looked for there: set spec.runtime.schema to the schema that holds it");
  }
  const std::string schema_name(rows.text(0, 2));
  const Table status = read_table(rows, kStatusTable, schema_name);
  const Table audit = read_table(rows, kAuditTable, schema_name);
  const Table registry = read_table(rows, kRegistryTable, schema_name);
  if (!rows.boolean(0, 1)) {
    return terminal("MissingPrivilege", "role " + std::string(role) + " may not use schema " + schema_name +
                                            "; run as a DBA: GRANT USAGE ON SCHEMA " + schema_name + " TO " +
                                            std::string(role) + ";");
  }
  auto values = status_values(status, role);
  if (!values) return values.error();

  Catalogue found;
  found.managed = managed;
  found.status_table = status.quoted;
  found.audit_table = audit.quoted;
  found.audit_name = kAuditTable;
  found.schema = schema;
  found.violations_unknown_because = why_not_counted(audit, role);
  const AuditRow row = audit_row(audit, role);
  found.no_audit_rows_because = row.why_not;
  values->merge(audit_values(audit, row));
  values->merge(registry_values(registry, *values, managed));
  if (values->contains("registry")) found.registry_table = registry.quoted;
  const NewRow first = new_row(status, role);
  found.no_new_rows_because = first.why_not;
  found.adopted = describe(status, audit, found);
  values->emplace("new.columns", first.columns);
  values->emplace("new.values", first.values);
  values->emplace("transition_id", kTransitionId);
  const bool counted = found.violations_unknown_because.empty();
  if (managed) {
    // Kinds of violations are few: all is counted at each look, and a verdict may take some back.
    values->emplace("remembers", "false");
    values->emplace("managed_columns", sql::managed_columns);
    values->emplace("denied", sql::managed_denied);
    found.observe = found.observe_uncounted = render(sql::observe, *values);
  } else {
    values->emplace("remembers", "true");
    values->emplace("managed_columns", "NULL, NULL, NULL, NULL");
    auto uncounted = *values;
    uncounted.emplace("denied",
                      "SELECT NULL::bigint AS n, 0::bigint AS count, NULL::timestamptz AS last WHERE false");
    found.observe_uncounted = render(sql::observe, uncounted);
    values->emplace("denied", counted ? render(sql::denied, *values) : uncounted.at("denied"));
    found.observe = render(sql::observe, *values);
  }
  found.lock_projects = render(sql::lock_projects, *values);
  values->emplace("skip_locked", "SKIP LOCKED");
  found.lock_free_projects = render(sql::lock_projects, *values);
  found.ledger_seen = render(sql::ledger_seen, *values);
  found.new_rows = render(sql::new_rows, *values);
  found.apply = render(sql::apply, *values);
  found.set_phases = render(sql::set_phases, *values);
  found.audit = render(sql::audit, *values);
  found.row_blocker = render(sql::row_blocker, *values);
  found.count_by_phase = render(sql::count_by_phase, *values);
  if (managed) {
    found.violations_by_table = sql::managed_violations_by_table;
    found.violation_samples = sql::managed_violation_samples;
  } else if (counted) {
    found.violations_by_table = render(sql::violations_by_table, *values);
    found.violation_samples = render(sql::violation_samples, *values);
    if (auto key = key_of(audit)) {
      values->merge(Values{{"key", key->column}, {"key.type", key->type}});
      found.count_slice = render(sql::count_slice, *values);
      values->emplace("recent", render(sql::recent_audit, *values));
      values->insert_or_assign("audit", "recent");
      found.recent_by_table = render(sql::violations_by_table, *values);
      found.recent_samples = render(sql::violation_samples, *values);
      found.first_key = std::move(key->first);
      found.last_key = std::move(key->last);
    }
  }
  return found;
}

}  // namespace rls::postgres
