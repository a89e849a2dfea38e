#pragma once
// From the watches into the caches and the queue: decodes, notes, and enqueues what must be looked at.

#include <string_view>
#include <vector>

#include "controller/kube/client.hpp"
#include "controller/reconcile/caches.hpp"
#include "controller/reconcile/keys.hpp"

namespace rls::reconcile {

/// RlsMigrations. Enqueues on a change of spec or annotations; a change of status alone (mostly our own)
/// enqueues nothing: the next look at the database repairs it. What goes down is urgent.
class MigrationSink final : public kube::ObjectSink {
 public:
  MigrationSink(Caches& caches, Queue& queue) : caches_(caches), queue_(queue) {}

  void relist_begin() override { listed_.clear(); }
  void relist_item(std::string_view object_json) override;
  void relist_commit() override;
  void relist_abort() override { listed_.clear(); }
  void applied(std::string_view object_json) override;
  void deleted(std::string_view object_json) override;

 private:
  void changed(const api::RlsMigration* before, const api::RlsMigration& now);
  void gone(const api::RlsMigration& migration);

  Caches& caches_;
  Queue& queue_;
  std::vector<api::RlsMigration> listed_;  // of the list in progress
};

/// RlsDatabases. A new or changed one is looked at as a whole; one that is gone makes its migrations say so.
class DatabaseSink final : public kube::ObjectSink {
 public:
  DatabaseSink(Caches& caches, Queue& queue) : caches_(caches), queue_(queue) {}

  void relist_begin() override { listed_.clear(); }
  void relist_item(std::string_view object_json) override;
  void relist_commit() override;
  void relist_abort() override { listed_.clear(); }
  void applied(std::string_view object_json) override;
  void deleted(std::string_view object_json) override;

 private:
  void changed(const api::RlsDatabase& database);

  Caches& caches_;
  Queue& queue_;
  std::vector<api::RlsDatabase> listed_;  // of the list in progress
};

/// RlsApprovals. One that comes, changes or goes makes its RlsMigration look again.
class ApprovalSink final : public kube::ObjectSink {
 public:
  ApprovalSink(Caches& caches, Queue& queue) : caches_(caches), queue_(queue) {}

  void relist_begin() override { listed_.clear(); }
  void relist_item(std::string_view object_json) override;
  void relist_commit() override;
  void relist_abort() override { listed_.clear(); }
  void applied(std::string_view object_json) override;
  void deleted(std::string_view object_json) override;

 private:
  void changed(const api::RlsApproval& approval);

  Caches& caches_;
  Queue& queue_;
  std::vector<api::RlsApproval> listed_;  // of the list in progress
};

/// RlsRollouts. A change of the spec makes the whole database look again, for its waves hang together; a
/// change of status alone (mostly our own) does not.
class RolloutSink final : public kube::ObjectSink {
 public:
  RolloutSink(Caches& caches, Queue& queue) : caches_(caches), queue_(queue) {}

  void relist_begin() override { listed_.clear(); }
  void relist_item(std::string_view object_json) override;
  void relist_commit() override;
  void relist_abort() override { listed_.clear(); }
  void applied(std::string_view object_json) override;
  void deleted(std::string_view object_json) override;

 private:
  void changed(const api::RlsRollout& rollout);

  Caches& caches_;
  Queue& queue_;
  std::vector<api::RlsRollout> listed_;  // of the list in progress
};

}  // namespace rls::reconcile
