#pragma once
// RlsDatabase: one database that the operator may change (design 2-api, RlsDatabase).

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controller/api/gating.hpp"
#include "controller/api/object.hpp"
#include "controller/api/phase.hpp"
#include "controller/base/result.hpp"

namespace rls::api {

/// The explicit yes to another server behind the same name: its system identifier.
inline constexpr std::string_view kAcceptSystemAnnotation = "rls-operator.dev/accept-system";
/// The explicit yes to the claim of another: what the message Claimed shows.
inline constexpr std::string_view kTakeOverAnnotation = "rls-operator.dev/take-over";

struct SecretKeyRef {
  std::string name;
  std::string key = "uri";
  bool operator==(const SecretKeyRef&) const = default;
};

/// Whose tables, functions and policies row-level security runs on.
enum class RuntimeMode {
  adopted,  ///< somebody else's, which stay as they are
  managed,  ///< ours: installed, upgraded and repaired
};

/// What to do when somebody changed what we installed.
enum class Repair { automatic, report };

/// Tables to protect: one, or those that a pattern matches ("app.*", "app.order_*").
struct TableSpec {
  std::string name;
  std::string project_column = "project_id";
  bool operator==(const TableSpec&) const = default;
};

/// A floor for every migration of this database: of floor and migration the stricter wins.
struct MinimumGates {
  std::optional<Duration> shadow_soak;
  std::optional<Duration> enforcing_soak;
  std::optional<std::int64_t> max_violations;
  std::optional<std::int64_t> min_transactions{};
  std::optional<bool> review_required{};
  std::map<Phase, std::int64_t> approvals{};
  std::vector<WindowSpec> windows{};  ///< promotions only inside one of these, and inside one of its own
  std::vector<CheckSpec> checks{};    ///< beside those of the migration: all must pass
  bool operator==(const MinimumGates&) const = default;
};

/// Stops promotions, never demotions.
struct Freeze {
  std::string reason;
  std::optional<Time> until;  ///< none: until it is taken away
  bool operator==(const Freeze&) const = default;
};

/// How bad a finding is.
enum class Severity { low, medium, high, critical };
std::string_view to_string(Severity severity);  ///< "Critical"
std::optional<Severity> parse_severity(std::string_view text);

/// A finding that is known and accepted for a time.
struct AcceptedFinding {
  std::string check;   ///< its id
  std::string object;  ///< empty: all objects
  std::string reason;
  std::optional<Time> expires{};
  bool operator==(const AcceptedFinding&) const = default;
};

/// Which findings hold promotions up.
struct PosturePolicy {
  Severity block_at = Severity::critical;
  std::vector<AcceptedFinding> accepted{};
  bool operator==(const PosturePolicy&) const = default;
};

/// Whether reads that enforcement would deny must be recorded, too, before anything is enforced.
enum class ReadEvidence {
  best_effort,  ///< triggers see no reads; what they see is enough
  required,
};

/// Who counts the transactions of a project, where the runtime is adopted. Exactly one of the two is set.
struct TransactionSource {
  struct Prometheus {
    std::string url;    ///< which the operator's configuration must allow
    std::string query;  ///< with $project, and $since or $window
    bool operator==(const Prometheus&) const = default;
  };
  std::string sql{};  ///< one query of the project $1 and the instant $2, as the role of spec.checks
  std::optional<Prometheus> prometheus{};
  bool operator==(const TransactionSource&) const = default;
};

/// What the database says about every decision on its projects.
struct DatabasePolicy {
  MinimumGates minimum_gates;
  std::optional<Freeze> freeze;
  ReadEvidence reads = ReadEvidence::best_effort;
  PosturePolicy posture{};
  std::optional<TransactionSource> transactions{};  ///< adopted; none: nobody counts them
  bool operator==(const DatabasePolicy&) const = default;
};

struct DatabaseSpec {
  SecretKeyRef secret;
  std::optional<SecretKeyRef> checks_secret{};  ///< what SQL checks run with; none: they cannot
  int max_connections = 4;
  RuntimeMode mode = RuntimeMode::adopted;
  std::string schema = "public";      ///< where the runtime's objects live; "rls" where managed and not given
  Repair repair = Repair::automatic;  ///< managed
  std::vector<TableSpec> tables{};    ///< managed
  Duration audit_retention = std::chrono::hours{2160};    ///< managed: then audit rows are archived
  Duration lock_timeout = std::chrono::seconds{5};        ///< R-C3
  Duration statement_timeout = std::chrono::seconds{30};  ///< R-C3
  DatabasePolicy policy{};
  bool operator==(const DatabaseSpec&) const = default;
};

/// A table of the application's that is used.
struct AdoptedTable {
  std::string name;  ///< as SQL writes it: acme.rls_audit_log
  /// The columns used: meaning (project, phase, time, …) → name as SQL writes it. What is not there is
  /// missing.
  std::map<std::string, std::string> columns;
  bool operator==(const AdoptedTable&) const = default;
};

/// What was found in an adopted database, and what is made of it. Definitions alone, no data, and nothing
/// that changes by itself.
struct AdoptedStatus {
  AdoptedTable status_table;
  std::string phase_type;                   ///< "enum acme.rollout", "text"
  std::optional<AdoptedTable> audit_table;  ///< none: there is none
  std::string registry_table;               ///< as SQL writes it; empty: there is none that can be read
  std::string uncounted_because;            ///< why violations cannot be counted; empty: they are
  std::string
      unmirrored_because;  ///< why moves get no row in the audit table; empty: they do, as far as known
  std::string
      no_first_row_because;  ///< why registered projects get no row in the status table; empty: they do

