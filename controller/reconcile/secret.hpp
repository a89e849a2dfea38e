#pragma once
// Reads what is needed of the one Secret that an RlsDatabase names.

#include "controller/api/database.hpp"
#include "controller/base/result.hpp"
#include "controller/kube/client.hpp"
#include "controller/postgres/dsn.hpp"

namespace rls::reconcile {

/// The decoded values of spec.connection.secretRef's key and, where it is there, of the key ca.crt beside it.
/// The former is registered with the log's redaction before it is returned. Reasons: SecretNotFound,
/// SecretForbidden, SecretKeyMissing, SecretUnreadable (terminal: somebody must change something), others
/// transient.
Result<postgres::ConnectionSecret> read_secret(kube::Client& client, const api::RlsDatabase& database);

/// The same of spec.checks.secretRef. NoChecksSecret (terminal): the RlsDatabase names none.
Result<postgres::ConnectionSecret> read_checks_secret(kube::Client& client, const api::RlsDatabase& database);

}  // namespace rls::reconcile
