#include "tests/faults/kill/rehearsal.hpp"

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <thread>

namespace rls::test {

using namespace std::chrono_literals;
using nlohmann::json;

std::string Rehearsal::go() {
  try {
    play();
  } catch (const std::exception& error) {
    wrong_ += std::string("stopped by ") + error.what();
  }
  return wrong_;
}

void Rehearsal::start(Where where) {
  where_ = where;
  launch(where == plan_.where ? plan_.fault : "");
}

void Rehearsal::launch(const std::string& fault) {
  std::vector<std::string> flags = {"--leader-elect-lease-duration", "1s",
                                    "--leader-elect-renew-deadline", "800ms",
                                    "--leader-elect-retry-period",   "200ms"};
  if (!fault.empty()) flags.insert(flags.end(), {"--inject-fault", fault});
  world_.launch_operator(flags);
}

void Rehearsal::stop() {
  const int code = world_.stop_operator();
  if (code != 0 && code != 137)
    note("exit code " + std::to_string(code) + " after SIGTERM");  // 137: the fault, on the way out
  note_calls();
}

/// What the log of this process tells; a process that died is followed by one without the fault.
void Rehearsal::note_calls() {
  std::istringstream log(world_.operator_process().log());
  auto& calls = calls_[where_];
  std::vector<std::string> all;
  for (std::string line; std::getline(log, line);) {
    if (line.find("\"logger\":\"seam\"") == std::string::npos) continue;
    const json entry = json::parse(line, nullptr, false);
    if (!entry.is_object()) continue;
    if (entry.value("msg", "") == "call") all.push_back(entry.value("what", ""));
    if (entry.value("msg", "") == "the planned fault") fault_met_ = true;
  }
  // Both processes write into one file.
  calls.assign(all.begin() + static_cast<std::ptrdiff_t>(std::min(noted_, all.size())), all.end());
  noted_ = all.size();
}

void Rehearsal::reach(const std::string& stage, const std::function<bool()>& holds) {
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  while (wrong_.empty() && std::chrono::steady_clock::now() < deadline) {
    if (!world_.operator_process().running()) {
      const int code = world_.operator_process().wait(1s);
      if (code != 137) {
        note("the operator ended by itself with code " + std::to_string(code));
        break;
      }
      launch("");
    }
    wrong_ += look();
    if (wrong_.empty() && holds()) return;
    std::this_thread::sleep_for(100ms);
  }
  if (std::getenv("RLS_FAULTS_VERBOSE") != nullptr) std::cerr << world_.operator_process().log();
  throw std::runtime_error(
      stage + ", which did not end as it should: " +
      world_.sql("SELECT string_agg(project_id || ' ' || migration_phase, ', ') FROM rls_migration_status "
                 "WHERE project_id IN ('sm', 'ab', 'aa')") +
      "\n" + world_.api("GET", world_.path_of("rlsmigrations")).out.substr(0, 6000));
}

Rehearsal::Json Rehearsal::items(const std::string& plural) {
  const json list = json::parse(world_.api("GET", world_.path_of(plural)).out, nullptr, false);
  return list.is_object() ? list.value("items", json::array()) : json::array();
}

std::string Rehearsal::condition(const Json& status, const std::string& type) {
  for (const json& condition : status.value("conditions", json::array())) {
    if (condition.value("type", "") == type)
      return condition.value("status", "") + "/" + condition.value("reason", "");
  }
  return "";
}

Rehearsal::Phases Rehearsal::phases() {
  std::istringstream lines(
      world_.sql("SELECT project_id || ' ' || migration_phase FROM rls_migration_status"));
  Phases phases;
  for (std::string project, phase; lines >> project >> phase;) phases[project] = phase;
  return phases;
}

std::string Rehearsal::foreign_rows_of(const std::string& project) {
  const Output seen = world_.sql_as_application(
      project, "SELECT get_rls_mode() || ' ' || count(*) FROM nodes WHERE project_id <> '" + project + "'");
  const bool blocks = seen.out.starts_with("enforcing") || seen.out.starts_with("complete");
  return blocks && seen.out.find(" 0\n") == std::string::npos ? "foreign rows were seen: " + seen.out : "";
}

std::string Rehearsal::wrong_in_ledger(const std::string& project, const std::string& moves) {
  std::string wrong;
  const std::string is = " WHERE project_id = '" + project + "'";
  const std::string found = world_.sql(
      "SELECT string_agg(from_phase || '>' || to_phase, ' ' ORDER BY ordinal) FROM rls_operator.transition" +
      is + " AND kind = 'moved'");
  if (found != moves) wrong += "the ledger of " + project + ": " + found + "\n";
  const std::string others =
      world_.sql("SELECT count(*) FROM rls_operator.transition" + is + " AND kind <> 'moved'");
  if (others != "1") wrong += project + " has " + others + " first sights\n";
  const std::string audited =
      world_.sql("SELECT count(*) FROM rls_audit_log" + is + " AND operation = 'PHASE_CHANGE'");
  if (audited != std::to_string(std::count(moves.begin(), moves.end(), '>')))
    wrong += project + " has " + audited + " audit rows\n";
  return wrong;
}

}  // namespace rls::test
