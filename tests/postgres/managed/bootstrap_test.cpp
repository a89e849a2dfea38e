// What `rlsctl bootstrap-sql --mode Adopted` gives the operator's role: what it needs, and no more.

#include "controller/postgres/bootstrap.hpp"

#include <gtest/gtest.h>

#include "tests/postgres/managed/fixture.hpp"

namespace rls::postgres {
namespace {

class BootstrapAdopted : public ManagedTest {
 protected:
  void SetUp() override {
    ManagedTest::SetUp();
    sql(R"(CREATE SCHEMA "old 'n' used";
           SET search_path = "old 'n' used";
           CREATE SEQUENCE of_others;
           CREATE SEQUENCE shared_numbers;
           CREATE TABLE rls_migration_status (id serial, project_id text, migration_phase text);
           CREATE TABLE rls_audit_log (id bigint DEFAULT nextval('shared_numbers'), project_id text);
           RESET search_path)");
    rights_.role = "managed_operator";
    rights_.mode = api::RuntimeMode::adopted;
    rights_.schema = "old 'n' used";
  }
  std::string may(const std::string& kind, const std::string& name, const std::string& right) {
    return value("SELECT has_" + kind + "_privilege('managed_operator', '\"old ''n'' used\"." + name +
                 "', '" + right + "')");
  }
  BootstrapWish rights_;
};

TEST_F(BootstrapAdopted, NeedsNoRegistry) {
  sql(bootstrap_sql(rights_));
  EXPECT_EQ(may("table", "rls_migration_status", "UPDATE"), "t");
  EXPECT_EQ(may("table", "rls_audit_log", "INSERT"), "t");
}

TEST_F(BootstrapAdopted, GivesTheSequencesOfItsTablesAlone) {
  sql(bootstrap_sql(rights_));
  EXPECT_EQ(may("sequence", "rls_migration_status_id_seq", "USAGE"), "t");
  EXPECT_EQ(may("sequence", "shared_numbers", "USAGE"), "t");
  EXPECT_EQ(may("sequence", "of_others", "USAGE"), "f");
}

TEST_F(BootstrapAdopted, ReadsARegistryThatIsThereAndMayBeRunAgain) {
  sql("CREATE TABLE \"old 'n' used\".project_registry (project_id text)");
  sql(bootstrap_sql(rights_));
  sql(bootstrap_sql(rights_));
  EXPECT_EQ(may("table", "project_registry", "SELECT"), "t");
  EXPECT_EQ(may("table", "project_registry", "UPDATE"), "f");
}

}  // namespace
}  // namespace rls::postgres
