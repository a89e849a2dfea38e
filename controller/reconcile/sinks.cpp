#include "controller/reconcile/sinks.hpp"

#include <algorithm>

#include "controller/base/log.hpp"
#include "controller/decide/plan.hpp"

namespace rls::reconcile {
namespace {

constexpr const char* kLogger = "watch";

/// A demotion may be due: it must not wait behind ordinary work.
runtime::Priority priority_of(const api::RlsMigration* before, const api::RlsMigration& now) {
  const bool lowered = before != nullptr && decide::asked_phase(now) < decide::asked_phase(*before);
  const bool above = now.status.phase && *now.status.phase > decide::asked_phase(now);
  return lowered || above ? runtime::Priority::urgent : runtime::Priority::normal;
}

/// What people can change about it. Our own status writes change none of this.
bool same_request(const api::RlsMigration& a, const api::RlsMigration& b) {
  return a.meta.uid == b.meta.uid && a.meta.generation == b.meta.generation && a.hold_at == b.hold_at &&
         a.spec_problem == b.spec_problem && a.hold_at_unreadable == b.hold_at_unreadable &&
         a.requested_at == b.requested_at && a.adopt_phase == b.adopt_phase && a.resume == b.resume;
}

bool same_request(const api::RlsRollout& a, const api::RlsRollout& b) {
  return a.meta.uid == b.meta.uid && a.meta.generation == b.meta.generation &&
         a.spec_problem == b.spec_problem;
}

bool same_request(const api::RlsDatabase& a, const api::RlsDatabase& b) {
  return a.meta.uid == b.meta.uid && a.meta.generation == b.meta.generation &&
         a.accept_system == b.accept_system && a.take_over == b.take_over;
}

/// The object, or, where its spec cannot be read, what is known of it and why: it must not stay as it was,
/// and it must not look as if it were gone. nullopt: not even its name can be read.
std::optional<api::RlsMigration> decode(std::string_view json) {
  auto migration = api::decode_migration(json);
  if (migration) return std::move(migration).value();
  log::error(kLogger, "RlsMigration cannot be read", {{"err", migration.error().message}});
  auto meta = api::decode_meta(json);
  if (!meta) return std::nullopt;
  api::RlsMigration unreadable;
  unreadable.meta = std::move(meta).value();
  unreadable.spec_problem = migration.error().message;
  return unreadable;
}

std::optional<api::RlsDatabase> decode_database(std::string_view json) {
  auto database = api::decode_database(json);
  if (database) return std::move(database).value();
  log::error(kLogger, "RlsDatabase cannot be read and counts as absent", {{"err", database.error().message}});
  return std::nullopt;
}

std::optional<api::RlsApproval> decode_approval(std::string_view json) {
  auto approval = api::decode_approval(json);
  if (approval) return std::move(approval).value();
  log::error(kLogger, "RlsApproval cannot be read and approves nothing", {{"err", approval.error().message}});
  return std::nullopt;
}

/// One whose spec cannot be read stays known: whom it made must not go on without it.
std::optional<api::RlsRollout> decode_rollout(std::string_view json) {
  auto rollout = api::decode_rollout(json);
  if (rollout) return std::move(rollout).value();
  log::error(kLogger, "RlsRollout cannot be read", {{"err", rollout.error().message}});
  auto meta = api::decode_meta(json);
  if (!meta) return std::nullopt;
  api::RlsRollout unreadable;
  unreadable.meta = std::move(meta).value();
  unreadable.spec_problem = rollout.error().message;
  return unreadable;
}

}  // namespace

void MigrationSink::relist_item(std::string_view object_json) {
  if (auto migration = decode(object_json)) listed_.push_back(std::move(*migration));
}

// Owners are told before the cache is: whoever sees an object in the cache must already know who is older.
void MigrationSink::relist_commit() {
  for (const api::RlsMigration& migration : listed_) caches_.owners.add(migration);
  const auto changes = caches_.migrations.replace_all(std::move(listed_));
  listed_ = {};
  for (const auto& removed : changes.removed) gone(*removed);
  for (const auto& added : changes.added) changed(nullptr, *added);
  for (const auto& [before, after] : changes.updated) changed(before.get(), *after);
}

void MigrationSink::applied(std::string_view object_json) {
  auto migration = decode(object_json);
  if (!migration) return;
  const api::RlsMigration now = *migration;
  caches_.owners.add(now);
  const auto before = caches_.migrations.upsert(std::move(*migration));
  changed(before.get(), now);
}

void MigrationSink::changed(const api::RlsMigration* before, const api::RlsMigration& now) {
  const bool another =
      before != nullptr && (before->meta.uid != now.meta.uid || before->spec_problem != now.spec_problem);
  if (another) gone(*before);
  if (before != nullptr && same_request(*before, now)) return;
  queue_.add(database_of(now), {Kind::migration, now.meta.name}, priority_of(before, now));
}

void MigrationSink::deleted(std::string_view object_json) {
  const auto meta = api::decode_meta(object_json);
  if (!meta) return;
  const auto erased = caches_.migrations.erase(meta->name);
  if (erased != nullptr) {
    queue_.remove({Kind::migration, erased->meta.name});
    gone(*erased);
  }
}

/// Deleting the object changes nothing in the database; a younger one for the same project may now begin.
void MigrationSink::gone(const api::RlsMigration& migration) {
  caches_.owners.remove(migration);
  const auto successor = caches_.migrations.get(migration.meta.name);
  if (successor != nullptr) {
    caches_.owners.add(*successor);  // made anew within the same second: the same entry
  } else {
    // Its checks, and those that its database demands of it, are to end.
    queue_.add(database_of(migration), {Kind::migration, migration.meta.name});
  }
  for (const api::ObjectName& rival : caches_.owners.rivals_of(migration)) {
    queue_.add(database_of(migration), {Kind::migration, rival});
  }
}

void DatabaseSink::relist_item(std::string_view object_json) {
  if (auto database = decode_database(object_json)) listed_.push_back(std::move(*database));
}

void DatabaseSink::relist_commit() {
  const auto changes = caches_.databases.replace_all(std::move(listed_));
  listed_ = {};
  for (const auto& added : changes.added) changed(*added);
  for (const auto& removed : changes.removed) changed(*removed);
  for (const auto& [before, after] : changes.updated) {
    if (!same_request(*before, *after)) changed(*after);
  }
}

void DatabaseSink::applied(std::string_view object_json) {
  auto database = decode_database(object_json);
  if (!database) return deleted(object_json);
  const api::RlsDatabase now = *database;
  const auto before = caches_.databases.upsert(std::move(*database));
  if (before != nullptr && same_request(*before, now)) return;
  changed(now);
}

void DatabaseSink::deleted(std::string_view object_json) {
  const auto meta = api::decode_meta(object_json);
  if (!meta) return;
  const auto erased = caches_.databases.erase(meta->name);
  if (erased != nullptr) changed(*erased);
}

/// The database's own key stands for all of its migrations.
void DatabaseSink::changed(const api::RlsDatabase& database) {
  queue_.add(database.meta.name, {Kind::database, database.meta.name});
}

void ApprovalSink::relist_item(std::string_view object_json) {
  if (auto approval = decode_approval(object_json)) listed_.push_back(std::move(*approval));
}

void ApprovalSink::relist_commit() {
  const auto changes = caches_.approvals.replace_all(std::move(listed_));
  listed_ = {};
  for (const auto& added : changes.added) changed(*added);
  for (const auto& removed : changes.removed) changed(*removed);
  for (const auto& [before, after] : changes.updated) changed(*after);
}

void ApprovalSink::applied(std::string_view object_json) {
  auto approval = decode_approval(object_json);
  if (!approval) return deleted(object_json);
  const api::RlsApproval now = *approval;
  caches_.approvals.upsert(std::move(*approval));
  changed(now);  // who looks now must find it
}

void ApprovalSink::deleted(std::string_view object_json) {
  const auto meta = api::decode_meta(object_json);
  if (!meta) return;
  if (const auto erased = caches_.approvals.erase(meta->name)) changed(*erased);
}

void ApprovalSink::changed(const api::RlsApproval& approval) {
  const auto migration = caches_.migrations.get(migration_of(approval));
  if (migration != nullptr) queue_.add(database_of(*migration), {Kind::migration, migration->meta.name});
}

void RolloutSink::relist_item(std::string_view object_json) {
  if (auto rollout = decode_rollout(object_json)) listed_.push_back(std::move(*rollout));
}

void RolloutSink::relist_commit() {
  const auto changes = caches_.rollouts.replace_all(std::move(listed_));
  listed_ = {};
  for (const auto& added : changes.added) changed(*added);
  for (const auto& removed : changes.removed) changed(*removed);
  for (const auto& [before, after] : changes.updated) {
    if (!same_request(*before, *after)) changed(*after);
  }
}

void RolloutSink::applied(std::string_view object_json) {
  auto rollout = decode_rollout(object_json);
  if (!rollout) return;
  const api::RlsRollout now = *rollout;
  const auto before = caches_.rollouts.upsert(std::move(*rollout));
  if (before != nullptr && same_request(*before, now)) return;
  if (before != nullptr && database_of(*before) != database_of(now)) changed(*before);
  changed(now);
}

void RolloutSink::deleted(std::string_view object_json) {
  const auto meta = api::decode_meta(object_json);
  if (!meta) return;
  if (const auto erased = caches_.rollouts.erase(meta->name)) changed(*erased);
}

/// Its database's key stands for all that it names.
void RolloutSink::changed(const api::RlsRollout& rollout) {
  queue_.add(database_of(rollout), {Kind::database, database_of(rollout)});
}

}  // namespace rls::reconcile
