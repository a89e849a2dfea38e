#include "controller/base/seam.hpp"

#include <unistd.h>

#include <charconv>
#include <cstdlib>

#include "controller/base/log.hpp"

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
  log::debug("seam", "call", {{"kind", to_string(kind)}, {"what", what}});
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
  const auto bad = [whole = std::string(text)] {
    return terminal("InvalidFaultPlan", "fault plan '" + whole +
                                            "': expected [api:|sql:|NAME#]NUMBER:(fail-before|lose-reply|"
                                            "kill-before|kill-after)");
  };
  FaultPlan plan;
  if (text.starts_with("api:")) plan.kind = CallKind::api;
  if (text.starts_with("sql:")) plan.kind = CallKind::sql;
  if (plan.kind) text.remove_prefix(4);
  if (const auto name = text.find('#'); name != std::string_view::npos) {
    if (plan.kind || name == 0) return bad();
    plan.what = text.substr(0, name);
    text.remove_prefix(name + 1);
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), plan.number);
  if (error != std::errc{} || plan.number == 0) return bad();
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (!text.starts_with(':')) return bad();
  const auto fault = parse_fault(text.substr(1));
  if (!fault) return bad();
  plan.fault = *fault;
  return plan;
}

Fault PlannedSeam::choose(std::uint64_t, CallKind kind, std::string_view what) {
  if (plan_.kind && *plan_.kind != kind) return Fault::none;
  if (!plan_.what.empty() && plan_.what != what) return Fault::none;
  const bool hit = count_.fetch_add(1, std::memory_order_relaxed) + 1 == plan_.number;
  if (hit) log::warn("seam", "the planned fault", {{"kind", to_string(kind)}, {"what", what}});
  return hit ? plan_.fault : Fault::none;
}

}  // namespace rls
