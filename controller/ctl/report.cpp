#include "controller/ctl/report.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "controller/api/json_writer.hpp"

namespace rls::ctl {
namespace {

constexpr std::string_view kReset = "\x1b[0m";

std::string_view colour_of(std::optional<Phase> phase) {
  if (!phase) return "";
  switch (*phase) {
    case Phase::pending: return "\x1b[33m";
    case Phase::shadow: return "\x1b[34m";
    case Phase::enforcing: return "\x1b[38;5;208m";
    case Phase::complete: return "\x1b[32m";
  }
  return "";
}

std::string coloured(std::string text, std::optional<Phase> phase, bool colours) {
  const std::string_view colour = colours ? colour_of(phase) : std::string_view();
  return colour.empty() ? text : std::string(colour) + text + std::string(kReset);
}

std::string phase_text(std::optional<Phase> phase) {
  return phase ? std::string(to_string(*phase)) : "unknown";
}

std::string access_text(const api::MigrationSpec& spec) {
  if (!spec.access) return "-";
  switch (spec.access->level) {
    case api::AccessSpec::Level::isolated: return "ISOLATED";
    case api::AccessSpec::Level::shared: return "SHARED";
    case api::AccessSpec::Level::super: return "SUPER";
  }
  return "-";
}

std::string ago(Time then, Time now) { return format_age(now - then) + " ago"; }

std::string changed_text(const api::MigrationStatus& status, Time now) {
  return status.phase_since ? ago(*status.phase_since, now) : "-";
}

/// "SoakTime, Review": with room to break the line.
std::string spaced(const std::string& names) {
  std::string out;
  for (const char c : names) {
    out += c;
    if (c == ',') out += ' ';
  }
  return out;
}

/// The gates, and how the project stands where that is neither waiting nor arrived.
std::string blocked_text(const api::RlsMigration& migration) {
  std::string out = spaced(migration.status.blocked_by);
  const api::Condition* const ready = api::find_condition(migration.status.conditions, "Ready");
  if (ready == nullptr) return out.empty() ? "not looked at yet" : out;
  if (ready->reason == "TargetReached" || ready->reason == "AwaitingGates") return out;
  return out.empty() ? ready->reason : out + " (" + ready->reason + ")";
}

/// How wide a terminal shows it, as far as one column a character is true.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string padded(std::string text, std::size_t to) {
  const std::size_t has = width(text);
  if (has < to) text.append(to - has, ' ');
  return text;
}

/// Columns as wide as their widest cell; the last one ends where it ends. `paint` gets row, column and the
/// padded cell.
template <class Paint>
std::string table(const std::vector<std::vector<std::string>>& rows, std::string_view indent,
                  const Paint& paint) {
  std::map<std::size_t, std::size_t> widest;
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widest[i] = std::max(widest[i], width(row[i]));
  std::string out;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    std::string line(indent);
    for (std::size_t i = 0; i < rows[r].size(); ++i) {
      const bool last = i + 1 == rows[r].size();
      line += paint(r, i, last ? rows[r][i] : padded(rows[r][i], widest[i])) + (last ? "" : "  ");
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

std::string unpainted(std::size_t, std::size_t, std::string cell) { return cell; }

std::string shown_name(const api::ObjectName& name, bool with_namespace) {
  return printable(with_namespace ? name.str() : name.name);
}

/// By phase, what is not known first, then by project and name.
std::vector<const api::RlsMigration*> sorted(const std::vector<api::RlsMigration>& migrations) {
  std::vector<const api::RlsMigration*> out;
  for (const api::RlsMigration& migration : migrations) out.push_back(&migration);
  std::sort(out.begin(), out.end(), [](const api::RlsMigration* a, const api::RlsMigration* b) {
    return std::tie(a->status.phase, a->spec.project, a->meta.name) <
           std::tie(b->status.phase, b->spec.project, b->meta.name);
  });
  return out;
}

std::map<std::optional<Phase>, std::int64_t> counts(const std::vector<api::RlsMigration>& migrations) {
  std::map<std::optional<Phase>, std::int64_t> out;
  for (const Phase phase : kPhases) out[phase] = 0;
  for (const api::RlsMigration& migration : migrations) ++out[migration.status.phase];
  return out;
}

std::string rollout_text(const api::RlsRollout& rollout, bool with_namespace) {
  std::string out = "\nrollout " + shown_name(rollout.meta.name, with_namespace);
  if (!rollout.status.done.empty())
    out += ": " + printable(rollout.status.done) + " " + std::string(to_string(rollout.spec.phase));
  if (!rollout.status.message.empty()) out += "; " + printable(rollout.status.message);
  out += "\n";
  std::vector<std::vector<std::string>> rows;
  for (const api::WaveStatus& wave : rollout.status.waves) {
    rows.push_back({printable(wave.name), std::string(to_string(wave.state)),
                    std::to_string(wave.reached) + "/" + std::to_string(wave.total) + " " +
                        std::string(to_string(rollout.spec.advance_when)),
                    printable(wave.message)});
  }
  return out + table(rows, "  ", unpainted);
}

void write_json(api::JsonWriter& json, const api::RlsMigration& migration) {
  const api::MigrationStatus& status = migration.status;
  json.begin_object();
  json.key("project").value(migration.spec.project);
  json.member("namespace", migration.meta.name.ns);
  json.member("migration", migration.meta.name.name);
  json.member("database", migration.spec.database);
  json.key("phase").value(std::string_view(phase_text(status.phase)));
  json.member("target", to_string(migration.spec.phase));
  if (migration.spec.access) json.member("access", std::string_view(access_text(migration.spec)));
  if (status.phase_since) json.member("phaseSince", std::string_view(format_rfc3339(*status.phase_since)));
  if (status.eligible_at) json.member("eligibleAt", std::string_view(format_rfc3339(*status.eligible_at)));
  json.member("blockedBy", status.blocked_by);
  if (const api::Condition* const ready = api::find_condition(status.conditions, "Ready")) {
    json.member("ready", to_string(ready->status));
    json.member("reason", ready->reason);
  }
  json.end_object();
}

void write_json(api::JsonWriter& json, const api::RlsRollout& rollout) {
  json.begin_object();
  json.member("namespace", rollout.meta.name.ns);
  json.member("name", rollout.meta.name.name);
  json.member("phase", to_string(rollout.spec.phase));
  json.member("advanceWhen", to_string(rollout.spec.advance_when));
  json.member("done", rollout.status.done);
  json.member("openWave", rollout.status.open_wave);
  json.member("message", rollout.status.message);
  json.key("waves").begin_array();
  for (const api::WaveStatus& wave : rollout.status.waves) {
    json.begin_object();
    json.member("name", wave.name);
    json.member("state", to_string(wave.state));
    json.member("reached", wave.reached);
    json.member("total", wave.total);
    json.member("message", wave.message);
    json.end_object();
  }
  json.end_array().end_object();
}

std::string_view mark_of(api::GateState state) {
  switch (state) {
    case api::GateState::passed: return "✓";
    case api::GateState::waiting: return "…";
    case api::GateState::blocked: return "✗";
    case api::GateState::unknown: return "?";
    case api::GateState::overridden: return "!";
  }
  return "?";
}

/// "52h of 168h: so and so".
std::string detail_of(const api::GateStatus& gate) {
  std::string out = gate.observed;
  if (!gate.required.empty()) out += (out.empty() ? "needs " : ", needs ") + gate.required;
  if (!gate.message.empty()) out += (out.empty() ? "" : ": ") + gate.message;
  return printable(out);
}

std::string at_and_age(Time time, Time now) {
  return format_rfc3339_seconds(time) +
         (time <= now ? " (" + ago(time, now) + ")" : " (in " + format_age(time - now) + ")");
}

std::string history_text(const std::vector<api::HistoryEntry>& history) {
  std::vector<std::vector<std::string>> rows;
  for (const api::HistoryEntry& entry : history) {
    rows.push_back({format_rfc3339_seconds(entry.time),
                    (entry.from ? std::string(to_string(*entry.from)) + " → " : "first seen in ") +
                        std::string(to_string(entry.to)),
                    printable(entry.reason)});
  }
  return table(rows, "  ", unpainted);
}

/// The part of the explanation above gates and history.
std::vector<std::vector<std::string>> facts(const api::RlsMigration& migration, Time now, bool colours) {
  const api::MigrationStatus& status = migration.status;
  std::vector<std::vector<std::string>> rows;
  rows.push_back(
      {"phase", coloured(phase_text(status.phase), status.phase, colours) +
                    (status.phase_since ? ", since " + at_and_age(*status.phase_since, now) : "")});
  rows.push_back({"wanted", std::string(to_string(migration.spec.phase)) +
                                (migration.spec.suspend ? ", suspended: spec.suspend" : "")});
  if (const api::Condition* const ready = api::find_condition(status.conditions, "Ready")) {
    rows.push_back({"stands", printable(ready->reason) + ": " + printable(ready->message)});
  } else {
    rows.push_back({"stands", "the operator has not looked at it yet"});
  }
  if (status.observed_generation != migration.meta.generation && status.observed_generation >= 0)
    rows.push_back({"", "the spec has changed since: this is what was said of the one before"});
  if (status.clean_since) {
    rows.push_back(
        {"soak", "clean since " + at_and_age(*status.clean_since, now) +
                     (status.eligible_at ? ", over at " + at_and_age(*status.eligible_at, now) : "")});
  }
  const Hold hold = hold_of(migration);
  if (hold.by_annotation || hold.in_database) rows.push_back({"hold", printable(hold.message)});
  for (const char* const type : {"Overridden", "Drifted"}) {
    if (const api::Condition* const condition = api::find_condition(status.conditions, type))
      rows.push_back(
          {type == std::string_view("Drifted") ? "drift" : "overrides", printable(condition->message)});
  }
  rows.push_back({"violations", violations_text(status, now)});
  return rows;
}

}  // namespace

std::string printable(std::string_view text) {
  const std::string whole = api::well_formed(text);
  std::string out;
  for (std::size_t i = 0; i < whole.size();) {
    const auto byte = [&](std::size_t n) {
      return i + n < whole.size() ? static_cast<unsigned char>(whole[i + n]) : 0U;
    };
    const std::size_t length = byte(0) < 0x80 ? 1 : byte(0) < 0xE0 ? 2 : byte(0) < 0xF0 ? 3 : 4;
    const bool control = byte(0) < 0x20 || byte(0) == 0x7F || (byte(0) == 0xC2 && byte(1) < 0xA0);
    // U+200E, U+200F, U+2028 to U+202E; U+2066 to U+2069.
    const bool turns =
        byte(0) == 0xE2 &&
        ((byte(1) == 0x80 && (byte(2) == 0x8E || byte(2) == 0x8F || (byte(2) >= 0xA8 && byte(2) <= 0xAE))) ||
         (byte(1) == 0x81 && byte(2) >= 0xA6 && byte(2) <= 0xA9));
    if (control || turns) {
      out += '?';
    } else {
      out.append(whole, i, length);
    }
    i += length;
  }
  return out;
}

std::string overview_text(const Overview& overview, Time now, bool colours) {
  if (overview.migrations.empty() && overview.rollouts.empty()) return "there are no RlsMigrations\n";
  std::string out;
  for (const auto& [phase, count] : counts(overview.migrations)) {
    if (!out.empty()) out += "   ";
    out += coloured(phase_text(phase) + " " + std::to_string(count), phase, colours);
  }
  out += "\n\n";
  std::vector<std::vector<std::string>> rows = {
      {"PROJECT", "PHASE", "TARGET", "ACCESS", "CHANGED", "MIGRATION", "BLOCKED BY"}};
  std::vector<std::optional<Phase>> phases = {std::nullopt};
  for (const api::RlsMigration* const migration : sorted(overview.migrations)) {
    phases.push_back(migration->status.phase);
    rows.push_back({printable(migration->spec.project), phase_text(migration->status.phase),
                    std::string(to_string(migration->spec.phase)), access_text(migration->spec),
                    changed_text(migration->status, now),
                    shown_name(migration->meta.name, overview.many_namespaces),
                    printable(blocked_text(*migration))});
  }
  out += table(rows, "", [&](std::size_t row, std::size_t column, std::string cell) {
    return column == 1 ? coloured(std::move(cell), phases[row], colours) : cell;
  });
  for (const api::RlsRollout& rollout : overview.rollouts)
    out += rollout_text(rollout, overview.many_namespaces);
  return out;
}

std::string overview_json(const Overview& overview) {
  api::JsonWriter json;
  json.begin_object();
  json.key("phases").begin_object();
  for (const auto& [phase, count] : counts(overview.migrations)) json.member(phase_text(phase), count);
  json.end_object();
  json.key("projects").begin_array();
  for (const api::RlsMigration* const migration : sorted(overview.migrations)) write_json(json, *migration);
  json.end_array();
  json.key("rollouts").begin_array();
  for (const api::RlsRollout& rollout : overview.rollouts) write_json(json, rollout);
  json.end_array().end_object();
  return json.take() + "\n";
}

std::string gates_text(const std::vector<api::GateStatus>& gates, Time now) {
  std::vector<std::vector<std::string>> rows;
  for (const api::GateStatus& gate : gates) {
    rows.push_back({std::string(mark_of(gate.state)), printable(gate.name),
                    std::string(to_string(gate.state)), format_age(now - gate.since), detail_of(gate)});
  }
  return table(rows, "  ", unpainted);
}

std::string violations_text(const api::MigrationStatus& status, Time now) {
  if (!status.violations) return "not known";
  const api::ViolationsStatus& seen = *status.violations;
  if (seen.total == 0) return "none";
  std::string out = std::to_string(seen.total);
  if (seen.last_seen) out += " (last " + ago(*seen.last_seen, now) + ")";
  if (seen.unreviewed > 0) {
    out += ", " + std::to_string(seen.unreviewed) + (seen.unreviewed == 1 ? " kind" : " kinds") +
           " without a verdict";
  }
  return out;
}

Hold hold_of(const api::RlsMigration& migration) {
  Hold hold;
  const api::MigrationStatus& status = migration.status;
  const api::Condition* const held = api::find_condition(status.conditions, "Held");
  const auto gate = std::find_if(status.gates.begin(), status.gates.end(), [](const api::GateStatus& each) {
    return each.name == "Hold" && each.state == api::GateState::blocked;
  });
  if (gate != status.gates.end()) {
    hold.message = gate->message;
  } else if (held != nullptr && held->status == api::ConditionStatus::is_true) {
    hold.message = held->message;
  } else {
    return hold;
  }
  hold.by_annotation = !migration.hold_at_unreadable.empty() ||
                       (migration.hold_at && *migration.hold_at < migration.spec.phase);
  // The gate's words (decide/gates/hold.cpp): both may hold.
  hold.in_database = !hold.by_annotation || hold.message.find("in the database by") != std::string::npos;
  return hold;
}

std::string explanation(const api::RlsMigration& migration, Time now, bool colours) {
  const api::MigrationStatus& status = migration.status;
  std::string out = printable(migration.spec.project) + " (" + printable(migration.meta.name.str()) +
                    ", database " + printable(migration.spec.database) + ")\n";
  if (!migration.spec_problem.empty())
    out += "  the spec cannot be read: " + printable(migration.spec_problem) + "\n";
  out += table(facts(migration, now, colours), "  ", unpainted);
  if (!status.gates.empty()) {
    const bool known = status.phase && *status.phase != Phase::complete;
    out += "\ngates" + (known ? " of the step to " + std::string(to_string(next_phase(*status.phase))) : "") +
           "\n" + gates_text(status.gates, now);
  }
  if (!status.history.empty()) out += "\nhistory\n" + history_text(status.history);
  return out;
}

}  // namespace rls::ctl
