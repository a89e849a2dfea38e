#include "controller/postgres/memory_file.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace rls::postgres {

MemoryFile::MemoryFile(std::string_view text) : descriptor_(::memfd_create("rls-operator", MFD_CLOEXEC)) {
  while (descriptor_ >= 0 && !text.empty()) {
    const ssize_t count = ::write(descriptor_, text.data(), text.size());
    if (count < 0) break;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  if (descriptor_ >= 0 && text.empty()) return;
  const int error = errno;
  if (descriptor_ >= 0) ::close(descriptor_);
  throw std::system_error(error, std::generic_category(), "a file in memory");
}

MemoryFile::~MemoryFile() { ::close(descriptor_); }

std::string MemoryFile::path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

}  // namespace rls::postgres
