#pragma once
// A check by PromQL: an instant query, whose samples must all be as expected.

#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include "controller/api/gating.hpp"
#include "controller/base/result.hpp"
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

/// One of == != < <= > >=, then a number in decimal, blanks around both. Error (terminal):
/// InvalidExpectation.
Result<Expectation> parse_expectation(std::string_view text);

/// What the server's reply to an instant query means. Passed: there are samples (a vector's, or a scalar),
/// and all are as expected. Failed: one is not. A NaN, no sample, a warning (a part of the data may be
/// missing), an error and nonsense are unknown. Pure.
Outcome judge_reply(const kube::Response& reply, const Expectation& expectation);

/// Asks `check.url`, which must be allowed (allowed_url.hpp). Blocks; `stop` ends it. `bounds`: all but its
/// url counts. `project`: what $project stands for (project_in_query.hpp).
Outcome run_prometheus_check(const api::PrometheusCheck& check, std::string_view project,
                             std::span<const std::string> allowed, const std::stop_token& stop,
                             const kube::HttpGet& bounds = {});

}  // namespace rls::checks
