// Anybody may call what policies call to note. What a policy would not note is not noted; and what is noted
// names the login, and no value of the statement.

#include <gmock/gmock.h>

#include "tests/postgres/managed/fixture.hpp"

namespace rls::postgres {
namespace {

using testing::HasSubstr;
using testing::Not;
using State = decide::Evidence::State;

class ManagedForged : public ManagedTest {
 protected:
  void SetUp() override {
    ManagedTest::SetUp();
    open();
    tend();
    bring("a", Phase::shadow);
    bring("b", Phase::shadow);
    sql("UPDATE rls.project_registry SET logins = '{managed_app}' WHERE project_id = 'a'; UPDATE "
        "rls.project_registry SET logins = '{managed_other}' WHERE project_id = 'b'");
    tend();
  }
  /// As managed_other, who is bound to b.
  void forge(const std::string& context, const std::string& arguments, bool commit) {
    pqxx::connection connection(uri("managed_other"));
    pqxx::work work(connection);
    work.exec_params("SELECT set_config('app.current_project', $1, true)", context);
    work.exec("SELECT rls.note_violation(" + arguments + ")");
    if (commit) {
      work.commit();
    } else {
      work.abort();
    }
  }
  std::string waiting() { return value("SELECT count(*) FROM rls_operator.violation_inbox"); }
};

TEST_F(ManagedForged, ForAProjectOfOthersNothingIsNoted) {
  forge("a", "1, 'i', true, 'managed_app', 'forged'", true);
  forge("made up", "1, 'i', true, 'managed_app', 'forged'", true);
  forge("c", "1, 'i', true, 'managed_app', 'forged'", true);  // pending
  forge("b", "999, 'i', true, 'managed_other', 'forged'", true);
  forge("b", "1, 'x', true, 'managed_other', 'forged'", true);
  forge("b", "NULL, 'i', true, NULL, NULL", true);
  EXPECT_EQ(waiting(), "0");
}

TEST_F(ManagedForged, WhatIsRolledBackInAContextOfOthersStartsNobodysSoakAnew) {
  const auto since = see("a").recorded_since;
  forge("a", "1, 'i', true, 'managed_app', 'forged'", false);
  forge("made up", "1, 's', false, 'x', 'y'", false);
  settle();
  EXPECT_EQ(see("a").evidence.state, State::complete) << see("a").evidence.why;
  EXPECT_EQ(see("a").recorded_since, since);
}

TEST_F(ManagedForged, NobodyIsNamedWhoTheSessionCouldNotBe) {
  forge("b", "1, 'i', true, 'postgres', 'forged'", true);
  forge("b", "1, 'd', true, 'no such role', 'forged'", true);
  tend();
  EXPECT_EQ(value("SELECT string_agg(DISTINCT user_name, ',') FROM rls.rls_audit_log WHERE would_be_denied"),
            "managed_other");
}

TEST_F(ManagedForged, ARoleThatWasSetIsNamedAndSoIsItsLogin) {
  sql("GRANT managed_app TO managed_other");
  {
    pqxx::connection connection(uri("managed_other"));
    pqxx::work work(connection);
    work.exec("SELECT rls.set_project_context('b'); SET LOCAL ROLE managed_app; SELECT * FROM app.nodes");
    work.commit();
  }
  tend();
  sql("REVOKE managed_app FROM managed_other");
  EXPECT_EQ(value("SELECT user_name FROM rls.rls_audit_log WHERE would_be_denied"), "managed_app");
  EXPECT_THAT(value("SELECT reason FROM rls.rls_audit_log WHERE would_be_denied"),
              HasSubstr("login managed_other"));
}

TEST_F(ManagedForged, WithoutAContextItIsNotedAsBefore) {
  as("", "SELECT * FROM app.nodes");
  EXPECT_EQ(value("SELECT string_agg(context || (number < 0), ',') FROM rls_operator.violation_inbox"),
            "true");
}

TEST_F(ManagedForged, AQuotedNameHidesNoValue) {
  sql("ALTER TABLE app.nodes ADD \"it's\" text");
  as("a", "SELECT \"it's\" FROM app.nodes WHERE label = 'top secret' OR id = 1");
  as("a",
     "SELECT \"it's\", id FROM app.nodes WHERE label = 'top secret' OR id = 1 OR label = 'it''s \"so\"'");
  as("a", "DELETE FROM \"app\".\"nodes\" WHERE \"id\" = 1 AND \"label\" <> 'say \"top secret\" or it''s'");
  tend();
  const std::string all =
      value("SELECT string_agg(query, ' ' ORDER BY operation) FROM rls_operator.violation");
  EXPECT_EQ(value("SELECT sum(count) FROM rls_operator.violation WHERE table_name = 'app.nodes'"), "3");
  EXPECT_THAT(all, Not(HasSubstr("secret")));
  EXPECT_THAT(all, HasSubstr("DELETE FROM \"app\".\"nodes\" WHERE \"id\" = ? AND \"label\" <> ?"));
}

}  // namespace
}  // namespace rls::postgres
