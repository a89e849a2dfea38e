#pragma once
// The statements, one file each in sql/, embedded by embed_sql.cmake. `{{…}}` stands for what the catalogue
// found: Catalogue::render fills it in.

#include <string_view>

namespace rls::postgres::sql {

// Opening
extern const std::string_view hello;
extern const std::string_view schema_1;
extern const std::string_view schema_2;
extern const std::string_view schema_3;
extern const std::string_view schema_4;
extern const std::string_view schema_5;
extern const std::string_view schema_6;
extern const std::string_view set_holds;
extern const std::string_view resume;
extern const std::string_view state;
extern const std::string_view take_claim;
extern const std::string_view take_over;
extern const std::string_view end_leaders;
extern const std::string_view raise_epoch;
extern const std::string_view catalogue;
// Observing
extern const std::string_view observe;
extern const std::string_view denied;
extern const std::string_view count_slice;
extern const std::string_view ledger_seen;
extern const std::string_view raise_wanted;
extern const std::string_view evidence;
extern const std::string_view note_policies;
extern const std::string_view mark_violations;
// Moving
extern const std::string_view fence;
extern const std::string_view lock_projects;
extern const std::string_view new_rows;
extern const std::string_view apply;
extern const std::string_view set_phases;
extern const std::string_view audit;
extern const std::string_view end_backend;
extern const std::string_view read_ledger;
extern const std::string_view table_blocker;
extern const std::string_view row_blocker;
// The managed runtime
extern const std::string_view runtime_1;
extern const std::string_view runtime_tables;
extern const std::string_view runtime_notes;
extern const std::string_view runtime_state;
extern const std::string_view runtime_foreign;
extern const std::string_view runtime_owners;
extern const std::string_view outdated_forms;
extern const std::string_view relation_blocker;
extern const std::string_view managed_columns;
extern const std::string_view drain_more;
extern const std::string_view managed_denied;
extern const std::string_view managed_evidence;
extern const std::string_view managed_violations_by_table;
extern const std::string_view managed_violation_samples;
extern const std::string_view tend;
extern const std::string_view register_found;
extern const std::string_view set_form;
extern const std::string_view findings;
// Maintenance
extern const std::string_view kinds;
extern const std::string_view uninstall_check;
extern const std::string_view protected_tables;
extern const std::string_view uninstall;
// Reporting
extern const std::string_view history;
extern const std::string_view violations_by_table;
extern const std::string_view violation_samples;
extern const std::string_view recent_audit;
extern const std::string_view count_by_phase;

}  // namespace rls::postgres::sql
