#pragma once
// What gates are made of, shared by the kinds (design 2-api): windows, checks, groups, overrides.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "controller/api/phase.hpp"
#include "controller/base/time.hpp"

namespace rls::api {

/// A time in which a project may go up: opens when the schedule says, and stays open for `duration`.
struct WindowSpec {
  std::string schedule;  ///< cron's five fields
  Duration duration{};
  std::string time_zone = "UTC";  ///< a name of the time zone database, e.g. Europe/Berlin
  bool operator==(const WindowSpec&) const = default;
};

/// Asks the database, read-only, as the role of RlsDatabase.spec.checks.secretRef.
struct SqlCheck {
  std::string query;
  std::string expect;  ///< the first column of the only row, as text
  bool operator==(const SqlCheck&) const = default;
};

/// Asks a Prometheus server, whose URL the operator's configuration must allow.
struct PrometheusCheck {
  std::string url;
  std::string query;
  std::string expect;  ///< what each sample must be: a comparison and a number, "< 0.01"
  bool operator==(const PrometheusCheck&) const = default;
};

/// Runs a Job, which must succeed.
struct JobCheck {
  std::string template_json;  ///< spec.template of the check: metadata and spec of a batch/v1 Job
  bool operator==(const JobCheck&) const = default;
};

/// Something outside the operator that must hold. Exactly one of sql, prometheus and job is set; no job where
/// the database demands it.
struct CheckSpec {
  enum class DemandedBy {
    migration,  ///< spec.gates
    database,   ///< spec.minimumGates of the RlsDatabase, of each of its migrations
  };
  enum class OnFailure {
    hold,      ///< nothing is promoted while it fails
    rollback,  ///< a project in enforcing or complete goes down to shadow, and is held there
  };
  std::string name;
  std::vector<Phase> phases;  ///< the phases entered that it guards; empty: all
  OnFailure on_failure = OnFailure::hold;
  std::optional<Duration> every{};  ///< goes on at this interval while the project is in one of its phases
  std::optional<SqlCheck> sql{};
  std::optional<PrometheusCheck> prometheus{};
  std::optional<JobCheck> job{};
  DemandedBy demanded_by = DemandedBy::migration;  ///< no field: it follows from where the check stands
  bool operator==(const CheckSpec&) const = default;

  /// What tells it from all other checks of one migration, where both may demand a "suite": "suite", and
  /// "database/suite". No name has a '/'.
  [[nodiscard]] std::string id() const {
    return demanded_by == DemandedBy::database ? "database/" + name : name;
  }
};

/// Projects that go up together, in one transaction (R-A3).
struct GroupSpec {
  std::string name;
  std::vector<std::string> members;  ///< projects, this one among them
  bool operator==(const GroupSpec&) const = default;
};

/// Gates that a person passes over, until `expires`.
struct OverrideSpec {
  std::vector<std::string> gates;
  std::string reason;
  Time expires{};
  bool operator==(const OverrideSpec&) const = default;
};

}  // namespace rls::api
