#pragma once
// One way through the operator's work, watched and broken through the proxy, and what must be true after it.

#include <chrono>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "tests/support/api_proxy.hpp"
#include "tests/support/world.hpp"

namespace rls::test {

/// One fault at one place of the scenario: the `number`th (from 1) request of a kind, or the `number`th event
/// of a watch ("WATCH rlsmigrations" counts as a request, "event rlsmigrations" as an event).
struct FaultAt {
  std::string what;
  int number = 0;
  std::string fault;  ///< empty: none
  [[nodiscard]] std::string name() const {
    return fault.empty() ? "none" : what + " " + std::to_string(number) + " " + fault;
  }
};

/// What every fault is asked to survive.
extern const std::vector<std::string> kEventFaults, kWriteFaults, kReadFaults;

/// An operator that reaches its API server through the proxy.
struct ProxiedWorld {
  explicit ProxiedWorld(const FaultAt& fault = {});
  ~ProxiedWorld();

  void start(const std::vector<std::string>& flags = {}) { world.start_operator(flags); }
  /// Whether each of `phases` (object = project: phase) is reached: in the database, in a status that is not
  /// behind the spec and equals it, and nothing is waited for. "" or what is missing.
  std::string missing(const std::map<std::string, std::string>& phases);
  bool reaches(const std::map<std::string, std::string>& phases,
               std::chrono::seconds limit = std::chrono::seconds{40});
  /// "sm: >pending pending>shadow; …" of all projects that ever moved.
  std::string ledger();
  /// Phases that a status told of and the ledger never held; "" where all is well.
  std::string lies();

  World world;
  // Guarded by mutex.
  std::mutex mutex;
  std::map<std::string, int> seen;                     ///< requests and events by kind
  std::set<std::pair<std::string, std::string>> told;  ///< object and status.phase that the server took
  bool came = false;                                   ///< the fault's place was reached
  std::string held;                                    ///< an event that comes later
  ApiProxy proxy;

 private:
  Verdict on_request(ApiRequest& request, const FaultAt& fault);
  Stream on_line(const ApiRequest& request, const std::string& line, const SendLine& send,
                 const FaultAt& fault);
};

/// Two projects go up, one is taken down by its spec and one by a hold, which is deleted and made anew.
struct Scenario {
  std::string wrong;  ///< "": all is as it must be
  std::string ledger;
  std::map<std::string, int> seen;
  bool came = false;
};
Scenario play(const FaultAt& fault);

}  // namespace rls::test
