#pragma once
// The Lease as JSON.

#include <string>
#include <string_view>

#include "controller/base/result.hpp"
#include "controller/base/time.hpp"
#include "controller/leader/election.hpp"

namespace rls::leader {

/// UnexpectedReply (transient) where it is no Lease.
Result<LeaseRecord> decode_lease(std::string_view json);

/// The document for a POST or PUT. `before`: the one that it replaces, whose labels and unknown fields stay;
/// empty: none. `now` becomes renewTime, and acquireTime where `acquires`.
std::string encode_lease(const LeaseRecord& record, std::string_view before, std::string_view ns,
                         std::string_view name, bool acquires, Time now);

}  // namespace rls::leader
