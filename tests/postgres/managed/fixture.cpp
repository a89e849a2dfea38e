#include "tests/postgres/managed/fixture.hpp"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "controller/postgres/bootstrap.hpp"

extern "C" const char* __lsan_default_suppressions();  // NOLINT: its name
extern "C" const char* __lsan_default_suppressions() { return "leak:libpqxx\n"; }

namespace rls::postgres {
namespace {

constexpr const char* kPassword = "managed-password";

std::string server_uri() {
  const char* const uri = std::getenv("DATABASE_URL");
  return uri == nullptr ? "" : uri;
}

std::string with(const std::string& uri, std::string_view database, std::string_view role) {
  const std::size_t scheme = uri.find("://") + 3;
  const std::size_t at = uri.find('@', scheme);
  const std::size_t slash = uri.find('/', at);
  const std::string who =
      role.empty() ? uri.substr(scheme, at - scheme) : std::string(role) + ":" + kPassword;
  return uri.substr(0, scheme) + who + uri.substr(at, slash - at) + "/" + std::string(database);
}

void run(pqxx::connection& connection, const std::string& text) {
  pqxx::nontransaction work(connection);
  work.exec(text);
}

constexpr const char* kRoles = R"(
SELECT pg_advisory_lock(hashtext('managed roles'));
DO $$ BEGIN CREATE ROLE managed_owner NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
DO $$ BEGIN CREATE ROLE managed_app LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
DO $$ BEGIN CREATE ROLE managed_other LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
ALTER ROLE managed_app PASSWORD 'managed-password';
ALTER ROLE managed_other PASSWORD 'managed-password';
)";

// Projects a to d have rows everywhere.
constexpr const char* kApplication = R"(
CREATE SCHEMA app AUTHORIZATION managed_owner;
GRANT USAGE ON SCHEMA app TO managed_app, managed_other;
SET ROLE managed_owner;
ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO managed_app, managed_other;
CREATE TABLE app.nodes (id int PRIMARY KEY, project_id varchar(50) NOT NULL, label text NOT NULL DEFAULT '');
CREATE INDEX ON app.nodes (project_id);
INSERT INTO app.nodes SELECT i, substr('abcd', 1 + i % 4, 1), 'n' || i FROM generate_series(1, 40) i;
CREATE TABLE app.loose (id int PRIMARY KEY, project_id text COLLATE "C", label text);
CREATE INDEX ON app.loose (project_id);
INSERT INTO app.loose SELECT i, nullif(substr('abcd-', 1 + i % 5, 1), '-'), '' FROM generate_series(1, 50) i;
CREATE TABLE app.events (id int NOT NULL, project_id text NOT NULL, at int NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE app.events_1 PARTITION OF app.events FOR VALUES FROM (0) TO (10);
CREATE TABLE app.events_2 PARTITION OF app.events FOR VALUES FROM (10) TO (20);
INSERT INTO app.events SELECT i, substr('abcd', 1 + i % 4, 1), i % 20 FROM generate_series(1, 40) i;
CREATE TABLE app.things (id int PRIMARY KEY, project_id text NOT NULL);
CREATE TABLE app.special_things (extra text) INHERITS (app.things);
INSERT INTO app.things SELECT i, substr('abcd', 1 + i % 4, 1) FROM generate_series(1, 8) i;
INSERT INTO app.special_things SELECT i, substr('abcd', 1 + i % 4, 1) FROM generate_series(11, 18) i;
CREATE TABLE app.parts (id int PRIMARY KEY, project_id text NOT NULL,
                        node int REFERENCES app.nodes ON DELETE CASCADE);
INSERT INTO app.parts SELECT i, substr('abcd', 1 + i % 4, 1), i FROM generate_series(1, 20) i;
CREATE TABLE app.countries (code text PRIMARY KEY);
RESET ROLE;
)";

}  // namespace

void ManagedTest::SetUp() {
  static std::atomic<int> counter{0};
  ASSERT_FALSE(server_uri().empty()) << "DATABASE_URL is not set: dev/cluster up --no-kube starts a server";
  name_ = "rls_managed_" + std::to_string(::getpid()) + "_" + std::to_string(++counter);
  {
    pqxx::connection server(server_uri());
    run(server, kRoles);
    run(server, "CREATE DATABASE " + name_);
    BootstrapWish rights;
    rights.role = "managed_operator";
    rights.owners = {"managed_owner"};
    pqxx::connection there(uri());
    run(there, bootstrap_sql(rights));
    // Hardened, as some are: nobody may make temporary tables.
    run(there, "REVOKE TEMPORARY ON DATABASE " + name_ + " FROM PUBLIC");
    run(there, "ALTER ROLE managed_operator PASSWORD 'managed-password'");
    run(there, kApplication);
  }
  admin_ = std::make_unique<pqxx::connection>(uri());
  claimant.install_id = "install-1";
  claimant.database = {"team-a", "main"};
  claimant.database_uid = "uid-1";
  claimant.mandate = std::make_shared<const Mandate>(
      Mandate{"leader-1", [](std::int64_t epoch) { return Result<std::int64_t>(epoch + 1); }});
  wish.tables = {{"app.*", "project_id"}};
  store = make();
}

