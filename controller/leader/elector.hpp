#pragma once
// Drives an Election against the API server.

#include <condition_variable>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>

#include "controller/api/object.hpp"
#include "controller/base/result.hpp"
#include "controller/base/time.hpp"
#include "controller/kube/client.hpp"
#include "controller/leader/election.hpp"

namespace rls::leader {

/// A name that no other process has, ever: the host's (a Pod's) and a random part.
std::string make_identity(std::string_view host);

/// Thread-safe.
class Elector {
 public:
  /// Called on the thread of `run`, one after the other; must not block for long.
  struct Callbacks {
    std::function<void()> elected;
    std::function<void()> deposed;  ///< at the renew deadline at the latest: all SQL must end now
  };
  /// `client` and `clock` outlive it.
  Elector(kube::Client& client, const Clock& clock, api::ObjectName lease, std::string identity,
          LeaseTiming timing, Callbacks callbacks);

  /// Stands for election, leads, stands again, until `stop`. Blocks. Does not release the Lease.
  void run(const std::stop_token& stop);

  /// Whether this process leads at this moment.
  [[nodiscard]] bool leads() const;
  /// The number of our leadership. Where it is not above `epoch` it is raised by a write to the Lease, which
  /// comes through only while the Lease is ours. NotLeading (transient) otherwise; others as of Client::call.
  /// Blocks.
  Result<std::int64_t> term_above(std::int64_t epoch);
  /// Gives the Lease back, so that the next one need not wait. After `run` has returned and all SQL has
  /// ended.
  void release();

 private:
  void perform(const Election::Step& step);  // under calls_
  void announce();
  void tell(const Error& error);

  kube::Client& client_;
  const Clock& clock_;
  const api::ObjectName lease_;
  const kube::Resource resource_;
  const std::string identity_;
  const LeaseTiming timing_;
  const Callbacks callbacks_;
  std::mutex calls_;  // held during a call: one at a time. Before mutex_.
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  Election election_;       // guarded by mutex_
  std::string document_;    // guarded by calls_: the Lease as it was last read or written
  bool announced_ = false;  // of run's thread
  std::string told_;        // guarded by calls_: the last error that was logged
};

}  // namespace rls::leader
