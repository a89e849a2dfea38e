#include "controller/reconcile/sinks.hpp"

#include <algorithm>

#include "controller/base/log.hpp"

namespace rls::reconcile {
namespace {

constexpr const char* kLogger = "watch";

/// The lowest phase that the object itself asks for (a hold row in the database is not known here).
Phase asked(const api::RlsMigration& migration) {
  return migration.hold_at ? std::min(migration.spec.phase, *migration.hold_at) : migration.spec.phase;
}

/// A demotion may be due: it must not wait behind ordinary work.
runtime::Priority priority_of(const api::RlsMigration* before, const api::RlsMigration& now) {
  const bool lowered = before != nullptr && asked(now) < asked(*before);
  const bool above = now.status.phase && *now.status.phase > asked(now);
  return lowered || above ? runtime::Priority::urgent : runtime::Priority::normal;
}

/// What people can change about it. Our own status writes change none of this.
bool same_request(const api::RlsMigration& a, const api::RlsMigration& b) {
  return a.meta.uid == b.meta.uid && a.meta.generation == b.meta.generation && a.hold_at == b.hold_at &&
         a.hold_at_unreadable == b.hold_at_unreadable && a.requested_at == b.requested_at;
}

template <class Object>
void log_undecodable(const Result<Object>& object) {
  // The API server has validated it: this is a version of the CRD that we do not know.
  log::error(kLogger, "object cannot be read and is ignored", {{"err", object.error().message}});
}

}  // namespace

void MigrationSink::relist_item(std::string_view object_json) {
  auto migration = api::decode_migration(object_json);
  if (migration) {
    listed_.push_back(std::move(migration).value());
  } else {
    log_undecodable(migration);
  }
}

void MigrationSink::relist_commit() {
  const auto changes = caches_.migrations.replace_all(std::move(listed_));
  listed_ = {};
  for (const auto& removed : changes.removed) gone(*removed);
  for (const auto& added : changes.added) caches_.owners.add(*added);
  for (const auto& added : changes.added) {
    queue_.add(database_of(*added), {Kind::migration, added->meta.name}, priority_of(nullptr, *added));
  }
  for (const auto& [before, after] : changes.updated) {
    if (before->meta.uid != after->meta.uid) {
      gone(*before);
      caches_.owners.add(*after);
    }
    if (same_request(*before, *after)) continue;
    queue_.add(database_of(*after), {Kind::migration, after->meta.name}, priority_of(before.get(), *after));
  }
}

void MigrationSink::applied(std::string_view object_json) {
  auto migration = api::decode_migration(object_json);
  if (!migration) return log_undecodable(migration);
  const api::ObjectName name = migration->meta.name;
  const auto before = caches_.migrations.upsert(std::move(migration).value());
  const auto after = caches_.migrations.get(name);
  if (after == nullptr) return;
  if (before != nullptr && before->meta.uid != after->meta.uid) gone(*before);
  if (before == nullptr || before->meta.uid != after->meta.uid) caches_.owners.add(*after);
  if (before != nullptr && same_request(*before, *after)) return;
  queue_.add(database_of(*after), {Kind::migration, name}, priority_of(before.get(), *after));
}

void MigrationSink::deleted(std::string_view object_json) {
  const auto migration = api::decode_migration(object_json);
  if (!migration) return log_undecodable(migration);
  const auto erased = caches_.migrations.erase(migration->meta.name);
  if (erased != nullptr) {
    queue_.remove({Kind::migration, erased->meta.name});
    gone(*erased);
  }
}

/// Deleting the object changes nothing in the database; a younger one for the same project may now begin.
void MigrationSink::gone(const api::RlsMigration& migration) {
  caches_.owners.remove(migration);
  for (const api::ObjectName& rival : caches_.owners.rivals_of(migration)) {
    queue_.add(database_of(migration), {Kind::migration, rival});
  }
}

void DatabaseSink::relist_item(std::string_view object_json) {
  auto database = api::decode_database(object_json);
  if (database) {
    listed_.push_back(std::move(database).value());
  } else {
    log_undecodable(database);
  }
}

void DatabaseSink::relist_commit() {
  const auto changes = caches_.databases.replace_all(std::move(listed_));
  listed_ = {};
  for (const auto& added : changes.added) changed(*added);
  for (const auto& removed : changes.removed) changed(*removed);
  for (const auto& [before, after] : changes.updated) {
    if (before->meta.uid != after->meta.uid || before->meta.generation != after->meta.generation)
      changed(*after);
  }
}

void DatabaseSink::applied(std::string_view object_json) {
  auto database = api::decode_database(object_json);
  if (!database) return log_undecodable(database);
  const api::RlsDatabase now = database.value();
  const auto before = caches_.databases.upsert(std::move(database).value());
  if (before != nullptr && before->meta.uid == now.meta.uid && before->meta.generation == now.meta.generation)
    return;
  changed(now);
}

void DatabaseSink::deleted(std::string_view object_json) {
  const auto database = api::decode_database(object_json);
  if (!database) return log_undecodable(database);
  caches_.databases.erase(database->meta.name);
  changed(*database);
}

/// The database's own key stands for all of its migrations.
void DatabaseSink::changed(const api::RlsDatabase& database) {
  queue_.add(database.meta.name, {Kind::database, database.meta.name});
}

}  // namespace rls::reconcile
