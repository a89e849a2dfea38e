#include "controller/postgres/observing.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "controller/base/log.hpp"
#include "controller/base/text.hpp"
#include "controller/postgres/evidence.hpp"
#include "controller/postgres/opening.hpp"
#include "controller/postgres/sql.hpp"

namespace rls::postgres {
namespace {

/// Rows locked in one transaction when first sights are ledgered: short enough not to be in anybody's way.
constexpr std::size_t kLedgeredAtOnce = 1000;

Phase higher(Phase a, Phase b) { return std::max(a, b); }

std::optional<Phase> phase_at(const Rows& rows, std::size_t row, int column) {
  return rows.is_null(row, column) ? std::nullopt : parse_phase(rows.text(row, column));
}

decide::Observation unknown(std::string message) {
  decide::Observation observation;
  observation.database = decide::DatabaseState::ok;
  observation.project_message = std::move(message);
  return observation;
}

/// One row of observe.sql.
Sighting read(const Rows& rows, std::size_t row, const ProjectQuery& query, const Catalogue& catalogue) {
  Sighting sighting;
  decide::Observation& seen = sighting.observation;
  seen = unknown({});
  seen.now = rows.time(row, 12).value_or(Time{});
  if (!rows.boolean(row, 0)) {
    seen.project_message = "project " + quoted(query.project) + " has no row in " + catalogue.status_table +
                           (catalogue.registry_table.empty() ? "" : ", nor in " + catalogue.registry_table);
    return sighting;
  }
  const auto phase = phase_at(rows, row, 1);
  if (!phase) {
    seen.project_message = "project " + quoted(query.project) + " has the phase " +
                           quoted(rows.text(row, 1), 40) + " in " + catalogue.status_table +
                           "; known are pending, shadow, enforcing, complete";
    return sighting;
  }
  seen.project_known = true;
  seen.phase = *phase;
  sighting.has_row = rows.boolean(row, 14);
  sighting.ordinal = rows.integer(row, 2);
  sighting.ledgered = phase_at(rows, row, 4);
  seen.last_ours = phase_at(rows, row, 7).value_or(*phase);
  // Until it is ledgered, a phase that is new to us began at the earliest now.
  seen.phase_since = sighting.ledgered == phase ? rows.time(row, 6).value_or(seen.now) : seen.now;
  if (!sighting.ledgered) {
    sighting.ledger = Sighting::Ledger::never_seen;
  } else if (*sighting.ledgered != *phase) {
    sighting.ledger = Sighting::Ledger::differs;
  }
  sighting.wanted_in_ledger = phase_at(rows, row, 5);
  if (sighting.wanted_in_ledger && seen.last_ours != *phase) {
    seen.wanted_at_drift = higher(*sighting.wanted_in_ledger, query.wanted);
    seen.drift_number = sighting.ordinal;
    seen.accepted_before = rows.boolean(row, 13);
    if (sighting.ledger == Sighting::Ledger::agrees && query.wanted > *sighting.wanted_in_ledger) {
      sighting.ledger = Sighting::Ledger::aimed_higher;
    }
  }
  if (const auto hold = phase_at(rows, row, 8)) {
    seen.hold = decide::HoldRow{.at = *hold, .by = truncated(rows.text(row, 9), 100)};
  }
  seen.violations.count = rows.integer(row, 10);
  if (seen.violations.count > 0) seen.violations.last = rows.time(row, 11);
  sighting.more_violations = rows.boolean(row, 15);
  seen.resume_followed = rows.boolean(row, 16);
  if (catalogue.managed) {
    // Before the phase is ledgered nothing counts for it.
    seen.managed = true;
    seen.transactions = rows.integer(row, 17);
    seen.unreviewed = rows.integer(row, 18);
    seen.fixed_at = rows.time(row, 19);
    seen.reviewed_at = rows.time(row, 20);
  }
  seen.violations_known = catalogue.violations_unknown_because.empty();
  seen.violations_message = catalogue.violations_unknown_because;
  return sighting;
}

/// The parameters of ledger_seen.sql, row by row.
struct SeenRows {
  ArrayText project, ordinal, kind, from, to, wanted;
  bool any = false;

