#pragma once
// Writes one JSON text, front to back, into a string. No tree is built: a status is written ten thousand
// times over, and this is an order of magnitude cheaper than a document model.

#include <cstdint>
#include <string>
#include <string_view>

namespace rls::api {

/// `text` with every byte that is not part of well-formed UTF-8 replaced by U+FFFD, as the API server would.
std::string well_formed(std::string_view text);

/// The caller opens and closes in pairs and writes a key before each value of an object; commas are set here.
class JsonWriter {
 public:
  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view name);
  JsonWriter& value(std::string_view text);
  JsonWriter& value(std::int64_t number);

  /// Key and value; an empty text is left out.
  void member(std::string_view name, std::string_view text);
  void member(std::string_view name, std::int64_t number);
  /// Not an overload: a literal text would be taken for a truth value.
  void flag(std::string_view name, bool yes);

  /// The text so far; the writer is empty afterwards.
  std::string take();

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  void separate();
  void append_string(std::string_view text);

  std::string out_;
};

}  // namespace rls::api
