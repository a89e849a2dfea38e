#pragma once
// The connections to the databases: two lanes each, so that an urgent demotion never waits behind a batch.

#include <array>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "controller/api/database.hpp"
#include "controller/base/result.hpp"
#include "controller/base/time.hpp"
#include "controller/kube/client.hpp"
#include "controller/postgres/dsn.hpp"
#include "controller/postgres/project_database.hpp"
#include "controller/runtime/work_queue.hpp"

namespace rls::reconcile {

/// Makes the port to the database that the Secret names. Does not connect yet.
using DatabaseFactory = std::function<Result<std::unique_ptr<postgres::ProjectDatabase>>(
    const api::RlsDatabase& spec, const postgres::ConnectionSecret& secret)>;

/// One lane of one database. Used by one worker at a time, who holds `mutex`.
struct Lane {
  std::mutex mutex;
  std::shared_ptr<postgres::ProjectDatabase> database;   // guarded by mutex
  api::DatabaseSpec made_for;                            // guarded by mutex: the spec it was made for
  std::string made_for_uid;                              // guarded by mutex
  postgres::ConnectionSecret secret;                     // guarded by mutex: what it was made with
  std::chrono::steady_clock::time_point secret_read_at;  // guarded by mutex
  std::uint64_t term = 0;                                // guarded by mutex: the leadership it was made in
};

/// Thread-safe.
class Sessions {
 public:
  Sessions(kube::Client& client, DatabaseFactory factory, const Clock& clock)
      : client_(client), factory_(std::move(factory)), clock_(clock) {}

  /// A leadership begins: from now on databases may be opened, for as long as `leads` says so. The first
  /// `open` of each raises its epoch.
  void begin_term(postgres::Mandate mandate, std::function<bool()> leads);
  /// It ended: all connections are cut, their transactions rolled back, and nothing is opened any more.
  void end_term();
  [[nodiscard]] bool leading() const;

  /// Which installation this is, for the claims. Once, before the first `open`.
  void identify(std::string install_id) { install_id_ = std::move(install_id); }

  /// An open database, and the lane's lock for as long as it is used.
  struct Open {
    std::shared_ptr<void> keeps_lane;  ///< the lane lives as long as its lock is held
    Lane* lane = nullptr;
    std::unique_lock<std::mutex> lock;
    std::shared_ptr<postgres::ProjectDatabase> database;
    postgres::DatabaseFacts facts;
  };

  /// Opens the lane: reads the Secret where there is no connection, connects, proves primary and claim,
  /// compares the system identifier with the one in status. A failure drops the lane, so that the next try
  /// reads the Secret anew; it is remembered until the next success (not_ok_for). NotLeading (transient)
  /// tells nothing about the database.
  Result<Open> open(const api::RlsDatabase& database, runtime::Priority lane);
  /// The work through `open` failed in a way that the connection may not survive: drop it.
  static void drop(Open& open);

  /// For how long the database has not been ok; zero where it is.
  [[nodiscard]] Duration not_ok_for(const api::ObjectName& database) const;
  /// Notes that the database could not be used (false) or was (true).
  void note(const api::ObjectName& database, bool ok);

  /// Forgets a database that is gone.
  void forget(const api::ObjectName& database);
  /// Ends all connections at once, from any thread: the statement in hand fails, its transaction is rolled
  /// back.
  void interrupt_all();

 private:
  struct Entry {
    std::array<Lane, 2> lanes;
    std::array<std::weak_ptr<postgres::ProjectDatabase>, 2> running;  // guarded by Sessions::mutex_
    std::mutex beginning;  // held while the epoch is raised: one lane does it. After Lane::mutex.
    std::optional<std::int64_t> epoch;  // guarded by Sessions::mutex_: of this leadership, for both lanes
    std::string epoch_system;           // guarded by Sessions::mutex_: where it was raised
    std::optional<std::chrono::steady_clock::time_point> failing_since;  // guarded by Sessions::mutex_
  };

  std::shared_ptr<Entry> entry(const api::ObjectName& name);

  kube::Client& client_;
  const DatabaseFactory factory_;
  const Clock& clock_;
  std::string install_id_;
  mutable std::mutex mutex_;
  std::shared_ptr<const postgres::Mandate> mandate_;           // guarded by mutex_; none: we do not lead
  std::function<bool()> leads_;                                // guarded by mutex_
  std::uint64_t term_ = 0;                                     // guarded by mutex_: how many there were
  std::map<api::ObjectName, std::shared_ptr<Entry>> entries_;  // guarded by mutex_
};

}  // namespace rls::reconcile
