#pragma once
// What the watches told: the objects of both kinds, and which migration owns which project.

#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include "controller/api/approval.hpp"
#include "controller/api/database.hpp"
#include "controller/api/migration.hpp"
#include "controller/api/rollout.hpp"
#include "controller/runtime/object_cache.hpp"

namespace rls::reconcile {

/// The RlsDatabase that a migration names: same namespace (design 2-api: references stay inside the
/// namespace).
api::ObjectName database_of(const api::RlsMigration& migration);
api::ObjectName database_of(const api::RlsRollout& rollout);
/// The RlsMigration that an approval names.
api::ObjectName migration_of(const api::RlsApproval& approval);

/// Who came first for each project of each RlsDatabase. The older object wins, by creation time, then by
/// name. Thread-safe.
class ProjectOwners {
 public:
  void add(const api::RlsMigration& migration);
  void remove(const api::RlsMigration& migration);
  /// The older RlsMigration for the same project, where there is one.
  [[nodiscard]] std::optional<std::string> older_than(const api::RlsMigration& migration) const;
  /// The first for another project of the same RlsDatabase, where there is one.
  [[nodiscard]] std::optional<api::ObjectName> first_for(const api::RlsMigration& migration,
                                                         const std::string& project) const;
  [[nodiscard]] std::optional<api::ObjectName> first_for(const api::ObjectName& database,
                                                         const std::string& project) const;
  /// The others for the same project: they must look again when this one goes.
  [[nodiscard]] std::vector<api::ObjectName> rivals_of(const api::RlsMigration& migration) const;

 private:
  using Entry = std::pair<Time, api::ObjectName>;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::set<Entry>> owners_;  // guarded by mutex_
};

struct Caches {
  runtime::ObjectCache<api::RlsDatabase> databases;
  runtime::ObjectCache<api::RlsMigration, api::ObjectName> migrations{[](const api::RlsMigration& migration) {
    return database_of(migration);
  }};  ///< indexed by its database
  ProjectOwners owners;
  runtime::ObjectCache<api::RlsApproval, api::ObjectName> approvals{migration_of};
  runtime::ObjectCache<api::RlsRollout, api::ObjectName> rollouts{
      [](const api::RlsRollout& rollout) { return database_of(rollout); }};

  /// Approvals and rollouts are waited for by those gates alone: steps down need neither.
  [[nodiscard]] bool synced() const { return databases.synced() && migrations.synced(); }
};

}  // namespace rls::reconcile
