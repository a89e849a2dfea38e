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

/// What is known of an object whose spec cannot be read, and why: it must not stay as it was, and it must not
/// look as if it were gone. nullopt: not even its name can be read.
template <class Object>
std::optional<Object> unreadable(std::string_view json, const std::string& problem) {
  auto meta = api::decode_meta(json);
  if (!meta) return std::nullopt;
  Object object;
  object.meta = std::move(meta).value();
  object.spec_problem = problem;
  return object;
}

}  // namespace

template <class Cache>
void CacheSink<Cache>::relist_item(std::string_view object_json) {
  if (auto object = decode(object_json)) listed_.push_back(std::move(*object));
}

template <class Cache>
void CacheSink<Cache>::relist_commit() {
  for (const Object& object : listed_) arriving(object);
  const auto changes = cache_.replace_all(std::move(listed_));
  listed_ = {};
  for (const auto& removed : changes.removed) gone(*removed);
  for (const auto& added : changes.added) changed(nullptr, *added);
  for (const auto& [before, after] : changes.updated) changed(before.get(), *after);
}

template <class Cache>
void CacheSink<Cache>::applied(std::string_view object_json) {
  auto object = decode(object_json);
  if (!object) return deleted(object_json);
  const Object now = *object;
  arriving(now);
  const auto before = cache_.upsert(std::move(*object));
  changed(before.get(), now);
}

template <class Cache>
void CacheSink<Cache>::deleted(std::string_view object_json) {
  const auto meta = api::decode_meta(object_json);
  if (!meta) return;
  if (const auto erased = cache_.erase(meta->name)) gone(*erased);
}

template class CacheSink<decltype(Caches::migrations)>;
template class CacheSink<decltype(Caches::databases)>;
template class CacheSink<decltype(Caches::approvals)>;
template class CacheSink<decltype(Caches::rollouts)>;

std::optional<api::RlsMigration> MigrationSink::decode(std::string_view object_json) {
  auto migration = api::decode_migration(object_json);
  if (migration) return std::move(migration).value();
  log::error(kLogger, "RlsMigration cannot be read", {{"err", migration.error().message}});
  return unreadable<api::RlsMigration>(object_json, migration.error().message);
}

void MigrationSink::changed(const api::RlsMigration* before, const api::RlsMigration& now) {
  const bool another =
      before != nullptr && (before->meta.uid != now.meta.uid || before->spec_problem != now.spec_problem);
  if (another) leaves(*before);
  if (before != nullptr && same_request(*before, now)) return;
  queue_.add(database_of(now), {Kind::migration, now.meta.name}, priority_of(before, now));
}

void MigrationSink::gone(const api::RlsMigration& migration) {
  queue_.remove({Kind::migration, migration.meta.name});
  leaves(migration);
}

/// Deleting the object changes nothing in the database; a younger one for the same project may now begin.
void MigrationSink::leaves(const api::RlsMigration& migration) {
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

std::optional<api::RlsDatabase> DatabaseSink::decode(std::string_view object_json) {
  auto database = api::decode_database(object_json);
  if (database) return std::move(database).value();
  log::error(kLogger, "RlsDatabase cannot be read and counts as absent", {{"err", database.error().message}});
  return std::nullopt;
}

void DatabaseSink::changed(const api::RlsDatabase* before, const api::RlsDatabase& now) {
  if (before == nullptr || !same_request(*before, now)) enqueue(now);
}

/// The database's own key stands for all of its migrations.
void DatabaseSink::enqueue(const api::RlsDatabase& database) {
  queue_.add(database.meta.name, {Kind::database, database.meta.name});
}

std::optional<api::RlsApproval> ApprovalSink::decode(std::string_view object_json) {
  auto approval = api::decode_approval(object_json);
  if (approval) return std::move(approval).value();
  log::error(kLogger, "RlsApproval cannot be read and approves nothing", {{"err", approval.error().message}});
  return std::nullopt;
}

void ApprovalSink::changed(const api::RlsApproval* /*before*/, const api::RlsApproval& now) { enqueue(now); }

void ApprovalSink::enqueue(const api::RlsApproval& approval) {
  const auto migration = caches_.migrations.get(migration_of(approval));
  if (migration != nullptr) queue_.add(database_of(*migration), {Kind::migration, migration->meta.name});
}

/// One whose spec cannot be read stays known: whom it made must not go on without it.
std::optional<api::RlsRollout> RolloutSink::decode(std::string_view object_json) {
  auto rollout = api::decode_rollout(object_json);
  if (rollout) return std::move(rollout).value();
  log::error(kLogger, "RlsRollout cannot be read", {{"err", rollout.error().message}});
  return unreadable<api::RlsRollout>(object_json, rollout.error().message);
}

void RolloutSink::changed(const api::RlsRollout* before, const api::RlsRollout& now) {
  if (before != nullptr && same_request(*before, now)) return;
  if (before != nullptr && database_of(*before) != database_of(now)) enqueue(*before);
  enqueue(now);
}

/// Its database's key stands for all that it names.
void RolloutSink::enqueue(const api::RlsRollout& rollout) {
  queue_.add(database_of(rollout), {Kind::database, database_of(rollout)});
}

}  // namespace rls::reconcile
