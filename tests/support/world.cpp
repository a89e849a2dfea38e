#include "tests/support/world.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <mutex>
#include <stdexcept>
#include <thread>

namespace rls::test {
namespace {

using namespace std::chrono_literals;

const std::string kSource = RLS_SOURCE_DIR;
constexpr const char* kAccount = "rls-operator";
constexpr const char* kAccountNamespace = "rls-operator-system";

Output must(Output output, const std::string& what) {
  if (!output.ok()) throw std::runtime_error(what + " failed:\n" + output.out);
  return output;
}

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

std::string kubectl_program() {
  const char* given = std::getenv("RLS_KUBECTL");
  return given != nullptr ? given : "kubectl";
}

/// Debian's psql is a script that looks for this program, and takes three times as long.
const std::string& psql() {
  static const std::string found = [] {
    std::string newest;
    int version = 0;
    std::error_code missing;
    for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/postgresql", missing)) {
      const auto program = entry.path() / "bin/psql";
      const int number = std::atoi(entry.path().filename().c_str());
      if (number <= version || !std::filesystem::exists(program, missing)) continue;
      version = number;
      newest = program.string();
    }
    return newest.empty() ? std::string("psql") : newest;
  }();
  return found;
}

void install_once() {
  static const bool done = [] {
    const std::string kubectl = kubectl_program();
    must(run({kubectl, "apply", "--server-side", "-k", kSource + "/manifests/crds"}), "installing the CRDs");
    World::install_rights();
    World::install_admission();
    for (const char* plural : {"rlsapprovals", "rlsdatabases", "rlsmigrations", "rlsrollouts"}) {
      must(run({kubectl, "wait", "--for=condition=Established", "--timeout=120s",
                std::string("crd/") + plural + ".rls-operator.dev"}),
           "waiting for the CRDs");
    }
    return true;
  }();
  (void)done;
}

/// One value of the administrator's kubeconfig by JSONPath.
std::string of_kubeconfig(const std::string& path) {
  return trimmed(
      must(run({kubectl_program(), "config", "view", "--raw", "--minify", "-o", "jsonpath={" + path + "}"}),
           "reading the kubeconfig")
          .out);
}

std::string unique(const std::string& prefix) {
  static std::atomic<int> count = 0;  // worlds may be made by several threads
  return prefix + "-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
}

std::size_t file_size(const std::string& path) {
  std::error_code missing;
  const auto size = std::filesystem::file_size(path, missing);
  return missing ? 0 : size;
}

}  // namespace

Replica::Replica(const std::vector<std::string>& arguments, const std::string& log_file)
    : begin_(file_size(log_file)), process_(arguments, log_file) {}

void Replica::wait_until_ready() {
  const auto deadline = std::chrono::steady_clock::now() + 120s;
  while (address_.empty() || !http("/readyz").ok()) {
    // Any free port; the log says which.
    static const std::string kListening = "\"msg\":\"listening\",\"port\":";
    const std::string log = process_.log();
    if (const auto at = log.find(kListening, begin_); address_.empty() && at != std::string::npos) {
      const auto port = at + kListening.size();
      address_ = "127.0.0.1:" + log.substr(port, log.find_first_not_of("0123456789", port) - port);
    }
    if (!process_.running()) throw std::runtime_error("the operator ended at once:\n" + process_.log());
    if (std::chrono::steady_clock::now() > deadline) {
      throw std::runtime_error("the operator did not become ready:\n" + process_.log());
    }
    std::this_thread::sleep_for(50ms);
  }
}

Output Replica::http(const std::string& path) const {
  return run({"curl", "-fsS", "--max-time", "30", "http://" + address_ + path});
}

bool Replica::leads() const { return http("/metrics").out.find("\nrls_leader 1\n") != std::string::npos; }

int Replica::stop() {
  process_.signal(SIGTERM);
  return process_.wait(60s);
}

World::World(std::string server)
    : ns_(unique("e2e")),
      admin_uri_(server.empty() ? required_environment("DATABASE_URL") : std::move(server)) {
  required_environment("KUBECONFIG");
  install_once();
  directory_ = (std::filesystem::temp_directory_path() / ns_).string();
  std::filesystem::create_directories(directory_);
  std::filesystem::permissions(directory_, std::filesystem::perms::owner_all);

  database_ = ns_;
  must(run({psql(), "-qX", admin_uri_, "-c", "CREATE DATABASE \"" + database_ + "\""}), "CREATE DATABASE");
  {
    // It alters roles, which all databases share: not two at a time.
    static std::mutex installing;
    const std::lock_guard lock(installing);
    must(run({psql(), "-qX", "-v", "app_password=" + app_password_, "-v",
              "operator_password=" + operator_password_, "-v", "rows=20", "-f",
              kSource + "/dev/sample/install.sql", uri("", "", database_)}),
         "installing the sample");
  }
  must(kubectl({"create", "namespace", ns_}), "creating the namespace");
  write_kubeconfig();
  must(apply(R"(apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: rls-operator-secrets}
rules:
  - {apiGroups: [""], resources: [secrets], resourceNames: [main-db], verbs: [get]}
  # As in manifests/rbac/lease-role.yaml: each test has a Lease of its own.
  - {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [create]}
  - {apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [rls-operator], verbs: [get, update]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: rls-operator-secrets}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: rls-operator-secrets}
subjects: [{kind: ServiceAccount, name: rls-operator, namespace: rls-operator-system}]
)"),
       "granting the Secret");
}

