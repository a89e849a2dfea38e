#pragma once
// RlsApproval: a person's yes to one step up of one project (design 2-api, RlsApproval). Whether the person
// is who the object says is the work of the API server's admission: see reconcile/admission.

#include <optional>
#include <string>
#include <string_view>

#include "controller/api/object.hpp"
#include "controller/api/phase.hpp"
#include "controller/base/result.hpp"
#include "controller/base/time.hpp"

namespace rls::api {

struct RlsApproval {
  ObjectMeta meta;
  std::string migration;        ///< migrationRef.name, in the same namespace
  Phase phase = Phase::shadow;  ///< the phase entered; never pending
  std::string approver;         ///< as the API server knows the person
  std::string evidence_digest;  ///< counts while the migration's status has the same
  std::string comment;
  std::optional<Time> expires;  ///< from then on it does not count; none: never
  bool operator==(const RlsApproval&) const = default;
};

/// Decodes one object as the API server sends it, strictly: what the CRD would refuse is InvalidSpec
/// (terminal; the message names the field), what is no JSON object InvalidObject. Such an object approves
/// nothing.
Result<RlsApproval> decode_approval(std::string_view json);

}  // namespace rls::api
