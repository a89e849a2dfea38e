#pragma once
// What every object of ours has: its name, its metadata, its conditions.

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/result.hpp"
#include "controller/base/time.hpp"

namespace rls::api {

inline constexpr std::string_view kGroup = "rls-operator.dev";
inline constexpr std::string_view kVersion = "v1alpha1";
inline constexpr std::string_view kGroupVersion = "rls-operator.dev/v1alpha1";

/// Namespace and name. Ordered, so that it may key a map.
struct ObjectName {
  std::string ns;
  std::string name;
  auto operator<=>(const ObjectName&) const = default;  // NOLINT(modernize-use-nullptr): its own 0
  /// "namespace/name", for logs and messages.
  [[nodiscard]] std::string str() const { return ns + "/" + name; }
};

/// The part of metadata that the operator reads; everything else is dropped when an object is decoded.
struct ObjectMeta {
  ObjectName name;
  std::string uid;
  std::string resource_version;  ///< opaque; compared for equality only
  std::int64_t generation = 0;
  Time created{};
  bool deleting = false;  ///< deletionTimestamp is set

  bool operator==(const ObjectMeta&) const = default;
};

/// Decodes only the metadata, of an object of any kind: for deletions, and to know whose spec it is that
/// decode_migration or decode_database refused.
Result<ObjectMeta> decode_meta(std::string_view json);

enum class ConditionStatus { is_true, is_false, unknown };
std::string_view to_string(ConditionStatus status);  ///< "True", "False", "Unknown"
std::optional<ConditionStatus> parse_condition_status(std::string_view text);

/// metav1.Condition. Types and reasons are listed in docs/conditions.md.
struct Condition {
  std::string type;
  ConditionStatus status = ConditionStatus::unknown;
  std::string reason;
  std::string message;
  std::int64_t observed_generation = 0;
  Time last_transition{};  ///< to the second

  bool operator==(const Condition&) const = default;
};

/// The condition of that type, or nullptr.
const Condition* find_condition(const std::vector<Condition>& conditions, std::string_view type);

/// `wanted` with each lastTransitionTime taken over from `before` where the status did not change, and set to
/// `now` where it did (rule: metav1.Condition). Times in `wanted` are ignored.
std::vector<Condition> with_transition_times(std::vector<Condition> wanted,
                                             const std::vector<Condition>& before, Time now);

}  // namespace rls::api

template <>
struct std::hash<rls::api::ObjectName> {
  std::size_t operator()(const rls::api::ObjectName& name) const noexcept {
    const std::size_t h = std::hash<std::string>{}(name.ns);
    return std::hash<std::string>{}(name.name) ^ (h + 0x9e3779b97f4a7c15ULL + (h << 6) + (h >> 2));
  }
};
