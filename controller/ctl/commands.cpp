#include "controller/ctl/commands.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "controller/api/json_writer.hpp"
#include "controller/base/log.hpp"
#include "controller/base/text.hpp"
#include "controller/kube/client.hpp"
#include "controller/kube/cpprest_transport.hpp"
#include "controller/postgres/bootstrap.hpp"
#include "controller/postgres/maintenance.hpp"
#include "controller/reconcile/secret.hpp"

namespace rls::ctl {
namespace {

/// The connection as the RlsDatabase's Secret has it.
Result<postgres::ConnectionSecret> secret_of(const Target& target, Seam& seam) {
  kube::initialize_http_library();
  const kube::ClientOptions options{.kubeconfig = target.kubeconfig, .context = target.context};
  auto client = kube::make_client(options, seam);
  if (!client) return client.error();
  const api::ObjectName name{target.ns.empty() ? kube::default_namespace(options) : target.ns,
                             target.database};
  const auto json = (*client)->get({std::string(api::kGroupVersion), "rlsdatabases", name.ns}, name);
  if (!json) return json.error();
  const auto database = api::decode_database(*json);
  if (!database) return database.error();
  return reconcile::read_secret(**client, *database);
}

Result<postgres::ConnectionSecret> read_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) return terminal("UnreadableFile", "cannot read " + quoted(path) + " (--uri-file)");
  std::string uri((std::istreambuf_iterator<char>(file)), {});
  while (!uri.empty() && (uri.back() == '\n' || uri.back() == '\r')) uri.pop_back();
  return postgres::ConnectionSecret{std::move(uri), {}};
}

Result<postgres::ConnectionSecret> connection_secret(const Target& target, Seam& seam) {
  if (!target.uri_file.empty()) return read_file(target.uri_file);
  const char* const uri = std::getenv("RLSCTL_DATABASE_URI");
  if (uri != nullptr && *uri != '\0' && target.database.empty()) return postgres::ConnectionSecret{uri, {}};
  if (target.database.empty()) {
    return terminal("NoDatabase",
                    "which database? give --database NAME, --uri-file FILE or RLSCTL_DATABASE_URI");
  }
  return secret_of(target, seam);
}

Result<std::unique_ptr<postgres::Maintenance>> connect(const Target& target, Seam& seam) {
  auto secret = connection_secret(target, seam);
  if (!secret) return secret.error();
  log::add_secret(secret->uri);
  auto settings = postgres::parse_connection_settings(secret->uri, secret->ca);
  if (!settings) return settings.error();
  return postgres::Maintenance::connect(*settings, {}, seam);
}

class Runner {
 public:
  Runner(std::ostream& out, std::ostream& err) : out_(out), err_(err) {}

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

 private:
  template <class Do>
  int with(const Target& target, const Do& act) {
    Seam seam;
    auto database = connect(target, seam);
    const Result<void> done = database ? act(**database) : Result<void>(database.error());
    if (done) return 0;
    err_ << "✗ " << done.error().reason << ": " << log::redacted(done.error().message) << "\n";
    return 1;
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

  /// What applications chose must not steer the terminal.
  static std::string printable(std::string_view text) {
    std::string out = api::well_formed(text);
    std::replace_if(
        out.begin(), out.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; },
        '?');
    return out;
  }
  static std::string shown_project(const postgres::ViolationKind& kind) {
    return kind.project.empty() ? "(no context)" : printable(kind.project);
  }

  std::ostream& out_;
  std::ostream& err_;
};

}  // namespace

int run(const Command& command, std::ostream& out, std::ostream& err) {
  return std::visit(Runner(out, err), command);
}

}  // namespace rls::ctl
