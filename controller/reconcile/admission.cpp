#include "controller/reconcile/admission.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "controller/reconcile/shipped_admission.hpp"

namespace rls::reconcile {
namespace {

using nlohmann::json;

constexpr const char* kGroupVersion = "admissionregistration.k8s.io/v1";
constexpr const char* kInstall =
    "install it: kubectl apply -k manifests/admission (Helm: admission.install=true)";
constexpr const char* kReplace =
    "put it back: kubectl replace -k manifests/admission (Helm: delete it, and upgrade the release)";

/// A policy, or its binding.
struct Kind {
  const char* name;
  const char* plural;
};
constexpr Kind kPolicy{"ValidatingAdmissionPolicy", "validatingadmissionpolicies"};
constexpr Kind kBinding{"ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings"};

/// All values that the policies have are texts.
json to_json(const YAML::Node& node) {
  json out;
  if (node.IsScalar()) out = node.Scalar();
  if (node.IsSequence()) {
    out = json::array();
    for (const YAML::Node& item : node) out.push_back(to_json(item));
  }
  if (node.IsMap()) {
    out = json::object();
    for (const auto& member : node) out[member.first.Scalar()] = to_json(member.second);
  }
  return out;
}

/// What a policy and its binding must be.
struct Shipped {
  json policy, binding;
};
Shipped shipped(std::string_view yaml) try {
  const std::vector<YAML::Node> documents = YAML::LoadAll(std::string(yaml));
  return {to_json(documents.at(0)), to_json(documents.at(1))};
} catch (const std::exception&) {
  return {};  // equal to nothing
}

/// The member, or null.
const json& at(const json& object, const char* key) {
  static const json kNull;
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found == object.end() ? kNull : *found;
}

std::string text(const json& value) { return value.is_string() ? value.get<std::string>() : std::string(); }

/// Without what the API server adds where nothing is written, so that both ways to write it are equal.
json without_defaults(const json& value) {
  if (value.is_array()) {
    json out = json::array();
    for (const json& item : value) out.push_back(without_defaults(item));
    return out;
  }
  if (!value.is_object()) return value;
  json out = json::object();
  for (const auto& [key, member] : value.items()) {
    json plain = without_defaults(member);
    const bool nothing = plain.is_null() || ((plain.is_object() || plain.is_array()) && plain.empty());
    const bool usual = (key == "matchPolicy" && plain == "Equivalent") || (key == "scope" && plain == "*");
    if (!nothing && !usual) out[key] = std::move(plain);
  }
  return out;
}

/// Where the two first differ: "spec.validations[1].expression". Nullopt where they are equal.
std::optional<std::string> difference(const json& wanted, const json& found, const std::string& path) {
  if (wanted == found) return std::nullopt;
  if (wanted.is_array() && found.is_array() && wanted.size() == found.size()) {
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (auto inner = difference(wanted[i], found[i], path + "[" + std::to_string(i) + "]")) return inner;
    }
  }
  if (wanted.is_object() && found.is_object()) {
    json both = wanted;
    both.update(found);
    for (const auto& [key, ignored] : both.items()) {
      if (auto inner = difference(at(wanted, key.c_str()), at(found, key.c_str()), path + "." + key))
        return inner;
    }
  }
  return path;
}

/// The object, or what is wrong with it, to go behind its name.
std::pair<json, std::string> read(kube::Client& client, const Kind& kind, const std::string& name) {
  const Result<std::string> reply = client.get({kGroupVersion, kind.plural, ""}, {"", name});
  if (!reply) {
    if (reply.error().reason == "NotFound") return {{}, std::string(" is not there: ") + kInstall};
    return {{}, " cannot be read: " + reply.error().message};
  }
  json object = json::parse(*reply, nullptr, false);
  if (!object.is_object()) return {{}, " cannot be read: the API server's reply is no JSON object"};
  if (!at(at(object, "metadata"), "deletionTimestamp").is_null())
    return {{}, std::string(" is being deleted: ") + kInstall};
  return {std::move(object), std::string{}};
}

std::string policy_problem(const json& policy, const json& wanted) {
  if (const auto where =
          difference(without_defaults(at(wanted, "spec")), without_defaults(at(policy, "spec")), "spec"))
    return *where + " is not what this version of the operator ships: " + kReplace;
  // Written by a controller that not every cluster has; the API server compiles by itself what it keeps.
  const json& observed = at(at(policy, "status"), "observedGeneration");
  if (!observed.is_null() && observed != at(at(policy, "metadata"), "generation"))
    return "was changed, and Kubernetes has not looked at it since: wait a moment";
  return {};
}

std::string binding_problem(const json& binding, const json& wanted) {
  json spec = without_defaults(at(binding, "spec"));
  json expected = without_defaults(at(wanted, "spec"));
  // To warn or to audit besides does no harm.
  const json& actions = at(spec, "validationActions");
  if (!actions.is_array() || std::find(actions.begin(), actions.end(), "Deny") == actions.end())
    return std::string("does not deny (spec.validationActions): ") + kReplace;
  if (spec.is_object()) spec.erase("validationActions");
  if (expected.is_object()) expected.erase("validationActions");
  if (const auto where = difference(expected, spec, "spec"))
    return *where + " is not what this version of the operator ships: " + kReplace;
  return {};
}

/// When the object's spec became what it is. A generation above 1 says that it was another one once: then the
/// last change counts, whatever it was; nullopt where that is not told.
std::optional<Time> last_changed(const json& object) {
  const json& metadata = at(object, "metadata");
  if (at(metadata, "generation") == 1) return parse_rfc3339(text(at(metadata, "creationTimestamp")));
  std::optional<Time> last;
  for (const json& entry : at(metadata, "managedFields")) {
    if (!text(at(entry, "subresource")).empty()) continue;
    const auto time = parse_rfc3339(text(at(entry, "time")));
    if (!time) return std::nullopt;
    last = last ? std::max(*last, *time) : *time;
  }
  return last;
}

struct Bound {
  std::string why_not;  ///< empty: it is
  std::optional<Time> since;
};

Bound look(kube::Client& client, std::string_view yaml) {
  const Shipped wanted = shipped(yaml);
  const std::string name = text(at(at(wanted.policy, "metadata"), "name"));
  struct Part {
    const Kind& kind;
    const json& wanted;
    std::string (*problem)(const json& found, const json& wanted);
  };
  Bound bound;
  for (const Part& part :
       {Part{kPolicy, wanted.policy, policy_problem}, Part{kBinding, wanted.binding, binding_problem}}) {
    const std::string what = std::string(part.kind.name) + " " + name;
    const auto [object, unread] = read(client, part.kind, name);
    if (!unread.empty()) return {what + unread, {}};
    const std::string problem = part.problem(object, part.wanted);
    if (!problem.empty()) return {what + ": " + problem, {}};
    const auto changed = last_changed(object);
    if (!changed)
      return {what + ": metadata.managedFields does not say when it was changed: delete it, and " + kInstall,
              {}};
    bound.since = bound.since ? std::max(*bound.since, *changed) : *changed;
  }
  return bound;
}

}  // namespace

AdmissionState not_looked_yet() {
  const std::string why = "the admission policies have not been looked at yet";
  AdmissionState state;
  state.why_not_approvals = state.why_not_overrides = state.why_not_jobs = why;
  return state;
}

AdmissionState read_admission(kube::Client& client) {
  AdmissionState state;
  Bound approvals = look(client, shipped_approvals);
  Bound overrides = look(client, shipped_overrides);
  Bound jobs = look(client, shipped_jobs);
  state.approvals = approvals.why_not.empty();
  state.overrides = overrides.why_not.empty();
  state.jobs = jobs.why_not.empty();
  state.approvals_since = approvals.since;
  state.overrides_since = overrides.since;
  state.jobs_since = jobs.since;
  state.why_not_approvals = std::move(approvals.why_not);
  state.why_not_overrides = std::move(overrides.why_not);
  state.why_not_jobs = std::move(jobs.why_not);
  return state;
}

bool vouched(const std::optional<Time>& since, Time created) {
  return since && created - *since > kAdmissionDelay;
}

}  // namespace rls::reconcile
