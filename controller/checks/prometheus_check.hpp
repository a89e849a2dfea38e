#pragma once
// A check by PromQL: an instant query, whose samples must all be as expected.

#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "controller/api/gating.hpp"
#include "controller/base/result.hpp"
#include "controller/base/time.hpp"
#include "controller/checks/result.hpp"
#include "controller/kube/http_get.hpp"

namespace rls::checks {

/// "< 0.01".
struct Expectation {
  enum class Comparison { equal, unequal, less, at_most, more, at_least };
  Comparison comparison = Comparison::equal;
  double number = 0;
  std::string text;  ///< as people read it

  /// NaN never does: it is not even unequal.
  [[nodiscard]] bool is_met_by(double sample) const;
};

/// A sample as people read it.
std::string number_text(double number);

/// One of == != < <= > >=, then a number in decimal, blanks around both. Error (terminal):
/// InvalidExpectation.
Result<Expectation> parse_expectation(std::string_view text);

/// The samples (a vector's, or a scalar; one at least) of the server's reply to an instant query. No sample,
/// a warning (a part of the data may be missing), an error and nonsense are none: the Outcome says why. Pure.
std::variant<std::vector<double>, Outcome> read_samples(const kube::Response& reply);

/// An instant query.
struct PrometheusQuestion {
  std::string_view url;  ///< must be allowed (allowed_url.hpp)
  std::string_view query;
  std::optional<Time> at{};  ///< the instant; none: the server's own now
};

/// Asks it: the reply, whatever it is. Blocks; `stop` ends it. `bounds`: all but its url counts.
std::variant<kube::Response, Outcome> ask_prometheus(const PrometheusQuestion& question,
                                                     std::span<const std::string> allowed,
                                                     const std::stop_token& stop,
                                                     const kube::HttpGet& bounds = {});

/// What the server's reply to an instant query means. Passed: there are samples (a vector's, or a scalar),
/// and all are as expected. Failed: one is not. A NaN, no sample, a warning (a part of the data may be
/// missing), an error and nonsense are unknown. Pure.
Outcome judge_reply(const kube::Response& reply, const Expectation& expectation);

/// Asks the check's query as ask_prometheus does. `project`: what $project stands for (promql.hpp).
Outcome run_prometheus_check(const api::PrometheusCheck& check, std::string_view project,
                             std::span<const std::string> allowed, const std::stop_token& stop,
                             const kube::HttpGet& bounds = {});

}  // namespace rls::checks
