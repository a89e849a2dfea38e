#pragma once
// RlsMigration: the desired phase of one project (design 2-api, RlsMigration).

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controller/api/gating.hpp"
#include "controller/api/object.hpp"
#include "controller/api/phase.hpp"
#include "controller/base/result.hpp"

namespace rls::api {

inline constexpr std::string_view kHoldAtAnnotation = "rls-operator.dev/hold-at";
inline constexpr std::string_view kRequestedAtAnnotation = "rls-operator.dev/requested-at";
inline constexpr std::string_view kAdoptPhaseAnnotation = "rls-operator.dev/adopt-phase";

/// Any new value clears the hold of the database, once (design 2-api).
inline constexpr std::string_view kResumeAnnotation = "rls-operator.dev/resume";

/// What to do when somebody else raised the phase in the database.
enum class DriftPolicy { report, revert };

struct GatesSpec {
  Duration shadow_soak = std::chrono::hours{168};     ///< R-A6: clean time needed in shadow
  Duration enforcing_soak = std::chrono::hours{168};  ///< and in enforcing
  std::int64_t max_violations = 0;
  std::optional<std::int64_t> min_transactions{};  ///< none: 1000 where they are counted (R-A6), else 0
  std::optional<bool> review_required{};           ///< none: where the runtime is managed
  std::map<Phase, std::int64_t> approvals{};       ///< how many different people, by phase entered
  std::vector<WindowSpec> windows{};               ///< promotions only inside one of them; none: always
  std::vector<CheckSpec> checks{};
  bool operator==(const GatesSpec&) const = default;
};

/// What a project may read besides its own rows (R-A9). It writes its own alone.
struct AccessSpec {
  enum class Level {
    isolated,  ///< nothing
    shared,    ///< the projects in `readable`
    super,     ///< everything
  };
  Level level = Level::isolated;
  std::vector<std::string> readable;
  bool operator==(const AccessSpec&) const = default;
};

struct MigrationSpec {
  std::string database;  ///< databaseRef.name, in the same namespace
  std::string project;
  Phase phase = Phase::pending;
  DriftPolicy drift = DriftPolicy::report;
  GatesSpec gates;
  bool suspend = false;
  std::optional<AccessSpec> access{};  ///< registers the project, where the runtime is managed
  std::optional<GroupSpec> group{};
  std::vector<OverrideSpec> overrides{};
  bool operator==(const MigrationSpec&) const = default;
};

enum class GateState { passed, waiting, blocked, unknown, overridden };
std::string_view to_string(GateState state);  ///< "Passed", "Waiting", …
std::optional<GateState> parse_gate_state(std::string_view text);

/// One line of status.gates. Detail stands only where the gate is not passed.
struct GateStatus {
  std::string name;
  GateState state = GateState::unknown;
  Time since{};  ///< when it came into this state, to the second
  std::string observed;
  std::string required;
  std::string message;
  bool operator==(const GateStatus&) const = default;
};

/// status.violations: never row values, only where and by whom (R-A7).
struct ViolationsStatus {
  std::int64_t total = 0;
  std::int64_t unreviewed = 0;  ///< kinds without a verdict, where the runtime is managed
  std::optional<Time> last_seen;
  struct Table {
    std::string table;
    std::int64_t count = 0;
    bool operator==(const Table&) const = default;
  };
  std::vector<Table> by_table;  ///< ≤ 20
  struct Sample {
    std::string table;
    std::string operation;
    std::string user;
    std::string reason;
    std::optional<Time> time;
    std::string fingerprint{};  ///< of its kind, for a review; where the runtime is managed
    std::string review{};       ///< the verdict, if there is one
    bool operator==(const Sample&) const = default;
  };
  std::vector<Sample> samples;  ///< newest first, ≤ 5
  bool operator==(const ViolationsStatus&) const = default;
};

struct HistoryEntry {
  std::string id;
  std::optional<Phase> from;  ///< none for the first observation of an adopted project
  Phase to = Phase::pending;
  Time time{};
  std::string reason;
  bool operator==(const HistoryEntry&) const = default;
};

struct MigrationStatus {
  std::int64_t observed_generation = -1;
  std::optional<Phase> phase;
  std::optional<Time> phase_since;
  std::optional<Time> clean_since;
  std::optional<Time> eligible_at;  ///< rounded up to the second (`fit`)
  std::string blocked_by;           ///< the gates not passed, "SoakTime,Violations": for the column
  std::optional<ViolationsStatus> violations;
  std::vector<GateStatus> gates;
  std::string evidence_digest;  ///< what an RlsApproval of the next step must name; empty: none is wanted
  std::vector<HistoryEntry> history;  ///< newest first, ≤ 10
  std::string last_handled_reconcile_at;
  std::vector<Condition> conditions;
  bool operator==(const MigrationStatus&) const = default;
};

struct RlsMigration {
  ObjectMeta meta;
  std::optional<Phase> hold_at;    ///< annotation hold-at
  std::string hold_at_unreadable;  ///< its value ("(empty)" if it is) where it is not a phase: then nothing
                                   ///< is promoted
  std::string requested_at;        ///< annotation
  std::string adopt_phase;         ///< annotation, as it stands; read by decide
  std::string resume;              ///< annotation; its SHA-256 where it is long or not plain ASCII
  std::string rollout;             ///< label: the RlsRollout that made it; empty: a person or Git did
  MigrationSpec spec;
  /// Where the spec cannot be read (a newer CRD, an older operator): what is wrong with it. Then `spec` is
  /// empty, and nothing is decided on it.
  std::string spec_problem;
  MigrationStatus status;
};

/// Decodes one object as the API server sends it; rules as decode_database.
Result<RlsMigration> decode_migration(std::string_view json);
/// The object to PUT on /status; rules as for RlsDatabase. Times are written as exact as they are, those of
/// conditions to the second.
std::string encode_status(const ObjectMeta& meta, const MigrationStatus& status);

}  // namespace rls::api
