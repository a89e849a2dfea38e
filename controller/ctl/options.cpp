#include "controller/ctl/options.hpp"

#include <algorithm>
#include <cstdlib>
#include <memory>

#include <CLI/CLI.hpp>

namespace rls::ctl {
namespace {

constexpr const char* kConnecting =
    "\nHow the database is reached, in this order:\n"
    "  --uri-file FILE            a file with a libpq URI or keyword string\n"
    "  RLSCTL_DATABASE_URI        the same in the environment\n"
    "  --database NAME            the Secret of that RlsDatabase, read with your kubeconfig\n"
    "Passwords are never taken from arguments: everybody can see them there.\n"
    "Use the operator's own role: what it installed belongs to it.\n";

void add_target(CLI::App& command, Target& target) {
  command.add_option("--uri-file", target.uri_file, "a file with the connection string")->type_name("FILE");
  command.add_option("-d,--database", target.database, "an RlsDatabase, whose Secret holds the connection")
      ->type_name("NAME");
  command.add_option("-n,--namespace", target.ns, "its namespace; by default the one of your credentials")
      ->type_name("NAMESPACE");
  command.add_option("--kubeconfig", target.kubeconfig, "by default $KUBECONFIG")->type_name("FILE");
  command.add_option("--context", target.context, "of the kubeconfig; by default the current one")
      ->type_name("NAME");
  command.footer(kConnecting);
}

std::string who_runs_it() {
  const char* const user = std::getenv("USER");
  return user == nullptr ? "" : user;
}

}  // namespace

std::variant<Command, EarlyExit> parse_command(std::span<const std::string> arguments) {
  CLI::App app("rlsctl: what people do by hand with the databases of rls-operator", "rlsctl");
  app.set_version_flag("--version", "rlsctl " RLS_VERSION);
  app.require_subcommand(1);
  app.footer(
      "\nExit code: 0 done; 1 refused or failed, the message says why; 2 the command line cannot be "
      "understood.\n"
      "rlsctl COMMAND --help tells of each.\n");

  BootstrapSql bootstrap;
  std::string mode = "Managed";
  CLI::App* const bootstrap_sql = app.add_subcommand(
      "bootstrap-sql",
      "print the SQL with which a DBA gives the operator's role its rights; connects to nothing");
  bootstrap_sql->add_option("--role", bootstrap.role, "the operator's role")
      ->capture_default_str()
      ->type_name("ROLE");
  bootstrap_sql
      ->add_option("--owner", bootstrap.owners,
                   "a role that owns tables to protect; may be given several times")
      ->type_name("ROLE");
  bootstrap_sql->add_option("--database", bootstrap.database, "by default the one in which the SQL is run")
      ->type_name("NAME");
  bootstrap_sql->add_option("--mode", mode, "of the runtime")
      ->check(CLI::IsMember({"Managed", "Adopted"}))
      ->capture_default_str();
  bootstrap_sql->add_option("--schema", bootstrap.schema, "of an adopted runtime")
      ->capture_default_str()
      ->type_name("SCHEMA");
  bootstrap_sql->footer("\nExample: rlsctl bootstrap-sql --owner app_owner | psql mydb\n");

  Install install;
  CLI::App* const install_command = app.add_subcommand(
      "install", "install the managed runtime, or bring it to this version; the operator does so by itself");
  install_command->add_option("--schema", install.schema, "where it lives")
      ->capture_default_str()
      ->type_name("SCHEMA");
  add_target(*install_command, install.target);

  Uninstall uninstall;
  CLI::App* const uninstall_command =
      app.add_subcommand("uninstall",
                         "take all tables out of protection, and the managed runtime away; refused while a "
                         "project is beyond pending");
  uninstall_command->add_flag("--yes", uninstall.yes, "do it; without, it is only said what would be done");
  add_target(*uninstall_command, uninstall.target);

  CLI::App* const review = app.add_subcommand("review", "look at violations, and say what they are");
  review->require_subcommand(1);
  ReviewList list;
  CLI::App* const list_command =
      review->add_subcommand("list", "kinds of violations that wait for a verdict, newest first");
  list_command->add_option("project", list.project, "of this project alone");
  list_command->add_flag("--all", list.all, "those with a verdict, too");
  list_command->add_flag("--json", list.json, "as JSON, one object a line");
  add_target(*list_command, list.target);

  ReviewSet set;
  set.by = who_runs_it();
  const std::pair<const char*, const char*> verdicts[] = {
      {"false-positive", "no violation: it counts no more, and never did"},
      {"fixed", "the application is mended: the soak begins anew, and one more is a violation again"},
      {"real", "a violation that is not mended yet: it goes on counting"}};
  for (const auto& [verdict, help] : verdicts) {
    CLI::App* const command = review->add_subcommand(verdict, help);
    command->add_option("fingerprint", set.fingerprints, "of the kinds, as `rlsctl review list` shows them")
        ->required();
    command->add_option("--by", set.by, "who says so")->capture_default_str()->type_name("NAME");
    command->add_option("--comment", set.comment, "why")->type_name("TEXT");
    command->callback([&set, verdict = std::string(verdict)] { set.verdict = verdict; });
    add_target(*command, set.target);
  }

  std::vector<std::string> words(arguments.rbegin(), arguments.rend());
  if (words.empty()) return EarlyExit{2, app.help()};
  try {
    app.parse(words);
  } catch (const CLI::Success& success) {
    std::ostringstream out;
    app.exit(success, out, out);
    return EarlyExit{0, out.str()};
  } catch (const CLI::ParseError& error) {
    return EarlyExit{2, "rlsctl: " + std::string(error.what()) + "\nSee rlsctl --help.\n"};
  }
  if (bootstrap_sql->parsed()) {
    bootstrap.mode = mode == "Managed" ? api::RuntimeMode::managed : api::RuntimeMode::adopted;
    return Command(bootstrap);
  }
  if (install_command->parsed()) return Command(install);
  if (uninstall_command->parsed()) return Command(uninstall);
  if (list_command->parsed()) return Command(list);
  if (set.by.empty()) return EarlyExit{2, "rlsctl: --by is needed: $USER is not set\n"};
  return Command(set);
}

}  // namespace rls::ctl
