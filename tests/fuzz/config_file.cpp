// The file of --config.

#include "controller/app/config_file.hpp"

#include <set>

#include "controller/base/text.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using rls::fuzz::require;
  static const rls::fuzz::MemoryFile file;
  file.hold(rls::fuzz::text_of(data, size));
  const auto entries = rls::app::read_config_file(file.path());
  if (!entries.ok()) {
    require(entries.error().reason == "InvalidConfig", "the reason names the file");
    require(entries.error().message.starts_with(file.path()), "the message begins with it");
    return 0;
  }
  std::set<std::string> keys;
  for (const rls::app::ConfigEntry& entry : *entries) {
    require(keys.insert(entry.key).second, "a key stands once");
    require(entry.line >= 1, "it is known where");
  }
  return 0;
}
