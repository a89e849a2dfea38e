#pragma once
// The gates: each says of one step up whether its evidence is there. Pure, total, independent of each other;
// all that apply to a step are evaluated, always. `Unknown` never passes: silence is not evidence. A new gate
// is one file in gates/, one row in the table of gates.cpp, one test file (rules: design 2-api, Gate × step).

#include <vector>

#include "controller/decide/plan.hpp"

namespace rls::decide {

/// What every gate is given. `to` is one step above `observed.phase`.
struct GateInput {
  const api::RlsMigration& migration;
  const api::DatabasePolicy& policy;
  const Observation& observed;
  Phase to;
};

/// Whether the check is asked before that phase is entered, and, where it watches, in it.
bool guards(const api::CheckSpec& check, Phase phase);

/// The check in messages: its name in quotes, and that the database demands it where it does.
std::string shown(const api::CheckSpec& check);

/// In the message of a gate that is overridden: what comes behind it the gate says itself.
inline constexpr std::string_view kOverriddenElse = "; else: ";

/// Whether a person may pass over that gate: not over what the others rest on (design 2-api).
bool may_be_overridden(std::string_view gate);

/// The gates of the step to `input.to`, in the order in which they are shown.
std::vector<GateResult> evaluate_gates(const GateInput& input);

/// What is asked for: of the migration and the floor of its database the stricter number, and the checks of
/// both (design 2-api, minimumGates).
api::GatesSpec required_gates(const GateInput& input);

/// Clean since: the latest of entering the phase, the last recorded violation, the last verdict `fixed`, and
/// a change of the policies or of the tables they protect; in shadow of a managed runtime also of when
/// everything began to be recorded. Database time.
Time clean_since(const Observation& observed);

namespace gates {
GateResult database(const GateInput& input);      ///< reachable, primary, the same server, our claim
GateResult soak_time(const GateInput& input);     ///< enough clean time in this phase (R-A6)
GateResult violations(const GateInput& input);    ///< not more recorded denials than allowed (R-A6)
GateResult transactions(const GateInput& input);  ///< enough of the project's transactions seen (R-A6)
GateResult review(const GateInput& input);        ///< a verdict on every kind of violation (R-A6)
GateResult evidence(const GateInput& input);  ///< what enforcing would deny is being recorded, without gaps
GateResult posture(const GateInput& input);   ///< no finding that makes isolation an illusion
GateResult approval(const GateInput& input);  ///< enough different people said yes to this evidence
GateResult checks(const GateInput& input);    ///< what must hold outside of the operator (R-A14)
GateResult window(const GateInput& input);    ///< not frozen, and inside a window where there are some (R-C4)
GateResult wave(const GateInput& input);      ///< the waves before have arrived (R-A10)
GateResult group(const GateInput& input);     ///< the others of the group may go, too (R-A3)
GateResult hold(const GateInput& input);      ///< no brake below the step: annotation or hold row
}  // namespace gates

}  // namespace rls::decide
