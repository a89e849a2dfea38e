// The RlsMigration that a rollout creates, as JSON. Written seldom, so by way of a document.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "controller/api/json_writer.hpp"
#include "controller/api/rollout.hpp"

namespace rls::api {
namespace {

using nlohmann::json;

/// A text of ours or of the API server's; well-formed, so that writing the document cannot fail.
json text(std::string_view value) { return well_formed(value); }

json windows_json(const std::vector<WindowSpec>& windows) {
  json out = json::array();
  for (const WindowSpec& window : windows) {
    out.push_back({{"schedule", text(window.schedule)},
                   {"duration", format_duration(window.duration)},
                   {"timeZone", text(window.time_zone)}});
  }
  return out;
}

json check_json(const CheckSpec& check) {
  json out = {{"name", text(check.name)},
              {"onFailure", check.on_failure == CheckSpec::OnFailure::rollback ? "Rollback" : "Hold"}};
  for (const Phase phase : check.phases) out["phases"].push_back(to_string(phase));
  if (check.every) out["every"] = format_duration(*check.every);
  if (check.sql) out["sql"] = {{"query", text(check.sql->query)}, {"expect", text(check.sql->expect)}};
  if (check.prometheus) {
    out["prometheus"] = {{"url", text(check.prometheus->url)},
                         {"query", text(check.prometheus->query)},
                         {"expect", text(check.prometheus->expect)}};
  }
  if (check.job) out["job"]["template"] = json::parse(check.job->template_json, nullptr, false);
  return out;
}

json gates_json(const GatesPatch& gates) {
  json out = json::object();
  if (gates.shadow_soak) out["shadowSoak"] = format_duration(*gates.shadow_soak);
  if (gates.enforcing_soak) out["enforcingSoak"] = format_duration(*gates.enforcing_soak);
  if (gates.max_violations) out["maxViolations"] = *gates.max_violations;
  if (gates.min_transactions) out["minTransactions"] = *gates.min_transactions;
  if (gates.review_required) out["review"] = *gates.review_required ? "Required" : "None";
  if (gates.approvals) {
    json& approvals = out["approvals"] = json::object();
    for (const auto& [phase, people] : *gates.approvals) approvals[std::string(to_string(phase))] = people;
  }
  if (gates.windows) out["windows"] = windows_json(*gates.windows);
  if (gates.checks) {
    json& checks = out["checks"] = json::array();
    for (const CheckSpec& check : *gates.checks) checks.push_back(check_json(check));
  }
  return out;
}

const char* level_text(AccessSpec::Level level) {
  switch (level) {
    case AccessSpec::Level::isolated: return "isolated";
    case AccessSpec::Level::shared: return "shared";
    case AccessSpec::Level::super: return "super";
  }
  return "isolated";
}

json access_json(const AccessSpec& access, std::string_view project) {
  json out = {{"level", level_text(access.level)}};
  for (const std::string& readable : access.readable) {
    if (readable != project) out["readable"].push_back(text(readable));
  }
  return out;
}

}  // namespace

std::string encode_member(const RlsRollout& rollout, std::size_t wave, std::string_view project,
                          std::string_view name) {
  const WaveSpec& of = rollout.spec.waves.at(wave);
  json spec = {{"databaseRef", {{"name", text(rollout.spec.database)}}},
               {"project", text(project)},
               {"phase", to_string(rollout.spec.phase)},
               {"gates", gates_json(merged(rollout.spec.gates, of.gates))}};
  if (const auto& access = of.access ? of.access : rollout.spec.access)
    spec["access"] = access_json(*access, project);
  if (rollout.spec.drift) spec["drift"] = *rollout.spec.drift == DriftPolicy::revert ? "Revert" : "Report";
  const json labels = {{std::string(kRolloutLabel), text(rollout.meta.name.name)},
                       {std::string(kWaveLabel), text(of.name)}};
  const json object = {
      {"apiVersion", kGroupVersion},
      {"kind", "RlsMigration"},
      {"metadata", {{"name", text(name)}, {"namespace", text(rollout.meta.name.ns)}, {"labels", labels}}},
      {"spec", std::move(spec)}};
  return object.dump();
}

}  // namespace rls::api
