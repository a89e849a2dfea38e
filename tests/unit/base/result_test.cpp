#include "controller/base/result.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace rls {
namespace {

Result<int> half(int number) {
  if (number % 2 != 0) return terminal("Odd", std::to_string(number) + " is odd");
  return number / 2;
}

TEST(Result, HoldsAValue) {
  const Result<int> result = half(4);
  EXPECT_TRUE(result.ok());
  EXPECT_TRUE(static_cast<bool>(result));
  EXPECT_EQ(result.value(), 2);
  EXPECT_EQ(*result, 2);
}

TEST(Result, OrAnError) {
  const Result<int> result = half(3);
  EXPECT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, ErrorKind::terminal);
  EXPECT_EQ(result.error().reason, "Odd");
  EXPECT_EQ(result.error().message, "3 is odd");
}

TEST(Result, HoldsWhatCanOnlyBeMoved) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(7);
  const std::unique_ptr<int> taken = std::move(result).value();
  EXPECT_EQ(*taken, 7);
}

TEST(Result, LetsItsValueBeChanged) {
  Result<std::string> result = std::string("a");
  *result += "b";
  result->push_back('c');
  EXPECT_EQ(result.value(), "abc");
}

TEST(Result, OfNothingIsSuccessByDefault) {
  EXPECT_TRUE(Result<void>{}.ok());
  EXPECT_TRUE(Result<void>{Ok{}}.ok());
  const Result<void> failed = conflict("Stale", "decide again");
  EXPECT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().kind, ErrorKind::conflict);
}

TEST(Result, ErrorsAreMadeByKind) {
  EXPECT_EQ(transient("A", "").kind, ErrorKind::transient);
  EXPECT_EQ(conflict("A", "").kind, ErrorKind::conflict);
  EXPECT_EQ(terminal("A", "").kind, ErrorKind::terminal);
  EXPECT_EQ(in_doubt("A", "").kind, ErrorKind::in_doubt);
  EXPECT_EQ(to_string(ErrorKind::transient), "transient");
  EXPECT_EQ(to_string(ErrorKind::conflict), "conflict");
  EXPECT_EQ(to_string(ErrorKind::terminal), "terminal");
  EXPECT_EQ(to_string(ErrorKind::in_doubt), "in doubt");
}

#ifndef NDEBUG
TEST(ResultDeathTest, ReadingTheWrongSideIsAMistake) {
  EXPECT_DEATH((void)half(3).value(), "");
  EXPECT_DEATH((void)half(4).error(), "");
}
#endif

}  // namespace
}  // namespace rls
