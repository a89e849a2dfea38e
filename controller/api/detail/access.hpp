#pragma once
// Parts of a spec that RlsMigration shares with other kinds: access, drift, the gates of evidence.

#include <optional>
#include <string_view>

#include "controller/api/detail/fields.hpp"
#include "controller/api/migration.hpp"

namespace rls::api::detail {

inline std::optional<DriftPolicy> parse_drift(std::string_view text) {
  if (text == "Report") return DriftPolicy::report;
  if (text == "Revert") return DriftPolicy::revert;
  return std::nullopt;
}

/// What both gates and minimumGates may ask of transactions and reviews.
inline void read_evidence_gates(const Fields& gates, std::optional<std::int64_t>& min_transactions,
                                std::optional<bool>& review_required) {
  if (gates.has("minTransactions"))
    gates.integer("minTransactions", min_transactions.emplace(), 0, kMaxTransactions);
  gates.one_of(
      "review", review_required,
      [](std::string_view text) -> std::optional<bool> {
        if (text == "Required") return true;
        if (text == "None") return false;
        return std::nullopt;
      },
      "Required, None");
}

inline AccessSpec read_access(const Fields& fields, std::string_view project) {
  AccessSpec access;
  if (!fields.has("level")) fields.note("level", "required");
  fields.one_of(
      "level", access.level,
      [](std::string_view text) -> std::optional<AccessSpec::Level> {
        if (text == "isolated") return AccessSpec::Level::isolated;
        if (text == "shared") return AccessSpec::Level::shared;
        if (text == "super") return AccessSpec::Level::super;
        return std::nullopt;
      },
      "isolated, shared, super");
  fields.each_item("readable", [&](std::string_view readable) {
    if (readable.empty()) fields.note("readable", "an empty name: remove it");
    check_name(fields, "readable", readable, kMaxProjectCharacters);
    if (readable == project) fields.note("readable", "a project always reads its own rows: remove it");
    access.readable.emplace_back(readable);
  });
  if (access.readable.size() > kMaxReadable) fields.note("readable", "more than 200 projects");
  if (!access.readable.empty() && access.level != AccessSpec::Level::shared)
    fields.note("readable", "goes with level shared alone: set the level, or remove it");
  return access;
}

}  // namespace rls::api::detail
