#include "controller/reconcile/events.hpp"

#include <algorithm>

#include "controller/postgres/project_database.hpp"

namespace rls::reconcile {
namespace {

using api::ConditionStatus;
using api::GateState;

std::string text(std::string_view view) { return std::string(view); }

bool is_open(GateState state) {
  switch (state) {
    case GateState::passed:
    case GateState::overridden: return true;
    case GateState::waiting:
    case GateState::blocked:
    case GateState::unknown: return false;
  }
  return false;
}

/// What a status says in short.
struct View {
  explicit View(const std::vector<api::Condition>& conditions)
      : ready(api::find_condition(conditions, "Ready")),
        held(api::find_condition(conditions, "Held")),
        drifted(api::find_condition(conditions, "Drifted")),
        overridden(api::find_condition(conditions, "Overridden")) {
    const auto* target = api::find_condition(conditions, "TargetReached");
    // TargetReached is Unknown where the database could not be looked at.
    looked = target != nullptr && target->status != ConditionStatus::unknown;
  }
  [[nodiscard]] bool is(std::string_view reason) const { return ready != nullptr && ready->reason == reason; }
  /// The project itself was seen.
  [[nodiscard]] bool saw_project() const {
    return looked && !is("UnknownProject") && !is("Conflict") && !is("InvalidSpec");
  }

  const api::Condition *ready, *held, *drifted, *overridden;
  bool looked = false;
};

class Story {
 public:
  Story(const api::RlsMigration& migration, const api::MigrationStatus& after)
      : migration_(migration),
        before_(migration.status),
        after_(after),
        was_(before_.conditions),
        is_(after.conditions),
        new_steps_(new_steps()) {}

  std::vector<EventDraft> told() {
    standing("InvalidSpec", EventReason::invalid_spec, EventReason::spec_accepted, true,
             "the spec can be understood");
    standing("Conflict", EventReason::conflict, EventReason::conflict_resolved, !is_.is("InvalidSpec"),
             "no older RlsMigration names this project any more");
    standing("DatabaseNotFound", EventReason::database_not_found, EventReason::database_found,
             !is_.is("Conflict") && !is_.is("InvalidSpec"), "the RlsDatabase is there");
    standing("UnknownProject", EventReason::unknown_project, EventReason::project_found, is_.saw_project(),
             "the project is in the database");
    if (!is_.saw_project()) return std::move(drafts_);
    gates_passed();
    steps();
    drift();
    hold();
    standing("Suspended", EventReason::suspended, EventReason::resumed, true,
             "spec.suspend does not stop promotions any more");
    overrides();
    gates_not_passed();
    failed_step();
    return std::move(drafts_);
  }

 private:
  void add(EventReason reason, std::string key, std::string note, std::optional<Time> time = {}) {
    drafts_.push_back({reason, std::move(key), std::move(note), time});
  }
  void add_step(EventReason reason, const api::HistoryEntry& entry, std::string note) {
    drafts_.push_back({reason, entry.id, std::move(note), entry.time, true});
  }

  /// A reason of Ready that came or went; that it went is only told where that can be known.
  void standing(std::string_view ready, EventReason came, EventReason went, bool known, const char* gone) {
    const bool was = was_.is(ready), is = is_.is(ready);
    if (is && !was) add(came, {}, is_.ready->message);
    if (was && !is && known) add(went, {}, gone);
  }

  /// What we did since.
  [[nodiscard]] std::vector<const api::HistoryEntry*> new_steps() const {
    std::vector<const api::HistoryEntry*> out = new_entries(migration_, after_);
    std::erase_if(out, [](const auto* entry) { return entry->reason == postgres::kDriftReason; });
    return out;
  }

  void steps() {
    for (const api::HistoryEntry* entry : new_steps_) {
      const std::string to = text(rls::to_string(entry->to));
      if (!entry->from) {
        if (entry->to != Phase::pending) add_step(EventReason::adopted, *entry, entry->reason + ": " + to);
        continue;
      }
      add_step(entry->to > *entry->from ? EventReason::promoted : EventReason::demoted, *entry,
               "from " + text(rls::to_string(*entry->from)) + " to " + to + ": " + entry->reason);
    }
  }

  void drift() {
    if (is_.drifted != nullptr) {
      const std::string& message = is_.drifted->message;
      if (was_.drifted == nullptr || was_.drifted->message != message) {
        add(EventReason::drift_detected, message, message);
      }
    } else if (was_.drifted != nullptr) {
      add(EventReason::drift_resolved, {},
          "the phase in the database is again the one that the operator left it at: " + phase());
    }
  }

