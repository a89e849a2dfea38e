#pragma once
// What the tests against a real kube-apiserver share: kubectl, kubeconfigs of their own, a sink that
// remembers.

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "controller/base/log.hpp"
#include "controller/base/seam.hpp"
#include "controller/kube/api_client.hpp"
#include "controller/kube/cpprest_transport.hpp"
#include "controller/kube/credentials.hpp"

namespace rls::kube::test {

using namespace std::chrono_literals;

/// A folder that goes with the test.
class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "rls-kube-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  /// Writes a file and returns its path.
  std::string file(const std::string& name, const std::string& content) const {
    const std::string path = path_ + "/" + name;
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// Runs a command line and returns its output; a failure fails the test.
inline std::string run(const std::string& command) {
  std::string output;
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("cannot run: " + command);
  for (int c; (c = std::fgetc(pipe)) != EOF;) output += static_cast<char>(c);
  const int status = ::pclose(pipe);
  if (status != 0) throw std::runtime_error(command + "\nfailed: " + output);
  return output;
}
inline std::string kubectl(const std::string& arguments) { return run("kubectl " + arguments); }

/// Polls until `holds`; false where it does not within two minutes.
inline bool eventually(const std::function<bool()>& holds) {
  const auto deadline = std::chrono::steady_clock::now() + 120s;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(10ms);
  }
  return true;
}
inline void apply(const std::string& yaml) {
  const TempDir dir;
  kubectl("apply --server-side --force-conflicts -f " + dir.file("objects.yaml", yaml));
}

/// The API server of $KUBECONFIG. Without one these tests fail, they do not skip.
inline void demand_server() {
  if (std::getenv("KUBECONFIG") == nullptr) {
    throw std::runtime_error(
        "KUBECONFIG is not set: these tests need a real kube-apiserver (dev/cluster up; see "
        "CONTRIBUTING.md)");
  }
}

/// Remembers objects by name as a cache would, and counts what happened. Any thread may look.
class RememberingSink final : public ObjectSink {
 public:
  void relist_begin() override { fresh_.clear(); }
  void relist_item(std::string_view object) override { fresh_[name_of(object)] = object; }
  void relist_commit() override {
    const std::lock_guard lock(mutex_);
    objects_.swap(fresh_);
    ++relists_;
    changed_.notify_all();
  }
  void relist_abort() override {
    const std::lock_guard lock(mutex_);
    ++aborts_;
  }
  void applied(std::string_view object) override {
    const std::lock_guard lock(mutex_);
    objects_[name_of(object)] = object;
    ++events_;
    changed_.notify_all();
  }
  void deleted(std::string_view object) override {
    const std::lock_guard lock(mutex_);
    objects_.erase(name_of(object));
    ++events_;
    changed_.notify_all();
  }

  /// Waits until `holds(objects)`; false after two minutes: pauses between tries go up to 30 s.
  bool comes_to(const std::function<bool(const std::map<std::string, std::string>&)>& holds) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 120s, [&] { return relists_ > 0 && holds(objects_); });
  }
  bool relists_reach(int count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 120s, [&] { return relists_ >= count; });
  }
  int relists() const {
    const std::lock_guard lock(mutex_);
    return relists_;
  }
  int events() const {
    const std::lock_guard lock(mutex_);
    return events_;
  }

 private:
  static std::string name_of(std::string_view object) {
    const auto at = object.find("\"name\":\"") + 8;
    return std::string(object.substr(at, object.find('"', at) - at));
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::string> fresh_;
  std::map<std::string, std::string> objects_;
  int relists_ = 0;
  int aborts_ = 0;
  int events_ = 0;
};

/// list_and_watch on a thread of its own, stopped at the end.
class Watching {
 public:
  Watching(Client& client, const Resource& resource, ObjectSink& sink)
      : thread_([&client, resource, &sink](std::stop_token stop) {
          client.list_and_watch(resource, sink, {}, std::move(stop));
        }) {}
  /// How long the stop took.
  std::chrono::milliseconds stop() {
    const auto begin = std::chrono::steady_clock::now();
    thread_.request_stop();
    thread_.join();
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
  }

