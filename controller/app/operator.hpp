#pragma once
// Wires the rooms together and runs them until it is told to stop.

#include "controller/app/options.hpp"

namespace rls::app {

/// Runs the operator until SIGTERM or SIGINT. Blocks these signals in the calling thread, which must be the
/// process' first: call it before any other thread is started. Returns the process' exit code: 0 after a
/// signal, 1 where it could not start or had to give up (the log says why).
int run(const Options& options);

}  // namespace rls::app
