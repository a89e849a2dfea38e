// What an approval is given for: it changes with all that a person looked at, and with nothing that only runs
// on.

#include "controller/decide/evidence_digest.hpp"

#include <functional>
#include <map>
#include <set>

#include "tests/unit/decide/subject.hpp"

namespace rls::decide {
namespace {

std::string digest(const Subject& subject) {
  return evidence_digest(subject.migration, subject.policy, subject.seen);
}

Subject full() {
  Subject c;
  api::MigrationSpec& spec = c.migration.spec;
  spec.gates.windows = {{"0 2 * * *", 4h, "UTC"}};
  spec.gates.checks = {{.name = "suite", .phases = {Phase::complete}}};
  spec.gates.checks[0].sql = api::SqlCheck{"SELECT 1", "1"};
  spec.gates.approvals = {{Phase::enforcing, 1}};
  spec.access = api::AccessSpec{api::AccessSpec::Level::shared, {"ab"}};
  spec.group = api::GroupSpec{"w", {"sm", "ab"}};
  spec.overrides = {{{"SoakTime"}, "why", c.seen.now}};
  return c;
}

TEST(EvidenceDigest, IsStable) {
  EXPECT_EQ(digest(full()), digest(full()));
  EXPECT_EQ(digest(full()).size(), 64U);
}

TEST(EvidenceDigest, ChangesWithEachFieldThatAPersonLooksAt) {
  using Change = std::function<void(api::MigrationSpec&, Subject&)>;
  const std::map<std::string, Change> changes = {
      {"uid", [](auto&, Subject& c) { c.migration.meta.uid = "another"; }},
      {"database", [](auto& spec, auto&) { spec.database = "other"; }},
      {"project", [](auto& spec, auto&) { spec.project = "other"; }},
      {"phase", [](auto& spec, auto&) { spec.phase = Phase::complete; }},
      {"drift", [](auto& spec, auto&) { spec.drift = api::DriftPolicy::revert; }},
      {"shadowSoak", [](auto& spec, auto&) { spec.gates.shadow_soak += 1us; }},
      {"enforcingSoak", [](auto& spec, auto&) { spec.gates.enforcing_soak += 1us; }},
      {"maxViolations", [](auto& spec, auto&) { ++spec.gates.max_violations; }},
      {"minTransactions", [](auto& spec, auto&) { spec.gates.min_transactions = 1000; }},
      {"review", [](auto& spec, auto&) { spec.gates.review_required = false; }},
      {"approvals", [](auto& spec, auto&) { spec.gates.approvals[Phase::enforcing] = 2; }},
      {"approvals of another phase", [](auto& spec, auto&) { spec.gates.approvals[Phase::complete] = 1; }},
      {"windows", [](auto& spec, auto&) { spec.gates.windows.clear(); }},
      {"window schedule", [](auto& spec, auto&) { spec.gates.windows[0].schedule = "0 3 * * *"; }},
      {"window duration", [](auto& spec, auto&) { spec.gates.windows[0].duration = 5h; }},
      {"window zone", [](auto& spec, auto&) { spec.gates.windows[0].time_zone = "Europe/Berlin"; }},
      {"checks", [](auto& spec, auto&) { spec.gates.checks.clear(); }},
      {"check name", [](auto& spec, auto&) { spec.gates.checks[0].name = "other"; }},
      {"check phases", [](auto& spec, auto&) { spec.gates.checks[0].phases.clear(); }},
      {"check onFailure",
       [](auto& spec, auto&) { spec.gates.checks[0].on_failure = api::CheckSpec::OnFailure::rollback; }},
      {"check every", [](auto& spec, auto&) { spec.gates.checks[0].every = 60s; }},
      {"check query", [](auto& spec, auto&) { spec.gates.checks[0].sql->query = "SELECT 2"; }},
      {"check expect", [](auto& spec, auto&) { spec.gates.checks[0].sql->expect = "2"; }},
      {"check by Prometheus",
       [](auto& spec, auto&) {
         spec.gates.checks[0].sql.reset();
         spec.gates.checks[0].prometheus = api::PrometheusCheck{"http://p", "SELECT 1", "1"};
       }},
      {"check by Job",
       [](auto& spec, auto&) {
         spec.gates.checks[0].sql.reset();
         spec.gates.checks[0].job = api::JobCheck{"{}"};
       }},
      {"access", [](auto& spec, auto&) { spec.access.reset(); }},
      {"access level", [](auto& spec, auto&) { spec.access->level = api::AccessSpec::Level::super; }},
      {"access readable", [](auto& spec, auto&) { spec.access->readable.push_back("aa"); }},
      {"group", [](auto& spec, auto&) { spec.group.reset(); }},
      {"group name", [](auto& spec, auto&) { spec.group->name = "x"; }},
      {"group members", [](auto& spec, auto&) { spec.group->members.push_back("aa"); }},
      {"overrides", [](auto& spec, auto&) { spec.overrides.clear(); }},
      {"override gates", [](auto& spec, auto&) { spec.overrides[0].gates.push_back("Posture"); }},
      {"override reason", [](auto& spec, auto&) { spec.overrides[0].reason = "another"; }},
      {"override expiry", [](auto& spec, auto&) { spec.overrides[0].expires += 1us; }},
      {"the phase that stands", [](auto&, Subject& c) { c.seen.phase = Phase::pending; }},
      {"since when it stands", [](auto&, Subject& c) { c.seen.phase_since += 1us; }},
      {"the policies", [](auto&, Subject& c) { c.seen.policies_changed_at = c.seen.now; }},
      {"a verdict fixed", [](auto&, Subject& c) { c.seen.fixed_at = c.seen.now; }},
      {"a check of the database",
       [](auto&, Subject& c) { c.policy.minimum_gates.checks = {{.name = "suite", .phases = {}}}; }},
      {"what a check of the database asks",
       [](auto&, Subject& c) {
         c.policy.minimum_gates.checks = {{.name = "suite", .phases = {}}};
         c.policy.minimum_gates.checks[0].sql = api::SqlCheck{"SELECT 2", "1"};
       }},
      {"a verdict", [](auto&, Subject& c) { c.seen.reviewed_at = c.seen.now; }},
  };
  std::set<std::string> all = {digest(full())};
  for (const auto& [what, change] : changes) {
    Subject c = full();
    change(c.migration.spec, c);
    EXPECT_TRUE(all.insert(digest(c)).second) << what;
  }
}

TEST(EvidenceDigest, StaysWhereEvidenceOnlyRunsOn) {
  const std::map<std::string, std::function<void(Subject&)>> changes = {
      {"suspend", [](Subject& c) { c.migration.spec.suspend = true; }},
      {"violations",
       [](Subject& c) {
         c.seen.violations = {7, c.seen.now};
       }},
      {"unreviewed", [](Subject& c) { c.seen.unreviewed = 3; }},
      {"transactions", [](Subject& c) { c.seen.transactions = 7; }},
      {"time", [](Subject& c) { c.seen.now += 1000h; }},
      {"generation", [](Subject& c) { ++c.migration.meta.generation; }},
      {"annotations", [](Subject& c) { c.migration.requested_at = c.migration.resume = "now"; }},
      {"other approvals",
       [](Subject& c) {
         c.seen.approvals.push_back({Phase::enforcing, "ann", "digest", std::nullopt});
       }},
      {"the group's state",
       [](Subject& c) {
         c.seen.group.push_back({"ab", GroupMember::State::waiting, "x"});
       }},
      {"the freeze of the database",
       [](Subject& c) {
         c.policy.freeze = api::Freeze{"incident", {}};
       }},
      {"a check's result", [](Subject& c) { c.seen.checks["suite"].state = CheckState::State::failed; }},
  };
  for (const auto& [what, change] : changes) {
    Subject c = full();
    change(c);
    EXPECT_EQ(digest(c), digest(full())) << what;
  }
}

TEST(EvidenceDigest, NoTwoListsReadAlike) {
  Subject a, b;
  a.migration.spec.group = api::GroupSpec{"w", {"sm", "a,b"}};
  b.migration.spec.group = api::GroupSpec{"w", {"sm", "a", "b"}};
  EXPECT_NE(digest(a), digest(b));
  a.migration.spec.overrides = {{{"SoakTime"}, "x\n1:y", a.seen.now}};
  b.migration.spec.group = a.migration.spec.group;
  b.migration.spec.overrides = {{{"SoakTime", "x"}, "y", a.seen.now}};
  EXPECT_NE(digest(a), digest(b));
}

}  // namespace
}  // namespace rls::decide
