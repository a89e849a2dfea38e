#include "controller/decide/rollout.hpp"

#include <algorithm>
#include <cassert>

#include "controller/api/limits.hpp"
#include "controller/base/text.hpp"

namespace rls::decide {
namespace {

constexpr std::size_t kMaxSlug = 20;
constexpr std::size_t kMaxNamed = 3;  ///< projects that a message names; the others are counted

/// Lower-case letters, digits, and one - for whatever stands between them.
std::string slug_of(std::string_view project) {
  std::string slug;
  for (const char c : project) {
    const bool upper = c >= 'A' && c <= 'Z';
    const bool plain = upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (plain) {
      slug += upper ? static_cast<char>(c - 'A' + 'a') : c;
    } else if (!slug.empty() && slug.back() != '-') {
      slug += '-';
    }
  }
  slug.resize(std::min(slug.size(), kMaxSlug));
  while (slug.ends_with('-')) slug.pop_back();
  return slug;
}

/// FNV-1a of 64 bits; short names differ too little in it, so its bits are mixed (MurmurHash3's last step).
/// The low 40 of them as eight digits of five.
std::string hash_of(std::string_view project) {
  std::uint64_t hash = 0xCBF29CE484222325U;
  for (const char c : project) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001B3U;
  }
  hash = (hash ^ (hash >> 33U)) * 0xFF51AFD7ED558CCDU;
  hash = (hash ^ (hash >> 33U)) * 0xC4CEB9FE1A85EC53U;
  hash ^= hash >> 33U;
  std::string digits;
  for (unsigned shift = 40; shift > 0; shift -= 5)
    digits += "0123456789abcdefghijklmnopqrstuv"[(hash >> (shift - 5)) & 31U];
  return digits;
}

/// A project for a message: as it is where it cannot be misread, else quoted.
std::string shown(std::string_view project) {
  const bool plain = !project.empty() && std::all_of(project.begin(), project.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
  return plain ? std::string(project) : quoted(project);
}

std::string name_of(Phase phase) { return std::string(to_string(phase)); }

/// The phase that a project has and has earned, as far as it counts; none: it does not.
std::optional<Phase> earned_phase(const MemberView& member) {
  if (!member.has_migration || member.conflict || !member.phase) return std::nullopt;
  return std::min(*member.phase, member.earned);
}

bool has_earned(const MemberView& member, Phase phase) {
  const auto earned = earned_phase(member);
  return earned && *earned >= phase;
}

void count(const MemberView& member, api::PhaseCounts& phases) {
  if (!member.phase) return;
  switch (*member.phase) {
    case Phase::pending: ++phases.pending; break;
    case Phase::shadow: ++phases.shadow; break;
    case Phase::enforcing: ++phases.enforcing; break;
    case Phase::complete: ++phases.complete; break;
  }
}

/// Why a project has not earned `aim`: "is in shadow (SoakTime)".
std::string standing_of(const MemberView& member, Phase aim) {
  std::string reason = member.why;
  const auto with_reason = [&](std::string text) {
    return reason.empty() ? text : text + " (" + reason + ")";
  };
  if (member.conflict) return with_reason("is in conflict");
  if (!member.has_migration) return with_reason("has no RlsMigration yet");
  if (!member.phase) return with_reason("has not been observed yet");
  if (*member.phase >= aim)
    return with_reason("is in " + name_of(*member.phase) + ", which somebody else set");
  if (member.wanted < aim) reason = "its spec.phase is " + name_of(member.wanted);
  return with_reason("is in " + name_of(*member.phase));
}

/// Those of a wave that have not earned `aim`, in words: at most three of them, and how many more.
template <class Say>
std::string laggards(std::span<const MemberView> members, Phase aim, Say say) {
  std::string out;
  std::size_t named = 0;
  std::size_t more = 0;
  for (const MemberView& member : members) {
    if (has_earned(member, aim)) continue;
    if (named == kMaxNamed) {
      ++more;
      continue;
    }
    out += (named++ == 0 ? "" : ", ") + say(member);
  }
  return more == 0 ? out : out + " and " + std::to_string(more) + " more";
}

std::string frozen_text(const api::Freeze& freeze) {
  return "the rollout is frozen" + (freeze.until ? " until " + format_rfc3339_seconds(*freeze.until) : "") +
         ": " + quoted(freeze.reason, 200) + "; demotions still happen";
}

bool frozen(const api::RolloutSpec& spec, Time now) {
  return spec.freeze && (!spec.freeze->until || *spec.freeze->until > now);
}

/// The wave that the rollout is at: where the next wave is held back, else where the end is.
std::optional<std::size_t> current_wave(std::span<const WaveDecision> decisions) {
  for (std::size_t at = 0; at < decisions.size(); ++at) {
    if (!decisions[at].passed()) return at;
  }
  for (std::size_t at = 0; at < decisions.size(); ++at) {
    if (decisions[at].arrived < decisions[at].total) return at;
  }
  return std::nullopt;
}

/// What a wave waits for, for the next wave's sake, then for its own: "ab: Violations".
std::string waited_for(const api::RolloutSpec& spec, const WaveDecision& decision,
                       std::span<const MemberView> members) {
  const Phase aim = decision.passed() ? spec.phase : spec.advance_when;
  return laggards(members, aim, [aim](const MemberView& member) {
    const bool on_its_way = earned_phase(member) && *member.phase < aim && member.wanted >= aim;
    return shown(member.project) + ": " +
           (on_its_way && !member.why.empty() ? member.why : standing_of(member, aim));
  });
}

/// The state in one sentence: "wave 3 of 5 (three): waiting for ab: Violations".
std::string progress_text(const api::RolloutSpec& spec, std::span<const WaveDecision> decisions,
                          std::span<const std::vector<MemberView>> members,
                          std::optional<std::size_t> current) {
  if (!current) return "every project has reached " + name_of(spec.phase);
  const WaveDecision& decision = decisions[*current];
  return (decision.frozen ? frozen_text(*spec.freeze) + "; " : "") + "wave " + std::to_string(*current + 1) +
         " of " + std::to_string(spec.waves.size()) + " (" + spec.waves[*current].name + "): waiting for " +
         waited_for(spec, decision, members[*current]);
}

/// How the rollout stands: a row of the table in docs/rollouts.md.
struct Look {
  bool ready = false;
  std::string reason;
  std::string message;
  bool reconciling = false;
  bool stalled = false;
};

/// The first member for which `test` holds.
template <class Test>
const MemberView* first_of(std::span<const std::vector<MemberView>> members, Test test) {
  for (const auto& wave : members) {
    const auto found = std::find_if(wave.begin(), wave.end(), test);
    if (found != wave.end()) return &*found;
  }
  return nullptr;
}

/// Where something is wrong; none: nothing is.
std::optional<Look> look_of_trouble(const api::RlsRollout& rollout,
                                    std::span<const std::vector<MemberView>> members,
                                    const std::string& progress, const std::optional<StepFailure>& failure) {
  if (!rollout.spec_problem.empty())
    return Look{.reason = "InvalidSpec", .message = rollout.spec_problem, .stalled = true};
  if (const auto* member = first_of(members, [](const MemberView& view) { return view.conflict; })) {
    return Look{.reason = "Conflict",
                .message = shown(member->project) + " " + standing_of(*member, rollout.spec.phase),
                .stalled = true};
  }
  if (failure) {
    return Look{.reason = failure->reason,
                .message = failure->message,
                .reconciling = !failure->terminal,
                .stalled = failure->terminal};
  }
  if (const auto* member = first_of(members, [](const MemberView& view) { return view.stalled; })) {
    return Look{.reason = "MemberStalled",
                .message = shown(member->project) + " needs a person" +
                           (member->why.empty() ? "" : ": " + member->why) + "; see its RlsMigration. " +
                           progress,
                .stalled = true};
  }
  return std::nullopt;
}

Look look_of_progress(std::span<const WaveDecision> decisions,
                      std::span<const std::vector<MemberView>> members, const std::string& progress) {
  const auto missing = [](const MemberView& member) { return !member.has_migration; };
  if (first_of(members, missing) != nullptr)
    return {.reason = "CreatingMigrations", .message = progress, .reconciling = true};
  if (!current_wave(decisions)) return {.ready = true, .reason = "Complete", .message = progress};
  if (decisions[0].frozen) return {.ready = true, .reason = "Frozen", .message = progress};
  return {.ready = true, .reason = "AwaitingWaves", .message = progress};
}

std::vector<api::Condition> conditions_with(const Look& look, bool complete, std::int64_t generation) {
  std::vector<api::Condition> conditions;
  const auto add = [&](std::string type, bool yes) {
    conditions.push_back({std::move(type),
                          yes ? api::ConditionStatus::is_true : api::ConditionStatus::is_false, look.reason,
                          look.message, generation, Time{}});
  };
  add("Ready", look.ready);
  add("Complete", complete);
  if (look.reconciling) add("Reconciling", true);
  if (look.stalled) add("Stalled", true);
  return conditions;
}

api::WaveStatus wave_status(const api::RolloutSpec& spec, std::size_t at, const WaveDecision& decision,
                            std::span<const MemberView> members) {
  api::WaveStatus status;
  status.name = spec.waves[at].name;
  status.reached = decision.reached;
  status.total = decision.total;
  status.phases = decision.phases;
  if (decision.arrived == decision.total) {
    status.state = api::WaveState::done;
  } else if (decision.open) {
    status.state = api::WaveState::open;
    status.message = "waiting for " + waited_for(spec, decision, members);
  } else {
    status.message = decision.why;
  }
  return status;
}

}  // namespace

std::string migration_name(std::string_view rollout, std::string_view project) {
  const std::string slug = slug_of(project);
  return std::string(rollout) + "-" + slug + (slug.empty() ? "" : "-") + hash_of(project);
}

std::string missing_migration_json(const api::RlsRollout& rollout, std::size_t wave,
                                   std::string_view project) {
  return api::encode_member(rollout, wave, project, migration_name(rollout.meta.name.name, project));
}

std::vector<WaveDecision> decide_waves(const api::RolloutSpec& spec,
                                       std::span<const std::vector<MemberView>> members, Time now) {
  assert(members.size() == spec.waves.size());
  std::vector<WaveDecision> decisions;
  std::string held_back_by;  // the first wave that has not passed
  const bool cold = frozen(spec, now);
  for (std::size_t at = 0; at < members.size(); ++at) {
    WaveDecision& decision = decisions.emplace_back();
    decision.total = static_cast<std::int64_t>(members[at].size());
    for (const MemberView& member : members[at]) {
      if (has_earned(member, spec.advance_when)) ++decision.reached;
      if (has_earned(member, spec.phase)) ++decision.arrived;
      count(member, decision.phases);
    }
    decision.why = held_back_by;
    if (cold) {
      decision.frozen = true;
      decision.thaws_at = spec.freeze->until;
      decision.why = frozen_text(*spec.freeze) + (held_back_by.empty() ? "" : "; " + held_back_by);
    }
    decision.open = decision.why.empty();
    if (held_back_by.empty() && !decision.passed()) {
      held_back_by = "wave " + spec.waves[at].name + ": " +
                     laggards(members[at], spec.advance_when, [&](const MemberView& member) {
                       return shown(member.project) + " " + standing_of(member, spec.advance_when);
                     });
    }
  }
  return decisions;
}

api::RolloutStatus project_rollout(const api::RlsRollout& rollout, std::span<const WaveDecision> decisions,
                                   std::span<const std::vector<MemberView>> members, Time now,
                                   const std::optional<StepFailure>& failure) {
  const api::RolloutSpec& spec = rollout.spec;
  assert(decisions.size() == spec.waves.size() && members.size() == spec.waves.size());
  api::RolloutStatus status;
  status.observed_generation = rollout.meta.generation;
  std::int64_t arrived = 0;
  bool known = !members.empty();
  Phase lowest = Phase::complete;
  for (std::size_t at = 0; at < decisions.size(); ++at) {
    status.waves.push_back(wave_status(spec, at, decisions[at], members[at]));
    status.projects += decisions[at].total;
    arrived += decisions[at].arrived;
    for (const MemberView& member : members[at]) {
      ++(!member.has_migration ? status.migrations.missing
         : member.ours         ? status.migrations.created
                               : status.migrations.foreign);
      const auto earned = earned_phase(member);
      known = known && earned.has_value();
      lowest = std::min(lowest, earned.value_or(lowest));
    }
  }
  if (known) status.phase = lowest;
  const bool readable = rollout.spec_problem.empty();
  if (readable) status.done = std::to_string(arrived) + "/" + std::to_string(status.projects);

  const auto current = current_wave(decisions);
  if (current) status.open_wave = spec.waves[*current].name;
  const std::string progress = progress_text(spec, decisions, members, current);
  const auto trouble = look_of_trouble(rollout, members, progress, failure);
  const Look look = trouble ? *trouble : look_of_progress(decisions, members, progress);
  status.message = look.message;
  status.conditions = api::with_transition_times(
      conditions_with(look, readable && !current, rollout.meta.generation), rollout.status.conditions, now);
  api::fit(status);
  return status;
}

}  // namespace rls::decide
