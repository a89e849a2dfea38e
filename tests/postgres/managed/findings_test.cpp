// What row-level security itself breaks, whatever the policies say: named before it hurts.

#include <gmock/gmock.h>

#include <map>

#include "tests/postgres/managed/fixture.hpp"

namespace rls::postgres {
namespace {

using testing::HasSubstr;

class ManagedFindings : public ManagedTest {
 protected:
  /// By id, the objects.
  std::map<std::string, std::string> findings() {
    std::map<std::string, std::string> out;
    for (const api::Finding& finding : tend().findings) out[finding.id] += finding.object + ";";
    return out;
  }
};

TEST_F(ManagedFindings, NameWhatIsThere) {
  sql("SET ROLE managed_owner; CREATE INDEX lower_label ON app.nodes USING gin (to_tsvector('simple', "
      "label)); "
      "CREATE TABLE app.unindexed (project_id text); RESET ROLE; ALTER ROLE managed_other SET row_security = "
      "off");
  open();
  const auto found = findings();
  EXPECT_THAT(found.at("IndexNotUsed"), HasSubstr("app.lower_label"));
  EXPECT_THAT(found.at("NoProjectIndex"), HasSubstr("app.unindexed"));
  EXPECT_THAT(found.at("CascadeIgnoresPolicies"), HasSubstr("app.parts"));
  EXPECT_THAT(found.at("RowSecurityOff"), HasSubstr("managed_other"));
  EXPECT_TRUE(found.contains("CopyFromFails"));
  sql("ALTER ROLE managed_other RESET row_security");
}

TEST_F(ManagedFindings, AreTrue) {
  open();
  tend();
  pqxx::connection application(uri("managed_app"));
  const auto refused = [&](const std::string& text) {
    pqxx::nontransaction work(application);
    try {
      work.exec(text);
      return std::string("done");
    } catch (const pqxx::insufficient_privilege&) {
      return std::string("42501");
    } catch (const pqxx::sql_error& error) {
      return error.sqlstate();
    }
  };
  EXPECT_EQ(refused("COPY app.nodes (id, project_id) FROM STDIN"), "0A000");
  EXPECT_EQ(refused("SET row_security = off"), "done");
  EXPECT_EQ(refused("SELECT count(*) FROM app.nodes"), "42501");
}

TEST_F(ManagedFindings, AnIndexThatPlansStillUseIsNotNamed) {
  open();
  const auto found = findings();
  EXPECT_FALSE(found.contains("IndexNotUsed")) << found.at("IndexNotUsed");
}

}  // namespace
}  // namespace rls::postgres
