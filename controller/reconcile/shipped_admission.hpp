#pragma once
// The files of manifests/admission, embedded by embed_admission.cmake: each a policy and its binding, as
// YAML.

#include <string_view>

namespace rls::reconcile {

extern const std::string_view shipped_approvals;
extern const std::string_view shipped_overrides;
extern const std::string_view shipped_jobs;

}  // namespace rls::reconcile
