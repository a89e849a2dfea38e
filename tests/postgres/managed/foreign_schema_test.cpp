// Who owns a schema or a table of the runtime could swap it; who may log in must not be able to keep the
// operator out.

#include <gmock/gmock.h>

#include "tests/postgres/managed/fixture.hpp"

namespace rls::postgres {
namespace {

using testing::HasSubstr;

class ManagedForeignSchema : public ManagedTest {
 protected:
  Error refused() {
    store = make();
    const auto facts = store->open(claimant);
    EXPECT_FALSE(facts.ok());
    return facts.ok() ? Error{} : facts.error();
  }
};

TEST_F(ManagedForeignSchema, OneThatATableOwnerMadeBeforehandIsRefused) {
  sql("CREATE SCHEMA rls AUTHORIZATION managed_owner");
  const Error error = refused();
  EXPECT_EQ(error.reason, "RuntimeNotOurs");
  EXPECT_THAT(error.message, HasSubstr("ALTER SCHEMA rls OWNER TO managed_operator"));
  EXPECT_EQ(value("SELECT to_regclass('rls.effective_access')"), "");
  sql("ALTER SCHEMA rls OWNER TO managed_operator");
  open();
}

// The operator is a member of the owner's role: that is no trust.
TEST_F(ManagedForeignSchema, TheOperatorsOwnSchemaToo) {
  sql("CREATE SCHEMA rls_operator AUTHORIZATION managed_owner");
  EXPECT_EQ(refused().reason, "RuntimeNotOurs");
}

TEST_F(ManagedForeignSchema, OneThatASuperuserMadeIsNot) {
  sql("CREATE SCHEMA rls; GRANT ALL ON SCHEMA rls TO managed_operator");
  open();
}

TEST_F(ManagedForeignSchema, ATableOrFunctionThatIsAnothersIsRefusedLater) {
  open();
  for (const char* object :
       {"TABLE rls.effective_access", "TABLE rls_operator.hold", "FUNCTION rls.set_project_context(text)",
        "FUNCTION rls_operator.tables()", "TYPE rls.migration_phase_enum"}) {
    sql("ALTER " + std::string(object) + " OWNER TO managed_owner");
    const Error error = refused();
    EXPECT_EQ(error.reason, "RuntimeNotOurs") << object;
    EXPECT_THAT(error.message, HasSubstr("ALTER " + std::string(object) + " OWNER TO managed_operator"));
    sql("ALTER " + std::string(object) + " OWNER TO managed_operator");
  }
  store = make();
  open();
}

class ManagedAdvisoryLock : public ManagedForeignSchema {
 protected:
  void hold() {
    holder_ = std::make_unique<pqxx::connection>(uri("managed_app"));
    pqxx::nontransaction work(*holder_);
    work.exec("SELECT pg_advisory_lock(hashtext('rls_operator schema'))");
  }

 private:
  std::unique_ptr<pqxx::connection> holder_;
};

TEST_F(ManagedAdvisoryLock, HoldsUpNoUpgradeAndNoRepair) {
  open();
  tend();
  hold();
  sql("UPDATE rls_operator.version SET number = 5; UPDATE rls_operator.runtime SET version = 0");
  store = make();
  open();
  sql("CREATE OR REPLACE FUNCTION rls_operator.wanted_form() RETURNS text LANGUAGE sql AS $$ SELECT "
      "'open' $$");
  EXPECT_EQ(tend().status.drift.size(), 1U);
  EXPECT_EQ(tend().status.drift.size(), 0U);
}

TEST_F(ManagedAdvisoryLock, OfTheFirstInstallationIsNamed) {
  hold();
  const Error error = refused();
  EXPECT_EQ(error.reason, "LockTimeout");
  EXPECT_THAT(error.message, HasSubstr("advisory lock of the first installation"));
}

}  // namespace
}  // namespace rls::postgres
