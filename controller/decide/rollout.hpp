#pragma once
// The waves of an RlsRollout: which of them may go up, and what its status says (design 2-api, RlsRollout;
// R-A10). Pure: no IO, no clock. It never writes what an RlsMigration asks for; it opens and closes the gate
// Wave of its members, and names those that are missing.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "controller/api/rollout.hpp"
#include "controller/decide/conditions.hpp"

namespace rls::decide {

/// The name of the RlsMigration that a rollout makes for a project: "<rollout>-<slug>-<hash>". The slug is
/// for people: of the project's lower-cased letters A–Z, digits and -, at most 20; left out where the project
/// has none of them. The hash, eight characters of 0–9 and a–v, is 40 bits of a mixed FNV-1a of the exact
/// bytes of the project, so that "sm" and "SM" never share a name. The same for ever: another name would make
/// a second RlsMigration for a project that has one. A valid object name of at most 93 characters, for a
/// rollout's name of at most 63 (rule: crds/, metadata.name).
std::string migration_name(std::string_view rollout, std::string_view project);

/// The RlsMigration to create for a project of wave number `wave` (from 0) that has none.
std::string missing_migration_json(const api::RlsRollout& rollout, std::size_t wave,
                                   std::string_view project);

/// What is known of one project of a wave.
struct MemberView {
  std::string project;
  bool has_migration = false;
  bool ours = false;              ///< its RlsMigration has our label: the rollout made it
  bool conflict = false;          ///< it cannot be told who it belongs to; `why` says what to do
  std::optional<Phase> phase{};   ///< as the database has it; none: not observed
  Phase earned = Phase::pending;  ///< the last phase that the operator itself set
  Phase wanted = Phase::pending;  ///< the spec.phase of its RlsMigration
  bool stalled = false;           ///< a person has to act on it
  std::string why{};              ///< short: "SoakTime,Review", or a reason
};

/// Whether the projects of a wave may go up. What holds them back concerns promotions alone: nobody is
/// demoted because a wave has closed again.
struct WaveDecision {
  bool open = false;
  bool frozen = false;             ///< by spec.freeze, which closes every wave
  std::string why{};               ///< where not open
  std::optional<Time> thaws_at{};  ///< where frozen, and that has an end: decide again then
  std::int64_t reached = 0;        ///< how many of its projects have earned spec.advanceWhen
  std::int64_t arrived = 0;        ///< how many have earned spec.phase
  std::int64_t total = 0;
  api::PhaseCounts phases{};

  /// Whether the waves after it may go up, as far as it is concerned.
  [[nodiscard]] bool passed() const { return reached == total; }
};

/// One decision for each wave of the spec, in order. A wave is open when every project of every wave before
/// it has earned spec.advanceWhen and still has it: a phase that somebody else raised does not count. Takes
/// the waves as they stand now; a project added to an early wave closes the later ones until it has arrived.
/// A project without RlsMigration, not observed, or in conflict has not arrived: silence is not evidence.
/// Precondition: members[i] are the projects of spec.waves[i]. `now` is compared with freeze.until alone.
std::vector<WaveDecision> decide_waves(const api::RolloutSpec& spec,
                                       std::span<const std::vector<MemberView>> members, Time now);

/// The status to write, which fits the CRD. `decisions` and `members` are one for each wave; `now` is the
/// time of condition changes. `failure`: a write that did not come through, such as creating a missing
/// RlsMigration. Where the spec cannot be read (`spec_problem`) both are empty.
api::RolloutStatus project_rollout(const api::RlsRollout& rollout, std::span<const WaveDecision> decisions,
                                   std::span<const std::vector<MemberView>> members, Time now,
                                   const std::optional<StepFailure>& failure = std::nullopt);

}  // namespace rls::decide
