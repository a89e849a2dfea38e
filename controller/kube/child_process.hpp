#pragma once
// Runs one program and takes what it says: without a shell, without our descriptors, and for a limited time.

#include <chrono>
#include <stop_token>
#include <string>
#include <vector>

#include "controller/base/result.hpp"

namespace rls::kube {

struct Program {
  std::string command;  ///< with a slash: that file; without: looked for on our PATH
  std::vector<std::string> args;
  std::vector<std::string> environment;  ///< "NAME=value"; there is nothing else in the program's
  std::chrono::milliseconds limit{60'000};
  std::size_t largest_output = 1024 * 1024;  ///< of stdout; more ends the program
  std::size_t kept_errors = 4096;            ///< of stderr; the rest passes unread
};

struct ProgramEnd {
  int exit_code = 0;  ///< 128 + the signal where one ended it
  std::string output;
  std::string errors;
};

/// Runs it and waits for its end, however it is. It gets /dev/null as stdin, no other descriptor of ours, no
/// blocked signal, and a process group of its own, which is killed at the end, at `limit`, and on `stop`.
/// Errors: ProgramNotStarted (terminal where it does not exist or may not be run), ProgramTooSlow,
/// ProgramTooLoud, Stopped (transient).
Result<ProgramEnd> run_program(const Program& program, const std::stop_token& stop);

}  // namespace rls::kube
