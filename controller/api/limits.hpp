#pragma once
// The bounds that the CRDs set (crds/), and how a status is made to keep them. One place; the tests of crds/
// hold these against the YAML files.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "controller/api/database.hpp"
#include "controller/api/migration.hpp"
#include "controller/api/rollout.hpp"

namespace rls::api {

inline constexpr std::size_t kMaxProjectCharacters =
    50;                                                 ///< the column is varchar(50): characters, not bytes
inline constexpr std::size_t kMaxIdentifierBytes = 63;  ///< Postgres' NAMEDATALEN - 1
inline constexpr std::size_t kMaxDurationText = 32;
inline constexpr std::int64_t kMaxViolations = 1'000'000;
inline constexpr std::int64_t kMaxConnections = 100;
inline constexpr std::int64_t kMaxTransactions = 1'000'000'000;
inline constexpr std::size_t kMaxTableSpecs = 500;
inline constexpr std::size_t kMaxReadable = 200;
inline constexpr std::size_t kMaxObjectName = 253;
inline constexpr std::size_t kMaxApprover = 256;
inline constexpr std::size_t kDigestDigits = 64;  ///< of an approval's evidenceDigest: SHA-256 in hex
inline constexpr std::size_t kMaxComment = 1024;
inline constexpr std::int64_t kMaxApprovals = 20;
inline constexpr std::size_t kMaxWindows = 20;
inline constexpr std::size_t kMaxSchedule = 128;
inline constexpr std::size_t kMaxTimeZone = 64;
inline constexpr std::size_t kMaxChecks = 20;
inline constexpr std::size_t kMaxCheckName = 40;
inline constexpr std::size_t kMaxQuery = 4096;
inline constexpr std::size_t kMaxUrl = 512;
inline constexpr std::size_t kMaxExpect = 256;
inline constexpr std::size_t kMaxWaves = 50;
inline constexpr std::size_t kMaxWaveProjects = 200;
inline constexpr std::size_t kMaxWaveName = 63;     ///< the value of a label
inline constexpr std::size_t kMaxRolloutName = 63;  ///< the same
inline constexpr std::size_t kMaxOverrides = 20;
inline constexpr std::size_t kMaxAccepted = 50;  ///< findings
inline constexpr std::size_t kMaxGroupMembers = 200;
inline constexpr Duration kMinCheckEvery = std::chrono::seconds{5};
inline constexpr Duration kMaxCheckEvery = std::chrono::hours{24};
inline constexpr Duration kMinAuditRetention = std::chrono::hours{1};
inline constexpr Duration kMaxAuditRetention = std::chrono::hours{87600};
inline constexpr Duration kMaxSoak = std::chrono::hours{8760};
inline constexpr Duration kMinLockTimeout = std::chrono::milliseconds{10};
inline constexpr Duration kMaxLockTimeout = std::chrono::minutes{1};
inline constexpr Duration kMinStatementTimeout = std::chrono::milliseconds{100};
inline constexpr Duration kMaxStatementTimeout = std::chrono::minutes{10};

// Of the status. Texts: bytes, so that no text has more characters than the CRD lets through.
inline constexpr std::size_t kMaxMessage = 1024;
inline constexpr std::size_t kMaxReason = 256;
inline constexpr std::size_t kMaxShort = 256;  ///< observed, required, table, user, blockedBy, …
inline constexpr std::size_t kMaxEcho = 256;   ///< lastHandledReconcileAt
inline constexpr std::size_t kMaxDigest = 64;
inline constexpr std::size_t kMaxGates = 20;
inline constexpr std::size_t kMaxTables = 20;
inline constexpr std::size_t kMaxSamples = 5;
inline constexpr std::size_t kMaxHistory = 10;
inline constexpr std::size_t kMaxConditions = 16;
inline constexpr std::size_t kMaxProjectCounts = 16;
inline constexpr std::size_t kMaxListedTables = 50;
inline constexpr std::size_t kMaxDrift = 20;
inline constexpr std::size_t kMaxFindings = 20;
inline constexpr std::size_t kMaxColumns = 16;  ///< of an adopted table

/// `text` as well-formed UTF-8 of at most `max_bytes`, cut on a character's border.
std::string cut(std::string_view text, std::size_t max_bytes);

/// Makes a status that was put together from what a database says fit the CRD, so that the API server never
/// refuses it: lists and texts are cut, bad UTF-8 is replaced, `eligibleAt` is rounded up and the times of
/// gates and conditions are rounded down to the second. Call it before comparing with the status that stands:
/// decode(encode(x)) == x holds for every x that fits.
void fit(MigrationStatus& status);
void fit(DatabaseStatus& status);
void fit(RolloutStatus& status);

}  // namespace rls::api
