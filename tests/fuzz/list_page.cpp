// Replies to list, get and put, and Status objects.

#include "controller/kube/watch_decoder.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using rls::fuzz::require;
  const std::string input(rls::fuzz::text_of(data, size));
  std::string body = input;
  if (const auto page = rls::kube::decode_list_page(body); page.ok()) {
    require(!page->resource_version.empty(), "a page has a resourceVersion");
    const char* end = body.data();
    for (const std::string_view item : page->items) {
      require(item.data() >= end && item.data() + item.size() <= body.data() + body.size(),
              "items are pieces of the page, in its order");
      require(!item.empty(), "an item is something");
      end = item.data() + item.size();
    }
  } else {
    require(page.error().reason == "MalformedReply", "what cannot be read is a MalformedReply");
  }
  require(body == input, "the text stays");
  if (const auto version = rls::kube::decode_resource_version(body); version.ok()) {
    require(!version->empty(), "a resourceVersion is not empty");
  }
  const auto status = rls::kube::decode_status(body);
  require(status.code >= 0 && status.code < 1000, "a code is one of HTTP");
  return 0;
}
