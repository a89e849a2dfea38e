#pragma once
// Cuts a watch's byte stream into lines, whatever the chunks are. Pure; bounded.

#include <cstddef>
#include <string>
#include <string_view>

namespace rls::kube {

/// A watch event is one line. The API server takes objects up to 1.5 MiB (etcd's limit); escaping may double
/// that.
inline constexpr std::size_t kLongestLine = 3 * 1024 * 1024;

class LineSplitter {
 public:
  explicit LineSplitter(std::size_t longest = kLongestLine) : longest_(longest) {}

  /// Calls `on_line(std::string&)` for each line that `chunk` completes, without its newline; empty lines are
  /// left out. `on_line` may use the string as it likes (simdjson wants room behind the text) and ends the
  /// feeding by returning false. Returns false where `on_line` did, or where a line is too long: then nothing
  /// after it can be trusted and the splitter must not be fed again.
  template <class OnLine>
  [[nodiscard]] bool feed(std::string_view chunk, OnLine&& on_line) {
    while (!chunk.empty()) {
      const std::size_t end = chunk.find('\n');
      const std::string_view piece = chunk.substr(0, end);
      if (piece.size() > longest_ - line_.size()) {
        overlong_ = true;
        return false;
      }
      line_ += piece;
      if (end == std::string_view::npos) return true;
      chunk.remove_prefix(end + 1);
      if (!line_.empty() && !on_line(line_)) return false;
      forget_line();
    }
    return true;
  }

  [[nodiscard]] bool overlong() const { return overlong_; }

 private:
  /// One huge object must not keep its memory for the rest of the watch.
  void forget_line() {
    if (line_.capacity() > kKeptCapacity) {
      std::string().swap(line_);
    } else {
      line_.clear();
    }
  }

  static constexpr std::size_t kKeptCapacity = 64 * 1024;
  std::size_t longest_;
  std::string line_;
  bool overlong_ = false;
};

}  // namespace rls::kube
