// What an unhappy reply of the API server becomes.

#include "controller/kube/status_error.hpp"
#include "controller/base/text.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using rls::fuzz::require;
  if (size < 2) return 0;
  const int status = 300 + (data[0] * 256 + data[1]) % 300;
  const auto error = rls::kube::status_error(
      {.status = status, .body = std::string(rls::fuzz::text_of(data + 2, size - 2)), .retry_after = {}},
      {.verb = "update",
       .group_version = "rls-operator.dev/v1alpha1",
       .resource = "rlsmigrations/status",
       .ns = "a"});
  require(!error.reason.empty() && error.reason.size() < 32, "the reason is one of ours");
  require(rls::is_utf8(error.message), "the message can be shown");
  require(error.message.size() < 1200, "the message is short, whatever the server says");
  for (const char c : error.message) require(static_cast<unsigned char>(c) >= ' ', "the message is one line");
  require((error.kind == rls::ErrorKind::conflict) == (status == 409), "a conflict is a 409");
  return 0;
}