  void hold() {
    if (is_.is("InvalidHold") && !was_.is("InvalidHold")) {
      add(EventReason::invalid_hold, {}, is_.ready->message);
    }
    if (is_.is("CheckFailed") && !was_.is("CheckFailed"))
      add(EventReason::check_failed, {}, is_.ready->message);
    if (is_.held != nullptr && was_.held == nullptr) add(EventReason::held, {}, is_.held->message);
    if (is_.held == nullptr && was_.held != nullptr) {
      add(EventReason::released, {}, "no hold keeps the project below spec.phase any more");
    }
  }

  [[nodiscard]] std::string phase() const {
    return after_.phase ? text(rls::to_string(*after_.phase)) : std::string("unknown");
  }

  [[nodiscard]] bool same_step() const { return before_.phase == after_.phase; }

  static const api::GateStatus* find(const std::vector<api::GateStatus>& gates, std::string_view name) {
    const auto found =
        std::find_if(gates.begin(), gates.end(), [&](const auto& g) { return g.name == name; });
    return found == gates.end() ? nullptr : &*found;
  }

  /// The gate Hold is told of by `hold`.
  static bool is_told_elsewhere(const api::GateStatus& gate) { return gate.name == "Hold"; }

  /// The moment before the step up from the phase that the status told of.
  [[nodiscard]] std::optional<Time> just_before_leaving() const {
    for (const api::HistoryEntry* entry : new_steps_) {
      if (entry->from && entry->from == before_.phase) return entry->time - Duration{1};
    }
    return std::nullopt;
  }

  void gates_passed() {
    const bool up = before_.phase && after_.phase && *after_.phase > *before_.phase && is_.drifted == nullptr;
    for (const api::GateStatus& old : before_.gates) {
      if (is_open(old.state) || is_told_elsewhere(old)) continue;
      if (same_step()) {
        const api::GateStatus* now = find(after_.gates, old.name);
        // Not asked any more: the target was lowered.
        if (now == nullptr || !is_open(now->state)) continue;
      } else if (!up) {
        continue;
      }
      const std::string from = before_.phase ? text(rls::to_string(*before_.phase)) : std::string("pending");
      add(EventReason::gate_passed, old.name + "/" + from, "gate " + old.name + " passed in " + from,
          just_before_leaving());
    }
  }

  void gates_not_passed() {
    for (const api::GateStatus& now : after_.gates) {
      if (is_open(now.state) || is_told_elsewhere(now)) continue;
      const api::GateStatus* old = same_step() ? find(before_.gates, now.name) : nullptr;
      if (old != nullptr && old->state == now.state) continue;
      const EventReason reason = now.state == GateState::waiting   ? EventReason::gate_waiting
                                 : now.state == GateState::unknown ? EventReason::gate_unknown
                                                                   : EventReason::gate_blocked;
      add(reason, now.name + "/" + phase(), "gate " + now.name + ": " + now.message);
    }
  }

  void overrides() {
    if (is_.overridden != nullptr &&
        (was_.overridden == nullptr || was_.overridden->message != is_.overridden->message))
      add(EventReason::gate_overridden, is_.overridden->message, is_.overridden->message);
    if (is_.overridden == nullptr && was_.overridden != nullptr && same_step())
      add(EventReason::override_ended, {}, "no gate is overridden any more");
  }

  /// Ready carries the reason of a step that did not come through in place of how the project stands.
  void failed_step() {
    if (is_.ready == nullptr || is_.ready->status != ConditionStatus::is_false) return;
    if (is_.is("Drifted") || is_.is("Transitioning") || is_.is("InvalidHold") || is_.is("CheckFailed"))
      return;
    if (was_.is(is_.ready->reason) && was_.ready->message == is_.ready->message) return;
    add(EventReason::transition_failed, is_.ready->reason, is_.ready->reason + ": " + is_.ready->message);
  }

