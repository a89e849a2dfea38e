#pragma once
// RlsRollouts of a database: decides their waves from what a look at the whole database saw, makes the
// RlsMigrations that are missing, and writes their statuses (design 2-api, RlsRollout). Never writes the spec
// of an RlsMigration that exists.

#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "controller/reconcile/caches.hpp"
#include "controller/reconcile/status.hpp"
#include "controller/reconcile/status_writer.hpp"
#include "controller/reconcile/waves.hpp"

namespace rls::reconcile {

/// One RlsMigration of the database, as it was seen.
struct MemberLook {
  const api::RlsMigration* migration = nullptr;
  const MigrationOutcome* outcome = nullptr;
};

class Rollouts {
 public:
  Rollouts(Caches& caches, Waves& waves, kube::Client& client, StatusWriter& writer, const Clock& clock)
      : caches_(caches), waves_(waves), client_(client), writer_(writer), clock_(clock) {}

  /// Whether any rollout names the database.
  [[nodiscard]] bool any(const api::ObjectName& database) const {
    return caches_.rollouts.size() != 0 && !caches_.rollouts.by_index(database).empty();
  }

  /// From what was just observed, before anything is decided on it. `looks`: all of the database. `now`:
  /// database time. When a freeze ends, where one does: look at the database again then.
  std::optional<Time> decide(const api::ObjectName& database, std::span<const MemberLook> looks, Time now);

  /// After the look: makes what is missing, and tells. `failure`: why the database could not be looked at;
  /// then nothing is made.
  void publish(const api::ObjectName& database, std::span<const MemberLook> looks, Time now,
               const std::optional<decide::StepFailure>& failure);

 private:
  void make_missing(const api::RlsRollout& rollout);
  std::optional<decide::StepFailure> failure_of(const api::RlsRollout& rollout) const;
  void note_made(const api::ObjectName& rollout, const Result<void>& made);

  Caches& caches_;
  Waves& waves_;
  kube::Client& client_;
  StatusWriter& writer_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::map<api::ObjectName, Error> not_made_;  // guarded by mutex_: the last RlsMigration that was refused
};

}  // namespace rls::reconcile
