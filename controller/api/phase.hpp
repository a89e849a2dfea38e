#pragma once
// The four phases of a project (R-A) and their order.

#include <array>
#include <optional>
#include <string_view>

namespace rls {

enum class Phase { pending, shadow, enforcing, complete };

inline constexpr std::array<Phase, 4> kPhases = {Phase::pending, Phase::shadow, Phase::enforcing,
                                                 Phase::complete};

std::string_view to_string(Phase phase);
std::optional<Phase> parse_phase(std::string_view text);

/// The step above `phase`: shadow is never skipped (R-A2). Precondition: phase is not complete.
Phase next_phase(Phase phase);

/// Whether sessions of the project are blocked by the policies: `rls_enabled` in the database (R-A5).
constexpr bool enforces(Phase phase) { return phase >= Phase::enforcing; }

}  // namespace rls
