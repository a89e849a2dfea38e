#include "controller/postgres/bootstrap.hpp"

namespace rls::postgres {
namespace {

std::string doubled(const std::string& text, char quote) {
  std::string out(1, quote);
  for (const char c : text) {
    out += c;
    if (c == quote) out += c;
  }
  return out + quote;
}

std::string identifier(const std::string& name) { return doubled(name, '"'); }
/// With E and doubled backslashes it means the same whatever standard_conforming_strings says.
std::string literal(const std::string& text) {
  std::string escaped;
  for (const char c : text) escaped += c == '\\' ? "\\\\" : std::string(1, c);
  return "E" + doubled(escaped, '\'');
}

std::string role_part(const BootstrapWish& wish, const std::string& quote) {
  const std::string role = identifier(wish.role);
  return "-- The rights of rls-operator's role " + role +
         ". Run once, as a DBA, in the database; it may be run again.\n"
         "-- No superuser, no BYPASSRLS, no CREATEROLE.\n"
         "DO " +
         quote +
         "\n"
         "BEGIN\n"
         "  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = " +
         literal(wish.role) +
         ") THEN\n"
         "    CREATE ROLE " +
         role +
         " LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;\n"
         "  END IF;\n"
         "  -- To make its own schema rls_operator" +
         (wish.mode == api::RuntimeMode::managed ? ", and that of the runtime" : "") +
         ".\n"
         "  EXECUTE format('GRANT CONNECT, CREATE ON DATABASE %I TO %I', " +
         (wish.database.empty() ? std::string("current_database()") : literal(wish.database)) + ", " +
         literal(wish.role) +
         ");\n"
         "END\n" +
         quote +
         ";\n"
         "-- A password, if the role has none: \\password " +
         role + "\n\n";
}

std::string managed_part(const BootstrapWish& wish, const std::string& quote) {
  std::string out =
      "-- Only an owner of a table may switch row-level security on and make policies. On PostgreSQL 16 and "
      "above the\n"
      "-- membership is inherited, and does not allow SET ROLE.\n";
  for (const std::string& owner : wish.owners) {
    out += "DO " + quote +
           "\n"
           "BEGIN\n"
           "  EXECUTE format('GRANT %I TO %I', " +
           literal(owner) + ", " + literal(wish.role) +
           ")\n"
           "    || CASE WHEN current_setting('server_version_num')::int >= 160000\n"
           "            THEN ' WITH INHERIT TRUE, SET FALSE' ELSE '' END;\n"
           "END\n" +
           quote + ";\n";
  }
  if (wish.owners.empty()) out += "-- GRANT owner_of_the_tables TO " + identifier(wish.role) + ";\n";
  return out +
         "-- To see who holds a table, and which sessions still live by an older phase.\n"
         "GRANT pg_read_all_stats TO " +
         identifier(wish.role) + ";\n";
}

std::string adopted_part(const BootstrapWish& wish, const std::string& quote) {
  const std::string role = identifier(wish.role);
  const std::string name = wish.schema.empty() ? "public" : wish.schema;
  const std::string schema = identifier(name);
  return "GRANT USAGE ON SCHEMA " + schema + " TO " + role +
         ";\n"
         "-- Reads and moves the phases.\n"
         "GRANT SELECT, INSERT, UPDATE ON " +
         schema + ".rls_migration_status TO " + role +
         ";\n"
         "-- Counts violations; adds one row per move.\n"
         "GRANT SELECT, INSERT ON " +
         schema + ".rls_audit_log TO " + role +
         ";\n"
         "-- Which projects there are, where there is a registry; and the sequences of the two tables.\n"
         "DO " +
         quote +
         "\n"
         "DECLARE\n"
         "  registry  regclass := to_regclass(format('%I.project_registry', " +
         literal(name) +
         "));\n  tables    regclass[] := ARRAY[to_regclass(format('%I.rls_migration_status', " +
         literal(name) + ")), to_regclass(format('%I.rls_audit_log', " + literal(name) +
         "))];\n"
         "  numbering regclass;\n"
         "BEGIN\n"
         "  IF registry IS NOT NULL THEN\n"
         "    EXECUTE format('GRANT SELECT ON %s TO %I', registry, " +
         literal(wish.role) +
         ");\n"
         "  END IF;\n"
         "  FOR numbering IN\n"
         "    SELECT DISTINCT d.refobjid::regclass FROM pg_attrdef a\n"
         "    JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = a.oid AND d.refclassid = "
         "'pg_class'::regclass\n"
         "    JOIN pg_class c ON c.oid = d.refobjid AND c.relkind = 'S'\n"
         "    WHERE a.adrelid = ANY (tables)\n"
         "  LOOP\n"
         "    EXECUTE format('GRANT USAGE ON SEQUENCE %s TO %I', numbering, " +
         literal(wish.role) +
         ");\n"
         "  END LOOP;\n"
         "END\n" +
         quote + ";\n" +
         "-- To see who holds a row.\n"
         "GRANT pg_read_all_stats TO " +
         role + ";\n";
}

/// The quote of the DO blocks: one that no name holds.
std::string quote_of(const BootstrapWish& wish) {
  std::string all = wish.role + wish.database + wish.schema;
  for (const std::string& owner : wish.owners) all += owner;
  std::string tag = "$rights$";
  while (all.find(tag) != all.npos) tag.insert(1, "r");
  return tag;
}

}  // namespace

std::string bootstrap_sql(const BootstrapWish& wish) {
  const std::string quote = quote_of(wish);
  return role_part(wish, quote) +
         (wish.mode == api::RuntimeMode::managed ? managed_part(wish, quote) : adopted_part(wish, quote));
}

}  // namespace rls::postgres
