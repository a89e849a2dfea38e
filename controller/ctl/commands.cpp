#include "controller/ctl/commands.hpp"

#include <algorithm>

#include "controller/api/json_writer.hpp"
#include "controller/base/log.hpp"
#include "controller/ctl/migrations.hpp"
#include "controller/ctl/reach.hpp"
#include "controller/ctl/report.hpp"
#include "controller/postgres/bootstrap.hpp"

namespace rls::ctl {
namespace {

class Runner {
 public:
  explicit Runner(const Terminal& terminal) : terminal_(terminal), out_(terminal.out), err_(terminal.err) {}

  int operator()(const BootstrapSql& command) {
    out_ << postgres::bootstrap_sql(
        {command.role, command.database, command.mode, command.schema, command.owners});
    return 0;
  }

  int operator()(const Install& command) {
    return with(command.target, [&](postgres::Maintenance& database) -> Result<void> {
      const auto installed = database.install(command.schema);
      if (!installed) return installed.error();
      out_ << (*installed ? "✓ the managed runtime is installed in schema "
                          : "✓ the managed runtime is there already, in schema ")
           << command.schema << "\n";
      return {};
    });
  }

  int operator()(const Uninstall& command) {
    if (!command.yes) {
      out_ << "would take all tables out of protection, drop what the runtime installed, and keep ledger, "
              "verdicts and archive "
              "in schema rls_operator; with --yes it is done\n";
      return 0;
    }
    return with(command.target, [&](postgres::Maintenance& database) {
      return database.uninstall([&](const std::string& what) { out_ << "✓ " << what << "\n" << std::flush; });
    });
  }

  int operator()(const ReviewList& command) {
    return with(command.target, [&](postgres::Maintenance& database) -> Result<void> {
      const auto kinds = database.kinds(command.project, !command.all);
      if (!kinds) return kinds.error();
      for (const postgres::ViolationKind& kind : *kinds) command.json ? write_json(kind) : write(kind);
      if (kinds->empty() && !command.json)
        out_ << (command.all ? "no violations in the present phases\n" : "nothing waits for a verdict\n");
      return {};
    });
  }

  int operator()(const ReviewSet& command) {
    return with(command.target, [&](postgres::Maintenance& database) -> Result<void> {
      std::vector<std::string> once = command.fingerprints;
      std::sort(once.begin(), once.end());
      once.erase(std::unique(once.begin(), once.end()), once.end());
      const auto reviewed = database.review(once, command.verdict, command.by, command.comment);
      if (!reviewed) return reviewed.error();
      out_ << "✓ " << *reviewed << (*reviewed == 1 ? " kind is " : " kinds are ") << command.verdict << "\n";
      return {};
    });
  }

  int operator()(const Approve& command) { return end(approve(command, terminal_)); }
  int operator()(const Resume& command) { return end(resume(command, terminal_)); }
  int operator()(const Rollback& command) { return end(rollback(command, terminal_)); }
  int operator()(const Status& command) { return end(status(command, terminal_)); }
  int operator()(const Explain& command) { return end(explain(command, terminal_)); }

 private:
  int end(const Result<void>& done) {
    if (done) return 0;
    err_ << "✗ " << done.error().reason << ": " << printable(log::redacted(done.error().message)) << "\n";
    return 1;
  }

  template <class Do>
  int with(const Target& target, const Do& act) {
    Seam seam;
    auto database = connect(target, seam);
    return end(database ? act(**database) : Result<void>(database.error()));
  }

  void write(const postgres::ViolationKind& kind) {
    out_ << kind.fingerprint << "  " << shown_project(kind) << "  " << printable(kind.table) << " "
         << kind.operation << (kind.certain ? "" : " (candidate)") << "  " << kind.count << "×"
         << (kind.last ? "  last " + format_rfc3339_seconds(*kind.last) : "") << "\n    by "
         << printable(kind.user)
         << (kind.application.empty() ? "" : ", application " + printable(kind.application)) << "\n";
    if (!kind.query.empty()) out_ << "    " << printable(kind.query) << "\n";
    if (!kind.verdict.empty()) {
      out_ << "    " << kind.verdict << ", says " << printable(kind.by)
           << (kind.comment.empty() ? "" : ": " + printable(kind.comment)) << "\n";
    }
  }

  void write_json(const postgres::ViolationKind& kind) {
    api::JsonWriter json;
    json.begin_object();
    json.member("fingerprint", kind.fingerprint);
    json.key("project").value(kind.project);
    json.member("table", kind.table);
    json.member("operation", kind.operation);
    json.flag("certain", kind.certain);
    json.member("count", kind.count);
    json.member("total", kind.total);
    if (kind.last) json.member("last", std::string_view(format_rfc3339(*kind.last)));
    json.member("user", kind.user);
    json.member("application", kind.application);
    json.member("query", kind.query);
    json.member("verdict", kind.verdict);
    json.member("by", kind.by);
    json.member("comment", kind.comment);
    json.end_object();
    out_ << json.take() << "\n";
  }

  static std::string shown_project(const postgres::ViolationKind& kind) {
    return kind.project.empty() ? "(no context)" : printable(kind.project);
  }

  const Terminal& terminal_;
  std::ostream& out_;
  std::ostream& err_;
};

}  // namespace

int run(const Command& command, const Terminal& terminal) { return std::visit(Runner(terminal), command); }

}  // namespace rls::ctl
