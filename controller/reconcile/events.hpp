#pragma once
// What is worth an Event: pure. Two statuses of one object in, the Events between them out. A status is told
// of once it stands on the server, so a restart repeats nothing, and a step whose status had not been written
// when the process died is told by the next one, from the ledger. Every reason is explained in
// docs/events.md.

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/api/database.hpp"
#include "controller/api/migration.hpp"
#include "controller/api/rollout.hpp"

namespace rls::reconcile {

enum class EventType { normal, warning };
std::string_view to_string(EventType type);  ///< "Normal", "Warning"

enum class EventReason {
  promoted,
  demoted,
  adopted,
  transition_failed,
  gate_waiting,
  gate_blocked,
  gate_unknown,
  gate_passed,
  invalid_hold,
  held,
  released,
  suspended,
  resumed,
  drift_detected,
  drift_resolved,
  unknown_project,
  project_found,
  conflict,
  conflict_resolved,
  invalid_spec,
  spec_accepted,
  database_not_found,
  database_found,
  database_connected,
  database_unreachable,
  database_unusable,
  check_failed,
  gate_overridden,
  override_ended,
  wave_opened,
  wave_done,
  rollout_frozen,
  rollout_thawed,
  rollout_complete,
  isolated,
  isolation_lost,
};

/// One row of the table: how a reason is shown.
struct EventInfo {
  EventReason id;
  std::string_view reason;  ///< CamelCase
  EventType type;
  std::string_view action;  ///< what the operator did or does
};

inline constexpr std::array kEventTable = {
    EventInfo{EventReason::promoted, "Promoted", EventType::normal, "Promote"},
    EventInfo{EventReason::demoted, "Demoted", EventType::normal, "Demote"},
    EventInfo{EventReason::adopted, "Adopted", EventType::normal, "Observe"},
    EventInfo{EventReason::transition_failed, "TransitionFailed", EventType::warning, "Retry"},
    EventInfo{EventReason::gate_waiting, "GateWaiting", EventType::normal, "Wait"},
    EventInfo{EventReason::gate_blocked, "GateBlocked", EventType::warning, "Wait"},
    EventInfo{EventReason::gate_unknown, "GateUnknown", EventType::warning, "Wait"},
    EventInfo{EventReason::gate_passed, "GatePassed", EventType::normal, "Observe"},
    EventInfo{EventReason::invalid_hold, "InvalidHold", EventType::warning, "Wait"},
    EventInfo{EventReason::held, "Held", EventType::normal, "Hold"},
    EventInfo{EventReason::released, "Released", EventType::normal, "Release"},
    EventInfo{EventReason::suspended, "Suspended", EventType::normal, "Wait"},
    EventInfo{EventReason::resumed, "Resumed", EventType::normal, "Observe"},
    EventInfo{EventReason::drift_detected, "DriftDetected", EventType::warning, "Observe"},
    EventInfo{EventReason::drift_resolved, "DriftResolved", EventType::normal, "Observe"},
    EventInfo{EventReason::unknown_project, "UnknownProject", EventType::warning, "Wait"},
    EventInfo{EventReason::project_found, "ProjectFound", EventType::normal, "Observe"},
    EventInfo{EventReason::conflict, "Conflict", EventType::warning, "Wait"},
    EventInfo{EventReason::conflict_resolved, "ConflictResolved", EventType::normal, "Observe"},
    EventInfo{EventReason::invalid_spec, "InvalidSpec", EventType::warning, "Wait"},
    EventInfo{EventReason::spec_accepted, "SpecAccepted", EventType::normal, "Observe"},
    EventInfo{EventReason::database_not_found, "DatabaseNotFound", EventType::warning, "Wait"},
    EventInfo{EventReason::database_found, "DatabaseFound", EventType::normal, "Observe"},
    EventInfo{EventReason::database_connected, "DatabaseConnected", EventType::normal, "Connect"},
    EventInfo{EventReason::database_unreachable, "DatabaseUnreachable", EventType::warning, "Connect"},
    EventInfo{EventReason::database_unusable, "DatabaseUnusable", EventType::warning, "Connect"},
    EventInfo{EventReason::check_failed, "CheckFailed", EventType::warning, "Hold"},
    EventInfo{EventReason::gate_overridden, "GateOverridden", EventType::warning, "Observe"},
    EventInfo{EventReason::override_ended, "OverrideEnded", EventType::normal, "Observe"},
    EventInfo{EventReason::wave_opened, "WaveOpened", EventType::normal, "Promote"},
    EventInfo{EventReason::wave_done, "WaveDone", EventType::normal, "Observe"},
    EventInfo{EventReason::rollout_frozen, "RolloutFrozen", EventType::normal, "Wait"},
    EventInfo{EventReason::rollout_thawed, "RolloutThawed", EventType::normal, "Observe"},
    EventInfo{EventReason::rollout_complete, "RolloutComplete", EventType::normal, "Observe"},
    EventInfo{EventReason::isolated, "Isolated", EventType::normal, "Observe"},
    EventInfo{EventReason::isolation_lost, "IsolationLost", EventType::warning, "Observe"},
};

/// The row of the table.
constexpr const EventInfo& info(EventReason reason) { return kEventTable[static_cast<std::size_t>(reason)]; }

namespace detail {
constexpr bool event_rows_stand_in_order() {
  for (std::size_t i = 0; i < kEventTable.size(); ++i) {
    if (static_cast<std::size_t>(kEventTable[i].id) != i) return false;
  }
  return true;
}
static_assert(event_rows_stand_in_order());
}  // namespace detail

/// One Event as it is wished for; the recorder decides whether and how it is sent.
struct EventDraft {
  EventReason reason;
  std::string key;   ///< what tells two Events of one reason apart: the gate, the ledger's id; not shown
  std::string note;  ///< for people; no secrets, no row values
  std::optional<Time> time{};  ///< of the database, where the ledger knows it; else: when it is recorded
  /// It happened exactly once, at `time`, and `key` says which time it was: never a series, and whoever tells
  /// it again gives it the same name.
  bool once = false;
};

/// What the ledger tells that the status before did not, drift included; the oldest first. They point into
/// `after`.
std::vector<const api::HistoryEntry*> new_entries(const api::RlsMigration& before,
                                                  const api::MigrationStatus& after);

/// The Events of one RlsMigration between the status that stood (`before.status`) and the one that stands
/// now, in the order of the story. While nothing can be seen (the database is away) nothing is told: the
/// RlsDatabase tells it for all.
std::vector<EventDraft> events_of(const api::RlsMigration& before, const api::MigrationStatus& after);

/// The same of one RlsDatabase.
std::vector<EventDraft> events_of(const api::RlsDatabase& before, const api::DatabaseStatus& after);

/// The same of one RlsRollout.
std::vector<EventDraft> events_of(const api::RlsRollout& before, const api::RolloutStatus& after);

}  // namespace rls::reconcile
