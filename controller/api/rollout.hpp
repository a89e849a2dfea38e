#pragma once
// RlsRollout: many projects of one database, in waves (design 2-api, RlsRollout; R-A10).

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/api/database.hpp"
#include "controller/api/gating.hpp"
#include "controller/api/migration.hpp"
#include "controller/api/object.hpp"
#include "controller/api/phase.hpp"
#include "controller/base/result.hpp"

namespace rls::api {

/// Labels of an RlsMigration that a rollout created: by whom, and for which wave at that time. Which projects
/// belong to a wave is told by the rollout's spec alone.
inline constexpr std::string_view kRolloutLabel = "rls-operator.dev/rollout";
inline constexpr std::string_view kWaveLabel = "rls-operator.dev/wave";

/// Gates of which only some are set. What is not set is another's: the template's, or RlsMigration's default.
struct GatesPatch {
  std::optional<Duration> shadow_soak{};
  std::optional<Duration> enforcing_soak{};
  std::optional<std::int64_t> max_violations{};
  std::optional<std::int64_t> min_transactions{};
  std::optional<bool> review_required{};
  std::optional<std::map<Phase, std::int64_t>> approvals{};
  std::optional<std::vector<WindowSpec>> windows{};
  std::optional<std::vector<CheckSpec>> checks{};
  bool operator==(const GatesPatch&) const = default;
};

/// `under` with each gate that `over` sets replaced as a whole: a list of windows is not added to another.
GatesPatch merged(GatesPatch under, const GatesPatch& over);

struct WaveSpec {
  std::string name;                    ///< a DNS label, distinct in its rollout
  std::vector<std::string> projects;   ///< in no other wave
  GatesPatch gates{};                  ///< over the template's
  std::optional<AccessSpec> access{};  ///< instead of the template's
  bool operator==(const WaveSpec&) const = default;
};

struct RolloutSpec {
  std::string database;           ///< databaseRef.name, in the same namespace
  Phase phase = Phase::complete;  ///< wanted for all; never pending
  GatesPatch gates{};             ///< template.gates
  std::optional<AccessSpec> access{};
  std::optional<DriftPolicy> drift{};
  std::vector<WaveSpec> waves;
  Phase advance_when = Phase::enforcing;  ///< what a wave must have earned; never above `phase`
  std::optional<Freeze> freeze{};
  bool operator==(const RolloutSpec&) const = default;
};

enum class WaveState {
  waiting,  ///< its projects may not go up
  open,     ///< they may, as their own gates pass
  done,     ///< all of them have earned the phase wanted
};
std::string_view to_string(WaveState state);  ///< "Waiting", "Open", "Done"
std::optional<WaveState> parse_wave_state(std::string_view text);

/// How many projects are in which phase; one whose phase is not known is in none.
struct PhaseCounts {
  std::int64_t pending = 0;
  std::int64_t shadow = 0;
  std::int64_t enforcing = 0;
  std::int64_t complete = 0;
  bool operator==(const PhaseCounts&) const = default;
};

struct WaveStatus {
  std::string name;
  WaveState state = WaveState::waiting;
  std::int64_t reached = 0;  ///< of its projects, how many have earned spec.advanceWhen
  std::int64_t total = 0;
  PhaseCounts phases;
  std::string message;  ///< what it waits for
  bool operator==(const WaveStatus&) const = default;
};

struct RolloutStatus {
  std::int64_t observed_generation = -1;
  std::optional<Phase> phase;  ///< the lowest that a project has earned; none: one is not known
  std::vector<WaveStatus> waves;
  std::int64_t projects = 0;
  std::string done;  ///< "5/8" have earned spec.phase: for the column
  struct Migrations {
    std::int64_t created = 0;  ///< by this rollout
    std::int64_t missing = 0;
    std::int64_t foreign = 0;  ///< made by somebody else
    bool operator==(const Migrations&) const = default;
  } migrations;
  std::string open_wave;  ///< the wave that the rollout is at; empty at the end
  std::string message;
  std::vector<Condition> conditions;
  bool operator==(const RolloutStatus&) const = default;
};

struct RlsRollout {
  ObjectMeta meta;
  RolloutSpec spec;
  std::string spec_problem;  ///< as of RlsMigration: where set, the spec is empty and opens no wave
  RolloutStatus status;
};

/// Decodes one object as the API server sends it; rules as decode_database.
Result<RlsRollout> decode_rollout(std::string_view json);
/// The object to PUT on /status; rules as for RlsDatabase.
std::string encode_status(const ObjectMeta& meta, const RolloutStatus& status);

/// The RlsMigration to create for a project of wave number `wave` (from 0): name, namespace, labels, and a
/// spec of the template and the wave. No owner reference: deleting a rollout deletes nothing. Access leaves
/// out the project's own name, which RlsMigration refuses. Precondition: `wave` is one of the rollout's.
std::string encode_member(const RlsRollout& rollout, std::size_t wave, std::string_view project,
                          std::string_view name);

}  // namespace rls::api