World::~World() {
  operator_.reset();
  run({kubectl_program(), "delete", "namespace", ns_, "--wait=false"});
  run({kubectl_program(), "-n", ns_, "delete", "rlsro,rlsm,rlsa,rlsdb,secret", "--all", "--wait=false"});
  run({psql(), "-qX", admin_uri_, "-c", "DROP DATABASE IF EXISTS \"" + database_ + "\" WITH (FORCE)"});
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

/// The service account's own kubeconfig, with a token from the TokenRequest API: least privilege is tested,
/// too.
void World::write_kubeconfig() {
  token_ = trimmed(
      must(run({kubectl_program(), "-n", kAccountNamespace, "create", "token", kAccount, "--duration=2h"}),
           "creating a token")
          .out);
  server_ = api_server();
  const std::string ca = of_kubeconfig(".clusters[0].cluster.certificate-authority-data");
  std::ofstream(directory_ + "/ca.crt") << must(run({"base64", "-d"}, ca), "reading the kubeconfig's CA").out;
  std::ofstream(directory_ + "/admin.header")
      << "Authorization: Bearer " << of_kubeconfig(".users[0].user.token");
  use_kubeconfig("server: '" + server_ + "', certificate-authority-data: '" + ca + "'",
                 "token: '" + token_ + "'");
}

void World::install_rights() {
  must(run({kubectl_program(), "apply", "-k", kSource + "/manifests/rbac"}), "installing the RBAC");
}

void World::install_admission() {
  must(run({kubectl_program(), "apply", "-k", kSource + "/manifests/admission"}),
       "installing the admission policies");
}

std::string World::api_server() { return of_kubeconfig(".clusters[0].cluster.server"); }

void World::use_kubeconfig(const std::string& cluster, const std::string& user) {
  std::ofstream file(directory_ + "/kubeconfig");
  file << "apiVersion: v1\nkind: Config\ncurrent-context: o\n"
       << "clusters: [{name: o, cluster: {" << cluster << "}}]\n"
       << "contexts: [{name: o, context: {cluster: o, user: o}}]\n"
       << "users: [{name: o, user: {" << user << "}}]\n";
}

std::string World::uri(const std::string& user, const std::string& password,
                       const std::string& database) const {
  // postgresql://user:password@host:port/database?parameters
  std::string rest = admin_uri_.substr(admin_uri_.find("://") + 3);
  const std::string credentials = rest.substr(0, rest.find('@'));
  rest = rest.substr(rest.find('@') + 1);
  const std::string host = rest.substr(0, rest.find('/'));
  return "postgresql://" + (user.empty() ? credentials : user + ":" + password) + "@" + host + "/" + database;
}

std::string World::operator_uri() const { return uri("rls_operator_role", operator_password_, database_); }

std::string World::operator_uri_at(const std::string& address) const {
  return "postgresql://rls_operator_role:" + operator_password_ + "@" + address + "/" + database_ +
         "?sslmode=disable";
}

std::string World::superuser_uri() const { return uri("", "", database_); }

std::string World::application_uri() const { return uri("app_user", app_password_, database_); }

std::vector<std::string> World::operator_arguments(const std::vector<std::string>& flags) const {
  const std::vector<std::pair<std::string, std::string>> usual = {
      {"--kubeconfig", directory_ + "/kubeconfig"},
      {"--namespace", ns_},
      {"--leader-elect-resource-namespace", ns_},
      {"--leader-elect-lease-duration", "5s"},
      {"--leader-elect-renew-deadline", "3s"},
      {"--leader-elect-retry-period", "500ms"},
      {"--bind-address", "127.0.0.1:0"},
      {"--observe-interval", "1s"},
      {"--log-format", "json"},
      {"--log-level", "debug"}};
  std::vector<std::string> arguments = {RLS_OPERATOR_BINARY};
  for (const auto& [flag, value] : usual) {
    if (std::find(flags.begin(), flags.end(), flag) == flags.end())
      arguments.insert(arguments.end(), {flag, value});
  }
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  return arguments;
}

void World::start_operator(const std::vector<std::string>& flags) {
  launch_operator(flags);
  operator_->wait_until_ready();
}

void World::launch_operator(const std::vector<std::string>& flags) {
  operator_ = std::make_unique<Replica>(operator_arguments(flags), directory_ + "/operator.log");
}

std::unique_ptr<Replica> World::start_replica(const std::vector<std::string>& flags) {
  auto replica = std::make_unique<Replica>(operator_arguments(flags),
                                           directory_ + "/replica-" + std::to_string(++replicas_) + ".log");
  replica->wait_until_ready();
  return replica;
}

int World::stop_operator() { return operator_->stop(); }

void World::kill_operator() {
  operator_->process().signal(SIGKILL);
  operator_->process().wait(60s);
}

std::unique_ptr<Background> World::hold_row(const std::string& project) {
  auto holder = std::make_unique<Background>(
      std::vector<std::string>{psql(), "-qXAt", uri("", "", database_), "-c",
                               "BEGIN; SELECT 'held' FROM rls_migration_status WHERE project_id = '" +
                                   project + "' FOR UPDATE; SELECT pg_sleep(600)"},
      directory_ + "/holder.log");
  const bool held = eventually([&] {
    return sql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND state = "
               "'active' AND pid <> pg_backend_pid() AND wait_event = 'PgSleep' AND datname = "
               "current_database()") == "1";
  });
  if (!held) throw std::runtime_error("the row could not be held:\n" + holder->log());
  return holder;
}

