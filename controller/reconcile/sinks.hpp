#pragma once
// From the watches into the caches and the queue: decodes, notes, and enqueues what must be looked at.

#include <optional>
#include <string_view>
#include <type_traits>
#include <vector>

#include "controller/kube/client.hpp"
#include "controller/reconcile/caches.hpp"
#include "controller/reconcile/keys.hpp"

namespace rls::reconcile {

/// What all of them do: a list replaces the cache once it is complete, a watched object its predecessor; an
/// object of which not even the name can be read is left out. What to do about a change is the sink's own.
template <class Cache>
class CacheSink : public kube::ObjectSink {
 public:
  using Object = std::remove_const_t<typename Cache::Pointer::element_type>;

  void relist_begin() final { listed_.clear(); }
  void relist_item(std::string_view object_json) final;
  void relist_commit() final;
  void relist_abort() final { listed_.clear(); }
  void applied(std::string_view object_json) final;
  void deleted(std::string_view object_json) final;

 protected:
  CacheSink(Cache& cache, Queue& queue) : queue_(queue), cache_(cache) {}

  /// nullopt: it counts as absent.
  virtual std::optional<Object> decode(std::string_view object_json) = 0;
  /// Before the cache has it.
  virtual void arriving(const Object& /*object*/) {}
  /// The cache has it. `before` is null where it is new.
  virtual void changed(const Object* before, const Object& now) = 0;
  /// The cache has it no more.
  virtual void gone(const Object& object) = 0;

  Queue& queue_;

 private:
  Cache& cache_;
  std::vector<Object> listed_;  // of the list in progress
};

/// RlsMigrations. Enqueues on a change of spec or annotations; a change of status alone (mostly our own)
/// enqueues nothing: the next look at the database repairs it. What goes down is urgent.
class MigrationSink final : public CacheSink<decltype(Caches::migrations)> {
 public:
  MigrationSink(Caches& caches, Queue& queue) : CacheSink(caches.migrations, queue), caches_(caches) {}

 private:
  std::optional<api::RlsMigration> decode(std::string_view object_json) override;
  /// Owners are told before the cache is: whoever sees an object in the cache must already know who is older.
  void arriving(const api::RlsMigration& migration) override { caches_.owners.add(migration); }
  void changed(const api::RlsMigration* before, const api::RlsMigration& now) override;
  void gone(const api::RlsMigration& migration) override;
  void leaves(const api::RlsMigration& migration);

  Caches& caches_;
};

/// RlsDatabases. A new or changed one is looked at as a whole; one that is gone makes its migrations say so.
class DatabaseSink final : public CacheSink<decltype(Caches::databases)> {
 public:
  DatabaseSink(Caches& caches, Queue& queue) : CacheSink(caches.databases, queue) {}

 private:
  std::optional<api::RlsDatabase> decode(std::string_view object_json) override;
  void changed(const api::RlsDatabase* before, const api::RlsDatabase& now) override;
  void gone(const api::RlsDatabase& database) override { enqueue(database); }
  void enqueue(const api::RlsDatabase& database);
};

/// RlsApprovals. One that comes, changes or goes makes its RlsMigration look again.
class ApprovalSink final : public CacheSink<decltype(Caches::approvals)> {
 public:
  ApprovalSink(Caches& caches, Queue& queue) : CacheSink(caches.approvals, queue), caches_(caches) {}

 private:
  std::optional<api::RlsApproval> decode(std::string_view object_json) override;
  void changed(const api::RlsApproval* before, const api::RlsApproval& now) override;
  void gone(const api::RlsApproval& approval) override { enqueue(approval); }
  void enqueue(const api::RlsApproval& approval);

  Caches& caches_;
};

/// RlsRollouts. A change of the spec makes the whole database look again, for its waves hang together; a
/// change of status alone (mostly our own) does not.
class RolloutSink final : public CacheSink<decltype(Caches::rollouts)> {
 public:
  RolloutSink(Caches& caches, Queue& queue) : CacheSink(caches.rollouts, queue) {}

 private:
  std::optional<api::RlsRollout> decode(std::string_view object_json) override;
  void changed(const api::RlsRollout* before, const api::RlsRollout& now) override;
  void gone(const api::RlsRollout& rollout) override { enqueue(rollout); }
  void enqueue(const api::RlsRollout& rollout);
};

}  // namespace rls::reconcile
