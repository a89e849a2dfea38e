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
  // What somebody else raised has not arrived; what somebody lowered had.
  if (looked && std::min(seen.phase, seen.last_ours) >= to && alone.step != StepKind::down) {
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

namespace {

/// Projects that go in one transaction: those that name each other, and so on.
class Units {
 public:
  explicit Units(std::size_t size) : parent_(size) {
    for (std::size_t i = 0; i < size; ++i) parent_[i] = i;
  }
  std::size_t root(std::size_t i) {
    while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
    return i;
  }
  void unite(std::size_t a, std::size_t b) { parent_[root(a)] = root(b); }

 private:
  std::vector<std::size_t> parent_;
};

class Groups {
 public:
  Groups(const std::vector<Candidate>& candidates, std::vector<Plan>& plans)
      : candidates_(candidates), plans_(plans), units_(candidates.size()) {
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      if (!candidates[i].observed->conflict_with_older)
        by_project_.emplace(candidates[i].migration->spec.project, i);
    }
    for (const auto& [project, i] : by_project_) {
      for (const std::string& peer : peers_of(*candidates[i].migration, candidates[i].observed->wave))
        meet(i, peer);
    }
    for (const auto& [project, i] : by_project_) members_[units_.root(i)].push_back(i);
  }

  /// Gives each its group, and decides again for those that have one. All answers are those that each would
  /// have given alone, so that the order does not matter.
  void settle(const api::DatabasePolicy& policy) {
    std::map<std::size_t, std::vector<GroupMember>> groups;
    for (const auto& [project, i] : by_project_) {
      // Who is at the end waits for nobody.
      if (candidates_[i].observed->phase == Phase::complete) continue;
      if (auto group = group_of(i); !group.empty()) groups.emplace(i, std::move(group));
    }
    for (auto& [i, group] : groups) {
      candidates_[i].observed->group = std::move(group);
      plans_[i] = decide(*candidates_[i].migration, policy, *candidates_[i].observed);
      if (plans_[i].step == StepKind::up)
        plans_[i].group = candidates_[units_.root(i)].migration->spec.project;
    }
    for (const auto& [i, group] : groups) wait_for_counts(i);
  }

 private:
  /// Nobody goes while another, who would go along, is still to be counted exactly.
  void wait_for_counts(std::size_t i) {
    Plan& plan = plans_[i];
    if (plan.step != StepKind::up) return;
    const auto& unit = members_.at(units_.root(i));
    const bool uncounted = std::any_of(unit.begin(), unit.end(), [&](std::size_t peer) {
      return plans_[peer].needs_exact_count && next_phase(candidates_[peer].observed->phase) == plan.to;
    });
    if (!uncounted) return;
    plan.message = "counting the violations of its group before going up to " + name_of(plan.to);
    plan.step = StepKind::none;
    plan.to = Phase::pending;
    plan.step_reason.clear();
    plan.group.clear();
    plan.standing = Standing::awaiting_gates;
    plan.needs_exact_count = true;
  }

  /// `i` names `peer`. Only where that one agrees do they go together.
  void meet(std::size_t i, const std::string& peer) {
    const auto found = by_project_.find(peer);
    if (found == by_project_.end()) {
      broken_[i].push_back({peer, GroupMember::State::missing, "no RlsMigration"});
      return;
    }
    const Candidate& me = candidates_[i];
    if (in_wave(me.observed->wave, peer) ||
        same_group(*me.migration, *candidates_[found->second].migration)) {
      units_.unite(i, found->second);
    } else {
      broken_[i].push_back({peer, GroupMember::State::lists_differ, "its spec.group is another one"});
    }
  }

  [[nodiscard]] std::vector<GroupMember> group_of(std::size_t i) {
    std::vector<GroupMember> group;
    if (const auto mine = broken_.find(i); mine != broken_.end()) group = mine->second;
    for (const std::size_t peer : members_[units_.root(i)]) {
      if (peer == i) continue;
      const auto broken = broken_.find(peer);
      if (broken == broken_.end()) {
        group.push_back(
            standing_of(candidates_[peer], plans_[peer], next_phase(candidates_[i].observed->phase)));
      } else {
        group.push_back({candidates_[peer].migration->spec.project, GroupMember::State::waiting,
                         "Group: " + broken->second.front().project + ": " + broken->second.front().why});
      }
    }
    return group;
  }

  const std::vector<Candidate>& candidates_;
  std::vector<Plan>& plans_;
  Units units_;
  std::map<std::string_view, std::size_t> by_project_;
  std::map<std::size_t, std::vector<std::size_t>> members_;  // by the root of their unit
  std::map<std::size_t, std::vector<GroupMember>> broken_;   // whom one names, and who does not go with it
};

bool has_peers(const Candidate& candidate) {
  return candidate.migration->spec.group ||
         (candidate.observed->wave && candidate.observed->wave->members.size() > 1);
}

}  // namespace

std::vector<Plan> decide_all(const std::vector<Candidate>& candidates, const api::DatabasePolicy& policy) {
  std::vector<Plan> plans;
  plans.reserve(candidates.size());
  for (const Candidate& candidate : candidates) {
    candidate.observed->group.clear();
    plans.push_back(decide(*candidate.migration, policy, *candidate.observed));
  }
  if (std::any_of(candidates.begin(), candidates.end(), has_peers)) Groups(candidates, plans).settle(policy);
  return plans;
}

}  // namespace rls::decide
