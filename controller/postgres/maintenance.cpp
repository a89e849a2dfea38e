#include "controller/postgres/maintenance.hpp"

#include <array>
#include <thread>

#include "controller/base/text.hpp"
#include "controller/postgres/opening.hpp"
#include "controller/postgres/runtime.hpp"
#include "controller/postgres/sql.hpp"

namespace rls::postgres {
namespace {

constexpr int kWaits = 20;  // of 100 ms each: somebody waits at the terminal
constexpr std::chrono::milliseconds kBetweenWaits{200};

class ManagedMaintenance final : public Maintenance {
 public:
  explicit ManagedMaintenance(Timeouts timeouts) : timeouts_(timeouts) {}
  Result<void> begin(const ConnectionSettings& settings, Seam& seam);

  Result<bool> install(std::string_view schema) override;
  Result<void> uninstall(const std::function<void(const std::string&)>& tell) override;
  Result<std::vector<ViolationKind>> kinds(const std::string& project, bool unreviewed) override;
  Result<std::int64_t> review(std::span<const std::string> fingerprints, const std::string& verdict,
                              const std::string& by, const std::string& comment) override;
  Result<void> hold(const std::string& project, Phase to, const std::string& reason, const std::string& by,
                    const std::string& resumed) override;

 private:
  Result<void> must_be_installed();
  Result<bool> is_there(const std::string& table);
  Result<void> must_be_known(const std::string& project);
  Result<void> must_not_loosen(const std::string& project, Phase to);
  Result<void> unprotect(const std::string& relid, const std::string& name, const std::string& column);
  Result<void> remove(const std::string& schema);

