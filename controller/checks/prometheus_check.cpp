#include "controller/checks/prometheus_check.hpp"

#include <simdjson.h>

#include <array>
#include <charconv>
#include <cmath>
#include <utility>
#include <vector>

#include "controller/base/log.hpp"
#include "controller/base/text.hpp"
#include "controller/checks/allowed_url.hpp"
#include "controller/checks/promql.hpp"
#include "controller/kube/uri.hpp"

namespace rls::checks {
namespace {

namespace ondemand = simdjson::ondemand;
using Comparison = Expectation::Comparison;

constexpr std::size_t kLongestQuery = 16 * 1024;
constexpr std::size_t kLongestQuote = 200;

// Longer signs first: "<=" begins with "<".
constexpr std::array kSigns = {
    std::pair{std::string_view("=="), Comparison::equal},
    std::pair{std::string_view("!="), Comparison::unequal},
    std::pair{std::string_view("<="), Comparison::at_most},
    std::pair{std::string_view(">="), Comparison::at_least},
    std::pair{std::string_view("<"), Comparison::less},
    std::pair{std::string_view(">"), Comparison::more},
};

std::string_view without_blanks(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// As Prometheus writes samples: "+Inf" and "NaN", too.
std::optional<double> parse_number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string said(std::string_view text) { return rls::quoted(log::redacted(text), kLongestQuote); }

struct Answer {
  std::string error;    ///< status is "error"
  std::string warning;  ///< the first one
  std::string type;     ///< of the result
  std::vector<double> samples;
};

/// [time, "value"]; throws where it is something else.
double sample_of(ondemand::value pair) {
  std::size_t index = 0;
  std::optional<double> number;
  for (auto element : pair.get_array()) {
    if (index++ == 1) number = parse_number(std::string_view(element.get_string()));
  }
  if (!number || index != 2) throw simdjson::simdjson_error(simdjson::INCORRECT_TYPE);
  return *number;
}

/// Fields come in any order; unknown ones are passed over. Throws what simdjson throws.
Answer read(simdjson::padded_string& body) {
  ondemand::parser parser;
  ondemand::document document = parser.iterate(body);
  Answer answer;
  ondemand::object root = document.get_object();
  const std::string status(std::string_view(root.find_field_unordered("status").get_string()));
  if (status != "success") {
    answer.error = std::string_view(root.find_field_unordered("error").get_string());
    return answer;
  }
  if (auto warnings = root.find_field_unordered("warnings"); warnings.error() == simdjson::SUCCESS) {
    for (auto warning : warnings.get_array()) {
      if (answer.warning.empty())
        answer.warning = "warning: " + std::string(std::string_view(warning.get_string()));
    }
  }
  ondemand::object data = root.find_field_unordered("data").get_object();
  answer.type = std::string(std::string_view(data.find_field_unordered("resultType").get_string()));
  if (answer.type == "scalar") {
    answer.samples.push_back(sample_of(data.find_field_unordered("result").value()));
  } else if (answer.type == "vector") {
    for (auto series : data.find_field_unordered("result").get_array()) {
      answer.samples.push_back(sample_of(series.find_field_unordered("value").value()));
    }
  }
  return answer;
}

Outcome judge_samples(const std::vector<double>& samples, const Expectation& expectation) {
  std::size_t unmet = 0;
  std::size_t nans = 0;
  double first_unmet = 0;
  for (const double sample : samples) {
    if (std::isnan(sample)) {
      ++nans;
    } else if (!expectation.is_met_by(sample) && unmet++ == 0) {
      first_unmet = sample;
    }
  }
  const std::string of = " of " + std::to_string(samples.size()) + " samples";
  if (unmet > 0) {
    return failed(std::to_string(unmet) + of + " not " + expectation.text + ", such as " +
                  number_text(first_unmet));
  }
  if (nans > 0) return unknown(std::to_string(nans) + of + " NaN, which says nothing");
  return passed("all samples are " + expectation.text);
}

}  // namespace

std::string number_text(double number) {
  std::array<char, 32> text{};
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), number);
  return {text.data(), end};
}

