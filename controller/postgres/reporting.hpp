#pragma once
// What is read for people: history, violations, numbers (ProjectDatabase's methods of the same names).

#include "controller/postgres/observing.hpp"

namespace rls::postgres {

Result<std::vector<std::vector<api::HistoryEntry>>> history(OpenDatabase& database,
                                                            std::span<const std::string> projects);
/// Precondition: catalogue.violations_unknown_because is empty.
Result<std::vector<api::ViolationsStatus>> violations(OpenDatabase& database,
                                                      std::span<const std::string> projects);
/// `audit_refused`: why the audit table takes no row about a move, where one was tried.
Result<api::AdoptedStatus> describe(OpenDatabase& database, std::string_view audit_refused);
Result<std::map<std::string, std::int64_t>> count_by_phase(OpenDatabase& database);

}  // namespace rls::postgres
