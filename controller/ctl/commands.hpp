#pragma once
// What rlsctl does.

#include <ostream>

#include "controller/ctl/options.hpp"

namespace rls::ctl {

/// Runs it; the process's exit code: 0 done, 1 refused or failed (said in `err`).
int run(const Command& command, std::ostream& out, std::ostream& err);

}  // namespace rls::ctl
