#pragma once
// What the command line and the file of --config ask for. Every flag, its default and its rules;
// docs/configuration.md tells the same.

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "controller/base/log.hpp"
#include "controller/base/seam.hpp"

namespace rls::app {

struct Options {
  std::string kubeconfig;  ///< empty: $KUBECONFIG, else the Pod's service account
  std::string context;     ///< empty: the kubeconfig's current one
  std::string ns;          ///< empty: all namespaces
  unsigned workers = 4;
  std::chrono::milliseconds observe_interval{15'000};
  std::chrono::milliseconds relist_interval{600'000};
  std::string bind_address = "0.0.0.0:8080";  ///< parses as a BindAddress (http_server.hpp)
  bool metrics_projects = true;
  log::Level log_level = log::Level::info;
  log::Format log_format = log::Format::json;
  std::string install_id;                            ///< empty: derived
  std::vector<std::string> allowed_prometheus_urls;  ///< what checks may ask (checks/allowed_url.hpp)
  bool leader_elect = true;
  std::string lease_name = "rls-operator";
  std::string lease_namespace;  ///< empty: the one that the credentials name
  std::chrono::milliseconds lease_duration{15'000};
  std::chrono::milliseconds renew_deadline{10'000};  ///< < lease_duration
  std::chrono::milliseconds retry_period{2'000};     ///< < renew_deadline
  std::optional<FaultPlan> inject_fault;
};

/// The process is to end before it begins: --help and --version (code 0, for stdout), or a flag or a line of
/// the file that cannot be understood (code 2, for stderr; the text names the flag, or the file, line and
/// key, and what it may be).
struct EarlyExit {
  int code = 0;
  std::string text;  ///< ends in a newline
};

/// `arguments` without the program's name. `terminal`: stderr is one (it decides the default of
/// --log-format).
std::variant<Options, EarlyExit> parse_options(std::span<const std::string> arguments, bool terminal);

}  // namespace rls::app
