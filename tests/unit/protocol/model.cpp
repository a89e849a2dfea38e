#include "tests/unit/protocol/model.hpp"

#include <algorithm>
#include <cstring>

#include "controller/decide/plan.hpp"

namespace rls::protocol {
namespace {

constexpr auto kTick = std::chrono::hours{1};

std::uint8_t u8(int value) { return static_cast<std::uint8_t>(value); }
std::uint8_t u8(Phase phase) { return static_cast<std::uint8_t>(phase); }
Phase phase_of(std::uint8_t value) { return static_cast<Phase>(value); }

const Row& newest(const State& s) { return s.ledger[s.rows - 1U]; }

/// The phase that our own last row left.
std::uint8_t last_ours(const State& s) {
  for (std::size_t i = s.rows; i > 0; --i) {
    if (s.ledger[i - 1].kind != Kind::drift) return s.ledger[i - 1].to;
  }
  return s.phase;
}

void append(State& s, const Row& row) {
  s.ledger[s.rows++] = row;
  s.clean = 0;
  s.denials = 0;
}

void change_phase(State& s, std::uint8_t to) {
  s.phase = to;
  ++s.changes;
  s.ever = u8(s.ever | 1 << to);
}

/// Whoever has read the object before has an old resourceVersion now.
void touch_object(State& s) {
  for (Operator& o : s.operators) o.fresh = o.put_fresh = 0;
}

/// The genuine decision, on what this operator knows of the object and what the database says now.
struct Decision {
  decide::StepKind step;
  std::uint8_t to;
};

class Decider {
 public:
  Decision operator()(const State& s, const Operator& o, bool counted, Bug bug) {
    const bool ledgered = newest(s).to == s.phase;
    const std::uint8_t ours = bug == Bug::drift_taken_for_ours ? s.phase : last_ours(s);
    const std::uint8_t hold = bug == Bug::hold_ignored ? kNobody : s.hold;
    const std::uint8_t wanted = newest(s).kind == Kind::drift && ours != s.phase ? newest(s).wanted : kNobody;
    std::size_t key = s.phase;
    for (const std::uint8_t part :
         {o.spec, o.hold_at, hold, ours, wanted, s.clean, s.denials, u8(counted), u8(ledgered)})
      key = key * 5 + part;
    auto& known = known_[key];
    if (known == kUnknown) {
      const Decision asked = ask(s, o, hold, ours, wanted, counted, ledgered);
      known = u8(static_cast<int>(asked.step) * 4 + asked.to);
    }
    return {static_cast<decide::StepKind>(known / 4), u8(known % 4)};
  }

 private:
  static Decision ask(const State& s, const Operator& o, std::uint8_t hold, std::uint8_t ours,
                      std::uint8_t wanted, bool counted, bool ledgered) {
    api::RlsMigration migration;
    migration.spec.project = "sm";
    migration.spec.phase = phase_of(o.spec);
    if (o.hold_at != kNobody) migration.hold_at = phase_of(o.hold_at);
    migration.spec.gates.shadow_soak = migration.spec.gates.enforcing_soak = kSoak * kTick;
    migration.spec.gates.max_violations = kMaxDenials;

    decide::Observation seen;
    seen.database = decide::DatabaseState::ok;
    seen.project_known = true;
    seen.now = Time{} + std::chrono::hours{1000};
    const Time clean_since = seen.now - s.clean * kTick;
    seen.phase = phase_of(s.phase);
    // After a denial it does not matter any more when the phase began, but that it was before.
    seen.phase_since = !ledgered ? seen.now : s.denials != 0 ? seen.now - 2 * kSoak * kTick : clean_since;
    seen.last_ours = phase_of(ours);
    if (wanted != kNobody) {
      seen.wanted_at_drift = std::max(phase_of(wanted), decide::asked_phase(migration));
      seen.drift_number = 1;
    }
    if (hold != kNobody) seen.hold = decide::HoldRow{phase_of(hold), "dba"};
    if (s.denials != 0) seen.violations = {s.denials, clean_since};
    seen.violations_known = counted;
    seen.evidence.state = decide::Evidence::State::complete;

    const decide::Plan plan = decide::decide(migration, {}, seen);
    return {plan.step, u8(plan.to)};
  }

