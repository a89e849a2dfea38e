#include "tests/kube/crds/kubectl.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace rls::test {
namespace {

using nlohmann::json;

/// A file without a name, to be a child's stdin or stdout.
class Scratch {
 public:
  Scratch() {
    std::string path = "/tmp/rls-kubectl-XXXXXX";
    fd_ = ::mkstemp(path.data());
    if (fd_ >= 0) ::unlink(path.c_str());
  }
  ~Scratch() {
    if (fd_ >= 0) ::close(fd_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  int fd() const { return fd_; }
  void fill(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t written = ::write(fd_, text.data(), text.size());
      if (written <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(written));
    }
    ::lseek(fd_, 0, SEEK_SET);
  }
  std::string content() const {
    ::lseek(fd_, 0, SEEK_SET);
    std::string out;
    std::array<char, 8192> buffer{};
    for (ssize_t n = 0; (n = ::read(fd_, buffer.data(), buffer.size())) > 0;) {
      out.append(buffer.data(), static_cast<std::size_t>(n));
    }
    return out;
  }

 private:
  int fd_ = -1;
};

std::string kubectl_binary() {
  const char* given = std::getenv("RLS_KUBECTL");
  return given != nullptr && *given != '\0' ? given : "kubectl";
}

class ApiServer : public testing::Environment {
 public:
  void SetUp() override {
    const char* kubeconfig = std::getenv("KUBECONFIG");
    ASSERT_TRUE(kubeconfig != nullptr && *kubeconfig != '\0')
        << "KUBECONFIG is not set. These tests need a real API server: dev/cluster up, then "
           "eval \"$(dev/cluster env)\".";
    const Output version = kubectl({"version"});
    ASSERT_EQ(version.code, 0) << "kubectl (" << kubectl_binary()
                               << "; set RLS_KUBECTL) does not reach the API server of " << kubeconfig
                               << ":\n"
                               << version.text;
    const Output applied = kubectl({"apply", "-k", RLS_SOURCE_DIR "/manifests"});
    ASSERT_EQ(applied.code, 0) << applied.text;
    const Output established =
        kubectl({"wait", "--for=condition=Established", "--timeout=30s", "crd/rlsapprovals.rls-operator.dev",
                 "crd/rlsdatabases.rls-operator.dev", "crd/rlsmigrations.rls-operator.dev",
                 "crd/rlsrollouts.rls-operator.dev"});
    ASSERT_EQ(established.code, 0) << established.text;
    ASSERT_EQ(kubectl({"create", "namespace", test_namespace()}).code, 0);
  }
  void TearDown() override {
    kubectl({"delete", "rls", "--all", "--namespace", test_namespace(), "--wait=false"});
    kubectl({"delete", "namespace", test_namespace(), "--wait=false"});
  }
};

const testing::Environment* const kApiServer = testing::AddGlobalTestEnvironment(new ApiServer);

}  // namespace

Output kubectl(const std::vector<std::string>& arguments, std::string_view input) {
  const Scratch in;
  const Scratch out;
  const Scratch err;
  in.fill(input);

  std::string binary = kubectl_binary();
  std::vector<std::string> texts = arguments;
  std::vector<char*> argv = {binary.data()};
  for (std::string& text : texts) argv.push_back(text.data());
  argv.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.fd(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out.fd(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.fd(), STDERR_FILENO);
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, binary.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return {127, binary + ": cannot be started"};

  int status = 0;
  ::waitpid(child, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128, out.content() + err.content()};
}

std::string kubectl_ok(const std::vector<std::string>& arguments, std::string_view input) {
  Output output = kubectl(arguments, input);
  if (output.code != 0) {
    std::string line = "kubectl";
    for (const std::string& argument : arguments) line += " " + argument;
    ADD_FAILURE() << line << "\n" << output.text;
  }
  return std::move(output.text);
}

const std::string& test_namespace() {
  static const std::string name =
      "crds-test-" + std::to_string(::getpid()) + "-" + std::to_string(std::time(nullptr));
  return name;
}

json good_migration(const std::string& name) {
  return {{"apiVersion", "rls-operator.dev/v1alpha1"},
          {"kind", "RlsMigration"},
          {"metadata", {{"name", name}}},
          {"spec", {{"databaseRef", {{"name", "main"}}}, {"project", "sm"}, {"phase", "shadow"}}}};
}

json good_database(const std::string& name) {
  return {
      {"apiVersion", "rls-operator.dev/v1alpha1"},
      {"kind", "RlsDatabase"},
      {"metadata", {{"name", name}}},
      {"spec", {{"connection", {{"secretRef", {{"name", "main-db"}}}}}, {"runtime", {{"mode", "Adopted"}}}}}};
}

json good_approval(const std::string& name) {
  static const std::string me = kubectl_ok({"auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"});
  return {{"apiVersion", "rls-operator.dev/v1alpha1"},
          {"kind", "RlsApproval"},
          {"metadata", {{"name", name}}},
          {"spec",
           {{"migrationRef", {{"name", "sm"}}},
            {"phase", "enforcing"},
            {"approver", me},
            {"evidenceDigest", std::string(64, '7')}}}};
}

json good_rollout(const std::string& name) {
  return {{"apiVersion", "rls-operator.dev/v1alpha1"},
          {"kind", "RlsRollout"},
          {"metadata", {{"name", name}}},
          {"spec",
           {{"databaseRef", {{"name", "main"}}},
            {"phase", "enforcing"},
            {"waves", json::array({{{"name", "one"}, {"projects", {"sm"}}},
                                   {{"name", "two"}, {"projects", {"ab", "aa"}}}})}}}};
}

Output try_create(const json& object) {
  return kubectl({"create", "--dry-run=server", "--namespace", test_namespace(), "-f", "-"}, object.dump());
}

json create(const json& object) {
  return json::parse(
      kubectl_ok({"create", "--namespace", test_namespace(), "-o", "json", "-f", "-"}, object.dump()),
      nullptr, false);
}

json get(const std::string& resource, const std::string& name) {
  return json::parse(kubectl_ok({"get", resource, name, "--namespace", test_namespace(), "-o", "json"}),
                     nullptr, false);
}

std::string repository_file(const std::string& path) {
  std::ifstream file(std::string(RLS_SOURCE_DIR "/") + path);
  EXPECT_TRUE(file.good()) << path;
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

}  // namespace rls::test