  void add(const ProjectQuery& query, const Sighting& sighting) {
    any = true;
    project.add(query.project);
    ordinal.add(sighting.ordinal + 1);
    to.add(to_string(sighting.observation.phase));
    if (sighting.ledger == Sighting::Ledger::never_seen) {
      kind.add("adopted");
      from.add_null();
      wanted.add_null();
      return;
    }
    kind.add("drift");
    from.add(to_string(*sighting.ledgered));
    // From one drift to the next the aim is the highest since the first: else a lowering between would be
    // missed.
    wanted.add(to_string(higher(query.wanted, sighting.wanted_in_ledger.value_or(Phase::pending))));
  }
  std::array<std::string, 7> parameters(std::int64_t epoch) {
    return {project.take(), ordinal.take(), kind.take(),          from.take(),
            to.take(),      wanted.take(),  std::to_string(epoch)};
  }
};

struct RaisedRows {
  ArrayText project, ordinal, wanted;
  bool any = false;

  void add(const ProjectQuery& query, const Sighting& sighting) {
    any = true;
    project.add(query.project);
    ordinal.add(sighting.ordinal);
    wanted.add(to_string(query.wanted));
  }
  std::array<std::string, 3> parameters() { return {project.take(), ordinal.take(), wanted.take()}; }
};

/// Ledgers, under the locks, what differs there. Each project once.
Result<void> ledger(OpenDatabase& database, std::span<const ProjectQuery> queries) {
  constexpr std::string_view kDoing = "ledger phases that somebody else set";
  Transaction transaction(database.connection, database.timeouts);
  if (const auto failure = transaction.begin()) return to_error(*failure, kDoing);
  if (const auto passed = pass_fence(database); !passed) return passed.error();
  std::vector<std::string> projects;
  for (const ProjectQuery& query : queries) projects.push_back(query.project);
  // Whose row somebody holds is about to change: it is ledgered another time, and holds nobody else up.
  const auto locked = lock_free_projects(database, projects);
  if (!locked) return locked.error();
  auto looked = look(database, queries, Policies::as_last_seen, Counting::remembered);
  if (const auto* failure = std::get_if<SqlFailure>(&looked)) return to_error(*failure, kDoing);
  const auto& sightings = std::get<0>(looked).projects;

  SeenRows seen;
  RaisedRows raised;
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const bool held = sightings[i].has_row && !locked.value().contains(queries[i].project);
    if (!sightings[i].observation.project_known || held) continue;
    switch (sightings[i].ledger) {
      case Sighting::Ledger::agrees: break;
      case Sighting::Ledger::never_seen:
      case Sighting::Ledger::differs: seen.add(queries[i], sightings[i]); break;
      case Sighting::Ledger::aimed_higher: raised.add(queries[i], sightings[i]); break;
    }
  }
  if (seen.any) {
    const Reply reply = database.connection.run("ledger_seen", database.catalogue.ledger_seen,
                                                seen.parameters(database.epoch));
    if (!reply.ok()) return to_error(*reply.failure, kDoing);
  }
  if (raised.any) {
    const Reply reply = database.connection.run("raise_wanted", sql::raise_wanted, raised.parameters());
    if (!reply.ok()) return to_error(*reply.failure, kDoing);
  }
  // In doubt or not: who asks again sees what became of it, and does the rest.
  return transaction.commit_repeatable(kDoing);
}

/// Remembers the denials that are more than what was remembered.
std::optional<SqlFailure> mark_violations(OpenDatabase& database, std::span<const ProjectQuery> queries,
                                          std::span<const Sighting> sightings) {
  ArrayText project, ordinal, count, last;
  std::set<std::string_view> once;
  for (std::size_t i = 0; i < sightings.size(); ++i) {
    const decide::ViolationCount& seen = sightings[i].observation.violations;
    if (!sightings[i].more_violations || !seen.last || !once.insert(queries[i].project).second) continue;
    project.add(queries[i].project);
    ordinal.add(sightings[i].ordinal);
    count.add(seen.count);
    last.add(seen.last->time_since_epoch().count());
  }
  if (once.empty()) return std::nullopt;
  const std::array<std::string, 4> parameters = {project.take(), ordinal.take(), count.take(), last.take()};
  return database.connection.run("mark_violations", sql::mark_violations, parameters).failure;
}

void leave_uncounted(decide::Observation& seen) {
  seen.violations_known = false;
  seen.violations_message = "the violations could not be counted within spec.timeouts";
}

/// By the index on project and denial, or by reading the audit table in order. A project that is about to be
/// promoted mostly has few denials, which the index finds at once; but where the rows of many projects lie
/// mixed it leads to the same pages again and again.
bool read_by_index(const OpenDatabase& database, std::span<const ProjectQuery> queries) {
  constexpr std::int64_t kDearer = 20;  // a row by the index than in order; measured: 10 and more
  if (database.catalogue.count_slice.empty()) return true;  // of a managed runtime, too
  const Watermark& watermark = database.tally.watermark;
  std::int64_t rows = 0;
  for (const ProjectQuery& query : queries) rows += watermark.denials_of(query.project);
  return rows <= watermark.rows() / kDearer;
}

/// Counts behind the watermark, or all slice by slice, and puts it where the remembered numbers stand. One
/// snapshot a slice: all that was committed before the first one is in it.
std::optional<SqlFailure> count(OpenDatabase& database, std::span<const ProjectQuery> queries,
                                std::span<Sighting> sightings, Counting counting) {
  std::vector<InPhase> asked;
  std::map<std::string_view, std::size_t> place;
  Time seen_at{};
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const decide::Observation& seen = sightings[i].observation;
    seen_at = std::max(seen_at, seen.now);
    // Before its phase is ledgered nothing counts for it.
    if (!seen.project_known || sightings[i].ledgered != seen.phase) continue;
    if (place.emplace(queries[i].project, asked.size()).second)
      asked.push_back({queries[i].project, sightings[i].ordinal, seen.phase_since});
  }
  const Catalogue& catalogue = database.catalogue;
  Watermark& watermark = database.tally.watermark;
  const auto now = std::chrono::steady_clock::now();
  Pass pass = counting == Counting::latest
                  ? watermark.begin(asked, catalogue, database.timeouts, now)
                  : Pass(asked.size(), catalogue.first_key, catalogue.first_key, true);
  if (auto failure = count_denials(database.connection, catalogue, database.timeouts, asked, pass))
    return failure;
  std::vector<Denials> found;
  if (counting == Counting::latest) {
    found = watermark.end(asked, pass, database.timeouts, now, seen_at);
  } else {
    for (std::size_t k = 0; k < asked.size(); ++k) found.push_back(pass.all(k));
  }
  for (std::size_t i = 0; i < queries.size(); ++i) {
    decide::Observation& seen = sightings[i].observation;
    seen.violations_exact = pass.whole();
    const auto at = place.find(queries[i].project);
    if (at == place.end() || found[at->second].count == 0) continue;
    decide::ViolationCount counted{found[at->second].count, found[at->second].last};
    // A time yet to come counts as now; what came while we counted lies there, too.
    const auto took = std::chrono::ceil<Duration>(std::chrono::steady_clock::now() - now);
    counted.last = std::min(*counted.last, seen.now + took);
    decide::ViolationCount& known = seen.violations;
    sightings[i].more_violations = counted.count > known.count || counted.last > known.last;
    known.count = std::max(known.count, counted.count);
    known.last = std::max(known.last, counted.last);
  }
  return std::nullopt;
}

