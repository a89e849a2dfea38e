#include "controller/checks/promql.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "controller/base/text.hpp"

namespace rls::checks {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kProject = "$project";
constexpr std::string_view kBlanks = " \t\r\n";

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

Error bad(std::string why) { return terminal("InvalidQuery", "prometheus.query: " + std::move(why)); }

/// Escapes mean the same in "" and ''.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '\\': out += "\\x5c"; break;
      case '"': out += "\\x22"; break;
      case '\'': out += "\\x27"; break;
      case '\n': out += "\\x0a"; break;
      default: out += c;
    }
  }
  return out;
}

/// In thousandths of a second.
std::string seconds(milliseconds since_1970) {
  const std::string text = std::to_string(since_1970.count() % 1000);
  return std::to_string(since_1970.count() / 1000) + "." + std::string(3 - text.size(), '0') + text;
}

/// One pass from left to right.
class Filler {
 public:
  Filler(std::string_view query, const PromqlValues& values)
      : rest_(query),
        values_(values),
        // Up and down: never longer ago than it is.
        since_(std::chrono::ceil<milliseconds>(values.since.value_or(Time{}).time_since_epoch())),
        window_(std::chrono::floor<milliseconds>(values.now.time_since_epoch()) - since_) {}

  Result<std::string> run() {
    if (values_.since && window_ <= milliseconds::zero())
      return bad("no time has passed since the project entered its phase");
    while (!rest_.empty()) {
      const char c = rest_.front();
      if (c == '#') {
        take(rest_.find_first_of("\r\n"));
      } else if (c == '"' || c == '\'' || c == '`') {
        if (auto done = quoted_text(c); !done) return done.error();
      } else if (c == '$') {
        if (auto done = placeholder(); !done) return done.error();
      } else {
        note(c);
        take(1);
      }
    }
    // In a comment or another text they say nothing: it would count everybody's, or all of the past.
    if (values_.demanded && !names_project_)
      return bad("$project is nowhere but in a comment or another text");
    if (values_.demanded && !names_time_)
      return bad("$since or $window is nowhere but in a comment or a text");
    return std::move(out_);
  }

 private:
  void take(std::size_t count) {
    out_ += rest_.substr(0, count);
    rest_.remove_prefix(std::min(count, rest_.size()));
  }

  /// A text in quotes, the quotes included. One without an end is for the server to refuse.
  Result<void> quoted_text(char quote) {
    std::size_t end = 1;
    while (end < rest_.size() && rest_[end] != quote) end += rest_[end] == '\\' && quote != '`' ? 2 : 1;
    const std::string_view inside = rest_.substr(1, std::min(end, rest_.size()) - 1);
    if (end >= rest_.size() || !mentions_project(inside)) {
      note(quote);
      take(end + 1);
      return {};
    }
    if (inside != kProject || quote == '`')
      return bad("$project must be the whole of a text in double quotes, such as project=\"$project\"");
    // !=, =~ and !~ would count what others did.
    if (last_ != '=' || before_last_ == '!')
      return bad("$project must be compared by =, such as project=\"$project\"");
    note(quote);
    (out_ += quote) += escaped(values_.project);
    out_ += quote;
    rest_.remove_prefix(end + 1);
    names_project_ = true;
    return {};
  }

  static bool mentions_project(std::string_view text) {
    if (text.find("${project}") != text.npos) return true;
    for (std::size_t at = text.find(kProject); at != text.npos; at = text.find(kProject, at + 1)) {
      const std::size_t next = at + kProject.size();
      if (next == text.size() || !is_word(text[next])) return true;
    }
    return false;
  }

  /// Blanks and comments apart.
  void note(char c) {
    if (kBlanks.find(c) != kBlanks.npos) return;
    before_last_ = std::exchange(last_, c);
  }

  Result<void> placeholder() {
    const auto end = std::find_if_not(rest_.begin() + 1, rest_.end(), is_word);
    const std::string_view name = rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
    names_time_ = names_time_ || name == "$since" || name == "$window";
    if (name == "$since" && values_.since) {
      out_ += seconds(since_);
    } else if (name == "$window" && values_.since) {
      out_ += std::to_string(window_.count()) + "ms";
    } else if (name == kProject) {
      return bad("$project must stand in double quotes, such as project=\"$project\"");
    } else {
      return bad(rls::quoted(name, 60) +
                 (values_.since ? " is none of $project, $since and $window" : " is not $project"));
    }
    note('$');
    rest_.remove_prefix(name.size());
    return {};
  }

  std::string_view rest_;
  const PromqlValues& values_;
  const milliseconds since_, window_;
  std::string out_;
  char last_ = ' ', before_last_ = ' ';  ///< of what was read
  bool names_project_ = false, names_time_ = false;
};

}  // namespace

Result<std::string> fill_in(std::string_view query, const PromqlValues& values) {
  return Filler(query, values).run();
}

}  // namespace rls::checks
