#pragma once
// Exponential backoff with full jitter's lower half kept: between half of the step and the step.

#include <chrono>
#include <cstdint>
#include <random>

namespace rls {

struct BackoffPolicy {
  std::chrono::milliseconds first{200};
  std::chrono::milliseconds longest{60'000};
};

/// The pause before try `failures` + 1 (`failures` ≥ 1): first·2^(failures−1), at most `longest`, jittered.
inline std::chrono::milliseconds backoff(const BackoffPolicy& policy, unsigned failures,
                                         std::minstd_rand& random) {
  std::int64_t step = policy.first.count();
  for (unsigned i = 1; i < failures && step > 0 && step < policy.longest.count(); ++i) step *= 2;
  if (step > policy.longest.count()) step = policy.longest.count();
  std::uniform_int_distribution<std::int64_t> jitter(step / 2, step);
  return std::chrono::milliseconds{jitter(random)};
}

}  // namespace rls
