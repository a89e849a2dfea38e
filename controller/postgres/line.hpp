#pragma once
// The socket of a connection as other threads may touch it: to cut it, never to close it.

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

namespace rls::postgres {

/// Thread-safe. Outlives the connections that are made over it, one after the other. Holds a duplicate of the
/// descriptor: libpq closes its own whenever it likes, and the number may be somebody else's the next moment.
class Line {
 public:
  Line() = default;
  ~Line();
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  /// A connection attempt begins: forgets an earlier cut.
  void begin();
  /// The socket in use now; again whenever libpq takes another one.
  void use(int socket);
  /// The socket is about to be closed by its owner.
  void drop();
  /// Shuts the socket down: who reads from it wakes up with a broken connection.
  void cut();
  /// Cut since `begin`.
  [[nodiscard]] bool is_cut() const;

 private:
  void replace(int socket);  // under mutex_

  mutable std::mutex mutex_;
  int socket_ = -1;   // guarded by mutex_
  bool cut_ = false;  // guarded by mutex_
};

/// Cuts the line when a statement takes longer than it may: a server that neither answers nor closes
/// (stopped, waiting for a standby, behind a dead network) must not hold a worker for ever.
class Watchdog {
 public:
  explicit Watchdog(Line& line);

  void arm(std::chrono::milliseconds limit);
  void disarm();

 private:
  void watch(const std::stop_token& stop);

  Line& line_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::optional<std::chrono::steady_clock::time_point> deadline_;  // guarded by mutex_
  // When the thread wakes by itself. Guarded by mutex_.
  std::chrono::steady_clock::time_point wakes_ = std::chrono::steady_clock::time_point::max();
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace rls::postgres
