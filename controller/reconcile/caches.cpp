#include "controller/reconcile/caches.hpp"

namespace rls::reconcile {
namespace {

/// Newlines cannot stand in any of the parts (CRD rules), so the key is unique.
std::string owner_key(const api::ObjectName& database, const std::string& project) {
  return database.ns + "\n" + database.name + "\n" + project;
}
std::string owner_key(const api::RlsMigration& migration) {
  return owner_key(database_of(migration), migration.spec.project);
}

}  // namespace

api::ObjectName database_of(const api::RlsMigration& migration) {
  return {migration.meta.name.ns, migration.spec.database};
}

api::ObjectName database_of(const api::RlsRollout& rollout) {
  return {rollout.meta.name.ns, rollout.spec.database};
}

api::ObjectName migration_of(const api::RlsApproval& approval) {
  return {approval.meta.name.ns, approval.migration};
}

void ProjectOwners::add(const api::RlsMigration& migration) {
  if (!migration.spec_problem.empty()) return;  // it names no project
  const std::lock_guard lock(mutex_);
  owners_[owner_key(migration)].emplace(migration.meta.created, migration.meta.name);
}

void ProjectOwners::remove(const api::RlsMigration& migration) {
  const std::lock_guard lock(mutex_);
  const auto found = owners_.find(owner_key(migration));
  if (found == owners_.end()) return;
  found->second.erase({migration.meta.created, migration.meta.name});
  if (found->second.empty()) owners_.erase(found);
}

std::optional<std::string> ProjectOwners::older_than(const api::RlsMigration& migration) const {
  const std::lock_guard lock(mutex_);
  const auto found = owners_.find(owner_key(migration));
  if (found == owners_.end() || found->second.empty()) return std::nullopt;
  const Entry& first = *found->second.begin();
  if (first >= Entry{migration.meta.created, migration.meta.name}) return std::nullopt;
  return first.second.name;
}

std::optional<api::ObjectName> ProjectOwners::first_for(const api::RlsMigration& migration,
                                                        const std::string& project) const {
  return first_for(database_of(migration), project);
}

std::optional<api::ObjectName> ProjectOwners::first_for(const api::ObjectName& database,
                                                        const std::string& project) const {
  const std::lock_guard lock(mutex_);
  const auto found = owners_.find(owner_key(database, project));
  if (found == owners_.end() || found->second.empty()) return std::nullopt;
  return found->second.begin()->second;
}

std::vector<api::ObjectName> ProjectOwners::rivals_of(const api::RlsMigration& migration) const {
  const std::lock_guard lock(mutex_);
  std::vector<api::ObjectName> out;
  const auto found = owners_.find(owner_key(migration));
  if (found == owners_.end()) return out;
  for (const Entry& entry : found->second) {
    if (entry.second != migration.meta.name) out.push_back(entry.second);
  }
  return out;
}

}  // namespace rls::reconcile
