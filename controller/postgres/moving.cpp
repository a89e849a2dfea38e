#include "controller/postgres/moving.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <set>

#include "controller/base/text.hpp"
#include "controller/postgres/sql.hpp"

namespace rls::postgres {
namespace {

constexpr std::size_t kRowsAtOnce = 256;  // measured: more gains nothing
constexpr std::string_view kDoing = "move projects";

/// One attempt: collects results while the transaction goes on.
class Mover {
 public:
  Mover(OpenDatabase& database, std::span<const Move> moves, const DecideAgain& again, MoveMode mode)
      : database_(database),
        moves_(moves),
        again_(again),
        mode_(std::move(mode)),
        all_down_(std::all_of(moves.begin(), moves.end(), [](const Move& m) { return m.to < m.from; })),
        transaction_(database.connection, database.timeouts),
        results_(moves.size()) {}

  Attempt run();

 private:
  struct Chosen {
    std::size_t index;  // into moves_
    std::int64_t ordinal;
    bool has_row;  // in the status table; else the move makes it
  };
  /// Ends the attempt where it holds something.
  using Ended = std::optional<Attempt>;

  Ended choose();
  void complete_groups();
  Ended write_all();
  std::optional<SqlFailure> make_rows(std::span<const Chosen> rows);
  std::optional<SqlFailure> apply(std::span<const Chosen> rows);
  std::optional<SqlFailure> set_phases(std::span<const Chosen> rows, std::string at);
  std::optional<SqlFailure> use_our_path();
  std::optional<SqlFailure> audit(std::span<const Chosen> rows);
  std::optional<SqlFailure> write_saved(std::span<const Chosen> rows, bool with_audit);
  Ended write_carefully(std::span<const Chosen> rows);
  struct Culprit {
    const Chosen* row = nullptr;  // none: together alone they are refused
    SqlFailure failure;
  };
  std::optional<SqlFailure> try_out(std::span<const Chosen> rows, std::optional<SqlFailure>& refused);
  std::optional<SqlFailure> find_culprit(std::span<const Chosen> unit, Culprit& culprit);
  void refuse(std::span<const Chosen> unit, const Culprit& culprit);
  [[nodiscard]] std::size_t end_of_unit(std::span<const Chosen> rows, std::size_t first) const;
  std::optional<SqlFailure> set_holds(std::span<const Chosen> rows);
  std::optional<SqlFailure> resume(std::span<const Chosen> rows);
  Attempt finish();
  Attempt explained(const SqlFailure& failure, std::span<const std::string> projects);
  Reply script(std::string_view text) { return database_.connection.script(text, text); }

