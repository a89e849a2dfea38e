// Every reason in the code stands in docs/conditions.md. The code is read as text: reasons are literals in
// few forms, and a list of them would be one more thing to forget.

// With -fsanitize=address GCC 12 takes std::regex's own code for uninitialized.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

namespace rls::reconcile {
namespace {

const std::filesystem::path kSource = RLS_SOURCE_DIR;

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// How a reason stands in the code; the last group is the reason.
const std::vector<std::regex> kForms = {
    std::regex(R"re(\b(transient|terminal|conflict|in_doubt)\(\s*"([A-Z][A-Za-z]+)")re"),
    std::regex(R"re(\bError\{[^"{};]*"([A-Z][A-Za-z]+)")re"),
    std::regex(R"re(\b(Meaning|Row)\{[^{}]*ErrorKind::\w+,\s*"([A-Z][A-Za-z]+)")re"),
    std::regex(R"re(return \{k(True|False|Unknown), k(True|False|Unknown), "([A-Z][A-Za-z]+)")re"),
    std::regex(R"re(\badd\("[A-Za-z]+", ConditionStatus::\w+, "([A-Z][A-Za-z]+)")re"),
    std::regex(R"re(return \{ConditionStatus::\w+, "([A-Z][A-Za-z]+)")re"),
    std::regex(R"re(\buntold\(database, "([A-Z][A-Za-z]+)")re"),
    std::regex(R"re(\breason = "([A-Z][A-Za-z]+)")re"),
    std::regex(R"re(\bnote\("([A-Z][A-Za-z]+)")re"),
};

// Of the rooms below, only what can become a condition: an answer to "read this Secret".
const std::vector<std::string> kPlaces = {
    "controller/decide",
    "controller/reconcile",
    "controller/postgres",
    "controller/kube/api_client.cpp",
    "controller/kube/calls.cpp",
    "controller/kube/cpprest_transport.cpp",
    "controller/kube/credentials.cpp",
    "controller/kube/status_error.cpp",
    "controller/kube/tls.cpp",
};
// No condition can hold these: the process does not start with them, a watch alone meets it and goes on, it
// does not lead and tells of nothing, or rlsctl alone meets them.
const std::set<std::string> kNeverShown = {"RuntimeInUse",         "UnknownViolation", "HeldLower",
                                           "ResourceNotInstalled", "NoCredentials",    "Silence",
                                           "InvalidServer",        "InvalidProxy",     "NotLeading"};

std::map<std::string, std::string> reasons_in_code() {
  std::map<std::string, std::string> reasons;  // and a file where each stands
  const auto search = [&](const std::filesystem::path& path) {
    if (path.extension() != ".cpp") return;
    const std::string text = read(path);
    for (const std::regex& form : kForms) {
      for (std::sregex_iterator at(text.begin(), text.end(), form), end; at != end; ++at) {
        reasons.emplace((*at)[at->size() - 1], std::filesystem::relative(path, kSource).string());
      }
    }
  };
  for (const std::string& place : kPlaces) {
    if (std::filesystem::is_directory(kSource / place)) {
      for (const auto& entry : std::filesystem::recursive_directory_iterator(kSource / place)) {
        search(entry.path());
      }
    } else {
      search(kSource / place);
    }
  }
  return reasons;
}

/// The first column of the tables, which may hold several.
std::set<std::string> documented() {
  std::set<std::string> names;
  std::istringstream lines(read(kSource / "docs/conditions.md"));
  static const std::regex name("`([A-Z][A-Za-z]+)`");
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("| `")) continue;
    const std::string first = line.substr(0, line.find(" | "));
    for (std::sregex_iterator at(first.begin(), first.end(), name), end; at != end; ++at) {
      names.insert((*at)[1]);
    }
  }
  return names;
}

TEST(Reasons, EveryReasonInTheCodeIsDocumented) {
  const auto known = documented();
  for (const auto& [reason, file] : reasons_in_code()) {
    if (kNeverShown.contains(reason)) continue;
    EXPECT_TRUE(known.contains(reason)) << reason << " of " << file << " is not in docs/conditions.md";
  }
}

TEST(Reasons, NothingIsDocumentedThatNoCodeSays) {
  const std::set<std::string> types = {"Ready",   "TargetReached", "Reconciling",  "Stalled",    "Held",
                                       "Drifted", "Reachable",     "RuntimeReady", "Overridden", "Isolated"};
  const auto said = reasons_in_code();
  for (const std::string& name : documented()) {
    // AlreadyExists is a constant of its own in status_error.cpp.
    if (types.contains(name) || name == "AlreadyExists" || name == "HttpStatus") continue;
    EXPECT_TRUE(said.contains(name)) << name;
  }
}

TEST(Reasons, EachFormIsFound) {
  const auto said = reasons_in_code();
  for (const char* reason : {"TargetReached", "Adopted", "MissingPrivilege", "LockTimeout", "DatabaseChanged",
                             "SecretNotFound", "InDoubt", "TooManyRequests", "ConnectionLost"}) {
    EXPECT_TRUE(said.contains(reason)) << reason;
  }
}

}  // namespace
}  // namespace rls::reconcile
