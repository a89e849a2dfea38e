#pragma once
// The adopted tables as they really are. Column names stand in catalogue.cpp and nowhere else.

#include <map>
#include <string>
#include <string_view>

#include "controller/api/database.hpp"
#include "controller/base/result.hpp"
#include "controller/postgres/connection.hpp"

namespace rls::postgres {

/// What was found, and the statements made for it.
struct Catalogue {
  bool managed = false;      ///< the runtime is ours
  std::string status_table;  ///< quoted: public.rls_migration_status
  std::string audit_table;   ///< quoted; as it would be called where it is not there

  std::string schema;      ///< as it is, without quotes
  std::string audit_name;  ///< the same without quotes and schema

  std::string registry_table;  ///< quoted; empty where there is none that we can read

  /// Why a registered project cannot be given a row in the status table; empty where it can.
  std::string no_new_rows_because;
  /// Why violations cannot be counted; empty where they can.
  std::string violations_unknown_because;
  /// Why moves get no row in the audit table; empty where they do. The ledger has them in any case.
  std::string no_audit_rows_because;

  /// What was found, for people; without what is known later (evidence, a refusal by the audit table).
  api::AdoptedStatus adopted;

  std::string observe, observe_uncounted, lock_projects, lock_free_projects, ledger_seen, new_rows, apply,
      set_phases, audit, row_blocker, violations_by_table, violation_samples, count_by_phase;

  /// Empty where the audit rows cannot be read in the order of a key: each count is then one statement.
  std::string count_slice;
  /// Of the newest audit rows alone, for projects with too many denials to read them all. Empty like it.
  std::string recent_by_table, recent_samples;
  std::string first_key, last_key;  ///< of any row, as text
};

/// Reads the catalogue of the schema. `role` is quoted, for the remedies.
/// Terminal: MissingTable, MissingColumn, UnsupportedTable, MissingPrivilege; each says what was looked for,
/// where, and what to do. `managed`: the runtime is ours, and what it noted is counted. A missing or unfit
/// audit table is no error: see Catalogue.
Result<Catalogue> read_catalogue(Connection& connection, std::string_view schema, std::string_view role,
                                 bool managed);

}  // namespace rls::postgres
