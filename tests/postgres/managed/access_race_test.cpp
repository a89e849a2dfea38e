// What policies read (effective_access) follows registry, grants and phases, whoever changes them at the same
// time; and nobody's open transaction holds the moves of other projects up.

#include <gmock/gmock.h>

#include <chrono>
#include <future>
#include <thread>

#include "tests/postgres/managed/fixture.hpp"

namespace rls::postgres {
namespace {

struct Race {
  const char* name;
  const char* first;   ///< is committed last of all
  const char* second;  ///< begins while `first` is open
};

constexpr const char* kEnforce =
    "UPDATE rls.rls_migration_status SET migration_phase = 'enforcing' WHERE project_id = 'a'";
constexpr const char* kBind =
    "UPDATE rls.project_registry SET logins = '{managed_app}' WHERE project_id = 'a'";
constexpr const char* kShare =
    "UPDATE rls.project_registry SET access_level = 'SHARED' WHERE project_id = 'a'";
constexpr const char* kGrant = "INSERT INTO rls.project_read_permissions VALUES ('a', 'b')";

class ManagedAccess : public ManagedTest {
 protected:
  void SetUp() override {
    ManagedTest::SetUp();
    open();
    tend();
    bring("a", Phase::shadow);
  }
  /// Effective access of that project, as policies read it.
  std::string effective(const std::string& project) {
    return value(
        "SELECT concat_ws(' ', readable, reads_all, writes_all, noting, logins) FROM "
        "rls.effective_access WHERE project_id = '" +
        project + "'");
  }
  bool somebody_waits() {
    return value(
               "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
               "wait_event_type = 'Lock'") != "0";
  }
};

class ManagedAccessRace : public ManagedAccess, public testing::WithParamInterface<Race> {};

TEST_P(ManagedAccessRace, WhoIsSecondOverwritesNothingWithWhatWasBefore) {
  pqxx::connection one(uri("managed_operator"));
  pqxx::work work(one);
  work.exec(GetParam().first);
  auto second = std::async(std::launch::async, [this] {
    pqxx::connection two(uri("managed_operator"));
    pqxx::nontransaction(two).exec(GetParam().second);
  });
  for (int i = 0; i < 50 && !somebody_waits(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  work.commit();
  second.get();
  const std::string left = effective("a");
  sql("DELETE FROM rls.effective_access; UPDATE rls.project_registry SET access_level = access_level");
  EXPECT_EQ(left, effective("a")) << "what registry, grants and phases say";
}

INSTANTIATE_TEST_SUITE_P(Of, ManagedAccessRace,
                         testing::Values(Race{"BindingThenPromotion", kBind, kEnforce},
                                         Race{"PromotionThenBinding", kEnforce, kBind},
                                         Race{"LevelThenPromotion", kShare, kEnforce},
                                         Race{"PromotionThenLevel", kEnforce, kShare},
                                         Race{"GrantThenPromotion", kGrant, kEnforce},
                                         Race{"PromotionThenGrant", kEnforce, kGrant},
                                         Race{"GrantThenBinding", kGrant, kBind},
                                         Race{"BindingThenGrant", kBind, kGrant}),
                         [](const auto& one) { return std::string(one.param.name); });

// A project that is registered by hand has no status row yet: its first move makes one.
TEST_F(ManagedAccess, ARegistrationThatIsOpenIsNotOvertakenByAMove) {
  sql("INSERT INTO rls.project_registry VALUES ('e')");
  pqxx::connection one(uri("managed_operator"));
  pqxx::work work(one);
  work.exec("UPDATE rls.project_registry SET logins = '{managed_other}' WHERE project_id = 'e'");
  auto second = std::async(std::launch::async, [this] {
    pqxx::connection two(uri("managed_operator"));
    pqxx::nontransaction(two).exec(
        "INSERT INTO rls.rls_migration_status (project_id, migration_phase) VALUES ('e', 'enforcing')");
  });
  for (int i = 0; i < 50 && !somebody_waits(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  work.commit();
  second.get();
  EXPECT_EQ(effective("e"), "{e} f f f {managed_other}");
}

TEST_F(ManagedAccess, ARowThatIsStaleIsPutRightByTheNextLook) {
  const std::string a = effective("a"), none = effective("");
  sql("UPDATE rls.effective_access SET reads_all = true, writes_all = true, noting = false, readable = "
      "'{b}'; "
      "INSERT INTO rls.effective_access VALUES ('gone', '{}', true, true, false, NULL); DELETE FROM "
      "rls.effective_access WHERE project_id = 'c'");
  tend();
  EXPECT_EQ(effective("a"), a);
  EXPECT_EQ(effective(""), none);
  EXPECT_EQ(effective("gone"), "");
  EXPECT_NE(effective("c"), "");
}

TEST_F(ManagedAccess, WhatIsStaleAndHeldBySomebodyHoldsNoLookUp) {
  sql("UPDATE rls.effective_access SET reads_all = true WHERE project_id IN ('a', '')");
  pqxx::connection one(uri("managed_operator"));
  pqxx::work work(one);
  work.exec("SELECT FROM rls.project_registry WHERE project_id = 'a' FOR UPDATE");
  tend();
  EXPECT_EQ(
      value("SELECT string_agg(project_id, ',') FROM rls.effective_access WHERE reads_all AND project_id "
            "IN ('a', '')"),
      "a");
  work.commit();
  tend();
  EXPECT_EQ(value("SELECT reads_all FROM rls.effective_access WHERE project_id = 'a'"), "f");
}

// R-T2: the brake. Somebody's transaction about one project is open, and another goes down.
TEST_F(ManagedAccess, AnOpenTransactionAboutOneProjectHoldsNoOtherUp) {
  bring("b", Phase::enforcing);
  for (const char* text : {kBind, kGrant, "SELECT rls_operator.heal_access()"}) {
    pqxx::connection one(uri("managed_operator"));
    pqxx::work work(one);
    work.exec(text);
    must_go("b", Phase::enforcing, Phase::shadow);
    must_go("b", Phase::shadow, Phase::enforcing);
    work.abort();
  }
}

}  // namespace
}  // namespace rls::postgres
