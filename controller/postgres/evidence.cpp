#include "controller/postgres/evidence.hpp"

#include <array>

#include "controller/base/text.hpp"
#include "controller/postgres/sql.hpp"

namespace rls::postgres {
namespace {

using State = decide::Evidence::State;

/// Why the recording is not complete; empty where it is.
std::string gap_in(const Rows& rows, const Catalogue& catalogue) {
  if (!catalogue.violations_unknown_because.empty()) return catalogue.violations_unknown_because;
  if (rows.integer(0, 0) == 0) return "no table has policies: nothing would be enforced";
  if (!rows.is_null(0, 4)) {
    return "function " + std::string(rows.text(0, 4)) +
           " is IMMUTABLE but reads settings or tables: cached plans would go on with the old phase after a "
           "promotion; "
           "ALTER FUNCTION … STABLE";
  }
  if (const std::int64_t gaps = rows.integer(0, 2); gaps > 0) {
    return "nothing that is enabled records denials in " + catalogue.audit_table + " for " +
           std::string(rows.text(0, 1)) +
           (gaps > 3 ? " and " + std::to_string(gaps - 3) + " more tables" : "");
  }
  return {};
}

}  // namespace

namespace {

std::variant<PolicyWatch, SqlFailure> watch_runtime(OpenDatabase& database) {
  const Reply reply = database.connection.run("managed_evidence", sql::managed_evidence);
  if (!reply.ok()) return *reply.failure;
  const Rows& rows = reply.rows;
  PolicyWatch watch;
  if (rows.size() == 0) {
    watch.evidence.why = "the managed runtime is not installed";
    watch.noted = true;
    return watch;
  }
  watch.tables = rows.integer(0, 0);
  watch.recorded = rows.integer(0, 1);
  watch.evidence.why = rows.text(0, 2);
  watch.hash = rows.text(0, 3);
  watch.noted = !rows.is_null(0, 4) && rows.text(0, 4) == watch.hash;
  watch.differs = !rows.is_null(0, 4) && !watch.noted;
  watch.changed_at = rows.time(0, 5);
  watch.recorded_since = rows.time(0, 6);
  watch.version = rows.integer(0, 8);
  watch.without_context = rows.integer(0, 9);
  watch.old_sessions = rows.integer(0, 10);
  watch.evidence.state = State::complete;
  watch.evidence.reads = true;
  if (!watch.evidence.why.empty()) {
    watch.evidence.state = State::incomplete;
  } else if (!rows.is_null(0, 7)) {
    watch.evidence.state = State::unknown;
    watch.evidence.why = rows.text(0, 7);
  } else if (!watch.recorded_since) {
    watch.evidence.state = State::incomplete;
    watch.evidence.why = "the recording has only just been put in place";
  }
  return watch;
}

}  // namespace

std::variant<PolicyWatch, SqlFailure> watch_policies(OpenDatabase& database) {
  const Catalogue& catalogue = database.catalogue;
  if (catalogue.managed) return watch_runtime(database);
  const std::array<std::string, 4> parameters = {catalogue.audit_name, catalogue.audit_table,
                                                 catalogue.status_table, catalogue.schema};
  const Reply reply = database.connection.run("evidence", sql::evidence, parameters);
  if (!reply.ok()) return *reply.failure;
  const Rows& rows = reply.rows;
  PolicyWatch watch;
  watch.evidence.why = gap_in(rows, catalogue);
  watch.evidence.state = watch.evidence.why.empty() ? State::complete : State::incomplete;
  watch.evidence.reads = watch.evidence.state == State::complete && rows.boolean(0, 3);
  watch.tables = rows.integer(0, 0);
  watch.recorded = watch.tables - rows.integer(0, 2);
  watch.hash = rows.text(0, 5);
  watch.noted = !rows.is_null(0, 6) && rows.text(0, 6) == watch.hash;
  watch.differs = !rows.is_null(0, 6) && !watch.noted;
  watch.changed_at = rows.time(0, 7);
  // While there is a gap nothing is clean: the soak starts where the recording is whole again.
  const bool gap = watch.evidence.state != State::complete;
  if (gap) watch.noted = false;
  watch.differs = watch.differs || gap;
  return watch;
}

std::optional<SqlFailure> note_policies(OpenDatabase& database, const PolicyWatch& watch) {
  // Gaps of a managed runtime have a clock of their own, which is the shadow's alone.
  const bool gap = !database.catalogue.managed && watch.evidence.state != State::complete;
  const std::array<std::string, 2> parameters = {watch.hash, gap ? "true" : "false"};
  return database.connection.run("note_policies", sql::note_policies, parameters).failure;
}

}  // namespace rls::postgres
