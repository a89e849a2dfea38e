#pragma once
// What a PromQL query leaves open: which project, and, where transactions are counted, since when.

#include <optional>
#include <string>
#include <string_view>

#include "controller/base/result.hpp"
#include "controller/base/time.hpp"

namespace rls::checks {

struct PromqlValues {
  std::string_view project;
  std::optional<Time> since{};  ///< none: the query has neither $since nor $window
  Time now{};                   ///< the instant of the query, after `since`
  bool demanded = false;        ///< the query must use the project, and one of the others
};

/// Puts the values in place of
///   "$project"  the project, escaped; the whole of a text in quotes, and compared by = alone: in a
///               pattern (=~) it would match others, too
///   $since      the instant in seconds since 1970: metric @ $since
///   $window     how long ago that is, as a duration: increase(metric[$window])
/// All else stays, also other dollar signs in texts and comments. Errors (terminal, InvalidQuery): $project
/// stands elsewhere; another placeholder; no time has passed. Pure.
Result<std::string> fill_in(std::string_view query, const PromqlValues& values);

}  // namespace rls::checks
