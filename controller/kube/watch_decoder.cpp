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

// Documents are read forwards only, and nothing is asked after the first error: on-demand look-ups that
// search from the beginning again (find_field_unordered, operator[]) take for granted that the text before is
// sound, and damaged text leads them astray (found by the test that damages texts).

/// `on_field(key, value)` for each field; ends with the first error.
template <class OnField>
simdjson::error_code each_field(ondemand::object& object, OnField&& on_field) {
  for (simdjson::simdjson_result<ondemand::field> entry : object) {
    ondemand::field field;
    if (const auto bad = std::move(entry).get(field)) return bad;
    std::string_view key;
    if (const auto bad = field.unescaped_key().get(key)) return bad;
    if (const auto bad = on_field(key, field.value())) return bad;
  }
  return simdjson::SUCCESS;
}

/// A text, or nothing where it is of another type.
simdjson::error_code read_text(ondemand::value& value, std::string& out) {
  ondemand::json_type type{};
  if (const auto bad = value.type().get(type)) return bad;
  if (type != ondemand::json_type::string) return simdjson::SUCCESS;
  std::string_view text;
  if (const auto bad = value.get_string().get(text)) return bad;
  out = text;
  return simdjson::SUCCESS;
}

/// A small positive number, or 0.
simdjson::error_code read_code(ondemand::value& value, int& out) {
  ondemand::json_type type{};
  if (const auto bad = value.type().get(type)) return bad;
  if (type != ondemand::json_type::number) return simdjson::SUCCESS;
  std::int64_t number = 0;
  if (const auto bad = value.get_int64().get(number)) return bad;
  if (number > 0 && number < 1000) out = static_cast<int>(number);
  return simdjson::SUCCESS;
}

struct Metadata {
  std::string resource_version;
  std::string continue_token;
};

simdjson::error_code read_metadata(ondemand::value& value, Metadata& out) {
  ondemand::object metadata;
  if (const auto bad = value.get_object().get(metadata)) return bad;
  return each_field(metadata, [&](std::string_view key, ondemand::value field) {
    if (key == "resourceVersion") return read_text(field, out.resource_version);
    if (key == "continue") return read_text(field, out.continue_token);
    return simdjson::SUCCESS;
  });
}

/// What is looked at in any object: an event's may be one of ours or a Status, and its type may come last.
struct Glance {
  Metadata metadata;
  StatusBody status;
};

simdjson::error_code read_glance(ondemand::object& object, Glance& out) {
  return each_field(object, [&](std::string_view key, ondemand::value value) {
    if (key == "metadata") return read_metadata(value, out.metadata);
    if (key == "message") return read_text(value, out.status.message);
    if (key == "reason") return read_text(value, out.status.reason);
    if (key == "code") return read_code(value, out.status.code);
    return simdjson::SUCCESS;
  });
}

simdjson::error_code read_raw(ondemand::object& object, std::string_view& out) {
  if (const auto bad = object.raw_json().get(out)) return bad;
  out = trimmed(out);
  return simdjson::SUCCESS;
}

simdjson::error_code read_event(ondemand::document& document, WatchEvent& event) {
  ondemand::object envelope;
  if (const auto bad = document.get_object().get(envelope)) return bad;
  std::string type_text;
  Glance glance;
  const auto bad = each_field(envelope, [&](std::string_view key, ondemand::value value) {
    if (key == "type") return read_text(value, type_text);
    if (key != "object") return simdjson::SUCCESS;
    ondemand::object object;
    if (const auto wrong = value.get_object().get(object)) return wrong;
    if (const auto wrong = read_glance(object, glance)) return wrong;
    if (const auto wrong = object.reset().error()) return wrong;
    return read_raw(object, event.object);
  });
  if (bad) return bad;
  const auto type = parse_type(type_text);
  if (!type) return simdjson::INCORRECT_TYPE;
  event.type = *type;
  if (event.type == EventType::error) {
    event.error_code = glance.status.code;
    return event.object.empty() ? simdjson::NO_SUCH_FIELD : simdjson::SUCCESS;
  }
  event.resource_version = std::move(glance.metadata.resource_version);
  return event.resource_version.empty() ? simdjson::NO_SUCH_FIELD : simdjson::SUCCESS;
}

simdjson::error_code read_items(ondemand::value& value, std::vector<std::string_view>& out) {
  ondemand::json_type type{};
  if (const auto bad = value.type().get(type)) return bad;
  if (type == ondemand::json_type::null) return simdjson::SUCCESS;  // Go's empty slice that was never made
  ondemand::array items;
  if (const auto bad = value.get_array().get(items)) return bad;
  for (auto element : items) {
    ondemand::object object;
    if (const auto bad = element.get_object().get(object)) return bad;
    std::string_view raw;
    if (const auto bad = read_raw(object, raw)) return bad;
    out.push_back(raw);
  }
  return simdjson::SUCCESS;
}

simdjson::error_code read_list(ondemand::document& document, ListPage& page) {
  ondemand::object list;
  if (const auto bad = document.get_object().get(list)) return bad;
  Metadata metadata;
  bool has_items = false;
  const auto bad = each_field(list, [&](std::string_view key, ondemand::value value) {
    if (key == "metadata") return read_metadata(value, metadata);
    if (key != "items") return simdjson::SUCCESS;
    has_items = true;
    return read_items(value, page.items);
  });
  if (bad) return bad;
  page.resource_version = std::move(metadata.resource_version);
  page.continue_token = std::move(metadata.continue_token);
  return has_items && !page.resource_version.empty() ? simdjson::SUCCESS : simdjson::NO_SUCH_FIELD;
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

namespace {

simdjson::error_code glance_at(std::string& text, Glance& out) {
  ondemand::parser parser;
  ondemand::document document;
  if (const auto bad = open(parser, text).get(document)) return bad;
  ondemand::object root;
  if (const auto bad = document.get_object().get(root)) return bad;
  return read_glance(root, out);
}

}  // namespace

Result<std::string> decode_resource_version(std::string& object) {
  Glance glance;
  if (const auto bad = glance_at(object, glance)) return malformed("reply", why(bad));
  if (glance.metadata.resource_version.empty()) return malformed("reply", "it has no resourceVersion");
  return std::move(glance.metadata.resource_version);
}

StatusBody decode_status(std::string& body) {
  Glance glance;
  if (glance_at(body, glance) != simdjson::SUCCESS) return {};
  return std::move(glance.status);
}

}  // namespace rls::kube