  static constexpr std::uint8_t kUnknown = 255;
  // Decide is pure: the same question has the same answer. A place for each of four phases and nine more
  // parts.
  std::vector<std::uint8_t> known_ = std::vector<std::uint8_t>(4 * 1953125, kUnknown);
};

Decider& decider() {
  static Decider decider;
  return decider;
}

/// One step of the machine. `run` says whether the step can be taken.
class Machine {
 public:
  Machine(const Model& model, State& state) : model_(model), s(state) {}
  bool run(const Step& step);
  Broken broken = nullptr;

 private:
  [[nodiscard]] bool has(Bug bug) const { return model_.bug == bug; }
  [[nodiscard]] std::size_t boss(std::size_t worker) const {
    return model_.cast == Cast::two_operators ? worker : 0;
  }
  void note(Broken invariant) {
    if (broken == nullptr) broken = invariant;
  }
  bool rows_are_free(std::size_t but_for) const;
  bool fence_is_free() const;
  void stop(std::size_t who);
  void rest(Worker& w);
  void roll_back(Worker& w) { w.transaction = {}; }
  bool look(Worker& w, std::size_t who);
  bool ledger_seen(const Operator& o, bool& wrote);
  bool pass_fence(Worker& w, std::size_t who);
  bool decide_again(Worker& w, const Operator& o);
  bool commit(Worker& w, std::size_t who);
  bool settle(Worker& w, std::size_t index, std::size_t who);
  bool status_arrives(Operator& o);
  bool win_lease(std::size_t who);

