// A year of the rollout of R-A10: eight projects in five waves, on a clock that runs by the hour. Each
// project is decided on by decide() with its gates; who may start, by decide_waves(). The projects of a wave
// go up together. What goes wrong on the way is in `Year::happen`; what comes of it, day by day, in the test.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "controller/decide/plan.hpp"
#include "controller/decide/rollout.hpp"

namespace rls::decide {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

const Time kStart = *parse_rfc3339("2026-01-01T00:00:00Z");
constexpr auto kDay = 24h;

/// One project: its RlsMigration, and its database.
struct Project {
  api::RlsMigration migration;
  Observation seen;
};

class Year {
 public:
  Year() {
    rollout_.meta.name = {"tenants", "all"};
    rollout_.meta.generation = 1;
    api::RolloutSpec& spec = rollout_.spec;
    spec.database = "main";
    spec.phase = Phase::complete;
    spec.waves = {{"one", {"sm"}},
                  {"two", {"motoko"}},
                  {"three", {"ab", "aa", "bap"}},
                  {"four", {"echo", "ea"}},
                  {"five", {"io"}}};
    spec.waves[4].gates.shadow_soak = spec.waves[4].gates.enforcing_soak = 336h;
  }

  /// Runs up to the beginning of that day.
  void run_to(int day) {
    for (; now_ < kStart + day * kDay; now_ += 1h) {
      happen();
      create_missing();
      while (pass()) {
      }
      check_always();
    }
  }

  [[nodiscard]] const std::string& log() const { return log_; }
  [[nodiscard]] api::RolloutStatus status() const {
    const auto members = views();
    return project_rollout(rollout_, decide_waves(rollout_.spec, members, now_), members, now_);
  }
  [[nodiscard]] Phase phase_of(const std::string& project) const { return projects_.at(project).seen.phase; }

 private:
  [[nodiscard]] bool is_day(int day) const { return now_ == kStart + day * kDay; }

  void happen() {
    if (is_day(17)) {  // the application of aa writes a foreign row
      Observation& aa = projects_.at("aa").seen;
      aa.violations = {1, now_};
      aa.unreviewed = 1;
    }
    if (is_day(19)) {  // it is mended, and somebody says so: rlsctl review
      Observation& aa = projects_.at("aa").seen;
      aa.violations.count = 0;
      aa.unreviewed = 0;
      aa.fixed_at = now_;
    }
    if (is_day(30)) projects_.at("ea").seen.hold = HoldRow{Phase::pending, "dba"};
    if (is_day(35)) projects_.at("ea").seen.hold.reset();
    if (is_day(44)) rollout_.spec.waves[1].projects.emplace_back("neo");  // wave two was done long ago
    if (is_day(53)) rollout_.spec.freeze = {"year end", now_ + 14 * kDay};
    if (is_day(60)) projects_.at("echo").seen.hold = HoldRow{Phase::shadow, "dba"};  // within the freeze
    if (is_day(68)) projects_.at("echo").seen.hold.reset();
  }

  void create_missing() {
    for (std::size_t wave = 0; wave < rollout_.spec.waves.size(); ++wave) {
      for (const std::string& name : rollout_.spec.waves[wave].projects) {
        if (projects_.contains(name)) continue;
        const auto migration = api::decode_migration(missing_migration_json(rollout_, wave, name));
        ASSERT_TRUE(migration.ok()) << migration.error().message;
        Observation seen;
        seen.database = DatabaseState::ok;
        seen.project_known = seen.managed = true;
        seen.posture.emplace();
        seen.phase_since = now_;
        seen.recorded_since = kStart;
        seen.evidence = {Evidence::State::complete, true, {}};
        seen.transactions = 5000;
        projects_[name] = {*migration, seen};
      }
    }
  }

  [[nodiscard]] Plan plan_of(const Project& project) const {
    Observation seen = project.seen;
    seen.now = now_;
    return decide(project.migration, {}, seen);
  }

