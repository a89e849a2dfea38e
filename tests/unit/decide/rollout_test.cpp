// The waves of an RlsRollout by themselves; a whole one on a running clock: rollout_year_test.cpp.

#include "controller/decide/rollout.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "controller/api/limits.hpp"

namespace rls::decide {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

const Time kNow = *parse_rfc3339("2026-01-15T12:00:00Z");

MemberView member(std::string project, Phase phase) {
  MemberView view;
  view.project = std::move(project);
  view.has_migration = view.ours = true;
  view.phase = view.earned = phase;
  view.wanted = Phase::complete;
  view.why = "SoakTime Waiting";
  return view;
}

/// Three waves: sm; ab, aa, bap; io. Everybody in pending but where a test says otherwise.
struct Case {
  api::RlsRollout rollout;
  std::vector<std::vector<MemberView>> members;
  Time now = kNow;

  Case() {
    rollout.meta.name = {"tenants", "all"};
    rollout.meta.generation = 3;
    rollout.spec.database = "main";
    rollout.spec.phase = Phase::complete;
    rollout.spec.waves = {{"one", {"sm"}}, {"two", {"ab", "aa", "bap"}}, {"three", {"io"}}};
    for (const api::WaveSpec& wave : rollout.spec.waves) {
      auto& views = members.emplace_back();
      for (const std::string& project : wave.projects) views.push_back(member(project, Phase::pending));
    }
  }
  MemberView& of(std::string_view project) {
    for (auto& wave : members) {
      for (MemberView& view : wave) {
        if (view.project == project) return view;
      }
    }
    ADD_FAILURE() << project;
    return members[0][0];
  }
  void put(std::string_view project, Phase phase) { of(project).phase = of(project).earned = phase; }
  void put_all(Phase phase) {
    for (auto& wave : members) {
      for (MemberView& view : wave) put(view.project, phase);
    }
  }
  [[nodiscard]] std::vector<WaveDecision> decide() const { return decide_waves(rollout.spec, members, now); }
  [[nodiscard]] std::string open() const {
    std::string out;
    for (const WaveDecision& decision : decide()) out += decision.open ? 'O' : '-';
    return out;
  }
  [[nodiscard]] api::RolloutStatus status(const std::optional<StepFailure>& failure = std::nullopt) const {
    return project_rollout(rollout, decide(), members, now, failure);
  }
};

std::string look(const api::RolloutStatus& status) {
  std::string out;
  for (const api::Condition& condition : status.conditions) {
    out += (out.empty() ? "" : " ") + condition.type + "=" + std::string(to_string(condition.status));
  }
  return out + " " + status.conditions.at(0).reason;
}

TEST(MigrationName, IsTheSameForEver) {
  EXPECT_EQ(migration_name("all", "sm"), "all-sm-72e3avbb");
  EXPECT_EQ(migration_name("all", "SM"), "all-sm-7gpm7h9e") << "another project, another name";
  EXPECT_EQ(migration_name("all", "bap"), "all-bap-c9o48ji1");
  EXPECT_EQ(migration_name("all", "it's"), "all-it-s-hg2ap578");
  EXPECT_EQ(migration_name("all", "日本語"), "all-lj1idk78");
  EXPECT_EQ(migration_name("eu.west", "Some Very Long Project Name With Many Words"),
            "eu.west-some-very-long-proje-k7pnjg26");
}

TEST(MigrationName, IsAValidNameWhateverTheProject) {
  const auto valid = [](const std::string& name) {
    return name.size() <= 63 &&
           std::all_of(name.begin(), name.end(),
                       [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; }) &&
           name.front() != '-' && name.back() != '-' && name.find("--") == std::string::npos;
  };
  const std::string rollout(33, 'r');
  for (const char* project : {"-", "--a--", "'; DROP", " ", "ÄÖ", "a.b", "12345678901234567890-x", "\\", "x"})
    EXPECT_TRUE(valid(migration_name(rollout, project))) << migration_name(rollout, project);
  std::string bytes;
  for (int c = 1; c < 256; ++c) bytes += static_cast<char>(c);
  EXPECT_TRUE(valid(migration_name(rollout, bytes))) << migration_name(rollout, bytes);
}

TEST(MigrationName, DiffersForAHundredThousandProjectsWithoutALetterForTheSlug) {
  std::set<std::string> names;
  const std::string_view marks = "!#$%&()*+,";
  for (int i = 0; i < 100'000; ++i) {
    std::string project;
    for (int rest = i, digit = 0; digit < 5; ++digit, rest /= 10)
      project += marks[static_cast<std::size_t>(rest % 10)];
    names.insert(migration_name("r", project));
  }
  EXPECT_EQ(names.size(), 100'000U);
}

TEST(MissingMigration, HasItsNameAndItsLabels) {
  const Case c;
  const std::string json = missing_migration_json(c.rollout, 1, "ab");
  EXPECT_THAT(json, HasSubstr("\"name\":\"" + migration_name("all", "ab") + "\""));
  EXPECT_THAT(json, HasSubstr(R"("rls-operator.dev/wave":"two")"));
  EXPECT_THAT(json, testing::Not(HasSubstr("ownerReferences")));
}

TEST(Waves, TheFirstIsOpenAtOnce) {
  const Case c;
  EXPECT_EQ(c.open(), "O--");
  EXPECT_EQ(c.decide()[1].why, "wave one: sm is in pending (SoakTime Waiting)");
}

TEST(Waves, R_A10_TheNextOpensWhenAllOfTheOneBeforeHaveEarnedTheirPhase) {
  Case c;
  c.put("sm", Phase::shadow);
  EXPECT_EQ(c.open(), "O--");
  c.put("sm", Phase::enforcing);
  EXPECT_EQ(c.open(), "OO-");
  c.put("ab", Phase::enforcing);
  c.put("aa", Phase::complete);
  EXPECT_EQ(c.open(), "OO-") << "bap is missing";
  c.put("bap", Phase::enforcing);
  EXPECT_EQ(c.open(), "OOO");
}

TEST(Waves, AdvanceWhenIsWhatTheSpecSays) {
  Case c;
  c.put("sm", Phase::shadow);
  c.rollout.spec.advance_when = Phase::shadow;
  EXPECT_EQ(c.open(), "OO-");
  c.rollout.spec.advance_when = Phase::complete;
  c.put("sm", Phase::enforcing);
  EXPECT_EQ(c.open(), "O--");
}

TEST(Waves, APhaseThatSomebodyElseSetIsNotEarned) {
  Case c;
  c.of("sm").phase = Phase::complete;
  c.of("sm").earned = Phase::shadow;
  EXPECT_EQ(c.open(), "O--");
  c.of("sm").why = "Drifted";
  EXPECT_EQ(c.decide()[1].why, "wave one: sm is in complete, which somebody else set (Drifted)");
  c.of("sm").earned = Phase::complete;
  c.of("sm").phase = Phase::pending;
  EXPECT_EQ(c.open(), "O--") << "nor one that it has lost";
}

TEST(Waves, WhatIsNotKnownHasNotArrived) {
  Case c;
  c.put("sm", Phase::enforcing);
  c.of("sm").phase = std::nullopt;
  c.of("sm").why.clear();
  EXPECT_EQ(c.decide()[1].why, "wave one: sm has not been observed yet");
  c.put("sm", Phase::enforcing);
  c.of("sm").conflict = true;
  c.of("sm").why = "delete one of the two RlsMigrations";
  EXPECT_EQ(c.decide()[1].why, "wave one: sm is in conflict (delete one of the two RlsMigrations)");
  c.of("sm") = MemberView{.project = "sm"};
  EXPECT_EQ(c.decide()[1].why, "wave one: sm has no RlsMigration yet");
  EXPECT_EQ(c.open(), "O--");
}

TEST(Waves, SayWhenAMemberIsNotEvenWantedSoFar) {
  Case c;
  c.put("sm", Phase::shadow);
  c.of("sm").wanted = Phase::shadow;
  EXPECT_EQ(c.decide()[1].why, "wave one: sm is in shadow (its spec.phase is shadow)");
}

TEST(Waves, NameThreeProjectsAndCountTheOthers) {
  Case c;
  c.rollout.spec.waves[0].projects = {"a", "b b", "c", "d", "e"};
  c.members[0].clear();
  for (const std::string& project : c.rollout.spec.waves[0].projects)
    c.members[0].push_back(member(project, Phase::shadow));
  c.put("a", Phase::enforcing);
  for (MemberView& view : c.members[0]) view.why.clear();
  EXPECT_EQ(c.decide()[1].why, "wave one: \"b b\" is in shadow, c is in shadow, d is in shadow and 1 more");
  EXPECT_EQ(c.decide()[2].why, c.decide()[1].why) << "the first wave that holds back, not the last";
}

TEST(Waves, CloseAgainWhenOneFallsBack) {
  Case c;
  c.put_all(Phase::enforcing);
  EXPECT_EQ(c.open(), "OOO");
  c.put("sm", Phase::pending);
  EXPECT_EQ(c.open(), "O--");
  c.put("sm", Phase::enforcing);
  EXPECT_EQ(c.open(), "OOO");
}

TEST(Waves, AnAddedProjectClosesTheLaterOnesUntilItHasArrived) {
  Case c;
  c.put_all(Phase::enforcing);
  c.rollout.spec.waves[0].projects.emplace_back("new");
  c.members[0].push_back(member("new", Phase::shadow));
  EXPECT_EQ(c.open(), "O--");
  c.put("new", Phase::enforcing);
  EXPECT_EQ(c.open(), "OOO");
}

TEST(Waves, ARemovedProjectDoesNotCount) {
  Case c;
  c.put("sm", Phase::enforcing);
  c.put("ab", Phase::enforcing);
  c.put("aa", Phase::enforcing);
  EXPECT_EQ(c.open(), "OO-");
  c.rollout.spec.waves[1].projects.pop_back();
  c.members[1].pop_back();
  EXPECT_EQ(c.open(), "OOO");
}

TEST(Waves, AreTakenInTheOrderInWhichTheyNowStand) {
  Case c;
  c.put("io", Phase::enforcing);
  EXPECT_EQ(c.open(), "O--");
  std::rotate(c.members.begin(), c.members.end() - 1, c.members.end());
  std::rotate(c.rollout.spec.waves.begin(), c.rollout.spec.waves.end() - 1, c.rollout.spec.waves.end());
  EXPECT_EQ(c.open(), "OO-") << "three, one, two";
}

TEST(Waves, CountTheirProjects) {
  Case c;
  c.put("ab", Phase::complete);
  c.put("aa", Phase::enforcing);
  c.of("bap").phase = std::nullopt;
  const WaveDecision two = c.decide()[1];
  EXPECT_EQ(two.total, 3);
  EXPECT_EQ(two.reached, 2);
  EXPECT_EQ(two.arrived, 1);
  EXPECT_EQ(two.phases, (api::PhaseCounts{0, 0, 1, 1})) << "bap is in none that is known";
}

TEST(Freeze, ClosesEveryWaveUntilItIsOver) {
  Case c;
  c.put_all(Phase::enforcing);
  c.rollout.spec.freeze = {"quarter \"end\"", kNow + 1h};
  for (const WaveDecision& decision : c.decide()) {
    EXPECT_FALSE(decision.open);
    EXPECT_TRUE(decision.frozen);
    EXPECT_EQ(decision.thaws_at, kNow + 1h);
    EXPECT_EQ(
        decision.why,
        "the rollout is frozen until 2026-01-15T13:00:00Z: \"quarter \\\"end\\\"\"; demotions still happen");
  }
  c.now = kNow + 1h - 1us;
  EXPECT_EQ(c.open(), "---");
  c.now = kNow + 1h;
  EXPECT_EQ(c.open(), "OOO");
  c.rollout.spec.freeze->until.reset();
  EXPECT_EQ(c.open(), "---") << "without an end until it is taken away";
}

TEST(Freeze, SaysWhatWouldHoldTheWaveBackAnyway) {
  Case c;
  c.rollout.spec.freeze = {"audit", std::nullopt};
  EXPECT_EQ(c.decide()[1].why,
            "the rollout is frozen: \"audit\"; demotions still happen; wave one: sm is in pending (SoakTime "
            "Waiting)");
}

TEST(Freeze, OpensNoWaveThatIsNotItsTurn) {
  Case c;
  c.rollout.spec.freeze = {"audit", kNow};
  EXPECT_EQ(c.open(), "O--");
}

TEST(RolloutStatus, TellsWhatIsWaitedFor) {
  Case c;
  c.put("sm", Phase::complete);
  c.put("aa", Phase::enforcing);
  c.put("bap", Phase::enforcing);
  c.put("ab", Phase::shadow);
  c.of("ab").why = "Violations Blocked";
  c.of("aa").ours = false;
  const api::RolloutStatus status = c.status();
  EXPECT_EQ(status.message, "wave 2 of 3 (two): waiting for ab: Violations Blocked");
  EXPECT_EQ(look(status), "Ready=True Complete=False AwaitingWaves");
  EXPECT_EQ(status.conditions[0].message, status.message);
  EXPECT_EQ(status.conditions[0].observed_generation, 3);
  EXPECT_EQ(status.observed_generation, 3);
  EXPECT_EQ(status.open_wave, "two");
  EXPECT_EQ(status.done, "1/5");
  EXPECT_EQ(status.projects, 5);
  EXPECT_EQ(status.phase, Phase::pending);
  EXPECT_EQ(status.migrations, (api::RolloutStatus::Migrations{4, 0, 1}));
  ASSERT_EQ(status.waves.size(), 3U);
  EXPECT_EQ(status.waves[0], (api::WaveStatus{"one", api::WaveState::done, 1, 1, {0, 0, 0, 1}, ""}));
  EXPECT_EQ(status.waves[1],
            (api::WaveStatus{
                "two", api::WaveState::open, 2, 3, {0, 1, 2, 0}, "waiting for ab: Violations Blocked"}));
  EXPECT_EQ(status.waves[2], (api::WaveStatus{"three",
                                              api::WaveState::waiting,
                                              0,
                                              1,
                                              {1, 0, 0, 0},
                                              "wave two: ab is in shadow (Violations Blocked)"}));
}

TEST(RolloutStatus, AWaveThatHasLetTheNextOneGoStillWaitsForItsOwnEnd) {
  Case c;
  c.put("sm", Phase::enforcing);
  EXPECT_EQ(c.status().open_wave, "two");
  EXPECT_EQ(c.status().waves[0].state, api::WaveState::open);
  EXPECT_EQ(c.status().waves[0].message, "waiting for sm: SoakTime Waiting");
  c.put_all(Phase::enforcing);
  EXPECT_EQ(c.status().open_wave, "one") << "then the first that is not at the end";
  EXPECT_EQ(c.status().phase, Phase::enforcing);
}

TEST(RolloutStatus, IsCompleteWhenAllHaveEarnedThePhase) {
  Case c;
  c.put_all(Phase::complete);
  api::RolloutStatus status = c.status();
  EXPECT_EQ(look(status), "Ready=True Complete=True Complete");
  EXPECT_EQ(status.message, "every project has reached complete");
  EXPECT_EQ(status.open_wave, "");
  EXPECT_EQ(status.done, "5/5");
  c.of("io").earned = Phase::enforcing;
  EXPECT_EQ(look(c.status()), "Ready=True Complete=False AwaitingWaves");
  EXPECT_EQ(
      c.status().message,
      "wave 3 of 3 (three): waiting for io: is in complete, which somebody else set (SoakTime Waiting)");
}

TEST(RolloutStatus, WaitingIsNoFailureAndAFreezeIsNone) {
  Case c;
  c.rollout.spec.freeze = {"audit", std::nullopt};
  EXPECT_EQ(look(c.status()), "Ready=True Complete=False Frozen");
  EXPECT_THAT(c.status().message, testing::StartsWith("the rollout is frozen: \"audit\""));
  EXPECT_THAT(c.status().message, HasSubstr("wave 1 of 3 (one): waiting for sm"));
  c.put_all(Phase::complete);
  EXPECT_EQ(look(c.status()), "Ready=True Complete=True Complete") << "nothing is left to freeze";
}

TEST(RolloutStatus, MissingMigrationsAreBeingCreated) {
  Case c;
  c.of("io") = MemberView{.project = "io"};
  EXPECT_EQ(look(c.status()), "Ready=False Complete=False Reconciling=True CreatingMigrations");
  EXPECT_EQ(c.status().migrations, (api::RolloutStatus::Migrations{4, 1, 0}));
  EXPECT_EQ(c.status().phase, std::nullopt);
}

TEST(RolloutStatus, AWriteThatFailedIsShown) {
  const Case c;
  EXPECT_EQ(look(c.status(StepFailure{"Forbidden", "may not create rlsmigrations", true})),
            "Ready=False Complete=False Stalled=True Forbidden");
  EXPECT_EQ(look(c.status(StepFailure{"ApiServerUnreachable", "no answer", false})),
            "Ready=False Complete=False Reconciling=True ApiServerUnreachable");
  EXPECT_EQ(c.status(StepFailure{"Forbidden", "may not create", true}).message, "may not create");
}

TEST(RolloutStatus, AMemberThatNeedsAPersonStallsIt) {
  Case c;
  c.of("aa").stalled = true;
  c.of("aa").why = "UnknownProject";
  EXPECT_EQ(look(c.status()), "Ready=False Complete=False Stalled=True MemberStalled");
  EXPECT_EQ(c.status().message,
            "aa needs a person: UnknownProject; see its RlsMigration. wave 1 of 3 (one): waiting for sm: "
            "SoakTime Waiting");
}

TEST(RolloutStatus, AConflictStallsItBeforeAnythingElse) {
  Case c;
  c.of("aa").conflict = true;
  c.of("aa").why = "RlsRollout other names it, too";
  EXPECT_EQ(look(c.status(StepFailure{"Forbidden", "f", false})),
            "Ready=False Complete=False Stalled=True Conflict");
  EXPECT_EQ(c.status().message, "aa is in conflict (RlsRollout other names it, too)");
}

TEST(RolloutStatus, ASpecThatCannotBeReadOpensNothingAndSaysWhy) {
  api::RlsRollout rollout;
  rollout.spec_problem = "spec.phase: required";
  const api::RolloutStatus status = project_rollout(rollout, {}, {}, kNow);
  EXPECT_EQ(look(status), "Ready=False Complete=False Stalled=True InvalidSpec");
  EXPECT_EQ(status.message, "spec.phase: required");
  EXPECT_EQ(status.done, "");
}

TEST(RolloutStatus, TheTimeOfAConditionIsThatOfItsChange) {
  Case c;
  c.rollout.status = c.status();
  c.now = kNow + 1h;
  EXPECT_EQ(c.status(), c.rollout.status) << "nothing changes by time alone";
  c.put_all(Phase::complete);
  const api::RolloutStatus after = c.status();
  EXPECT_EQ(api::find_condition(after.conditions, "Ready")->last_transition, kNow);
  EXPECT_EQ(api::find_condition(after.conditions, "Complete")->last_transition, kNow + 1h);
}

TEST(RolloutStatus, FitsHoweverLongTheReasons) {
  Case c;
  for (auto& wave : c.members) {
    for (MemberView& view : wave) view.why = std::string(5000, 'w') + "\xFF";
  }
  api::RolloutStatus status = c.status();
  const api::RolloutStatus before = status;
  api::fit(status);
  EXPECT_EQ(status, before);
  EXPECT_LE(status.waves[1].message.size(), api::kMaxMessage);
}

/// Every way in which two projects in two waves may stand: never a later wave open before the earlier one
/// has earned its phase, whatever else is true.
TEST(Waves, NoCombinationOpensAWaveBeforeItsTime) {
  api::RolloutSpec spec;
  spec.waves = {{"one", {"a"}}, {"two", {"b"}}};
  int opened = 0;
  for (const Phase advance : {Phase::shadow, Phase::enforcing, Phase::complete}) {
    for (const Phase phase : kPhases) {
      for (const Phase earned : kPhases) {
        for (unsigned bits = 0; bits < 64; ++bits) {
          spec.advance_when = advance;
          spec.freeze.reset();
          if ((bits & 1U) != 0) spec.freeze = {"f", std::nullopt};
          MemberView a = member("a", phase);
          a.earned = earned;
          a.has_migration = (bits & 2U) == 0;
          a.conflict = (bits & 4U) != 0;
          a.stalled = (bits & 8U) != 0;
          a.ours = (bits & 16U) == 0;
          if ((bits & 32U) != 0) a.phase.reset();
          const auto decisions =
              decide_waves(spec, std::vector{std::vector{a}, {member("b", Phase::pending)}}, kNow);
          EXPECT_EQ(decisions[0].open, !spec.freeze.has_value());
          EXPECT_EQ(decisions[1].open, !spec.freeze && a.has_migration && !a.conflict && a.phase &&
                                           phase >= advance && earned >= advance);
          EXPECT_EQ(decisions[1].open, decisions[1].why.empty());
          opened += decisions[1].open ? 1 : 0;
        }
      }
    }
  }
  EXPECT_GT(opened, 0);
}

}  // namespace
}  // namespace rls::decide
