// With -fsanitize=address GCC 12 takes std::regex's own code for uninitialized.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#include "controller/reconcile/events.hpp"

#include <gmock/gmock.h>

#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "controller/postgres/project_database.hpp"
#include "tests/unit/reconcile/fakes.hpp"

namespace rls::reconcile {
namespace {

using api::ConditionStatus;
using api::GateState;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string read(const std::string& path) {
  std::ifstream file(std::string(RLS_SOURCE_DIR) + "/" + path);
  EXPECT_TRUE(file) << path;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// A status put together in one expression.
struct Make {
  api::MigrationStatus status;

  Make& ready(const std::string& reason, ConditionStatus state = ConditionStatus::is_true,
              ConditionStatus target = ConditionStatus::is_false, const std::string& message = "why") {
    status.observed_generation = 1;
    status.conditions.push_back({"Ready", state, reason, message, 1, {}});
    status.conditions.push_back({"TargetReached", target, reason, message, 1, {}});
    return *this;
  }
  Make& failing(const std::string& reason, ConditionStatus target, const std::string& message = "why") {
    return ready(reason, ConditionStatus::is_false, target, message);
  }
  Make& condition(const std::string& type, const std::string& message = "why") {
    status.conditions.push_back({type, ConditionStatus::is_true, type, message, 1, {}});
    return *this;
  }
  Make& in(Phase phase) {
    status.phase = phase;
    return *this;
  }
  Make& gate(const std::string& name, GateState state, const std::string& message = "not yet") {
    status.gates.push_back({name, state, {}, "", "", message});
    return *this;
  }
  /// Newest last, to be read as a story.
  Make& step(const std::string& id, std::optional<Phase> from, Phase to,
             const std::string& reason = "all gates passed", const char* time = "2026-01-10T00:00:00Z") {
    status.history.insert(status.history.begin(), {id, from, to, at(time), reason});
    return *this;
  }
};

Make waiting(Phase phase) { return Make{}.in(phase).ready("AwaitingGates"); }
Make away() { return Make{}.failing("DatabaseUnreachable", ConditionStatus::unknown); }

std::vector<EventDraft> between(const Make& before, const Make& after) {
  api::RlsMigration migration;
  migration.meta.name = {"tenants", "sm"};
  migration.meta.uid = "uid-sm";
  migration.meta.created = at("2026-01-09T00:00:00Z");
  migration.status = before.status;
  return events_of(migration, after.status);
}

std::vector<std::string> told(const Make& before, const Make& after) {
  std::vector<std::string> out;
  for (const EventDraft& draft : between(before, after)) out.emplace_back(info(draft.reason).reason);
  return out;
}

TEST(Events, NothingIsToldWhereNothingChanged) {
  const Make same = waiting(Phase::shadow)
                        .gate("SoakTime", GateState::waiting)
                        .step("t1", Phase::pending, Phase::shadow)
                        .condition("Held")
                        .condition("Drifted");
  EXPECT_THAT(told(same, same), IsEmpty());
}

TEST(Events, R_A2_EachStepOfTheLedgerIsToldInItsOrder) {
  const Make after = Make{}
                         .in(Phase::complete)
                         .ready("TargetReached", ConditionStatus::is_true, ConditionStatus::is_true)
                         .step("t1", Phase::pending, Phase::shadow)
                         .step("t2", Phase::shadow, Phase::enforcing)
                         .step("t3", Phase::enforcing, Phase::complete);
  const auto drafts = between(Make{}, after);
  ASSERT_EQ(drafts.size(), 3U);
  EXPECT_EQ(drafts[0].note, "from pending to shadow: all gates passed");
  EXPECT_EQ(drafts[2].note, "from enforcing to complete: all gates passed");
  EXPECT_EQ(drafts[1].key, "t2");
  EXPECT_TRUE(drafts[1].once);
}

TEST(Events, OnlyNewStepsAreTold) {
  Make before = waiting(Phase::shadow).step("t1", Phase::pending, Phase::shadow);
  Make after = waiting(Phase::pending)
                   .step("t1", Phase::pending, Phase::shadow)
                   .step("t2", Phase::shadow, Phase::pending, "spec.phase lowered to pending");
  EXPECT_THAT(told(before, after), ElementsAre("Demoted"));
  EXPECT_THAT(between(before, after)[0].note, HasSubstr("spec.phase lowered to pending"));
}

TEST(Events, WhatHappenedBeforeTheObjectWasMadeIsNotItsStory) {
  const Make after = waiting(Phase::enforcing)
                         .step("old", Phase::pending, Phase::shadow, "by hand", "2026-01-01T00:00:00Z")
                         .step("new", Phase::shadow, Phase::enforcing);
  EXPECT_THAT(told(Make{}, after), ElementsAre("Promoted"));
}

TEST(Events, AProjectFirstSeenAboveItsBeginningIsAdopted) {
  EXPECT_THAT(told(Make{}, waiting(Phase::shadow).step("t1", std::nullopt, Phase::shadow, "first seen")),
              ElementsAre("Adopted"));
  EXPECT_THAT(told(Make{}, waiting(Phase::pending).step("t1", std::nullopt, Phase::pending, "first seen")),
              IsEmpty());
}

TEST(Events, WhatSomebodyElseDidIsDriftAndNoStepOfOurs) {
  const Make before = waiting(Phase::shadow).step("t1", Phase::pending, Phase::shadow);
  const Make after = Make{}
                         .in(Phase::enforcing)
                         .failing("Drifted", ConditionStatus::is_false)
                         .condition("Drifted", "somebody else raised it")
                         .step("t1", Phase::pending, Phase::shadow)
                         .step("t2", Phase::shadow, Phase::enforcing, std::string(postgres::kDriftReason));
  EXPECT_THAT(told(before, after), ElementsAre("DriftDetected"));
  EXPECT_EQ(between(before, after)[0].note, "somebody else raised it");
  EXPECT_THAT(told(after, waiting(Phase::enforcing)), ElementsAre("DriftResolved"));
}

TEST(Events, TheReasonOfDriftIsTheOneThatIsLedgered) {
  EXPECT_THAT(read("controller/postgres/sql/ledger_seen.sql"),
              HasSubstr("ELSE '" + std::string(postgres::kDriftReason) + "'"));
}

struct GateCase {
  const char* name;
  GateState before, after;
  std::vector<std::string> told;
};
TEST(Events, GatesThatStartAndStopBlockingAreTold) {
  const std::vector<GateCase> cases = {
      {"stays", GateState::waiting, GateState::waiting, {}},
      {"passes", GateState::waiting, GateState::passed, {"GatePassed"}},
      {"is overridden", GateState::blocked, GateState::overridden, {"GatePassed"}},
      {"starts to wait", GateState::passed, GateState::waiting, {"GateWaiting"}},
      {"starts to block", GateState::passed, GateState::blocked, {"GateBlocked"}},
      {"is not known any more", GateState::waiting, GateState::unknown, {"GateUnknown"}},
      {"was open", GateState::passed, GateState::overridden, {}},
  };
  for (const GateCase& each : cases) {
    EXPECT_EQ(told(waiting(Phase::shadow).gate("SoakTime", each.before),
                   waiting(Phase::shadow).gate("SoakTime", each.after)),
              each.told)
        << each.name;
  }
}

TEST(Events, AStepUpHasPassedItsGatesAndMeetsTheNext) {
  const Make before = waiting(Phase::shadow)
                          .gate("SoakTime", GateState::waiting)
                          .gate("Violations", GateState::passed)
                          .step("t1", Phase::pending, Phase::shadow);
  const Make after = waiting(Phase::enforcing)
                         .gate("SoakTime", GateState::waiting, "168h needed in enforcing")
                         .step("t1", Phase::pending, Phase::shadow)
                         .step("t2", Phase::shadow, Phase::enforcing);
  EXPECT_THAT(told(before, after), ElementsAre("GatePassed", "Promoted", "GateWaiting"));
  EXPECT_EQ(between(before, after)[0].note, "gate SoakTime passed in shadow");
  EXPECT_EQ(between(before, after)[2].note, "gate SoakTime: 168h needed in enforcing");
  EXPECT_LT(*between(before, after)[0].time, *between(before, after)[1].time) << "shown in this order";
}

TEST(Events, AGateThatIsNotAskedAnyMoreHasNotPassed) {
  const Make before = waiting(Phase::shadow).gate("SoakTime", GateState::waiting);
  const Make reached =
      Make{}.in(Phase::shadow).ready("TargetReached", ConditionStatus::is_true, ConditionStatus::is_true);
  EXPECT_THAT(told(before, reached), IsEmpty()) << "the target was lowered";
  EXPECT_THAT(told(before, waiting(Phase::pending).step("t1", Phase::shadow, Phase::pending)),
              ElementsAre("Demoted"));
}

TEST(Events, AHoldIsToldOnceAndNotAsAGateToo) {
  const Make free = waiting(Phase::shadow);
  const Make held =
      Make{}.in(Phase::shadow).ready("Held").condition("Held", "held by x").gate("Hold", GateState::blocked);
  EXPECT_THAT(told(free, held), ElementsAre("Held"));
  EXPECT_THAT(told(held, free), ElementsAre("Released"));
}

TEST(Events, StandingsComeAndGo) {
  const Make fine = waiting(Phase::pending);
  const Make unknown = Make{}.failing("UnknownProject", ConditionStatus::is_false, "no such project");
  const Make conflict = Make{}.failing("Conflict", ConditionStatus::is_false);
  const Make orphan = Make{}.failing("DatabaseNotFound", ConditionStatus::unknown);
  const Make suspended = Make{}.in(Phase::pending).ready("Suspended");
  EXPECT_THAT(told(fine, unknown), ElementsAre("UnknownProject"));
  EXPECT_THAT(told(unknown, fine), ElementsAre("ProjectFound"));
  EXPECT_THAT(told(fine, conflict), ElementsAre("Conflict"));
  EXPECT_THAT(told(conflict, fine), ElementsAre("ConflictResolved"));
  EXPECT_THAT(told(conflict, unknown), ElementsAre("ConflictResolved", "UnknownProject"));
  const Make invalid = Make{}.failing("InvalidSpec", ConditionStatus::is_false);
  EXPECT_THAT(told(fine, invalid), ElementsAre("InvalidSpec"));
  EXPECT_THAT(told(invalid, fine), ElementsAre("SpecAccepted"));
  EXPECT_THAT(told(conflict, invalid), ElementsAre("InvalidSpec")) << "whether it is resolved is not known";
  EXPECT_THAT(told(Make{}, orphan), ElementsAre("DatabaseNotFound"));
  EXPECT_THAT(told(orphan, fine), ElementsAre("DatabaseFound"));
  EXPECT_THAT(told(fine, suspended), ElementsAre("Suspended"));
  EXPECT_THAT(told(suspended, fine), ElementsAre("Resumed"));
}

TEST(Events, WhileNothingCanBeSeenNothingIsToldOfTheProject) {
  const Make drifted = Make{}
                           .in(Phase::enforcing)
                           .failing("Drifted", ConditionStatus::is_false)
                           .condition("Drifted")
                           .condition("Held");
  EXPECT_THAT(told(drifted, away()), IsEmpty()) << "neither resolved nor released";
  EXPECT_THAT(told(Make{}.in(Phase::pending).ready("Suspended"), away()), IsEmpty());
  EXPECT_THAT(told(Make{}.failing("UnknownProject", ConditionStatus::is_false), away()), IsEmpty());
}

TEST(Events, AStepThatFailsIsToldWithItsReasonEachTimeItChanges) {
  const Make fine = waiting(Phase::shadow);
  const Make failed = Make{}.in(Phase::shadow).failing("MoveRefused", ConditionStatus::is_false, "a trigger");
  const Make other = Make{}.in(Phase::shadow).failing("LockTimeout", ConditionStatus::is_false, "pid 7");
  ASSERT_THAT(told(fine, failed), ElementsAre("TransitionFailed"));
  EXPECT_EQ(between(fine, failed)[0].note, "MoveRefused: a trigger");
  EXPECT_THAT(told(failed, failed), IsEmpty());
  EXPECT_THAT(told(failed, other), ElementsAre("TransitionFailed"));
  EXPECT_THAT(told(fine, Make{}.in(Phase::shadow).failing("Transitioning", ConditionStatus::is_false)),
              IsEmpty());
}

TEST(Events, NoStandingOfAProjectIsTakenForAFailedStep) {
  static const std::regex row(R"re(\{kFalse, kFalse, "([A-Za-z]+)")re");
  const std::string table = read("controller/decide/conditions.cpp");
  int rows = 0;
  for (std::sregex_iterator at(table.begin(), table.end(), row), end; at != end; ++at, ++rows) {
    const std::string reason = (*at)[1];
    for (const std::string& told_reason :
         told(waiting(Phase::shadow), Make{}.in(Phase::shadow).failing(reason, ConditionStatus::is_false))) {
      EXPECT_NE(told_reason, "TransitionFailed") << reason << ": give it an Event of its own in events.cpp";
    }
  }
  EXPECT_GE(rows, 6);
}

TEST(Events, AnAnnotationThatCannotBeReadIsTold) {
  const Make broken = Make{}.in(Phase::shadow).failing("InvalidHold", ConditionStatus::is_false);
  EXPECT_THAT(told(waiting(Phase::shadow), broken), ElementsAre("InvalidHold"));
  EXPECT_THAT(told(broken, broken), IsEmpty());
}

std::vector<std::string> told_of_database(std::vector<api::Condition> before,
                                          std::vector<api::Condition> after) {
  api::RlsDatabase database;
  database.status.conditions = std::move(before);
  api::DatabaseStatus status;
  status.conditions = std::move(after);
  std::vector<std::string> out;
  for (const EventDraft& draft : events_of(database, status)) {
    out.push_back(std::string(info(draft.reason).reason) + ": " + draft.note);
  }
  return out;
}

TEST(Events, ADatabaseThatGoesAndComesBackIsTold) {
  const std::vector<api::Condition> up = {
      {"Ready", ConditionStatus::is_true, "Adopted", "PostgreSQL", 1, {}}};
  const auto bad = [](const std::string& reason, ConditionStatus reachable) {
    return std::vector<api::Condition>{{"Ready", ConditionStatus::is_false, reason, "why", 1, {}},
                                       {"Reachable", reachable, reason, "why", 1, {}}};
  };
  EXPECT_THAT(told_of_database({}, up), ElementsAre("DatabaseConnected: PostgreSQL"));
  EXPECT_THAT(told_of_database(up, up), IsEmpty());
  const auto away = bad("DatabaseUnreachable", ConditionStatus::is_false);
  EXPECT_THAT(told_of_database(up, away), ElementsAre("DatabaseUnreachable: DatabaseUnreachable: why"));
  EXPECT_THAT(told_of_database(away, away), IsEmpty());
  EXPECT_THAT(told_of_database(away, bad("Claimed", ConditionStatus::is_true)),
              ElementsAre("DatabaseUnusable: Claimed: why"));
  EXPECT_THAT(told_of_database(away, up), ElementsAre("DatabaseConnected: PostgreSQL"));
}

TEST(Events, ADatabaseThatIsIsolatedAndThenIsNotIsTold) {
  const auto isolated = [](ConditionStatus status) {
    return std::vector<api::Condition>{{"Ready", ConditionStatus::is_true, "Managed", "up", 1, {}},
                                       {"Isolated", status, "Reason", "why", 1, {}}};
  };
  const auto yes = isolated(ConditionStatus::is_true), no = isolated(ConditionStatus::is_false),
             unknown = isolated(ConditionStatus::unknown);
  EXPECT_THAT(told_of_database(no, yes), ElementsAre("Isolated: why"));
  EXPECT_THAT(told_of_database(yes, no), ElementsAre("IsolationLost: why"));
  EXPECT_THAT(told_of_database(yes, yes), IsEmpty());
  EXPECT_THAT(told_of_database(yes, unknown), IsEmpty());
  EXPECT_THAT(told_of_database(unknown, yes), IsEmpty()) << "the database was away";
  EXPECT_THAT(told_of_database(unknown, no), ElementsAre("IsolationLost: why")) << "while it was";
  EXPECT_THAT(told_of_database({}, no), ElementsAre("DatabaseConnected: up"));
}

TEST(Events, TheirDocumentationHasExactlyTheTable) {
  std::istringstream lines(read("docs/events.md"));
  std::set<std::string> documented, known;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("| `")) continue;
    std::istringstream row(line);
    std::string bar, reason, type, action;
    row >> bar >> reason >> bar >> type >> bar >> action;
    documented.insert(reason + " " + type + " " + action);
  }
  for (const EventInfo& row : kEventTable) {
    known.insert("`" + std::string(row.reason) + "` " + std::string(to_string(row.type)) + " " +
                 std::string(row.action));
  }
  EXPECT_EQ(documented, known);
}

}  // namespace
}  // namespace rls::reconcile
