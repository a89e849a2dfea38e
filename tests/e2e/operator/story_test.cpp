// The whole life of one project, as kubectl describe tells it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/e2e/operator/lifecycle.hpp"

namespace rls::test {
namespace {

using testing::ElementsAreArray;

TEST(Describe, TellsTheLifeOfAProjectInOrder) {
  World world;
  world.create_database();
  world.start_operator();
  std::vector<std::string> told;
  /// The story goes on with these, and nothing else, before anything else is done.
  const auto then = [&](const std::vector<std::string>& reasons) {
    told.insert(told.end(), reasons.begin(), reasons.end());
    std::vector<std::string> found;
    const bool all =
        world.eventually([&] { return (found = story(world, "rlsm", "sm")).size() >= told.size(); });
    EXPECT_TRUE(all);
    EXPECT_THAT(found, ElementsAreArray(told));
    return !testing::Test::HasFailure();
  };
  const std::string gates =
      "  gates: {shadowSoak: 8s, enforcingSoak: 0s, windows: [{schedule: '0 0 29 2 *', duration: 1m}]}\n";
  const std::string open = "  gates: {shadowSoak: 8s, enforcingSoak: 168h}\n";

  ASSERT_TRUE(world.migrate("sm", "sm", "enforcing", gates + "  suspend: true\n").ok());
  ASSERT_TRUE(then({"Suspended", "GateWaiting"}));
  ASSERT_TRUE(world.migrate("sm", "sm", "enforcing", gates).ok());
  ASSERT_TRUE(then({"Resumed"}));
  ASSERT_TRUE(world.migrate("sm", "sm", "enforcing", open).ok());
  ASSERT_TRUE(then({"GatePassed", "Promoted", "GateWaiting", "GatePassed", "Promoted"}));
  ASSERT_TRUE(world.migrate("sm", "sm", "complete", open).ok());
  ASSERT_TRUE(then({"GateWaiting"}));
  ASSERT_TRUE(annotate(world, "sm", "hold-at=shadow"));
  ASSERT_TRUE(then({"Demoted", "Held"}));
}

}  // namespace
}  // namespace rls::test
