#include "controller/checks/job_check.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "controller/base/text.hpp"

namespace rls::checks {
namespace {

using nlohmann::json;
using std::chrono::seconds;

constexpr std::chrono::milliseconds kCall{5'000};
constexpr Duration kSoon = seconds{5};
constexpr Duration kRested = std::chrono::minutes{5};

kube::Resource jobs(const std::string& ns) { return {"batch/v1", "jobs", ns}; }

/// The text at that path; empty where there is none.
std::string text_at(const json& object, std::initializer_list<std::string_view> path) {
  const json* at = &object;
  for (const std::string_view key : path) {
    const auto found = at->is_object() ? at->find(key) : at->end();
    if (!at->is_object() || found == at->end()) return {};
    at = &*found;
  }
  return at->is_string() ? at->get<std::string>() : std::string{};
}

void read_end(const json& job, JobSeen& seen) {
  const auto status = job.find("status");
  if (status == job.end() || !status->is_object()) return;
  const auto conditions = status->find("conditions");
  if (conditions == status->end() || !conditions->is_array()) return;
  for (const json& condition : *conditions) {
    if (text_at(condition, {"status"}) != "True") continue;
    const std::string type = text_at(condition, {"type"});
    if (type != "Complete" && type != "Failed") continue;
    seen.end = type == "Complete" ? JobSeen::End::complete : JobSeen::End::failed;
    seen.reason = text_at(condition, {"reason"});
    seen.ended_at = parse_rfc3339(text_at(condition, {"lastTransitionTime"}));
  }
}

std::string shown(const JobIdentity& identity) { return "Job " + identity.name.name; }

Outcome look_again(Outcome outcome, Duration in) {
  outcome.again_in = in;
  return outcome;
}

Outcome under_way(const JobIdentity& identity, std::string_view what) {
  return look_again(running(shown(identity) + " " + std::string(what)), kSoon);
}

/// What cannot be asked now is asked again; what was refused is said.
Outcome refused(const Error& error) {
  return error.kind == ErrorKind::transient ? unheard(error.message) : unknown(error.message);
}

Outcome make(const JobOwner& owner, const api::CheckSpec& check, const JobIdentity& identity,
             kube::Client& client) {
  auto manifest = job_manifest(owner, check, identity);
  if (!manifest) return unknown(manifest.error().message);
  const auto made = client.call(kube::Client::Method::post, jobs(identity.name.ns), identity.name,
                                std::move(*manifest), kCall);
  // A name that is taken: somebody was faster, perhaps ourselves. The next look tells whose it is.
  if (made || made.error().reason == "AlreadyExists") return under_way(identity, "was made");
  return refused(made.error());
}

/// Of a Job that has ended.
Outcome ended(const JobSeen& seen, const JobIdentity& identity) {
  if (seen.end == JobSeen::End::complete) return passed(shown(identity) + " succeeded");
  return failed(shown(identity) + " failed" +
                (seen.reason.empty() ? "" : ": " + truncated(seen.reason, 100)));
}

Outcome run_anew(const JobSeen& seen, const JobIdentity& identity, kube::Client& client) {
  const auto deleted = client.delete_object(jobs(identity.name.ns), identity.name, seen.uid, kCall);
  if (!deleted && deleted.error().reason != "NotFound") return refused(deleted.error());
  return under_way(identity, "runs again");
}

Outcome look(const JobSeen& seen, const JobIdentity& identity, const api::CheckSpec& check,
             kube::Client& client, Time now) {
  if (!seen.ours) {
    return unknown(shown(identity) + " is not of this check: it lacks the label " +
                   std::string(kMigrationUidLabel) + " or the annotation " + std::string(kDigestAnnotation) +
                   " that it would have; delete it");
  }
  if (seen.going) return under_way(identity, "is being deleted and then runs again");
  if (seen.end == JobSeen::End::none) return under_way(identity, "is running");
  if (!check.every) return look_again(ended(seen, identity), kRested);
  const Duration rest = seen.ended_at.value_or(now) + *check.every - now;
  if (rest <= Duration::zero()) return run_anew(seen, identity, client);
  return look_again(ended(seen, identity), std::clamp(rest, kSoon, kRested));
}

}  // namespace

Result<JobSeen> read_job(std::string_view text, const JobOwner& owner, const JobIdentity& identity) {
  const json job = json::parse(text, nullptr, false);
  JobSeen seen;
  seen.uid = text_at(job, {"metadata", "uid"});
  if (seen.uid.empty()) return transient("InvalidReply", "the API server's reply is no Job");
  seen.ours = text_at(job, {"metadata", "labels", kMigrationUidLabel}) == owner.uid &&
              text_at(job, {"metadata", "annotations", kDigestAnnotation}) == identity.digest;
  seen.going = !text_at(job, {"metadata", "deletionTimestamp"}).empty();
  read_end(job, seen);
  return seen;
}

Outcome run_job_check(const JobOwner& owner, const api::CheckSpec& check, kube::Client& client, Time now,
                      const std::stop_token& stop) {
  const auto identity = job_identity(owner, check);
  if (!identity) return unknown(identity.error().message);
  const auto found =
      client.call(kube::Client::Method::get, jobs(identity->name.ns), identity->name, {}, kCall);
  if (stop.stop_requested()) return unheard("stopped");
  if (!found) {
    return found.error().reason == "NotFound" ? make(owner, check, *identity, client)
                                              : refused(found.error());
  }
  const auto seen = read_job(*found, owner, *identity);
  return seen ? look(*seen, *identity, check, client, now) : refused(seen.error());
}

Result<void> delete_stale_jobs(const JobOwner& owner, std::span<const api::CheckSpec> wanted,
                               kube::Client& client, const std::stop_token& stop) {
  std::set<std::string> kept;
  for (const api::CheckSpec& check : wanted) {
    if (!check.job) continue;
    if (const auto identity = job_identity(owner, check)) kept.insert(identity->name.name);
  }
  const kube::Resource resource = jobs(owner.migration.ns);
  const auto listed =
      client.list_metadata(resource, std::string(kMigrationUidLabel) + "=" + owner.uid, kCall);
  if (!listed) return listed.error();
  const json list = json::parse(*listed, nullptr, false);
  const auto items = list.is_object() ? list.find("items") : list.end();
  if (!list.is_object() || items == list.end() || !items->is_array()) {
    return transient("InvalidReply", "the API server's reply is no list");
  }
  for (const json& item : *items) {
    const std::string name = text_at(item, {"metadata", "name"});
    // Only what we have made: the annotation is ours alone, while a label may have been copied.
    if (kept.contains(name) || text_at(item, {"metadata", "annotations", kDigestAnnotation}).empty())
      continue;
    if (stop.stop_requested()) return transient("Stopped", "stopped");
    const auto deleted =
        client.delete_object(resource, {owner.migration.ns, name}, text_at(item, {"metadata", "uid"}), kCall);
    if (!deleted && deleted.error().reason != "NotFound" && deleted.error().kind != ErrorKind::conflict) {
      return deleted.error();
    }
  }
  return {};
}

}  // namespace rls::checks
