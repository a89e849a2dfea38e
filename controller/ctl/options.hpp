#pragma once
// The command line of rlsctl.

#include <span>
#include <string>
#include <variant>
#include <vector>

#include "controller/api/database.hpp"
#include "controller/api/phase.hpp"
#include "controller/base/time.hpp"

namespace rls::ctl {

/// Which API server, and where on it.
struct Cluster {
  std::string ns;  ///< empty: the one that the credentials name
  std::string kubeconfig, context;
};

/// Which database, and how it is reached.
struct Target : Cluster {
  std::string uri_file;  ///< a file with the connection string; else of the RlsDatabase's Secret
  std::string database;  ///< the RlsDatabase
};

struct BootstrapSql {
  std::string role = "rls_operator_role";
  std::string database;
  api::RuntimeMode mode = api::RuntimeMode::managed;
  std::string schema = "public";
  std::vector<std::string> owners;
};
struct Install {
  Target target;
  std::string schema = "rls";
};
struct Uninstall {
  Target target;
  bool yes = false;
};
struct ReviewList {
  Target target;
  std::string project;
  bool all = false;  ///< those with a verdict, too
  bool json = false;
};
struct ReviewSet {
  Target target;
  std::string verdict;  ///< false-positive, fixed, real
  std::vector<std::string> fingerprints;
  std::string by, comment;
};

/// A person's yes to the next step of a project.
struct Approve {
  Cluster cluster;
  std::string migration;
  Phase phase = Phase::shadow;
  std::string comment;
  std::string expires;  ///< "24h", or RFC 3339; empty: never
  bool yes = false;     ///< do not ask
};
/// Lets a project go on that is held in its database.
struct Resume {
  Cluster cluster;
  std::string migration;
  bool wait = false;
  Duration timeout = std::chrono::minutes{1};
};
/// The brake (R-A4): of a migration, or, without Kubernetes, of a project.
struct Rollback {
  Target target;
  std::string migration;  ///< empty: `project` is given
  std::string project;
  Phase to = Phase::pending;
  std::string reason, by;
  bool wait = false;
  Duration timeout = std::chrono::minutes{1};
};
struct Status {
  Cluster cluster;
  bool all_namespaces = false;
  std::string database;  ///< of this RlsDatabase alone; empty: of all
  bool json = false;
};
/// Why one project is where it is.
struct Explain {
  Cluster cluster;
  std::string migration;
};

using Command = std::variant<BootstrapSql, Install, Uninstall, ReviewList, ReviewSet, Approve, Resume,
                             Rollback, Status, Explain>;

/// The process is to end before it begins: help or version (code 0, for stdout), or a line that cannot be
/// understood (code 2, for stderr; names what is wrong).
struct EarlyExit {
  int code = 0;
  std::string text;  ///< ends in a newline
};

/// `arguments` without the program's name.
std::variant<Command, EarlyExit> parse_command(std::span<const std::string> arguments);

}  // namespace rls::ctl
