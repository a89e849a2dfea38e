#pragma once
// A PostgreSQL server of a test's own: to be stopped, restarted, followed by a standby, promoted.

#include <memory>
#include <string>

#include "tests/support/process.hpp"

namespace rls::test {

class PostgresServer {
 public:
  /// Makes a new cluster on a free port of the loopback and starts it. `settings`: lines of postgresql.conf.
  explicit PostgresServer(const std::string& settings = {});
  /// Stops it at once and removes its files.
  ~PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  /// A streaming standby of it, started, made of a base backup.
  [[nodiscard]] std::unique_ptr<PostgresServer> make_standby() const;

  /// Waits until it answers.
  void start();
  /// As power that fails (fsync is off: the machine must stay up): what was committed is recovered at the
  /// next `start`.
  void stop_immediately();
  /// As a machine that hangs: connections are still taken, nobody answers them. Until it is stopped.
  void freeze() const;
  void restart_immediately() {
    stop_immediately();
    start();
  }
  /// Of a standby: waits until it is the primary.
  void promote() const;
  /// Sets one parameter, for all sessions, without a restart.
  void set(const std::string& parameter, const std::string& value) const;

  /// One value by SQL as superuser in the database `postgres`, tuples only.
  std::string sql(const std::string& statement) const;
  /// The superuser's URI, to the database `postgres`.
  [[nodiscard]] std::string uri() const;
  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] std::string system_identifier() const {
    return sql("SELECT system_identifier FROM pg_control_system()");
  }

 private:
  struct Empty {};
  explicit PostgresServer(Empty);

  [[nodiscard]] std::string data() const { return home_ + "/data"; }

  std::string home_;
  int port_;
  std::unique_ptr<Background> server_;
};

}  // namespace rls::test
