#include "controller/base/result.hpp"

namespace rls {

std::string_view to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::transient: return "transient";
    case ErrorKind::conflict: return "conflict";
    case ErrorKind::terminal: return "terminal";
    case ErrorKind::in_doubt: return "in doubt";
  }
  return "unknown";
}

}  // namespace rls
