#pragma once
// What rlsctl does.

#include <istream>
#include <ostream>

#include "controller/ctl/options.hpp"

namespace rls::ctl {

/// Where it is read from and written to.
struct Terminal {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  bool asks = false;     ///< a person sits there and can answer
  bool colours = false;  ///< `out` shows them (R-A8)
};

/// Runs it; the process's exit code: 0 done, 1 refused or failed (said in `err`).
int run(const Command& command, const Terminal& terminal);

}  // namespace rls::ctl