  struct Evidence {
    std::string state;          ///< Complete, Incomplete, Unknown
    std::int64_t tables = 0;    ///< with policies
    std::int64_t recorded = 0;  ///< of these, how many record what enforcing would deny
    bool reads = false;         ///< reads are recorded, too, on all of them
    std::string message;        ///< where not complete
    bool operator==(const Evidence&) const = default;
  } evidence;
  bool operator==(const AdoptedStatus&) const = default;
};

/// A table of spec.tables, or one below it.
struct ProtectedTable {
  std::string name;     ///< as SQL writes it
  std::string column;   ///< with the project
  std::string state;    ///< Unprotected, Open, Noting, Quiet
  std::string message;  ///< why it is not as it should be
  bool operator==(const ProtectedTable&) const = default;
};

/// What people should know or mend before projects are enforced.
struct Finding {
  std::string id;        ///< "IndexNotUsed"
  std::string severity;  ///< Critical, High, Medium, Low
  std::string object;
  std::string message;
  std::string remedy;
  bool operator==(const Finding&) const = default;
};

/// The managed runtime as it was last seen.
struct RuntimeStatus {
  std::int64_t version = 0;
  std::string policy_hash;             ///< of what is protected: it changes, and the soak begins anew
  std::int64_t tables = 0;             ///< that are to be protected
  std::int64_t protected_tables = 0;   ///< and are
  std::vector<ProtectedTable> list;    ///< ≤ 50, those with a message first
  std::vector<std::string> drift;      ///< what somebody else changed, in sentences; ≤ 20
  std::string not_ready_because;       ///< empty: installed, and all tables are in the form wanted
  std::optional<Time> recorded_since;  ///< without a gap; none: not everything is recorded now
  std::optional<std::int64_t> old_sessions = 0;  ///< that live by an older phase; none: nobody can tell
  std::int64_t without_context = 0;              ///< accesses without a context that were noted
  AdoptedStatus::Evidence evidence;
  bool operator==(const RuntimeStatus&) const = default;
};

struct DatabaseStatus {
  std::int64_t observed_generation = -1;
  std::string server_version;     ///< "15.18"
  std::string system_identifier;  ///< of the cluster that was first seen; another one needs an explicit yes
  std::map<std::string, std::int64_t> projects;  ///< number of projects in the database by phase
  std::optional<AdoptedStatus> adopted;          ///< as last seen; of an adopted runtime
  std::optional<RuntimeStatus> runtime;          ///< the same of a managed one
  std::vector<Finding> findings;                 ///< worst first, ≤ 20
  std::vector<Condition> conditions;
  bool operator==(const DatabaseStatus&) const = default;
};

struct RlsDatabase {
  ObjectMeta meta;
  std::string accept_system;  ///< annotation
  std::string take_over;      ///< annotation
  DatabaseSpec spec;
  DatabaseStatus status;
};

/// Decodes one object as the API server sends it. Unknown fields are ignored. Errors are terminal:
/// InvalidObject (no JSON), InvalidSpec (the message names the field). A bad status is no error: what cannot
/// be read of it is left at its default, and so is written anew.
Result<RlsDatabase> decode_database(std::string_view json);
/// The object to PUT on /status: apiVersion, kind, name, namespace, uid and resourceVersion, and the status
/// without what is empty. The API server keeps its own spec, labels and annotations. Never fails; `fit`
/// (limits.hpp) before, else the API server may refuse it.
std::string encode_status(const ObjectMeta& meta, const DatabaseStatus& status);

}  // namespace rls::api
