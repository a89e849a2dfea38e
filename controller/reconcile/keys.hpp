#pragma once
// What is reconciled: keys only. Whoever takes a key looks at the fresh state.

#include <functional>
#include <string>

#include "controller/api/object.hpp"
#include "controller/runtime/work_queue.hpp"

namespace rls::reconcile {

enum class Kind { database, migration, rollout };
std::string_view to_string(Kind kind);  ///< "RlsDatabase", "RlsMigration", "RlsRollout"

struct Key {
  Kind kind = Kind::migration;
  api::ObjectName name;
  bool operator==(const Key&) const = default;
};

}  // namespace rls::reconcile

template <>
struct std::hash<rls::reconcile::Key> {
  std::size_t operator()(const rls::reconcile::Key& key) const noexcept {
    return std::hash<rls::api::ObjectName>{}(key.name) * 3 + static_cast<std::size_t>(key.kind);
  }
};

namespace rls::reconcile {

/// Keys of one RlsDatabase form a group: its own key and those of the migrations that name it.
using Queue = runtime::WorkQueue<api::ObjectName, Key>;

}  // namespace rls::reconcile
