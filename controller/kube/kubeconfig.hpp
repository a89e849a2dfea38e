#pragma once
// The kubeconfig file format.

#include <memory>
#include <string>

#include "controller/kube/credentials.hpp"

namespace rls::kube {

/// Reads one file; see Credentials.
class KubeconfigReader {
 public:
  static Result<std::unique_ptr<Credentials>> read(const std::string& path, const std::string& context,
                                                   const Surroundings& surroundings, const Clock& clock);
};

}  // namespace rls::kube
