// The phase decision by example: every row of tests/scenarios/phases.yaml that needs nothing of a later
// version.

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iostream>

#include "controller/decide/conditions.hpp"
#include "controller/decide/plan.hpp"
#include "tests/unit/decide/scenario_file.hpp"

namespace rls::decide {
namespace {

const std::vector<Scenario>& scenarios() {
  static const auto rows = load_scenarios(RLS_SOURCE_DIR "/tests/scenarios/phases.yaml");
  return rows;
}

std::vector<Scenario> rows_that_run() {
  std::vector<Scenario> out;
  for (const Scenario& row : scenarios()) {
    if (row.later.empty()) out.push_back(row);
  }
  return out;
}

std::string step_of(const Plan& plan) {
  switch (plan.step) {
    case StepKind::none: return "none";
    case StepKind::up: return "up " + std::string(to_string(plan.to));
    case StepKind::down: return "down " + std::string(to_string(plan.to));
    case StepKind::accept: return "accept " + std::string(to_string(plan.to));
    case StepKind::resume: return "resume";
  }
  return "none";
}

class PhaseScenario : public ::testing::TestWithParam<Scenario> {};

TEST_P(PhaseScenario, DecidesAsWritten) {
  const Scenario& row = GetParam();
  const Plan plan = decide(row.migration, row.policy, row.observed);
  const auto conditions = conditions_of(plan, row.observed, 1);
  const Expectation& expect = row.expect;

  if (expect.step) {
    EXPECT_EQ(step_of(plan), *expect.step);
  }
  if (expect.target_reached) {
    EXPECT_EQ(plan.target_reached, *expect.target_reached);
  }
  if (expect.drifted) {
    EXPECT_EQ(plan.drifted, *expect.drifted);
  }
  if (expect.held) {
    EXPECT_EQ(plan.held, *expect.held);
  }
  if (expect.overridden) {
    EXPECT_EQ(api::find_condition(conditions, "Overridden") != nullptr, *expect.overridden);
  }
  EXPECT_EQ(plan.latch.has_value(), expect.latch.has_value());
  if (expect.latch && plan.latch) {
    EXPECT_EQ(plan.latch->at, *expect.latch);
  }
  if (expect.eligible_at) {
    EXPECT_EQ(plan.eligible_at, expect.eligible_at);
  }
  if (expect.recheck_at) {
    EXPECT_EQ(plan.recheck_at, *expect.recheck_at);
  }
  if (expect.clean_since) {
    EXPECT_EQ(plan.clean_since, expect.clean_since);
  }
  const api::Condition* ready = api::find_condition(conditions, "Ready");
  ASSERT_NE(ready, nullptr);
  if (expect.ready) {
    EXPECT_EQ(to_string(ready->status), *expect.ready);
  }
  if (expect.reason) {
    EXPECT_EQ(ready->reason, *expect.reason);
  }
  if (expect.stalled) {
    EXPECT_EQ(api::find_condition(conditions, "Stalled") != nullptr, *expect.stalled);
  }
  if (expect.reconciling) {
    EXPECT_EQ(api::find_condition(conditions, "Reconciling") != nullptr, *expect.reconciling);
  }
  for (const auto& [name, part] : expect.says) {
    const auto gate = std::find_if(plan.gates.begin(), plan.gates.end(),
                                   [&](const GateResult& one) { return one.name == name; });
    ASSERT_NE(gate, plan.gates.end()) << "no gate " << name;
    EXPECT_NE(gate->message.find(part), std::string::npos) << gate->message;
  }
  for (const auto& [name, state] : expect.gates) {
    bool seen = false;
    for (const GateResult& gate : plan.gates) {
      if (name != "all" && name != gate.name) continue;
      seen = true;
      EXPECT_EQ(to_string(gate.state), state) << gate.name << ": " << gate.message;
    }
    EXPECT_TRUE(seen) << "no gate " << name;
  }
}

std::string test_name(const ::testing::TestParamInfo<Scenario>& info) {
  std::string out;
  bool capital = true;
  for (const char c : info.param.name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) {
      capital = true;
    } else {
      out += capital ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
      capital = false;
    }
  }
  return out;
}

INSTANTIATE_TEST_SUITE_P(File, PhaseScenario, ::testing::ValuesIn(rows_that_run()), test_name);

// Rows that need a gate or a field of a later version stand by name in later.txt; a row leaves it when it
// runs.
TEST(PhaseScenarios, WhatIsLaterIsListedByName) {
  std::vector<std::string> later, listed;
  for (const Scenario& row : scenarios()) {
    if (row.later.empty()) continue;
    std::string needs;
    for (const std::string& need : row.later) needs += (needs.empty() ? "" : ", ") + need;
    std::cout << "later: " << row.name << " (" << needs << ")\n";
    later.push_back(row.name);
  }
  std::cout << scenarios().size() - later.size() << " of " << scenarios().size() << " rows run\n";
  std::ifstream file(RLS_SOURCE_DIR "/tests/scenarios/later.txt");
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && !line.starts_with('#')) listed.push_back(line);
  }
  EXPECT_EQ(later, listed);
}

}  // namespace
}  // namespace rls::decide
