#pragma once
// Reads the one key of the one Secret that an RlsDatabase names.

#include <string>

#include "controller/api/database.hpp"
#include "controller/base/result.hpp"
#include "controller/kube/client.hpp"

namespace rls::reconcile {

/// The decoded value of spec.connection.secretRef. It is registered with the log's redaction before it is
/// returned. Reasons: SecretNotFound, SecretForbidden, SecretKeyMissing, SecretUnreadable (terminal: somebody
/// must change something), others transient.
Result<std::string> read_secret(kube::Client& client, const api::RlsDatabase& database);

}  // namespace rls::reconcile