std::string describe_holder(const Rows& rows) {
  return "pid " + std::string(rows.text(0, 0)) + " (application " + quoted(rows.text(0, 1), 64) + ", role " +
         quoted(rows.text(0, 2), 64) + ")";
}

/// Who holds what we waited for; empty where that cannot be seen (any more). We ask after the fact: while we
/// wait, our own connection cannot.
std::string find_holder(OpenDatabase& database, std::span<const std::string> projects) {
  const std::array<std::string, 1> table = {database.catalogue.status_table};
  const Reply by_table = database.connection.run("table_blocker", sql::table_blocker, table);
  if (by_table.ok() && by_table.rows.size() != 0) return describe_holder(by_table.rows);
  if (!by_table.ok() || projects.empty()) return {};
  const std::array<std::string, 1> rows = {array_text(projects)};
  const Reply by_row = database.connection.run("row_blocker", database.catalogue.row_blocker, rows);
  if (by_row.ok() && by_row.rows.size() != 0) return describe_holder(by_row.rows);
  return {};
}

}  // namespace

std::string why_no_name(std::string_view project, bool utf8) {
  if (project.empty()) return "is empty";
  if (project.find('\0') != std::string_view::npos) return "holds a NUL byte, which no database can store";
  if (!is_utf8(project)) return "is not UTF-8";
  const bool ascii = std::all_of(project.begin(), project.end(), [](char c) { return (c & 0x80) == 0; });
  if (!utf8 && !ascii) return "holds letters that the database's encoding may not have";
  return {};
}

