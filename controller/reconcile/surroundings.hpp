#pragma once
// What the cluster says beside the database: approvals and whether they can be believed, checks, waves, and
// what was found about the database as a whole.

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "controller/checks/board.hpp"
#include "controller/decide/observation.hpp"
#include "controller/reconcile/admission.hpp"
#include "controller/reconcile/caches.hpp"
#include "controller/reconcile/waves.hpp"

namespace rls::reconcile {

/// Thread-safe; `fill` waits for nothing but short locks, as it is called with rows of the database locked.
class Surroundings {
 public:
  Surroundings(const Caches& caches, Waves& waves, checks::Board& board)
      : caches_(caches), waves_(waves), board_(board) {}

  /// Sets what stands beside the database in `observed`, which says what the database says.
  void fill(const api::RlsMigration& migration, decide::Observation& observed) const;
  [[nodiscard]] std::optional<decide::WaveState> wave_of(const api::RlsMigration& migration) const {
    return waves_.of(migration);
  }

  /// The RlsMigration is gone.
  void forget(const api::ObjectName& migration) { board_.forget(migration); }

  /// True: it differs from what was known.
  bool note(AdmissionState admission);
  /// What was found when the database was last tended, at `now`.
  void note(const api::RlsDatabase& database, const std::vector<api::Finding>& findings, Time now);
  /// It is not known any more.
  void forget_findings(const api::ObjectName& database);

 private:
  [[nodiscard]] std::shared_ptr<const AdmissionState> admission() const;
  [[nodiscard]] std::vector<api::CheckSpec> demanded_of(const api::RlsMigration& migration) const;
  [[nodiscard]] std::map<std::string, decide::CheckState> checks_of(
      const api::RlsMigration& migration, const decide::Observation& observed,
      const AdmissionState& admission, const std::optional<checks::CountQuery>& count) const;
  [[nodiscard]] std::optional<checks::CountQuery> count_of(const api::RlsMigration& migration,
                                                           const decide::Observation& observed) const;
  [[nodiscard]] std::vector<decide::Approval> approvals_of(const api::RlsMigration& migration,
                                                           const AdmissionState& admission) const;

  const Caches& caches_;
  Waves& waves_;
  checks::Board& board_;
  mutable std::mutex mutex_;  // guards what stands below
  std::shared_ptr<const AdmissionState> admission_ = std::make_shared<AdmissionState>(not_looked_yet());
  std::unordered_map<api::ObjectName, decide::Posture> posture_;
};

}  // namespace rls::reconcile
