// Projects that go together (R-A3): who could go alone is asked of each first, and the answers are what gate
// Group of the others is given.

#include <algorithm>
#include <map>
#include <set>

#include "controller/base/text.hpp"
#include "controller/decide/plan.hpp"

namespace rls::decide {
namespace {

std::string name_of(Phase phase) { return std::string(to_string(phase)); }

std::set<std::string_view> members_of(const api::GroupSpec& group) {
  return {group.members.begin(), group.members.end()};
}

/// Both name the other, in lists that say the same.
bool same_group(const api::RlsMigration& migration, const api::RlsMigration& peer) {
  const auto& mine = migration.spec.group;
  const auto& theirs = peer.spec.group;
  return mine && theirs && mine->name == theirs->name && members_of(*mine) == members_of(*theirs);
}

bool in_wave(const std::optional<WaveState>& wave, const std::string& project) {
  return wave && std::find(wave->members.begin(), wave->members.end(), project) != wave->members.end();
}

/// How a peer stands to the step `to`, given what it would do alone.
GroupMember standing_of(const Candidate& peer, const Plan& alone, Phase to) {
  GroupMember out{.project = peer.migration->spec.project, .state = GroupMember::State::waiting, .why = {}};
  const Observation& seen = *peer.observed;
  const bool looked = seen.database == DatabaseState::ok && seen.project_known && !seen.conflict_with_older;
  // What somebody else raised has not arrived.
  if (looked && !alone.drifted && seen.phase >= to && alone.step != StepKind::down) {
    out.state = GroupMember::State::ready;
  } else if (looked && alone.step == StepKind::up && alone.to == to) {
    out.state = GroupMember::State::ready;
  } else if (looked && alone.needs_exact_count && next_phase(seen.phase) == to) {
    out.state = GroupMember::State::ready;  // it is counted exactly before anybody goes
  } else if (looked && !alone.drifted && alone.step == StepKind::none && seen.phase < to &&
             peer.migration->spec.phase < to) {
    out.why = "its spec.phase is " + name_of(peer.migration->spec.phase);
  } else if (looked && seen.phase < to && next_phase(seen.phase) != to) {
    out.why = "in " + name_of(seen.phase);
  } else if (looked && alone.standing == Standing::awaiting_gates) {
    for (const GateResult& gate : alone.gates) {
      if (gate.open()) continue;
      if (!out.why.empty()) out.why += ", ";
      out.why += std::string(gate.name) + " " + std::string(to_string(gate.state));
    }
  } else {
    out.why = alone.message;
  }
  return out;
}

}  // namespace

std::vector<std::string> peers_of(const api::RlsMigration& migration, const std::optional<WaveState>& wave) {
  std::set<std::string> peers;
  if (migration.spec.group)
    peers.insert(migration.spec.group->members.begin(), migration.spec.group->members.end());
  if (wave) peers.insert(wave->members.begin(), wave->members.end());
  peers.erase(migration.spec.project);
  return {peers.begin(), peers.end()};
}

std::vector<Plan> decide_all(const std::vector<Candidate>& candidates, const api::DatabasePolicy& policy) {
  std::vector<Plan> plans;
  plans.reserve(candidates.size());
  std::vector<std::size_t> together;
  for (const Candidate& candidate : candidates) {
    candidate.observed->group.clear();
    plans.push_back(decide(*candidate.migration, policy, *candidate.observed));
    if (candidate.observed->phase == Phase::complete) continue;
    if (candidate.migration->spec.group ||
        (candidate.observed->wave && candidate.observed->wave->members.size() > 1))
      together.push_back(plans.size() - 1);
  }
  if (together.empty()) return plans;

  std::map<std::string_view, std::size_t> by_project;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (!candidates[i].observed->conflict_with_older)
      by_project.emplace(candidates[i].migration->spec.project, i);
  }
  std::vector<std::vector<GroupMember>> groups;
  for (const std::size_t i : together) {
    const api::RlsMigration& migration = *candidates[i].migration;
    const Observation& seen = *candidates[i].observed;
    std::vector<GroupMember>& group = groups.emplace_back();
    for (const std::string& project : peers_of(migration, seen.wave)) {
      const auto found = by_project.find(project);
      if (found == by_project.end()) {
        group.push_back({project, GroupMember::State::missing, "no RlsMigration"});
        continue;
      }
      const Candidate& peer = candidates[found->second];
      if (!in_wave(seen.wave, project) && !same_group(migration, *peer.migration)) {
        group.push_back({project, GroupMember::State::lists_differ, "its spec.group is another one"});
      } else {
        group.push_back(standing_of(peer, plans[found->second], next_phase(seen.phase)));
      }
    }
  }
  for (std::size_t k = 0; k < together.size(); ++k) {
    const Candidate& candidate = candidates[together[k]];
    candidate.observed->group = std::move(groups[k]);
    plans[together[k]] = decide(*candidate.migration, policy, *candidate.observed);
  }
  return plans;
}

}  // namespace rls::decide
