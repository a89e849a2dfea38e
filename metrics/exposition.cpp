#include "metrics/exposition.hpp"

#include <array>
#include <charconv>

#include "controller/base/text.hpp"

namespace rls::metrics {
namespace {

std::string_view to_string(Type type) {
  switch (type) {
    case Type::counter: return "counter";
    case Type::gauge: return "gauge";
    case Type::histogram: return "histogram";
  }
  return "untyped";
}

void append_number(std::string& out, double value) {
  std::array<char, 32> text{};
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), value);
  out.append(text.data(), end);
}

}  // namespace

void append_head(std::string& out, const Info& info) {
  out.append("# HELP ").append(info.name).append(" ").append(info.help).append("\n# TYPE ");
  out.append(info.name).append(" ").append(to_string(info.type)).append("\n");
}

void append_label_value(std::string& out, std::string_view value) {
  std::string readable;
  if (!is_utf8(value)) {
    readable = quoted(value, 1000);
    value = std::string_view(readable).substr(1, readable.size() - 2);
  }
  for (;;) {
    const std::size_t plain = value.find_first_of("\\\"\n");
    out.append(value.substr(0, plain));
    if (plain == std::string_view::npos) return;
    out += '\\';
    out += value[plain] == '\n' ? 'n' : value[plain];
    value.remove_prefix(plain + 1);
  }
}

void append_sample(std::string& out, const Info& info, Labels labels, double value) {
  out.append(info.name);
  char before = '{';
  for (const auto& [name, text] : labels) {
    out += before;
    out.append(name).append("=\"");
    append_label_value(out, text);
    out += '"';
    before = ',';
  }
  if (before == ',') out += '}';
  out += ' ';
  append_number(out, value);
  out += '\n';
}

}  // namespace rls::metrics
