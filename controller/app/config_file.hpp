#pragma once
// The file of --config: flat YAML, one key for each flag. What the keys mean is options.cpp's business.

#include <string>
#include <vector>

#include "controller/base/result.hpp"

namespace rls::app {

struct ConfigEntry {
  std::string key;
  std::string value;  ///< as it is written, without quotes; empty for null
  int line = 0;       ///< from 1
};

/// The entries in their order. An empty file has none. Errors (terminal, InvalidConfig) begin with the file
/// and, where there is one, the line: no file, not YAML, not a mapping, a value that is no scalar, a key that
/// comes twice.
Result<std::vector<ConfigEntry>> read_config_file(const std::string& path);

/// The key of a flag: "observe-interval" is "observeInterval".
std::string config_key(const std::string& flag);

}  // namespace rls::app
