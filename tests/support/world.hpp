#pragma once
// A genuine world for the operator: the API server and the Postgres server of the test run, a sample database
// and a namespace of the test's own, and the operator as a process under exactly the service account that
// manifests/rbac installs.

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/process.hpp"

namespace rls::test {

/// One operator as a process; killed when this goes.
class Replica {
 public:
  /// Starts it. Of one that ran before with this log, the log goes on.
  Replica(const std::vector<std::string>& arguments, const std::string& log_file);
  /// Throws where it ends instead, or takes longer than two minutes.
  void wait_until_ready();

  [[nodiscard]] Background& process() { return process_; }
  /// GET on its listener: the body.
  [[nodiscard]] Output http(const std::string& path) const;
  [[nodiscard]] bool leads() const;
  /// SIGTERM; its exit code.
  int stop();

 private:
  const std::size_t begin_;  // of its own lines in the log
  Background process_;
  std::string address_;
};

class World {
 public:
  /// Installs CRDs and RBAC (once a process), makes the database and the namespace. Does not start the
  /// operator. `server`: the URI of the superuser on the server to use; without, that of the test run.
  explicit World(std::string server = {});
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  /// Starts the operator; `flags` come on top of the usual ones, or instead of them. Waits until it is ready.
  void start_operator(const std::vector<std::string>& flags = {});
  /// The same without the waiting: it may be killed before it is ready.
  void launch_operator(const std::vector<std::string>& flags = {});
  /// One more beside it, with the same flags.
  std::unique_ptr<Replica> start_replica(const std::vector<std::string>& flags = {});
  /// SIGTERM; its exit code.
  int stop_operator();
  /// SIGKILL.
  void kill_operator();
  [[nodiscard]] Background& operator_process() { return operator_->process(); }
  /// GET on the operator's own listener: the body.
  [[nodiscard]] Output http(const std::string& path) const { return operator_->http(path); }

  /// Creates the Secret main-db with the operator's URI, or with `uri`, and the RlsDatabase main.
  void create_database(const std::string& uri = {}, const std::string& rest = {});
  /// An RlsDatabase `name` over the Secret main-db; `rest` is YAML that goes on below spec.
  void create_database_object(const std::string& name, const std::string& rest = {});
  /// The Secret anew; `ca`: certificates, PEM, for its key ca.crt.
  void create_secret(const std::string& uri, const std::string& ca = {});
  /// kubectl apply of YAML in the test's namespace.
  Output apply(const std::string& yaml);
  /// An RlsMigration `name`; `rest` is YAML that goes on below spec.
  Output migrate(const std::string& name, const std::string& project, const std::string& phase,
                 const std::string& rest = {});
  Output kubectl(std::vector<std::string> arguments, const std::string& input = {});
  /// One request to the API server as admin, without kubectl: quick. `path` begins with "/"; the reply's
  /// body.
  Output api(const std::string& method, const std::string& path, const std::string& body = {}) const;
  /// "/apis/rls-operator.dev/v1alpha1/namespaces/<the test's>/<what>"
  [[nodiscard]] std::string path_of(const std::string& what) const;

  /// One value of an object by JSONPath, without braces: "status.phase".
  std::string field(const std::string& name, const std::string& path,
                    const std::string& kind = "rlsmigration");
  /// "Status/reason" of one of its conditions, "" where it has none.
  std::string condition(const std::string& name, const std::string& type,
                        const std::string& kind = "rlsmigration");
  /// The message of its condition Ready.
  std::string message(const std::string& name, const std::string& kind = "rlsmigration");

  /// One value by SQL as superuser, tuples only.
  std::string sql(const std::string& statement);
  /// The same as the application, in one transaction with a project's context.
  Output sql_as_application(const std::string& project, const std::string& statement);
  std::string phase_in_database(const std::string& project);

  /// Ends the operator's connections to the test's database, as a network or a restart would.
  void end_connections();

  /// Keeps a project's status row locked until it is released, as a long transaction of somebody would.
  std::unique_ptr<Background> hold_row(const std::string& project);
  static void release_row(const std::unique_ptr<Background>& holder);

  /// Polls until `holds`; where it does not within `limit`, false, and the world's state is printed. The
  /// limit ends what will never come: it is far above what any of it takes, the operator's longest pause
  /// included.
  bool eventually(const std::function<bool()>& holds, std::chrono::seconds limit = std::chrono::seconds{120});

  [[nodiscard]] const std::string& ns() const { return ns_; }
  [[nodiscard]] const std::string& database() const { return database_; }
  [[nodiscard]] std::string operator_uri() const;
  /// Of the server's superuser.
  [[nodiscard]] const std::string& admin_uri() const { return admin_uri_; }
  /// The same by way of another address, "host:port" or several with commas between.
  [[nodiscard]] std::string operator_uri_at(const std::string& address) const;
  /// The superuser's and the application's, to the test's database.
  [[nodiscard]] std::string superuser_uri() const;
  [[nodiscard]] std::string application_uri() const;
  /// Where SQL of the test goes from now on: another server with the same roles.
  void use_server(std::string server) { admin_uri_ = std::move(server); }
  [[nodiscard]] const std::string& operator_password() const { return operator_password_; }
  /// The bearer token that the operator shows the API server.
  [[nodiscard]] const std::string& token() const { return token_; }
  /// manifests/rbac: the rights of the operator's service account, of all worlds.
  static void install_rights();
  /// The admission policies that approvals, overrides and Jobs rest on.
  static void install_admission();
  /// "https://127.0.0.1:6443".
  [[nodiscard]] static std::string api_server();
  /// The operator's own folder, with its kubeconfig, gone with the world.
  [[nodiscard]] const std::string& directory() const { return directory_; }
  /// Another way to the API server from the operator's next start on; `cluster` and `user` are YAML fields of
  /// these entries of its kubeconfig. Files are named from directory().
  void use_kubeconfig(const std::string& cluster, const std::string& user);

 private:
  void write_kubeconfig();
  [[nodiscard]] std::vector<std::string> operator_arguments(const std::vector<std::string>& flags) const;
  [[nodiscard]] std::string uri(const std::string& user, const std::string& password,
                                const std::string& database) const;

  std::string directory_, ns_, database_, server_, admin_uri_, token_;
  std::string app_password_ = "app-canary-5Qz", operator_password_ = "operator-canary-7Yx";
  int replicas_ = 0;
  std::unique_ptr<Replica> operator_;
};

}  // namespace rls::test
