#include "controller/checks/project_in_query.hpp"

#include <algorithm>
#include <cctype>

namespace rls::checks {
namespace {

constexpr std::string_view kProject = "$project";
constexpr char kNoQuote = 0;

bool names_project(std::string_view text) {
  if (!text.starts_with(kProject)) return false;
  const char next = text.size() == kProject.size() ? ' ' : text[kProject.size()];
  return std::isalnum(static_cast<unsigned char>(next)) == 0 && next != '_';
}

/// As it stands in a string between such quotes. In backticks nothing can be escaped.
Result<std::string> in_quotes(std::string_view project, char quote) {
  if (quote == kNoQuote) {
    return terminal("InvalidQuery",
                    "prometheus.query has $project outside of quotes: write it as a text, such as "
                    "project=\"$project\"");
  }
  if (quote == '`' && project.find('`') != project.npos) {
    return terminal("InvalidQuery",
                    "prometheus.query has $project in backticks, in which the name of this project cannot "
                    "stand, as it has one: use double quotes");
  }
  std::string out;
  for (const char c : project) {
    if (quote != '`' && (c == quote || c == '\\')) out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

Result<std::string> with_project(std::string_view query, std::string_view project) {
  std::string out;
  char quote = kNoQuote;  // of the string that we are in
  for (std::size_t i = 0; i < query.size(); ++i) {
    const char c = query[i];
    if (names_project(query.substr(i))) {
      const auto name = in_quotes(project, quote);
      if (!name) return name.error();
      out += *name;
      i += kProject.size() - 1;
    } else if (quote == kNoQuote && c == '#') {  // a comment, in which quotes mean nothing
      const std::size_t end = std::min(query.find('\n', i), query.size());
      out += query.substr(i, end - i);
      i = end - 1;
    } else {
      out += c;
      if (quote == kNoQuote && (c == '"' || c == '\'' || c == '`')) {
        quote = c;
      } else if (c == quote) {
        quote = kNoQuote;
      } else if (c == '\\' && quote != kNoQuote && quote != '`' && i + 1 < query.size()) {
        out += query[++i];  // escaped: no end of the string
      }
    }
  }
  return out;
}

}  // namespace rls::checks
