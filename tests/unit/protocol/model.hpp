#pragma once
// The transition protocol as a finite machine: one project, its database, its object in the API server, and
// two workers that may be of one operator or of two. Who decides is the genuine decide::decide; the rest is a
// model of postgres/moving.cpp, postgres/observing.cpp, reconcile/status_writer.cpp and of the rule of the
// fence: a new leader raises the epoch to the Lease's number, under an exclusive lock, and whoever meets a
// higher epoch stops. docs/reliability.md tells what is modelled and what is not.

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "controller/api/phase.hpp"

namespace rls::protocol {

/// A line of the protocol that is left out or done wrong.
enum class Bug {
  none,
  no_fence,                ///< the epoch is not looked at
  fence_without_lock,      ///< it is, but the row is not locked until the end
  no_second_look,          ///< what was decided before the locks is done
  blind_retry,             ///< a lost reply is taken for a failure, and the same is written again
  doubt_without_locks,     ///< the ledger is asked while the transaction in doubt may still commit
  ordinal_in_memory,       ///< the ledger's next number is counted by the operator itself
  epoch_on_reconnect,      ///< who reconnects raises the epoch
  status_without_version,  ///< a status is written whatever happened to the object meanwhile
  skip_level,              ///< up by two phases
  hold_ignored,            ///< the brake in the database is not read
  drift_taken_for_ours,    ///< what somebody else raised counts as earned
  ledger_after_commit,     ///< the ledger row is written in a transaction of its own
};
inline constexpr int kBugs = static_cast<int>(Bug::ledger_after_commit) + 1;
std::string_view to_string(Bug bug);

/// Whose the two workers are.
enum class Cast { two_operators, two_lanes };

/// How often each thing that nobody can foresee may happen, and how long the ledger may become.
struct Bounds {
  std::uint8_t wishes;     ///< a person changes spec, annotation or hold row
  std::uint8_t denials;    ///< a violation is recorded
  std::uint8_t strangers;  ///< somebody else changes the phase
  std::uint8_t crashes;
  std::uint8_t losses;  ///< the reply to a COMMIT
  std::uint8_t leases;  ///< the Lease is won anew
  std::uint8_t rows;    ///< of the ledger, that moves may fill
};

inline constexpr std::uint8_t kNobody = 4;  ///< where a phase may be missing: there is none
inline constexpr std::size_t kMostRows = 12;
inline constexpr std::uint8_t kSoak = 2;        ///< ticks of clean time that a step needs
inline constexpr std::uint8_t kMaxDenials = 1;  ///< spec.gates.maxViolations

enum class Kind : std::uint8_t { adopted, moved, drift };

struct Row {
  Kind kind;
  std::uint8_t from, to;
  std::uint8_t wanted;  ///< of a drift
  std::uint8_t epoch;
};

/// The server's side of a transaction.
struct Transaction {
  std::uint8_t open, fence, rows, commit_sent;
  std::uint8_t committed;  ///< it ended so; else it was rolled back
};

enum class At : std::uint8_t {
  rest,
  looked,   ///< a step is due
  nothing,  ///< none is: what was seen is to be published
  fenced,
  locked,
  written,   ///< looked and decided again, and written
  asked,     ///< COMMIT is sent
  in_doubt,  ///< and its reply is lost
};

struct Worker {
  At at;
  std::uint8_t from, to, ordinal;  ///< the step
  std::uint8_t seen;               ///< State::changes at the look
  std::uint8_t epoch;              ///< in which the transaction was begun
  Transaction transaction;
  // What only the invariants know.
  std::uint8_t earned;     ///< when the rows were locked, the database allowed the step
  std::uint8_t done;       ///< transactions committed for this decision
  std::uint8_t denied_it;  ///< it was told that this was not committed
  std::uint8_t retried;    ///< Bug::blind_retry
};

enum class Belief : std::uint8_t { standby, won, leads };

struct Operator {
  Belief belief;
  std::uint8_t term;  ///< the number of the Lease when it was won
  std::uint8_t epoch;
  std::uint8_t spec, hold_at;  ///< the cache
  std::uint8_t fresh;          ///< and nothing happened to the object since
  std::uint8_t knows;          ///< State::status_seen of the status in the cache
  std::uint8_t put, put_seen;  ///< a status on its way; kNobody: none
  std::uint8_t put_fresh;      ///< its resourceVersion is the object's
  std::uint8_t put_knew;       ///< `knows` when it was sent
  std::uint8_t ordinal;        ///< Bug::ordinal_in_memory
};

/// Bytes and nothing else: compared and hashed as such.
struct State {
  // the database
  std::uint8_t phase, hold, epoch, rows;
  std::array<Row, kMostRows> ledger;
  std::uint8_t clean;    ///< ticks since the newest row or the last denial, up to kSoak
  std::uint8_t denials;  ///< since the newest row, up to one more than allowed
  // the API server
  std::uint8_t spec, hold_at, status, lease, number;  ///< number: how often the Lease was won
  std::array<Operator, 2> operators;
  std::array<Worker, 2> workers;
  Bounds left;
  // What only the invariants know.
  std::uint8_t changes;      ///< of the phase, by whomever
  std::uint8_t moves;        ///< of the phase, by us
  std::uint8_t status_seen;  ///< `changes` when the standing status was seen
  std::uint8_t owner;        ///< who won the Lease and raised the epoch last
  std::uint8_t ever;         ///< the phases that the database ever was in, a bit each
};
static_assert(std::has_unique_object_representations_v<State>);

/// 64 bits that tell states apart (as good as certainly: a million states collide once in forty million
/// runs).
std::uint64_t fingerprint(const State& state);

/// Everything that can happen. Those of a worker in the order of the protocol.
enum class Deed : std::uint8_t {
  look,
  publish,
  pass_fence,
  lock_rows,
  decide_again,
  send_commit,
  hear_commit,
  lose_reply,
  lose_connection,
  end_own_backend,
  settle,
  server_commits,
  server_rolls_back,
  status_arrives,
  watch_arrives,
  win_lease,
  end_backends,
  raise_epoch,
  notice_loss,
  crash,
  wish_phase,
  wish_hold_at,
  wish_hold_row,
  deny,
  stray,
  tick,
};
inline constexpr int kDeeds = static_cast<int>(Deed::tick) + 1;

struct Step {
  Deed deed = Deed::look;
  std::uint8_t who = 0;  ///< worker or operator
  std::uint8_t arg = 0;  ///< the phase of a wish
};
std::string describe(const Step& step);
std::string describe(const State& state);

/// The invariants; nullptr: none is broken.
using Broken = const char*;
inline constexpr Broken kOneStepUp = "R-A2: a phase goes up by one step";
inline constexpr Broken kOneRowPerMove = "one ledger row for each move, in its transaction";
inline constexpr Broken kRowIsTrue = "a ledger row tells the phase that it replaced";
inline constexpr Broken kFenced = "nothing of an older leader is committed after the epoch was raised";
inline constexpr Broken kOnce = "one decision is committed once";
inline constexpr Broken kDoubtIsTrue = "what was found out about a COMMIT in doubt is true";
inline constexpr Broken kEarned = "R-A6: no promotion against what was committed before the look";
inline constexpr Broken kNoClimb = "ADR 5: what somebody else raised never climbs on";
inline constexpr Broken kStatusInOrder = "a status never replaces a newer one that its writer has not seen";
inline constexpr Broken kStatusIsTrue = "ADR 1: a status claims what the database was in";
inline constexpr Broken kGetsThere =
    "without more faults the leader reaches the target and the status says so";

struct Model {
  Cast cast = Cast::two_operators;
  Bug bug = Bug::none;
  Bounds bounds{};
  bool statuses = true;  ///< no move looks at a status: without them there are fewer states to see

  [[nodiscard]] State initial() const;
  using Emit = std::function<void(const Step&, const State&, Broken)>;
  /// Takes one step. False: it cannot be taken here, and `state` is not to be used any more. `broken`: the
  /// invariant that the step, or the state that it leads to, breaks.
  bool run(const Step& step, State& state, Broken& broken) const;
  /// All that can happen next; the invariant that the step itself breaks, where it does.
  void successors(const State& state, const Emit& emit) const;
  /// Lets the leader go on alone until nothing is left to do: does it get there? `good`: the states, by
  /// fingerprint, from which it does; it ends at the first of them, and adds those that it has passed. `way`:
  /// the steps that it takes.
  Broken converge(State state, std::unordered_set<std::uint64_t>& good, std::vector<Step>& way) const;
};

}  // namespace rls::protocol
