// The status as JSON. Field names: crds/. Times: conditions' to the second (metav1.Time), all others as exact
// as they are, so that what is read back equals what the database said.

#include "controller/api/database.hpp"
#include "controller/api/json_writer.hpp"
#include "controller/api/migration.hpp"
#include "controller/api/rollout.hpp"

namespace rls::api {
namespace {

void write_time(JsonWriter& json, std::string_view name, Time time) {
  json.member(name, std::string_view(format_rfc3339(time)));
}

void write_time(JsonWriter& json, std::string_view name, const std::optional<Time>& time) {
  if (time) write_time(json, name, *time);
}

template <class Item, class WriteItem>
void write_list(JsonWriter& json, std::string_view name, const std::vector<Item>& items,
                WriteItem write_item) {
  if (items.empty()) return;
  json.key(name).begin_array();
  for (const Item& item : items) {
    json.begin_object();
    write_item(json, item);
    json.end_object();
  }
  json.end_array();
}

void write_condition(JsonWriter& json, const Condition& condition) {
  json.member("type", condition.type);
  json.member("status", to_string(condition.status));
  json.member("reason", condition.reason);
  json.key("message").value(condition.message);  // required by metav1.Condition, also when empty
  json.member("observedGeneration", condition.observed_generation);
  json.member("lastTransitionTime", std::string_view(format_rfc3339_seconds(condition.last_transition)));
}

void write_gate(JsonWriter& json, const GateStatus& gate) {
  json.member("name", gate.name);
  json.member("state", to_string(gate.state));
  write_time(json, "since", gate.since);
  json.member("observed", gate.observed);
  json.member("required", gate.required);
  json.member("message", gate.message);
}

void write_history_entry(JsonWriter& json, const HistoryEntry& entry) {
  json.member("id", entry.id);
  if (entry.from) json.member("from", to_string(*entry.from));
  json.member("to", to_string(entry.to));
  write_time(json, "time", entry.time);
  json.member("reason", entry.reason);
}

void write_violations(JsonWriter& json, const ViolationsStatus& violations) {
  json.key("violations").begin_object();
  json.member("total", violations.total);
  if (violations.unreviewed != 0) json.member("unreviewed", violations.unreviewed);
  write_time(json, "lastSeen", violations.last_seen);
  write_list(json, "byTable", violations.by_table, [](JsonWriter& out, const ViolationsStatus::Table& row) {
    out.member("table", row.table);
    out.member("count", row.count);
  });
  write_list(json, "samples", violations.samples, [](JsonWriter& out, const ViolationsStatus::Sample& row) {
    out.member("table", row.table);
    out.member("operation", row.operation);
    out.member("user", row.user);
    out.member("reason", row.reason);
    write_time(out, "time", row.time);
    out.member("fingerprint", row.fingerprint);
    out.member("review", row.review);
  });
  json.end_object();
}

void write_texts(JsonWriter& json, std::string_view name, const std::map<std::string, std::string>& texts) {
  if (texts.empty()) return;
  json.key(name).begin_object();
  for (const auto& [key, text] : texts) json.key(well_formed(key)).value(text);
  json.end_object();
}

void write_evidence(JsonWriter& json, const AdoptedStatus::Evidence& evidence) {
  json.key("evidence").begin_object();
  json.member("state", evidence.state);
  json.member("tablesWithPolicies", evidence.tables);
  json.member("tablesRecorded", evidence.recorded);
  json.flag("readsRecorded", evidence.reads);
  json.member("message", evidence.message);
  json.end_object();
}

void write_adopted(JsonWriter& json, const AdoptedStatus& adopted) {
  json.key("adopted").begin_object();
  json.key("statusTable").begin_object();
  json.member("name", adopted.status_table.name);
  write_texts(json, "columns", adopted.status_table.columns);
  json.member("phaseType", adopted.phase_type);
  json.end_object();
  if (adopted.audit_table) {
    json.key("auditTable").begin_object();
    json.member("name", adopted.audit_table->name);
    write_texts(json, "columns", adopted.audit_table->columns);
    json.end_object();
  }
  json.member("registryTable", adopted.registry_table);
  json.member("uncountedBecause", adopted.uncounted_because);
  json.member("unmirroredBecause", adopted.unmirrored_because);
  json.member("noFirstRowBecause", adopted.no_first_row_because);
  write_evidence(json, adopted.evidence);
  json.end_object();
}

void write_runtime(JsonWriter& json, const RuntimeStatus& runtime) {
  json.member("runtimeVersion", runtime.version);
  json.member("policyHash", runtime.policy_hash);
  json.key("tables").begin_object();
  json.member("matched", runtime.tables);
  json.member("protected", runtime.protected_tables);
  write_list(json, "list", runtime.list, [](JsonWriter& out, const ProtectedTable& table) {
    out.member("name", table.name);
    out.member("column", table.column);
    out.member("state", table.state);
    out.member("message", table.message);
  });
  json.end_object();
  json.key("runtime").begin_object();
  write_time(json, "recordedSince", runtime.recorded_since);
  if (runtime.old_sessions) json.member("oldSessions", *runtime.old_sessions);
  json.member("withoutContext", runtime.without_context);
  json.member("notReadyBecause", runtime.not_ready_because);
  if (!runtime.drift.empty()) {
    json.key("drift").begin_array();
    for (const std::string& text : runtime.drift) json.value(text);
    json.end_array();
  }
  write_evidence(json, runtime.evidence);
  json.end_object();
}

/// Everything up to the opened `status`.
void begin_document(JsonWriter& json, std::string_view kind, const ObjectMeta& meta) {
  json.begin_object();
  json.member("apiVersion", kGroupVersion);
  json.member("kind", kind);
  json.key("metadata").begin_object();
  json.member("name", meta.name.name);
  json.member("namespace", meta.name.ns);
  json.member("uid", meta.uid);
  json.member("resourceVersion", meta.resource_version);
  json.end_object();
  json.key("status").begin_object();
}

std::string end_document(JsonWriter& json) {
  json.end_object().end_object();
  return json.take();
}

}  // namespace

std::string encode_status(const ObjectMeta& meta, const MigrationStatus& status) {
  JsonWriter json;
  begin_document(json, "RlsMigration", meta);
  json.member("observedGeneration", status.observed_generation);
  if (status.phase) json.member("phase", to_string(*status.phase));
  write_time(json, "phaseSince", status.phase_since);
  write_time(json, "cleanSince", status.clean_since);
  write_time(json, "eligibleAt", status.eligible_at);
  json.member("blockedBy", status.blocked_by);
  json.member("evidenceDigest", status.evidence_digest);
  if (status.violations) write_violations(json, *status.violations);
  write_list(json, "gates", status.gates, write_gate);
  write_list(json, "history", status.history, write_history_entry);
  json.member("lastHandledReconcileAt", status.last_handled_reconcile_at);
  write_list(json, "conditions", status.conditions, write_condition);
  return end_document(json);
}

std::string encode_status(const ObjectMeta& meta, const DatabaseStatus& status) {
  JsonWriter json;
  begin_document(json, "RlsDatabase", meta);
  json.member("observedGeneration", status.observed_generation);
  json.member("serverVersion", status.server_version);
  json.member("systemIdentifier", status.system_identifier);
  if (!status.projects.empty()) {
    json.key("projects").begin_object();
    for (const auto& [phase, count] : status.projects) json.key(well_formed(phase)).value(count);
    json.end_object();
  }
  if (status.adopted) write_adopted(json, *status.adopted);
  if (status.runtime) write_runtime(json, *status.runtime);
  write_list(json, "findings", status.findings, [](JsonWriter& out, const Finding& finding) {
    out.member("id", finding.id);
    out.member("severity", finding.severity);
    out.member("object", finding.object);
    out.member("message", finding.message);
    out.member("remedy", finding.remedy);
  });
  write_list(json, "conditions", status.conditions, write_condition);
  return end_document(json);
}

std::string encode_status(const ObjectMeta& meta, const RolloutStatus& status) {
  JsonWriter json;
  begin_document(json, "RlsRollout", meta);
  json.member("observedGeneration", status.observed_generation);
  if (status.phase) json.member("phase", to_string(*status.phase));
  write_list(json, "waves", status.waves, [](JsonWriter& out, const WaveStatus& wave) {
    out.member("name", wave.name);
    out.member("state", to_string(wave.state));
    out.member("reached", wave.reached);
    out.member("total", wave.total);
    out.member("pending", wave.phases.pending);
    out.member("shadow", wave.phases.shadow);
    out.member("enforcing", wave.phases.enforcing);
    out.member("complete", wave.phases.complete);
    out.member("message", wave.message);
  });
  json.member("projects", status.projects);
  json.member("done", status.done);
  json.key("migrations").begin_object();
  json.member("created", status.migrations.created);
  json.member("missing", status.migrations.missing);
  json.member("foreign", status.migrations.foreign);
  json.end_object();
  json.member("openWave", status.open_wave);
  json.member("message", status.message);
  write_list(json, "conditions", status.conditions, write_condition);
  return end_document(json);
}

}  // namespace rls::api