void World::release_row(const std::unique_ptr<Background>& holder) {
  holder->signal(SIGINT);  // psql cancels its query, and the transaction ends with it
  holder->wait(60s);
}

void World::create_secret(const std::string& value, const std::string& ca) {
  run({kubectl_program(), "-n", ns_, "delete", "secret", "main-db", "--ignore-not-found"});
  std::vector<std::string> arguments = {"create", "secret", "generic", "main-db",
                                        "--from-file=uri=/dev/stdin"};
  if (!ca.empty()) arguments.push_back("--from-literal=ca.crt=" + ca);
  must(kubectl(arguments, value), "creating the Secret");
}

void World::create_database(const std::string& uri, const std::string& rest) {
  create_secret(uri.empty() ? operator_uri() : uri);
  create_database_object("main", rest);
}

void World::create_database_object(const std::string& name, const std::string& rest) {
  must(apply("apiVersion: rls-operator.dev/v1alpha1\nkind: RlsDatabase\nmetadata: {name: " + name + R"(}
spec:
  connection: {secretRef: {name: main-db}}
  runtime: {mode: Adopted, schema: public}
)" + rest),
       "creating the RlsDatabase");
}

Output World::api(const std::string& method, const std::string& path, const std::string& body) const {
  return run({"curl", "-sS", "--fail-with-body", "--max-time", "60", "--cacert", directory_ + "/ca.crt", "-H",
              "@" + directory_ + "/admin.header", "-H",
              "Content-Type: " +
                  std::string(method == "PATCH" ? "application/merge-patch+json" : "application/json"),
              "-X", method, "--data-binary", "@-", server_ + path},
             body);
}

std::string World::path_of(const std::string& what) const {
  return "/apis/rls-operator.dev/v1alpha1/namespaces/" + ns_ + "/" + what;
}

Output World::apply(const std::string& yaml) { return kubectl({"apply", "-f", "-"}, yaml); }

Output World::migrate(const std::string& name, const std::string& project, const std::string& phase,
                      const std::string& rest) {
  return apply("apiVersion: rls-operator.dev/v1alpha1\nkind: RlsMigration\nmetadata: {name: " + name +
               "}\nspec:\n  databaseRef: {name: main}\n  project: " + project + "\n  phase: " + phase + "\n" +
               rest);
}

Output World::kubectl(std::vector<std::string> arguments, const std::string& input) {
  arguments.insert(arguments.begin(), {kubectl_program(), "-n", ns_});
  return run(arguments, input);
}

std::string World::field(const std::string& name, const std::string& path, const std::string& kind) {
  return trimmed(kubectl({"get", kind, name, "-o", "jsonpath={." + path + "}"}).out);
}

std::string World::message(const std::string& name, const std::string& kind) {
  return field(name, "status.conditions[?(@.type==\"Ready\")].message", kind);
}

std::string World::condition(const std::string& name, const std::string& type, const std::string& kind) {
  const std::string at = ".status.conditions[?(@.type==\"" + type + "\")]";
  return trimmed(
      kubectl({"get", kind, name, "-o", "jsonpath={range " + at + "}{.status}/{.reason}{end}"}).out);
}

std::string World::sql(const std::string& statement) {
  return trimmed(
      must(run({psql(), "-qXAt", "-v", "ON_ERROR_STOP=1", uri("", "", database_), "-c", statement}),
           statement)
          .out);
}

Output World::sql_as_application(const std::string& project, const std::string& statement) {
  return run(
      {psql(), "-qXAt", "-v", "ON_ERROR_STOP=1", uri("app_user", app_password_, database_)},
      "BEGIN;\nSELECT set_project_context('" + project + "') \\g /dev/null\n" + statement + ";\nCOMMIT;\n");
}

std::string World::phase_in_database(const std::string& project) {
  return sql("SELECT migration_phase FROM rls_migration_status WHERE project_id = '" + project + "'");
}

void World::end_connections() {
  sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'rls_operator_role' AND "
      "datname = '" +
      database_ + "'");
}

bool World::eventually(const std::function<bool()>& holds, std::chrono::seconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) {
      std::cerr << kubectl({"get", "rlsdb,rlsm,rlsro,rlsa", "-o", "yaml"}).out
                << sql("TABLE rls_migration_status") << "\n"
                << (operator_ ? operator_->process().log() : "");
      return false;
    }
    std::this_thread::sleep_for(100ms);
  }
  return true;
}

}  // namespace rls::test
