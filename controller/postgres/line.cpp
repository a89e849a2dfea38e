#include "controller/postgres/line.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace rls::postgres {

Line::~Line() { drop(); }

void Line::replace(int socket) {
  if (socket_ >= 0) ::close(socket_);
  socket_ = socket;
}

void Line::begin() {
  const std::scoped_lock lock(mutex_);
  replace(-1);
  cut_ = false;
}

void Line::use(int socket) {
  const int own = socket < 0 ? -1 : ::fcntl(socket, F_DUPFD_CLOEXEC, 0);
  const std::scoped_lock lock(mutex_);
  replace(own);
}

void Line::drop() {
  const std::scoped_lock lock(mutex_);
  replace(-1);
}

void Line::cut() {
  const std::scoped_lock lock(mutex_);
  cut_ = true;
  if (socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);  // does not block
}

bool Line::is_cut() const {
  const std::scoped_lock lock(mutex_);
  return cut_;
}

Watchdog::Watchdog(Line& line) : line_(line), thread_([this](const std::stop_token& stop) { watch(stop); }) {}

void Watchdog::arm(std::chrono::milliseconds limit) {
  bool wake = false;
  {
    const std::scoped_lock lock(mutex_);
    deadline_ = std::chrono::steady_clock::now() + limit;
    // A thread that wakes by itself early enough is left to it: waking it for every statement would cost each
    // a switch of threads.
    wake = wakes_ > *deadline_;
  }
  if (wake) changed_.notify_one();
}

void Watchdog::disarm() {
  const std::scoped_lock lock(mutex_);
  deadline_.reset();
}

void Watchdog::watch(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    if (!deadline_) {
      wakes_ = std::chrono::steady_clock::time_point::max();
      changed_.wait(lock, stop, [&] { return deadline_.has_value(); });
      continue;
    }
    wakes_ = *deadline_;
    if (std::chrono::steady_clock::now() >= wakes_) {
      deadline_.reset();
      line_.cut();
      continue;
    }
    changed_.wait_until(lock, stop, wakes_, [&] { return deadline_ && *deadline_ < wakes_; });
  }
}

}  // namespace rls::postgres
