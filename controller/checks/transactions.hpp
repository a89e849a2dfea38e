#pragma once
// How many transactions of a project were seen since it entered its phase, where the runtime is adopted and
// an RlsDatabase says who knows (spec.evidence.transactions; R-A6).

#include <span>
#include <stop_token>
#include <string>

#include "controller/base/seam.hpp"
#include "controller/base/time.hpp"
#include "controller/checks/prometheus_check.hpp"
#include "controller/checks/schedule.hpp"
#include "controller/checks/sql_check.hpp"

namespace rls::checks {

// Both are passed with a count; all else is unknown at once: no older figure stands in for one that could not
// be had, and nothing is ever taken for zero. They block; `stop` ends them.

/// Asks the query of the source as ask_sql does, with the project ($1 text) and the instant ($2 timestamptz).
/// It gives one whole number, 0 or more.
Outcome count_by_sql(const CountQuery& query, const postgres::ConnectionSettings& settings, Seam& seam,
                     const std::stop_token& stop, const SqlLimits& limits = {});

/// Asks the source's query, as fill_in (promql.hpp) completes it, for the instant `now`. It gives one sample
/// of 0 or more, of which the whole part counts: what increase() gives has fractions.
Outcome count_by_prometheus(const CountQuery& query, std::span<const std::string> allowed, Time now,
                            const std::stop_token& stop, const kube::HttpGet& bounds = {});

}  // namespace rls::checks
