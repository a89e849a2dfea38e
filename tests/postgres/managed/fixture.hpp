#pragma once
// For each test a database of its own with an application's tables and no row-level security; the operator
// has the rights that `bootstrap_sql` gives it and no others.

#include <gtest/gtest.h>

#include <memory>
#include <pqxx/pqxx>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/seam.hpp"
#include "controller/postgres/sql_database.hpp"
#include "tests/support/decide_again.hpp"

namespace rls::postgres {

class ManagedTest : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  /// The URI of this test's database for that role; empty: the superuser.
  [[nodiscard]] std::string uri(std::string_view role = "") const;
  /// As the superuser.
  pqxx::result sql(const std::string& text);
  std::string value(
      const std::string& text);  ///< of the first column of the first row; "" where NULL or none
  /// As the application, in one transaction, committed. An empty project: no context at all.
  pqxx::result as(const std::string& project, const std::string& text);
  /// How many rows it returned or changed; -1: denied by row-level security.
  int rows_of(const std::string& project, const std::string& text);

  /// After the server was away.
  void reconnect() { admin_ = std::make_unique<pqxx::connection>(uri()); }

  std::unique_ptr<ProjectDatabase> make();
  void open();
  /// Tends with `wish`; fails the test where that fails.
  RuntimeReport tend();
  /// Tends until it is known which of the notes taken so far came: that takes until every transaction of that
  /// time has ended, those of other databases, too.
  void settle();
  decide::Observation see(const std::string& project);
  Result<MoveResult> go(const std::string& project, Phase from, Phase to);
  void must_go(const std::string& project, Phase from, Phase to);
  /// From pending to that phase, tended after each step as the operator does.
  void bring(const std::string& project, Phase to);
  /// The kinds of violations of a project: "app.nodes SELECT 1; …", by table and command.
  std::string noted(const std::string& project);

  Seam seam;
  std::unique_ptr<ProjectDatabase> store;
  RuntimeWish wish;
  Claimant claimant;

 private:
  std::string name_;
  std::unique_ptr<pqxx::connection> admin_;
};

}  // namespace rls::postgres
