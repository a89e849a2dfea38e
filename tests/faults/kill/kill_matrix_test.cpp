// Kill points, generated: the run is repeated once for each call of the Kubernetes API and each SQL statement
// that it made, with the process killed before it, killed after it, or its reply lost (issue: kill points;
// design 6-quality: faults to survive). What counts at the end is that nobody can tell the difference.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <iostream>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "tests/support/world.hpp"

namespace rls::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

/// So many worlds at the same time: the servers are shared, and two processors are kept busy.
constexpr unsigned kAtOnce = 4;
/// Of more plans than this every n-th is run, unless RLS_FAULTS=full.
constexpr std::size_t kPlans = 120;

/// Which of the two processes of a run has the fault.
enum class Where { first_start, restart };

struct Plan {
  Where where = Where::first_start;
  std::string fault;  // as --inject-fault takes it; empty: none

  [[nodiscard]] std::string name() const {
    return std::string(where == Where::first_start ? "first start, " : "restart, ") + fault;
  }
};

/// One run: two processes of the operator one after the other, and what a person asks of them.
///   first start  schema and claim, first sight, sm one step up, ab two
///   restart      ab down to pending, sm held by a DBA, aa two steps up; then sm released
class Rehearsal {
 public:
  Rehearsal(Plan plan, bool managed) : plan_(std::move(plan)), managed_(managed) {}

  /// What is wrong; empty: it survived.
  std::string go() {
    try {
      if (managed_) {
        create_managed_database();
      } else {
        world_.create_database();
      }
      add("sm", "shadow");
      add("ab", "enforcing");
      start(Where::first_start);
      if (!reach({{"sm", "shadow"}, {"ab", "enforcing"}})) return failure("the first start");
      stop();

      ask("ab", "pending");
      add("aa", "enforcing");
      world_.sql("SELECT rls_operator.hold('sm', 'pending', 'a DBA says so')");
      start(Where::restart);
      if (!reach({{"sm", "pending"}, {"ab", "pending"}, {"aa", "enforcing"}})) return failure("the restart");
      world_.sql("SELECT rls_operator.release('sm')");
      if (!reach({{"sm", "shadow"}, {"ab", "pending"}, {"aa", "enforcing"}})) return failure("the release");
      stop();
      check_database();
    } catch (const std::exception& error) {
      wrong_ += std::string("stopped by ") + error.what();
    }
    return wrong_;
  }

  /// The calls that each process made, in their order.
  [[nodiscard]] const std::map<Where, std::vector<std::string>>& calls() const { return calls_; }
  [[nodiscard]] bool fault_met() const { return fault_met_; }

 private:
  /// An application of its own in the same database, whose tables the operator protects; its names come
  /// before the sample's.
  void create_managed_database() {
    world_.sql(
        "DO $$ BEGIN CREATE ROLE e2e_managed_owner; EXCEPTION WHEN duplicate_object OR unique_violation THEN "
        "NULL; END $$");
    world_.sql(
        "SELECT pg_advisory_lock(hashtext('managed owner')); DO $$ BEGIN IF NOT "
        "pg_has_role('rls_operator_role', "
        "'e2e_managed_owner', 'MEMBER') THEN GRANT e2e_managed_owner TO rls_operator_role; END IF; END $$");
    world_.sql(
        "CREATE SCHEMA shop AUTHORIZATION e2e_managed_owner; SET ROLE e2e_managed_owner; CREATE TABLE "
        "shop.nodes (id int "
        "PRIMARY KEY, project_id text NOT NULL); CREATE INDEX ON shop.nodes (project_id); INSERT INTO "
        "shop.nodes SELECT i, "
        "(ARRAY['sm', 'ab', 'aa'])[1 + i % 3] FROM generate_series(1, 30) i; CREATE TABLE shop.parts "
        "(project_id text NOT NULL); "
        "GRANT USAGE ON SCHEMA shop TO app_user; GRANT SELECT ON shop.nodes, shop.parts TO app_user; RESET "
        "ROLE; ALTER DATABASE \"" +
        world_.database() + "\" SET search_path = rls, shop, public");
    world_.create_secret(world_.operator_uri());
    const Output applied = world_.apply(
        "apiVersion: rls-operator.dev/v1alpha1\nkind: RlsDatabase\nmetadata: {name: main}\nspec:\n"
        "  connection: {secretRef: {name: main-db}}\n  runtime: {mode: Managed}\n  tables: [{name: "
        "shop.*}]\n");
    if (!applied.ok()) throw std::runtime_error(applied.out);
  }

  void add(const std::string& name, const std::string& phase) {
    // The probe reads others' rows, and is noted.
    json gates = {{"shadowSoak", "0s"}, {"enforcingSoak", "0s"}};
    if (managed_) gates.update(json{{"maxViolations", 1000000}, {"minTransactions", 0}, {"review", "None"}});
    const json object = {
        {"apiVersion", "rls-operator.dev/v1alpha1"},
        {"kind", "RlsMigration"},
        {"metadata", {{"name", name}}},
        {"spec",
         {{"databaseRef", {{"name", "main"}}}, {"project", name}, {"phase", phase}, {"gates", gates}}}};
    const Output made = world_.api("POST", world_.path_of("rlsmigrations"), object.dump());
    if (!made.ok()) throw std::runtime_error(made.out);
  }