  OpenDatabase& database_;
  const std::span<const Move> moves_;
  const DecideAgain& again_;
  const MoveMode mode_;
  const bool all_down_;
  Transaction transaction_;
  std::vector<MoveResult> results_;
  std::vector<Chosen> chosen_;
  Backend backend_;
  bool path_is_theirs_ = false;
};

Attempt Mover::run() {
  if (const auto failure = transaction_.begin()) return to_error(*failure, kDoing);
  auto passed = pass_fence(database_);
  if (!passed) return passed.error();
  backend_ = std::move(*passed);
  if (auto ended = choose()) return std::move(*ended);
  complete_groups();
  if (chosen_.empty()) return std::move(results_);
  if (auto ended = write_all()) return std::move(*ended);
  return finish();
}

/// Locks, looks again, and asks again: only who gets the same answer goes on.
Mover::Ended Mover::choose() {
  std::vector<std::size_t> asked;
  std::vector<std::string> projects;
  std::vector<ProjectQuery> queries;
  std::set<std::string_view> once;
  for (std::size_t i = 0; i < moves_.size(); ++i) {
    const Move& move = moves_[i];
    const std::string problem = why_no_name(move.project, database_.utf8);
    if (!problem.empty()) {
      results_[i] = {MoveOutcome::failed, std::nullopt,
                     terminal("UnknownProject", "project " + quoted(move.project) + " " + problem)};
      continue;
    }
    // A second move of the same project was decided on what the first one changes.
    if (!once.insert(move.project).second) continue;
    asked.push_back(i);
    projects.push_back(move.project);
    queries.push_back({.project = move.project, .wanted = move.to, .resume = move.resume});
  }
  if (asked.empty()) return std::nullopt;
  std::set<std::string, std::less<>> free;
  if (mode_.held) {
    auto locked = lock_free_projects(database_, projects);
    if (!locked) return Attempt(locked.error());
    free = std::move(*locked);
  } else if (const auto failure = lock_projects(database_, projects)) {
    Attempt ended = explained(*failure, projects);
    const bool held = failure->is("55P03") && asked.size() > 1;
    return held ? Attempt(RowsHeld{std::get<Error>(ended)}) : ended;
  }
  // What goes down needs no evidence: counting it must not be able to hold a demotion up.
  auto looked =
      look(database_, queries, Policies::as_last_seen, all_down_ ? Counting::remembered : Counting::exact);
  if (const auto* failure = std::get_if<SqlFailure>(&looked)) return Attempt(to_error(*failure, kDoing));
  auto& sightings = std::get<0>(looked).projects;
  std::vector<Relook> relooks;
  relooks.reserve(asked.size());
  for (std::size_t k = 0; k < asked.size(); ++k) relooks.push_back({asked[k], sightings[k].observation});
  const std::vector<std::optional<Phase>> answers = again_(relooks);
  for (std::size_t k = 0; k < asked.size(); ++k) {
    const Move& move = moves_[asked[k]];
    const Sighting& sighting = sightings[k];
    // What the ledger does not know yet is observed and ledgered first.
    const bool settled =
        sighting.ledger == Sighting::Ledger::agrees || sighting.ledger == Sighting::Ledger::aimed_higher;
    if (!sighting.observation.project_known || !settled || sighting.observation.phase != move.from) continue;
    if (mode_.held && sighting.has_row && !free.contains(move.project)) {
      results_[asked[k]] = {MoveOutcome::failed, std::nullopt, mode_.held};
      continue;
    }
    if (answers.at(k) != move.to) continue;
    const std::string& no_row = database_.catalogue.no_new_rows_because;
    if (!sighting.has_row && move.from != move.to && !no_row.empty()) {
      results_[asked[k]] = {MoveOutcome::failed, std::nullopt,
                            terminal("MoveRefused", "project " + quoted(move.project) + " has no row in " +
                                                        database_.catalogue.status_table +
                                                        ", and none can be made: " + no_row)};
      continue;
    }
    chosen_.push_back({asked[k], sighting.ordinal + 1, sighting.has_row});
  }
  return std::nullopt;
}

/// Who cannot go holds the others of its group back.
void Mover::complete_groups() {
  std::map<std::string_view, std::pair<std::size_t, std::size_t>> counts;  // moves, chosen
  std::map<std::string_view, std::size_t> culprits;
  for (std::size_t i = 0; i < moves_.size(); ++i) {
    if (moves_[i].group.empty()) continue;
    ++counts[moves_[i].group].first;
    if (results_[i].outcome == MoveOutcome::failed) culprits.emplace(moves_[i].group, i);
  }
  if (counts.empty()) return;
  for (const Chosen& row : chosen_) {
    if (!moves_[row.index].group.empty()) ++counts[moves_[row.index].group].second;
  }
  std::erase_if(chosen_, [&](const Chosen& row) {
    const Move& move = moves_[row.index];
    if (move.group.empty()) return false;
    const auto [asked, found] = counts[move.group];
    if (asked == found) return false;
    if (const auto culprit = culprits.find(move.group); culprit != culprits.end()) {
      results_[row.index] = {
          MoveOutcome::failed, std::nullopt,
          transient("GroupHeldBack", "held back by project " + quoted(moves_[culprit->second].project) +
                                         " of its group: " + results_[culprit->second].error->message)};
    }
    return true;
  });
  // Those of one group stand together, so that none is cut in two.
  std::stable_sort(chosen_.begin(), chosen_.end(), [&](const Chosen& a, const Chosen& b) {
    return moves_[a.index].group < moves_[b.index].group;
  });
}

/// One move, or all of one group.
std::size_t Mover::end_of_unit(std::span<const Chosen> rows, std::size_t first) const {
  const std::string& group = moves_[rows[first].index].group;
  std::size_t end = first + 1;
  while (!group.empty() && end < rows.size() && moves_[rows[end].index].group == group) ++end;
  return end;
}

/// A CHECK, a length, an enum, a trigger, a right on a sequence: whatever it is, the phases come first.
bool may_be_left_out(const SqlFailure& by_audit) { return is_rows_own(by_audit) || by_audit.is("42804"); }

Mover::Ended Mover::write_all() {
  for (std::size_t first = 0, end = 0; first < chosen_.size(); first = end) {
    const std::span<const Chosen> all(chosen_);
    for (end = first; end < all.size() && (end == first || end_of_unit(all, end) - first <= kRowsAtOnce);)
      end = end_of_unit(all, end);
    const auto rows = all.subspan(first, end - first);
    if (mode_.careful) {
      if (auto ended = write_carefully(rows)) return ended;
      continue;
    }
    if (const auto failure = apply(rows)) {
      if (is_rows_own(*failure)) return Attempt(RowRefused{*failure});
      return explained(*failure, {});
    }
    if (!mode_.write_audit) continue;
    if (const auto failure = audit(rows)) {
      if (may_be_left_out(*failure)) return Attempt(AuditRefused{shown(*failure)});
      if (all_down_ && took_too_long(*failure)) return Attempt(AuditHeld{shown(*failure)});
      return Attempt(to_error(*failure, kDoing));
    }
  }
  return std::nullopt;
}

Attempt Mover::explained(const SqlFailure& failure, std::span<const std::string> projects) {
  transaction_.roll_back();
  return explain(database_, failure, kDoing, projects);
}

/// After strangers' triggers had their search path: ours again, for statements that are not proof against
/// theirs.
std::optional<SqlFailure> Mover::use_our_path() {
  if (!path_is_theirs_) return std::nullopt;
  path_is_theirs_ = false;
  constexpr std::string_view kOurs =
      "SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true)";
  return database_.connection.script("search_path", kOurs).failure;
}

/// Gives registered projects, which have none, their row in the status table.
std::optional<SqlFailure> Mover::make_rows(std::span<const Chosen> rows) {
  ArrayText project;
  bool any = false;
  for (const Chosen& row : rows) {
    const Move& move = moves_[row.index];
    if (row.has_row || move.from == move.to) continue;
    project.add(move.project);
    any = true;
  }
  if (!any) return std::nullopt;
  const std::array<std::string, 1> parameters = {project.take()};
  return database_.connection.run("new_rows", database_.catalogue.new_rows, parameters).failure;
}

/// For all of the rows: the ledger first, then the rows that are not there yet, then the phases.
std::optional<SqlFailure> Mover::apply(std::span<const Chosen> all) {
  if (const auto failure = use_our_path()) return failure;
  if (auto failure = resume(all)) return failure;
  if (auto failure = set_holds(all)) return failure;
  std::vector<Chosen> rows;
  std::copy_if(all.begin(), all.end(), std::back_inserter(rows),
               [&](const Chosen& row) { return !moves_[row.index].resumes; });
  if (rows.empty()) return std::nullopt;
  ArrayText project, ordinal, from, to, reason, actor;
  std::map<std::string_view, std::size_t> by_project;
  for (const Chosen& row : rows) {
    const Move& move = moves_[row.index];
    project.add(move.project);
    ordinal.add(row.ordinal);
    from.add(to_string(move.from));
    to.add(to_string(move.to));
    reason.add(move.reason);
    actor.add(move.actor);
    by_project.emplace(move.project, row.index);
  }
  const std::array<std::string, 8> parameters = {project.take(),
                                                 ordinal.take(),
                                                 from.take(),
                                                 to.take(),
                                                 reason.take(),
                                                 actor.take(),
                                                 std::to_string(database_.epoch),
                                                 database_.search_path};
  const Reply reply = database_.connection.run("apply", database_.catalogue.apply, parameters);
  if (!reply.ok()) return reply.failure;
  path_is_theirs_ = true;
  if (reply.rows.size() != rows.size()) {
    return SqlFailure{"40001", "the ledger did not take every row: the claim is gone", false};
  }
  if (auto failure = make_rows(rows)) return failure;
  if (auto failure = set_phases(rows, std::string(reply.rows.text(0, 3)))) return failure;
  for (std::size_t k = 0; k < reply.rows.size(); ++k) {
    const std::size_t index = by_project.at(reply.rows.text(k, 0));
    const Move& move = moves_[index];
    results_[index].outcome = MoveOutcome::moved;
    results_[index].entry =
        api::HistoryEntry{.id = std::string(reply.rows.text(k, 1)),
                          .from = move.from == move.to ? std::nullopt : std::optional(move.from),
                          .to = move.to,
                          .time = reply.rows.time(k, 2).value_or(Time{}),
                          .reason = move.reason};
  }
  return std::nullopt;
}

/// The holds that go with moves down: a lower one of a person's stays.
std::optional<SqlFailure> Mover::set_holds(std::span<const Chosen> rows) {
  ArrayText project, phase, by, reason;
  bool any = false;
  for (const Chosen& row : rows) {
    const Move& move = moves_[row.index];
    if (!move.latch) continue;
    any = true;
    project.add(move.project);
    phase.add(to_string(move.latch->at));
    by.add(move.latch->by);
    reason.add(move.reason);
  }
  if (!any) return std::nullopt;
  const std::array<std::string, 4> parameters = {project.take(), phase.take(), by.take(), reason.take()};
  return database_.connection.run("set_holds", sql::set_holds, parameters).failure;
}

std::optional<SqlFailure> Mover::resume(std::span<const Chosen> rows) {
  ArrayText project, value;
  bool any = false;
  for (const Chosen& row : rows) {
    const Move& move = moves_[row.index];
    if (!move.resumes) continue;
    any = true;
    project.add(move.project);
    value.add(move.resume);
  }
  if (!any) return std::nullopt;
  const std::array<std::string, 2> parameters = {project.take(), value.take()};
  const Reply reply = database_.connection.run("resume", sql::resume, parameters);
  if (!reply.ok()) return reply.failure;
  for (const Chosen& row : rows) {
    if (moves_[row.index].resumes) results_[row.index].outcome = MoveOutcome::moved;
  }
  return std::nullopt;
}

/// `at`: the time in the ledger. What is accepted as it is needs no change.
std::optional<SqlFailure> Mover::set_phases(std::span<const Chosen> rows, std::string at) {
  ArrayText project, from, to;
  std::size_t wanted = 0;
  for (const Chosen& row : rows) {
    const Move& move = moves_[row.index];
    if (move.from == move.to) continue;
    project.add(move.project);
    from.add(to_string(move.from));
    to.add(to_string(move.to));
    ++wanted;
  }
  if (wanted == 0) return std::nullopt;
  const std::array<std::string, 4> phases = {project.take(), from.take(), to.take(), std::move(at)};
  const Reply changed = database_.connection.run("set_phases", database_.catalogue.set_phases, phases);
  if (!changed.ok()) return changed.failure;
  std::size_t as_wanted = 0;
  for (std::size_t k = 0; k < changed.rows.size(); ++k) as_wanted += changed.rows.boolean(k, 1) ? 1 : 0;
  if (as_wanted == wanted) return std::nullopt;
  return SqlFailure{"P0001", "a trigger on " + database_.catalogue.status_table + " suppressed the change",
                    false};
}

/// Writes the rows behind a savepoint; a refusal goes back to it. Deferred constraints and constraint
/// triggers speak here, not at COMMIT, where nobody could tell whom they mean.
std::optional<SqlFailure> Mover::write_saved(std::span<const Chosen> rows, bool with_audit) {
  if (const Reply saved = script("SAVEPOINT rls_batch"); !saved.ok()) return saved.failure;
  auto failure = apply(rows);
  if (!failure && with_audit) failure = audit(rows);
  if (!failure) failure = script("SET CONSTRAINTS ALL IMMEDIATE").failure;
  if (!failure) failure = script("SET CONSTRAINTS ALL DEFERRED; RELEASE SAVEPOINT rls_batch").failure;
  if (!failure) return std::nullopt;
  if (failure->lost) return failure;
  if (const Reply back = script("ROLLBACK TO SAVEPOINT rls_batch; RELEASE SAVEPOINT rls_batch"); !back.ok())
    return back.failure;
  path_is_theirs_ = true;  // or not any more: it went back with the savepoint
  for (const Chosen& row : rows) results_[row.index] = {};
  return failure;
}

/// Halves until the rows at fault stand alone; the others are moved.
Mover::Ended Mover::write_carefully(std::span<const Chosen> rows) {
  const auto failure = write_saved(rows, mode_.write_audit);
  if (!failure) return std::nullopt;
  if (mode_.write_audit && may_be_left_out(*failure)) {
    const auto without = write_saved(rows, false);
    if (!without) return Attempt(AuditRefused{shown(*failure)});
    if (!is_rows_own(*without)) return Attempt(to_error(*without, kDoing));
  }
  if (mode_.write_audit && all_down_ && took_too_long(*failure)) return Attempt(AuditHeld{shown(*failure)});
  if (!is_rows_own(*failure)) return Attempt(to_error(*failure, kDoing));
  if (end_of_unit(rows, 0) == rows.size()) {
    Culprit culprit{nullptr, *failure};
    if (const auto broken = find_culprit(rows, culprit)) return Attempt(to_error(*broken, kDoing));
    refuse(rows, culprit);
    return std::nullopt;
  }
  std::size_t half = end_of_unit(rows, 0);
  while (half < rows.size() / 2) {
    const std::size_t next = end_of_unit(rows, half);
    if (next == rows.size()) break;  // a large group at the end is the other part, as a whole
    half = next;
  }
  if (auto ended = write_carefully(rows.first(half))) return ended;
  return write_carefully(rows.subspan(half));
}

/// Writes the rows and takes them back, whatever comes of it: `refused` is what the database said to them.
/// A failure: what keeps the transaction from going on.
std::optional<SqlFailure> Mover::try_out(std::span<const Chosen> rows, std::optional<SqlFailure>& refused) {
  if (const Reply saved = script("SAVEPOINT rls_trial"); !saved.ok()) return saved.failure;
  refused = write_saved(rows, mode_.write_audit);
  if (refused && !is_rows_own(*refused) && !may_be_left_out(*refused)) return refused;
  if (const Reply back = script("ROLLBACK TO SAVEPOINT rls_trial; RELEASE SAVEPOINT rls_trial"); !back.ok())
    return back.failure;
  path_is_theirs_ = true;  // or not any more
  for (const Chosen& row : rows) results_[row.index] = {};
  return std::nullopt;
}

/// Halves a group that is refused until one stands alone: people must know whom to look at.
std::optional<SqlFailure> Mover::find_culprit(std::span<const Chosen> unit, Culprit& culprit) {
  while (unit.size() > 1) {
    const std::size_t half = unit.size() / 2;
    bool narrowed = false;
    for (const auto part : {unit.first(half), unit.subspan(half)}) {
      std::optional<SqlFailure> refused;
      if (auto broken = try_out(part, refused)) return broken;
      if (!refused) continue;
      culprit.failure = *refused;
      unit = part;
      narrowed = true;
      break;
    }
    if (!narrowed) return std::nullopt;
  }
  culprit.row = unit.data();
  return std::nullopt;
}

/// `unit`: one move, or all of one group, which the database refuses as a whole.
void Mover::refuse(std::span<const Chosen> unit, const Culprit& culprit) {
  for (const Chosen& row : unit) {
    const Move& move = moves_[row.index];
    const std::string what = culprit.row != nullptr
                                 ? "project " + quoted(moves_[culprit.row->index].project)
                                 : "project " + quoted(move.project) + " with the others of its group";
    const std::string refusal = "the database refuses to move " + what + " from " +
                                std::string(to_string(move.from)) + " to " + std::string(to_string(move.to)) +
                                ": " + shown(culprit.failure);
    const bool at_fault = culprit.row == nullptr || culprit.row->index == row.index;
    results_[row.index] = {MoveOutcome::failed, std::nullopt,
                           at_fault
                               ? terminal("MoveRefused", refusal)
                               : transient("GroupHeldBack", "held back by project " +
                                                                quoted(moves_[culprit.row->index].project) +
                                                                " of its group: " + refusal)};
  }
}

/// A row in the audit table for each that moved.
std::optional<SqlFailure> Mover::audit(std::span<const Chosen> rows) {
  ArrayText project, from, to, reason, actor;
  bool any = false;
  for (const Chosen& row : rows) {
    const Move& move = moves_[row.index];
    if (move.from == move.to) continue;  // accepted: the phase did not change
    any = true;
    project.add(move.project);
    from.add(to_string(move.from));
    to.add(to_string(move.to));
    reason.add(move.reason);
    actor.add(move.actor);
  }
  if (!any) return std::nullopt;
  const std::array<std::string, 5> parameters = {project.take(), from.take(), to.take(), reason.take(),
                                                 actor.take()};
  return database_.connection.run("audit", database_.catalogue.audit, parameters).failure;
}

Attempt Mover::finish() {
  const auto failed = transaction_.commit();
  if (!failed) return std::move(results_);
  if (failed->in_doubt) {
    InDoubt doubt{.backend = backend_,
                  .projects = {},
                  .ledger_ids = {},
                  .resumed = {},
                  .if_committed = {},
                  .if_not = {}};
    for (const Chosen& row : chosen_) {
      const Move& move = moves_[row.index];
      const MoveResult& result = results_[row.index];
      if (result.outcome != MoveOutcome::moved) continue;
      doubt.projects.push_back(move.project);
      if (result.entry) doubt.ledger_ids.push_back(result.entry->id);
      if (move.resumes) doubt.resumed.emplace_back(move.project, move.resume);
    }
    doubt.if_committed = std::move(results_);
    doubt.if_not = to_error(failed->failure, kDoing);
    return doubt;
  }
  if (is_rows_own(failed->failure)) return RowRefused{failed->failure};
  return to_error(failed->failure, kDoing);
}

}  // namespace

Attempt attempt_move(OpenDatabase& database, std::span<const Move> moves, const DecideAgain& again,
                     MoveMode mode) {
  return Mover(database, moves, again, std::move(mode)).run();
}

Result<bool> was_committed(OpenDatabase& database, const InDoubt& doubt) {
  constexpr std::string_view kFinding = "find out what became of a COMMIT";
  const std::array<std::string, 2> backend = {doubt.backend.pid, doubt.backend.started};
  // It may hang in its COMMIT for as long as it likes, with our rows locked. Best effort: not ours to end
  // behind a pooler with another role.
  if (const Reply ended = database.connection.run("end_backend", sql::end_backend, backend);
      !ended.ok() && ended.failure->lost) {
    return to_error(*ended.failure, kFinding);
  }
  Transaction transaction(database.connection, database.timeouts);
  if (const auto failure = transaction.begin()) return to_error(*failure, kFinding);
  // Whoever gets these locks comes after the old transaction, however it ended.
  if (const auto failure = lock_projects(database, doubt.projects)) return to_error(*failure, kFinding);
  ArrayText project, value;
  for (const auto& [resumed, by] : doubt.resumed) {
    project.add(resumed);
    value.add(by);
  }
  const std::array<std::string, 3> traces = {array_text(doubt.ledger_ids), project.take(), value.take()};
  const Reply reply = database.connection.run("read_ledger", sql::read_ledger, traces);
  if (!reply.ok()) return to_error(*reply.failure, kFinding);
  return reply.rows.integer(0, 0) ==
         static_cast<std::int64_t>(doubt.ledger_ids.size() + doubt.resumed.size());
}

}  // namespace rls::postgres
