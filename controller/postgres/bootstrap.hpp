#pragma once
// The rights that the operator's role needs, as SQL for a DBA (design 3-database: the operator is never
// superuser and never BYPASSRLS).

#include <string>
#include <vector>

#include "controller/api/database.hpp"

namespace rls::postgres {

struct BootstrapWish {
  std::string role = "rls_operator_role";
  std::string database;  ///< empty: the one that the SQL is run in
  api::RuntimeMode mode = api::RuntimeMode::managed;
  std::string schema;               ///< where the runtime lives; of an adopted one
  std::vector<std::string> owners;  ///< the roles that own the tables to protect; of a managed one
};

/// Text to be run once by a superuser, or the owner of the database with CREATEROLE; it may be run again.
/// Fits every supported server. Names are quoted; none may hold a NUL byte.
std::string bootstrap_sql(const BootstrapWish& wish);

}  // namespace rls::postgres