void ManagedTest::TearDown() {
  store.reset();
  admin_.reset();
  pqxx::connection server(server_uri());
  run(server, "DROP DATABASE IF EXISTS " + name_ + " WITH (FORCE)");
}

std::string ManagedTest::uri(std::string_view role) const { return with(server_uri(), name_, role); }

pqxx::result ManagedTest::sql(const std::string& text) {
  pqxx::nontransaction work(*admin_);
  return work.exec(text);
}

std::string ManagedTest::value(const std::string& text) {
  const pqxx::result result = sql(text);
  return result.empty() || result[0][0].is_null() ? "" : result[0][0].c_str();
}

pqxx::result ManagedTest::as(const std::string& project, const std::string& text) {
  pqxx::connection connection(uri("managed_app"));
  pqxx::work work(connection);
  if (!project.empty()) work.exec_params("SELECT rls.set_project_context($1)", project);
  pqxx::result result = work.exec(text);
  work.commit();
  return result;
}

int ManagedTest::rows_of(const std::string& project, const std::string& text) {
  try {
    const pqxx::result result = as(project, text);
    return static_cast<int>(result.columns() > 0 ? result.size() : result.affected_rows());
  } catch (const pqxx::insufficient_privilege&) {
    return -1;
  }
}

std::unique_ptr<ProjectDatabase> ManagedTest::make() {
  auto settings = parse_connection_settings(uri("managed_operator"));
  EXPECT_TRUE(settings.ok());
  Timeouts timeouts;
  timeouts.lock = std::chrono::milliseconds{500};
  timeouts.statement = std::chrono::milliseconds{5000};
  timeouts.commit = std::chrono::milliseconds{3000};
  return make_managed_database(std::move(*settings), "rls", timeouts, seam);
}

void ManagedTest::open() {
  const auto facts = store->open(claimant);
  ASSERT_TRUE(facts.ok()) << facts.error().reason << ": " << facts.error().message;
}

RuntimeReport ManagedTest::tend() {
  auto report = store->tend(wish);
  if (!report || !*report) {
    ADD_FAILURE() << (report ? std::string("no report")
                             : report.error().reason + ": " + report.error().message);
    return {};
  }
  return std::move(**report);
}

decide::Observation ManagedTest::see(const std::string& project) {
  const std::vector<ProjectQuery> queries = {{project, Phase::pending}};
  auto seen = store->observe(queries);
  if (!seen) {
    ADD_FAILURE() << seen.error().reason << ": " << seen.error().message;
    return {};
  }
  return (*seen)[0];
}

Result<MoveResult> ManagedTest::go(const std::string& project, Phase from, Phase to) {
  see(project);
  const std::vector<Move> moves = {{project, from, to, "all gates passed", "RlsMigration team-a/x"}};
  auto results = store->move(
      moves, each([&](std::size_t i, const decide::Observation&) { return std::optional(moves[i].to); }));
  if (!results) return results.error();
  return (*results)[0];
}

void ManagedTest::must_go(const std::string& project, Phase from, Phase to) {
  const auto result = go(project, from, to);
  ASSERT_TRUE(result.ok()) << result.error().reason << ": " << result.error().message;
  ASSERT_EQ(result.value().outcome, MoveOutcome::moved)
      << (result.value().error ? result.value().error->message : std::string("obsolete"));
}

void ManagedTest::settle() {
  const std::string taken =
      value("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM rls_operator.note_number");
  for (int i = 0; i < 600; ++i) {
    tend();
    if (value("SELECT settled_to >= " + taken + " FROM rls_operator.runtime") == "t") return;
    std::this_thread::sleep_for(std::chrono::milliseconds{50});
  }
  ADD_FAILURE() << "some transaction did not end for half a minute";
}

void ManagedTest::bring(const std::string& project, Phase to) {
  for (Phase at = Phase::pending; at < to; at = static_cast<Phase>(static_cast<int>(at) + 1)) {
    must_go(project, at, static_cast<Phase>(static_cast<int>(at) + 1));
    const RuntimeReport report = tend();
    ASSERT_EQ(report.status.not_ready_because, "");
  }
}

std::string ManagedTest::noted(const std::string& project) {
  tend();
  return value(
      "SELECT string_agg(format('%s %s%s %s', table_name, operation, CASE WHEN certain THEN '' ELSE '?' END, "
      "total), '; ' ORDER BY table_name, operation) FROM rls_operator.violation WHERE project_id = '" +
      project + "'");
}

}  // namespace rls::postgres
