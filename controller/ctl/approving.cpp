#include "controller/ctl/approving.hpp"

#include <algorithm>

#include "controller/api/json_writer.hpp"
#include "controller/base/text.hpp"
#include "controller/ctl/report.hpp"

namespace rls::ctl {
namespace {

std::string name_of(Phase phase) { return std::string(to_string(phase)); }

const api::GateStatus* find_gate(const api::MigrationStatus& status, std::string_view name) {
  const auto found = std::find_if(status.gates.begin(), status.gates.end(),
                                  [&](const api::GateStatus& gate) { return gate.name == name; });
  return found == status.gates.end() ? nullptr : &*found;
}

Error nothing(const std::string& message) { return terminal("NothingToApprove", message); }

/// The status names no evidence: no step up is wanted, or none of them wants a yes.
Error no_digest(const api::RlsMigration& migration, const std::string& project, Phase phase) {
  if (migration.status.gates.empty()) {
    const api::Condition* const ready = api::find_condition(migration.status.conditions, "Ready");
    return nothing(project + " is not waiting to go up" +
                   (ready == nullptr ? "" : ": " + ready->reason + ", " + ready->message));
  }
  return nothing("the step of " + project + " to " + name_of(phase) +
                 " wants no approval: neither spec.gates.approvals nor the RlsDatabase's "
                 "spec.minimumGates.approvals asks for one; rlsctl explain " +
                 migration.meta.name.name + " --namespace " + migration.meta.name.ns +
                 " shows what it waits for");
}

/// What stands between the server's quotes, without the escapes.
std::string said_by_server(const std::string& message) {
  constexpr std::string_view kSays = "The server says: \"";
  const std::size_t begin = message.find(kSays);
  if (begin == std::string::npos) return {};
  std::string out;
  for (std::size_t i = begin + kSays.size(); i < message.size() && message[i] != '"'; ++i) {
    if (message[i] == '\\' && i + 1 < message.size()) ++i;
    out += message[i];
  }
  return out;
}

}  // namespace

std::optional<Error> why_no_approval(const api::RlsMigration& migration, Phase phase) {
  const api::MigrationStatus& status = migration.status;
  const std::string project = "project " + quoted(migration.spec.project, 60);
  if (!migration.spec_problem.empty())
    return nothing("the spec of the RlsMigration cannot be read: " + migration.spec_problem);
  if (status.observed_generation != migration.meta.generation || !status.phase) {
    return transient(
        "StatusIsOld",
        "the operator has not looked at this spec of the RlsMigration yet, so nobody can say what "
        "would be approved: wait a moment, and see rlsctl explain " +
            migration.meta.name.name + " --namespace " + migration.meta.name.ns);
  }
  if (*status.phase >= phase)
    return nothing(project + " is in " + name_of(*status.phase) + " already: the way to " + name_of(phase) +
                   " needs no approval");
  if (const Phase next = next_phase(*status.phase); next != phase) {
    return nothing("the next step of " + project + " is from " + name_of(*status.phase) + " to " +
                   name_of(next) + ": " + name_of(phase) + " can be approved when it is there");
  }
  if (status.evidence_digest.empty()) return no_digest(migration, project, phase);
  const api::GateStatus* const gate = find_gate(status, "Approval");
  if (gate != nullptr && gate->state == api::GateState::unknown)
    return nothing("approvals do not count here: " + gate->message);
  return std::nullopt;
}

std::string approval_summary(const api::RlsMigration& migration, Phase phase, std::string_view approver,
                             Time now) {
  const api::MigrationStatus& status = migration.status;
  std::string out = "project     " + printable(migration.spec.project) + " (" +
                    printable(migration.meta.name.str()) + ", database " +
                    printable(migration.spec.database) + ")\nstep        " +
                    name_of(status.phase.value_or(Phase::pending)) + " → " + name_of(phase) +
                    "\nviolations  " + violations_text(status, now) + "\n";
  if (migration.spec.group)
    out += "group       " + printable(migration.spec.group->name) + ": goes up with the others in it\n";
  out += "approver    " + printable(approver) + "\nevidence    " + printable(status.evidence_digest) +
         "\ngates\n" + gates_text(status.gates, now);
  return out;
}

std::string encode_approval(const api::RlsMigration& migration, Phase phase, std::string_view approver,
                            std::string_view comment, const std::optional<Time>& expires) {
  api::JsonWriter json;
  json.begin_object();
  json.member("apiVersion", api::kGroupVersion);
  json.member("kind", "RlsApproval");
  json.key("metadata").begin_object();
  json.member("namespace", migration.meta.name.ns);
  json.member("generateName", std::string_view(migration.meta.name.name + "-" + name_of(phase) + "-"));
  json.end_object();
  json.key("spec").begin_object();
  json.key("migrationRef").begin_object();
  json.member("name", migration.meta.name.name);
  json.end_object();
  json.member("phase", to_string(phase));
  json.member("approver", approver);
  json.member("evidenceDigest", migration.status.evidence_digest);
  json.member("comment", comment);
  if (expires) json.member("expires", std::string_view(format_rfc3339_seconds(*expires)));
  json.end_object().end_object();
  return json.take();
}

std::optional<Time> parse_expiry(std::string_view text, Time now) {
  if (const auto length = parse_duration(text)) return now + *length;
  return parse_rfc3339(text);
}

Error for_people(const Error& error, const Attempt& attempt) {
  if (error.reason != "Forbidden") return error;
  Error plain = error;
  const std::string said = said_by_server(error.message);
  constexpr std::string_view kDenied = "denied request: ";
  if (const std::size_t denied = said.find(kDenied); denied != std::string::npos) {
    plain.message = "a policy of the cluster says no: " + said.substr(denied + kDenied.size());
    return plain;
  }
  if (said.find("\" cannot ") == std::string::npos) return error;
  plain.message = (attempt.who.empty() ? "you may" : quoted(attempt.who, 120) + " may") + " not " +
                  std::string(attempt.verb) + " " + std::string(attempt.what) +
                  (attempt.ns.empty() ? " in all namespaces" : " in namespace " + quoted(attempt.ns)) +
                  ": it takes ClusterRole " + std::string(attempt.role) +
                  (attempt.ns.empty() ? "" : " there") + ", which an administrator gives (docs/approvals.md)";
  return plain;
}

}  // namespace rls::ctl
