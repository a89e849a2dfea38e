#pragma once
// Programs that a test runs: once with their output, or in the background.

#include <sys/types.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace rls::test {

struct Output {
  int exit_code = -1;  ///< 128 + signal where a signal ended it
  std::string out;     ///< stdout and stderr together
  [[nodiscard]] bool ok() const { return exit_code == 0; }
};

/// Runs `arguments` (the first is the program, found on PATH) with `input` on stdin, and waits.
Output run(const std::vector<std::string>& arguments, const std::string& input = {});

/// The variable, or a failure that says what is missing: tests never skip.
std::string required_environment(const char* name);

/// A program in the background, its output in a file; killed when this goes.
class Background {
 public:
  Background(const std::vector<std::string>& arguments, std::string log_file);
  ~Background();
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  void signal(int number) const;
  /// Waits for its end; -1 where it still runs after `limit`.
  int wait(std::chrono::milliseconds limit);
  [[nodiscard]] bool running();
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] std::string log() const;

 private:
  pid_t pid_ = -1;
  std::string log_file_;
  bool ended_ = false;
  int exit_code_ = -1;
};

}  // namespace rls::test
