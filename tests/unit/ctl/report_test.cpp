#include "controller/ctl/report.hpp"

#include <gmock/gmock.h>

namespace rls::ctl {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

const Time kNow = *parse_rfc3339("2026-11-21T12:00:00Z");

api::RlsMigration migration(const std::string& project, std::optional<Phase> phase, Duration since = 52h) {
  api::RlsMigration out;
  out.meta.name = {"tenants", project};
  out.meta.generation = 1;
  out.spec.project = project;
  out.spec.database = "main";
  out.spec.phase = Phase::complete;
  out.status.phase = phase;
  if (phase) {
    out.status.observed_generation = 1;
    out.status.phase_since = kNow - since;
    out.status.conditions = {
        {"Ready", api::ConditionStatus::is_true, "AwaitingGates", "waiting at SoakTime", 1, kNow}};
  }
  return out;
}

api::RlsMigration with_access(api::RlsMigration out, api::AccessSpec::Level level) {
  out.spec.access = api::AccessSpec{level, {}};
  return out;
}

api::RlsMigration held(const std::string& message) {
  api::RlsMigration out = migration("sm", Phase::shadow);
  out.status.gates = {{"Hold", api::GateState::blocked, kNow, "", "", message}};
  out.status.conditions.push_back({"Held", api::ConditionStatus::is_true, "Held", message, 1, kNow});
  return out;
}

TEST(Overview, CountsByPhaseAndSortsByPhaseThenName) {
  using Level = api::AccessSpec::Level;
  Overview overview;
  overview.migrations = {
      migration("zoe", Phase::complete, 400h), with_access(migration("io", Phase::shadow), Level::super),
      with_access(migration("ab", Phase::shadow, 90s), Level::shared),
      with_access(migration("sm", Phase::pending), Level::isolated), migration("new", std::nullopt)};
  overview.migrations[1].status.blocked_by = "SoakTime,Review";
  EXPECT_EQ(overview_text(overview, kNow, false),
            "unknown 1   pending 1   shadow 2   enforcing 0   complete 1\n"
            "\n"
            "PROJECT  PHASE     TARGET    ACCESS    CHANGED      MIGRATION  BLOCKED BY\n"
            "new      unknown   complete  -         -            new        not looked at yet\n"
            "sm       pending   complete  ISOLATED  2d 4h ago    sm\n"
            "ab       shadow    complete  SHARED    1m 30s ago   ab\n"
            "io       shadow    complete  SUPER     2d 4h ago    io         SoakTime, Review\n"
            "zoe      complete  complete  -         16d 16h ago  zoe\n");
}

TEST(Overview, ColoursPhasesAsPeopleKnowThem) {
  Overview overview;
  for (const Phase phase : kPhases) overview.migrations.push_back(migration("p", phase));
  const std::string text = overview_text(overview, kNow, true);
  EXPECT_THAT(text, HasSubstr("p        \x1b[33mpending  \x1b[0m  complete"));
  EXPECT_THAT(text, HasSubstr("\x1b[34mshadow   \x1b[0m"));
  EXPECT_THAT(text, HasSubstr("\x1b[38;5;208menforcing\x1b[0m"));
  EXPECT_THAT(text, HasSubstr("\x1b[32mcomplete 1\x1b[0m"));
  EXPECT_THAT(overview_text(overview, kNow, false), Not(HasSubstr("\x1b")));
}

TEST(Overview, SaysHowAProjectStandsThatDoesNotJustWait) {
  Overview overview;
  overview.migrations = {held("held at shadow in the database by \"ann\"")};
  overview.migrations[0].status.blocked_by = "Hold";
  overview.migrations[0].status.conditions[0].reason = "Held";
  EXPECT_THAT(overview_text(overview, kNow, false), HasSubstr("Hold (Held)\n"));
}

TEST(Overview, TellsOfTheWavesOfARollout) {
  api::RlsRollout rollout;
  rollout.meta.name = {"tenants", "all"};
  rollout.spec.phase = Phase::complete;
  rollout.spec.advance_when = Phase::enforcing;
  rollout.status.done = "1/3";
  rollout.status.waves = {{"one", api::WaveState::done, 1, 1, {}, ""},
                          {"second", api::WaveState::waiting, 0, 2, {}, "waits for wave one"}};
  Overview overview;
  overview.rollouts = {rollout};
  EXPECT_THAT(overview_text(overview, kNow, false),
              HasSubstr("\nrollout all: 1/3 complete\n"
                        "  one     Done     1/1 enforcing\n"
                        "  second  Waiting  0/2 enforcing  waits for wave one\n"));
  overview.many_namespaces = true;
  EXPECT_THAT(overview_text(overview, kNow, false), HasSubstr("rollout tenants/all"));
}

TEST(Overview, NothingIsSaidSo) { EXPECT_EQ(overview_text({}, kNow, false), "there are no RlsMigrations\n"); }

TEST(Overview, AsJsonIsOneObject) {
  Overview overview;
  overview.migrations = {with_access(migration("io", Phase::shadow), api::AccessSpec::Level::super),
                         migration("new", std::nullopt)};
  EXPECT_EQ(
      overview_json(overview),
      R"({"phases":{"unknown":1,"pending":0,"shadow":1,"enforcing":0,"complete":0},"projects":[)"
      R"({"project":"new","namespace":"tenants","migration":"new","database":"main","phase":"unknown","target":"complete"},)"
      R"({"project":"io","namespace":"tenants","migration":"io","database":"main","phase":"shadow","target":"complete",)"
      R"("access":"SUPER","phaseSince":"2026-11-19T08:00:00Z","ready":"True","reason":"AwaitingGates"}],"rollouts":[]})"
      "\n");
}

TEST(Overview, NamesDoNotSteerTheTerminal) {
  Overview overview;
  overview.migrations = {migration("a\x1b[2Jb\nc", Phase::shadow)};
  overview.migrations[0].status.blocked_by = "\r\x07";
  const std::string text = overview_text(overview, kNow, false);
  EXPECT_THAT(text, HasSubstr("a?[2Jb?c"));
  EXPECT_THAT(text, Not(testing::ContainsRegex("[\x07\x1b\r]")));
}

TEST(Printable, KeepsTextAndTakesOutWhatATerminalActsOn) {
  EXPECT_EQ(printable("größer → 日本 🙂"), "größer → 日本 🙂");
  EXPECT_EQ(printable("a\tb\x7f"), "a?b?");
  EXPECT_EQ(printable("\xC2\x9B"
                      "31m"),
            "?31m");  // CSI in one character
  EXPECT_EQ(printable("\xE2\x80\xAE"
                      "evil"),
            "?evil");  // from right to left
  EXPECT_EQ(printable("\xE2\x81\xA6"
                      "x"),
            "?x");
  EXPECT_EQ(printable("\xC2\xA0"), "\xC2\xA0");
  EXPECT_EQ(printable("\xFF"), "\xEF\xBF\xBD");
}

TEST(Explanation, TellsOfEveryGateSoakAndHistory) {
  api::RlsMigration io = migration("io", Phase::shadow);
  io.status.clean_since = kNow - 3h;
  io.status.eligible_at = kNow + 165h;
  io.status.violations = api::ViolationsStatus{};
  io.status.violations->total = 3;
  io.status.violations->unreviewed = 1;
  io.status.violations->last_seen = kNow - 3h;
  io.status.gates = {{"Database", api::GateState::passed, kNow - 52h, "", "", ""},
                     {"SoakTime", api::GateState::waiting, kNow - 3h, "3h", "168h", "over in 165h"},
                     {"Window", api::GateState::blocked, kNow - 1h, "", "", "opens on Monday"}};
  io.status.history = {{"x", Phase::pending, Phase::shadow, kNow - 52h, "all gates passed"},
                       {"w", std::nullopt, Phase::pending, kNow - 53h, "first seen"}};
  EXPECT_EQ(
      explanation(io, kNow, false),
      "io (tenants/io, database main)\n"
      "  phase       shadow, since 2026-11-19T08:00:00Z (2d 4h ago)\n"
      "  wanted      complete\n"
      "  stands      AwaitingGates: waiting at SoakTime\n"
      "  soak        clean since 2026-11-21T09:00:00Z (3h ago), over at 2026-11-28T09:00:00Z (in 6d 21h)\n"
      "  violations  3 (last 3h ago), 1 kind without a verdict\n"
      "\n"
      "gates of the step to enforcing\n"
      "  ✓  Database  Passed   2d 4h\n"
      "  …  SoakTime  Waiting  3h     3h, needs 168h: over in 165h\n"
      "  ✗  Window    Blocked  1h     opens on Monday\n"
      "\n"
      "history\n"
      "  2026-11-19T08:00:00Z  pending → shadow       all gates passed\n"
      "  2026-11-19T07:00:00Z  first seen in pending  first seen\n");
}

TEST(Explanation, OfWhatNobodyLookedAtSaysSo) {
  EXPECT_THAT(explanation(migration("io", std::nullopt), kNow, false),
              HasSubstr("stands      the operator has not looked at it yet"));
}

TEST(Explanation, SaysWhenTheSpecIsNewerThanTheStatus) {
  api::RlsMigration io = migration("io", Phase::shadow);
  io.meta.generation = 2;
  EXPECT_THAT(explanation(io, kNow, false), HasSubstr("the spec has changed since"));
}

TEST(HoldOf, TellsTheRowOfTheDatabaseFromTheAnnotation) {
  const std::string row = "held at shadow in the database by \"ann\"; to let it go on, run: rlsctl resume …";
  const std::string annotation = "held at shadow by annotation rls-operator.dev/hold-at: remove it to go on";
  EXPECT_TRUE(hold_of(held(row)).in_database);
  EXPECT_FALSE(hold_of(held(row)).by_annotation);
  api::RlsMigration annotated = held(annotation);
  annotated.hold_at = Phase::shadow;
  EXPECT_FALSE(hold_of(annotated).in_database);
  EXPECT_TRUE(hold_of(annotated).by_annotation);
  annotated = held(annotation + "; " + row);
  annotated.hold_at = Phase::shadow;
  EXPECT_TRUE(hold_of(annotated).in_database);
  EXPECT_TRUE(hold_of(annotated).by_annotation);
  EXPECT_FALSE(hold_of(migration("io", Phase::shadow)).in_database);
}

TEST(HoldOf, AHoldAtThatNobodyCanReadIsTheAnnotations) {
  api::RlsMigration out = held("annotation rls-operator.dev/hold-at is \"nonsense\": set it to …");
  out.hold_at_unreadable = "nonsense";
  EXPECT_TRUE(hold_of(out).by_annotation);
  EXPECT_FALSE(hold_of(out).in_database);
}

}  // namespace
}  // namespace rls::ctl
