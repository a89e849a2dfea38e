#pragma once
// JSON that the API server sends, taken apart as far as the client needs it: lists, watch events, Status
// objects. Pure, no IO: bytes in, values or an Error out, whatever the bytes are. Objects are handed out as
// the raw text they came in; nothing in them is looked at but metadata.resourceVersion.
//
// Texts are taken as `std::string&` because simdjson reads past the end: room is made behind the text, the
// text itself stays. Views point into that string and live as long as it is not touched.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/result.hpp"

namespace rls::kube {

enum class EventType { added, modified, deleted, bookmark, error };

struct WatchEvent {
  EventType type = EventType::error;
  std::string_view object;       ///< raw JSON; of a bookmark only the metadata is meaningful
  std::string resource_version;  ///< of the object; empty for `error`
  int error_code = 0;  ///< of `error`: the Status's code, 410 where history was compacted; 0 unknown
};

/// Keeps its parser's buffers between events. Not thread-safe.
class WatchDecoder {
 public:
  WatchDecoder();
  ~WatchDecoder();

  /// One line of a watch. Error: MalformedReply (transient) for anything that is not an event of a known type
  /// with an object that has a resourceVersion; the watch cannot be trusted from there on.
  Result<WatchEvent> decode(std::string& line);

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

struct ListPage {
  std::vector<std::string_view> items;  ///< raw JSON of each object, in the server's order
  std::string resource_version;         ///< never empty
  std::string continue_token;           ///< empty: the last page
};

/// A reply to a list. Error: MalformedReply (transient).
Result<ListPage> decode_list_page(std::string& body);

/// metadata.resourceVersion of one object. Error: MalformedReply (transient).
Result<std::string> decode_resource_version(std::string& object);

/// What a metav1.Status says; what is not there, or no Status at all, leaves the fields empty.
struct StatusBody {
  std::string reason;
  std::string message;
  int code = 0;
};
StatusBody decode_status(std::string& body);

}  // namespace rls::kube