bool Expectation::is_met_by(double sample) const {
  if (std::isnan(sample)) return false;
  switch (comparison) {
    case Comparison::equal: return sample == number;
    case Comparison::unequal: return sample != number;
    case Comparison::less: return sample < number;
    case Comparison::at_most: return sample <= number;
    case Comparison::more: return sample > number;
    case Comparison::at_least: return sample >= number;
  }
  return false;
}

Result<Expectation> parse_expectation(std::string_view text) {
  const std::string_view whole = without_blanks(text);
  for (const auto& [sign, comparison] : kSigns) {
    if (!whole.starts_with(sign)) continue;
    const std::string_view digits = without_blanks(whole.substr(sign.size()));
    const auto number = digits.starts_with("+-") ? std::nullopt : parse_number(digits);
    if (!number || !std::isfinite(*number)) break;
    return Expectation{comparison, *number, std::string(sign) + " " + std::string(digits)};
  }
  return terminal("InvalidExpectation",
                  "prometheus.expect must be one of == != < <= > >= and a number, such as \"< 0.01\", not " +
                      rls::quoted(text));
}

std::variant<std::vector<double>, Outcome> read_samples(const kube::Response& reply) {
  // Prometheus explains its refusals in JSON, whatever their status; what stands before it does not.
  const std::string status = std::to_string(reply.status);
  try {
    simdjson::padded_string body(reply.body);
    Answer answer = read(body);
    if (!answer.error.empty()) {
      const std::string message = "Prometheus answers " + status + ": " + said(answer.error);
      return reply.status >= 500 ? unheard(message) : unknown(message);
    }
    if (reply.status == 200) {
      if (!answer.warning.empty()) return unknown("Prometheus may not know all: " + said(answer.warning));
      if (answer.type != "vector" && answer.type != "scalar") {
        return unknown("the query gives a " + said(answer.type) + "; a vector or scalar is wanted");
      }
      if (answer.samples.empty()) return unknown("the query gives no sample: use `or vector(0)`");
      return std::move(answer.samples);
    }
  } catch (const std::exception&) {
    if (reply.status == 200) return unknown("what answers is no Prometheus: its reply cannot be read");
  }
  if (reply.status >= 300 && reply.status < 400) {
    return unknown("the server answers " + status + ", a redirect, which is not followed");
  }
  const std::string message = "the server answers " + status + " where 200 is expected";
  return reply.status >= 500 || reply.status == 429 ? unheard(message) : unknown(message);
}

Outcome judge_reply(const kube::Response& reply, const Expectation& expectation) {
  const auto samples = read_samples(reply);
  if (const auto* none = std::get_if<Outcome>(&samples)) return *none;
  return judge_samples(std::get<0>(samples), expectation);
}

std::variant<kube::Response, Outcome> ask_prometheus(const PrometheusQuestion& question,
                                                     std::span<const std::string> allowed,
                                                     const std::stop_token& stop,
                                                     const kube::HttpGet& bounds) {
  if (const auto good = allowed_url(question.url, allowed); !good) return unknown(good.error().message);
  if (question.query.empty()) return unknown("prometheus.query is empty");
  if (question.query.size() > kLongestQuery) return unknown("prometheus.query is longer than 16 KiB");
  kube::HttpGet request = bounds;
  std::string path = "/api/v1/query?query=" + kube::percent_encoded(question.query);
  if (question.at) path += "&time=" + kube::percent_encoded(format_rfc3339(*question.at));
  request.url = endpoint(question.url, path);
  auto reply = kube::http_get(request, stop);
  if (reply) return std::move(*reply);
  const Error& error = reply.error();
  return error.kind == ErrorKind::terminal ? unknown(error.message) : unheard(error.message);
}

Outcome run_prometheus_check(const api::PrometheusCheck& check, std::string_view project,
                             std::span<const std::string> allowed, const std::stop_token& stop,
                             const kube::HttpGet& bounds) {
  const auto expectation = parse_expectation(check.expect);
  if (!expectation) return unknown(expectation.error().message);
  const auto query = fill_in(check.query, {.project = project});
  if (!query) return unknown(query.error().message);
  const auto reply = ask_prometheus({check.url, *query}, allowed, stop, bounds);
  if (const auto* none = std::get_if<Outcome>(&reply)) return *none;
  return judge_reply(std::get<kube::Response>(reply), *expectation);
}

}  // namespace rls::checks
