#include "controller/ctl/options.hpp"

#include <algorithm>
#include <cstdlib>
#include <memory>

#include <CLI/CLI.hpp>

#include "controller/ctl/approving.hpp"

namespace rls::ctl {
namespace {

constexpr const char* kConnecting =
    "\nHow the database is reached, in this order:\n"
    "  --uri-file FILE            a file with a libpq URI or keyword string\n"
    "  --database NAME            the Secret of that RlsDatabase, read with your kubeconfig\n"
    "  RLSCTL_DATABASE_URI        a connection string in the environment\n"
    "Passwords are never taken from arguments: everybody can see them there.\n"
    "Use the operator's own role: what it installed belongs to it.\n";

CLI::Option* add_cluster(CLI::App& command, Cluster& cluster) {
  command.add_option("--kubeconfig", cluster.kubeconfig, "by default $KUBECONFIG")->type_name("FILE");
  command.add_option("--context", cluster.context, "of the kubeconfig; by default the current one")
      ->type_name("NAME");
  return command
      .add_option("-n,--namespace", cluster.ns, "its namespace; by default the one of your credentials")
      ->type_name("NAMESPACE");
}

void add_target(CLI::App& command, Target& target) {
  command.add_option("--uri-file", target.uri_file, "a file with the connection string")->type_name("FILE");
  command.add_option("-d,--database", target.database, "an RlsDatabase, whose Secret holds the connection")
      ->type_name("NAME");
  add_cluster(command, target);
  command.footer(kConnecting);
}

CLI::Option* add_migration(CLI::App& command, std::string& migration) {
  return command.add_option("migration", migration, "the RlsMigration's name")->type_name("MIGRATION");
}

CLI::Option* add_phase(CLI::App& command, const std::string& flag, Phase& phase, const std::string& help,
                       const std::vector<std::string>& which) {
  return command
      .add_option_function<std::string>(
          flag, [&phase](const std::string& name) { phase = parse_phase(name).value_or(Phase::pending); },
          help)
      ->check(CLI::IsMember(which))
      ->type_name("PHASE");
}

std::string why_no_length(const std::string& text) {
  const auto length = parse_duration(text);
  return length && *length > Duration{0} ? "" : "not a length of time, such as 30s or 5m: " + text;
}

void add_wait(CLI::App& command, bool& wait, Duration& timeout, const std::string& help) {
  CLI::Option* const flag = command.add_flag("--wait", wait, help);
  command
      .add_option_function<std::string>(
          "--timeout",
          [&timeout](const std::string& text) { timeout = parse_duration(text).value_or(timeout); },
          "of --wait; by default 1m")
      ->check(why_no_length)
      ->needs(flag)
      ->type_name("LENGTH");
}

std::string why_no_expiry(const std::string& text) {
  return parse_expiry(text, Time{})
             ? ""
             : "neither a length of time (24h) nor a time (2026-12-01T00:00:00Z): " + text;
}

std::string who_runs_it() {
  const char* const user = std::getenv("USER");
  return user == nullptr ? "" : user;
}

}  // namespace

std::variant<Command, EarlyExit> parse_command(std::span<const std::string> arguments) {
  CLI::App app("rlsctl: what people do by hand with rls-operator", "rlsctl");
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

  Approve approve;
  CLI::App* const approve_command =
      app.add_subcommand("approve", "say yes, in your own name, to the next step of a project");
  add_migration(*approve_command, approve.migration)->required();
  add_phase(*approve_command, "--phase", approve.phase, "that it may enter",
            {"shadow", "enforcing", "complete"})
      ->required();
  approve_command->add_option("--comment", approve.comment, "why")->type_name("TEXT");
  approve_command
      ->add_option("--expires", approve.expires,
                   "from then on it counts no more: 24h, or 2026-12-01T00:00:00Z")
      ->check(why_no_expiry)
      ->type_name("WHEN");
  approve_command->add_flag("--yes", approve.yes, "do not ask; needed without a terminal");
  add_cluster(*approve_command, approve.cluster);
  approve_command->footer("\nExample: rlsctl approve sm --namespace tenants --phase enforcing\n");

  Resume resume;
  CLI::App* const resume_command =
      app.add_subcommand("resume", "let a project go on that is held in its database");
  add_migration(*resume_command, resume.migration)->required();
  add_wait(*resume_command, resume.wait, resume.timeout, "until the hold is gone");
  add_cluster(*resume_command, resume.cluster);

  Rollback rollback;
  rollback.by = who_runs_it();
  CLI::App* const rollback_command = app.add_subcommand(
      "rollback", "take a project down at once, past every gate, and hold it there until rlsctl resume");
  CLI::Option* const rolled = add_migration(*rollback_command, rollback.migration);
  CLI::Option* const by_project =
      rollback_command
          ->add_option("--project", rollback.project, "instead of a migration, where Kubernetes is away")
          ->type_name("PROJECT")
          ->excludes(rolled);
  add_phase(*rollback_command, "--to", rollback.to, "that it goes down to",
            {"pending", "shadow", "enforcing"})
      ->required();
  rollback_command->add_option("--reason", rollback.reason, "why")->required()->type_name("TEXT");
  rollback_command->add_option("--by", rollback.by, "who says so")->capture_default_str()->type_name("NAME");
  add_wait(*rollback_command, rollback.wait, rollback.timeout, "until the project is there");
  add_target(*rollback_command, rollback.target);
  rollback_command->footer(
      std::string(kConnecting) +
      "Of a migration, the RlsDatabase is the one that its spec names.\n"
      "Example: rlsctl rollback sm --namespace tenants --to shadow --reason \"orders vanish\" "
      "--wait\n");

  Status status;
  Explain explain;
  CLI::App* const status_command =
      app.add_subcommand("status", "where all projects are; of one migration, as explain");
  CLI::Option* const one = add_migration(*status_command, explain.migration);
  CLI::Option* const in_namespace = add_cluster(*status_command, status.cluster);
  status_command->add_flag("-A,--all-namespaces", status.all_namespaces, "of all namespaces")
      ->excludes(in_namespace)
      ->excludes(one);
  status_command->add_option("-d,--database", status.database, "of this RlsDatabase alone")
      ->type_name("NAME")
      ->excludes(one);
  status_command->add_flag("--json", status.json, "as one JSON object")->excludes(one);
  status_command->footer("\nColours are left out where NO_COLOR is set, or the output is no terminal.\n");

  CLI::App* const explain_command =
      app.add_subcommand("explain", "why a project is where it is, and what its next step waits for");
  add_migration(*explain_command, explain.migration)->required();
  add_cluster(*explain_command, explain.cluster);

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
  if (approve_command->parsed()) return Command(approve);
  if (resume_command->parsed()) return Command(resume);
  if (rollback_command->parsed()) {
    if (rollback.migration.empty() && rollback.project.empty())
      return EarlyExit{2, "rlsctl: rollback of what? name a migration, or give --project\n"};
    if (rollback.wait && by_project->count() > 0)
      return EarlyExit{2, "rlsctl: --wait needs a migration: its status tells when the project is there\n"};
    return Command(rollback);
  }
  if (status_command->parsed()) {
    if (explain.migration.empty()) return Command(status);
    explain.cluster = status.cluster;
    return Command(explain);
  }
  if (explain_command->parsed()) return Command(explain);
  if (set.by.empty()) return EarlyExit{2, "rlsctl: --by is needed: $USER is not set\n"};
  return Command(set);
}

}  // namespace rls::ctl
