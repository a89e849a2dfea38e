#include "controller/app/bind_address.hpp"

#include <charconv>

#include "controller/base/text.hpp"

namespace rls::app {

Result<BindAddress> parse_bind_address(std::string_view text) {
  const Error bad = terminal(
      "InvalidAddress", "must be HOST:PORT, such as 0.0.0.0:8080, [::1]:8080 or :8080, not " + quoted(text));
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad;
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  const bool bracketed = host.starts_with('[');
  if (bracketed) {
    if (host.size() < 3 || !host.ends_with(']')) return bad;
    host = host.substr(1, host.size() - 2);
  }
  if ((host.find(':') != std::string_view::npos) != bracketed) return bad;
  if (host.find_first_of(" \t/@[]") != std::string_view::npos) return bad;

  BindAddress out{std::string(host), 0};
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (port.empty() || error != std::errc{} || end != port.data() + port.size()) return bad;
  return out;
}

}  // namespace rls::app
