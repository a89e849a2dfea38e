#pragma once
// How objects are decoded: shared by the decoders of the kinds, and by nobody else. A header of detail/ may
// include a vendor's (dev/check-layers), and belongs to its room alone.

#include <simdjson.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/api/limits.hpp"
#include "controller/api/object.hpp"
#include "controller/base/text.hpp"

namespace rls::api::detail {

// `quoted` is written rls::quoted here: for a std::string, std::quoted would be found as well.
namespace dom = simdjson::dom;

/// A parser keeps memory for the largest text it has seen; larger ones get a parser of their own.
inline constexpr std::size_t kReusedParserLimit = 256 * 1024;

inline constexpr std::int64_t kMaxInteger = std::numeric_limits<std::int64_t>::max();

/// The first thing found wrong. What comes after it is not looked at by the caller.
class Problem {
 public:
  void note(std::string reason, std::string message) {
    if (!first_) first_ = terminal(std::move(reason), std::move(message));
  }
  [[nodiscard]] const std::optional<Error>& first() const { return first_; }

 private:
  std::optional<Error> first_;
};

inline std::string type_name(dom::element value) {
  switch (value.type()) {
    case dom::element_type::ARRAY: return "a list";
    case dom::element_type::OBJECT: return "an object";
    case dom::element_type::INT64:
    case dom::element_type::UINT64:
    case dom::element_type::DOUBLE: return "a number";
    case dom::element_type::STRING: return "a string";
    case dom::element_type::BOOL: return "a boolean";
    case dom::element_type::NULL_VALUE: return "null";
  }
  return "something else";
}

/// The fields of one JSON object. Reading one that is absent or null leaves the target as it is; reading one
/// of another type or value notes a problem that names it. Paths for messages are
/// put together only then. Must not outlive its parent: lives on the stack, above it.
class Fields {
 public:
  Fields(dom::element value, std::string_view key, Problem& problem, const Fields* parent = nullptr)
      : parent_(parent), key_(key), problem_(problem) {
    present_ = value.get(object_) == simdjson::SUCCESS;
    if (!present_) note({}, "an object is wanted, this is " + type_name(value));
  }

  [[nodiscard]] bool has(std::string_view key) const {
    dom::element value;
    return find(key, value);
  }

  /// The object under `key`; an empty one where it is absent.
  [[nodiscard]] Fields child(std::string_view key) const& { return child(key, problem_); }
  /// The same, with its problems noted elsewhere.
  [[nodiscard]] Fields child(std::string_view key, Problem& problem) const& {
    dom::element value;
    return find(key, value) ? Fields(value, key, problem, this) : Fields(key, problem, this);
  }
  Fields child(std::string_view key) const&& = delete;  // it would outlive its parent

  void text(std::string_view key, std::string& out) const {
    std::string_view view;
    if (read(key, view, "a string")) out = view;
  }

  /// A text that must be there and not be empty.
  void required_text(std::string_view key, std::string& out) const {
    text(key, out);
    if (out.empty()) note(key, "required");
  }

  void boolean(std::string_view key, bool& out) const { read(key, out, "a boolean"); }

  template <class Integer>
  void integer(std::string_view key, Integer& out, std::int64_t least, std::int64_t most) const {
    std::int64_t number = 0;
    if (!read(key, number, "a whole number")) return;
    if (number < least || number > most) {
      note(key, std::to_string(number) + " is not between " + std::to_string(least) + " and " +
                    std::to_string(most));
      return;
    }
    out = static_cast<Integer>(number);
  }

  void duration(std::string_view key, Duration& out, Duration least, Duration most) const {
    std::string_view view;
    if (!read(key, view, "a string")) return;
    // The length first: the sum of endlessly many parts would overflow.
    const auto parsed = view.size() <= kMaxDurationText ? parse_duration(view) : std::nullopt;
    if (!parsed) {
      note(key, rls::quoted(view) + " is not a duration (use h, m, s, ms)");
    } else if (*parsed < least || *parsed > most) {
      note(key,
           rls::quoted(view) + " is not between " + format_duration(least) + " and " + format_duration(most));
    } else {
      out = *parsed;
    }
  }

  /// The same where the field may be absent.
  void optional_duration(std::string_view key, std::optional<Duration>& out, Duration least,
                         Duration most) const {
    if (has(key)) duration(key, out.emplace(), least, most);
  }

  template <class Target>
  void time(std::string_view key, Target& out) const {
    std::string_view view;
    if (!read(key, view, "a string")) return;
    if (const auto parsed = parse_rfc3339(view)) {
      out = *parsed;
    } else {
      note(key, rls::quoted(view) + " is not a time (RFC 3339)");
    }
  }

  /// One of a closed set; `parse` gives nullopt for anything else, `expected` tells people the set.
  template <class Target, class Parse>
  void one_of(std::string_view key, Target& out, Parse parse, std::string_view expected) const {
    std::string_view view;
    if (!read(key, view, "a string")) return;
    if (const auto parsed = parse(view)) {
      out = *parsed;
    } else {
      note(key, rls::quoted(view) + " is not one of " + std::string(expected));
    }
  }

  /// The object under `key` as JSON, without looking into it.
  void object_text(std::string_view key, std::string& out) const {
    dom::object object;
    if (read(key, object, "an object")) out = simdjson::minify(object);
  }

  /// `use(Fields)` for each object of the list under `key`.
  template <class Use>
  void each(std::string_view key, Use use) const {
    dom::array items;
    if (!read(key, items, "a list")) return;
    for (const dom::element item : items) use(Fields(item, key, problem_, this));
  }