  const Model& model_;
  State& s;
};

bool Machine::rows_are_free(std::size_t but_for) const {
  for (std::size_t i = 0; i < s.workers.size(); ++i)
    if (i != but_for && s.workers[i].transaction.rows != 0) return false;
  return true;
}

bool Machine::fence_is_free() const {
  return s.workers[0].transaction.fence == 0 && s.workers[1].transaction.fence == 0;
}

/// Back to rest, with nothing in mind. Its transaction may live on in the server.
void Machine::rest(Worker& w) {
  const Transaction transaction = w.transaction;
  // The server still knows what it is about to commit.
  w = transaction.commit_sent != 0 ? Worker{At::rest,    w.from,   w.to,   w.ordinal,   0, w.epoch,
                                            transaction, w.earned, w.done, w.denied_it, 0}
                                   : Worker{};
  w.transaction = transaction.open != 0 ? transaction : Transaction{};
}

/// The process ends, whyever; it starts again, lists, and waits for the Lease.
void Machine::stop(std::size_t who) {
  Operator& o = s.operators[who];
  for (std::size_t i = 0; i < s.workers.size(); ++i)
    if (boss(i) == who) rest(s.workers[i]);
  o.belief = Belief::standby;
  o.term = o.epoch = o.ordinal = 0;
  o.spec = s.spec;
  o.hold_at = s.hold_at;
  o.knows = s.status_seen;
  o.fresh = 1;
}

/// observing.cpp: what somebody else did is ledgered in a transaction of its own, unless a row is locked.
bool Machine::ledger_seen(const Operator& o, bool& wrote) {
  const Row last = newest(s);
  const std::uint8_t asked = std::min(o.spec, o.hold_at);
  if (last.to != s.phase) {
    if (!rows_are_free(s.workers.size()) || s.rows == kMostRows) return false;
    append(s, {Kind::drift, last.to, s.phase, last.kind == Kind::drift ? std::max(asked, last.wanted) : asked,
               o.epoch});
    wrote = true;
  } else if (last.kind == Kind::drift && last_ours(s) != s.phase && asked > last.wanted) {
    if (!rows_are_free(s.workers.size())) return false;
    s.ledger[s.rows - 1U].wanted = asked;
    wrote = true;
  }
  return true;
}

bool Machine::look(Worker& w, std::size_t who) {
  Operator& o = s.operators[who];
  if (w.at != At::rest || w.transaction.open != 0 || o.belief != Belief::leads) return false;
  if (o.epoch != s.epoch) {  // AdoptedDatabase::accept: FenceLost
    stop(who);
    return true;
  }
  bool wrote = false;
  if (!ledger_seen(o, wrote)) return false;
  if (o.ordinal == 0) o.ordinal = s.rows;
  const Decision decision = decider()(s, o, true, model_.bug);
  w = {};
  w.seen = s.changes;
  w.from = s.phase;
  if (decision.step == decide::StepKind::none) {
    // Nothing to say, either, where the status that stands says it.
    if (!model_.statuses || (s.status == s.phase && o.fresh != 0 && o.knows == s.changes)) {
      w = {};
      return wrote;
    }
    w.at = At::nothing;
    return true;
  }
  w.at = At::looked;
  w.to = decision.to;
  if (has(Bug::skip_level) && w.to > w.from) w.to = std::min(u8(w.from + 2), o.spec);
  return true;
}

/// fence.sql: the epoch is ours, and stays so until our end.
bool Machine::pass_fence(Worker& w, std::size_t who) {
  if (w.at != At::looked || (w.retried == 0 && s.rows >= model_.bounds.rows)) return false;
  if (!has(Bug::no_fence) && s.operators[who].epoch != s.epoch) {
    stop(who);
    return true;
  }
  w.transaction = {};
  w.transaction.open = 1;
  w.epoch = s.operators[who].epoch;
  w.transaction.fence = has(Bug::no_fence) || has(Bug::fence_without_lock) ? 0 : 1;
  w.at = At::fenced;
  return true;
}

/// Mover::choose: looks again under the locks, and asks again with the freshest spec.
bool Machine::decide_again(Worker& w, const Operator& o) {
  if (w.at != At::locked || w.transaction.open == 0) return false;
  const bool up = w.to > w.from;
  // What the invariants hold against the promotion later, computed here from the database itself.
  const bool soaked = s.clean >= kSoak && s.denials <= kMaxDenials;
  w.earned = !up || ((w.to <= u8(Phase::shadow) || soaked) && (s.hold == kNobody || w.to <= s.hold)) ? 1 : 0;
  w.ordinal = has(Bug::ordinal_in_memory) ? u8(o.ordinal + 1) : u8(s.rows + 1);
  Decision again = decider()(s, o, up, model_.bug);
  if (has(Bug::skip_level) && again.step == decide::StepKind::up) again.to = w.to;
  const bool agrees = has(Bug::no_second_look) || (again.step != decide::StepKind::none && again.to == w.to);
  const bool settled = newest(s).to == s.phase && s.phase == w.from;
  if (w.retried == 0 && !(settled && agrees)) {
    roll_back(w);
    rest(w);
    return true;
  }
  if (w.ordinal != s.rows + 1) {  // UNIQUE (project_id, ordinal)
    roll_back(w);
    rest(w);
    return true;
  }
  w.at = At::written;
  return true;
}

bool Machine::commit(Worker& w, std::size_t who) {
  if (w.transaction.open == 0 || w.transaction.commit_sent == 0 || s.rows == kMostRows) return false;
  if (w.to > w.from + 1) note(kOneStepUp);
  if (w.epoch != s.epoch || who != s.owner) note(kFenced);
  if (w.done++ != 0) note(kOnce);
  if (w.denied_it != 0) note(kDoubtIsTrue);
  if (w.earned == 0) note(kEarned);
  if (w.to > w.from && last_ours(s) < w.from) note(kNoClimb);
  if (s.phase != w.from) note(kRowIsTrue);
  change_phase(s, w.to);
  ++s.moves;
  if (!has(Bug::ledger_after_commit)) append(s, {Kind::moved, w.from, w.to, 0, w.epoch});
  w.transaction = {};
  w.transaction.committed = 1;
  if (w.at != At::asked && w.at != At::in_doubt) rest(w);  // nobody is there to hear of it
  return true;
}

/// AdoptedDatabase::settle: a new connection, the locks of the old transaction, the ledger.
bool Machine::settle(Worker& w, std::size_t index, std::size_t who) {
  if (w.at != At::in_doubt) return false;
  if (s.operators[who].epoch != s.epoch) {
    if (!has(Bug::epoch_on_reconnect)) {
      stop(who);
      return true;
    }
    if (!fence_is_free()) return false;
    s.operators[who].epoch = ++s.epoch;
  }
  if (has(Bug::blind_retry)) {
    if (w.transaction.open != 0) return false;
    w.at = At::looked;
    w.retried = 1;
    return true;
  }
  const bool waits = !has(Bug::doubt_without_locks);
  if (waits && (w.transaction.rows != 0 || !rows_are_free(index))) return false;
  const bool found = w.ordinal <= s.rows && s.ledger[w.ordinal - 1U].kind == Kind::moved &&
                     s.ledger[w.ordinal - 1U].from == w.from && s.ledger[w.ordinal - 1U].to == w.to;
  // A yes may speak of the other lane's row for the very same step: the step is done all the same.
  if (!found && w.transaction.committed != 0) note(kDoubtIsTrue);
  if (!found && w.transaction.open != 0) w.denied_it = 1;
  rest(w);
  return true;
}

/// StatusWriter: a PUT with the resourceVersion of the cache; 409 where the object changed meanwhile.
bool Machine::status_arrives(Operator& o) {
  if (o.put == kNobody) return false;
  const bool taken = o.put_fresh != 0 || has(Bug::status_without_version);
  if (taken) {
    if (o.put_seen < s.status_seen && o.put_knew != s.status_seen) note(kStatusInOrder);
    const bool was_fresh = o.fresh != 0 && o.put_fresh != 0;
    s.status = o.put;
    s.status_seen = o.put_seen;
    touch_object(s);
    if (was_fresh) {  // StatusWriter::remember
      o.fresh = 1;
      o.knows = s.status_seen;
    }
  }
  o.put = kNobody;
  o.put_seen = o.put_fresh = o.put_knew = 0;
  return true;
}

bool Machine::win_lease(std::size_t who) {
  if (s.left.leases == 0 || s.operators[who].belief != Belief::standby) return false;
  --s.left.leases;
  s.lease = u8(static_cast<int>(who));
  s.operators[who].belief = Belief::won;
  s.operators[who].term = ++s.number;
  return true;
}

bool Machine::run(const Step& step) {
  const std::size_t index = step.who;
  Worker& w = s.workers[index];
  const std::size_t who = boss(index);
  Operator& mine = s.operators[who];  // of deeds of a worker
  Operator& o = s.operators[index];   // of deeds of an operator
  Transaction& t = w.transaction;
  const auto goes = [&](At from, At to) {
    if (w.at != from || t.open == 0) return false;
    w.at = to;
    return true;
  };
  switch (step.deed) {
    case Deed::look: return look(w, who);
    case Deed::publish:
      if (w.at != At::nothing || mine.put != kNobody) return false;
      mine.put = w.from;
      mine.put_seen = w.seen;
      mine.put_fresh = mine.fresh;
      mine.put_knew = mine.knows;
      rest(w);
      return true;
    case Deed::pass_fence: return pass_fence(w, who);
    case Deed::lock_rows:
      if (!rows_are_free(index) || !goes(At::fenced, At::locked)) return false;
      t.rows = 1;
      return true;
    case Deed::decide_again: return decide_again(w, mine);
    case Deed::send_commit:
      if (!goes(At::written, At::asked)) return false;
      t.commit_sent = 1;
      return true;
    case Deed::hear_commit:
      if (w.at != At::asked || t.open != 0) return false;
      if (t.committed != 0) {
        ++mine.ordinal;
        rest(w);
      } else {
        w.at = At::in_doubt;  // the server ended us: it may have committed before
      }
      return true;
    case Deed::lose_reply:
      if (w.at != At::asked || s.left.losses == 0) return false;
      --s.left.losses;
      w.at = At::in_doubt;
      return true;
    case Deed::lose_connection:  // ended by the server; before COMMIT nothing is in doubt
      if (w.at < At::fenced || w.at > At::written || t.open != 0) return false;
      rest(w);
      return true;
    case Deed::end_own_backend:
      if (w.at != At::in_doubt || t.open == 0 || has(Bug::doubt_without_locks)) return false;
      roll_back(w);
      return true;
    case Deed::settle: return settle(w, index, who);
    case Deed::server_commits: return commit(w, who);
    case Deed::server_rolls_back:  // its client is gone, or idle for too long
      if (t.open == 0 || w.at == At::asked) return false;
      roll_back(w);
      if (w.at == At::rest) rest(w);
      return true;
    case Deed::status_arrives: return status_arrives(o);
    case Deed::watch_arrives:
      if (o.fresh != 0 || o.belief == Belief::standby) return false;
      o.spec = s.spec;
      o.hold_at = s.hold_at;
      o.knows = s.status_seen;
      o.fresh = 1;
      return true;
    case Deed::win_lease: return win_lease(index);
    case Deed::end_backends: {
      if (o.belief != Belief::won) return false;
      bool any = false;
      for (Worker& other : s.workers) {
        if (other.transaction.open == 0) continue;
        roll_back(other);
        if (other.at == At::rest) rest(other);
        any = true;
      }
      return any;
    }
    case Deed::raise_epoch:
      // raise_epoch.sql: a number that is not higher raises nothing.
      if (o.belief != Belief::won || !fence_is_free() || o.term <= s.epoch) return false;
      o.epoch = s.epoch = o.term;
      o.belief = Belief::leads;
      s.owner = step.who;
      return true;
    case Deed::notice_loss:
      if (o.belief == Belief::standby || s.lease == index) return false;
      stop(index);
      return true;
    case Deed::crash:
      if (o.belief == Belief::standby || s.left.crashes == 0) return false;
      --s.left.crashes;
      stop(index);
      return true;
    case Deed::wish_phase:
      if (s.left.wishes == 0 || s.spec == step.arg) return false;
      --s.left.wishes;
      s.spec = step.arg;
      touch_object(s);
      return true;
    case Deed::wish_hold_at:
      if (s.left.wishes == 0) return false;
      --s.left.wishes;
      s.hold_at = s.hold_at == kNobody ? u8(Phase::shadow) : kNobody;
      touch_object(s);
      return true;
    case Deed::wish_hold_row:
      if (s.left.wishes == 0) return false;
      --s.left.wishes;
      s.hold = s.hold == kNobody ? u8(Phase::shadow) : kNobody;
      return true;
    case Deed::deny:
      // Counted are those since the newest row, where that tells the phase.
      if (s.left.denials == 0 || newest(s).to != s.phase) return false;
      --s.left.denials;
      s.denials = std::min(u8(s.denials + 1), u8(kMaxDenials + 1));
      s.clean = 0;
      return true;
    case Deed::stray:
      if (s.left.strangers == 0 || s.phase == step.arg || !rows_are_free(s.workers.size())) return false;
      --s.left.strangers;
      change_phase(s, step.arg);
      return true;
    case Deed::tick:
      if (s.clean == kSoak) return false;
      ++s.clean;
      return true;
  }
  return false;
}

constexpr std::array kNames = {"looks",
                               "sends the status",

                               "passes the fence",
                               "locks the rows",
                               "decides again and writes",

                               "sends COMMIT",
                               "hears of COMMIT",
                               "loses the reply",
                               "is cut off",
                               "ends its old backend",
                               "asks the ledger",
                               "is committed",
                               "is rolled back",
                               "'s status arrives",
                               "'s watch brings the object",
                               "wins the Lease",
                               "ends all backends",
                               "raises the epoch",
                               "sees that the Lease is lost",
                               "is killed",
                               "a person sets spec.phase to",
                               "a person sets or takes away hold-at",
                               "a DBA sets or releases the hold",
                               "a denial is recorded",
                               "a stranger sets the phase to",
                               "time passes"};
static_assert(kNames.size() == kDeeds);

/// The invariants of a state by itself.
Broken check(const State& s) {
  int moved = 0;
  for (std::size_t i = 0; i < s.rows; ++i) {
    const Row& row = s.ledger[i];
    moved += row.kind == Kind::moved ? 1 : 0;
    if (i == 0) continue;
    if (row.kind == Kind::moved && row.from != s.ledger[i - 1].to) return kRowIsTrue;
    if (row.epoch < s.ledger[i - 1].epoch) return kFenced;
  }
  if (moved != s.moves) return kOneRowPerMove;
  if (s.status != kNobody && (s.ever >> s.status & 1) == 0) return kStatusIsTrue;
  return nullptr;
}

}  // namespace

std::string_view to_string(Bug bug) {
  constexpr std::array<std::string_view, kBugs> kBugNames = {"None",
                                                             "NoFence",
                                                             "FenceWithoutLock",
                                                             "NoSecondLook",
                                                             "BlindRetry",
                                                             "DoubtWithoutLocks",
                                                             "OrdinalInMemory",
                                                             "EpochOnReconnect",
                                                             "StatusWithoutVersion",
                                                             "SkipLevel",
                                                             "HoldIgnored",
                                                             "DriftTakenForOurs",
                                                             "LedgerAfterCommit"};
  return kBugNames[static_cast<std::size_t>(bug)];
}

std::string describe(const Step& step) {
  const std::string name = kNames[static_cast<std::size_t>(step.deed)];
  if (step.deed >= Deed::wish_phase) {
    const bool phase = step.deed == Deed::wish_phase || step.deed == Deed::stray;
    return name + (phase ? " " + std::string(rls::to_string(phase_of(step.arg))) : "");
  }
  const char* kind = step.deed <= Deed::server_rolls_back ? "worker " : "operator ";
  return kind + std::string(1, step.who == 0 ? 'A' : 'B') + (name.front() == '\'' ? "" : " ") + name;
}

std::string describe(const State& s) {
  const auto name = [](std::uint8_t phase) {
    return phase == kNobody ? std::string("none") : std::string(rls::to_string(phase_of(phase)));
  };
  std::string out = "phase " + name(s.phase) + ", hold " + name(s.hold) + ", spec " + name(s.spec) +
                    ", hold-at " + name(s.hold_at) + ", status " + name(s.status) + ", epoch " +
                    std::to_string(s.epoch) + ", clean " + std::to_string(s.clean) + ", denials " +
                    std::to_string(s.denials) + ", ledger";
  for (std::size_t i = 0; i < s.rows; ++i) {
    constexpr std::array<const char*, 3> kKinds = {" adopted ", " moved ", " drift "};
    out += kKinds[static_cast<std::size_t>(s.ledger[i].kind)] + name(s.ledger[i].to) + "@" +
           std::to_string(s.ledger[i].epoch);
  }
  return out;
}

std::uint64_t fingerprint(const State& state) {
  constexpr std::size_t kWords = (sizeof(State) + 7) / 8;
  std::array<std::uint64_t, kWords> words{};
  std::memcpy(words.data(), &state, sizeof state);
  std::uint64_t hash = 0x9e3779b97f4a7c15U;
  for (const std::uint64_t word : words) {
    hash = (hash ^ word) * 0xbf58476d1ce4e5b9U;
    hash ^= hash >> 32;
  }
  return hash;
}

State Model::initial() const {
  State s{};
  s.hold = s.hold_at = s.status = kNobody;
  s.spec = u8(Phase::complete);
  s.epoch = s.number = 1;
  s.ever = 1;
  append(s, {Kind::adopted, 0, 0, 0, 1});
  for (Operator& o : s.operators) {
    o.spec = s.spec;
    o.hold_at = o.put = kNobody;
    o.fresh = 1;
  }
  s.operators[0].belief = Belief::leads;
  s.operators[0].term = s.operators[0].epoch = 1;
  s.left = bounds;
  s.left.rows = 0;
  return s;
}

bool Model::run(const Step& step, State& state, Broken& broken) const {
  Machine machine(*this, state);
  if (!machine.run(step)) return false;
  broken = machine.broken != nullptr ? machine.broken : check(state);
  return true;
}

void Model::successors(const State& state, const Emit& emit) const {
  const auto attempt = [&](const Step& step) {
    State next = state;
    Broken broken = nullptr;
    if (run(step, next, broken)) emit(step, next, broken);
  };
  for (int i = 0; i < kDeeds; ++i) {
    const Deed deed = static_cast<Deed>(i);
    if (deed == Deed::wish_phase || deed == Deed::stray) {
      for (const Phase phase : kPhases) attempt({deed, 0, u8(phase)});
    } else if (deed > Deed::wish_phase) {
      attempt({deed});
    } else {
      attempt({deed, 0});
      // With two lanes there is one process.
      if (cast == Cast::two_operators || deed <= Deed::server_rolls_back) attempt({deed, 1});
    }
  }
}

Broken Model::converge(State s, std::unordered_set<std::uint64_t>& good, std::vector<Step>& way) const {
  Model calm = *this;
  calm.bounds.rows = kMostRows;
  Broken broken = nullptr;
  const auto can = [&](Deed deed, std::size_t who) {
    const Step step{deed, u8(static_cast<int>(who))};
    State next = s;
    if (!calm.run(step, next, broken)) return false;
    s = next;
    way.push_back(step);
    return true;
  };
  const auto any = [&](const auto& deeds, std::size_t who) {
    return std::any_of(deeds.begin(), deeds.end(), [&](Deed deed) { return can(deed, who); });
  };
  // What is nearest to its end first.
  constexpr std::array kForward = {
      Deed::server_commits, Deed::hear_commit, Deed::lose_connection, Deed::settle,  Deed::send_commit,
      Deed::decide_again,   Deed::lock_rows,   Deed::pass_fence,      Deed::publish, Deed::look};
  constexpr std::array kByServer = {Deed::server_commits};
  constexpr std::array kOfLeader = {Deed::status_arrives, Deed::watch_arrives, Deed::win_lease,
                                    Deed::end_backends, Deed::raise_epoch};

  s.left = {0, 0, 0, 0, 0, 1, 0};
  const std::size_t leader = s.lease;
  can(Deed::status_arrives, 1 - leader);  // late
  std::vector<std::uint64_t> passed;
  for (int left = 400; broken == nullptr; --left) {
    if (left == 0) return kGetsThere;
    s.left.leases = 1;
    passed.push_back(fingerprint(s));
    if (good.contains(passed.back())) return nullptr;
    if (any(kOfLeader, leader)) continue;
    bool went = false;
    for (std::size_t i = 0; i < s.workers.size() && !went; ++i) {
      const bool leads = cast == Cast::two_lanes || i == leader;
      went = leads ? any(kForward, i) : any(kByServer, i);
    }
    for (std::size_t i = 0; i < s.workers.size() && !went; ++i) {
      const At at = s.workers[i].at;
      const bool left_alone = cast == Cast::two_operators && i != leader;
      went = (left_alone || at == At::rest || at == At::in_doubt) && can(Deed::server_rolls_back, i);
    }
    if (!went && !can(Deed::tick, 0)) break;
  }
  if (broken != nullptr) return broken;
  const std::uint8_t target = std::min({s.spec, s.hold_at, s.hold});
  const bool raised = newest(s).kind == Kind::drift && last_ours(s) < s.phase;
  const bool there = raised || (s.denials > kMaxDenials ? s.phase <= target : s.phase == target);
  if (!there || (statuses && s.status != s.phase)) return kGetsThere;
  good.insert(passed.begin(), passed.end());
  return nullptr;
}

}  // namespace rls::protocol
