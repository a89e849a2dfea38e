#pragma once
// Whether the API server keeps the rules that approvals, overrides and Job checks rest on (design 2-api,
// RlsApproval): the three ValidatingAdmissionPolicies of manifests/admission and their bindings. Anybody
// could write an approval in another's name where they are not bound, so there none counts.

#include <chrono>
#include <optional>
#include <string>

#include "controller/base/time.hpp"
#include "controller/kube/client.hpp"

namespace rls::reconcile {

struct AdmissionState {
  bool approvals = false;  ///< an approver is who the object says, a person, and may approve
  bool overrides = false;  ///< who added spec.overrides may override
  bool jobs = false;       ///< who added a Job check may create Jobs

  std::string why_not_approvals;  ///< for people: what is missing, and what helps; empty where bound
  std::string why_not_overrides;
  std::string why_not_jobs;

  /// Since when the policy for approvals and its binding are what they are; only where bound. See `vouched`.
  std::optional<Time> approvals_since;
  std::optional<Time> overrides_since;  ///< the same of the others
  std::optional<Time> jobs_since;

  bool operator==(const AdmissionState&) const = default;
};

/// Before the first look: nothing is bound.
AdmissionState not_looked_yet();

/// Asks the API server for the three policies and bindings. Bound is a policy that says what this version
/// ships, word for word, and that a binding denies by, everywhere. Anything else, and whatever cannot be
/// read, is not (fails closed). Six GETs; blocks: ask once in a while, not for each object.
AdmissionState read_admission(kube::Client& client);

/// API servers learn of a policy with a delay.
inline constexpr std::chrono::seconds kAdmissionDelay{10};

/// Whether an object made at `created` (its creationTimestamp) has passed a policy that stands since `since`;
/// none: it does not stand.
bool vouched(const std::optional<Time>& since, Time created);

}  // namespace rls::reconcile
