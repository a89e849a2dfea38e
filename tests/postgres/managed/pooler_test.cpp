// Behind a genuine PgBouncer in transaction mode, where one server connection serves every client in turn.

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/postgres/managed/fixture.hpp"
#include "tests/support/process.hpp"

namespace rls::postgres {
namespace {

int free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(socket, reinterpret_cast<const sockaddr*>(&address), size);
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(socket);
  return ntohs(address.sin_port);
}

class ManagedPooler : public ManagedTest {
 protected:
  void SetUp() override {
    ManagedTest::SetUp();
    open();
    tend();
    const std::string server = uri("managed_app");
    const std::size_t at = server.find('@'), colon = server.find(':', at), slash = server.find('/', colon);
    const std::string host = server.substr(at + 1, colon - at - 1),
                      port = server.substr(colon + 1, slash - colon - 1);
    const std::string database = server.substr(slash + 1);
    folder_ = std::filesystem::temp_directory_path() / ("rls-pooler-" + database);
    std::filesystem::create_directories(folder_);
    const int own_port = free_port();
    std::ofstream(folder_ / "users") << "\"managed_app\" \"managed-password\"\n";
    std::ofstream(folder_ / "config")
        << "[databases]\n* = host=" << host << " port=" << port
        << "\n[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port=" << own_port
        << "\nauth_type=scram-sha-256\nauth_file=" << (folder_ / "users").string()
        << "\npool_mode=transaction\ndefault_pool_size=1\nunix_socket_dir=\n";
    std::vector<std::string> command = {"pgbouncer", (folder_ / "config").string()};
    // It refuses to run as root.
    if (::geteuid() == 0) {
      command.insert(command.begin(),
                     {"setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"});
    }
    pooler_ = std::make_unique<test::Background>(command, (folder_ / "log").string());
    pooled_ =
        "postgresql://managed_app:managed-password@127.0.0.1:" + std::to_string(own_port) + "/" + database;
    for (int i = 0; i < 100; ++i) {
      try {
        const pqxx::connection answers(pooled_);
        return;
      } catch (const pqxx::broken_connection&) {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
      }
    }
    std::ifstream log(folder_ / "log");
    FAIL() << "pgbouncer does not answer\n" << log.rdbuf();
  }
  void TearDown() override {
    pooler_.reset();
    std::filesystem::remove_all(folder_);
    ManagedTest::TearDown();
  }
  /// What a client sees in one transaction: the projects, "" where it sees no row.
  std::string seen_by(pqxx::connection& client, const std::string& project, const std::string& query) {
    pqxx::work work(client);
    // In one statement: what is prepared in a session is another session's here.
    const std::string context = project.empty() ? "" : "SELECT rls.set_project_context('" + project + "'); ";
    const pqxx::result result = work.exec(context + query);
    const std::string seen = result[0][0].is_null() ? "" : result[0][0].c_str();
    work.commit();
    return seen;
  }

  std::string pooled_;

 private:
  std::filesystem::path folder_;
  std::unique_ptr<test::Background> pooler_;
};

TEST_F(ManagedPooler, NoClientSeesAnothersRowsByAPlanThatIsCachedInTheServer) {
  for (const char* project : {"a", "b", "c", "d"}) bring(project, Phase::enforcing);
  const std::string database = value("SELECT current_database()");
  sql("CREATE FUNCTION app.mine() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT "
      "string_agg(DISTINCT project_id, "
      "',') FROM app.nodes); END $$; ALTER DATABASE " +
      database + " SET plan_cache_mode = force_generic_plan");
  pqxx::connection first(pooled_), second(pooled_), third(pooled_);
  for (int round = 0; round < 20; ++round) {
    EXPECT_EQ(seen_by(first, "a", "SELECT app.mine()"), "a");
    EXPECT_EQ(seen_by(second, "b", "SELECT app.mine()"), "b");
    EXPECT_EQ(seen_by(third, "", "SELECT app.mine()"), "");  // the context went with its transaction
  }
  EXPECT_EQ(value("SELECT count(*) FROM pg_stat_activity WHERE usename = 'managed_app' AND datname = "
                  "current_database()"),
            "1");
}

// Why no function of ours that reads the context is IMMUTABLE.
TEST_F(ManagedPooler, WithAnImmutableHelperTheFirstContextStaysForEverybody) {
  const std::string database = value("SELECT current_database()");
  wish.tables = {{"app.loose", "project_id"}};
  sql("CREATE FUNCTION app.context() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT "
      "current_setting('app.current_project', "
      "true) $$; ALTER TABLE app.parts NO FORCE ROW LEVEL SECURITY; DROP POLICY rls_operator_select ON "
      "app.parts; CREATE POLICY "
      "theirs ON app.parts FOR SELECT USING (project_id = app.context()); CREATE FUNCTION app.mine() RETURNS "
      "text LANGUAGE "
      "plpgsql AS $$ BEGIN RETURN (SELECT string_agg(DISTINCT project_id, ',') FROM app.parts); END $$; "
      "ALTER DATABASE " +
      database + " SET plan_cache_mode = force_generic_plan");
  pqxx::connection first(pooled_), second(pooled_);
  EXPECT_EQ(seen_by(first, "a", "SELECT app.mine()"), "a");
  EXPECT_EQ(seen_by(second, "b", "SELECT app.mine()"), "a");
}

// Why set_project_context sets it for the transaction alone: a session's setting goes to the next client.
TEST_F(ManagedPooler, ASettingOfTheSessionGoesToTheNextClient) {
  pqxx::connection first(pooled_), second(pooled_);
  {
    pqxx::nontransaction work(first);
    work.exec("SET app.current_project = 'a'");
  }
  pqxx::nontransaction work(second);
  EXPECT_EQ(std::string(work.exec("SHOW app.current_project")[0][0].c_str()), "a");
}

// Notes are remembered for a transaction, not for the session that the next client gets.
TEST_F(ManagedPooler, EveryTransactionIsNoted) {
  bring("a", Phase::shadow);
  pqxx::connection first(pooled_), second(pooled_);
  for (int round = 0; round < 3; ++round) {
    seen_by(first, "a", "SELECT count(*) FROM app.nodes");
    seen_by(second, "a", "SELECT count(*) FROM app.nodes");
  }
  tend();
  EXPECT_EQ(see("a").violations.count, 6);
}

}  // namespace
}  // namespace rls::postgres
