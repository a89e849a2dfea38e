#include "controller/leader/lease.hpp"

#include <nlohmann/json.hpp>

namespace rls::leader {

using nlohmann::json;

Result<LeaseRecord> decode_lease(std::string_view text) {
  const json object = json::parse(text, nullptr, false);
  const Error unexpected = transient("UnexpectedReply", "the API server's answer is no Lease");
  if (!object.is_object() || object.value("kind", std::string{"Lease"}) != "Lease") return unexpected;
  const auto at = [&](const char* pointer) -> json {
    const json::json_pointer path(pointer);
    return object.contains(path) ? object.at(path) : json{};
  };
  const json version = at("/metadata/resourceVersion");
  const json holder = at("/spec/holderIdentity");
  const json duration = at("/spec/leaseDurationSeconds");
  const json transitions = at("/spec/leaseTransitions");
  if (!version.is_string()) return unexpected;
  LeaseRecord record;
  record.resource_version = version.get<std::string>();
  if (holder.is_string()) record.holder = holder.get<std::string>();
  if (duration.is_number_integer()) record.duration = std::chrono::seconds{duration.get<std::int32_t>()};
  if (transitions.is_number_integer()) record.transitions = transitions.get<std::int32_t>();
  return record;
}

std::string encode_lease(const LeaseRecord& record, std::string_view before, std::string_view ns,
                         std::string_view name, bool acquires, Time now) {
  json object = before.empty() ? json::object() : json::parse(before, nullptr, false);
  if (!object.is_object()) object = json::object();
  object["apiVersion"] = "coordination.k8s.io/v1";
  object["kind"] = "Lease";
  json& metadata = object["metadata"];
  metadata["namespace"] = ns;
  metadata["name"] = name;
  if (!record.resource_version.empty()) metadata["resourceVersion"] = record.resource_version;
  json& spec = object["spec"];
  spec["holderIdentity"] = record.holder;
  spec["leaseDurationSeconds"] = std::chrono::ceil<std::chrono::seconds>(record.duration).count();
  spec["leaseTransitions"] = record.transitions;
  spec["renewTime"] = format_rfc3339_micro(now);
  if (acquires) spec["acquireTime"] = format_rfc3339_micro(now);
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace rls::leader
