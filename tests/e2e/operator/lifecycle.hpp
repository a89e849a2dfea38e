#pragma once
// What the tests of the lifecycle ask of a world: steps, gates, holds and the story that is told. An
// RlsMigration has the name of its project here.

#include <string>
#include <vector>

#include "tests/support/world.hpp"

namespace rls::test {

inline constexpr const char* kNoWait = "  gates: {shadowSoak: 0s, enforcingSoak: 0s}\n";

/// The ledger of a project without what was found there: "pending>shadow shadow>enforcing".
std::string steps(World& world, const std::string& project);
/// How many steps of projects, "'ab', 'aa'", to a phase there are, and in how many transactions.
std::string transactions_of(World& world, const std::string& projects, const std::string& to);

/// Waits until the operator has looked at an object as it is now: what comes later finds it so.
bool seen(World& world, const std::string& name, const std::string& kind);

/// The status says the phase, and so does the ledger's last row.
bool arrives(World& world, const std::string& project, const std::string& phase);
bool becomes(World& world, const std::string& project, const std::string& condition,
             const std::string& wanted);

/// One field of a line of status.gates; "" where it has none.
std::string gate(World& world, const std::string& project, const std::string& name,
                 const std::string& path = "state");
/// The gate comes into the state, with the text in its message.
bool gate_is(World& world, const std::string& project, const std::string& name, const std::string& state,
             const std::string& text = {});

bool annotate(World& world, const std::string& project, const std::string& annotation);
Output patch(World& world, const std::string& project, const std::string& json);

/// The reasons of an object's Events, in the order in which kubectl describe shows them.
std::vector<std::string> story(World& world, const std::string& kind, const std::string& name);
bool tells(World& world, const std::string& project, const std::string& reason);

}  // namespace rls::test
