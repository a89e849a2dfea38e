#include "controller/reconcile/rollouts.hpp"

#include <unordered_map>

#include "controller/base/log.hpp"

namespace rls::reconcile {
namespace {

constexpr const char* kLogger = "rollout";
// So many RlsMigrations are made at a time; the others at the next look.
constexpr std::size_t kMadeAtOnce = 50;

using Members = std::vector<std::vector<decide::MemberView>>;

/// Why a member is where it is, in short.
std::string why_of(const api::MigrationStatus& status) {
  if (!status.blocked_by.empty()) return status.blocked_by;
  const api::Condition* ready = api::find_condition(status.conditions, "Ready");
  if (ready == nullptr) return {};
  // Suspended and held on request are as they should be, and not on their way.
  const bool goes_on = ready->reason == "AwaitingGates" || ready->reason == "TargetReached";
  return ready->status == api::ConditionStatus::is_true && goes_on ? std::string{} : ready->reason;
}

decide::MemberView view_of(const MemberLook& look, const std::string& rollout) {
  const api::RlsMigration& migration = *look.migration;
  const decide::Observation& seen = look.outcome->observed;
  const api::Condition* stalled = api::find_condition(migration.status.conditions, "Stalled");
  decide::MemberView view{.project = migration.spec.project,
                          .has_migration = true,
                          .ours = migration.rollout == rollout,
                          .earned = seen.last_ours,
                          .wanted = migration.spec.phase,
                          .stalled = stalled != nullptr,
                          .why = why_of(migration.status)};
  if (seen.database == decide::DatabaseState::ok && seen.project_known) view.phase = seen.phase;
  return view;
}

/// What is known of each project of each wave.
Members members_of(const api::RlsRollout& rollout, std::span<const MemberLook> looks) {
  std::unordered_map<std::string_view, const MemberLook*> by_project;
  for (const MemberLook& look : looks) {
    if (look.migration->spec_problem.empty() && !look.outcome->observed.conflict_with_older)
      by_project.emplace(look.migration->spec.project, &look);
  }
  Members members;
  for (const api::WaveSpec& wave : rollout.spec.waves) {
    auto& views = members.emplace_back();
    for (const std::string& project : wave.projects) {
      const auto found = by_project.find(project);
      views.push_back(found == by_project.end() ? decide::MemberView{.project = project}
                                                : view_of(*found->second, rollout.meta.name.name));
    }
  }
  return members;
}

}  // namespace

std::optional<Time> Rollouts::decide(const api::ObjectName& database, std::span<const MemberLook> looks,
                                     Time now) {
  waves_.forget_gone();
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(not_made_, [&](const auto& entry) { return caches_.rollouts.get(entry.first) == nullptr; });
  }
  std::optional<Time> thaws_at;
  for (const auto& rollout : caches_.rollouts.by_index(database)) {
    if (!rollout->spec_problem.empty()) continue;
    auto decisions = decide::decide_waves(rollout->spec, members_of(*rollout, looks), now);
    for (const decide::WaveDecision& decision : decisions) {
      if (decision.thaws_at && (!thaws_at || *decision.thaws_at < *thaws_at)) thaws_at = decision.thaws_at;
    }
    waves_.note(*rollout, std::move(decisions));
  }
  return thaws_at;
}

void Rollouts::publish(const api::ObjectName& database, std::span<const MemberLook> looks, Time now,
                       const std::optional<decide::StepFailure>& failure) {
  for (const auto& rollout : caches_.rollouts.by_index(database)) {
    if (rollout->meta.deleting) continue;
    const bool readable = rollout->spec_problem.empty();
    const Members members = readable ? members_of(*rollout, looks) : Members{};
    const auto decisions =
        readable ? decide::decide_waves(rollout->spec, members, now) : std::vector<decide::WaveDecision>{};
    if (readable && !failure) make_missing(*rollout);
    const auto status = decide::project_rollout(*rollout, decisions, members, clock_.now(),
                                                failure ? failure : failure_of(*rollout));
    if (status == rollout->status) continue;
    writer_.submit({{Kind::rollout, rollout->meta.name}, rollout->meta.uid, clock_.steady(), false, status});
  }
}

/// Making one twice is refused by its name, which is the same each time.
void Rollouts::make_missing(const api::RlsRollout& rollout) {
  const api::ObjectName database = database_of(rollout);
  std::size_t made = 0;
  for (std::size_t wave = 0; wave < rollout.spec.waves.size(); ++wave) {
    for (const std::string& project : rollout.spec.waves[wave].projects) {
      if (caches_.owners.first_for(database, project) || ++made > kMadeAtOnce) continue;
      client_.create({std::string(api::kGroupVersion), "rlsmigrations", rollout.meta.name.ns},
                     decide::missing_migration_json(rollout, wave, project),
                     [this, name = rollout.meta.name](Result<void> result) { note_made(name, result); });
    }
  }
  const std::lock_guard lock(mutex_);
  if (made == 0) not_made_.erase(rollout.meta.name);
}

void Rollouts::note_made(const api::ObjectName& rollout, const Result<void>& made) {
  // It is there already: the watch has not told yet, or the answer to making it was lost.
  if (made.ok() || made.error().reason == "AlreadyExists") return;
  log::warn(kLogger, "an RlsMigration could not be made",
            {{"namespace", rollout.ns}, {"name", rollout.name}, {"err", made.error().message}});
  const std::lock_guard lock(mutex_);
  not_made_.insert_or_assign(rollout, made.error());
}

std::optional<decide::StepFailure> Rollouts::failure_of(const api::RlsRollout& rollout) const {
  const std::lock_guard lock(mutex_);
  const auto found = not_made_.find(rollout.meta.name);
  if (found == not_made_.end()) return std::nullopt;
  const Error& error = found->second;
  return decide::StepFailure{error.reason, error.message, error.kind == ErrorKind::terminal};
}

}  // namespace rls::reconcile