std::variant<Look, SqlFailure> look(OpenDatabase& database, std::span<const ProjectQuery> queries,
                                    Policies policies, Counting counting) {
  const bool managed = database.catalogue.managed;
  const bool by_index = managed || (counting == Counting::exact && read_by_index(database, queries));
  Look result;
  std::vector<Sighting>& sightings = result.projects;
  sightings.resize(queries.size());
  std::vector<std::size_t> asked;
  ArrayText names, resumes;
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const std::string problem = why_no_name(queries[i].project, database.utf8);
    if (problem.empty()) {
      asked.push_back(i);
      names.add(queries[i].project);
      resumes.add(queries[i].resume);
    } else {
      sightings[i].observation = unknown("project " + quoted(queries[i].project) + " " + problem);
    }
  }
  const std::array<std::string, 2> parameters = {names.take(), resumes.take()};
  const Reply reply = by_index ? database.connection.run("observe", database.catalogue.observe, parameters)
                               : database.connection.run("observe_uncounted",
                                                         database.catalogue.observe_uncounted, parameters);
  if (!reply.ok()) return *reply.failure;
  PolicyCache& known = database.policies;
  const auto now = std::chrono::steady_clock::now();
  if (!known.watch ||
      (policies == Policies::of_late && (managed || now - known.at >= database.timeouts.policies))) {
    auto watched = watch_policies(database);
    if (const auto* failure = std::get_if<SqlFailure>(&watched)) {
      if (!took_too_long(*failure)) return *failure;
      PolicyWatch unknown;
      unknown.evidence.why = "whether denials are recorded could not be found out within spec.timeouts";
      unknown.noted = true;
      watched = std::move(unknown);
    }
    known = {std::move(std::get<0>(watched)), now};
  }
  result.policies = *known.watch;
  for (std::size_t row = 0; row < reply.rows.size() && row < asked.size(); ++row) {
    const std::size_t i = asked[row];
    sightings[i] = read(reply.rows, row, queries[i], database.catalogue);
    decide::Observation& seen = sightings[i].observation;
    seen.violations_exact = by_index;
    seen.evidence = result.policies.evidence;
    // A change that is not remembered yet happened now at the latest.
    seen.policies_changed_at = result.policies.differs ? seen.now : result.policies.changed_at;
    seen.recorded_since = result.policies.recorded_since;
  }
  const bool can_count = database.catalogue.violations_unknown_because.empty();
  if (can_count && !by_index && counting != Counting::remembered) {
    if (auto failure = count(database, queries, sightings, counting)) return *failure;
  }
  return result;
}

Result<Backend> pass_fence(OpenDatabase& database) {
  const Claimant& claimant = database.claimant;
  const std::array<std::string, 4> parameters = {std::to_string(database.epoch), claimant.install_id,
                                                 claimant.database.ns, claimant.database.name};
  const Reply reply = database.connection.run("fence", sql::fence, parameters);
  if (!reply.ok()) return to_error(*reply.failure, "read rls_operator.fence");
  if (reply.rows.size() == 0) {
    Claimant without_yes = claimant;  // a yes is acted on by `open`
    without_yes.take_over.clear();
    const auto state = read_state(database.connection, without_yes);
    if (!state) return state.error();
    if (state->epoch <= database.epoch) {
      return transient("DatabaseError", "schema rls_operator changes while it is read");
    }
    return terminal("FenceLost", "another leader has raised the epoch above " +
                                     std::to_string(database.epoch) +
                                     "; this process may not write any more");
  }
  return Backend{std::string(reply.rows.text(0, 0)), std::string(reply.rows.text(0, 1))};
}

