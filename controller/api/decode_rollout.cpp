// An RlsRollout as the API server sends it; as strict and as lenient as decode.cpp.

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "controller/api/detail/access.hpp"
#include "controller/api/detail/fields.hpp"
#include "controller/api/detail/gating.hpp"
#include "controller/api/limits.hpp"
#include "controller/api/rollout.hpp"
#include "controller/base/text.hpp"

namespace rls::api {
using namespace detail;  // NOLINT(google-build-using-namespace): our own
namespace {

GatesPatch read_gates_patch(const Fields& gates) {
  GatesPatch patch;
  gates.optional_duration("shadowSoak", patch.shadow_soak, Duration{0}, kMaxSoak);
  gates.optional_duration("enforcingSoak", patch.enforcing_soak, Duration{0}, kMaxSoak);
  if (gates.has("maxViolations"))
    gates.integer("maxViolations", patch.max_violations.emplace(), 0, kMaxViolations);
  read_evidence_gates(gates, patch.min_transactions, patch.review_required);
  if (gates.has("approvals")) patch.approvals = read_approvals(gates);
  if (gates.has("windows")) patch.windows = read_windows(gates);
  if (gates.has("checks")) patch.checks = read_checks(gates);
  return patch;
}

/// Of no project in particular: its own name is left out where its RlsMigration is made.
std::optional<AccessSpec> read_shared_access(const Fields& fields) {
  if (!fields.has("access")) return std::nullopt;
  return read_access(fields.child("access"), {});
}

void read_projects(const Fields& fields, std::vector<std::string>& projects, std::set<std::string>& seen) {
  fields.each_item("projects", [&](std::string_view project) {
    if (project.empty()) fields.note("projects", "an empty name: remove it");
    check_name(fields, "projects", project, kMaxProjectCharacters);
    if (!seen.emplace(project).second)
      fields.note("projects",
                  rls::quoted(project) + " stands there twice, or in two waves: remove it from one");
    projects.emplace_back(project);
  });
  if (projects.empty()) fields.note("projects", "required: the projects of the wave");
  if (projects.size() > kMaxWaveProjects) fields.note("projects", "more than 200: make two waves of it");
}

void read_waves(const Fields& spec, std::vector<WaveSpec>& waves) {
  std::set<std::string> names;
  std::set<std::string> projects;
  spec.each("waves", [&](const Fields& fields) {
    WaveSpec& wave = waves.emplace_back();
    required_label(fields, "name", wave.name, kMaxWaveName);
    if (!names.insert(wave.name).second)
      fields.note("name", rls::quoted(wave.name) + " is the name of two waves: rename one");
    read_projects(fields, wave.projects, projects);
    wave.gates = read_gates_patch(fields.child("gates"));
    wave.access = read_shared_access(fields);
  });
  if (waves.empty()) spec.note("waves", "required: at least one wave");
  if (waves.size() > kMaxWaves) spec.note("waves", "more than 50: make two rollouts of it");
}

RolloutSpec read_rollout_spec(const Fields& document) {
  RolloutSpec spec;
  const Fields fields = document.child("spec");
  fields.child("databaseRef").required_text("name", spec.database);
  if (!fields.has("phase")) fields.note("phase", "required");
  fields.one_of("phase", spec.phase, parse_entered, kEntered);
  const Fields pattern = fields.child("template");
  spec.gates = read_gates_patch(pattern.child("gates"));
  spec.access = read_shared_access(pattern);
  pattern.one_of("drift", spec.drift, parse_drift, "Report, Revert");
  read_waves(fields, spec.waves);
  fields.one_of("advanceWhen", spec.advance_when, parse_entered, kEntered);
  if (spec.advance_when > spec.phase)
    fields.note("advanceWhen",
                "above spec.phase, where no project would ever get: lower it, or raise spec.phase");
  if (fields.has("freeze")) {
    const Fields freeze = fields.child("freeze");
    freeze.required_text("reason", spec.freeze.emplace().reason);
    freeze.time("until", spec.freeze->until);
  }
  return spec;
}

void read_rollout_status(const Fields& fields, RolloutStatus& status) {
  fields.one_of("phase", status.phase, parse_phase, "the phases");
  fields.each("waves", [&](const Fields& row) {
    WaveStatus& wave = status.waves.emplace_back();
    row.text("name", wave.name);
    row.one_of("state", wave.state, parse_wave_state, "Waiting, Open, Done");
    row.integer("reached", wave.reached, 0, kMaxInteger);
    row.integer("total", wave.total, 0, kMaxInteger);
    row.integer("pending", wave.phases.pending, 0, kMaxInteger);
    row.integer("shadow", wave.phases.shadow, 0, kMaxInteger);
    row.integer("enforcing", wave.phases.enforcing, 0, kMaxInteger);
    row.integer("complete", wave.phases.complete, 0, kMaxInteger);
    row.text("message", wave.message);
  });
  fields.integer("projects", status.projects, 0, kMaxInteger);
  fields.text("done", status.done);
  const Fields migrations = fields.child("migrations");
  migrations.integer("created", status.migrations.created, 0, kMaxInteger);
  migrations.integer("missing", status.migrations.missing, 0, kMaxInteger);
  migrations.integer("foreign", status.migrations.foreign, 0, kMaxInteger);
  fields.text("openWave", status.open_wave);
  fields.text("message", status.message);
}

}  // namespace

Result<RlsRollout> decode_rollout(std::string_view json) {
  return with_document<RlsRollout>(json, [](const Fields& document) {
    RlsRollout rollout;
    rollout.meta = read_meta(document);
    if (rollout.meta.name.name.size() > kMaxRolloutName)
      document.child("metadata")
          .note("name",
                "longer than 63 characters, which the value of a label cannot be: "
                "make one with a shorter name");
    rollout.spec = read_rollout_spec(document);
    rollout.status = read_status<RolloutStatus>(document, read_rollout_status);
    return rollout;
  });
}

}  // namespace rls::api
