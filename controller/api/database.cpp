#include "controller/api/database.hpp"

namespace rls::api {

std::string_view to_string(Severity severity) {
  switch (severity) {
    case Severity::low: return "Low";
    case Severity::medium: return "Medium";
    case Severity::high: return "High";
    case Severity::critical: return "Critical";
  }
  return "Critical";
}

std::optional<Severity> parse_severity(std::string_view text) {
  for (const Severity severity : {Severity::low, Severity::medium, Severity::high, Severity::critical}) {
    if (text == to_string(severity)) return severity;
  }
  return std::nullopt;
}

}  // namespace rls::api
