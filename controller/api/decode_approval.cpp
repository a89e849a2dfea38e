#include <algorithm>

#include "controller/api/approval.hpp"
#include "controller/api/detail/fields.hpp"
#include "controller/api/limits.hpp"
#include "controller/base/text.hpp"

namespace rls::api {
using namespace detail;  // NOLINT(google-build-using-namespace): our own
namespace {

std::optional<Phase> parse_entered(std::string_view text) {
  const auto phase = parse_phase(text);
  return phase == Phase::pending ? std::nullopt : phase;
}

void read_digest(const Fields& spec, std::string& out) {
  spec.required_text("evidenceDigest", out);
  const bool hex = std::all_of(out.begin(), out.end(),
                               [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  if (!hex || out.size() != kDigestDigits)
    spec.note("evidenceDigest",
              rls::quoted(out) + " is not 64 digits from 0 to 9 and a to f, as status.evidenceDigest is");
}

}  // namespace

Result<RlsApproval> decode_approval(std::string_view json) {
  return with_document<RlsApproval>(json, [](const Fields& document) {
    RlsApproval approval;
    approval.meta = read_meta(document);
    const Fields spec = document.child("spec");
    const Fields migration = spec.child("migrationRef");
    migration.required_text("name", approval.migration);
    check_name(migration, "name", approval.migration, kMaxObjectName);
    if (!spec.has("phase")) spec.note("phase", "required");
    spec.one_of("phase", approval.phase, parse_entered, "shadow, enforcing, complete");
    spec.required_text("approver", approval.approver);
    check_name(spec, "approver", approval.approver, kMaxApprover);
    read_digest(spec, approval.evidence_digest);
    spec.text("comment", approval.comment);
    if (characters(approval.comment) > kMaxComment)
      spec.note("comment", "longer than 1024 characters: shorten it");
    spec.time("expires", approval.expires);
    return approval;
  });
}

}  // namespace rls::api
