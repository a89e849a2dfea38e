#include "controller/reconcile/keys.hpp"

namespace rls::reconcile {

std::string_view to_string(Kind kind) {
  switch (kind) {
    case Kind::database: return "RlsDatabase";
    case Kind::migration: return "RlsMigration";
    case Kind::rollout: return "RlsRollout";
  }
  return "RlsMigration";
}

}  // namespace rls::reconcile