  /// `use(text)` for each text of the list under `key`.
  template <class Use>
  void each_item(std::string_view key, Use use) const {
    dom::array items;
    if (!read(key, items, "a list")) return;
    for (const dom::element item : items) {
      std::string_view text;
      if (item.get(text) == simdjson::SUCCESS) {
        use(text);
      } else {
        note(key, "a list of strings is wanted");
      }
    }
  }

  /// `use(name, number)` for each member of the object under `key`.
  template <class Use>
  void each_number(std::string_view key, Use use) const {
    dom::object members;
    if (!read(key, members, "an object")) return;
    for (const dom::key_value_pair& member : members) {
      std::int64_t number = 0;
      if (member.value.get(number) == simdjson::SUCCESS) use(member.key, number);
    }
  }

  /// `use(name, text)` for each member of the object under `key`.
  template <class Use>
  void each_text(std::string_view key, Use use) const {
    dom::object members;
    if (!read(key, members, "an object")) return;
    for (const dom::key_value_pair& member : members) {
      std::string_view text;
      if (member.value.get(text) == simdjson::SUCCESS) use(member.key, text);
    }
  }

  void note(std::string_view key, std::string_view what) const {
    problem_.note("InvalidSpec", path(key) + ": " + std::string(what));
  }

 private:
  Fields(std::string_view key, Problem& problem, const Fields* parent)
      : parent_(parent), key_(key), problem_(problem) {}

  bool find(std::string_view key, dom::element& out) const {
    return present_ && object_.at_key(key).get(out) == simdjson::SUCCESS && !out.is_null();
  }

  template <class Target>
  bool read(std::string_view key, Target& out, std::string_view wanted) const {
    dom::element value;
    if (!find(key, value)) return false;
    if (value.get(out) == simdjson::SUCCESS) return true;
    note(key, std::string(wanted) + " is wanted, this is " + type_name(value));
    return false;
  }

  /// "spec.gates.shadowSoak"
  [[nodiscard]] std::string path(std::string_view key) const {
    std::string out = parent_ == nullptr ? std::string(key_) : parent_->path(key_);
    if (!key.empty()) out += (out.empty() ? "" : ".") + std::string(key);
    return out;
  }

  const Fields* parent_ = nullptr;
  std::string_view key_;
  Problem& problem_;
  dom::object object_;
  bool present_ = false;
};

/// Parses and calls `use` with the document's fields; the document lives only during the call.
template <class Object, class Use>
Result<Object> with_document(std::string_view json, Use use) {
  thread_local dom::parser reused;
  std::optional<dom::parser> once;
  dom::parser& parser = json.size() <= kReusedParserLimit ? reused : once.emplace();

  dom::element document;
  if (const auto error = parser.parse(json.data(), json.size()).get(document)) {
    return terminal("InvalidObject", std::string("not readable as JSON: ") + simdjson::error_message(error));
  }
  Problem problem;
  Object object = use(Fields(document, "", problem));
  if (problem.first()) return *problem.first();
  return object;
}

inline ObjectMeta read_meta(const Fields& document) {
  ObjectMeta meta;
  const Fields fields = document.child("metadata");
  fields.required_text("name", meta.name.name);
  fields.text("namespace", meta.name.ns);
  fields.text("uid", meta.uid);
  fields.text("resourceVersion", meta.resource_version);
  fields.integer("generation", meta.generation, 0, kMaxInteger);
  fields.time("creationTimestamp", meta.created);
  meta.deleting = fields.has("deletionTimestamp");
  return meta;
}

/// As the API server counts for maxLength: of well-formed UTF-8.
inline std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

/// The rule of the CRD for names that are sent to Postgres: no control characters, nothing undecodable.
inline void check_name(const Fields& fields, std::string_view key, std::string_view name,
                       std::size_t max_characters) {
  const bool control = std::any_of(name.begin(), name.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7F;
  });
  if (control) {
    fields.note(key, rls::quoted(name) + " has a control character: remove it");
  } else if (name.find("\xEF\xBF\xBD") != std::string_view::npos) {
    fields.note(key,
                rls::quoted(name) + " has the character U+FFFD, the mark of broken UTF-8: write it anew");
  } else if (characters(name) > max_characters) {
    fields.note(key, rls::quoted(name) + " is longer than " + std::to_string(max_characters) +
                         " characters: shorten it");
  }
}

inline std::vector<Condition> read_conditions(const Fields& status) {
  std::vector<Condition> conditions;
  status.each("conditions", [&](const Fields& fields) {
    Condition& condition = conditions.emplace_back();
    fields.text("type", condition.type);
    fields.one_of("status", condition.status, parse_condition_status, "True, False, Unknown");
    fields.text("reason", condition.reason);
    fields.text("message", condition.message);
    fields.integer("observedGeneration", condition.observed_generation, 0, kMaxInteger);
    fields.time("lastTransitionTime", condition.last_transition);
  });
  return conditions;
}

/// The `status` of a document, with problems noted where nobody looks.
template <class Status, class Read>
Status read_status(const Fields& document, Read read) {
  Problem ignored;
  const Fields fields = document.child("status", ignored);
  Status status;
  fields.integer("observedGeneration", status.observed_generation, -1, kMaxInteger);
  status.conditions = read_conditions(fields);
  read(fields, status);
  return status;
}

}  // namespace rls::api::detail
