// Projects that go up together or not at all (R-A3).

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/operator/lifecycle.hpp"

namespace rls::test {
namespace {

using testing::HasSubstr;

const std::string kGroup =
    "  group: {name: three, members: [ab, aa, bap]}\n  gates: {shadowSoak: 0s, enforcingSoak: 0s}\n";
const std::vector<std::string> kMembers = {"ab", "aa", "bap"};

class Groups : public testing::Test {
 protected:
  Groups() {
    world.create_database();
    world.start_operator();
  }
  /// Both of the others wait, and say so of `culprit` in the same way.
  bool the_others_wait(const std::string& culprit, const std::string& state, const std::string& why) {
    return world.eventually([&] {
      for (const std::string& member : kMembers) {
        if (member == culprit) continue;
        if (gate(world, member, "Group") != state ||
            gate(world, member, "Group", "message").find("held back by \"" + culprit + "\" (" + why) ==
                std::string::npos)
          return false;
      }
      return true;
    });
  }
  World world;
};

TEST_F(Groups, R_A3_WhereTheDatabaseRefusesOneRowNoneMoves) {
  world.sql(
      "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not in the "
      "last "
      "week of a quarter'; END $$; CREATE TRIGGER refuse BEFORE UPDATE ON rls_migration_status FOR EACH ROW "
      "WHEN (NEW.project_id = 'aa' AND NEW.migration_phase = 'enforcing') EXECUTE FUNCTION refuse()");
  for (const std::string& member : kMembers)
    ASSERT_TRUE(world.migrate(member, member, "enforcing", kGroup).ok());
  // Another project, which is not in the group, is not held up.
  ASSERT_TRUE(world.migrate("sm", "sm", "enforcing", kNoWait).ok());
  ASSERT_TRUE(becomes(world, "aa", "Ready", "False/MoveRefused"));
  ASSERT_TRUE(becomes(world, "ab", "Ready", "False/GroupHeldBack"));
  ASSERT_TRUE(becomes(world, "bap", "Ready", "False/GroupHeldBack"));
  for (const std::string& member : kMembers) {
    EXPECT_THAT(world.message(member), HasSubstr("the database refuses to move project \"aa\""));
    EXPECT_THAT(world.message(member), HasSubstr("not in the last week of a quarter"));
    EXPECT_EQ(steps(world, member), "pending>shadow");
    EXPECT_EQ(world.phase_in_database(member), "shadow");
  }
  EXPECT_TRUE(arrives(world, "sm", "enforcing"));

  world.sql("DROP TRIGGER refuse ON rls_migration_status");
  for (const std::string& member : kMembers) ASSERT_TRUE(annotate(world, member, "requested-at=now"));
  for (const std::string& member : kMembers) ASSERT_TRUE(arrives(world, member, "enforcing"));
  EXPECT_EQ(transactions_of(world, "'ab', 'aa', 'bap'", "shadow"), "3 in 1");
  EXPECT_EQ(transactions_of(world, "'ab', 'aa', 'bap'", "enforcing"), "3 in 1");
}

TEST_F(Groups, AMemberThatCannotGoHoldsTheOthersBackAndTheySayWhy) {
  ASSERT_TRUE(world.migrate("aa", "aa", "enforcing", kGroup).ok());
  ASSERT_TRUE(world.migrate("bap", "bap", "enforcing", kGroup).ok());
  ASSERT_TRUE(the_others_wait("ab", "Blocked", "no RlsMigration names it"));
  ASSERT_TRUE(world.migrate("ab", "ab", "enforcing", kGroup + "  suspend: true\n").ok());
  ASSERT_TRUE(the_others_wait("ab", "Waiting", "spec.suspend stops promotions"));
  ASSERT_TRUE(annotate(world, "ab", "hold-at=pending"));
  ASSERT_TRUE(patch(world, "ab", R"({"spec":{"suspend":false}})").ok());
  ASSERT_TRUE(the_others_wait("ab", "Waiting", "held at pending by annotation"));
  ASSERT_TRUE(patch(world, "ab", R"({"spec":{"group":{"members":["ab","aa"]}}})").ok());
  ASSERT_TRUE(the_others_wait("ab", "Waiting", "its spec.group is another one"));
  ASSERT_TRUE(world.kubectl({"delete", "rlsm/ab"}).ok());
  ASSERT_TRUE(the_others_wait("ab", "Blocked", "no RlsMigration names it"));
  for (const std::string& member : kMembers) EXPECT_EQ(steps(world, member), "") << member;

  ASSERT_TRUE(world.migrate("ab", "ab", "enforcing", kGroup).ok());
  for (const std::string& member : kMembers) ASSERT_TRUE(arrives(world, member, "enforcing"));
  EXPECT_EQ(transactions_of(world, "'ab', 'aa', 'bap'", "shadow"), "3 in 1");
  EXPECT_EQ(transactions_of(world, "'ab', 'aa', 'bap'", "enforcing"), "3 in 1");

  // Down each goes alone, at once.
  ASSERT_TRUE(patch(world, "aa", R"({"spec":{"phase":"pending"}})").ok());
  ASSERT_TRUE(arrives(world, "aa", "pending"));
  EXPECT_EQ(world.field("ab", "status.phase"), "enforcing");
  EXPECT_EQ(world.field("bap", "status.phase"), "enforcing");
}

}  // namespace
}  // namespace rls::test
