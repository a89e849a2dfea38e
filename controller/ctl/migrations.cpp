#include "controller/ctl/migrations.hpp"

#include <chrono>
#include <cstdio>
#include <functional>
#include <future>
#include <thread>

#include <nlohmann/json.hpp>

#include "controller/api/json_writer.hpp"
#include "controller/base/text.hpp"
#include "controller/ctl/approving.hpp"
#include "controller/ctl/reach.hpp"
#include "controller/ctl/report.hpp"
#include "controller/decide/observation.hpp"

namespace rls::ctl {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds kCallTimeout{30};
constexpr std::chrono::milliseconds kBetweenLooks{300};
constexpr const char* kMayLook = "rls-operator-viewer";
constexpr const char* kMayWrite = "rls-operator-editor";
constexpr const char* kMayApprove = "rls-operator-approver";

/// One RlsMigration on its API server.
class Subject {
 public:
  static Result<Subject> find(const Cluster& cluster, const std::string& migration, Seam& seam) {
    auto client = reach_api_server(cluster, seam);
    if (!client) return client.error();
    Subject subject(std::move(*client), {namespace_of(cluster), migration});
    if (auto looked = subject.look(); !looked) return looked.error();
    return subject;
  }

  /// Reads it anew.
  Result<void> look() {
    const auto json = client_->get(resource("rlsmigrations"), name_);
    if (!json && json.error().reason == "NotFound") {
      return terminal("NotFound", "there is no RlsMigration " + rls::quoted(name_.name) + " in namespace " +
                                      rls::quoted(name_.ns) + ": rlsctl status --namespace " + name_.ns +
                                      " shows those that are");
    }
    if (!json) return for_people(json.error(), {"", "get", "rlsmigrations", name_.ns, kMayLook});
    auto decoded = api::decode_migration(*json);
    if (!decoded) return decoded.error();
    migration_ = std::move(*decoded);
    return {};
  }

  Result<void> annotate(std::string_view annotation, std::string_view value) {
    api::JsonWriter patch;
    patch.begin_object().key("metadata").begin_object().key("annotations").begin_object();
    patch.member(annotation, value);
    patch.end_object().end_object().end_object();
    std::promise<Result<void>> promise;
    auto patched = promise.get_future();
    client_->patch(resource("rlsmigrations"), name_, patch.take(),
                   [&promise](Result<void> result) { promise.set_value(std::move(result)); });
    const Result<void> done = patched.get();
    if (done) return {};
    return for_people(done.error(), {"", "patch", "rlsmigrations", name_.ns, kMayWrite});
  }

  /// Looks until `holds`; false where it does not in time. An API server that is away for a moment is waited
  /// for.
  Result<bool> wait(Duration timeout, const std::function<bool(const api::RlsMigration&)>& holds) {
    const auto deadline = steady_clock::now() + timeout;
    while (true) {
      const Result<void> looked = look();
      if (!looked && looked.error().kind == ErrorKind::terminal) return looked.error();
      if (looked && holds(migration_)) return true;
      if (steady_clock::now() >= deadline) return false;
      std::this_thread::sleep_for(kBetweenLooks);
    }
  }

  [[nodiscard]] kube::Resource resource(const char* plural) const {
    return {std::string(api::kGroupVersion), plural, name_.ns};
  }
  [[nodiscard]] kube::Client& client() { return *client_; }
  [[nodiscard]] const api::RlsMigration& migration() const { return migration_; }
  [[nodiscard]] const api::ObjectName& name() const { return name_; }
  [[nodiscard]] const std::string& project() const { return migration_.spec.project; }

 private:
  Subject(std::unique_ptr<kube::Client> client, api::ObjectName name)
      : client_(std::move(client)), name_(std::move(name)) {}

  std::unique_ptr<kube::Client> client_;
  api::ObjectName name_;
  api::RlsMigration migration_;
};

/// The name that the API server has for whoever asks.
Result<std::string> who_am_i(kube::Client& client) {
  const kube::Resource reviews{"authentication.k8s.io/v1", "selfsubjectreviews", ""};
  const auto reply =
      client.call(kube::Client::Method::post, reviews, {"", "me"},
                  R"({"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"})", kCallTimeout);
  if (!reply) return reply.error();
  const auto review = nlohmann::json::parse(*reply, nullptr, false);
  const nlohmann::json::json_pointer username("/status/userInfo/username");
  if (!review.is_object() || !review.contains(username) || !review[username].is_string())
    return transient("MalformedReply", "the API server did not say who you are");
  return review[username].get<std::string>();
}

/// A new value each time.
std::string this_moment() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto nanoseconds = std::chrono::duration_cast<std::chrono::nanoseconds>(now);
  std::string text = format_rfc3339_micro(Time{std::chrono::duration_cast<Duration>(nanoseconds)});
  char rest[8];
  std::snprintf(rest, sizeof rest, "%03dZ", static_cast<int>(nanoseconds.count() % 1000));
  text.pop_back();
  return text + rest;
}

