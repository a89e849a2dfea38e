#pragma once
// A project of a managed runtime in shadow, whose every gate to enforcing is open. Each test closes one.

#include <gtest/gtest.h>

#include "controller/decide/conditions.hpp"
#include "controller/decide/evidence_digest.hpp"
#include "controller/decide/gates.hpp"

namespace rls::decide {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""us;

struct Subject {
  api::RlsMigration migration;
  api::DatabasePolicy policy;
  Observation seen;

  explicit Subject(const std::string& project = "sm") {
    migration.meta.name = {"team-a", project};
    migration.meta.uid = "uid-" + project;
    migration.spec.database = "main";
    migration.spec.project = project;
    migration.spec.phase = Phase::enforcing;
    seen.database = DatabaseState::ok;
    seen.project_known = seen.managed = true;
    seen.now = *parse_rfc3339("2026-01-15T12:00:00Z");
    seen.transactions = 5000;
    seen.evidence.state = Evidence::State::complete;
    seen.posture.emplace();
    seen.approval_guard.bound = seen.override_guard.bound = true;
    stands_in(Phase::shadow);
  }
  void stands_in(Phase phase) {
    seen.phase = seen.last_ours = phase;
    seen.phase_since = seen.now - 1000h;
  }
  [[nodiscard]] GateInput to(Phase phase) const { return {migration, policy, seen, phase}; }
  [[nodiscard]] Plan plan() const { return decide(migration, policy, seen); }
  [[nodiscard]] GateResult gate(std::string_view name, Phase phase = Phase::enforcing) const {
    for (const GateResult& gate : evaluate_gates(to(phase))) {
      if (gate.name == name) return gate;
    }
    ADD_FAILURE() << "no gate " << name;
    return {};
  }
};

}  // namespace rls::decide
