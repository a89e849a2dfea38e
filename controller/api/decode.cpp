// Objects as the API server sends them. `spec` is read strictly, although the CRD has checked it: an older
// CRD may be installed, and nothing may be moved on a guess. `status` is read leniently: it is only our own
// projection, a person may have edited it, and what cannot be read is written anew.

#include <simdjson.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "controller/api/database.hpp"
#include "controller/api/limits.hpp"
#include "controller/api/migration.hpp"
#include "controller/base/text.hpp"

namespace rls::api {
namespace {

// `quoted` is written rls::quoted here: for a std::string, std::quoted would be found as well.
namespace dom = simdjson::dom;

/// A parser keeps memory for the largest text it has seen; larger ones get a parser of their own.
constexpr std::size_t kReusedParserLimit = 256 * 1024;

constexpr std::int64_t kMaxInteger = std::numeric_limits<std::int64_t>::max();

/// The first thing found wrong. What comes after it is not looked at by the caller.
class Problem {
 public:
  void note(std::string reason, std::string message) {
    if (!first_) first_ = terminal(std::move(reason), std::move(message));
  }
  [[nodiscard]] const std::optional<Error>& first() const { return first_; }

 private:
  std::optional<Error> first_;
};

std::string type_name(dom::element value) {
  switch (value.type()) {
    case dom::element_type::ARRAY: return "a list";
    case dom::element_type::OBJECT: return "an object";
    case dom::element_type::INT64:
    case dom::element_type::UINT64:
    case dom::element_type::DOUBLE: return "a number";
    case dom::element_type::STRING: return "a string";
    case dom::element_type::BOOL: return "a boolean";
    case dom::element_type::NULL_VALUE: return "null";
  }
  return "something else";
}

/// The fields of one JSON object. Reading one that is absent or null leaves the target as it is; reading one
/// of another type or value notes a problem that names it. Paths for messages are
/// put together only then. Must not outlive its parent: lives on the stack, above it.
class Fields {
 public:
  Fields(dom::element value, std::string_view key, Problem& problem, const Fields* parent = nullptr)
      : parent_(parent), key_(key), problem_(problem) {
    present_ = value.get(object_) == simdjson::SUCCESS;
    if (!present_) note({}, "an object is wanted, this is " + type_name(value));
  }

  [[nodiscard]] bool has(std::string_view key) const {
    dom::element value;
    return find(key, value);
  }

  /// The object under `key`; an empty one where it is absent.
  [[nodiscard]] Fields child(std::string_view key) const& { return child(key, problem_); }
  /// The same, with its problems noted elsewhere.
  [[nodiscard]] Fields child(std::string_view key, Problem& problem) const& {
    dom::element value;
    return find(key, value) ? Fields(value, key, problem, this) : Fields(key, problem, this);
  }
  Fields child(std::string_view key) const&& = delete;  // it would outlive its parent

  void text(std::string_view key, std::string& out) const {
    std::string_view view;
    if (read(key, view, "a string")) out = view;
  }

  /// A text that must be there and not be empty.
  void required_text(std::string_view key, std::string& out) const {
    text(key, out);
    if (out.empty()) note(key, "required");
  }

  void boolean(std::string_view key, bool& out) const { read(key, out, "a boolean"); }

  template <class Integer>
  void integer(std::string_view key, Integer& out, std::int64_t least, std::int64_t most) const {
    std::int64_t number = 0;
    if (!read(key, number, "a whole number")) return;
    if (number < least || number > most) {
      note(key, std::to_string(number) + " is not between " + std::to_string(least) + " and " +
                    std::to_string(most));
      return;
    }
    out = static_cast<Integer>(number);
  }

  void duration(std::string_view key, Duration& out, Duration least, Duration most) const {
    std::string_view view;
    if (!read(key, view, "a string")) return;
    // The length first: the sum of endlessly many parts would overflow.
    const auto parsed = view.size() <= kMaxDurationText ? parse_duration(view) : std::nullopt;
    if (!parsed) {
      note(key, rls::quoted(view) + " is not a duration (use h, m, s, ms)");
    } else if (*parsed < least || *parsed > most) {
      note(key,
           rls::quoted(view) + " is not between " + format_duration(least) + " and " + format_duration(most));
    } else {
      out = *parsed;
    }
  }