Time time_now() { return SystemClock().now(); }

Result<void> ask(const Terminal& terminal, bool yes) {
  if (yes) return {};
  if (!terminal.asks) {
    return rls::terminal(
        "NotConfirmed",
        "there is no terminal to ask on, and nothing was written: read the above, and give --yes");
  }
  terminal.out << "approve? [y/N] " << std::flush;
  std::string answer;
  std::getline(terminal.in, answer);
  if (answer == "y" || answer == "Y" || answer == "yes") return {};
  return rls::terminal("NotConfirmed", "nothing was written");
}

/// Why it is not where it should be, as the operator says.
std::string said_of(const api::RlsMigration& migration) {
  const api::Condition* const ready = api::find_condition(migration.status.conditions, "Ready");
  return ready == nullptr ? "the operator has not looked at it yet" : ready->reason + ", " + ready->message;
}

std::string phase_of(const api::RlsMigration& migration) {
  return migration.status.phase ? std::string(to_string(*migration.status.phase))
                                : "a phase that is not known";
}

/// What speaks against the brake: it would brake nothing.
std::optional<Error> why_no_rollback(const api::RlsMigration& migration, Phase to) {
  const auto& phase = migration.status.phase;
  if (!phase || *phase >= to) return std::nullopt;
  return terminal("NothingToRollBack", "project " + rls::quoted(migration.spec.project, 60) + " is in " +
                                           std::string(to_string(*phase)) + ", which is below " +
                                           std::string(to_string(to)));
}

Result<void> set_hold(const Rollback& command, const std::string& project, const std::string& resumed) {
  if (command.by.starts_with(decide::kCheckHolds))
    return terminal("InvalidName",
                    "--by " + rls::quoted(command.by) + " would look like a check's hold: name a person");
  Seam seam;
  auto database = connect(command.target, seam);
  if (!database) return database.error();
  return (*database)->hold(project, command.to, command.reason, command.by, resumed);
}

Result<void> roll_back_project(const Rollback& command, const Terminal& terminal) {
  if (auto held = set_hold(command, command.project, ""); !held) return held.error();
  terminal.out << "✓ " << printable(command.project) << " is held at " << to_string(command.to)
               << " in the database: the operator takes it there at its next look\n";
  return {};
}

/// The way that needs no database.
void hint_at_annotation(const Rollback& command, const Subject& subject, const Terminal& terminal) {
  terminal.err << "without a way into the database, the brake is: kubectl --namespace " << subject.name().ns
               << " annotate rlsmigration " << subject.name().name << " " << api::kHoldAtAnnotation << "="
               << to_string(command.to) << " --overwrite\n";
}

Result<void> wait_for_phase(const Rollback& command, Subject& subject, const Terminal& terminal) {
  const auto arrived = subject.wait(
      command.timeout, [&](const api::RlsMigration& now) { return now.status.phase == command.to; });
  if (!arrived) return arrived.error();
  if (!*arrived) {
    return transient("TimedOut", printable(subject.project()) + " is in " + phase_of(subject.migration()) +
                                     " after " + format_duration(command.timeout) +
                                     ", and the hold stands: " + said_of(subject.migration()));
  }
  terminal.out << "✓ " << printable(subject.project()) << " is in " << to_string(command.to) << "\n";
  return {};
}

Result<std::vector<std::string>> list(kube::Client& client, const char* plural, const std::string& ns) {
  auto found = client.list({std::string(api::kGroupVersion), plural, ns}, kCallTimeout);
  if (!found) return for_people(found.error(), {"", "list", plural, ns, kMayLook});
  return found;
}

}  // namespace

Result<void> approve(const Approve& command, const Terminal& terminal) {
  const Time now = time_now();
  std::optional<Time> expires;
  if (!command.expires.empty()) {
    expires = parse_expiry(command.expires, now);
    if (!expires || *expires <= now)
      return rls::terminal("InvalidExpiry",
                           "--expires " + rls::quoted(command.expires) + " is not in the future");
  }
  Seam seam;
  auto subject = Subject::find(command.cluster, command.migration, seam);
  if (!subject) return subject.error();
  const auto who = who_am_i(subject->client());
  if (!who) return who.error();
  if (const auto why = why_no_approval(subject->migration(), command.phase)) return *why;
  terminal.out << approval_summary(subject->migration(), command.phase, *who, now) << std::flush;
  if (auto said = ask(terminal, command.yes); !said) return said.error();

  const auto created = subject->client().call(
      kube::Client::Method::post, subject->resource("rlsapprovals"), subject->name(),
      encode_approval(subject->migration(), command.phase, *who, command.comment, expires), kCallTimeout);
  if (!created) {
    return for_people(created.error(), {*who, "create", "rlsapprovals", subject->name().ns, kMayApprove});
  }
  const auto meta = api::decode_meta(*created);
  terminal.out << "✓ " << printable(*who) << " approves that " << printable(subject->project()) << " enters "
               << to_string(command.phase)
               << (meta ? " (rlsapproval " + printable(meta->name.name) + ")" : "") << "\n";
  return {};
}

