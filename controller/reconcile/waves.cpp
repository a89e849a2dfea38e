#include "controller/reconcile/waves.hpp"

#include <algorithm>

namespace rls::reconcile {
namespace {

/// The number of the wave that names the project.
std::optional<std::size_t> wave_with(const api::RolloutSpec& spec, const std::string& project) {
  for (std::size_t i = 0; i < spec.waves.size(); ++i) {
    const auto& projects = spec.waves[i].projects;
    if (std::find(projects.begin(), projects.end(), project) != projects.end()) return i;
  }
  return std::nullopt;
}

decide::WaveState closed(std::string why) {
  decide::WaveState out;
  out.why = std::move(why);
  return out;
}

}  // namespace

void Waves::note(const api::RlsRollout& rollout, std::vector<decide::WaveDecision> decisions) {
  auto decided = std::make_shared<Decided>();
  decided->uid = rollout.meta.uid;
  decided->generation = rollout.meta.generation;
  decided->waves = std::move(decisions);
  for (std::size_t i = 0; i < rollout.spec.waves.size(); ++i) {
    for (const std::string& project : rollout.spec.waves[i].projects) decided->by_project.emplace(project, i);
  }
  const std::lock_guard lock(mutex_);
  decided_[rollout.meta.name] = std::move(decided);
}

void Waves::forget_gone() {
  const std::lock_guard lock(mutex_);
  std::erase_if(decided_, [&](const auto& entry) { return caches_.rollouts.get(entry.first) == nullptr; });
}

void Waves::forget_all() {
  const std::lock_guard lock(mutex_);
  decided_.clear();
}

std::shared_ptr<const Waves::Decided> Waves::find(const api::ObjectName& rollout) const {
  const std::lock_guard lock(mutex_);
  const auto found = decided_.find(rollout);
  return found == decided_.end() ? nullptr : found->second;
}

std::optional<decide::WaveState> Waves::of(const api::RlsMigration& migration) const {
  if (!caches_.rollouts.synced()) return closed("RlsRollouts are not listed yet");
  if (caches_.rollouts.size() == 0) return std::nullopt;
  std::optional<decide::WaveState> out;
  const std::string& project = migration.spec.project;
  auto rollouts = caches_.rollouts.by_index(database_of(migration));
  // Those whose spec cannot be read name no database.
  for (auto& unreadable : caches_.rollouts.by_index({migration.meta.name.ns, {}}))
    rollouts.push_back(std::move(unreadable));
  for (const auto& rollout : rollouts) {
    const auto decided = find(rollout->meta.name);
    const bool fresh = decided != nullptr && decided->uid == rollout->meta.uid &&
                       decided->generation == rollout->meta.generation;
    std::optional<std::size_t> number;
    if (!rollout->spec_problem.empty()) {
      // Nobody knows whom it names: whom it made is held up.
      if (migration.rollout != rollout->meta.name.name) continue;
    } else if (fresh) {
      const auto found = decided->by_project.find(project);
      if (found == decided->by_project.end()) continue;
      number = found->second;
    } else {
      number = wave_with(rollout->spec, project);
      if (!number) continue;
    }
    if (out) {
      out->open = false;
      out->why =
          "RlsRollout " + rollout->meta.name.name + " names the project, too: remove it from one of them";
      continue;
    }
    if (!number) {
      out = closed("its spec cannot be read: " + rollout->spec_problem);
    } else if (!fresh || *number >= decided->waves.size()) {
      out = closed("it has changed, and is being looked at");
    } else {
      const decide::WaveDecision& wave = decided->waves[*number];
      out.emplace();
      out->open = wave.open;
      out->frozen = wave.frozen;
      out->why = wave.why;
      out->thaws_at = wave.thaws_at;
    }
    out->rollout = rollout->meta.name.name;
    if (number) {
      out->name = rollout->spec.waves[*number].name;
      out->members = rollout->spec.waves[*number].projects;
    }
  }
  return out;
}

}  // namespace rls::reconcile
