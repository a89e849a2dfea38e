#pragma once
// What rlsctl shows of RlsMigrations and RlsRollouts, as text and as JSON. Pure: objects and a time in, text
// out. Whatever names and messages hold, none of it steers the terminal.

#include <string>
#include <string_view>
#include <vector>

#include "controller/api/migration.hpp"
#include "controller/api/rollout.hpp"
#include "controller/base/time.hpp"

namespace rls::ctl {

/// `text` as well-formed UTF-8, with `?` for what a terminal would act on: control characters, those of the
/// second set (U+0080 to U+009F) too, and what turns the direction of writing.
std::string printable(std::string_view text);

/// All that is asked about, in any order.
struct Overview {
  std::vector<api::RlsMigration> migrations;
  std::vector<api::RlsRollout> rollouts;
  bool many_namespaces = false;  ///< names are shown with theirs
};

/// How many projects are in which phase; a row a project, by phase and name; the waves of each rollout
/// (R-A8).
std::string overview_text(const Overview& overview, Time now, bool colours);
/// The same as one JSON object and a newline.
std::string overview_json(const Overview& overview);

/// Why a project is where it is, and what the next step waits for: every gate, soak, holds, history.
std::string explanation(const api::RlsMigration& migration, Time now, bool colours);

/// One line a gate, as `explanation` has them.
std::string gates_text(const std::vector<api::GateStatus>& gates, Time now);
/// "3 (last 2h ago), 1 kind without a verdict", "none", "not known".
std::string violations_text(const api::MigrationStatus& status, Time now);

/// What keeps a project down, as its status tells.
struct Hold {
  bool by_annotation = false;  ///< hold-at: only who takes that away lets the project go on
  bool in_database = false;    ///< the hold row, which resume clears
  std::string message;         ///< what the gate or the condition says
};
Hold hold_of(const api::RlsMigration& migration);

}  // namespace rls::ctl
