#pragma once
// A TCP proxy that understands as much of PostgreSQL's protocol 3 as it needs to break it at one statement.
// It gives each statement the name of its file in controller/postgres/sql, else its first words; to connect,
// up to the first ReadyForQuery, is the statement "connect". Without TLS: sslmode=disable.

#include <condition_variable>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace rls::test {

enum class Cut {
  before,         ///< the server never gets the statement
  reply_lost,     ///< the server has done it, the client never hears of it
  reply_held,     ///< the same, but it waits for the answer until `cut_all`
  sent_and_gone,  ///< passed on, and both connections closed at once
  stall,          ///< the server does not get it until `release`; then it goes on as if nothing was
};

std::string to_string(Cut cut);

/// The `occurrence`-th statement of this name, counted from 1.
struct StatementFault {
  std::string statement;
  int occurrence = 1;
  Cut cut = Cut::before;

  [[nodiscard]] std::string str() const;
};

/// Thread-safe.
class PostgresProxy {
 public:
  /// Listens on a free port of the loopback and passes on to 127.0.0.1:`upstream_port`.
  explicit PostgresProxy(int upstream_port);
  ~PostgresProxy();
  PostgresProxy(const PostgresProxy&) = delete;
  PostgresProxy& operator=(const PostgresProxy&) = delete;

  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  /// Forgets the statements counted so far, cuts all connections, and waits for the fault to come.
  void restart(std::optional<StatementFault> fault = std::nullopt);
  /// The names of all statements since then, in order.
  [[nodiscard]] std::vector<std::string> statements() const;
  [[nodiscard]] bool fault_came() const;
  /// Lets a stalled statement go on.
  void release();
  /// New connections go there; those that stand are cut.
  void use_upstream(int port);
  void cut_all();

 private:
  struct Session;

  void listen();
  void serve(Session& session);
  std::optional<Cut> count(const std::string& name);
  void wait_for_release(Session& session);

  const std::map<std::string, std::string> names_;  ///< by first line
  int listener_ = -1;
  int port_ = 0;
  mutable std::mutex mutex_;
  std::condition_variable released_;
  int upstream_port_;  // guarded by mutex_, as all below
  bool stopping_ = false, stalled_ = false;
  std::vector<std::string> statements_;
  std::map<std::string, int> counts_;
  std::optional<StatementFault> fault_;
  bool fault_came_ = false;
  std::list<Session> sessions_;
  std::jthread thread_;
};

}  // namespace rls::test
