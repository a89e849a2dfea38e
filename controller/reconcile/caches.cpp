#include "controller/reconcile/caches.hpp"

namespace rls::reconcile {
namespace {

/// Newlines cannot stand in any of the parts (CRD rules), so the key is unique.
std::string owner_key(const api::RlsMigration& migration) {
  return migration.meta.name.ns + "\n" + migration.spec.database + "\n" + migration.spec.project;
}

}  // namespace

api::ObjectName database_of(const api::RlsMigration& migration) {
  return {migration.meta.name.ns, migration.spec.database};
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
