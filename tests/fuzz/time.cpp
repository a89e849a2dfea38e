// Times and durations as text.

#include "controller/base/time.hpp"
#include "controller/base/text.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using rls::fuzz::require;
  const std::string_view text = rls::fuzz::text_of(data, size);
  if (const auto time = rls::parse_rfc3339(text)) {
    require(rls::parse_rfc3339(rls::format_rfc3339(*time)) == time, "a time is read back as it was");
    require(rls::parse_rfc3339(rls::format_rfc3339_micro(*time)) == time, "to the microsecond");
    const auto second = rls::parse_rfc3339(rls::format_rfc3339_seconds(*time));
    require(second && *second <= *time && *time - *second < std::chrono::seconds{1},
            "rounded down to the second");
  }
  if (const auto duration = rls::parse_duration(text)) {
    require(*duration >= rls::Duration{0}, "no duration is negative");
    const std::string written = rls::format_duration(*duration);
    require(!written.empty() && !rls::format_age(*duration).empty(), "a duration can be shown");
    if (const auto again = rls::parse_duration(written))
      require(again == duration, "and is read back as it was");
  }
  require(rls::truncated(text, 20).size() <= 20, "cut is cut");
  require(!rls::is_utf8(text) || rls::is_utf8(rls::quoted(text, 20)), "text stays text");
  return 0;
}
