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
  for (const char* command : {"bootstrap-sql", "install", "uninstall", "review", "approve", "resume",
                              "rollback", "status", "explain"})
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

TEST(Rlsctl, TakesWhatTheGatesTellPeopleToRun) {
  const auto approve = taken<Approve>({"approve", "sm", "--namespace", "tenants", "--phase", "enforcing"});
  EXPECT_EQ(approve.migration, "sm");
  EXPECT_EQ(approve.cluster.ns, "tenants");
  EXPECT_EQ(approve.phase, Phase::enforcing);
  EXPECT_FALSE(approve.yes);
  const auto resume = taken<Resume>({"resume", "sm", "--namespace", "tenants"});
  EXPECT_EQ(resume.migration, "sm");
  EXPECT_EQ(resume.cluster.ns, "tenants");
  EXPECT_FALSE(resume.wait);
}

TEST(Rlsctl, ApprovesAPhaseThatIsEnteredUntilATime) {
  EXPECT_EQ(taken<Approve>({"approve", "sm", "--phase", "shadow", "--expires", "24h", "--yes"}).expires,
            "24h");
  EXPECT_EQ(refused({"approve", "sm"}).code, 2);
  EXPECT_THAT(refused({"approve", "sm", "--phase", "pending"}).text, HasSubstr("--phase"));
  EXPECT_THAT(refused({"approve", "sm", "--phase", "shadow", "--expires", "soon"}).text,
              HasSubstr("neither a length of time (24h) nor a time"));
}

TEST(Rlsctl, RollsAMigrationOrAProjectBackWithAReason) {
  const auto rollback = taken<Rollback>(
      {"rollback", "sm", "-n", "t", "--to", "shadow", "--reason", "r", "--wait", "--timeout", "5s"});
  EXPECT_EQ(rollback.to, Phase::shadow);
  EXPECT_EQ(rollback.target.ns, "t");
  EXPECT_EQ(rollback.timeout, std::chrono::seconds{5});
  EXPECT_EQ(taken<Rollback>({"rollback", "--project", "p", "--to", "pending", "--reason", "r"}).project, "p");
  EXPECT_THAT(refused({"rollback", "--to", "shadow", "--reason", "r"}).text, HasSubstr("rollback of what?"));
  EXPECT_EQ(refused({"rollback", "sm", "--project", "p", "--to", "shadow", "--reason", "r"}).code, 2);
  EXPECT_THAT(refused({"rollback", "sm", "--to", "shadow"}).text, HasSubstr("--reason"));
  EXPECT_THAT(refused({"rollback", "sm", "--to", "complete", "--reason", "r"}).text, HasSubstr("--to"));
  EXPECT_THAT(refused({"rollback", "--project", "p", "--to", "pending", "--reason", "r", "--wait"}).text,
              HasSubstr("--wait needs a migration"));
  EXPECT_THAT(refused({"resume", "sm", "--wait", "--timeout", "long"}).text, HasSubstr("30s or 5m"));
}

TEST(Rlsctl, StatusOfOneMigrationExplainsIt) {
  EXPECT_TRUE(taken<Status>({"status", "-A", "--json"}).all_namespaces);
  EXPECT_EQ(taken<Status>({"status", "--database", "main"}).database, "main");
  EXPECT_EQ(taken<Explain>({"status", "sm", "-n", "t"}).cluster.ns, "t");
  EXPECT_EQ(taken<Explain>({"explain", "sm", "-n", "t"}).migration, "sm");
  EXPECT_EQ(refused({"status", "-A", "-n", "t"}).code, 2);
  EXPECT_EQ(refused({"status", "sm", "--json"}).code, 2);
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
