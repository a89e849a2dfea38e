#include "tests/support/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

extern char** environ;

namespace rls::test {
namespace {

std::vector<char*> pointers(const std::vector<std::string>& arguments) {
  std::vector<char*> out;
  for (const std::string& argument : arguments) out.push_back(const_cast<char*>(argument.c_str()));
  out.push_back(nullptr);
  return out;
}

pid_t spawn(const std::vector<std::string>& arguments, const posix_spawn_file_actions_t& actions) {
  pid_t pid = -1;
  auto argv = pointers(arguments);
  const int error = ::posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  if (error != 0) throw std::runtime_error("cannot start " + arguments[0] + ": " + std::strerror(error));
  return pid;
}

int exit_code_of(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

}  // namespace

Output run(const std::vector<std::string>& arguments, const std::string& input) {
  std::array<int, 2> to{}, from{};
  if (::pipe2(to.data(), O_CLOEXEC) != 0 || ::pipe2(from.data(), O_CLOEXEC) != 0)
    throw std::runtime_error("pipe");
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, to[0], 0);
  ::posix_spawn_file_actions_adddup2(&actions, from[1], 1);
  ::posix_spawn_file_actions_adddup2(&actions, from[1], 2);
  const pid_t pid = spawn(arguments, actions);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(to[0]);
  ::close(from[1]);
  // The input is written on a thread of its own, so that a program that answers early cannot block us.
  std::jthread writer([&] {
    std::size_t at = 0;
    while (at < input.size()) {
      const ssize_t n = ::write(to[1], input.data() + at, input.size() - at);
      if (n <= 0) break;
      at += static_cast<std::size_t>(n);
    }
    ::close(to[1]);
  });
  Output output;
  std::array<char, 8192> buffer{};
  for (ssize_t n = 0; (n = ::read(from[0], buffer.data(), buffer.size())) > 0;) {
    output.out.append(buffer.data(), static_cast<std::size_t>(n));
  }
  ::close(from[0]);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  output.exit_code = exit_code_of(status);
  return output;
}

std::string required_environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') {
    throw std::runtime_error(std::string(name) + " is not set: run these tests with ./dev/test");
  }
  return value;
}

Background::Background(const std::vector<std::string>& arguments, std::string log_file)
    : log_file_(std::move(log_file)) {
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, 1, log_file_.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::posix_spawn_file_actions_adddup2(&actions, 1, 2);
  pid_ = spawn(arguments, actions);
  ::posix_spawn_file_actions_destroy(&actions);
}

Background::~Background() {
  if (!running()) return;
  signal(SIGKILL);
  wait(std::chrono::seconds{60});
}

void Background::signal(int number) const { ::kill(pid_, number); }

int Background::wait(std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (running()) {
    if (std::chrono::steady_clock::now() >= deadline) return -1;
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }
  return exit_code_;
}

bool Background::running() {
  if (ended_) return false;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) != pid_) return true;
  ended_ = true;
  exit_code_ = exit_code_of(status);
  return false;
}

std::string Background::log() const {
  std::ifstream file(log_file_);
  std::stringstream out;
  out << file.rdbuf();
  return out.str();
}

}  // namespace rls::test
