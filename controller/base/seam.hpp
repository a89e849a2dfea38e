#pragma once
// The seam: every call of the Kubernetes API and every SQL statement passes here, gets a number, and can be
// made to fail. Production only counts; tests kill the process or cut the reply at any number they choose
// (shared with design 6-quality: kill points are generated, not hand-picked).

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "controller/base/result.hpp"

namespace rls {

enum class CallKind { api, sql };
std::string_view to_string(CallKind kind);

/// What is to happen to one call.
enum class Fault {
  none,
  fail_before,  ///< the call is not made; its caller sees a lost connection
  lose_reply,   ///< the call is made; its caller sees a lost connection
  kill_before,  ///< the process dies before the call is made
  kill_after,   ///< the process dies after the call was made, before its caller knows
};

/// Thread-safe. One per process, handed to the clients' constructors.
class Seam {
 public:
  virtual ~Seam() = default;

  /// Called once before each call. `what` names it: "PUT rlsmigrations/status", "observe_projects".
  /// A kill does not return.
  Fault enter(CallKind kind, std::string_view what);
  /// Called after the call was made and before its result is looked at, with what `enter` said.
  /// True: the reply is lost, behave as if the connection had broken.
  [[nodiscard]] bool reply_lost(Fault fault) const;

  /// Calls seen so far, of both kinds.
  [[nodiscard]] std::uint64_t calls() const { return calls_.load(std::memory_order_relaxed); }

 protected:
  /// The choice; `number` counts from 1.
  virtual Fault choose(std::uint64_t number, CallKind kind, std::string_view what);

 private:
  std::atomic<std::uint64_t> calls_{0};
};

/// One planned fault at one number, as text: "17:kill-after", "3:lose-reply", "9:fail-before".
/// With a kind in front the count is of that kind alone: "sql:4:lose-reply". With a call's name, of the calls
/// of that name: "PUT rlsmigrations/status#2:kill-after".
struct FaultPlan {
  std::optional<CallKind> kind;
  std::uint64_t number = 0;
  Fault fault = Fault::none;
  std::string what{};  ///< the name of the calls that are counted; empty: any
};
Result<FaultPlan> parse_fault_plan(std::string_view text);

/// Carries one FaultPlan out, once.
class PlannedSeam final : public Seam {
 public:
  explicit PlannedSeam(FaultPlan plan) : plan_(plan) {}

 private:
  Fault choose(std::uint64_t number, CallKind kind, std::string_view what) override;

  const FaultPlan plan_;
  std::atomic<std::uint64_t> count_{0};  // of the calls that the plan speaks of
};

}  // namespace rls
