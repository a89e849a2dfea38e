#include "controller/kube/watch_decoder.hpp"

#include <simdjson.h>

#include <optional>

namespace rls::kube {
namespace {

namespace ondemand = simdjson::ondemand;

Error malformed(std::string_view what, std::string_view why) {
  return transient("MalformedReply",
                   "the API server's " + std::string(what) + " cannot be read: " + std::string(why));
}

std::string_view why(simdjson::error_code code) { return simdjson::error_message(code); }

/// simdjson loads whole registers: the bytes behind the text must be ours to read.
simdjson::simdjson_result<ondemand::document> open(ondemand::parser& parser, std::string& text) {
  if (text.capacity() - text.size() < simdjson::SIMDJSON_PADDING) {
    text.reserve(text.size() + simdjson::SIMDJSON_PADDING);
  }
  return parser.iterate(text.data(), text.size(), text.capacity());
}

/// raw_json() runs up to the next token; blanks before that are not the object's.
std::string_view trimmed(std::string_view text) {
  while (!text.empty() &&
         (text.back() == ' ' || text.back() == '\n' || text.back() == '\r' || text.back() == '\t')) {
    text.remove_suffix(1);
  }
  return text;
}

std::optional<EventType> parse_type(std::string_view text) {
  if (text == "ADDED") return EventType::added;
  if (text == "MODIFIED") return EventType::modified;
  if (text == "DELETED") return EventType::deleted;
  if (text == "BOOKMARK") return EventType::bookmark;
  if (text == "ERROR") return EventType::error;
  return std::nullopt;
}

/// A string field, or nothing where it is missing or no string.
std::string text_field(ondemand::object& object, std::string_view key) {
  std::string_view text;
  if (object.find_field_unordered(key).get_string().get(text) != simdjson::SUCCESS) return {};
  return std::string(text);
}

StatusBody read_status(ondemand::object& object) {
  StatusBody status;
  status.message = text_field(object, "message");
  status.reason = text_field(object, "reason");
  std::int64_t code = 0;
  if (object.find_field_unordered("code").get_int64().get(code) == simdjson::SUCCESS && code > 0 &&
      code < 1000) {
    status.code = static_cast<int>(code);
  }
  return status;
}

simdjson::error_code read_resource_version(ondemand::object& object, std::string& out) {
  ondemand::object metadata;
  if (const auto bad = object.find_field_unordered("metadata").get_object().get(metadata)) return bad;
  std::string_view version;
  if (const auto bad = metadata.find_field_unordered("resourceVersion").get_string().get(version)) return bad;
  out = version;
  return out.empty() ? simdjson::NO_SUCH_FIELD : simdjson::SUCCESS;
}

simdjson::error_code read_event(ondemand::document& document, WatchEvent& event) {
  ondemand::object envelope;
  if (const auto bad = document.get_object().get(envelope)) return bad;
  std::string_view type_text;
  if (const auto bad = envelope.find_field_unordered("type").get_string().get(type_text)) return bad;
  const auto type = parse_type(type_text);
  if (!type) return simdjson::INCORRECT_TYPE;
  event.type = *type;
  ondemand::object object;
  if (const auto bad = envelope.find_field_unordered("object").get_object().get(object)) return bad;
  if (event.type == EventType::error) {
    event.error_code = read_status(object).code;
  } else if (const auto bad = read_resource_version(object, event.resource_version)) {
    return bad;
  }
  if (const auto bad = object.reset().error()) return bad;
  if (const auto bad = object.raw_json().get(event.object)) return bad;
  event.object = trimmed(event.object);
  return simdjson::SUCCESS;
}

simdjson::error_code read_list(ondemand::document& document, ListPage& page) {
  ondemand::object list;
  if (const auto bad = document.get_object().get(list)) return bad;
  ondemand::object metadata;
  if (const auto bad = list.find_field_unordered("metadata").get_object().get(metadata)) return bad;
  page.resource_version = text_field(metadata, "resourceVersion");
  page.continue_token = text_field(metadata, "continue");
  if (page.resource_version.empty()) return simdjson::NO_SUCH_FIELD;

  ondemand::value items;
  if (const auto bad = list.find_field_unordered("items").get(items)) return bad;
  bool none = false;  // Go writes an empty slice that was never made as null
  if (const auto bad = items.is_null().get(none)) return bad;
  if (none) return simdjson::SUCCESS;
  ondemand::array array;
  if (const auto bad = items.get_array().get(array)) return bad;
  for (auto element : array) {
    ondemand::object object;
    if (const auto bad = element.get_object().get(object)) return bad;
    std::string_view raw;
    if (const auto bad = object.raw_json().get(raw)) return bad;
    page.items.push_back(trimmed(raw));
  }
  return simdjson::SUCCESS;
}

constexpr std::size_t kKeptCapacity = 256 * 1024;

}  // namespace

struct WatchDecoder::Parser {
  ondemand::parser json;
};

WatchDecoder::WatchDecoder() : parser_(std::make_unique<Parser>()) {}
WatchDecoder::~WatchDecoder() = default;

Result<WatchEvent> WatchDecoder::decode(std::string& line) {
  // One huge event must not keep its buffers (about five bytes a byte) for the rest of the watch.
  if (parser_->json.capacity() > kKeptCapacity) parser_ = std::make_unique<Parser>();
  ondemand::document document;
  if (const auto bad = open(parser_->json, line).get(document)) return malformed("watch event", why(bad));
  WatchEvent event;
  if (const auto bad = read_event(document, event)) return malformed("watch event", why(bad));
  return event;
}

Result<ListPage> decode_list_page(std::string& body) {
  ondemand::parser parser;  // not kept: a page's index is larger than all that is kept of the page
  ondemand::document document;
  if (const auto bad = open(parser, body).get(document)) return malformed("list", why(bad));
  ListPage page;
  if (const auto bad = read_list(document, page)) return malformed("list", why(bad));
  return page;
}

Result<std::string> decode_resource_version(std::string& object) {
  ondemand::parser parser;
  ondemand::document document;
  if (const auto bad = open(parser, object).get(document)) return malformed("reply", why(bad));
  ondemand::object root;
  if (const auto bad = document.get_object().get(root)) return malformed("reply", why(bad));
  std::string version;
  if (const auto bad = read_resource_version(root, version)) return malformed("reply", why(bad));
  return version;
}

StatusBody decode_status(std::string& body) {
  ondemand::parser parser;
  ondemand::document document;
  ondemand::object root;
  if (open(parser, body).get(document) != simdjson::SUCCESS) return {};
  if (document.get_object().get(root) != simdjson::SUCCESS) return {};
  return read_status(root);
}

}  // namespace rls::kube
