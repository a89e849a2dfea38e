#pragma once
// A person's yes: may it be given, what is said yes to, and what a refusal means. Pure.

#include <optional>
#include <string>
#include <string_view>

#include "controller/api/migration.hpp"
#include "controller/base/result.hpp"
#include "controller/base/time.hpp"

namespace rls::ctl {

/// Why the step to `phase` cannot be approved now (terminal NothingToApprove; StatusIsOld (transient) where
/// the operator has not looked at this spec yet); none: it can.
std::optional<Error> why_no_approval(const api::RlsMigration& migration, Phase phase);

/// What `approver` says yes to, in lines.
std::string approval_summary(const api::RlsMigration& migration, Phase phase, std::string_view approver,
                             Time now);

/// The RlsApproval to create, for the evidence that the status names.
std::string encode_approval(const api::RlsMigration& migration, Phase phase, std::string_view approver,
                            std::string_view comment, const std::optional<Time>& expires);

/// "24h" from now, or a time of RFC 3339; none: neither.
std::optional<Time> parse_expiry(std::string_view text, Time now);

/// Who asked for what, in the words of RBAC.
struct Attempt {
  std::string_view who;   ///< empty: not known
  std::string_view verb;  ///< "create"
  std::string_view what;  ///< "rlsapprovals"
  std::string_view ns;    ///< empty: all
  std::string_view role;  ///< a ClusterRole that would do
};
/// `error` as people need it: the words of the policy that said no, or the role that they lack. The API
/// client speaks to whoever installs the operator. Other errors stay as they are.
Error for_people(const Error& error, const Attempt& attempt);

}  // namespace rls::ctl
