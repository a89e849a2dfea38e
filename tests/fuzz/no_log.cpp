// In the place of base/log.cpp, which remembers each secret for the life of the process: a fuzzer makes
// millions.

#include "controller/base/log.hpp"

namespace rls::log {

void add_secret(std::string_view) {}
std::string redacted(std::string_view text) { return std::string(text); }
bool enabled(Level) { return false; }
void write(Level, std::string_view, std::string_view, Fields) {}

}  // namespace rls::log
