#pragma once
// Is what enforcing would deny being recorded (gate Evidence), and when did the policies last change (gate
// SoakTime).

#include "controller/postgres/observing.hpp"

namespace rls::postgres {

/// One statement. Writes nothing.
std::variant<PolicyWatch, SqlFailure> watch_policies(OpenDatabase& database);
/// Remembers the policies that were seen, so that the moment of their change is kept.
std::optional<SqlFailure> note_policies(OpenDatabase& database, const PolicyWatch& watch);

}  // namespace rls::postgres
