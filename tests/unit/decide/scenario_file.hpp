#pragma once
// Reads tests/scenarios/phases.yaml: each row is one case of the phase decision.

#include <optional>
#include <string>
#include <vector>

#include "controller/decide/plan.hpp"

namespace rls::decide {

struct Expectation {
  std::optional<std::string> step;  ///< "up shadow", "down pending", "none"
  std::optional<bool> target_reached, stalled, drifted, held, overridden, reconciling;
  std::optional<Phase> latch;
  std::optional<std::string> ready, reason;
  std::vector<std::pair<std::string, std::string>> gates;  ///< name or "all", state
  std::vector<std::pair<std::string, std::string>> says;   ///< gate, part of its message
  std::optional<Time> eligible_at, clean_since;
  std::optional<std::optional<Time>> recheck_at;  ///< "never": none
};

struct Scenario {
  std::string name;
  api::RlsMigration migration;
  api::DatabasePolicy policy;
  Observation observed;
  Expectation expect;
  /// What the row needs that this version does not have yet: "gates.windows", "evidence". Empty: it runs.
  std::vector<std::string> later;
};

std::vector<Scenario> load_scenarios(const std::string& path);

}  // namespace rls::decide
