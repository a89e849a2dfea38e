#include "controller/api/limits.hpp"

#include <iterator>
#include <vector>

#include "controller/api/json_writer.hpp"
#include "controller/base/text.hpp"

namespace rls::api {
namespace {

void cut_in_place(std::string& text, std::size_t max_bytes) {
  if (text.size() <= max_bytes && is_utf8(text)) return;
  text = cut(text, max_bytes);
}

template <class Item>
void shorten(std::vector<Item>& items, std::size_t most) {
  if (items.size() > most)
    items.erase(std::next(items.begin(), static_cast<std::ptrdiff_t>(most)), items.end());
}

void floor_to_second(Time& time) { time = std::chrono::floor<std::chrono::seconds>(time); }

void fit_conditions(std::vector<Condition>& conditions) {
  shorten(conditions, kMaxConditions);
  for (Condition& condition : conditions) {
    cut_in_place(condition.reason, kMaxReason);
    cut_in_place(condition.message, kMaxMessage);
    floor_to_second(condition.last_transition);
  }
}

void fit_violations(ViolationsStatus& violations) {
  shorten(violations.by_table, kMaxTables);
  for (ViolationsStatus::Table& row : violations.by_table) cut_in_place(row.table, kMaxShort);
  shorten(violations.samples, kMaxSamples);
  for (ViolationsStatus::Sample& row : violations.samples) {
    cut_in_place(row.table, kMaxShort);
    cut_in_place(row.operation, kMaxShort);
    cut_in_place(row.user, kMaxShort);
    cut_in_place(row.reason, kMaxReason);
    cut_in_place(row.fingerprint, kMaxShort);
    cut_in_place(row.review, kMaxShort);
  }
}

void fit_table(AdoptedTable& table) {
  cut_in_place(table.name, kMaxShort);
  while (table.columns.size() > kMaxColumns) table.columns.erase(std::prev(table.columns.end()));
  for (auto& [meaning, column] : table.columns) cut_in_place(column, kMaxShort);
}

void fit_adopted(AdoptedStatus& adopted) {
  fit_table(adopted.status_table);
  if (adopted.audit_table) fit_table(*adopted.audit_table);
  for (std::string* text : {&adopted.phase_type, &adopted.registry_table, &adopted.evidence.state})
    cut_in_place(*text, kMaxShort);
  for (std::string* text : {&adopted.uncounted_because, &adopted.unmirrored_because,
                            &adopted.no_first_row_because, &adopted.evidence.message})
    cut_in_place(*text, kMaxMessage);
}

void fit_runtime(RuntimeStatus& runtime) {
  cut_in_place(runtime.policy_hash, kMaxShort);
  shorten(runtime.list, kMaxListedTables);
  for (ProtectedTable& table : runtime.list) {
    for (std::string* text : {&table.name, &table.column, &table.state}) cut_in_place(*text, kMaxShort);
    cut_in_place(table.message, kMaxMessage);
  }
  shorten(runtime.drift, kMaxDrift);
  for (std::string& text : runtime.drift) cut_in_place(text, kMaxMessage);
  cut_in_place(runtime.not_ready_because, kMaxMessage);
  cut_in_place(runtime.evidence.state, kMaxShort);
  cut_in_place(runtime.evidence.message, kMaxMessage);
}

}  // namespace

std::string cut(std::string_view text, std::size_t max_bytes) {
  return truncated(well_formed(text), max_bytes);
}

void fit(MigrationStatus& status) {
  if (status.eligible_at) *status.eligible_at = std::chrono::ceil<std::chrono::seconds>(*status.eligible_at);
  cut_in_place(status.blocked_by, kMaxShort);
  if (status.violations) fit_violations(*status.violations);
  shorten(status.gates, kMaxGates);
  for (GateStatus& gate : status.gates) {
    cut_in_place(gate.observed, kMaxShort);
    cut_in_place(gate.required, kMaxShort);
    cut_in_place(gate.message, kMaxMessage);
    floor_to_second(gate.since);
  }
  shorten(status.history, kMaxHistory);
  for (HistoryEntry& entry : status.history) {
    cut_in_place(entry.id, kMaxShort);
    cut_in_place(entry.reason, kMaxReason);
  }
  cut_in_place(status.evidence_digest, kMaxDigest);
  cut_in_place(status.last_handled_reconcile_at, kMaxEcho);
  fit_conditions(status.conditions);
}

void fit(DatabaseStatus& status) {
  cut_in_place(status.server_version, kMaxShort);
  cut_in_place(status.system_identifier, kMaxShort);
  while (status.projects.size() > kMaxProjectCounts) status.projects.erase(std::prev(status.projects.end()));
  if (status.adopted) fit_adopted(*status.adopted);
  if (status.runtime) fit_runtime(*status.runtime);
  shorten(status.findings, kMaxFindings);
  for (Finding& finding : status.findings) {
    for (std::string* text : {&finding.id, &finding.severity, &finding.object})
      cut_in_place(*text, kMaxShort);
    cut_in_place(finding.message, kMaxMessage);
    cut_in_place(finding.remedy, kMaxMessage);
  }
  fit_conditions(status.conditions);
}

void fit(RolloutStatus& status) {
  shorten(status.waves, kMaxWaves);
  for (WaveStatus& wave : status.waves) {
    cut_in_place(wave.name, kMaxWaveName);
    cut_in_place(wave.message, kMaxMessage);
  }
  cut_in_place(status.done, kMaxShort);
  cut_in_place(status.open_wave, kMaxWaveName);
  cut_in_place(status.message, kMaxMessage);
  fit_conditions(status.conditions);
}

}  // namespace rls::api
