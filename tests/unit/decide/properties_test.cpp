// Rules that hold for every spec and every observation, however they came about: random ones, from a fixed
// seed.

#include <algorithm>
#include <random>
#include <set>

#include "tests/unit/decide/subject.hpp"

namespace rls::decide {
namespace {

using api::GateState;

class Dice {
 public:
  explicit Dice(std::uint32_t seed) : engine_(seed) {}
  bool one_in(int sides) { return below(sides) == 0; }
  int below(int end) { return static_cast<int>(engine_() % static_cast<std::uint32_t>(end)); }
  Phase phase() { return kPhases.at(static_cast<std::size_t>(below(4))); }
  /// A moment near `now`, often exactly it.
  Time around(Time now) {
    static const Duration kSteps[] = {-1us, 0us, 1us, -1h, 1h, 5h, 40h, -40h, 168h, -168h, -2000h};
    return now + kSteps[below(11)];
  }
  template <class T>
  const T& of(const std::vector<T>& list) {
    return list[static_cast<std::size_t>(below(static_cast<int>(list.size())))];
  }

 private:
  std::mt19937 engine_;
};

const std::vector<std::string>& gate_names() {
  static const std::vector<std::string> names = {
      "Database", "SoakTime", "Violations", "Transactions", "Review", "Evidence", "Posture",
      "Approval", "Checks",   "Window",     "Wave",         "Group",  "Hold"};
  return names;
}

/// Mostly open gates, so that steps up are seen, and each closed in all ways now and then.
Subject random_subject(Dice& dice) {
  Subject c;
  const Time now = c.seen.now;
  c.migration.spec.phase = dice.phase();
  c.stands_in(dice.phase());
  if (dice.one_in(3)) c.seen.phase_since = dice.around(now);
  if (dice.one_in(6)) c.seen.last_ours = dice.phase();
  if (dice.one_in(4)) c.seen.wanted_at_drift = dice.phase();
  if (dice.one_in(4)) c.seen.drift_number = 4;
  if (dice.one_in(8)) c.migration.adopt_phase = std::string(to_string(dice.phase()));
  if (dice.one_in(8)) c.migration.hold_at = dice.phase();
  if (dice.one_in(20)) c.migration.hold_at_unreadable = "x";
  if (dice.one_in(8)) c.seen.hold = HoldRow{dice.phase(), dice.one_in(2) ? "check watch" : "dba"};
  if (dice.one_in(10)) c.migration.resume = "1";
  if (dice.one_in(2)) c.seen.resume_followed = true;
  if (dice.one_in(10)) c.migration.spec.suspend = true;
  if (dice.one_in(4)) c.migration.spec.drift = api::DriftPolicy::revert;
  if (dice.one_in(12))
    c.seen.database =
        dice.of<DatabaseState>({DatabaseState::unreachable, DatabaseState::not_primary,
                                DatabaseState::changed, DatabaseState::claimed, DatabaseState::unusable});
  if (dice.one_in(20)) c.seen.project_known = false;
  if (dice.one_in(20)) c.seen.conflict_with_older = "first";
  if (dice.one_in(6)) c.seen.violations = {dice.below(3), dice.around(now)};
  if (dice.one_in(10)) c.seen.violations_known = false;
  if (dice.one_in(5)) c.seen.violations_exact = false;
  if (dice.one_in(6)) c.seen.policies_changed_at = dice.around(now);
  if (dice.one_in(8)) c.seen.fixed_at = dice.around(now);
  if (dice.one_in(8)) c.seen.recorded_since = dice.around(now);
  if (dice.one_in(8)) c.seen.unreviewed = 2;
  if (dice.one_in(6))
    c.seen.transactions = dice.one_in(2) ? std::optional<std::int64_t>(dice.below(2000)) : std::nullopt;
  if (dice.one_in(8))
    c.seen.evidence.state = dice.one_in(2) ? Evidence::State::unknown : Evidence::State::incomplete;
  if (dice.one_in(8)) c.seen.posture->blocking = 1;
  if (dice.one_in(12)) c.seen.posture.reset();
  if (dice.one_in(6))
    c.policy.freeze = api::Freeze{"incident", dice.one_in(3) ? std::optional<Time>() : dice.around(now)};
  if (dice.one_in(5)) {
    static const std::vector<std::string> kSchedules = {"0 12 * * *", "0 8 * * *", "30 11 * * 4", "0 2 1 1 *",
                                                        "nonsense"};
    c.migration.spec.gates.windows.push_back({dice.of(kSchedules), 4h, "UTC"});
  }
  if (dice.one_in(5)) {
    const Phase to = c.seen.phase == Phase::complete ? dice.phase() : next_phase(c.seen.phase);
    c.migration.spec.gates.approvals[to] = dice.below(3);
    if (dice.one_in(8)) c.seen.approval_guard.bound = false;
    for (int i = dice.below(4); i > 0; --i) {
      const std::string digest = dice.one_in(4) ? "stale" : evidence_digest(c.migration, c.policy, c.seen);
      c.seen.approvals.push_back({dice.one_in(4) ? dice.phase() : to, dice.one_in(2) ? "ann" : "ben", digest,
                                  dice.one_in(2) ? std::optional(dice.around(now)) : std::nullopt});
    }
  }
  if (dice.one_in(4)) {
    api::CheckSpec& check = c.migration.spec.gates.checks.emplace_back();
    check.name = "watch";
    if (dice.one_in(2)) check.phases = {dice.phase()};
    if (dice.one_in(2)) check.every = 60s;
    if (dice.one_in(2)) check.on_failure = api::CheckSpec::OnFailure::rollback;
    if (!dice.one_in(4))
      c.seen.checks["watch"] = {
          dice.of<CheckState::State>(
              {CheckState::State::passed, CheckState::State::failed, CheckState::State::unknown}),
          "so"};
  }
  if (dice.one_in(6)) {
    api::CheckSpec& check = c.policy.minimum_gates.checks.emplace_back();
    check.name = "watch";
    check.demanded_by = api::CheckSpec::DemandedBy::database;
    if (dice.one_in(2)) check.phases = {dice.phase()};
    if (dice.one_in(2)) check.every = 60s;
    if (dice.one_in(2)) check.on_failure = api::CheckSpec::OnFailure::rollback;
    if (!dice.one_in(4))
      c.seen.checks["database/watch"] = {
          dice.of<CheckState::State>(
              {CheckState::State::passed, CheckState::State::failed, CheckState::State::unknown}),
          "so"};
  }
  if (dice.one_in(6)) {
    c.seen.wave = WaveState{.rollout = "all",
                            .name = "one",
                            .open = dice.one_in(2),
                            .frozen = dice.one_in(4),
                            .why = "why",
                            .members = {}};
    if (dice.one_in(2)) c.seen.wave->thaws_at = dice.around(now);
  }
  if (dice.one_in(6))
    c.seen.group.push_back(
        {"ab",
         dice.of<GroupMember::State>(
             {GroupMember::State::ready, GroupMember::State::waiting, GroupMember::State::missing}),
         "why"});
  for (int i = dice.one_in(4) ? dice.below(3) : 0; i > 0; --i)
    c.migration.spec.overrides.push_back({{dice.of(gate_names())}, "why", dice.around(now)});
  if (dice.one_in(8)) c.seen.override_guard.bound = false;
  return c;
}

std::vector<std::string_view> gates_of_step_to(Phase to) {
  switch (to) {
    case Phase::pending: return {};
    case Phase::shadow: return {"Database", "Approval", "Checks", "Window", "Wave", "Group", "Hold"};
    case Phase::enforcing: return {gate_names().begin(), gate_names().end()};
    case Phase::complete:
      return {"Database", "SoakTime", "Violations", "Posture", "Approval",
              "Checks",   "Window",   "Wave",       "Group",   "Hold"};
  }
  return {};
}

/// What a plan says, but for when to look again.
std::string said(const Plan& plan) {
  std::string out = std::to_string(static_cast<int>(plan.step)) + std::string(to_string(plan.to)) +
                    std::to_string(static_cast<int>(plan.standing)) + (plan.held ? "held" : "") +
                    (plan.needs_exact_count ? "count" : "") + (plan.latch ? plan.latch->by : "") +
                    plan.overridden;
  for (const GateResult& gate : plan.gates)
    out += " " + std::string(gate.name) + "=" + std::string(to_string(gate.state));
  return out;
}

TEST(DecideProperties, OfAStepUpEveryGateIsThereAndOpen) {
  Dice dice(1);
  int ups = 0, overridden = 0;
  for (int i = 0; i < 200'000; ++i) {
    const Subject c = random_subject(dice);
    const Plan plan = c.plan();
    if (!plan.gates.empty() && c.seen.database == DatabaseState::ok) {
      std::vector<std::string_view> names;
      for (const GateResult& gate : plan.gates) names.push_back(gate.name);
      ASSERT_EQ(names, gates_of_step_to(next_phase(c.seen.phase)));
    }
    for (const GateResult& gate : plan.gates) {
      // Who could not say whether it passes has not, and nobody passes over what the others rest on.
      if (gate.state == GateState::unknown) {
        ASSERT_FALSE(gate.open());
      }
      if (gate.state == GateState::overridden) {
        ++overridden;
        ASSERT_TRUE(may_be_overridden(gate.name));
        ASSERT_TRUE(c.seen.override_guard.bound);
      }
      // Whatever is not open says why.
      if (gate.state != GateState::passed && c.seen.violations_known &&
          c.seen.database == DatabaseState::ok) {
        ASSERT_NE(gate.message, "") << gate.name;
      }
    }
    if (plan.step != StepKind::up) continue;
    ++ups;
    ASSERT_FALSE(plan.gates.empty());
    for (const GateResult& gate : plan.gates) ASSERT_TRUE(gate.open()) << gate.name;
    ASSERT_EQ(plan.to, next_phase(c.seen.phase));
    ASSERT_LE(plan.to, plan.target);
    ASSERT_TRUE(c.seen.violations_exact || plan.to == Phase::shadow);
    ASSERT_FALSE(c.migration.spec.suspend);
    ASSERT_FALSE(plan.latch);
  }
  EXPECT_GT(ups, 5'000) << "else this proves little";
  EXPECT_GT(overridden, 300);
}

TEST(DecideProperties, DownHangsOnNoGate) {
  Dice dice(2);
  int downs = 0;
  for (int i = 0; i < 100'000; ++i) {
    Subject c = random_subject(dice);
    const Plan plan = c.plan();
    if (plan.step != StepKind::down) continue;
    ++downs;
    ASSERT_LT(plan.to, c.seen.phase);
    // Every gate closed: the same step.
    c.seen.evidence.state = Evidence::State::unknown;
    c.seen.violations = {1000, c.seen.now};
    c.seen.transactions.reset();
    c.seen.unreviewed = 9;
    c.seen.posture.reset();
    c.seen.approval_guard.bound = c.seen.override_guard.bound = false;
    c.seen.approvals.clear();
    c.seen.group = {{"ab", GroupMember::State::missing, "gone"}};
    c.seen.wave =
        WaveState{.rollout = "all", .name = "x", .open = false, .frozen = true, .why = "", .members = {}};
    c.policy.freeze = api::Freeze{"incident", std::nullopt};
    c.migration.spec.gates.windows = {{"nonsense", 0h, "nowhere"}};
    c.migration.spec.gates.approvals = {{Phase::shadow, 9}, {Phase::enforcing, 9}, {Phase::complete, 9}};
    c.migration.spec.suspend = true;
    const Plan closed = c.plan();
    ASSERT_EQ(closed.step, StepKind::down);
    ASSERT_EQ(closed.to, plan.to);
    ASSERT_EQ(closed.step_reason, plan.step_reason);
    ASSERT_EQ(closed.latch, plan.latch);
  }
  EXPECT_GT(downs, 5'000);
}

TEST(DecideProperties, AFailingWatcherIsAlwaysLatched) {
  Dice dice(3);
  int latched = 0;
  for (int i = 0; i < 100'000; ++i) {
    const Subject c = random_subject(dice);
    const Plan plan = c.plan();
    if (!plan.latch) continue;
    ++latched;
    ASSERT_EQ(plan.step, StepKind::down);
    ASSERT_LE(plan.to, Phase::shadow);
    // With the latch, and the check mended, it stays where it is.
    Subject after = c;
    after.stands_in(plan.to);
    after.seen.hold = plan.latch;
    after.seen.checks["watch"].state = CheckState::State::passed;
    after.migration.resume.clear();
    if (plan.to == Phase::shadow) {
      ASSERT_NE(after.plan().step, StepKind::up);
    }
  }
  EXPECT_GT(latched, 300);
}

// Nothing is missed between two looks, and no look is for nothing.
TEST(DecideProperties, WhenToLookAgainIsExact) {
  Dice dice(4);
  int looked = 0;
  for (int i = 0; i < 100'000; ++i) {
    Subject c = random_subject(dice);
    const Plan plan = c.plan();
    if (!plan.recheck_at) continue;
    ++looked;
    ASSERT_GT(*plan.recheck_at, c.seen.now);
    const Time first = c.seen.now;
    for (const Time before : {*plan.recheck_at - 1us, first + (*plan.recheck_at - first) / 2}) {
      c.seen.now = before;
      ASSERT_EQ(said(c.plan()), said(plan)) << "at " << format_rfc3339(before);
    }
    c.seen.now = *plan.recheck_at;
    const Plan then = c.plan();
    ASSERT_TRUE(said(then) != said(plan) || then.recheck_at != plan.recheck_at);
  }
  EXPECT_GT(looked, 5'000);
}

// Without a time to look again, time alone changes nothing: tried far ahead.
TEST(DecideProperties, WithoutATimeToLookAgainTimeChangesNothing) {
  Dice dice(5);
  int looked = 0;
  for (int i = 0; i < 100'000; ++i) {
    Subject c = random_subject(dice);
    const Plan plan = c.plan();
    if (plan.recheck_at || plan.step != StepKind::none || plan.gates.empty()) continue;
    if (c.seen.database != DatabaseState::ok) continue;
    ++looked;
    for (const Duration later : {Duration(1us), Duration(3h), Duration(500h)}) {
      Subject ahead = c;
      ahead.seen.now += later;
      ASSERT_EQ(said(ahead.plan()), said(plan));
    }
  }
  EXPECT_GT(looked, 1'000);
}

TEST(DecideProperties, NeverAPartOfAGroup) {
  Dice dice(6);
  int together = 0, held = 0;
  const std::vector<std::string> names = {"a", "b", "c", "d"};
  for (int i = 0; i < 50'000; ++i) {
    std::vector<Subject> subjects;
    for (const std::string& name : names) {
      Subject c = dice.one_in(3) ? random_subject(dice) : Subject();
      c.migration.spec.project = c.migration.meta.name.name = name;
      c.migration.spec.overrides.clear();
      c.seen.wave.reset();
      c.seen.group.clear();
      subjects.push_back(std::move(c));
    }
    // a and b are a group, c and d too; now and then a wave makes one of both, or somebody writes another
    // list.
    for (std::size_t k = 0; k < names.size(); ++k) {
      const auto& list = k < 2 ? std::vector<std::string>{"a", "b"} : std::vector<std::string>{"c", "d"};
      subjects[k].migration.spec.group = api::GroupSpec{"w", list};
      if (dice.one_in(15)) subjects[k].migration.spec.group->members.push_back("other");
    }
    const bool waved = dice.one_in(2);
    for (const std::size_t k : {1U, 2U}) {
      if (waved)
        subjects[k].seen.wave =
            WaveState{.rollout = "all", .name = "one", .open = true, .members = {"b", "c"}};
    }
    std::vector<Candidate> candidates;
    for (Subject& subject : subjects) candidates.push_back({&subject.migration, &subject.seen});
    const auto plans = decide_all(candidates, {});
    const auto of_unit = [&](std::size_t from, std::size_t to) {
      for (std::size_t k = from; k < to; ++k) {
        if (plans[k].step != StepKind::up) continue;
        ++together;
        for (std::size_t other = from; other < to; ++other) {
          const Observation& seen = subjects[other].seen;
          ASSERT_FALSE(seen.conflict_with_older);
          ASSERT_TRUE(plans[other].step == StepKind::up
                          ? plans[other].to >= plans[k].to &&
                                (plans[other].to != plans[k].to || plans[other].group == plans[k].group)
                          : std::min(seen.phase, seen.last_ours) >= plans[k].to)
              << names[k] << " goes to " << to_string(plans[k].to) << ", " << names[other] << " does not";
        }
        ASSERT_NE(plans[k].group, "");
      }
    };
    if (waved) {
      of_unit(0, 4);
    } else {
      of_unit(0, 2);
      of_unit(2, 4);
    }
    for (const Plan& plan : plans)
      held += plan.blocked_by() == std::vector<std::string_view>{"Group"} ? 1 : 0;
  }
  EXPECT_GT(together, 1'000);
  EXPECT_GT(held, 1'000);
}

}  // namespace
}  // namespace rls::decide