  const Timeouts timeouts_;
  Line line_;
  std::unique_ptr<Connection> connection_;
  Hello hello_;
};

Result<void> ManagedMaintenance::begin(const ConnectionSettings& settings, Seam& seam) {
  auto connected = Connection::connect(settings, seam, line_, timeouts_.client());
  if (const auto* failure = std::get_if<SqlFailure>(&connected))
    return to_connect_error(*failure, settings.where);
  connection_ = std::move(std::get<0>(connected));
  auto hello = greet(*connection_, timeouts_);
  if (!hello) return hello.error();
  hello_ = std::move(hello).value();
  return {};
}

Result<bool> ManagedMaintenance::install(std::string_view schema) {
  if (hello_.schema_is_there && !hello_.schema_is_ours) return schema_not_ours(hello_);
  if (auto installed = install_schema(*connection_, timeouts_, hello_); !installed) return installed.error();
  const Reply before =
      connection_->script("runtime_there", "SELECT to_regclass('rls_operator.runtime') IS NULL");
  if (!before.ok()) return to_error(*before.failure, "look for the managed runtime");
  if (auto installed = install_runtime(*connection_, timeouts_, schema, hello_); !installed)
    return installed.error();
  return before.rows.boolean(0, 0);
}

Result<void> ManagedMaintenance::must_be_installed() {
  const Reply there =
      connection_->script("runtime_there", "SELECT to_regclass('rls_operator.runtime') IS NOT NULL");
  if (!there.ok()) return to_error(*there.failure, "look for the managed runtime");
  if (there.rows.boolean(0, 0)) return {};
  return terminal("MissingTable", "database " + hello_.database +
                                      " has no managed runtime: verdicts are kept by one alone; "
                                      "an RlsDatabase with mode Managed installs it, or rlsctl install");
}

Result<void> ManagedMaintenance::unprotect(const std::string& relid, const std::string& name,
                                           const std::string& column) {
  const std::string doing = "take " + name + " out of protection";
  const std::array<std::string, 3> parameters = {relid, column, "none"};
  for (int wait = 1;; ++wait) {
    Transaction transaction(*connection_, timeouts_);
    if (const auto failure = transaction.begin()) return to_error(*failure, doing);
    if (const Reply set = connection_->script("lock_timeout", "SET LOCAL lock_timeout = '100ms'"); !set.ok())
      return to_error(*set.failure, doing);
    const Reply reply = connection_->run("set_form", sql::set_form, parameters);
    if (reply.ok()) return transaction.commit_repeatable(doing);
    if (!reply.failure->is("55P03") || wait == kWaits) return to_error(*reply.failure, doing);
    transaction.roll_back();
    std::this_thread::sleep_for(kBetweenWaits);
  }
}

Result<void> ManagedMaintenance::remove(const std::string& schema) {
  constexpr std::string_view kDoing = "take the managed runtime away";
  Transaction transaction(*connection_, timeouts_);
  if (const auto failure = transaction.begin()) return to_error(*failure, kDoing);
  const Reply reply = connection_->script("uninstall", with_schema(sql::uninstall, schema));
  if (!reply.ok()) {
    if (!reply.failure->is("2BP01")) return to_error(*reply.failure, kDoing);
    return terminal("RuntimeInUse",
                    "something of somebody else's depends on the runtime: " + shown(*reply.failure) +
                        "; take that away first (\\d+ in psql shows it)");
  }
  return transaction.commit_repeatable(kDoing);
}

Result<void> ManagedMaintenance::uninstall(const std::function<void(const std::string&)>& tell) {
  if (auto there = must_be_installed(); !there) return there.error();
  const Reply reply = connection_->run("uninstall_check", sql::uninstall_check);
  if (!reply.ok()) return to_error(*reply.failure, "look at the managed runtime");
  if (reply.rows.size() == 0) return terminal("MissingTable", "rls_operator.runtime is empty");
  const std::string schema(reply.rows.text(0, 0));
  if (reply.rows.boolean(0, 1)) {
    return terminal(
        "RuntimeInUse",
        "not all projects are in pending: without the runtime nothing would be enforced any more; "
        "set spec.phase: pending on their RlsMigrations first");
  }
  if (reply.rows.integer(0, 2) != 0) {
    return terminal("RuntimeInUse",
                    "an operator is connected, and would install it again: delete the RlsDatabase first");
  }
  const Reply tables = connection_->run("protected_tables", sql::protected_tables);
  if (!tables.ok()) return to_error(*tables.failure, "read rls_operator.table_state");
  for (std::size_t row = 0; row < tables.rows.size(); ++row) {
    const std::string name(tables.rows.text(row, 1));
    if (auto done =
            unprotect(std::string(tables.rows.text(row, 0)), name, std::string(tables.rows.text(row, 2)));
        !done)
      return done.error();
    tell(name + " is as it was before");
  }
  if (auto removed = remove(schema); !removed) return removed.error();
  tell("the runtime in schema " + schema +
       " is gone; ledger, verdicts and archive stay in schema rls_operator");
  return {};
}

Result<std::vector<ViolationKind>> ManagedMaintenance::kinds(const std::string& project, bool unreviewed) {
  if (auto there = must_be_installed(); !there) return there.error();
  if (const std::string problem = project.empty() ? "" : why_no_name(project, hello_.utf8); !problem.empty())
    return terminal("UnknownProject", "project " + quoted(project) + " " + problem);
  // What came since the operator's last look, too.
  if (const Reply drained = connection_->script("drain", "SELECT rls_operator.drain()"); !drained.ok())
    return to_error(*drained.failure, "take in what was noted");
  const std::array<std::string, 2> parameters = {project, unreviewed ? "true" : "false"};
  const Reply reply = connection_->run("kinds", sql::kinds, parameters);
  if (!reply.ok()) return to_error(*reply.failure, "read rls_operator.violation");
  const Rows& rows = reply.rows;
  std::vector<ViolationKind> out;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const auto text = [&](int column) { return std::string(rows.text(row, column)); };
    out.push_back({.fingerprint = text(0),
                   .project = text(1),
                   .table = text(2),
                   .operation = text(3),
                   .user = text(4),
                   .application = text(5),
                   .query = text(6),
                   .certain = rows.boolean(row, 7),
                   .count = rows.integer(row, 8),
                   .total = rows.integer(row, 9),
                   .last = rows.time(row, 10),
                   .verdict = text(11),
                   .by = text(12),
                   .comment = text(13)});
  }
  return out;
}

Result<std::int64_t> ManagedMaintenance::review(std::span<const std::string> fingerprints,
                                                const std::string& verdict, const std::string& by,
                                                const std::string& comment) {
  constexpr std::string_view kDoing = "write the verdict";
  if (auto there = must_be_installed(); !there) return there.error();
  Transaction transaction(*connection_, timeouts_);
  if (const auto failure = transaction.begin()) return to_error(*failure, kDoing);
  const std::array<std::string, 4> parameters = {array_text(fingerprints), verdict, by, comment};
  const Reply reply =
      connection_->run("review", "SELECT rls_operator.review($1::text[], $2, $3, $4)", parameters);
  if (!reply.ok()) return to_error(*reply.failure, kDoing);
  const std::int64_t reviewed = reply.rows.integer(0, 0);
  if (reviewed != static_cast<std::int64_t>(fingerprints.size())) {
    return terminal("UnknownViolation",
                    std::to_string(reviewed) + " of " + std::to_string(fingerprints.size()) +
                        " kinds are known, nothing was written: `rlsctl review list` shows them");
  }
  if (auto committed = transaction.commit_repeatable(kDoing); !committed) return committed.error();
  return reviewed;
}

Result<bool> ManagedMaintenance::is_there(const std::string& table) {
  const std::array<std::string, 1> parameters = {table};
  const Reply there = connection_->run("table_there", "SELECT to_regclass($1) IS NOT NULL", parameters);
  if (!there.ok()) return to_error(*there.failure, "look for " + table);
  return there.rows.boolean(0, 0);
}

/// The operator ledgers a project when it sees it first; a registered one it may not have looked at yet.
Result<void> ManagedMaintenance::must_be_known(const std::string& project) {
  constexpr std::string_view kDoing = "look for the project";
  if (const std::string problem = why_no_name(project, hello_.utf8); !problem.empty())
    return terminal("UnknownProject", "project " + quoted(project) + " " + problem);
  const std::array<std::string, 1> parameters = {project};
  const Reply seen = connection_->run(
      "ledgered", "SELECT EXISTS (SELECT FROM rls_operator.transition WHERE project_id = $1)", parameters);
  if (!seen.ok()) return to_error(*seen.failure, kDoing);
  if (seen.rows.boolean(0, 0)) return {};
  const auto managed = is_there("rls_operator.runtime");
  if (!managed) return managed.error();
  if (*managed) {
    const Reply runtime = connection_->script("runtime_schema", "SELECT schema FROM rls_operator.runtime");
    if (!runtime.ok()) return to_error(*runtime.failure, kDoing);
    if (runtime.rows.size() > 0) {
      const std::string query =
          with_schema("SELECT EXISTS (SELECT FROM {{schema}}.project_registry WHERE project_id = $1)",
                      runtime.rows.text(0, 0));
      const Reply registered = connection_->run("registered", query, parameters);
      if (!registered.ok()) return to_error(*registered.failure, kDoing);
      if (registered.rows.boolean(0, 0)) return {};
    }
  }
  return terminal("UnknownProject", "the operator knows no project " + quoted(project) + " in database " +
                                        hello_.database + ": look at how it is written");
}

Result<void> ManagedMaintenance::must_not_loosen(const std::string& project, Phase to) {
  const std::array<std::string, 1> parameters = {project};
  const Reply reply = connection_->run(
      "hold_now", "SELECT phase, by FROM rls_operator.hold WHERE project_id = $1 FOR UPDATE", parameters);
  if (!reply.ok()) return to_error(*reply.failure, "read rls_operator.hold");
  if (reply.rows.size() == 0) return {};
  const auto held = parse_phase(reply.rows.text(0, 0));
  if (!held || *held >= to) return {};
  return terminal("HeldLower", "project " + quoted(project) + " is held at " + std::string(to_string(*held)) +
                                   " already, by " + quoted(reply.rows.text(0, 1), 60) + ": a hold at " +
                                   std::string(to_string(to)) +
                                   " would let it climb; resume it first, if that is wanted");
}

Result<void> ManagedMaintenance::hold(const std::string& project, Phase to, const std::string& reason,
                                      const std::string& by, const std::string& resumed) {
  constexpr std::string_view kDoing = "set the hold";
  const auto there = is_there("rls_operator.hold");
  if (!there) return there.error();
  if (!*there) {
    return terminal("MissingTable", "database " + hello_.database +
                                        " has no table rls_operator.hold: no operator was ever here, so "
                                        "there is nothing to hold");
  }
  const auto remembers = is_there("rls_operator.resumed");
  if (!remembers) return remembers.error();
  if (auto known = must_be_known(project); !known) return known.error();

  Transaction transaction(*connection_, timeouts_);
  if (const auto failure = transaction.begin()) return to_error(*failure, kDoing);
  if (auto tighter = must_not_loosen(project, to); !tighter) return tighter.error();
  const std::array<std::string, 3> held = {project, std::string(to_string(to)), reason};
  const Reply set = connection_->run("hold", "SELECT rls_operator.hold($1, $2, $3)", held);
  if (!set.ok()) return to_error(*set.failure, kDoing);
  if (!by.empty()) {
    const std::array<std::string, 2> person = {project, by};
    const Reply named =
        connection_->run("hold_by", "UPDATE rls_operator.hold SET by = $2 WHERE project_id = $1", person);
    if (!named.ok()) return to_error(*named.failure, kDoing);
  }
  if (!resumed.empty() && *remembers) {
    const std::array<std::string, 2> value = {project, resumed};
    const Reply counted = connection_->run(
        "resume_counted",
        "INSERT INTO rls_operator.resumed (project_id, value) VALUES ($1, $2) ON CONFLICT DO NOTHING", value);
    if (!counted.ok()) return to_error(*counted.failure, kDoing);
  }
  return transaction.commit_repeatable(kDoing);
}

}  // namespace

Result<std::unique_ptr<Maintenance>> Maintenance::connect(const ConnectionSettings& settings,
                                                          const Timeouts& timeouts, Seam& seam) {
  auto made = std::make_unique<ManagedMaintenance>(timeouts);
  if (auto begun = made->begin(settings, seam); !begun) return begun.error();
  return std::unique_ptr<Maintenance>(std::move(made));
}

}  // namespace rls::postgres
