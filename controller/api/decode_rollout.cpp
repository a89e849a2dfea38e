// An RlsRollout as the API server sends it; as strict and as lenient as decode.cpp.

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "controller/api/detail/access.hpp"
#include "controller/api/detail/fields.hpp"
#include "controller/api/limits.hpp"
#include "controller/api/rollout.hpp"
#include "controller/base/text.hpp"

namespace rls::api {
using namespace detail;  // NOLINT(google-build-using-namespace): our own
namespace {

constexpr Duration kShortest = std::chrono::milliseconds{1};

/// A phase that can be entered by going up.
std::optional<Phase> parse_entered(std::string_view text) {
  const auto phase = parse_phase(text);
  return phase == Phase::pending ? std::nullopt : phase;
}
constexpr std::string_view kEntered = "shadow, enforcing, complete";

/// A name that is the value of a label.
void required_label(const Fields& fields, std::string_view key, std::string& out, std::size_t most) {
  fields.required_text(key, out);
  const bool plain = std::all_of(out.begin(), out.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
  if (!plain || out.starts_with('-') || out.ends_with('-')) {
    fields.note(key, rls::quoted(out) + " is no plain name: use lower case letters, digits and -");
  } else if (out.size() > most) {
    fields.note(key,
                rls::quoted(out) + " is longer than " + std::to_string(most) + " characters: shorten it");
  }
}

void bounded_text(const Fields& fields, std::string_view key, std::string& out, std::size_t most) {
  fields.required_text(key, out);
  // Characters of UTF-8: what the CRD counts.
  const auto characters = std::count_if(
      out.begin(), out.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; });
  if (static_cast<std::size_t>(characters) > most)
    fields.note(key, "longer than " + std::to_string(most) + " characters: shorten it");
}

std::map<Phase, std::int64_t> read_approvals(const Fields& gates) {
  std::map<Phase, std::int64_t> approvals;
  const Fields fields = gates.child("approvals");
  for (const Phase phase : {Phase::shadow, Phase::enforcing, Phase::complete}) {
    const std::string_view name = to_string(phase);
    if (fields.has(name)) fields.integer(name, approvals[phase], 0, kMaxApprovals);
  }
  gates.each_number("approvals", [&](std::string_view name, std::int64_t) {
    if (!parse_entered(name)) fields.note(name, "is not one of " + std::string(kEntered));
  });
  return approvals;
}

std::vector<WindowSpec> read_windows(const Fields& gates) {
  std::vector<WindowSpec> windows;
  gates.each("windows", [&](const Fields& fields) {
    WindowSpec& window = windows.emplace_back();
    bounded_text(fields, "schedule", window.schedule, kMaxSchedule);
    if (!fields.has("duration")) fields.note("duration", "required");
    fields.duration("duration", window.duration, kShortest, kMaxSoak);
    if (fields.has("timeZone")) bounded_text(fields, "timeZone", window.time_zone, kMaxTimeZone);
  });
  if (windows.size() > kMaxWindows) gates.note("windows", "more than 20");
  return windows;
}

void read_question(const Fields& fields, CheckSpec& check) {
  if (fields.has("sql")) {
    const Fields sql = fields.child("sql");
    bounded_text(sql, "query", check.sql.emplace().query, kMaxQuery);
    if (!sql.has("expect")) sql.note("expect", "required");
    sql.text("expect", check.sql->expect);
    if (check.sql->expect.size() > 4 * kMaxExpect)
      sql.note("expect", "longer than 256 characters: shorten it");
  }
  if (fields.has("prometheus")) {
    const Fields prometheus = fields.child("prometheus");
    PrometheusCheck& asked = check.prometheus.emplace();
    bounded_text(prometheus, "url", asked.url, kMaxUrl);
    if (!asked.url.starts_with("http://") && !asked.url.starts_with("https://"))
      prometheus.note("url", rls::quoted(asked.url) + " does not begin with http:// or https://");
    bounded_text(prometheus, "query", asked.query, kMaxQuery);
    bounded_text(prometheus, "expect", asked.expect, kMaxExpect);
  }
  if (fields.has("job")) {
    const Fields job = fields.child("job");
    job.object_text("template", check.job.emplace().template_json);
    if (check.job->template_json.empty()) job.note("template", "required");
  }
  const int asked =
      int{check.sql.has_value()} + int{check.prometheus.has_value()} + int{check.job.has_value()};
  if (asked != 1) fields.note("name", "the check asks not exactly one of sql, prometheus and job");
}

std::vector<CheckSpec> read_checks(const Fields& gates) {
  std::vector<CheckSpec> checks;
  gates.each("checks", [&](const Fields& fields) {
    CheckSpec& check = checks.emplace_back();
    required_label(fields, "name", check.name, kMaxCheckName);
    fields.each_item("phases", [&](std::string_view text) {
      if (const auto phase = parse_entered(text)) {
        check.phases.push_back(*phase);
      } else {
        fields.note("phases", rls::quoted(text) + " is not one of " + std::string(kEntered));
      }
    });
    fields.one_of(
        "onFailure", check.on_failure,
        [](std::string_view text) -> std::optional<CheckSpec::OnFailure> {
          if (text == "Hold") return CheckSpec::OnFailure::hold;
          if (text == "Rollback") return CheckSpec::OnFailure::rollback;
          return std::nullopt;
        },
        "Hold, Rollback");
    fields.optional_duration("every", check.every, kShortest, kMaxSoak);
    read_question(fields, check);
    const bool twice = std::count_if(checks.begin(), checks.end(),
                                     [&](const CheckSpec& other) { return other.name == check.name; }) > 1;
    if (twice) fields.note("name", rls::quoted(check.name) + " stands there twice: rename one");
  });
  if (checks.size() > kMaxChecks) gates.note("checks", "more than 20");
  return checks;
}

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
