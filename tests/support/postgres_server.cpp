#include "tests/support/postgres_server.hpp"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>
#include <vector>

namespace rls::test {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr const char* kPassword = "superuser-canary-3Kp";

/// POSTGRES_BIN, else the newest in Debian's place, as dev/cluster does.
std::string program(const std::string& name) {
  static const std::string folder = [] {
    if (const char* given = std::getenv("POSTGRES_BIN"); given != nullptr) return std::string(given);
    std::vector<int> versions;
    std::error_code missing;
    for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", missing)) {
      if (fs::exists(entry.path() / "bin/initdb")) versions.push_back(std::stoi(entry.path().filename()));
    }
    if (versions.empty()) throw std::runtime_error("PostgreSQL's server is not installed");
    return "/usr/lib/postgresql/" + std::to_string(*std::max_element(versions.begin(), versions.end())) +
           "/bin";
  }();
  return folder + "/" + name;
}

/// The server refuses to run as root, and its user may be unable to enter our folder.
std::vector<std::string> as_server_user(std::vector<std::string> command) {
  std::vector<std::string> whole = {"env", "--chdir=/", std::string("PGPASSWORD=") + kPassword};
  if (::geteuid() == 0) {
    whole.insert(whole.end(), {"setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"});
  }
  whole.insert(whole.end(), command.begin(), command.end());
  return whole;
}

void must(const std::vector<std::string>& command) {
  const Output output = run(as_server_user(command));
  if (!output.ok()) throw std::runtime_error(command[0] + " failed:\n" + output.out);
}

int free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  const bool bound = ::bind(socket, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  ::close(socket);
  if (!bound) throw std::runtime_error("no free port");
  return ntohs(address.sin_port);
}

}  // namespace

PostgresServer::PostgresServer(Empty) : port_(free_port()) {
  std::string pattern = "/var/tmp/rls-operator-test-postgres.XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  home_ = pattern;
  if (::geteuid() == 0) {
    if (!run({"chown", "postgres:", home_}).ok()) throw std::runtime_error("there is no user postgres");
  }
}

PostgresServer::PostgresServer(const std::string& settings) : PostgresServer(Empty{}) {
  const std::string password_file = home_ + "/password";
  must({"sh", "-c", std::string("umask 077; echo ") + kPassword + " >" + password_file});
  must({program("initdb"), "--pgdata=" + data(), "--username=postgres", "--pwfile=" + password_file,
        "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"});
  std::ofstream(data() + "/postgresql.conf", std::ios::app)
      << "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\nfsync = off\nshared_buffers = 16MB\n"
         "timezone = 'UTC'\nwal_level = replica\nmax_wal_senders = 4\nhot_standby = on\n"
         "wal_keep_size = 64MB\n"
      << settings << "\n";
  start();
}

PostgresServer::~PostgresServer() {
  stop_immediately();
  std::error_code ignored;
  fs::remove_all(home_, ignored);
}

std::unique_ptr<PostgresServer> PostgresServer::make_standby() const {
  std::unique_ptr<PostgresServer> standby(new PostgresServer(Empty{}));
  must({program("pg_basebackup"), "--dbname=" + uri(), "--pgdata=" + standby->data(), "--write-recovery-conf",
        "--wal-method=stream", "--checkpoint=fast", "--no-sync"});
  standby->start();
  return standby;
}

void PostgresServer::start() {
  server_ = std::make_unique<Background>(
      as_server_user({program("postgres"), "-D", data(), "-p", std::to_string(port_)}), home_ + "/log");
  const auto deadline = std::chrono::steady_clock::now() + 120s;
  while (!run({"psql", "-qXAt", uri(), "-c", "SELECT 1"}).ok()) {
    if (!server_->running() || std::chrono::steady_clock::now() > deadline) {
      throw std::runtime_error("PostgreSQL did not start:\n" + server_->log());
    }
    std::this_thread::sleep_for(50ms);
  }
}

void PostgresServer::stop_immediately() {
  if (!server_ || !server_->running()) return;
  server_->signal(SIGQUIT);
  server_->signal(SIGCONT);
  server_->wait(60s);
}

void PostgresServer::freeze() const { server_->signal(SIGSTOP); }

void PostgresServer::promote() const {
  if (sql("SELECT pg_promote(true, 120)") != "t") throw std::runtime_error("the standby was not promoted");
}

void PostgresServer::set(const std::string& parameter, const std::string& value) const {
  // ALTER SYSTEM refuses to share a transaction; so each for itself. It commits nothing that could wait.
  for (const std::string& statement :
       {"ALTER SYSTEM SET " + parameter + " = '" + value + "'", std::string("SELECT pg_reload_conf()")}) {
    sql(statement);
  }
}

std::string PostgresServer::sql(const std::string& statement) const {
  const Output output = run({"psql", "-qXAt", "-v", "ON_ERROR_STOP=1", uri(), "-c", statement});
  if (!output.ok()) throw std::runtime_error(statement + " failed:\n" + output.out);
  return output.out.substr(0, output.out.find_last_not_of('\n') + 1);
}

std::string PostgresServer::uri() const {
  return std::string("postgresql://postgres:") + kPassword + "@" + address() + "/postgres";
}

}  // namespace rls::test
