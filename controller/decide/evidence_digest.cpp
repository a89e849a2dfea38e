#include "controller/decide/evidence_digest.hpp"

#include "controller/base/sha256.hpp"

namespace rls::decide {
namespace {

/// Parts one after the other, each with its length, so that no two lists of parts read alike.
class Text {
 public:
  Text& add(std::string_view part) {
    out_ += std::to_string(part.size()) + ":";
    out_ += part;
    out_ += '\n';
    return *this;
  }
  Text& add(std::int64_t number) { return add(std::string_view(std::to_string(number))); }
  Text& add(Time time) { return add(std::int64_t{time.time_since_epoch().count()}); }
  Text& add(Duration duration) { return add(std::int64_t{duration.count()}); }
  template <class T>
  Text& add(const std::optional<T>& value) {
    return value ? add("set").add(*value) : add("none");
  }
  Text& add(bool value) { return add(std::string_view(value ? "true" : "false")); }
  Text& add(Phase phase) { return add(to_string(phase)); }
  Text& add(const char* part) { return add(std::string_view(part)); }
  Text& add(const std::string& part) { return add(std::string_view(part)); }
  Text& count(std::size_t size) { return add(static_cast<std::int64_t>(size)); }

  [[nodiscard]] const std::string& str() const { return out_; }

 private:
  std::string out_;
};

void add(Text& text, const api::CheckSpec& check) {
  text.add(check.name).count(check.phases.size());
  for (const Phase phase : check.phases) text.add(phase);
  text.add(std::int64_t{static_cast<int>(check.on_failure)}).add(check.every);
  text.add(check.sql.has_value());
  if (check.sql) text.add(check.sql->query).add(check.sql->expect);
  text.add(check.prometheus.has_value());
  if (check.prometheus)
    text.add(check.prometheus->url).add(check.prometheus->query).add(check.prometheus->expect);
  text.add(check.job.has_value());
  if (check.job) text.add(check.job->template_json);
}

void add(Text& text, const api::GatesSpec& gates) {
  text.add(gates.shadow_soak).add(gates.enforcing_soak).add(gates.max_violations);
  text.add(gates.min_transactions).add(gates.review_required);
  text.count(gates.approvals.size());
  for (const auto& [phase, count] : gates.approvals) text.add(phase).add(count);
  text.count(gates.windows.size());
  for (const api::WindowSpec& window : gates.windows)
    text.add(window.schedule).add(window.duration).add(window.time_zone);
  text.count(gates.checks.size());
  for (const api::CheckSpec& check : gates.checks) add(text, check);
}

}  // namespace

std::string evidence_digest(const api::RlsMigration& migration, const api::DatabasePolicy& policy,
                            const Observation& observed) {
  const api::MigrationSpec& spec = migration.spec;
  Text text;
  text.add("rls-operator.dev/evidence/1").add(migration.meta.uid);
  text.add(spec.database).add(spec.project).add(spec.phase);
  text.add(std::int64_t{static_cast<int>(spec.drift)});
  add(text, spec.gates);
  text.add(spec.access.has_value());
  if (spec.access) {
    text.add(std::int64_t{static_cast<int>(spec.access->level)}).count(spec.access->readable.size());
    for (const std::string& readable : spec.access->readable) text.add(readable);
  }
  text.add(spec.group.has_value());
  if (spec.group) {
    text.add(spec.group->name).count(spec.group->members.size());
    for (const std::string& member : spec.group->members) text.add(member);
  }
  text.count(spec.overrides.size());
  for (const api::OverrideSpec& override_ : spec.overrides) {
    text.count(override_.gates.size());
    for (const std::string& gate : override_.gates) text.add(gate);
    text.add(override_.reason).add(override_.expires);
  }
  text.add(observed.phase).add(observed.phase_since);
  text.add(observed.policies_changed_at).add(observed.fixed_at).add(observed.reviewed_at);
  // Last, and only where there are some: without them approvals from before they existed go on counting.
  const std::vector<api::CheckSpec>& floor = policy.minimum_gates.checks;
  if (!floor.empty()) text.count(floor.size());
  for (const api::CheckSpec& check : floor) add(text, check);
  if (const auto& source = policy.transactions) {
    text.add("transactions").add(source->sql);
    if (source->prometheus) text.add(source->prometheus->url).add(source->prometheus->query);
  }
  return sha256_hex(text.str());
}

}  // namespace rls::decide
