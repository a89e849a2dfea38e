#pragma once
// Listing and watching one collection as a state machine without IO: `step` takes the state and what happened
// and returns the new state and what to do. The rules (tests/unit/kube/reflector_state_test.cpp reads as
// such):
//  - a list is taken page by page into a buffer and swapped in whole with its last page;
//  - a failed page is asked for again; 410 in mid-list drops the buffer and begins anew;
//  - a watch resumes from the last resourceVersion that was seen, after a clean close at once;
//  - 410, and a stream that cannot be followed, lead to a new list: the first time after progress at once,
//    then with growing pauses;
//  - now and then a list is taken although nothing is wrong (RelistDue): should an event ever be lost on its
//  way,
//    the watch goes on behind it and never tells of it again;
//  - when the server was away (kAway failed watches in a row), it may have come back with another past (a
//    restored snapshot): list anew. Resource versions are opaque, so nothing can be compared.

#include <chrono>
#include <optional>
#include <string>
#include <variant>

namespace rls::kube {

struct ReflectorState {
  enum class Doing { listing, watching };
  Doing doing = Doing::listing;  ///< what comes next: a page or a watch
  bool collecting = false;       ///< a relist has begun and neither committed nor been dropped
  std::string continue_token;    ///< listing: of the page to ask for; empty: the first
  std::string resource_version;  ///< watching: where to go on
  unsigned failures = 0;         ///< in a row
  unsigned relists_in_row = 0;   ///< forced ones, with no watch progress between them

  bool operator==(const ReflectorState&) const = default;
};

/// A page came and can be read.
struct PageArrived {
  std::string continue_token;
  std::string resource_version;
};
/// A watch event or bookmark was taken.
struct Progress {
  std::string resource_version;
};
/// The server ended the watch in good order.
struct WatchClosed {
  std::chrono::milliseconds lasted{0};
};
/// 410, as a status or as an ERROR event.
struct Expired {};
/// The last list is as old as one may get.
struct RelistDue {};
/// The watch brought what cannot be read, an ERROR event of another code, or a line that is too long.
struct Desynced {};
/// The call failed: connection, status, an unreadable page.
struct Failed {
  std::optional<std::chrono::seconds> retry_after{};
};
using Happening = std::variant<PageArrived, Progress, WatchClosed, Expired, RelistDue, Desynced, Failed>;

/// What to do, in this order; then go on as `ReflectorState::doing` says.
struct Orders {
  bool drop = false;                                ///< forget the buffer (relist_abort)
  bool begin = false;                               ///< open a buffer (relist_begin)
  bool deliver = false;                             ///< put the page's items into it
  bool commit = false;                              ///< swap it in (relist_commit)
  unsigned pause = 0;                               ///< 0: none; else `failures` for base's backoff
  std::optional<std::chrono::seconds> no_sooner{};  ///< the pause is at least this (Retry-After)

  bool operator==(const Orders&) const = default;
};

struct ReflectorStep {
  ReflectorState state;
  Orders orders;
};
ReflectorStep step(ReflectorState state, const Happening& happening);

/// A watch that brings nothing and ends within this has failed, however politely: no hot loop.
inline constexpr std::chrono::milliseconds kShortWatch{1000};
/// So many watches in a row failed: the server was away.
inline constexpr unsigned kAway = 4;

}  // namespace rls::kube
