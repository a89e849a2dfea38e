#pragma once
// The Job of a check: its name, and its object made of the template. Pure.

#include <string>
#include <string_view>

#include "controller/api/gating.hpp"
#include "controller/api/object.hpp"
#include "controller/base/result.hpp"

namespace rls::checks {

inline constexpr std::string_view kMigrationUidLabel = "rls-operator.dev/migration-uid";
inline constexpr std::string_view kCheckLabel = "rls-operator.dev/check";
/// Annotation: a hash of all that the Job is evidence for.
inline constexpr std::string_view kDigestAnnotation = "rls-operator.dev/check-digest";

/// For whom a Job runs.
struct JobOwner {
  api::ObjectName migration;
  std::string uid;      ///< of the RlsMigration
  std::string subject;  ///< what the result is evidence for
};

struct JobIdentity {
  api::ObjectName name;  ///< `<check>-<the digest's first ten digits>`, in the migration's namespace
  std::string digest;    ///< SHA-256 of uid, check, template and subject, hexadecimal
};

/// The same for the same check, so that whoever comes later finds the Job that is there. `check.job` is set.
/// Error (terminal): InvalidCheckName.
Result<JobIdentity> job_identity(const JobOwner& owner, const api::CheckSpec& check);

/// The object to POST: the template with our name, labels, annotation and owner (the RlsMigration: the Job
/// goes with it). A Job ends after an hour and goes a day after its end, unless the template says otherwise.
/// Error (terminal, InvalidJobTemplate): the template is no JobTemplateSpec, or says what is ours to say.
Result<std::string> job_manifest(const JobOwner& owner, const api::CheckSpec& check,
                                 const JobIdentity& identity);

}  // namespace rls::checks
