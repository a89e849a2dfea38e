#pragma once
// Which cluster this is.

#include <string>

#include "controller/base/result.hpp"
#include "controller/kube/client.hpp"

namespace rls::reconcile {

/// The uid of the namespace kube-system: it lives as long as the cluster does, and no two clusters share it.
/// Errors as Client::get.
Result<std::string> cluster_id(kube::Client& client);

}  // namespace rls::reconcile
