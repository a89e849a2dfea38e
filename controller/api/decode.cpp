// Objects as the API server sends them. `spec` is read strictly, although the CRD has checked it: an older
// CRD may be installed, and nothing may be moved on a guess. `status` is read leniently: it is only our own
// projection, a person may have edited it, and what cannot be read is written anew.

#include <algorithm>
#include <initializer_list>
#include <string>
#include <utility>

#include "controller/api/database.hpp"
#include "controller/api/detail/access.hpp"
#include "controller/api/detail/fields.hpp"
#include "controller/api/detail/gating.hpp"
#include "controller/api/limits.hpp"
#include "controller/api/migration.hpp"
#include "controller/api/rollout.hpp"
#include "controller/base/sha256.hpp"
#include "controller/base/text.hpp"

namespace rls::api {
using namespace detail;  // NOLINT(google-build-using-namespace): our own
namespace {

void read_annotations(const Fields& document, RlsMigration& migration) {
  const Fields metadata = document.child("metadata");
  const Fields labels = metadata.child("labels");
  labels.text(kRolloutLabel, migration.rollout);
  const Fields annotations = metadata.child("annotations");
  annotations.text(kRequestedAtAnnotation, migration.requested_at);
  migration.requested_at = cut(migration.requested_at, kMaxEcho);
  annotations.text(kAdoptPhaseAnnotation, migration.adopt_phase);
  annotations.text(kResumeAnnotation, migration.resume);
  // It goes into databases of any encoding: what is not plain goes as its hash.
  const bool plain = std::all_of(migration.resume.begin(), migration.resume.end(),
                                 [](char c) { return c >= 0x20 && c < 0x7F; });
  if (!plain || migration.resume.size() > kMaxEcho) migration.resume = sha256_hex(migration.resume);
  if (!annotations.has(kHoldAtAnnotation)) return;
  std::string hold_at;
  annotations.text(kHoldAtAnnotation, hold_at);
  migration.hold_at = parse_phase(hold_at);
  if (!migration.hold_at) migration.hold_at_unreadable = hold_at.empty() ? "(empty)" : hold_at;
}

GroupSpec read_group(const Fields& fields, const std::string& project) {
  GroupSpec group;
  fields.required_text("name", group.name);
  fields.each_item("members", [&](std::string_view member) {
    check_name(fields, "members", member, kMaxProjectCharacters);
    group.members.emplace_back(member);
  });
  if (group.members.size() > kMaxGroupMembers) fields.note("members", "more than 200");
  if (std::find(group.members.begin(), group.members.end(), project) == group.members.end())
    fields.note("members", "must name the project itself: add " + rls::quoted(project));
  return group;
}

void read_overrides(const Fields& spec, std::vector<OverrideSpec>& overrides) {
  spec.each("overrides", [&](const Fields& fields) {
    OverrideSpec& out = overrides.emplace_back();
    fields.each_item("gates", [&](std::string_view gate) { out.gates.emplace_back(gate); });
    fields.required_text("reason", out.reason);
    if (!fields.has("expires")) fields.note("expires", "required");
    fields.time("expires", out.expires);
  });
  if (overrides.size() > kMaxOverrides) spec.note("overrides", "more than 20");
}

MigrationSpec read_migration_spec(const Fields& document) {
  MigrationSpec spec;
  const Fields fields = document.child("spec");
  fields.child("databaseRef").required_text("name", spec.database);
  fields.required_text("project", spec.project);
  check_name(fields, "project", spec.project, kMaxProjectCharacters);
  if (!fields.has("phase")) fields.note("phase", "required");
  fields.one_of("phase", spec.phase, parse_phase, "pending, shadow, enforcing, complete");
  fields.one_of("drift", spec.drift, parse_drift, "Report, Revert");
  fields.boolean("suspend", spec.suspend);

  const Fields gates = fields.child("gates");
  gates.duration("shadowSoak", spec.gates.shadow_soak, Duration{0}, kMaxSoak);
  gates.duration("enforcingSoak", spec.gates.enforcing_soak, Duration{0}, kMaxSoak);
  gates.integer("maxViolations", spec.gates.max_violations, 0, kMaxViolations);
  read_evidence_gates(gates, spec.gates.min_transactions, spec.gates.review_required);
  spec.gates.approvals = read_approvals(gates);
  spec.gates.windows = read_windows(gates);
  spec.gates.checks = read_checks(gates);
  if (fields.has("access")) spec.access = read_access(fields.child("access"), spec.project);
  if (fields.has("group")) spec.group = read_group(fields.child("group"), spec.project);
  read_overrides(fields, spec.overrides);
  return spec;
}

/// A source that does not look at whose transactions these are, or since when, would let everybody pass.
void require_mention(const Fields& fields, std::string_view key, std::string_view query,
                     std::initializer_list<std::string_view> one_of, std::string_view what) {
  const bool mentioned = std::any_of(one_of.begin(), one_of.end(),
                                     [&](std::string_view word) { return query.find(word) != query.npos; });
  if (!mentioned) fields.note(key, "does not use " + std::string(what));
}

TransactionSource read_transactions(const Fields& fields, const DatabaseSpec& spec) {
  TransactionSource source;
  if (spec.mode == RuntimeMode::managed)
    fields.note("", "goes with mode Adopted alone: remove it; a managed runtime counts by itself");
  if (fields.has("sql") == fields.has("prometheus"))
    fields.note("", "exactly one of sql and prometheus is wanted");
  if (fields.has("sql")) {
    bounded_text(fields, "sql", source.sql, kMaxQuery);
    require_mention(fields, "sql", source.sql, {"$1"}, "$1, the project");
    require_mention(fields, "sql", source.sql, {"$2"}, "$2, the instant from which on they are counted");
    if (!spec.checks_secret) fields.note("sql", "needs the role for checks: set spec.checks.secretRef");
  }
  if (fields.has("prometheus")) {
    const Fields prometheus = fields.child("prometheus");
    auto& asked = source.prometheus.emplace();
    bounded_text(prometheus, "url", asked.url, kMaxUrl);
    if (!asked.url.starts_with("http://") && !asked.url.starts_with("https://"))
      prometheus.note("url", rls::quoted(asked.url) + " does not begin with http:// or https://");
    bounded_text(prometheus, "query", asked.query, kMaxQuery);
    require_mention(prometheus, "query", asked.query, {"$project"}, "$project");
    require_mention(prometheus, "query", asked.query, {"$since", "$window"},
                    "$since or $window, from when on they are counted");
  }
  return source;
}

DatabasePolicy read_policy(const Fields& fields, RuntimeMode mode) {
  DatabasePolicy policy;
  // Ours records reads; of a stranger's triggers that cannot be asked.
  if (mode == RuntimeMode::managed) policy.reads = ReadEvidence::required;
  const Fields floor = fields.child("minimumGates");
  floor.optional_duration("shadowSoak", policy.minimum_gates.shadow_soak, Duration{0}, kMaxSoak);
  floor.optional_duration("enforcingSoak", policy.minimum_gates.enforcing_soak, Duration{0}, kMaxSoak);
  if (floor.has("maxViolations")) {
    floor.integer("maxViolations", policy.minimum_gates.max_violations.emplace(), 0, kMaxViolations);
  }
  read_evidence_gates(floor, policy.minimum_gates.min_transactions, policy.minimum_gates.review_required);
  policy.minimum_gates.approvals = read_approvals(floor);
  policy.minimum_gates.windows = read_windows(floor);
  policy.minimum_gates.checks = read_checks(floor, CheckSpec::DemandedBy::database);
  if (fields.has("freeze")) {
    const Fields freeze = fields.child("freeze");
    freeze.required_text("reason", policy.freeze.emplace().reason);
    freeze.time("until", policy.freeze->until);
  }
  const Fields posture = fields.child("posture");
  posture.one_of("blockAt", policy.posture.block_at, parse_severity, "Critical, High, Medium");
  posture.each("accepted", [&](const Fields& row) {
    AcceptedFinding& accepted = policy.posture.accepted.emplace_back();
    row.required_text("check", accepted.check);
    row.text("object", accepted.object);
    row.required_text("reason", accepted.reason);
    row.time("expires", accepted.expires);
  });
  if (policy.posture.accepted.size() > kMaxAccepted) posture.note("accepted", "more than 50");
  fields.child("evidence")
      .one_of(
          "reads", policy.reads,
          [](std::string_view text) -> std::optional<ReadEvidence> {
            if (text == "BestEffort") return ReadEvidence::best_effort;
            if (text == "Required") return ReadEvidence::required;
            return std::nullopt;
          },
          "BestEffort, Required");
  return policy;
}

void read_tables(const Fields& spec, bool managed, std::vector<TableSpec>& tables) {
  spec.each("tables", [&](const Fields& fields) {
    TableSpec& table = tables.emplace_back();
    fields.required_text("name", table.name);
    fields.text("projectColumn", table.project_column);
    check_name(fields, "name", table.name, 2 * kMaxIdentifierBytes + 1);
    check_name(fields, "projectColumn", table.project_column, kMaxIdentifierBytes);
    const std::size_t dot = table.name.find('.');
    const std::string_view name = table.name;
    if (dot == name.npos || dot == 0 || dot + 1 == name.size() || name.find('.', dot + 1) != name.npos) {
      fields.note("name",
                  rls::quoted(table.name) + " is not a schema and a table, such as public.nodes or app.*");
    } else if (name.substr(0, dot).find('*') != name.npos) {
      fields.note("name",
                  rls::quoted(table.name) + " has a * in its schema: it may stand in the table's name alone");
    } else if (dot > kMaxIdentifierBytes || name.size() - dot - 1 > kMaxIdentifierBytes) {
      fields.note("name",
                  rls::quoted(table.name) + " has a part longer than 63 bytes: Postgres has no such name");
    }
    const bool twice = std::count_if(tables.begin(), tables.end(),
                                     [&](const TableSpec& other) { return other.name == table.name; }) > 1;
    if (twice) fields.note("name", rls::quoted(table.name) + " stands there twice: remove one");
  });
  if (tables.size() > kMaxTableSpecs) spec.note("tables", "more than 500: use patterns such as app.*");
  if (managed && tables.empty())
    spec.note("tables", "required where spec.runtime.mode is Managed: the tables to protect");
  if (!managed && !tables.empty())
    spec.note("tables",
              "goes with mode Managed alone: remove it; adopted tables stay as protected as they are");
}

DatabaseSpec read_database_spec(const Fields& document) {
  DatabaseSpec spec;
  const Fields fields = document.child("spec");
  const Fields connection = fields.child("connection");
  const Fields secret = connection.child("secretRef");
  secret.required_text("name", spec.secret.name);
  secret.text("key", spec.secret.key);
  connection.integer("maxConnections", spec.max_connections, 1, kMaxConnections);

  const Fields runtime = fields.child("runtime");
  if (!runtime.has("mode")) runtime.note("mode", "required");
  runtime.one_of(
      "mode", spec.mode,
      [](std::string_view text) -> std::optional<RuntimeMode> {
        if (text == "Adopted") return RuntimeMode::adopted;
        if (text == "Managed") return RuntimeMode::managed;
        return std::nullopt;
      },
      "Managed, Adopted");
  const bool managed = spec.mode == RuntimeMode::managed;
  if (managed) spec.schema = "rls";
  runtime.text("schema", spec.schema);
  if (spec.schema.empty()) runtime.note("schema", "empty; name the schema, or remove the field");
  if (spec.schema.size() > kMaxIdentifierBytes) {
    runtime.note("schema",
                 rls::quoted(spec.schema) + " is longer than 63 bytes: Postgres has no such schema");
  }
  check_name(runtime, "schema", spec.schema, kMaxIdentifierBytes);
  runtime.one_of(
      "repair", spec.repair,
      [](std::string_view text) -> std::optional<Repair> {
        if (text == "Auto") return Repair::automatic;
        if (text == "Report") return Repair::report;
        return std::nullopt;
      },
      "Auto, Report");
  if (!managed && runtime.has("repair"))
    runtime.note("repair", "goes with mode Managed alone: what is adopted is never repaired; remove it");
  if (fields.has("checks")) {
    const Fields checks = fields.child("checks");
    const Fields checks_secret = checks.child("secretRef");
    SecretKeyRef& ref = spec.checks_secret.emplace();
    checks_secret.required_text("name", ref.name);
    checks_secret.text("key", ref.key);
  }
  read_tables(fields, managed, spec.tables);
  const Fields evidence = fields.child("evidence");
  if (!managed && evidence.has("auditRetention"))
    evidence.note("auditRetention", "goes with mode Managed alone: remove it");
  evidence.duration("auditRetention", spec.audit_retention, kMinAuditRetention, kMaxAuditRetention);

  const Fields timeouts = fields.child("timeouts");
  timeouts.duration("lock", spec.lock_timeout, kMinLockTimeout, kMaxLockTimeout);
  timeouts.duration("statement", spec.statement_timeout, kMinStatementTimeout, kMaxStatementTimeout);
  spec.policy = read_policy(fields, spec.mode);
  if (evidence.has("transactions"))
    spec.policy.transactions = read_transactions(evidence.child("transactions"), spec);
  return spec;
}

std::vector<GateStatus> read_gates(const Fields& status) {
  std::vector<GateStatus> gates;
  status.each("gates", [&](const Fields& fields) {
    GateStatus& gate = gates.emplace_back();
    fields.text("name", gate.name);
    fields.one_of("state", gate.state, parse_gate_state, "Passed, Waiting, Blocked, Unknown, Overridden");
    fields.time("since", gate.since);
    fields.text("observed", gate.observed);
    fields.text("required", gate.required);
    fields.text("message", gate.message);
  });
  return gates;
}

std::vector<HistoryEntry> read_history(const Fields& status) {
  std::vector<HistoryEntry> history;
  status.each("history", [&](const Fields& fields) {
    HistoryEntry& entry = history.emplace_back();
    fields.text("id", entry.id);
    fields.one_of("from", entry.from, parse_phase, "the phases");
    fields.one_of("to", entry.to, parse_phase, "the phases");
    fields.time("time", entry.time);
    fields.text("reason", entry.reason);
  });
  return history;
}

std::optional<ViolationsStatus> read_violations(const Fields& status) {
  if (!status.has("violations")) return std::nullopt;
  ViolationsStatus violations;
  const Fields fields = status.child("violations");
  fields.integer("total", violations.total, 0, kMaxInteger);
  fields.integer("unreviewed", violations.unreviewed, 0, kMaxInteger);
  fields.time("lastSeen", violations.last_seen);
  fields.each("byTable", [&](const Fields& row) {
    ViolationsStatus::Table& table = violations.by_table.emplace_back();
    row.text("table", table.table);
    row.integer("count", table.count, 0, kMaxInteger);
  });
  fields.each("samples", [&](const Fields& row) {
    ViolationsStatus::Sample& sample = violations.samples.emplace_back();
    row.text("table", sample.table);
    row.text("operation", sample.operation);
    row.text("user", sample.user);
    row.text("reason", sample.reason);
    row.time("time", sample.time);
    row.text("fingerprint", sample.fingerprint);
    row.text("review", sample.review);
  });
  return violations;
}

AdoptedTable read_table(const Fields& table) {
  AdoptedTable out;
  table.text("name", out.name);
  table.each_text("columns", [&](std::string_view meaning, std::string_view column) {
    out.columns.emplace(meaning, column);
  });
  return out;
}

AdoptedStatus::Evidence read_evidence(const Fields& fields) {
  AdoptedStatus::Evidence evidence;
  fields.text("state", evidence.state);
  fields.integer("tablesWithPolicies", evidence.tables, 0, kMaxInteger);
  fields.integer("tablesRecorded", evidence.recorded, 0, kMaxInteger);
  fields.boolean("readsRecorded", evidence.reads);
  fields.text("message", evidence.message);
  return evidence;
}

std::optional<AdoptedStatus> read_adopted(const Fields& status) {
  if (!status.has("adopted")) return std::nullopt;
  AdoptedStatus adopted;
  const Fields fields = status.child("adopted");
  adopted.status_table = read_table(fields.child("statusTable"));
  fields.child("statusTable").text("phaseType", adopted.phase_type);
  if (fields.has("auditTable")) adopted.audit_table = read_table(fields.child("auditTable"));
  fields.text("registryTable", adopted.registry_table);
  fields.text("uncountedBecause", adopted.uncounted_because);
  fields.text("unmirroredBecause", adopted.unmirrored_because);
  fields.text("noFirstRowBecause", adopted.no_first_row_because);
  adopted.evidence = read_evidence(fields.child("evidence"));
  return adopted;
}

std::optional<RuntimeStatus> read_runtime(const Fields& status) {
  if (!status.has("runtime")) return std::nullopt;
  RuntimeStatus runtime;
  status.integer("runtimeVersion", runtime.version, 0, kMaxInteger);
  status.text("policyHash", runtime.policy_hash);
  const Fields tables = status.child("tables");
  tables.integer("matched", runtime.tables, 0, kMaxInteger);
  tables.integer("protected", runtime.protected_tables, 0, kMaxInteger);
  tables.each("list", [&](const Fields& row) {
    ProtectedTable& table = runtime.list.emplace_back();
    row.text("name", table.name);
    row.text("column", table.column);
    row.text("state", table.state);
    row.text("message", table.message);
  });
  const Fields fields = status.child("runtime");
  fields.time("recordedSince", runtime.recorded_since);
  runtime.old_sessions.reset();
  if (fields.has("oldSessions"))
    fields.integer("oldSessions", runtime.old_sessions.emplace(), 0, kMaxInteger);
  fields.integer("withoutContext", runtime.without_context, 0, kMaxInteger);
  fields.text("notReadyBecause", runtime.not_ready_because);
  fields.each_item("drift", [&](std::string_view text) { runtime.drift.emplace_back(text); });
  runtime.evidence = read_evidence(fields.child("evidence"));
  return runtime;
}

std::vector<Finding> read_findings(const Fields& status) {
  std::vector<Finding> findings;
  status.each("findings", [&](const Fields& row) {
    Finding& finding = findings.emplace_back();
    row.text("id", finding.id);
    row.text("severity", finding.severity);
    row.text("object", finding.object);
    row.text("message", finding.message);
    row.text("remedy", finding.remedy);
  });
  return findings;
}

}  // namespace

Result<ObjectMeta> decode_meta(std::string_view json) {
  return with_document<ObjectMeta>(json, [](const Fields& document) { return read_meta(document); });
}

Result<RlsMigration> decode_migration(std::string_view json) {
  return with_document<RlsMigration>(json, [](const Fields& document) {
    RlsMigration migration;
    migration.meta = read_meta(document);
    read_annotations(document, migration);
    migration.spec = read_migration_spec(document);
    migration.status =
        read_status<MigrationStatus>(document, [](const Fields& fields, MigrationStatus& status) {
          fields.one_of("phase", status.phase, parse_phase, "the phases");
          fields.time("phaseSince", status.phase_since);
          fields.time("cleanSince", status.clean_since);
          fields.time("eligibleAt", status.eligible_at);
          fields.text("blockedBy", status.blocked_by);
          status.violations = read_violations(fields);
          status.gates = read_gates(fields);
          status.history = read_history(fields);
          fields.text("evidenceDigest", status.evidence_digest);
          fields.text("lastHandledReconcileAt", status.last_handled_reconcile_at);
        });
    return migration;
  });
}

Result<RlsDatabase> decode_database(std::string_view json) {
  return with_document<RlsDatabase>(json, [](const Fields& document) {
    RlsDatabase database;
    database.meta = read_meta(document);
    const Fields metadata = document.child("metadata");
    const Fields annotations = metadata.child("annotations");
    annotations.text(kAcceptSystemAnnotation, database.accept_system);
    annotations.text(kTakeOverAnnotation, database.take_over);
    database.spec = read_database_spec(document);
    database.status = read_status<DatabaseStatus>(document, [](const Fields& fields, DatabaseStatus& status) {
      fields.text("serverVersion", status.server_version);
      fields.text("systemIdentifier", status.system_identifier);
      fields.each_number("projects", [&](std::string_view phase, std::int64_t count) {
        status.projects.emplace(phase, count);
      });
      status.adopted = read_adopted(fields);
      status.runtime = read_runtime(fields);
      status.findings = read_findings(fields);
    });
    return database;
  });
}

}  // namespace rls::api