  const api::RlsMigration& migration_;
  const api::MigrationStatus& before_;
  const api::MigrationStatus& after_;
  const View was_, is_;
  const std::vector<const api::HistoryEntry*> new_steps_;
  std::vector<EventDraft> drafts_;
};

}  // namespace

std::string_view to_string(EventType type) {
  switch (type) {
    case EventType::normal: return "Normal";
    case EventType::warning: return "Warning";
  }
  return "Normal";
}

std::vector<const api::HistoryEntry*> new_entries(const api::RlsMigration& before,
                                                  const api::MigrationStatus& after) {
  const auto& history = before.status.history;
  const auto known = [&](const api::HistoryEntry& entry) {
    if (history.empty()) {
      // The first look: what happened before the object was made is not its story. To the second, as
      // creationTimestamp is.
      return std::chrono::ceil<std::chrono::seconds>(entry.time) < before.meta.created;
    }
    return std::any_of(history.begin(), history.end(),
                       [&](const api::HistoryEntry& old) { return old.id == entry.id; });
  };
  std::vector<const api::HistoryEntry*> out;
  for (auto entry = after.history.rbegin(); entry != after.history.rend(); ++entry) {
    if (!known(*entry)) out.push_back(&*entry);
  }
  return out;
}

std::vector<EventDraft> events_of(const api::RlsMigration& before, const api::MigrationStatus& after) {
  return Story(before, after).told();
}

std::vector<EventDraft> events_of(const api::RlsRollout& before, const api::RolloutStatus& after) {
  std::vector<EventDraft> out;
  const auto state_before = [&](const std::string& wave) -> std::optional<api::WaveState> {
    for (const api::WaveStatus& old : before.status.waves) {
      if (old.name == wave) return old.state;
    }
    return std::nullopt;
  };
  for (const api::WaveStatus& wave : after.waves) {
    const auto old = state_before(wave.name);
    if (old == wave.state) continue;
    const std::string projects = std::to_string(wave.total) + (wave.total == 1 ? " project" : " projects");
    if (wave.state == api::WaveState::open && old != api::WaveState::done)
      out.push_back(
          {EventReason::wave_opened, wave.name, "wave " + wave.name + " (" + projects + ") may go up"});
    if (wave.state == api::WaveState::done)
      out.push_back({EventReason::wave_done, wave.name, "wave " + wave.name + " (" + projects + ") is done"});
  }
  const auto ready_reason = [](const std::vector<api::Condition>& conditions) -> std::string {
    const api::Condition* ready = api::find_condition(conditions, "Ready");
    return ready == nullptr ? "" : ready->reason;
  };
  const std::string was = ready_reason(before.status.conditions), is = ready_reason(after.conditions);
  if (is == "Frozen" && was != is) out.push_back({EventReason::rollout_frozen, {}, after.message});
  if (was == "Frozen" && was != is)
    out.push_back({EventReason::rollout_thawed, {}, "the rollout is not frozen any more"});
  const auto complete = [](const std::vector<api::Condition>& conditions) {
    const api::Condition* found = api::find_condition(conditions, "Complete");
    return found != nullptr && found->status == ConditionStatus::is_true;
  };
  if (complete(after.conditions) && !complete(before.status.conditions))
    out.push_back({EventReason::rollout_complete, {}, after.message});
  return out;
}

/// That every project is isolated now, or not any more. Unknown says neither.
void add_isolation(const api::RlsDatabase& before, const api::DatabaseStatus& after,
                   std::vector<EventDraft>& drafts) {
  const api::Condition* was = api::find_condition(before.status.conditions, "Isolated");
  const api::Condition* is = api::find_condition(after.conditions, "Isolated");
  if (is == nullptr || is->status == ConditionStatus::unknown) return;
  const bool isolated = is->status == ConditionStatus::is_true;
  // Unknown: it was, when it was last seen.
  const bool before_it = was != nullptr && was->status != ConditionStatus::is_false;
  if (isolated == before_it) return;
  drafts.push_back({isolated ? EventReason::isolated : EventReason::isolation_lost, is->reason, is->message});
}

std::vector<EventDraft> events_of(const api::RlsDatabase& before, const api::DatabaseStatus& after) {
  std::vector<EventDraft> drafts;
  const api::Condition* was = api::find_condition(before.status.conditions, "Ready");
  const api::Condition* is = api::find_condition(after.conditions, "Ready");
  if (is == nullptr) return drafts;
  add_isolation(before, after, drafts);
  const bool ready = is->status == ConditionStatus::is_true;
  if (was != nullptr && was->status == is->status && (ready || was->reason == is->reason)) return drafts;
  if (ready) {
    drafts.push_back({EventReason::database_connected, {}, is->message});
    return drafts;
  }
  const api::Condition* reachable = api::find_condition(after.conditions, "Reachable");
  const bool away = reachable != nullptr && reachable->status == ConditionStatus::is_false;
  drafts.push_back({away ? EventReason::database_unreachable : EventReason::database_unusable, is->reason,
                    is->reason + ": " + is->message});
  return drafts;
}

}  // namespace rls::reconcile
