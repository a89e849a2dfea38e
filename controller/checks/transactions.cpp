#include "controller/checks/transactions.hpp"

#include <charconv>
#include <cmath>
#include <string_view>
#include <variant>

#include "controller/checks/promql.hpp"

namespace rls::checks {
namespace {

constexpr std::size_t kDigits = 19;    ///< of the greatest 64-bit number
constexpr double kMostCounted = 1e15;  ///< below it a double tells whole numbers apart
constexpr std::string_view kSql = "spec.evidence.transactions.sql: ";
constexpr std::string_view kPrometheus = "spec.evidence.transactions.prometheus: ";

Outcome counted(std::int64_t count) {
  Outcome outcome = passed({});
  outcome.count = count;
  return outcome;
}

/// No figure, whether it was refused or nobody was heard.
Outcome uncounted(std::string_view whose, const std::string& why) {
  return unknown("transactions are not counted: " + std::string(whose) + why);
}

}  // namespace

Outcome count_by_sql(const CountQuery& query, const postgres::ConnectionSettings& settings, Seam& seam,
                     const std::stop_token& stop, const SqlLimits& limits) {
  const auto answer =
      ask_sql({.query = query.source.sql,
               .parameters = {{"text", query.project}, {"timestamptz", format_rfc3339(query.since)}},
               .longest = kDigits},
              settings, seam, stop, limits);
  if (const auto* none = std::get_if<Outcome>(&answer)) return uncounted(kSql, none->message);
  const std::string& value = std::get<SqlAnswer>(answer).value;
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), count);
  if (error != std::errc{} || end != value.data() + value.size() || count < 0) {
    return uncounted(kSql, "the query gave " + shown_value(value) +
                               "; a whole number, 0 or more, is wanted, as count(*) gives");
  }
  return counted(count);
}

Outcome count_by_prometheus(const CountQuery& query, std::span<const std::string> allowed, Time now,
                            const std::stop_token& stop, const kube::HttpGet& bounds) {
  const auto& source = *query.source.prometheus;
  const auto filled = fill_in(source.query, {query.project, query.since, now, true});
  if (!filled) return uncounted(kPrometheus, filled.error().message);
  const auto reply = ask_prometheus({source.url, *filled, now}, allowed, stop, bounds);
  if (const auto* none = std::get_if<Outcome>(&reply)) return uncounted(kPrometheus, none->message);
  const auto answer = read_samples(std::get<kube::Response>(reply));
  if (const auto* none = std::get_if<Outcome>(&answer)) return uncounted(kPrometheus, none->message);
  const auto& samples = std::get<0>(answer);
  if (samples.size() != 1) {
    return uncounted(kPrometheus, "the query gives " + std::to_string(samples.size()) +
                                      " samples; one is wanted: use sum()");
  }
  if (!std::isfinite(samples[0]) || samples[0] < 0 || samples[0] > kMostCounted) {
    return uncounted(kPrometheus,
                     "the query gives " + number_text(samples[0]) + "; a number, 0 or more, is wanted");
  }
  return counted(static_cast<std::int64_t>(samples[0]));
}

}  // namespace rls::checks