  [[nodiscard]] std::vector<std::vector<MemberView>> views() const {
    std::vector<std::vector<MemberView>> waves;
    for (const api::WaveSpec& wave : rollout_.spec.waves) {
      auto& members = waves.emplace_back();
      for (const std::string& name : wave.projects) {
        MemberView view;
        view.project = name;
        if (const auto found = projects_.find(name); found != projects_.end()) {
          const Project& project = found->second;
          const Plan plan = plan_of(project);
          view.has_migration = view.ours = true;
          view.phase = project.seen.phase;
          view.earned = project.seen.last_ours;
          view.wanted = project.migration.spec.phase;
          for (const GateResult& gate : plan.gates) {
            if (!gate.open()) view.why = std::string(gate.name) + " " + std::string(to_string(gate.state));
          }
        }
        members.push_back(view);
      }
    }
    return waves;
  }

  /// One look at everything. True where something moved: then there may be more to do at the same moment.
  bool pass() {
    const auto decisions = decide_waves(rollout_.spec, views(), now_);
    bool moved = false;
    for (std::size_t wave = 0; wave < decisions.size(); ++wave) {
      moved = go_down(wave) || moved;
      if (!decisions[wave].open) continue;
      opened_[wave] = true;
      moved = go_up(wave) || moved;
    }
    return moved;
  }

  bool go_down(std::size_t wave) {
    bool moved = false;
    for (const std::string& name : rollout_.spec.waves[wave].projects) {
      const Plan plan = plan_of(projects_.at(name));
      if (plan.step != StepKind::down) continue;
      enter(name, plan.to);
      moved = true;
    }
    return moved;
  }

  /// Those that are furthest behind go, all or none; who is ahead waits for them.
  bool go_up(std::size_t wave) {
    const auto& names = rollout_.spec.waves[wave].projects;
    Phase lowest = Phase::complete;
    for (const std::string& name : names) lowest = std::min(lowest, phase_of(name));
    std::vector<std::string> movers;
    for (const std::string& name : names) {
      if (phase_of(name) != lowest) continue;
      const Plan plan = plan_of(projects_.at(name));
      if (plan.step != StepKind::up) return false;
      EXPECT_EQ(plan.to, next_phase(lowest)) << name << ": shadow is never skipped, nor anything else";
      movers.push_back(name);
    }
    for (const std::string& name : movers) {
      check_before_going_up(wave, name);
      enter(name, next_phase(lowest));
    }
    return !movers.empty();
  }

  void enter(const std::string& name, Phase to) {
    Observation& seen = projects_.at(name).seen;
    EXPECT_TRUE(to < seen.phase || to == next_phase(seen.phase)) << name;
    EXPECT_NE(last_move_[name], now_) << name << " takes two steps at once";
    last_move_[name] = now_;
    seen.phase = seen.last_ours = to;
    seen.phase_since = now_;
    seen.violations = {};
    seen.fixed_at.reset();
    const auto day = (now_ - kStart) / kDay;
    EXPECT_EQ(now_, kStart + day * kDay) << name << ": every soak begins and ends at midnight here";
    log_ += "day " + std::to_string(day) + ": " + name + " " + std::string(to_string(to)) + "\n";
  }

  /// What must hold whatever decide_waves says.
  void check_before_going_up(std::size_t wave, const std::string& name) {
    for (std::size_t before = 0; before < wave; ++before) {
      for (const std::string& other : rollout_.spec.waves[before].projects)
        EXPECT_GE(phase_of(other), Phase::enforcing) << name << " goes up before " << other;
    }
    const auto& freeze = rollout_.spec.freeze;
    EXPECT_FALSE(freeze && now_ < *freeze->until) << name << " goes up in the freeze";
    const Observation& seen = projects_.at(name).seen;
    if (seen.phase == Phase::pending) return;
    const Time clean = std::max(seen.phase_since, seen.fixed_at.value_or(seen.phase_since));
    EXPECT_GE(now_ - clean, name == "io" ? 336h : 168h) << name << " did not soak";
    EXPECT_EQ(seen.violations.count, 0) << name;
  }

