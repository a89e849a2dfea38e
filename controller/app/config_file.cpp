#include "controller/app/config_file.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iterator>

#include "controller/base/text.hpp"

namespace rls::app {
namespace {

constexpr std::size_t kLargest = 1024 * 1024;

Error refused(const std::string& path, int line, const std::string& what) {
  return terminal("InvalidConfig", path + (line > 0 ? ":" + std::to_string(line) : "") + ": " + what);
}

int line_of(const YAML::Mark& mark) { return mark.is_null() ? 0 : mark.line + 1; }

Result<std::string> read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return refused(path, 0, "cannot be read: check that it exists and its permissions");
  std::string text(kLargest + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  // Of a folder the opening succeeds and the reading does not.
  if (file.bad()) return refused(path, 0, "cannot be read: it is no file");
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kLargest) return refused(path, 0, "is larger than 1 MiB");
  return text;
}

Result<std::vector<ConfigEntry>> entries_of(const std::string& path, const YAML::Node& root) {
  std::vector<ConfigEntry> entries;
  if (!root.IsDefined() || root.IsNull()) return entries;
  if (!root.IsMap()) return refused(path, line_of(root.Mark()), "a mapping of keys to values is expected");
  for (const auto& pair : root) {
    const int line = line_of(pair.first.Mark());
    if (!pair.first.IsScalar()) return refused(path, line, "a key is a text");
    const std::string key = pair.first.Scalar();
    if (!pair.second.IsScalar() && !pair.second.IsNull()) {
      return refused(path, line, key + ": one value is expected, not a list or a mapping");
    }
    const auto same = [&](const ConfigEntry& entry) { return entry.key == key; };
    if (const auto first = std::find_if(entries.begin(), entries.end(), same); first != entries.end()) {
      return refused(path, line, key + ": stands in line " + std::to_string(first->line) + " already");
    }
    entries.push_back({key, pair.second.IsNull() ? std::string{} : pair.second.Scalar(), line});
  }
  return entries;
}

}  // namespace

Result<std::vector<ConfigEntry>> read_config_file(const std::string& path) {
  const auto text = read(path);
  if (!text) return text.error();
  try {
    return entries_of(path, YAML::Load(*text));
  } catch (const YAML::Exception& bad) {
    return refused(path, line_of(bad.mark), "is not YAML: " + rls::quoted(bad.msg));
  }
}

std::string config_key(const std::string& flag) {
  std::string key;
  bool upper = false;
  for (const char c : flag) {
    if (c == '-') {
      upper = true;
    } else {
      key += upper ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
      upper = false;
    }
  }
  return key;
}

}  // namespace rls::app
