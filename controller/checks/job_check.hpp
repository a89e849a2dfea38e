#pragma once
// A check by a Job, which must succeed: made, looked at, and removed when nobody wants it any more.

#include <span>
#include <stop_token>
#include <string_view>

#include "controller/api/gating.hpp"
#include "controller/base/result.hpp"
#include "controller/base/time.hpp"
#include "controller/checks/job_manifest.hpp"
#include "controller/checks/result.hpp"
#include "controller/kube/client.hpp"

namespace rls::checks {

/// The Job as the API server sends it, looked at.
struct JobSeen {
  bool ours = false;   ///< it has our uid and digest
  bool going = false;  ///< it is being deleted
  std::string uid;
  enum class End { none, complete, failed } end = End::none;
  std::string reason;  ///< of a failure
  std::optional<Time> ended_at;
};

/// Only conditions Complete and Failed that are True are an end: SuccessCriteriaMet and FailureTarget say
/// what the end will be. Error (transient, InvalidReply): it is no Job. Pure.
Result<JobSeen> read_job(std::string_view json, const JobOwner& owner, const JobIdentity& identity);

/// One look: makes the Job where there is none. Where the check has `every` and the Job's end is that long
/// ago, it is deleted, to be made anew at the next look. `check.job` is set. Blocks for some calls of
/// 5 s at most, after a `stop` for one.
Outcome run_job_check(const JobOwner& owner, const api::CheckSpec& check, kube::Client& client, Time now,
                      const std::stop_token& stop);

/// Deletes the Jobs of that migration which belong to none of `wanted` any more (another template, another
/// subject, no such check). `owner.subject` and those of `wanted` that have a Job count. Blocks likewise.
/// Errors as of the client's calls.
Result<void> delete_stale_jobs(const JobOwner& owner, std::span<const api::CheckSpec> wanted,
                               kube::Client& client, const std::stop_token& stop);

}  // namespace rls::checks