std::optional<SqlFailure> lock_projects(OpenDatabase& database, std::span<const std::string> projects) {
  const std::array<std::string, 1> parameters = {array_text(projects)};
  return database.connection.run("lock_projects", database.catalogue.lock_projects, parameters).failure;
}

Error explain(OpenDatabase& database, const SqlFailure& failure, std::string_view doing,
              std::span<const std::string> projects) {
  Error error = to_error(failure, doing);
  if (!failure.is("55P03")) return error;
  const std::string holder = find_holder(database, projects);
  if (!holder.empty()) error.message += "; held by " + log::redacted(holder);
  return error;
}

Result<std::set<std::string, std::less<>>> lock_free_projects(OpenDatabase& database,
                                                              std::span<const std::string> projects) {
  const std::array<std::string, 1> parameters = {array_text(projects)};
  const Reply reply =
      database.connection.run("lock_free_projects", database.catalogue.lock_free_projects, parameters);
  if (!reply.ok()) return to_error(*reply.failure, "lock rows of " + database.catalogue.status_table);
  std::set<std::string, std::less<>> locked;
  for (std::size_t row = 0; row < reply.rows.size(); ++row) locked.emplace(reply.rows.text(row, 0));
  return locked;
}

Result<std::vector<decide::Observation>> observe(OpenDatabase& database,
                                                 std::span<const ProjectQuery> queries, Counting counting) {
  const std::string doing = "read " + database.catalogue.status_table;
  // Without a key to read in order of, all is counted each time.
  if (counting == Counting::latest && database.catalogue.count_slice.empty()) counting = Counting::exact;
  auto looked = look(database, queries, Policies::of_late, counting);
  // Evidence that cannot be had in time holds promotions up; it must not hold up demotions.
  const auto* const slow = std::get_if<SqlFailure>(&looked);
  if (slow != nullptr && counting != Counting::remembered && took_too_long(*slow)) {
    database.tally.too_slow = true;
    counting = Counting::remembered;
    looked = look(database, queries, Policies::of_late, counting);
  } else if (slow == nullptr && counting != Counting::remembered) {
    database.tally.too_slow = false;
  }
  if (const auto* failure = std::get_if<SqlFailure>(&looked)) return explain(database, *failure, doing, {});
  Look& seen = std::get<0>(looked);
  std::vector<Sighting>& sightings = seen.projects;
  if (auto failure = mark_violations(database, queries, sightings))
    return to_error(*failure, "note violations");
  if (!seen.policies.noted) {
    if (auto failure = note_policies(database, seen.policies)) return to_error(*failure, "note the policies");
    database.policies.watch->noted = true;
  }

  std::vector<std::size_t> different;
  for (std::size_t i = 0; i < sightings.size(); ++i) {
    if (sightings[i].observation.project_known && sightings[i].ledger != Sighting::Ledger::agrees) {
      different.push_back(i);
    }
  }
  for (std::size_t first = 0; first < different.size(); first += kLedgeredAtOnce) {
    const std::size_t last = std::min(first + kLedgeredAtOnce, different.size());
    std::vector<ProjectQuery> these;
    std::set<std::string_view> once;
    for (std::size_t i = first; i < last; ++i) {
      if (once.insert(queries[different[i]].project).second) these.push_back(queries[different[i]]);
    }
    if (auto ledgered = ledger(database, these); !ledgered) return ledgered.error();
  }
  if (!different.empty()) {
    std::vector<ProjectQuery> these;
    for (const std::size_t i : different) these.push_back(queries[i]);
    // Their phases began just now: there is nothing yet to be counted in passing.
    auto again = look(database, these, Policies::as_last_seen,
                      counting == Counting::exact ? counting : Counting::remembered);
    if (const auto* failure = std::get_if<SqlFailure>(&again)) return to_error(*failure, doing);
    for (std::size_t i = 0; i < different.size(); ++i)
      sightings[different[i]] = std::get<0>(again).projects[i];
  }

  std::vector<decide::Observation> observations;
  observations.reserve(sightings.size());
  for (Sighting& sighting : sightings) {
    if (database.tally.too_slow && sighting.observation.violations_known)
      leave_uncounted(sighting.observation);
    observations.push_back(std::move(sighting.observation));
  }
  return observations;
}

}  // namespace rls::postgres
