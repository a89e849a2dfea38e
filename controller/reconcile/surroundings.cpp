#include "controller/reconcile/surroundings.hpp"

#include <algorithm>

#include "controller/decide/gates.hpp"
#include "controller/decide/plan.hpp"

namespace rls::reconcile {
namespace {

bool is_accepted(const api::PosturePolicy& policy, const api::Finding& finding, Time now) {
  return std::any_of(policy.accepted.begin(), policy.accepted.end(), [&](const api::AcceptedFinding& row) {
    return row.check == finding.id && (row.object.empty() || row.object == finding.object) &&
           (!row.expires || *row.expires > now);
  });
}

/// `findings`: the worst first.
decide::Posture posture_of(const api::PosturePolicy& policy, const std::vector<api::Finding>& findings,
                           Time now) {
  decide::Posture out;
  for (const api::Finding& finding : findings) {
    // One whose severity is not known is as bad as can be.
    const auto severity = api::parse_severity(finding.severity).value_or(api::Severity::critical);
    if (severity < policy.block_at || is_accepted(policy, finding, now)) continue;
    if (++out.blocking == 1) out.worst = finding.id + " " + finding.object + ": " + finding.message;
  }
  return out;
}

/// What is in an object from before the policy was written past it, by nobody knows whom.
decide::Guard guard_of(bool bound, const std::optional<Time>& since, const std::string& why_not,
                       const api::RlsMigration& migration) {
  if (!bound) return {false, why_not};
  if (vouched(since, migration.meta.created)) return {true, {}};
  return {
      false,
      "this RlsMigration is older than the admission policy, so nobody knows who wrote that: delete it and "
      "make it anew, which changes nothing in the database"};
}

/// There is a project, and it is this migration's.
bool was_looked_at(const decide::Observation& observed) {
  return observed.database == decide::DatabaseState::ok && observed.project_known &&
         !observed.conflict_with_older;
}

/// What a result is evidence for: the project as it stands in the phase it is in.
std::string subject_of(const decide::Observation& observed) {
  return std::string(to_string(observed.phase)) + "@" + format_rfc3339(observed.phase_since);
}

decide::CheckState::State state_of(checks::CheckResult::State state) {
  switch (state) {
    case checks::CheckResult::State::passed: return decide::CheckState::State::passed;
    case checks::CheckResult::State::failed: return decide::CheckState::State::failed;
    case checks::CheckResult::State::unknown: break;
  }
  return decide::CheckState::State::unknown;
}

}  // namespace

void Surroundings::fill(const api::RlsMigration& migration, decide::Observation& observed) const {
  observed.conflict_with_older = caches_.owners.older_than(migration);
  observed.wave = waves_.of(migration);
  const auto admission = this->admission();
  observed.approval_guard = {admission->approvals, admission->why_not_approvals};
  observed.override_guard =
      guard_of(admission->overrides, admission->overrides_since, admission->why_not_overrides, migration);
  observed.approvals = approvals_of(migration, *admission);
  {
    const std::lock_guard lock(mutex_);
    const auto found = posture_.find(database_of(migration));
    observed.posture = found == posture_.end() ? std::nullopt : std::optional(found->second);
  }
  if (!observed.managed) {
    observed.transactions.reset();
    observed.transactions_message.clear();
  }
  const auto count = count_of(migration, observed);
  observed.checks = checks_of(migration, observed, *admission, count);
  if (!count) return;
  if (const auto counted = board_.count(migration.meta.name)) {
    observed.transactions = counted->count;
    observed.transactions_message = counted->message;
  }
}

/// Where the next step asks for transactions that the runtime does not count, and a source is named.
std::optional<checks::CountQuery> Surroundings::count_of(const api::RlsMigration& migration,
                                                         const decide::Observation& observed) const {
  const bool asked = was_looked_at(observed) && !observed.managed && observed.phase == Phase::shadow &&
                     observed.phase < decide::asked_phase(migration);
  const auto database = asked ? caches_.databases.get(database_of(migration)) : nullptr;
  if (database == nullptr || !database->spec.policy.transactions) return std::nullopt;
  const auto gates =
      decide::required_gates({migration, database->spec.policy, observed, next_phase(observed.phase)});
  if (gates.min_transactions.value_or(0) == 0) return std::nullopt;
  return checks::CountQuery{*database->spec.policy.transactions, migration.spec.project,
                            observed.phase_since};
}

/// Its own, and those of its database as that stands now: a look that began before the database was changed
/// must not take back what is wanted since.
std::vector<api::CheckSpec> Surroundings::demanded_of(const api::RlsMigration& migration) const {
  std::vector<api::CheckSpec> checks = migration.spec.gates.checks;
  if (const auto database = caches_.databases.get(database_of(migration))) {
    const auto& floor = database->spec.policy.minimum_gates.checks;
    checks.insert(checks.end(), floor.begin(), floor.end());
  }
  return checks;
}

/// Wants what guards the next step, and what watches the phase that stands; and says what is known of it.
std::map<std::string, decide::CheckState> Surroundings::checks_of(
    const api::RlsMigration& migration, const decide::Observation& observed, const AdmissionState& admission,
    const std::optional<checks::CountQuery>& count) const {
  std::map<std::string, decide::CheckState> out;
  if (observed.conflict_with_older) board_.forget(migration.meta.name);  // it is another's project
  if (!was_looked_at(observed)) return out;
  const std::vector<api::CheckSpec> checks = demanded_of(migration);
  if (checks.empty() && !count && board_.results(migration.meta.name).empty() &&
      !board_.count(migration.meta.name))
    return out;
  checks::Wanted wanted{.migration = migration.meta.name,
                        .uid = migration.meta.uid,
                        .database = database_of(migration),
                        .project = migration.spec.project,
                        .subject = subject_of(observed),
                        .checks = {},
                        .count = count};
  const bool goes_up = observed.phase < decide::asked_phase(migration);
  for (const api::CheckSpec& check : checks) {
    const bool asked = (goes_up && decide::guards(check, next_phase(observed.phase))) ||
                       (check.every && decide::guards(check, observed.phase));
    if (!asked) continue;
    const decide::Guard jobs =
        guard_of(admission.jobs, admission.jobs_since, admission.why_not_jobs, migration);
    if (check.job && !jobs.bound) {
      out[check.id()] = {decide::CheckState::State::unknown,
                         "nobody can tell who may create Jobs: " + jobs.why};
    } else {
      wanted.checks.push_back(check);
    }
  }
  board_.want(std::move(wanted));
  for (auto& [id, result] : board_.results(migration.meta.name))
    out.emplace(id, decide::CheckState{state_of(result.state), std::move(result.message)});
  return out;
}

std::vector<decide::Approval> Surroundings::approvals_of(const api::RlsMigration& migration,
                                                         const AdmissionState& admission) const {
  std::vector<decide::Approval> out;
  if (!admission.approvals || caches_.approvals.size() == 0) return out;
  for (const auto& approval : caches_.approvals.by_index(migration.meta.name)) {
    if (approval->meta.deleting || !vouched(admission.approvals_since, approval->meta.created)) continue;
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

void Surroundings::note(const api::RlsDatabase& database, const std::vector<api::Finding>& findings,
                        Time now) {
  decide::Posture posture = posture_of(database.spec.policy.posture, findings, now);
  const std::lock_guard lock(mutex_);
  posture_[database.meta.name] = std::move(posture);
}

void Surroundings::forget_findings(const api::ObjectName& database) {
  const std::lock_guard lock(mutex_);
  posture_.erase(database);
}

std::shared_ptr<const AdmissionState> Surroundings::admission() const {
  const std::lock_guard lock(mutex_);
  return admission_;
}

}  // namespace rls::reconcile
