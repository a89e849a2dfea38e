#include "controller/postgres/reporting.hpp"

#include <algorithm>
#include <array>

#include "controller/base/log.hpp"
#include "controller/base/text.hpp"
#include "controller/postgres/sql.hpp"

namespace rls::postgres {
namespace {

constexpr std::size_t kLongestText = 200;

/// The projects that the database can be asked for; `index` leads back to the caller's.
struct Asked {
  std::vector<std::size_t> index;
  std::array<std::string, 1> parameters;

  Asked(std::span<const std::string> projects, bool utf8) {
    ArrayText names;
    for (std::size_t i = 0; i < projects.size(); ++i) {
      if (!why_no_name(projects[i], utf8).empty()) continue;
      names.add(projects[i]);
      index.push_back(i);
    }
    parameters[0] = names.take();
  }
  /// Of a row whose first column is the place in the array, from 1.
  [[nodiscard]] std::size_t of(const Rows& rows, std::size_t row) const {
    return index.at(static_cast<std::size_t>(rows.integer(row, 0) - 1));
  }
};

/// Text that applications and triggers put into the audit table.
std::string foreign_text(std::string_view text) {
  std::string out(is_utf8(text) ? std::string(text) : quoted(text, kLongestText));
  std::replace_if(
      out.begin(), out.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, ' ');
  return truncated(log::redacted(out), kLongestText);
}

}  // namespace

Result<std::vector<std::vector<api::HistoryEntry>>> history(OpenDatabase& database,
                                                            std::span<const std::string> projects) {
  const Asked asked(projects, database.utf8);
  const Reply reply = database.connection.run("history", sql::history, asked.parameters);
  if (!reply.ok()) return to_error(*reply.failure, "read rls_operator.transition");
  std::vector<std::vector<api::HistoryEntry>> out(projects.size());
  for (std::size_t row = 0; row < reply.rows.size(); ++row) {
    const Rows& rows = reply.rows;
    out[asked.of(rows, row)].push_back({.id = std::string(rows.text(row, 1)),
                                        .from = parse_phase(rows.text(row, 2)),
                                        .to = parse_phase(rows.text(row, 3)).value_or(Phase::pending),
                                        .time = rows.time(row, 4).value_or(Time{}),
                                        .reason = std::string(rows.text(row, 5))});
  }
  return out;
}

Result<std::vector<api::ViolationsStatus>> violations(OpenDatabase& database,
                                                      std::span<const std::string> projects) {
  // So many are read in milliseconds; of more the newest must do.
  constexpr std::int64_t kManyDenials = 5000;
  const Catalogue& catalogue = database.catalogue;
  const std::string doing = "read " + catalogue.audit_table;
  std::vector<api::ViolationsStatus> out(projects.size());
  std::array<std::vector<std::size_t>, 2> parts;  // all of them, the newest of them
  for (std::size_t i = 0; i < projects.size(); ++i) {
    const bool many =
        !catalogue.count_slice.empty() && database.tally.watermark.denials_of(projects[i]) > kManyDenials;
    parts[many ? 1 : 0].push_back(i);
  }
  for (const bool recent : {false, true}) {
    const std::vector<std::size_t>& part = parts[recent ? 1 : 0];
    if (part.empty()) continue;
    std::vector<std::string> names;
    for (const std::size_t i : part) names.push_back(projects[i]);
    const Asked asked(names, database.utf8);
    const Reply tables = database.connection.run(
        "violations_by_table", recent ? catalogue.recent_by_table : catalogue.violations_by_table,
        asked.parameters);
    if (!tables.ok()) return to_error(*tables.failure, doing);
    for (std::size_t row = 0; row < tables.rows.size(); ++row) {
      api::ViolationsStatus& status = out[part[asked.of(tables.rows, row)]];
      status.by_table.push_back(
          {.table = foreign_text(tables.rows.text(row, 1)), .count = tables.rows.integer(row, 2)});
      status.total = tables.rows.integer(row, 3);
      status.last_seen = tables.rows.time(row, 4);
      if (catalogue.managed) status.unreviewed = tables.rows.integer(row, 5);
    }
    const Reply samples = database.connection.run(
        "violation_samples", recent ? catalogue.recent_samples : catalogue.violation_samples,
        asked.parameters);
    if (!samples.ok()) return to_error(*samples.failure, doing);
    for (std::size_t row = 0; row < samples.rows.size(); ++row) {
      const Rows& rows = samples.rows;
      out[part[asked.of(rows, row)]].samples.push_back(
          {.table = foreign_text(rows.text(row, 1)),
           .operation = foreign_text(rows.text(row, 2)),
           .user = foreign_text(rows.text(row, 3)),
           .reason = foreign_text(rows.text(row, 4)),
           .time = rows.time(row, 5),
           .fingerprint = catalogue.managed ? std::string(rows.text(row, 6)) : "",
           .review = catalogue.managed ? std::string(rows.text(row, 7)) : ""});
    }
  }
  return out;
}

Result<api::AdoptedStatus> describe(OpenDatabase& database, std::string_view audit_refused) {
  // No project is asked about: it is the policies that are looked at, where that was not done of late.
  auto looked = look(database, {}, Policies::of_late, Counting::remembered);
  if (const auto* failure = std::get_if<SqlFailure>(&looked))
    return to_error(*failure, "read whether denials are recorded");
  const PolicyWatch& policies = std::get<0>(looked).policies;
  api::AdoptedStatus out = database.catalogue.adopted;
  if (!audit_refused.empty()) out.unmirrored_because = audit_refused;
  switch (policies.evidence.state) {
    case decide::Evidence::State::complete: out.evidence.state = "Complete"; break;
    case decide::Evidence::State::incomplete: out.evidence.state = "Incomplete"; break;
    case decide::Evidence::State::unknown: out.evidence.state = "Unknown"; break;
  }
  out.evidence.tables = policies.tables;
  out.evidence.recorded = policies.recorded;
  out.evidence.reads = policies.evidence.reads;
  out.evidence.message = policies.evidence.why;
  return out;
}

Result<std::map<std::string, std::int64_t>> count_by_phase(OpenDatabase& database) {
  const Reply reply = database.connection.run("count_by_phase", database.catalogue.count_by_phase);
  if (!reply.ok())
    return to_error(*reply.failure, "count the projects in " + database.catalogue.status_table);
  std::map<std::string, std::int64_t> out;
  for (const Phase phase : kPhases) out.emplace(to_string(phase), 0);
  for (std::size_t row = 0; row < reply.rows.size(); ++row) {
    const auto phase = parse_phase(reply.rows.text(row, 0));
    out[phase ? std::string(to_string(*phase)) : "other"] += reply.rows.integer(row, 1);
  }
  return out;
}

}  // namespace rls::postgres
