#include "controller/checks/job_manifest.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "controller/base/text.hpp"

namespace rls::checks {
namespace {

using nlohmann::json;

constexpr std::size_t kLargestTemplate = 64 * 1024;
/// A Job's name becomes a label of its Pods: 63 characters at most, ten of them digits, and a dash.
constexpr std::size_t kLongestLabel = 63;
constexpr std::size_t kDigits = 10;
constexpr int kDeadlineSeconds = 3600;
constexpr int kKeptSeconds = 86'400;

std::string sha256(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr);
  static constexpr std::string_view kHex = "0123456789abcdef";
  std::string hex;
  for (unsigned i = 0; i < size; ++i) {
    hex += kHex[digest[i] >> 4U];
    hex += kHex[digest[i] & 0xFU];
  }
  return hex;
}

bool is_label(std::string_view name) {
  const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= kLongestLabel && alphanumeric(name.front()) &&
         alphanumeric(name.back()) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return alphanumeric(c) || c == '-'; });
}

/// Each part with its length in front: no two lists of parts read the same.
std::string digest_of(const JobOwner& owner, const api::CheckSpec& check) {
  std::string all;
  for (const std::string& part : {owner.uid, check.name, check.job->template_json, owner.subject}) {
    all += std::to_string(part.size()) + ":" + part;
  }
  return sha256(all);
}

Error refused(const std::string& what) { return terminal("InvalidJobTemplate", "job.template" + what); }

/// What else stands in an object than `allowed`; empty: nothing.
std::string surplus(const json& object, std::initializer_list<std::string_view> allowed) {
  for (const auto& [key, value] : object.items()) {
    if (std::find(allowed.begin(), allowed.end(), key) == allowed.end()) return key;
  }
  return {};
}

Result<void> check_texts(const json& metadata, const char* field) {
  const auto found = metadata.find(field);
  if (found == metadata.end()) return {};
  const std::string where = std::string(".metadata.") + field;
  if (!found->is_object()) return refused(where + " must be an object of texts");
  for (const auto& [key, value] : found->items()) {
    if (!value.is_string()) return refused(where + "[" + rls::quoted(key) + "] must be a text");
    if (key.starts_with("rls-operator.dev/")) {
      return refused(where + "[" + rls::quoted(key) + "] is the operator's to set; leave it out");
    }
  }
  return {};
}

Result<void> check_metadata(const json& job) {
  const auto found = job.find("metadata");
  if (found == job.end()) return {};
  if (!found->is_object()) return refused(".metadata must be an object");
  if (const std::string key = surplus(*found, {"labels", "annotations"}); !key.empty()) {
    return refused(".metadata." + truncated(key, 100) +
                   " is not the template's to set: labels and annotations are; leave it out");
  }
  if (const auto good = check_texts(*found, "labels"); !good) return good.error();
  return check_texts(*found, "annotations");
}

Result<json> parse_template(const std::string& text) {
  if (text.size() > kLargestTemplate) return refused(" is larger than 64 KiB");
  json job = json::parse(text, nullptr, false);
  if (!job.is_object()) return refused(" must be an object with metadata and spec of a Job");
  if (const std::string key = surplus(job, {"metadata", "spec"}); !key.empty()) {
    return refused("." + truncated(key, 100) + " has no place there: metadata and spec have; leave it out");
  }
  if (const auto good = check_metadata(job); !good) return good.error();
  const auto spec = job.find("spec");
  if (spec == job.end() || !spec->is_object()) return refused(".spec must be the spec of a Job");
  return job;
}

void set_where_missing(json& spec, const char* field, int seconds) {
  if (const auto found = spec.find(field); found == spec.end() || found->is_null()) spec[field] = seconds;
}

json owner_reference(const JobOwner& owner) {
  return {{"apiVersion", api::kGroupVersion},
          {"kind", "RlsMigration"},
          {"name", owner.migration.name},
          {"uid", owner.uid}};
}

}  // namespace

Result<JobIdentity> job_identity(const JobOwner& owner, const api::CheckSpec& check) {
  if (!is_label(check.name)) {
    return terminal("InvalidCheckName",
                    "the name of a check with a Job must be up to 63 lower-case letters, "
                    "digits and -, not " +
                        rls::quoted(check.name));
  }
  JobIdentity identity;
  identity.digest = digest_of(owner, check);
  std::string front = check.name.substr(0, kLongestLabel - kDigits - 1);
  while (front.ends_with('-')) front.pop_back();
  identity.name = {owner.migration.ns, front + "-" + identity.digest.substr(0, kDigits)};
  return identity;
}

Result<std::string> job_manifest(const JobOwner& owner, const api::CheckSpec& check,
                                 const JobIdentity& identity) {
  auto parsed = parse_template(check.job->template_json);
  if (!parsed) return parsed.error();
  json& job = *parsed;
  job["apiVersion"] = "batch/v1";
  job["kind"] = "Job";
  json& metadata = job["metadata"];
  metadata["name"] = identity.name.name;
  metadata["namespace"] = identity.name.ns;
  metadata["labels"][std::string(kMigrationUidLabel)] = owner.uid;
  metadata["labels"][std::string(kCheckLabel)] = check.name;
  metadata["annotations"][std::string(kDigestAnnotation)] = identity.digest;
  metadata["ownerReferences"] = json::array({owner_reference(owner)});
  set_where_missing(job["spec"], "activeDeadlineSeconds", kDeadlineSeconds);
  set_where_missing(job["spec"], "ttlSecondsAfterFinished", kKeptSeconds);
  return job.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace rls::checks
