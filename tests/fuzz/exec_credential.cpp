// What an exec plugin prints.

#include <algorithm>

#include "controller/kube/exec_credential.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using rls::fuzz::require;
  const auto made = rls::kube::parse_exec_credential(std::string(rls::fuzz::text_of(data, size)),
                                                     "client.authentication.k8s.io/v1");
  if (!made.ok()) {
    require(made.error().reason == "InvalidExecCredential",
            "what cannot be read is an InvalidExecCredential");
    require(made.error().message.size() < 160, "nothing of it is quoted");
    return 0;
  }
  require(std::all_of(made->token.begin(), made->token.end(), [](char c) { return c > ' ' && c <= '~'; }),
          "a token fits into a header");
  require(made->certificate.empty() == made->key.empty(), "a certificate has its key");
  require(!made->token.empty() || !made->key.empty(), "there is something to show");
  return 0;
}
