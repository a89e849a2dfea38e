#include "tests/postgres/store/fixture.hpp"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

// libpqxx 6.4 loses one PGresult with each connection that breaks under a statement. Read by LeakSanitizer.
extern "C" const char* __lsan_default_suppressions();  // NOLINT: its name
extern "C" const char* __lsan_default_suppressions() { return "leak:libpqxx\n"; }

namespace rls::postgres {
namespace {

std::string server_uri() {
  const char* const uri = std::getenv("DATABASE_URL");
  return uri == nullptr ? "" : uri;
}

/// `uri` with another database, and another user where given.
std::string with(const std::string& uri, std::string_view database, std::string_view role,
                 std::string_view password) {
  const std::size_t scheme = uri.find("://") + 3;
  const std::size_t at = uri.find('@', scheme);
  const std::size_t slash = uri.find('/', at == std::string::npos ? scheme : at);
  const std::size_t query = uri.find('?', slash);
  const std::string who =
      role.empty() ? uri.substr(scheme, at - scheme) : std::string(role) + ":" + std::string(password);
  return uri.substr(0, scheme) + who + uri.substr(at, slash - at) + "/" + std::string(database) +
         (query == std::string::npos ? "" : uri.substr(query));
}

void run(pqxx::connection& connection, const std::string& text) {
  pqxx::nontransaction work(connection);
  work.exec(text);
}

/// The template: made once by the process, dropped at its end. Other test processes have their own; the roles
/// they share, so making them takes turns.
class Template final : public testing::Environment {
 public:
  static const std::string& name() {
    static const std::string text = "rls_store_" + std::to_string(::getpid());
    return text;
  }
  void SetUp() override {
    const std::string uri = server_uri();
    ASSERT_FALSE(uri.empty())
        << "DATABASE_URL is not set: these tests need a PostgreSQL server, as superuser; "
           "dev/cluster up --no-kube starts one, dev/test does it by itself";
    ASSERT_NE(uri.find('@'), std::string::npos)
        << "DATABASE_URL must be postgresql://user:password@host:port/database";
    pqxx::connection admin(uri);
    run(admin, "SELECT pg_advisory_lock(hashtext('sample roles'))");
    run(admin, "CREATE DATABASE " + name());
    const std::string command =
        "psql -X -v app_password=sample-app-password -v "
        "operator_password=sample-operator-password -v rows=20 -f " RLS_SOURCE_DIR
        "/dev/sample/install.sql '" +
        with(uri, name(), "", "") + "'";
    ASSERT_EQ(std::system(command.c_str()), 0) << "dev/sample/install.sql failed";
  }
  void TearDown() override {
    if (server_uri().empty()) return;
    pqxx::connection admin(server_uri());
    run(admin, "DROP DATABASE IF EXISTS " + name() + " WITH (FORCE)");
  }
};
const auto* const kTemplate = testing::AddGlobalTestEnvironment(new Template);

}  // namespace

DecideAgain always(std::span<const Move> moves) {
  return each([moves](std::size_t i, const decide::Observation&) { return std::optional(moves[i].to); });
}

Move a_move(std::string project, Phase from, Phase to) {
  return {std::move(project), from, to, "all gates passed", "RlsMigration team-a/x"};
}

Time StoreTest::database_time() {
  return Time{std::chrono::microseconds{
      sql("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")[0][0].as<std::int64_t>()}};
}

bool StoreTest::eventually(const std::string& query) {
  using std::chrono_literals::operator""s;
  using std::chrono_literals::operator""ms;
  pqxx::connection connection(uri());
  const auto deadline = std::chrono::steady_clock::now() + 120s;
  for (;;) {
    if (sql_on(connection, query)[0][0].as<bool>()) return true;
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(10ms);
  }
}

void StoreTest::while_shared(const std::string& table, const std::function<void()>& then) {
  using std::chrono_literals::operator""ms;
  std::atomic<bool> stop{false};
  std::vector<std::thread> busy;
  for (int i = 0; i < 4; ++i) {
    busy.emplace_back([&] {
      pqxx::connection connection(uri());
      while (!stop) {
        pqxx::work work(connection);
        work.exec("SELECT FROM rls_operator." + table + " FOR SHARE");
        std::this_thread::sleep_for(30ms);
      }
    });
  }
  std::this_thread::sleep_for(50ms);
  then();
  stop = true;
  for (std::thread& thread : busy) thread.join();
}

std::shared_ptr<const Mandate> StoreTest::mandate_of(std::string holder) {
  return std::make_shared<const Mandate>(
      Mandate{std::move(holder), [](std::int64_t epoch) { return Result<std::int64_t>(epoch + 1); }});
}

void StoreTest::SetUp() {
  static std::atomic<int> counter{0};
  name_ = Template::name() + "_" + std::to_string(++counter);
  pqxx::connection server(server_uri());
  run(server, "CREATE DATABASE " + name_ + " TEMPLATE " + Template::name());
  run(server, "GRANT CREATE ON DATABASE " + name_ + " TO rls_operator_role");
  admin_ = std::make_unique<pqxx::connection>(uri());
  store = make();
}

void StoreTest::TearDown() {
  store.reset();
  admin_.reset();
  pqxx::connection server(server_uri());
  run(server, "DROP DATABASE IF EXISTS " + name_ + " WITH (FORCE)");
}

std::string StoreTest::uri(std::string_view role, std::string_view password) const {
  return with(server_uri(), name_, role, password);
}

pqxx::result StoreTest::sql_on(pqxx::connection& connection, const std::string& text) {
  pqxx::nontransaction work(connection);
  return work.exec(text);
}

std::string StoreTest::value(const std::string& text) {
  const pqxx::result result = sql(text);
  return result.empty() ? "" : result[0][0].c_str();
}

pqxx::result StoreTest::as_application(const std::string& project, const std::string& text) {
  pqxx::connection connection(uri("app_user", kAppPassword));
  pqxx::work work(connection);
  work.exec_params("SELECT set_project_context($1)", project);
  pqxx::result result = work.exec(text);
  work.commit();
  return result;
}

std::unique_ptr<ProjectDatabase> StoreTest::make(Timeouts timeouts, std::string schema) {
  auto settings = parse_connection_settings(operator_uri());
  EXPECT_TRUE(settings.ok());
  return make_adopted_database(std::move(*settings), std::move(schema), timeouts, seam);
}

void StoreTest::open(ProjectDatabase& database) {
  const auto facts = database.open(claimant);
  ASSERT_TRUE(facts.ok()) << facts.error().reason << ": " << facts.error().message;
}

decide::Observation StoreTest::see(const std::string& project, Phase wanted) {
  const std::vector<ProjectQuery> queries = {{project, wanted}};
  auto seen = store->observe(queries);
  if (!seen) {
    ADD_FAILURE() << seen.error().reason << ": " << seen.error().message;
    return {};
  }
  return (*seen)[0];
}

Result<MoveResult> StoreTest::go(const std::string& project, Phase from, Phase to) {
  see(project, to);
  const std::vector<Move> moves = {a_move(project, from, to)};
  auto results = store->move(moves, always(moves));
  if (!results) return results.error();
  return (*results)[0];
}

void StoreTest::must_go(const std::string& project, Phase from, Phase to) {
  const auto result = go(project, from, to);
  ASSERT_TRUE(result.ok()) << result.error().reason << ": " << result.error().message;
  ASSERT_EQ(result.value().outcome, MoveOutcome::moved)
      << (result.value().error ? result.value().error->message : std::string("obsolete"));
}

std::string StoreTest::phase_of(const std::string& project) {
  return value("SELECT migration_phase FROM rls_migration_status WHERE project_id = '" + project + "'");
}

int StoreTest::ledger_rows(const std::string& project) {
  return std::stoi(
      value("SELECT count(*) FROM rls_operator.transition WHERE project_id = '" + project + "'"));
}

}  // namespace rls::postgres