 private:
  std::jthread thread_;
};

/// Calls with a `done` as a call that waits.
template <class T, class Call>
Result<T> waited(Call&& call) {
  std::mutex mutex;
  std::condition_variable came;
  std::optional<Result<T>> got;
  call([&](Result<T> result) {
    const std::lock_guard lock(mutex);
    got = std::move(result);
    came.notify_all();
  });
  std::unique_lock lock(mutex);
  came.wait(lock, [&] { return got.has_value(); });
  return *got;
}

inline Result<std::string> put_status(Client& client, const Resource& resource, const api::ObjectName& name,
                                      const std::string& body) {
  return waited<std::string>([&](auto done) { client.put_status(resource, name, body, std::move(done)); });
}

/// A namespace of the test's own and a CRD with a status.
class RealServer : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (std::getenv("KUBECONFIG") == nullptr) return;  // a throw here would only skip; SetUp fails
    initialize_http_library();
    apply(R"(apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.clienttest.rls-operator.dev}
spec:
  group: clienttest.rls-operator.dev
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, x-kubernetes-preserve-unknown-fields: true}
          status: {type: object, properties: {size: {type: integer}}}
)");
    kubectl("wait --for=condition=Established crd/widgets.clienttest.rls-operator.dev --timeout=120s");
  }

  void SetUp() override {
    demand_server();
    static int count = 0;
    ns_ = "client-test-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
    apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: " + ns_ + "}\n");
  }

  /// Without a controller manager a namespace never goes; its contents can.
  void TearDown() override {
    if (ns_.empty()) return;
    kubectl("delete configmaps,widgets --all --wait=false -n " + ns_);
    kubectl("delete namespace --wait=false " + ns_);
  }

  std::unique_ptr<Client> client() { return client({}, seam_); }
  static std::unique_ptr<Client> client(const ClientOptions& options, Seam& seam) {
    auto made = make_client(options, seam);
    if (!made) throw std::runtime_error(made.error().message);
    return std::move(*made);
  }

  /// A client of the same server with another identity, CA or tuning.
  std::unique_ptr<Client> client(const std::string& kubeconfig) {
    return client({.kubeconfig = dir_.file("kubeconfig", kubeconfig), .context = {}}, seam_);
  }
  std::unique_ptr<Client> client(ReflectorTuning tuning) {
    static const SystemClock clock;
    auto credentials = Credentials::load({}, real_surroundings(), clock);
    auto transport = make_cpprest_transport(std::move(credentials).value());
    return std::make_unique<ApiClient>(std::move(transport).value(), seam_, std::move(tuning));
  }

  static std::string config(const std::string& jsonpath) {
    return kubectl("config view --raw --minify --flatten -o 'jsonpath={" + jsonpath + "}'");
  }
  static std::string kubeconfig(const std::string& server, const std::string& ca_data,
                                const std::string& token) {
    return "apiVersion: v1\nkind: Config\ncurrent-context: it\n"
           "contexts: [{name: it, context: {cluster: it, user: me}}]\n"
           "clusters: [{name: it, cluster: {server: '" +
           server + "', certificate-authority-data: " + ca_data +
           "}}]\nusers: [{name: me, user: {token: " + token + "}}]\n";
  }
  static std::string server() { return config(".clusters[0].cluster.server"); }
  static std::string ca_data() { return config(".clusters[0].cluster.certificate-authority-data"); }

  void make_config_map(const std::string& name, const std::string& value) const {
    apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + ", namespace: " + ns_ +
          "}\ndata: {key: " + value + "}\n");
  }
  Resource config_maps() const { return {"v1", "configmaps", ns_}; }

  void make_widget(const std::string& name) const {
    apply("apiVersion: clienttest.rls-operator.dev/v1\nkind: Widget\nmetadata: {name: " + name +
          ", namespace: " + ns_ + "}\nspec: {}\n");
  }
  Resource widgets() const { return {"clienttest.rls-operator.dev/v1", "widgets", ns_}; }

  std::string ns_;
  TempDir dir_;
  Seam seam_;
};

}  // namespace rls::kube::test
