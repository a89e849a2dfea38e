#include "controller/base/seam.hpp"

#include <unistd.h>

#include <charconv>
#include <cstdlib>

namespace rls {
namespace {

/// Dies as a SIGKILL would leave things: no destructor, no flush, no goodbye on any socket.
[[noreturn]] void die() { ::_exit(137); }

std::optional<Fault> parse_fault(std::string_view text) {
  if (text == "fail-before") return Fault::fail_before;
  if (text == "lose-reply") return Fault::lose_reply;
  if (text == "kill-before") return Fault::kill_before;
  if (text == "kill-after") return Fault::kill_after;
  return std::nullopt;
}

}  // namespace

std::string_view to_string(CallKind kind) { return kind == CallKind::api ? "api" : "sql"; }

Fault Seam::enter(CallKind kind, std::string_view what) {
  const std::uint64_t number = calls_.fetch_add(1, std::memory_order_relaxed) + 1;
  const Fault fault = choose(number, kind, what);
  if (fault == Fault::kill_before) die();
  return fault;
}

bool Seam::reply_lost(Fault fault) const {
  if (fault == Fault::kill_after) die();
  return fault == Fault::lose_reply;
}

Fault Seam::choose(std::uint64_t, CallKind, std::string_view) { return Fault::none; }

Result<FaultPlan> parse_fault_plan(std::string_view text) {
  const std::string whole(text);
  const auto bad = [&] {
    return terminal("InvalidFaultPlan",
                    "fault plan '" + whole +
                        "': expected [api:|sql:]NUMBER:(fail-before|lose-reply|kill-before|kill-after)");
  };
  FaultPlan plan;
  if (text.starts_with("api:")) plan.kind = CallKind::api;
  if (text.starts_with("sql:")) plan.kind = CallKind::sql;
  if (plan.kind) text.remove_prefix(4);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), plan.number);
  if (error != std::errc{} || plan.number == 0) return bad();
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (!text.starts_with(':')) return bad();
  const auto fault = parse_fault(text.substr(1));
  if (!fault) return bad();
  plan.fault = *fault;
  return plan;
}

Fault PlannedSeam::choose(std::uint64_t number, CallKind kind, std::string_view) {
  const std::uint64_t mine =
      of_kind_[kind == CallKind::api ? 0 : 1].fetch_add(1, std::memory_order_relaxed) + 1;
  const std::uint64_t count = plan_.kind ? mine : number;
  const bool hit = count == plan_.number && (!plan_.kind || *plan_.kind == kind);
  return hit ? plan_.fault : Fault::none;
}

}  // namespace rls
