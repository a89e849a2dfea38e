#pragma once
// A genuine server, and for each test a database of its own made from dev/sample.

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <pqxx/pqxx>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/seam.hpp"
#include "controller/postgres/sql_database.hpp"
#include "tests/support/decide_again.hpp"

namespace rls::postgres {

/// A statement fault at a number, and the names of the statements that passed.
class TestSeam final : public Seam {
 public:
  std::vector<std::string> names;
  std::uint64_t fault_at = 0;  ///< counted from the last `restart`; 0: none
  std::string fault_on;        ///< the first statement of that name
  Fault fault = Fault::none;
  std::function<void(std::string_view)> before;  ///< called before each statement

  void restart() {
    names.clear();
    fault_at = 0;
    fault_on.clear();
  }

 private:
  Fault choose(std::uint64_t, CallKind, std::string_view what) override {
    names.emplace_back(what);
    if (before) before(what);
    const bool named = !fault_on.empty() && what == fault_on;
    if (named) fault_on.clear();
    return named || names.size() == fault_at ? fault : Fault::none;
  }
};

/// A move that decides the same again.
DecideAgain always(std::span<const Move> moves);
Move a_move(std::string project, Phase from, Phase to);

class StoreTest : public testing::Test {
 protected:
  static constexpr const char* kAppPassword = "sample-app-password";
  static constexpr const char* kOperatorPassword = "sample-operator-password";

  void SetUp() override;
  void TearDown() override;

  /// The URI of this test's database for that role; empty: the superuser.
  [[nodiscard]] std::string uri(std::string_view role = "", std::string_view password = "") const;
  [[nodiscard]] std::string operator_uri() const { return uri("rls_operator_role", kOperatorPassword); }

  /// As the superuser.
  pqxx::result sql(const std::string& text) { return sql_on(*admin_, text); }
  std::string value(
      const std::string& text);  ///< of the first column of the first row; "" where NULL or none
  static pqxx::result sql_on(pqxx::connection& connection, const std::string& text);
  /// As the application, in the context of a project, committed: rows affected or selected. Throws what
  /// Postgres does.
  pqxx::result as_application(const std::string& project, const std::string& text);

  /// The operator's own, as the least-privileged role, not opened.
  std::unique_ptr<ProjectDatabase> make(Timeouts timeouts = {.lock = std::chrono::milliseconds{500},
                                                             .statement = std::chrono::milliseconds{5000},
                                                             .policies = std::chrono::milliseconds{0},
                                                             .commit = std::chrono::milliseconds{3000}},
                                        std::string schema = "public");
  /// Opens `store`; fails the test where that fails.
  void open(ProjectDatabase& store);
  void open() { open(*store); }
  decide::Observation see(const std::string& project, Phase wanted = Phase::pending);
  /// Sees, then moves one project: the one result.
  Result<MoveResult> go(const std::string& project, Phase from, Phase to);
  /// Same, and the test fails where it is not moved.
  void must_go(const std::string& project, Phase from, Phase to);
  std::string phase_of(const std::string& project);
  [[nodiscard]] Time database_time();
  /// Polls until this query says true; false where it does not within two minutes. On a connection of its
  /// own, so beside whatever the test waits in.
  bool eventually(const std::string& query);
  /// Until somebody in this test's database waits for a lock.
  bool somebody_waits() {
    return eventually(
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = "
        "'Lock'");
  }
  /// Runs `then` while ever new transactions of others hold the row of rls_operator.<table> FOR SHARE.
  void while_shared(const std::string& table, const std::function<void()>& then);
  int ledger_rows(const std::string& project);

  TestSeam seam;
  std::unique_ptr<ProjectDatabase> store;
  /// Of a leader whose Lease has as low a number as can be.
  static std::shared_ptr<const Mandate> mandate_of(std::string holder);
  Claimant claimant{.install_id = "install-1",
                    .database = {"team-a", "main"},
                    .database_uid = "uid-1",
                    .mandate = mandate_of("leader-1")};

 private:
  std::string name_;
  std::unique_ptr<pqxx::connection> admin_;
};

}  // namespace rls::postgres
