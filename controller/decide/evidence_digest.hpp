#pragma once
// What an approval is given for (design 2-api, RlsApproval): it counts for this evidence alone.

#include <string>

#include "controller/api/database.hpp"
#include "controller/api/migration.hpp"
#include "controller/decide/observation.hpp"

namespace rls::decide {

/// 64 hexadecimal digits, which change with the spec (but for suspend), the object's uid, the checks that the
/// database demands, the policies and protected tables, the verdicts, and the phase that stands and when it
/// was entered: who falls back and climbs again is approved again. What is counted meanwhile (transactions,
/// time, violations) changes nothing: the gates watch it.
std::string evidence_digest(const api::RlsMigration& migration, const api::DatabasePolicy& policy,
                            const Observation& observed);

}  // namespace rls::decide
