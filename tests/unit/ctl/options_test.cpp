#include "controller/ctl/options.hpp"

#include <gmock/gmock.h>

#include "controller/postgres/bootstrap.hpp"

namespace rls::ctl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

EarlyExit refused(const std::vector<std::string>& arguments) {
  const auto parsed = parse_command(arguments);
  const auto* const exit = std::get_if<EarlyExit>(&parsed);
  return exit == nullptr ? EarlyExit{-1, "taken"} : *exit;
}

template <class Wanted>
Wanted taken(const std::vector<std::string>& arguments) {
  const auto parsed = parse_command(arguments);
  if (const auto* const exit = std::get_if<EarlyExit>(&parsed)) {
    ADD_FAILURE() << exit->text;
    return {};
  }
  return std::get<Wanted>(std::get<Command>(parsed));
}

TEST(Rlsctl, HelpTellsOfEveryCommandAndEnds) {
  const EarlyExit help = refused({"--help"});
  EXPECT_EQ(help.code, 0);
  for (const char* command : {"bootstrap-sql", "install", "uninstall", "review"})
    EXPECT_THAT(help.text, HasSubstr(command));
  EXPECT_EQ(refused({"review", "fixed", "--help"}).code, 0);
  EXPECT_EQ(refused({"--version"}).text, "rlsctl " RLS_VERSION "\n");
}

TEST(Rlsctl, WhatCannotBeUnderstoodEndsWithTwoAndSaysWhat) {
  EXPECT_EQ(refused({}).code, 2);
  EXPECT_EQ(refused({"frobnicate"}).code, 2);
  EXPECT_EQ(refused({"review"}).code, 2);
  const EarlyExit mode = refused({"bootstrap-sql", "--mode", "Other"});
  EXPECT_EQ(mode.code, 2);
  EXPECT_THAT(mode.text, HasSubstr("--mode"));
  EXPECT_THAT(refused({"review", "fixed"}).text, HasSubstr("fingerprint"));
}

TEST(Rlsctl, TakesVerdictsWithTheirKinds) {
  const auto set = taken<ReviewSet>({"review", "false-positive", "aa", "bb", "--by", "ann", "--comment",
                                     "a report", "-d", "main", "-n", "tenants"});
  EXPECT_EQ(set.verdict, "false-positive");
  EXPECT_THAT(set.fingerprints, ElementsAre("aa", "bb"));
  EXPECT_EQ(set.by, "ann");
  EXPECT_EQ(set.target.database, "main");
  EXPECT_EQ(set.target.ns, "tenants");
  EXPECT_EQ(taken<ReviewList>({"review", "list", "sm", "--all", "--json"}).project, "sm");
}

TEST(Rlsctl, UninstallAsksForAYes) {
  EXPECT_FALSE(taken<Uninstall>({"uninstall", "-d", "main"}).yes);
  EXPECT_TRUE(taken<Uninstall>({"uninstall", "--yes", "-d", "main"}).yes);
}

TEST(BootstrapSql, NoNameBreaksOutOfIts) {
  postgres::BootstrapWish wish;
  wish.role = "o'p\\er\"ator$rights$";
  wish.owners = {"x'; DROP TABLE t; --"};
  const std::string text = postgres::bootstrap_sql(wish);
  EXPECT_THAT(text, HasSubstr(R"("o'p\er""ator$rights$")"));
  EXPECT_THAT(text, HasSubstr(R"(E'x''; DROP TABLE t; --')"));
  EXPECT_THAT(text, HasSubstr("DO $rrights$"));
}

}  // namespace
}  // namespace rls::ctl
