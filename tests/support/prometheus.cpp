#include "tests/support/prometheus.hpp"

#include <signal.h>

#include <chrono>
#include <fstream>
#include <stdexcept>
#include <thread>

namespace rls::test {
namespace {

using namespace std::chrono_literals;

/// It takes any port that is free, and its log says which.
std::vector<std::string> arguments(const std::string& home, const std::string& path) {
  std::ofstream(home + "/prometheus.yml") << "global: {scrape_interval: 1s}\n";
  return {"prometheus",
          "--config.file=" + home + "/prometheus.yml",
          "--storage.tsdb.path=" + home + "/prometheus",
          "--web.listen-address=127.0.0.1:0",
          "--web.external-url=http://localhost" + path,
          "--log.level=info"};
}

}  // namespace

Prometheus::Prometheus(const std::string& home, const std::string& path)
    : process_(arguments(home, path), home + "/prometheus.log") {
  static const std::string kListening = "msg=\"Listening on\" address=";
  const auto deadline = std::chrono::steady_clock::now() + 120s;
  while (url_.empty() || !run({"curl", "-fsS", "--max-time", "30", url_ + "/-/ready"}).ok()) {
    const std::string log = process_.log();
    const auto at = log.find(kListening);
    const auto end = log.find('\n', at);
    if (at != std::string::npos && end != std::string::npos) {
      const auto begin = at + kListening.size();
      url_ = "http://" + log.substr(begin, end - begin) + path;
    }
    if (!process_.running() || std::chrono::steady_clock::now() > deadline) {
      throw std::runtime_error("Prometheus did not start:\n" + log);
    }
    std::this_thread::sleep_for(50ms);
  }
}

Prometheus::~Prometheus() {
  process_.signal(SIGTERM);
  process_.wait(60s);
}

}  // namespace rls::test