  /// The same where the field may be absent.
  void optional_duration(std::string_view key, std::optional<Duration>& out, Duration least,
                         Duration most) const {
    if (has(key)) duration(key, out.emplace(), least, most);
  }

  template <class Target>
  void time(std::string_view key, Target& out) const {
    std::string_view view;
    if (!read(key, view, "a string")) return;
    if (const auto parsed = parse_rfc3339(view)) {
      out = *parsed;
    } else {
      note(key, rls::quoted(view) + " is not a time (RFC 3339)");
    }
  }

  /// One of a closed set; `parse` gives nullopt for anything else, `expected` tells people the set.
  template <class Target, class Parse>
  void one_of(std::string_view key, Target& out, Parse parse, std::string_view expected) const {
    std::string_view view;
    if (!read(key, view, "a string")) return;
    if (const auto parsed = parse(view)) {
      out = *parsed;
    } else {
      note(key, rls::quoted(view) + " is not one of " + std::string(expected));
    }
  }

  /// `use(Fields)` for each object of the list under `key`.
  template <class Use>
  void each(std::string_view key, Use use) const {
    dom::array items;
    if (!read(key, items, "a list")) return;
    for (const dom::element item : items) use(Fields(item, key, problem_, this));
  }

  /// `use(text)` for each text of the list under `key`.
  template <class Use>
  void each_item(std::string_view key, Use use) const {
    dom::array items;
    if (!read(key, items, "a list")) return;
    for (const dom::element item : items) {
      std::string_view text;
      if (item.get(text) == simdjson::SUCCESS) {
        use(text);
      } else {
        note(key, "a list of strings is wanted");
      }
    }
  }

  /// `use(name, number)` for each member of the object under `key`.
  template <class Use>
  void each_number(std::string_view key, Use use) const {
    dom::object members;
    if (!read(key, members, "an object")) return;
    for (const dom::key_value_pair& member : members) {
      std::int64_t number = 0;
      if (member.value.get(number) == simdjson::SUCCESS) use(member.key, number);
    }
  }

  /// `use(name, text)` for each member of the object under `key`.
  template <class Use>
  void each_text(std::string_view key, Use use) const {
    dom::object members;
    if (!read(key, members, "an object")) return;
    for (const dom::key_value_pair& member : members) {
      std::string_view text;
      if (member.value.get(text) == simdjson::SUCCESS) use(member.key, text);
    }
  }

  void note(std::string_view key, std::string_view what) const {
    problem_.note("InvalidSpec", path(key) + ": " + std::string(what));
  }

 private:
  Fields(std::string_view key, Problem& problem, const Fields* parent)
      : parent_(parent), key_(key), problem_(problem) {}

  bool find(std::string_view key, dom::element& out) const {
    return present_ && object_.at_key(key).get(out) == simdjson::SUCCESS && !out.is_null();
  }

  template <class Target>
  bool read(std::string_view key, Target& out, std::string_view wanted) const {
    dom::element value;
    if (!find(key, value)) return false;
    if (value.get(out) == simdjson::SUCCESS) return true;
    note(key, std::string(wanted) + " is wanted, this is " + type_name(value));
    return false;
  }

  /// "spec.gates.shadowSoak"
  [[nodiscard]] std::string path(std::string_view key) const {
    std::string out = parent_ == nullptr ? std::string(key_) : parent_->path(key_);
    if (!key.empty()) out += (out.empty() ? "" : ".") + std::string(key);
    return out;
  }

