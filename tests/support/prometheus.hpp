#pragma once
// A genuine Prometheus of a test's own, which scrapes nothing.

#include <string>

#include "tests/support/process.hpp"

namespace rls::test {

class Prometheus {
 public:
  /// Its files are in the folder `home`, which the caller removes; `path`: below which it is served, as
  /// behind an ingress. Waits until it answers; throws where it does not.
  explicit Prometheus(const std::string& home, const std::string& path = {});
  ~Prometheus();
  Prometheus(const Prometheus&) = delete;
  Prometheus& operator=(const Prometheus&) = delete;

  /// "http://127.0.0.1:<any free port><path>"
  [[nodiscard]] const std::string& url() const { return url_; }
  [[nodiscard]] std::string log() const { return process_.log(); }

 private:
  Background process_;
  std::string url_;
};

}  // namespace rls::test
