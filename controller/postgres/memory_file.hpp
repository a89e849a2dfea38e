#pragma once
// A file that is none: for a library that takes certificates by the name of a file alone, where no file
// system can be written.

#include <string>
#include <string_view>

namespace rls::postgres {

/// Holds a text under a name that only this process can open, until it goes. Not inherited by programs.
class MemoryFile {
 public:
  /// Throws std::system_error where there is no memory, or no descriptor left.
  explicit MemoryFile(std::string_view text);
  ~MemoryFile();
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  [[nodiscard]] std::string path() const;

 private:
  int descriptor_;
};

}  // namespace rls::postgres