Result<void> resume(const Resume& command, const Terminal& terminal) {
  Seam seam;
  auto subject = Subject::find(command.cluster, command.migration, seam);
  if (!subject) return subject.error();
  const Hold before = hold_of(subject->migration());
  if (auto done = subject->annotate(api::kResumeAnnotation, this_moment()); !done) return done.error();
  const std::string project = printable(subject->project());
  if (!before.in_database) {
    terminal.out << "✓ asked; the status shows no hold of " << project << " in the database\n";
  } else if (!command.wait) {
    terminal.out << "✓ asked: the operator clears the hold of " << project << " at once\n";
  } else {
    const auto gone = subject->wait(command.timeout,
                                    [](const api::RlsMigration& now) { return !hold_of(now).in_database; });
    if (!gone) return gone.error();
    if (!*gone) {
      return transient("TimedOut", project + " is still held after " + format_duration(command.timeout) +
                                       ": " + hold_of(subject->migration()).message);
    }
    terminal.out << "✓ the hold of " << project << " in the database is gone\n";
  }
  if (before.by_annotation) {
    terminal.out << "it is held by an annotation as well, which only you take away: kubectl --namespace "
                 << subject->name().ns << " annotate rlsmigration " << subject->name().name << " "
                 << api::kHoldAtAnnotation << "-\n";
  }
  return {};
}

Result<void> rollback(const Rollback& command, const Terminal& terminal) {
  if (command.migration.empty()) return roll_back_project(command, terminal);
  Seam seam;
  auto subject = Subject::find(command.target, command.migration, seam);
  if (!subject) return subject.error();
  const api::RlsMigration& migration = subject->migration();
  if (!migration.spec_problem.empty()) return rls::terminal("InvalidSpec", migration.spec_problem);
  if (const auto why = why_no_rollback(migration, command.to)) return *why;

  Rollback of_migration = command;
  of_migration.target.ns = subject->name().ns;
  if (command.target.uri_file.empty()) of_migration.target.database = migration.spec.database;
  if (auto held = set_hold(of_migration, subject->project(), migration.resume); !held) {
    if (held.error().reason != "HeldLower" && held.error().reason != "InvalidName")
      hint_at_annotation(command, *subject, terminal);
    return held.error();
  }
  terminal.out << "✓ " << printable(subject->project()) << " is held at " << to_string(command.to)
               << " in the database\n"
               << std::flush;
  // The hold is what counts: without this the operator sees it a little later.
  if (auto asked = subject->annotate(api::kRequestedAtAnnotation, this_moment()); !asked) {
    terminal.err << "the operator could not be asked to look at once, and will see it at its next look: "
                 << printable(asked.error().message) << "\n";
  }
  return command.wait ? wait_for_phase(command, *subject, terminal) : Result<void>();
}

Result<void> status(const Status& command, const Terminal& terminal) {
  Seam seam;
  auto client = reach_api_server(command.cluster, seam);
  if (!client) return client.error();
  const std::string ns = command.all_namespaces ? "" : namespace_of(command.cluster);
  Overview overview;
  overview.many_namespaces = command.all_namespaces;
  const auto wanted = [&](const std::string& database) {
    return command.database.empty() || database == command.database;
  };
  const auto migrations = list(**client, "rlsmigrations", ns);
  if (!migrations) return migrations.error();
  for (const std::string& json : *migrations) {
    auto migration = api::decode_migration(json);
    if (!migration) return migration.error();
    // What cannot be read may be of any database.
    if (!migration->spec_problem.empty() || wanted(migration->spec.database))
      overview.migrations.push_back(std::move(*migration));
  }
  const auto rollouts = list(**client, "rlsrollouts", ns);
  if (!rollouts) return rollouts.error();
  for (const std::string& json : *rollouts) {
    auto rollout = api::decode_rollout(json);
    if (!rollout) return rollout.error();
    if (!rollout->spec_problem.empty() || wanted(rollout->spec.database))
      overview.rollouts.push_back(std::move(*rollout));
  }
  terminal.out << (command.json ? overview_json(overview)
                                : overview_text(overview, time_now(), terminal.colours));
  return {};
}

Result<void> explain(const Explain& command, const Terminal& terminal) {
  Seam seam;
  const auto subject = Subject::find(command.cluster, command.migration, seam);
  if (!subject) return subject.error();
  terminal.out << explanation(subject->migration(), time_now(), terminal.colours);
  return {};
}

}  // namespace rls::ctl
