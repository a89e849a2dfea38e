#pragma once
// The command line of rlsctl.

#include <span>
#include <string>
#include <variant>
#include <vector>

#include "controller/api/database.hpp"

namespace rls::ctl {

/// Which database, and how it is reached.
struct Target {
  std::string uri_file;  ///< a file with the connection string; else of the RlsDatabase's Secret
  std::string ns;        ///< of the RlsDatabase; empty: the one that the credentials name
  std::string database;  ///< the RlsDatabase
  std::string kubeconfig, context;
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

using Command = std::variant<BootstrapSql, Install, Uninstall, ReviewList, ReviewSet>;

/// The process is to end before it begins: help or version (code 0, for stdout), or a line that cannot be
/// understood (code 2, for stderr; names what is wrong).
struct EarlyExit {
  int code = 0;
  std::string text;  ///< ends in a newline
};

/// `arguments` without the program's name.
std::variant<Command, EarlyExit> parse_command(std::span<const std::string> arguments);

}  // namespace rls::ctl