  void check_always() {
    const auto members = views();
    const auto decisions = decide_waves(rollout_.spec, members, now_);
    for (std::size_t wave = 0; wave < decisions.size(); ++wave) {
      for (const MemberView& view : members[wave]) {
        EXPECT_TRUE(opened_[wave] || view.phase == Phase::pending)
            << view.project << " left pending before its wave was open";
      }
      EXPECT_EQ(decisions[wave].open, decisions[wave].why.empty());
    }
    const api::RolloutStatus status = project_rollout(rollout_, decisions, members, now_);
    EXPECT_EQ(find_condition(status.conditions, "Stalled"), nullptr) << "waiting is no failure";
    EXPECT_EQ(find_condition(status.conditions, "Ready")->status, api::ConditionStatus::is_true);
  }

  api::RlsRollout rollout_;
  std::map<std::string, Project> projects_;
  Time now_ = kStart;
  std::map<std::string, Time> last_move_;
  std::map<std::size_t, bool> opened_;  ///< waves that were open once
  std::string log_;
};

TEST(RolloutYear, R_A10_FiveWavesWithAViolationTwoDemotionsAnEditAndAFreeze) {
  Year year;
  year.run_to(18);
  EXPECT_EQ(year.status().open_wave, "three");
  EXPECT_EQ(
      year.status().message,
      "wave 3 of 5 (three): waiting for ab: SoakTime Waiting, aa: Review Blocked, bap: SoakTime Waiting");
  EXPECT_EQ(year.status().waves[3].message,
            "wave three: ab is in shadow (SoakTime Waiting), aa is in shadow (Review Blocked), bap is in "
            "shadow (SoakTime Waiting)");
  year.run_to(46);
  EXPECT_EQ(year.status().message, "wave 2 of 5 (two): waiting for neo: SoakTime Waiting");
  EXPECT_EQ(year.status().waves[4].state, api::WaveState::waiting);
  EXPECT_EQ(year.phase_of("io"), Phase::shadow) << "its wave has closed again; nobody is demoted for that";
  year.run_to(61);
  EXPECT_THAT(year.status().message, HasSubstr("frozen until 2026-03-09T00:00:00Z: \"year end\""));
  EXPECT_THAT(year.status().message, HasSubstr("wave 4 of 5 (four): waiting for echo: "));
  year.run_to(365);

  EXPECT_EQ(year.log(),
            "day 0: sm shadow\n"
            "day 7: sm enforcing\n"
            "day 7: motoko shadow\n"
            "day 14: sm complete\n"
            "day 14: motoko enforcing\n"
            "day 14: ab shadow\n"
            "day 14: aa shadow\n"
            "day 14: bap shadow\n"
            "day 21: motoko complete\n"
            // aa: violation on day 17, fixed on day 19, seven clean days from there; ab and bap wait for it.
            "day 26: ab enforcing\n"
            "day 26: aa enforcing\n"
            "day 26: bap enforcing\n"
            "day 26: echo shadow\n"
            "day 26: ea shadow\n"
            // ea is held at pending until day 35, and echo does not go on without it.
            "day 30: ea pending\n"
            "day 33: ab complete\n"
            "day 33: aa complete\n"
            "day 33: bap complete\n"
            "day 35: ea shadow\n"
            "day 42: echo enforcing\n"
            "day 42: ea enforcing\n"
            "day 42: io shadow\n"
            // neo joins wave two: the waves after it stand still until it is enforced.
            "day 44: neo shadow\n"
            "day 51: neo enforcing\n"
            "day 51: echo complete\n"
            "day 51: ea complete\n"
            // Frozen from day 53 to day 67: nothing goes up, but echo is taken down.
            "day 60: echo shadow\n"
            "day 67: neo complete\n"
            "day 68: echo enforcing\n"
            "day 68: io enforcing\n"
            "day 75: echo complete\n"
            "day 82: io complete\n");

  const api::RolloutStatus status = year.status();
  EXPECT_EQ(status.done, "9/9");
  EXPECT_EQ(status.phase, Phase::complete);
  EXPECT_EQ(status.open_wave, "");
  EXPECT_EQ(find_condition(status.conditions, "Complete")->status, api::ConditionStatus::is_true);
  for (const api::WaveStatus& wave : status.waves) EXPECT_EQ(wave.state, api::WaveState::done) << wave.name;
}

}  // namespace
}  // namespace rls::decide
