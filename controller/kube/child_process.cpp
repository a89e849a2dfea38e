#include "controller/kube/child_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "controller/base/text.hpp"

namespace rls::kube {
namespace {

// How long the program's end, a stop and the limit may go unnoticed.
constexpr std::chrono::milliseconds kLook{20};

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() { reset(); }
  void reset() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_ = -1;
};

struct Pipe {
  Descriptor read, write;
};

std::optional<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return std::nullopt;
  Pipe made{Descriptor(ends[0]), Descriptor(ends[1])};
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return made;
}

/// Where posix_spawn's settings are released again.
class Settings {
 public:
  Settings(const Pipe& out, const Pipe& err) {
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, out.write.get(), STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, err.write.get(), STDERR_FILENO);
    // The libraries' sockets do not all close by themselves.
    ::posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    ::posix_spawnattr_init(&attributes);
    sigset_t none, all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setpgroup(&attributes, 0);
    ::posix_spawnattr_setflags(&attributes,
                               POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~Settings() {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  }
  Settings(const Settings&) = delete;
  Settings& operator=(const Settings&) = delete;

  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};
};

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  // posix_spawn takes char* for history's sake and changes nothing.
  for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

/// A program that was started. Its group is killed and it is waited for, at the latest at the end of its life
/// here.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  ~Child() { (void)end(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// It has ended; it still keeps its number, so that killing its group cannot hit another's.
  [[nodiscard]] bool has_ended() const {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == pid_;
  }
  int end() {
    if (ended_) return exit_code_;
    ended_ = true;
    ::kill(-pid_, SIGKILL);
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    exit_code_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return exit_code_;
  }

 private:
  const pid_t pid_;
  bool ended_ = false;
  int exit_code_ = 0;
};

/// Takes what is there now, keeps `limit` of it; false: there was more.
bool drain(Descriptor& from, std::string& into, std::size_t limit) {
  std::array<char, 4096> chunk{};
  bool all = true;
  while (from.get() >= 0) {
    const ssize_t count = ::read(from.get(), chunk.data(), chunk.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) break;
    if (count <= 0) {
      from.reset();
      break;
    }
    const std::size_t room = limit - into.size();
    into.append(chunk.data(), std::min(static_cast<std::size_t>(count), room));
    if (static_cast<std::size_t>(count) > room) {
      all = false;
      break;  // once a look, so that one who never stops cannot hold us here
    }
  }
  return all;
}

Error not_started(const std::string& command, int code) {
  const std::string message = rls::quoted(command) + " cannot be run: " + ::strerrordesc_np(code);
  const bool ours = code == EAGAIN || code == ENOMEM || code == EMFILE || code == ENFILE || code == ETXTBSY;
  return ours ? transient("ProgramNotStarted", message) : terminal("ProgramNotStarted", message);
}

}  // namespace

Result<ProgramEnd> run_program(const Program& program, const std::stop_token& stop) {
  auto out = make_pipe(), err = make_pipe();
  if (!out || !err) return not_started(program.command, errno);
  std::vector<std::string> arguments{program.command};
  arguments.insert(arguments.end(), program.args.begin(), program.args.end());
  pid_t pid = 0;
  {
    const Settings settings(*out, *err);
    const int bad = ::posix_spawnp(&pid, program.command.c_str(), &settings.actions, &settings.attributes,
                                   pointers(arguments).data(), pointers(program.environment).data());
    if (bad != 0) return not_started(program.command, bad);
  }
  out->write.reset();
  err->write.reset();

  Child child(pid);
  ProgramEnd end;
  const auto deadline = std::chrono::steady_clock::now() + program.limit;
  for (bool ended = false; !ended;) {
    ended = child.has_ended();  // before the last look into the pipes, so that nothing is missed
    (void)drain(err->read, end.errors, program.kept_errors);
    if (!drain(out->read, end.output, program.largest_output)) {
      return transient("ProgramTooLoud", rls::quoted(program.command) + " has printed more than " +
                                             std::to_string(program.largest_output) + " bytes and was ended");
    }
    if (ended) break;
    if (stop.stop_requested()) return transient("Stopped", rls::quoted(program.command) + " was stopped");
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) {
      return transient("ProgramTooSlow", rls::quoted(program.command) + " has not ended within " +
                                             std::to_string(program.limit.count()) + " ms and was killed");
    }
    // Closed pipes have the number -1, which poll passes over; then this is a sleep.
    std::array<pollfd, 2> waiting{pollfd{out->read.get(), POLLIN, 0}, pollfd{err->read.get(), POLLIN, 0}};
    ::poll(waiting.data(), waiting.size(), static_cast<int>(std::min(left, kLook).count()));
  }
  end.exit_code = child.end();
  return end;
}

}  // namespace rls::kube
