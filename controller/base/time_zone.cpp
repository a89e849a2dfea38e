#include "controller/base/time_zone.hpp"

#include <date/tz.h>

// ptz.h of version 3.0.1 says hh_mm_ss and means this one; in C++20 the standard library has one, too.
namespace Posix {
using date::hh_mm_ss;
}
#include <date/ptz.h>

#include <algorithm>
#include <exception>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "controller/base/text.hpp"

namespace rls {
namespace {

constexpr std::string_view kFolder = "/usr/share/zoneinfo/";  // where the library looks, too
constexpr std::string_view kMagic = "TZif";                   // RFC 9636, section 3
constexpr std::size_t kMaxName = 64;

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxName && name != "localtime" &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '/' ||
                  c == '_' || c == '-' || c == '+';
         });
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// The last line of a zone's file: the rule for the time after the last entry, as TZ has it.
std::string_view rule_of(std::string_view file) {
  if (!file.ends_with('\n')) return {};
  file.remove_suffix(1);
  return file.substr(file.rfind('\n') + 1);
}

Error invalid(std::string_view name, const std::string& why) {
  return terminal("InvalidSpec", "time zone " + quoted(name, kMaxName) + " " + why);
}

}  // namespace

struct TimeZone::Clocks {
  const date::time_zone* recorded;  ///< what the file has entries for
  date::sys_seconds last;           ///< the beginning of its last entry
  /// From `last` on, where the clocks go on being set: the library does not read this line. Files made by
  /// `zic -b fat` have entries until 2037, others end with the last change of the law.
  std::optional<Posix::time_zone> rule;

  /// Throws where the database or the zone is not there.
  static Result<std::unique_ptr<const Clocks>> load(const std::string& name) {
    const date::time_zone* recorded = date::locate_zone(name);
    // The library ends the program at a file that is none of a zone, and the folder may hold some.
    const std::string file = read_file(std::string(kFolder) + name);
    if (!file.starts_with(kMagic)) {
      return invalid(name, "cannot be read: its file is not one of a time zone; use another name");
    }
    const auto last = recorded->get_info(date::sys_days{date::year{9999} / 1 / 1}).begin;
    auto clocks = std::make_unique<Clocks>(Clocks{recorded, last, std::nullopt});
    const std::string_view rule = rule_of(file);
    if (rule.find(',') == std::string_view::npos) return {std::move(clocks)};
    try {
      clocks->rule.emplace(rule);
    } catch (const std::exception&) {  // the library does not know all forms: -1 for the hour before midnight
      return invalid(name, "has a rule for the future that cannot be read (" + quoted(rule) +
                               "): use another name, such as one of Etc/");
    }
    return {std::move(clocks)};
  }
};

ClockStretch TimeZone::stretch_at(Time time) const {
  const auto second = std::chrono::floor<std::chrono::seconds>(time);
  auto info = clocks_->recorded->get_info(second);
  if (clocks_->rule && info.begin == clocks_->last) {
    info = clocks_->rule->get_info(second);
    info.begin = std::max(info.begin, clocks_->last);
  }
  return {info.begin, info.end, info.offset};
}

Result<TimeZone> find_time_zone(std::string_view name) {
  static std::mutex mutex;
  // Guarded by `mutex`. Names of the database alone come in, so it is bounded; never destroyed, so that a
  // thread may use a zone until the very end.
  static auto& known = *new std::map<std::string, std::unique_ptr<const TimeZone::Clocks>, std::less<>>;

  if (!is_name(name)) {
    return invalid(name, "is not a name: use one of the time zone database, such as UTC or Europe/Berlin");
  }
  {
    const std::scoped_lock lock(mutex);
    if (const auto found = known.find(name); found != known.end()) return TimeZone(found->second.get());
  }
  try {
    auto clocks = TimeZone::Clocks::load(std::string(name));
    if (!clocks) return clocks.error();
    const std::scoped_lock lock(mutex);
    return TimeZone(known.try_emplace(std::string(name), std::move(*clocks)).first->second.get());
  } catch (const std::exception&) {
    return invalid(
        name,
        "is not in the time zone database of this machine: use a name such as UTC or Europe/Berlin, "
        "written as there, or install tzdata");
  }
}

}  // namespace rls
