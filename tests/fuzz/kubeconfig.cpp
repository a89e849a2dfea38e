// Kubeconfigs, with the CA and proxy that they name.

#include "controller/kube/credentials.hpp"
#include "tests/fakes/fake_clock.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using rls::fuzz::require;
  static const rls::fuzz::MemoryFile file;
  static const rls::fakes::FakeClock clock;
  file.hold(rls::fuzz::text_of(data, size));
  rls::kube::Surroundings surroundings;
  surroundings.environment = [](const std::string&) -> std::optional<std::string> { return std::nullopt; };
  const auto made =
      rls::kube::Credentials::load({.kubeconfig = file.path(), .context = {}}, surroundings, clock);
  if (!made.ok()) {
    require(made.error().kind == rls::ErrorKind::terminal, "a bad file does not heal by itself");
    require(!made.error().message.empty(), "it is said why");
    return 0;
  }
  const std::string& server = (*made)->server();
  require(server.starts_with("https://") || server.starts_with("http://"), "there is a server");
  require(server.find_first_of(" \n\r\t") == std::string::npos, "a server fits into a request");
  const bool elsewhere = rls::fuzz::text_of(data, size).find("tokenFile") != std::string_view::npos;
  require((*made)->has_plugin() || elsewhere || (*made)->token().ok(),
          "a token that stands in the file can be had");
  return 0;
}