  void ask(const std::string& name, const std::string& phase) {
    const Output asked = world_.api("PATCH", world_.path_of("rlsmigrations/" + name),
                                    json{{"spec", {{"phase", phase}}}}.dump());
    if (!asked.ok()) throw std::runtime_error(asked.out);
  }

  void start(Where where) {
    where_ = where;
    launch(where == plan_.where ? plan_.fault : "");
  }

  void launch(const std::string& fault) {
    std::vector<std::string> flags = {"--leader-elect-lease-duration", "1s",
                                      "--leader-elect-renew-deadline", "800ms",
                                      "--leader-elect-retry-period",   "200ms"};
    if (!fault.empty()) flags.insert(flags.end(), {"--inject-fault", fault});
    world_.launch_operator(flags);
  }

  void stop() {
    const int code = world_.stop_operator();
    if (code != 0 && code != 137)
      wrong_ += "exit code " + std::to_string(code) + " after SIGTERM\n";  // 137: the fault, on the way out
    note_calls();
  }

  /// What the log of this process tells; a process that died is followed by one without the fault.
  void note_calls() {
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

  using Phases = std::map<std::string, std::string>;

  /// Until database and statuses are there and hold; the operator is started again where the fault killed it.
  bool reach(const Phases& wanted) {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (std::chrono::steady_clock::now() < deadline) {
      if (!world_.operator_process().running()) {
        const int code = world_.operator_process().wait(1s);
        if (code != 137) {
          wrong_ += "the operator ended by itself with code " + std::to_string(code) + "\n";
          return false;
        }
        launch("");
      }
      look_for_foreign_rows();
      if (settled(wanted)) return true;
      if (!wrong_.empty()) return false;
      std::this_thread::sleep_for(100ms);
    }
    return false;
  }

  bool settled(const Phases& wanted) {
    const json list = json::parse(world_.api("GET", world_.path_of("rlsmigrations")).out, nullptr, false);
    if (!list.is_object() || !list.contains("items")) return false;
    bool all = true;
    Phases told;
    for (const json& item : list["items"]) {
      const std::string name = item["metadata"]["name"];
      const json status = item.value("status", json::object());
      if (status.contains("phase")) told[name] = status["phase"];
      all = all && status.value("observedGeneration", -1) == item["metadata"]["generation"] &&
            status.value("phase", "") == wanted.at(name) && condition(status, "Reconciling").empty() &&
            condition(status, "Stalled").empty();
    }
    // Read after the statuses: what they claim must have been true by then.
    for (const auto& [name, phase] : told) {
      const auto known = ledgered(name);
      if (std::find(known.begin(), known.end(), phase) == known.end()) {
        wrong_ += "the status of " + name + " says " + phase + ", which the database never was\n";
      }
    }
    for (const auto& [name, phase] : wanted) all = all && world_.phase_in_database(name) == phase;
    return all;
  }

  static std::string condition(const json& status, const std::string& type) {
    for (const json& condition : status.value("conditions", json::array())) {
      if (condition.value("type", "") == type) return condition.value("status", "");
    }
    return "";
  }

  std::vector<std::string> ledgered(const std::string& project) {
    std::istringstream lines(world_.sql("SELECT to_phase FROM rls_operator.transition WHERE project_id = '" +
                                        project + "' ORDER BY ordinal"));
    std::vector<std::string> phases;
    for (std::string line; std::getline(lines, line);) phases.push_back(line);
    return phases;
  }

  /// In one statement, so under one snapshot: the mode and what it lets through.
  void look_for_foreign_rows() {
    for (const char* project : {"ab", "aa"}) {
      const Output seen = world_.sql_as_application(
          project, "SELECT get_rls_mode() || ' ' || count(*) FROM nodes WHERE project_id <> '" +
                       std::string(project) + "'");
      const bool blocks = seen.out.starts_with("enforcing") || seen.out.starts_with("complete");
      if (blocks && seen.out.find(" 0\n") == std::string::npos)
        wrong_ += "foreign rows were seen: " + seen.out;
    }
  }

  void check_database() {
    const Phases moves = {{"sm", "pending>shadow shadow>pending pending>shadow"},
                          {"ab", "pending>shadow shadow>enforcing enforcing>pending"},
                          {"aa", "pending>shadow shadow>enforcing"}};
    for (const auto& [project, expected] : moves) {
      const std::string is = " WHERE project_id = '" + project + "'";
      const std::string found = world_.sql(
          "SELECT string_agg(from_phase || '>' || to_phase, ' ' ORDER BY ordinal) FROM "
          "rls_operator.transition" +
          is + " AND kind = 'moved'");
      if (found != expected) wrong_ += "the ledger of " + project + ": " + found + "\n";
      const std::string others =
          world_.sql("SELECT count(*) FROM rls_operator.transition" + is + " AND kind <> 'moved'");
      if (others != "1") wrong_ += project + " has " + others + " first sights\n";
      const std::string audited =
          world_.sql("SELECT count(*) FROM rls_audit_log" + is + " AND operation = 'PHASE_CHANGE'");
      const auto steps = std::count(expected.begin(), expected.end(), '>');
      if (audited != std::to_string(steps)) wrong_ += project + " has " + audited + " audit rows\n";
    }
    const std::string state = world_.sql(
        "SELECT string_agg(project_id || ' ' || rls_enabled || ' ' || (migrated_at IS NULL), ', ' ORDER BY "
        "project_id) FROM rls_migration_status WHERE project_id IN ('sm', 'ab', 'aa')");
    if (state != "aa true true, ab false true, sm false true") wrong_ += "the status table: " + state + "\n";
  }

  std::string failure(const std::string& where) {
    if (std::getenv("RLS_FAULTS_VERBOSE") != nullptr) std::cerr << world_.operator_process().log();
    return wrong_ + where + " did not end as it should: " +
           world_.sql(
               "SELECT string_agg(project_id || ' ' || migration_phase, ', ') FROM rls_migration_status "
               "WHERE project_id IN ('sm', 'ab', 'aa')") +
           "\n" + world_.api("GET", world_.path_of("rlsmigrations")).out.substr(0, 6000);
  }

  const Plan plan_;
  const bool managed_;
  World world_;
  Where where_ = Where::first_start;
  std::map<Where, std::vector<std::string>> calls_;
  std::size_t noted_ = 0;
  std::string wrong_;
  bool fault_met_ = false;
};

/// Each call of each process × each fault.
std::vector<Plan> plans_of(const std::map<Where, std::vector<std::string>>& calls) {
  std::vector<Plan> plans;
  for (const auto& [where, made] : calls) {
    std::map<std::string, int> seen;
    for (const std::string& what : made) {
      const std::string call = what + "#" + std::to_string(++seen[what]);
      for (const char* fault : {"kill-before", "kill-after", "lose-reply"}) {
        plans.push_back({where, call + ":" + fault});
      }
    }
  }
  return plans;
}

/// Every n-th of what is too much.
std::vector<Plan> sample(std::vector<Plan> plans) {
  const char* full = std::getenv("RLS_FAULTS");
  if ((full != nullptr && std::string(full) == "full") || plans.size() <= kPlans) return plans;
  std::vector<Plan> some;
  for (std::size_t i = 0; i < kPlans; ++i) some.push_back(plans[i * plans.size() / kPlans]);
  return some;
}

void nobody_can_tell_the_difference(bool managed) {
  Rehearsal clean({}, managed);
  ASSERT_EQ(clean.go(), "");
  std::vector<Plan> all = plans_of(clean.calls());
  ASSERT_GT(all.size(), 100U) << "the run makes calls";
  std::vector<Plan> plans = sample(all);
  if (const char* one = std::getenv("RLS_FAULT_PLAN")) {
    std::erase_if(plans = all, [&](const Plan& plan) { return plan.name() != one; });
    ASSERT_FALSE(plans.empty()) << "no plan has the name of RLS_FAULT_PLAN";
  }

  std::atomic<std::size_t> next{0}, met{0};
  std::mutex mutex;
  std::map<std::string, std::string> failed;  // guarded by mutex
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < kAtOnce; ++i) {
    threads.emplace_back([&] {
      for (std::size_t at = next++; at < plans.size(); at = next++) {
        std::string wrong;
        try {
          Rehearsal run(plans[at], managed);
          wrong = run.go();
          if (run.fault_met()) ++met;
        } catch (const std::exception& error) {
          wrong = std::string("no world for it: ") + error.what();
        }
        if (wrong.empty()) continue;
        const std::lock_guard lock(mutex);
        failed[plans[at].name()] = wrong;
        std::cerr << plans[at].name() << ": " << wrong << "\n";
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  std::cout << (managed ? "faults managed: " : "faults kill: ") << plans.size() << " plans of " << all.size()
            << ", " << plans.size() - failed.size() << " survived, " << failed.size() << " failed (" << met
            << " met their fault)" << std::endl;
  for (const auto& [name, wrong] : failed) ADD_FAILURE() << name << ": " << wrong;
  // Whatever runs at the same time shifts what is the how-manieth call of its name, but not by much.
  EXPECT_GT(met * 10, plans.size() * 8) << "the faults must happen";
}

TEST(KillMatrix, NobodyCanTellTheDifference) { nobody_can_tell_the_difference(false); }

TEST(KillMatrix, NobodyCanTellTheDifferenceOfAManagedRuntime) { nobody_can_tell_the_difference(true); }

}  // namespace
}  // namespace rls::test
