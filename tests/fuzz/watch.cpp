// The byte stream of a watch: lines, whatever the chunks are, and the events in them.

#include <vector>

#include "controller/kube/line_splitter.hpp"
#include "controller/kube/watch_decoder.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

constexpr std::size_t kLongest = 1024;

struct Lines {
  std::vector<std::string> lines;
  bool fine = true;
};

Lines split(std::string_view stream, std::size_t chunk) {
  rls::kube::LineSplitter splitter(kLongest);
  Lines out;
  while (!stream.empty() && out.fine) {
    out.fine = splitter.feed(stream.substr(0, chunk), [&](std::string& line) {
      out.lines.push_back(line);
      return true;
    });
    stream.remove_prefix(std::min(chunk, stream.size()));
  }
  rls::fuzz::require(out.fine != splitter.overlong(), "only a line that is too long ends the feeding");
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using rls::fuzz::require;
  if (size == 0) return 0;
  const std::size_t chunk = 1 + data[0] % 64U;
  const std::string_view stream = rls::fuzz::text_of(data + 1, size - 1);
  const Lines whole = split(stream, stream.size() + 1);
  for (const std::size_t each : {std::size_t{1}, chunk}) {
    const Lines other = split(stream, each);
    require(other.fine == whole.fine, "a line is too long whatever the chunks are");
    require(other.lines == whole.lines, "lines do not depend on the chunks");
  }

  rls::kube::WatchDecoder kept;
  for (const std::string& line : whole.lines) {
    require(!line.empty() && line.size() <= kLongest && line.find('\n') == std::string::npos,
            "a line is a line");
    std::string text = line;
    const auto event = kept.decode(text);
    require(text == line, "the text stays");
    std::string again = line;
    rls::kube::WatchDecoder fresh;
    const auto same = fresh.decode(again);
    require(event.ok() == same.ok(), "a decoder remembers nothing of the line before");
    if (!event.ok()) {
      require(event.error().reason == "MalformedReply", "what cannot be read is a MalformedReply");
      continue;
    }
    require(event->type == same->type && event->object == same->object &&
                event->resource_version == same->resource_version && event->error_code == same->error_code,
            "a decoder remembers nothing of the line before");
    require(event->object.data() >= text.data() &&
                event->object.data() + event->object.size() <= text.data() + text.size(),
            "the object is a piece of the line");
    require(event->object.starts_with('{'), "the object is one");
    const bool error = event->type == rls::kube::EventType::error;
    require(error == event->resource_version.empty(), "all but errors have a resourceVersion");
    require(event->error_code >= 0 && event->error_code < 1000, "a code is one of HTTP");
  }
  return 0;
}
