#pragma once
// The runs that are rehearsed.

#include <memory>

#include "tests/faults/kill/rehearsal.hpp"

namespace rls::test {

/// Projects one by one, on a runtime that is adopted or one that the operator manages.
///   first start  schema and claim, first sight, sm one step up, ab two
///   restart      ab down to pending, sm held by a DBA, aa two steps up; then sm released
std::unique_ptr<Rehearsal> projects_rehearsal(Plan plan, bool managed);

/// A rollout: ab and aa go together, sm in the wave after them; a check guards ab and aa.
///   first start  their RlsMigrations are made, all go up to enforcing
///   restart      the check fails: ab and aa go back to shadow and are held there; a DBA holds sm at pending.
///                All is mended, ab and aa resumed, sm released: all go up again. A DBA holds ab at shadow,
///                and the annotation that resumed it does not once more.
std::unique_ptr<Rehearsal> lifecycle_rehearsal(Plan plan);

}  // namespace rls::test
