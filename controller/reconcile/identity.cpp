#include "controller/reconcile/identity.hpp"

#include <nlohmann/json.hpp>

namespace rls::reconcile {

Result<std::string> cluster_id(kube::Client& client) {
  const auto json = client.get({"v1", "namespaces", ""}, {"", "kube-system"});
  if (!json) return json.error();
  const auto object = nlohmann::json::parse(*json, nullptr, false);
  const auto uid =
      object.is_object() ? object.value("/metadata/uid"_json_pointer, std::string{}) : std::string{};
  if (uid.empty()) return transient("UnexpectedReply", "namespace kube-system has no uid");
  return uid;
}

}  // namespace rls::reconcile
