#pragma once
// What rlsctl does with RlsMigrations. Each prints what came of it; an Error is what could not be done.

#include "controller/base/result.hpp"
#include "controller/ctl/commands.hpp"
#include "controller/ctl/options.hpp"

namespace rls::ctl {

/// Shows what would be approved, asks, and creates the RlsApproval. Terminal NotConfirmed: nobody said yes.
Result<void> approve(const Approve& command, const Terminal& terminal);

/// Sets the annotation `resume` to a new value. Transient TimedOut: with `wait`, it is held still.
Result<void> resume(const Resume& command, const Terminal& terminal);

/// Sets the hold row, and asks the operator to look at once (R-A4). Transient TimedOut: with `wait`, the
/// project is not there yet; the hold stands.
Result<void> rollback(const Rollback& command, const Terminal& terminal);

/// R-A8.
Result<void> status(const Status& command, const Terminal& terminal);

Result<void> explain(const Explain& command, const Terminal& terminal);

}  // namespace rls::ctl
