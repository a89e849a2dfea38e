#include "controller/reconcile/surroundings.hpp"

#include <algorithm>

namespace rls::reconcile {
namespace {

decide::Posture posture_of(const std::vector<api::Finding>& findings) {
  decide::Posture out;
  for (const api::Finding& finding : findings) {
    if (finding.severity == "Critical") {
      ++out.critical;
    } else if (finding.severity == "High") {
      ++out.high;
    } else if (finding.severity == "Medium") {
      ++out.medium;
    } else {
      ++out.low;
    }
    // The worst come first.
    if (out.worst.empty()) out.worst = finding.id + " " + finding.object + ": " + finding.message;
  }
  return out;
}

bool wants_jobs(const api::RlsMigration& migration) {
  const auto& checks = migration.spec.gates.checks;
  return std::any_of(checks.begin(), checks.end(), [](const auto& check) { return check.job.has_value(); });
}

}  // namespace

void Surroundings::fill(const api::RlsMigration& migration, decide::Observation& observed) const {
  observed.conflict_with_older = caches_.owners.older_than(migration);
  observed.wave = waves_.of(migration);
  const auto admission = this->admission();
  observed.approval_guard = {admission->approvals, admission->why_not_approvals};
  observed.override_guard = {admission->overrides, admission->why_not_overrides};
  observed.approvals = approvals_of(migration, *admission);
  {
    const std::lock_guard lock(mutex_);
    const auto found = posture_.find(database_of(migration));
    observed.posture = found == posture_.end() ? std::nullopt : std::optional(found->second);
  }
  observed.checks.clear();
  if (migration.spec.gates.checks.empty() || !checks_) return;
  observed.checks = checks_(migration, observed);
  if (admission->jobs || !wants_jobs(migration)) return;
  for (const api::CheckSpec& check : migration.spec.gates.checks) {
    if (check.job)
      observed.checks[check.name] = {decide::CheckState::State::unknown,
                                     "nobody can tell who may create Jobs: " + admission->why_not_jobs};
  }
}

std::vector<decide::Approval> Surroundings::approvals_of(const api::RlsMigration& migration,
                                                         const AdmissionState& admission) const {
  std::vector<decide::Approval> out;
  if (!admission.approvals || caches_.approvals.size() == 0) return out;
  for (const auto& approval : caches_.approvals.by_index(migration.meta.name)) {
    if (approval->meta.deleting || !vouched(admission, approval->meta.created)) continue;
    out.push_back({approval->phase, approval->approver, approval->evidence_digest, approval->expires});
  }
  return out;
}

bool Surroundings::note(AdmissionState admission) {
  const std::lock_guard lock(mutex_);
  if (*admission_ == admission) return false;
  admission_ = std::make_shared<const AdmissionState>(std::move(admission));
  return true;
}

void Surroundings::note(const api::ObjectName& database, const std::vector<api::Finding>* findings) {
  const std::lock_guard lock(mutex_);
  if (findings == nullptr) {
    posture_.erase(database);
  } else {
    posture_[database] = posture_of(*findings);
  }
}

std::shared_ptr<const AdmissionState> Surroundings::admission() const {
  const std::lock_guard lock(mutex_);
  return admission_;
}

}  // namespace rls::reconcile
