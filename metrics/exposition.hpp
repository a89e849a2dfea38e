#pragma once
// Prometheus' text format, version 0.0.4.

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "metrics/names.hpp"

namespace rls::metrics {

/// Appends the # HELP and # TYPE lines.
void append_head(std::string& out, const Info& info);

/// Appends `value` as it stands between the quotes of a label: `\`, `"` and newline escaped. Bytes that are
/// not UTF-8, which would make Prometheus refuse the whole scrape, are written as `\xNN` in plain text.
void append_label_value(std::string& out, std::string_view value);

using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

/// Appends one line of samples.
void append_sample(std::string& out, const Info& info, Labels labels, double value);

}  // namespace rls::metrics