  const Fields* parent_ = nullptr;
  std::string_view key_;
  Problem& problem_;
  dom::object object_;
  bool present_ = false;
};

/// Parses and calls `use` with the document's fields; the document lives only during the call.
template <class Object, class Use>
Result<Object> with_document(std::string_view json, Use use) {
  thread_local dom::parser reused;
  std::optional<dom::parser> once;
  dom::parser& parser = json.size() <= kReusedParserLimit ? reused : once.emplace();

  dom::element document;
  if (const auto error = parser.parse(json.data(), json.size()).get(document)) {
    return terminal("InvalidObject", std::string("not readable as JSON: ") + simdjson::error_message(error));
  }
  Problem problem;
  Object object = use(Fields(document, "", problem));
  if (problem.first()) return *problem.first();
  return object;
}

ObjectMeta read_meta(const Fields& document) {
  ObjectMeta meta;
  const Fields fields = document.child("metadata");
  fields.required_text("name", meta.name.name);
  fields.text("namespace", meta.name.ns);
  fields.text("uid", meta.uid);
  fields.text("resourceVersion", meta.resource_version);
  fields.integer("generation", meta.generation, 0, kMaxInteger);
  fields.time("creationTimestamp", meta.created);
  meta.deleting = fields.has("deletionTimestamp");
  return meta;
}

void read_annotations(const Fields& document, RlsMigration& migration) {
  const Fields metadata = document.child("metadata");
  const Fields annotations = metadata.child("annotations");
  annotations.text(kRequestedAtAnnotation, migration.requested_at);
  migration.requested_at = cut(migration.requested_at, kMaxEcho);
  annotations.text(kAdoptPhaseAnnotation, migration.adopt_phase);
  if (!annotations.has(kHoldAtAnnotation)) return;
  std::string hold_at;
  annotations.text(kHoldAtAnnotation, hold_at);
  migration.hold_at = parse_phase(hold_at);
  if (!migration.hold_at) migration.hold_at_unreadable = hold_at.empty() ? "(empty)" : hold_at;
}

/// The rule of the CRD for names that are sent to Postgres: no control characters, nothing undecodable.
void check_name(const Fields& fields, std::string_view key, std::string_view name,
                std::size_t max_characters) {
  const bool control = std::any_of(name.begin(), name.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7F;
  });
  const auto characters = static_cast<std::size_t>(std::count_if(
      name.begin(), name.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
  if (control) {
    fields.note(key, rls::quoted(name) + " has a control character: remove it");
  } else if (name.find("\xEF\xBF\xBD") != std::string_view::npos) {
    fields.note(key,
                rls::quoted(name) + " has the character U+FFFD, the mark of broken UTF-8: write it anew");
  } else if (characters > max_characters) {
    fields.note(key, rls::quoted(name) + " is longer than " + std::to_string(max_characters) +
                         " characters: shorten it");
  }
}

/// What both gates and minimumGates may ask of transactions and reviews.
void read_evidence_gates(const Fields& gates, std::optional<std::int64_t>& min_transactions,
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

AccessSpec read_access(const Fields& fields, std::string_view project) {
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

MigrationSpec read_migration_spec(const Fields& document) {
  MigrationSpec spec;
  const Fields fields = document.child("spec");
  fields.child("databaseRef").required_text("name", spec.database);
  fields.required_text("project", spec.project);
  check_name(fields, "project", spec.project, kMaxProjectCharacters);
  if (!fields.has("phase")) fields.note("phase", "required");
  fields.one_of("phase", spec.phase, parse_phase, "pending, shadow, enforcing, complete");
  fields.one_of(
      "drift", spec.drift,
      [](std::string_view text) -> std::optional<DriftPolicy> {
        if (text == "Report") return DriftPolicy::report;
        if (text == "Revert") return DriftPolicy::revert;
        return std::nullopt;
      },
      "Report, Revert");
  fields.boolean("suspend", spec.suspend);

  const Fields gates = fields.child("gates");
  gates.duration("shadowSoak", spec.gates.shadow_soak, Duration{0}, kMaxSoak);
  gates.duration("enforcingSoak", spec.gates.enforcing_soak, Duration{0}, kMaxSoak);
  gates.integer("maxViolations", spec.gates.max_violations, 0, kMaxViolations);
  read_evidence_gates(gates, spec.gates.min_transactions, spec.gates.review_required);
  if (fields.has("access")) spec.access = read_access(fields.child("access"), spec.project);
  return spec;
}

DatabasePolicy read_policy(const Fields& fields, RuntimeMode mode) {
  DatabasePolicy policy;
  // Ours records reads; of a stranger's triggers that cannot be asked.
  if (mode == RuntimeMode::managed) policy.reads = ReadEvidence::required;
  const Fields floor = fields.child("minimumGates");
  floor.optional_duration("shadowSoak", policy.minimum_gates.shadow_soak, Duration{0}, kMaxSoak);
  floor.optional_duration("enforcingSoak", policy.minimum_gates.enforcing_soak, Duration{0}, kMaxSoak);
  if (floor.has("maxViolations")) {
    floor.integer("maxViolations", policy.minimum_gates.max_violations.emplace(), 0, kMaxViolations);
  }
  read_evidence_gates(floor, policy.minimum_gates.min_transactions, policy.minimum_gates.review_required);
  if (fields.has("freeze")) {
    const Fields freeze = fields.child("freeze");
    freeze.required_text("reason", policy.freeze.emplace().reason);
    freeze.time("until", policy.freeze->until);
  }
  fields.child("evidence")
      .one_of(
          "reads", policy.reads,
          [](std::string_view text) -> std::optional<ReadEvidence> {
            if (text == "BestEffort") return ReadEvidence::best_effort;
            if (text == "Required") return ReadEvidence::required;
            return std::nullopt;
          },
          "BestEffort, Required");
  return policy;
}

void read_tables(const Fields& spec, bool managed, std::vector<TableSpec>& tables) {
  spec.each("tables", [&](const Fields& fields) {
    TableSpec& table = tables.emplace_back();
    fields.required_text("name", table.name);
    fields.text("projectColumn", table.project_column);
    check_name(fields, "name", table.name, 2 * kMaxIdentifierBytes + 1);
    check_name(fields, "projectColumn", table.project_column, kMaxIdentifierBytes);
    const std::size_t dot = table.name.find('.');
    const std::string_view name = table.name;
    if (dot == name.npos || dot == 0 || dot + 1 == name.size() || name.find('.', dot + 1) != name.npos) {
      fields.note("name",
                  rls::quoted(table.name) + " is not a schema and a table, such as public.nodes or app.*");
    } else if (name.substr(0, dot).find('*') != name.npos) {
      fields.note("name",
                  rls::quoted(table.name) + " has a * in its schema: it may stand in the table's name alone");
    } else if (dot > kMaxIdentifierBytes || name.size() - dot - 1 > kMaxIdentifierBytes) {
      fields.note("name",
                  rls::quoted(table.name) + " has a part longer than 63 bytes: Postgres has no such name");
    }
    const bool twice = std::count_if(tables.begin(), tables.end(),
                                     [&](const TableSpec& other) { return other.name == table.name; }) > 1;
    if (twice) fields.note("name", rls::quoted(table.name) + " stands there twice: remove one");
  });
  if (tables.size() > kMaxTableSpecs) spec.note("tables", "more than 500: use patterns such as app.*");
  if (managed && tables.empty())
    spec.note("tables", "required where spec.runtime.mode is Managed: the tables to protect");
  if (!managed && !tables.empty())
    spec.note("tables",
              "goes with mode Managed alone: remove it; adopted tables stay as protected as they are");
}

DatabaseSpec read_database_spec(const Fields& document) {
  DatabaseSpec spec;
  const Fields fields = document.child("spec");
  const Fields connection = fields.child("connection");
  const Fields secret = connection.child("secretRef");
  secret.required_text("name", spec.secret.name);
  secret.text("key", spec.secret.key);
  connection.integer("maxConnections", spec.max_connections, 1, kMaxConnections);

  const Fields runtime = fields.child("runtime");
  if (!runtime.has("mode")) runtime.note("mode", "required");
  runtime.one_of(
      "mode", spec.mode,
      [](std::string_view text) -> std::optional<RuntimeMode> {
        if (text == "Adopted") return RuntimeMode::adopted;
        if (text == "Managed") return RuntimeMode::managed;
        return std::nullopt;
      },
      "Managed, Adopted");
  const bool managed = spec.mode == RuntimeMode::managed;
  if (managed) spec.schema = "rls";
  runtime.text("schema", spec.schema);
  if (spec.schema.empty()) runtime.note("schema", "empty; name the schema, or remove the field");
  if (spec.schema.size() > kMaxIdentifierBytes) {
    runtime.note("schema",
                 rls::quoted(spec.schema) + " is longer than 63 bytes: Postgres has no such schema");
  }
  check_name(runtime, "schema", spec.schema, kMaxIdentifierBytes);
  runtime.one_of(
      "repair", spec.repair,
      [](std::string_view text) -> std::optional<Repair> {
        if (text == "Auto") return Repair::automatic;
        if (text == "Report") return Repair::report;
        return std::nullopt;
      },
      "Auto, Report");
  if (!managed && runtime.has("repair"))
    runtime.note("repair", "goes with mode Managed alone: what is adopted is never repaired; remove it");
  read_tables(fields, managed, spec.tables);
  const Fields evidence = fields.child("evidence");
  if (!managed && evidence.has("auditRetention"))
    evidence.note("auditRetention", "goes with mode Managed alone: remove it");
  evidence.duration("auditRetention", spec.audit_retention, kMinAuditRetention, kMaxAuditRetention);

  const Fields timeouts = fields.child("timeouts");
  timeouts.duration("lock", spec.lock_timeout, kMinLockTimeout, kMaxLockTimeout);
  timeouts.duration("statement", spec.statement_timeout, kMinStatementTimeout, kMaxStatementTimeout);
  spec.policy = read_policy(fields, spec.mode);
  return spec;
}

std::vector<Condition> read_conditions(const Fields& status) {
  std::vector<Condition> conditions;
  status.each("conditions", [&](const Fields& fields) {
    Condition& condition = conditions.emplace_back();
    fields.text("type", condition.type);
    fields.one_of("status", condition.status, parse_condition_status, "True, False, Unknown");
    fields.text("reason", condition.reason);
    fields.text("message", condition.message);
    fields.integer("observedGeneration", condition.observed_generation, 0, kMaxInteger);
    fields.time("lastTransitionTime", condition.last_transition);
  });
  return conditions;
}

std::vector<GateStatus> read_gates(const Fields& status) {
  std::vector<GateStatus> gates;
  status.each("gates", [&](const Fields& fields) {
    GateStatus& gate = gates.emplace_back();
    fields.text("name", gate.name);
    fields.one_of("state", gate.state, parse_gate_state, "Passed, Waiting, Blocked, Unknown, Overridden");
    fields.time("since", gate.since);
    fields.text("observed", gate.observed);
    fields.text("required", gate.required);
    fields.text("message", gate.message);
  });
  return gates;
}

std::vector<HistoryEntry> read_history(const Fields& status) {
  std::vector<HistoryEntry> history;
  status.each("history", [&](const Fields& fields) {
    HistoryEntry& entry = history.emplace_back();
    fields.text("id", entry.id);
    fields.one_of("from", entry.from, parse_phase, "the phases");
    fields.one_of("to", entry.to, parse_phase, "the phases");
    fields.time("time", entry.time);
    fields.text("reason", entry.reason);
  });
  return history;
}

std::optional<ViolationsStatus> read_violations(const Fields& status) {
  if (!status.has("violations")) return std::nullopt;
  ViolationsStatus violations;
  const Fields fields = status.child("violations");
  fields.integer("total", violations.total, 0, kMaxInteger);
  fields.integer("unreviewed", violations.unreviewed, 0, kMaxInteger);
  fields.time("lastSeen", violations.last_seen);
  fields.each("byTable", [&](const Fields& row) {
    ViolationsStatus::Table& table = violations.by_table.emplace_back();
    row.text("table", table.table);
    row.integer("count", table.count, 0, kMaxInteger);
  });
  fields.each("samples", [&](const Fields& row) {
    ViolationsStatus::Sample& sample = violations.samples.emplace_back();
    row.text("table", sample.table);
    row.text("operation", sample.operation);
    row.text("user", sample.user);
    row.text("reason", sample.reason);
    row.time("time", sample.time);
    row.text("fingerprint", sample.fingerprint);
    row.text("review", sample.review);
  });
  return violations;
}

AdoptedTable read_table(const Fields& table) {
  AdoptedTable out;
  table.text("name", out.name);
  table.each_text("columns", [&](std::string_view meaning, std::string_view column) {
    out.columns.emplace(meaning, column);
  });
  return out;
}

AdoptedStatus::Evidence read_evidence(const Fields& fields) {
  AdoptedStatus::Evidence evidence;
  fields.text("state", evidence.state);
  fields.integer("tablesWithPolicies", evidence.tables, 0, kMaxInteger);
  fields.integer("tablesRecorded", evidence.recorded, 0, kMaxInteger);
  fields.boolean("readsRecorded", evidence.reads);
  fields.text("message", evidence.message);
  return evidence;
}

std::optional<AdoptedStatus> read_adopted(const Fields& status) {
  if (!status.has("adopted")) return std::nullopt;
  AdoptedStatus adopted;
  const Fields fields = status.child("adopted");
  adopted.status_table = read_table(fields.child("statusTable"));
  fields.child("statusTable").text("phaseType", adopted.phase_type);
  if (fields.has("auditTable")) adopted.audit_table = read_table(fields.child("auditTable"));
  fields.text("registryTable", adopted.registry_table);
  fields.text("uncountedBecause", adopted.uncounted_because);
  fields.text("unmirroredBecause", adopted.unmirrored_because);
  fields.text("noFirstRowBecause", adopted.no_first_row_because);
  adopted.evidence = read_evidence(fields.child("evidence"));
  return adopted;
}

std::optional<RuntimeStatus> read_runtime(const Fields& status) {
  if (!status.has("runtime")) return std::nullopt;
  RuntimeStatus runtime;
  status.integer("runtimeVersion", runtime.version, 0, kMaxInteger);
  status.text("policyHash", runtime.policy_hash);
  const Fields tables = status.child("tables");
  tables.integer("matched", runtime.tables, 0, kMaxInteger);
  tables.integer("protected", runtime.protected_tables, 0, kMaxInteger);
  tables.each("list", [&](const Fields& row) {
    ProtectedTable& table = runtime.list.emplace_back();
    row.text("name", table.name);
    row.text("column", table.column);
    row.text("state", table.state);
    row.text("message", table.message);
  });
  const Fields fields = status.child("runtime");
  fields.time("recordedSince", runtime.recorded_since);
  fields.integer("oldSessions", runtime.old_sessions, 0, kMaxInteger);
  fields.integer("withoutContext", runtime.without_context, 0, kMaxInteger);
  fields.text("notReadyBecause", runtime.not_ready_because);
  fields.each_item("drift", [&](std::string_view text) { runtime.drift.emplace_back(text); });
  runtime.evidence = read_evidence(fields.child("evidence"));
  return runtime;
}

std::vector<Finding> read_findings(const Fields& status) {
  std::vector<Finding> findings;
  status.each("findings", [&](const Fields& row) {
    Finding& finding = findings.emplace_back();
    row.text("id", finding.id);
    row.text("severity", finding.severity);
    row.text("object", finding.object);
    row.text("message", finding.message);
    row.text("remedy", finding.remedy);
  });
  return findings;
}

/// The `status` of a document, with problems noted where nobody looks.
template <class Status, class Read>
Status read_status(const Fields& document, Read read) {
  Problem ignored;
  const Fields fields = document.child("status", ignored);
  Status status;
  fields.integer("observedGeneration", status.observed_generation, -1, kMaxInteger);
  status.conditions = read_conditions(fields);
  read(fields, status);
  return status;
}

}  // namespace

Result<ObjectMeta> decode_meta(std::string_view json) {
  return with_document<ObjectMeta>(json, [](const Fields& document) { return read_meta(document); });
}

Result<RlsMigration> decode_migration(std::string_view json) {
  return with_document<RlsMigration>(json, [](const Fields& document) {
    RlsMigration migration;
    migration.meta = read_meta(document);
    read_annotations(document, migration);
    migration.spec = read_migration_spec(document);
    migration.status =
        read_status<MigrationStatus>(document, [](const Fields& fields, MigrationStatus& status) {
          fields.one_of("phase", status.phase, parse_phase, "the phases");
          fields.time("phaseSince", status.phase_since);
          fields.time("cleanSince", status.clean_since);
          fields.time("eligibleAt", status.eligible_at);
          fields.text("blockedBy", status.blocked_by);
          status.violations = read_violations(fields);
          status.gates = read_gates(fields);
          status.history = read_history(fields);
          fields.text("lastHandledReconcileAt", status.last_handled_reconcile_at);
        });
    return migration;
  });
}

Result<RlsDatabase> decode_database(std::string_view json) {
  return with_document<RlsDatabase>(json, [](const Fields& document) {
    RlsDatabase database;
    database.meta = read_meta(document);
    const Fields metadata = document.child("metadata");
    const Fields annotations = metadata.child("annotations");
    annotations.text(kAcceptSystemAnnotation, database.accept_system);
    annotations.text(kTakeOverAnnotation, database.take_over);
    database.spec = read_database_spec(document);
    database.status = read_status<DatabaseStatus>(document, [](const Fields& fields, DatabaseStatus& status) {
      fields.text("serverVersion", status.server_version);
      fields.text("systemIdentifier", status.system_identifier);
      fields.each_number("projects", [&](std::string_view phase, std::int64_t count) {
        status.projects.emplace(phase, count);
      });
      status.adopted = read_adopted(fields);
      status.runtime = read_runtime(fields);
      status.findings = read_findings(fields);
    });
    return database;
  });
}

}  // namespace rls::api
