#pragma once
// How the gates of RlsMigrations and RlsRollouts are decoded: approvals, windows, checks.

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "controller/api/detail/fields.hpp"
#include "controller/api/gating.hpp"

namespace rls::api::detail {

inline constexpr Duration kShortestWindow = std::chrono::milliseconds{1};

/// A phase that can be entered by going up.
inline std::optional<Phase> parse_entered(std::string_view text) {
  const auto phase = parse_phase(text);
  return phase == Phase::pending ? std::nullopt : phase;
}
inline constexpr std::string_view kEntered = "shadow, enforcing, complete";

/// A name that is the value of a label.
inline void required_label(const Fields& fields, std::string_view key, std::string& out, std::size_t most) {
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

inline void bounded_text(const Fields& fields, std::string_view key, std::string& out, std::size_t most) {
  fields.required_text(key, out);
  // Characters of UTF-8: what the CRD counts.
  const auto characters = std::count_if(
      out.begin(), out.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; });
  if (static_cast<std::size_t>(characters) > most)
    fields.note(key, "longer than " + std::to_string(most) + " characters: shorten it");
}

inline std::map<Phase, std::int64_t> read_approvals(const Fields& gates) {
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

inline std::vector<WindowSpec> read_windows(const Fields& gates) {
  std::vector<WindowSpec> windows;
  gates.each("windows", [&](const Fields& fields) {
    WindowSpec& window = windows.emplace_back();
    bounded_text(fields, "schedule", window.schedule, kMaxSchedule);
    if (!fields.has("duration")) fields.note("duration", "required");
    fields.duration("duration", window.duration, kShortestWindow, kMaxSoak);
    if (fields.has("timeZone")) bounded_text(fields, "timeZone", window.time_zone, kMaxTimeZone);
  });
  if (windows.size() > kMaxWindows) gates.note("windows", "more than 20");
  return windows;
}

inline void read_question(const Fields& fields, CheckSpec& check) {
  if (fields.has("sql")) {
    const Fields sql = fields.child("sql");
    bounded_text(sql, "query", check.sql.emplace().query, kMaxQuery);
    check.sql->expect = "true";
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

inline std::vector<CheckSpec> read_checks(
    const Fields& gates, CheckSpec::DemandedBy demanded_by = CheckSpec::DemandedBy::migration) {
  std::vector<CheckSpec> checks;
  gates.each("checks", [&](const Fields& fields) {
    CheckSpec& check = checks.emplace_back();
    check.demanded_by = demanded_by;
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
    fields.optional_duration("every", check.every, kMinCheckEvery, kMaxCheckEvery);
    if (check.on_failure == CheckSpec::OnFailure::rollback && !check.every)
      fields.note("onFailure", "Rollback goes with every alone, such as every: 1m");
    read_question(fields, check);
    // Who may write an RlsDatabase need not be one who may create Jobs beside each RlsMigration, and no
    // policy asks.
    if (check.job && demanded_by == CheckSpec::DemandedBy::database)
      fields.note(
          "job",
          "not in minimumGates: a Job is made for one RlsMigration, by one who may create Jobs there: "
          "put it into spec.gates.checks of the RlsMigrations, or into the RlsRollout's template");
    const bool twice = std::count_if(checks.begin(), checks.end(),
                                     [&](const CheckSpec& other) { return other.name == check.name; }) > 1;
    if (twice) fields.note("name", rls::quoted(check.name) + " stands there twice: rename one");
  });
  if (checks.size() > kMaxChecks) gates.note("checks", "more than 20");
  return checks;
}

}  // namespace rls::api::detail
