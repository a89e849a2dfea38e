// Every SQL statement of a run × the connection cut before it, its reply lost, sent and gone. Generated from
// a run without a fault, of the whole operator, through real sockets (R-B, exactly-once).
//
// RLS_FAULTS=full: every occurrence of every statement. Otherwise the first of each, and every COMMIT.
// RLS_FAULTS='COMMIT#3:reply_lost': that plan alone, as the list of those that failed names it.

#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <iostream>
#include <set>
#include <sstream>

#include "tests/support/postgres_proxy.hpp"
#include "tests/support/world.hpp"

namespace rls::test {
namespace {

using namespace std::chrono_literals;

constexpr int kLanes = 3;
const std::vector<std::string> kProjects = {"sm", "ab"};

/// What one run left behind and what was seen while it went on.
struct Outcome {
  std::string state, ledger, audit;
  bool fault_came = false;
  std::vector<std::string> problems;
};

/// One line of the watch: what a status said at some time.
struct Said {
  std::string project, phase, target_reached, observed_generation;
};

std::string migrations(const std::string& sm, const std::string& ab) {
  std::string yaml;
  for (const auto& [project, phase] : {std::pair{"sm", sm}, std::pair{"ab", ab}}) {
    yaml += "---\napiVersion: rls-operator.dev/v1alpha1\nkind: RlsMigration\nmetadata: {name: " +
            std::string(project) + "}\nspec:\n  databaseRef: {name: main}\n  project: " + project +
            "\n  phase: " + phase + "\n  gates: {shadowSoak: 0s, enforcingSoak: 0s}\n";
  }
  return yaml;
}

/// One transaction after the other in a project's context. Within one statement, so in one snapshot, it must
/// see no foreign row where the project is enforced, and all where it is not.
std::string isolation_probe() {
  return R"(DO $$
DECLARE project text; blocks boolean; strange bigint;
BEGIN
  FOR i IN 1..1000000 LOOP
    FOREACH project IN ARRAY ARRAY['sm', 'ab'] LOOP
      PERFORM set_project_context(project);
      SELECT get_rls_mode() IN ('enforcing', 'complete'), (SELECT count(*) FROM nodes n WHERE n.project_id <> project)
        INTO blocks, strange;
      IF blocks <> (strange = 0) THEN RAISE NOTICE 'LEAK % % %', project, blocks, strange; END IF;
      COMMIT;
    END LOOP;
    IF i % 20 = 0 THEN RAISE NOTICE 'looked'; END IF;
    PERFORM pg_sleep(0.02);
  END LOOP;
END $$)";
}

/// One world in which runs follow each other, each from the beginning.
class Lane {
 public:
  Lane() : proxy_(port_of(world_.operator_uri())) {
    world_.create_database(world_.operator_uri_at(proxy_.address()));
  }

  Outcome run(const std::optional<StatementFault>& fault, std::vector<std::string>* statements = nullptr) {
    start_over();
    problems_.clear();
    proxy_.restart(fault);
    Background probe({"psql", "-qX", world_.application_uri(), "-c", isolation_probe()}, file("probe"));
    Background watch(
        {kubectl_, "-n", world_.ns(), "get", "rlsmigrations", "--watch", "-o",
         "jsonpath={.metadata.name}|{.status.phase}|{.status.conditions[?(@.type==\"TargetReached\")].status}"
         "|{.status.observedGeneration}{\"\\n\"}"},
        file("watch"));
    world_.start_operator();
    play();
    // A fault in what is asked every second comes by itself; what was a matter of chance may not.
    const auto deadline = std::chrono::steady_clock::now() + 3s;
    while (fault && !proxy_.fault_came() && std::chrono::steady_clock::now() < deadline)
      std::this_thread::sleep_for(30ms);
    const bool fault_came = proxy_.fault_came();
    settle("enforcing", "enforcing");
    if (statements != nullptr) *statements = proxy_.statements();
    if (!world_.operator_process().running()) problem("the operator has ended");
    if (const int code = world_.stop_operator(); code != 0)
      problem("the operator ended with " + std::to_string(code));
    watch.signal(SIGTERM);
    watch.wait(5s);
    check_probe(probe);
    // Who never got as far has no ledger to compare with.
    if (problems_.empty()) check_statuses();
    Outcome outcome = look();
    outcome.fault_came = fault_came;
    return outcome;
  }

 private:
  static int port_of(const std::string& uri) {
    const auto at = uri.rfind(':');
    return std::stoi(uri.substr(at + 1));
  }
  std::string file(const std::string& name) const {
    return world_.directory() + "/" + name + "-" + std::to_string(runs_);
  }
  void problem(std::string text) { problems_.push_back(std::move(text)); }

  void start_over() {
    ++runs_;
    wishes_.clear();
    world_.kubectl({"delete", "rlsmigrations", "--all"});
    world_.sql(
        "DROP SCHEMA IF EXISTS rls_operator CASCADE; TRUNCATE rls_audit_log; UPDATE rls_migration_status SET "
        "migration_phase = 'pending', rls_enabled = false, migrated_at = NULL");
  }

  /// First sight and one up, one down, a hold and its end, and up to where policies block.
  void play() {
    apply("shadow", "shadow");
    settle("shadow", "shadow");
    sql("SELECT rls_operator.hold('ab', 'pending', 'drill')");
    apply("pending", "shadow");
    reach("sm", "pending", "True");
    reach("ab", "pending", "False");
    sql("SELECT rls_operator.release('ab')");
    settle("pending", "shadow");
    apply("enforcing", "enforcing");
    settle("enforcing", "enforcing");
  }
  void apply(const std::string& sm, const std::string& ab) {
    if (!problems_.empty()) return;
    if (const Output applied = world_.apply(migrations(sm, ab)); !applied.ok())
      return problem("kubectl apply: " + applied.out);
    for (const auto& [project, phase] : {std::pair{"sm", sm}, std::pair{"ab", ab}}) {
      Wish& wish = wishes_[project];
      if (wish.phase != phase) ++wish.generation;
      wish.phase = phase;
    }
  }
  void sql(const std::string& statement) {
    if (problems_.empty()) world_.sql(statement);
  }
  void settle(const std::string& sm, const std::string& ab) {
    reach("sm", sm, "True");
    reach("ab", ab, "True");
  }
  /// Until status says it, and the database, too.
  void reach(const std::string& project, const std::string& phase, const std::string& target_reached) {
    wait_for(project + " in " + phase, [&] {
      const auto said = said_of(project);
      return !said.empty() && said.back().phase == phase && said.back().target_reached == target_reached &&
             said.back().observed_generation == std::to_string(wishes_[project].generation);
    });
    if (problems_.empty() && world_.phase_in_database(project) != phase)
      problem("status of " + project + " says " + phase + ", the database " +
              world_.phase_in_database(project));
  }
  void wait_for(const std::string& what, const std::function<bool()>& holds) {
    if (!problems_.empty()) return;
    const auto deadline = std::chrono::steady_clock::now() + 40s;
    while (!holds()) {
      if (!world_.operator_process().running()) return problem("the operator ended, waiting for " + what);
      if (std::chrono::steady_clock::now() > deadline) return problem("no end of waiting for " + what);
      std::this_thread::sleep_for(30ms);
    }
  }

  std::vector<Said> said_of(const std::string& project) const {
    std::ifstream lines(file("watch"));
    std::vector<Said> all;
    for (std::string line; std::getline(lines, line);) {
      std::istringstream parts(line);
      Said said;
      std::getline(parts, said.project, '|');
      std::getline(parts, said.phase, '|');
      std::getline(parts, said.target_reached, '|');
      std::getline(parts, said.observed_generation, '|');
      if (said.project == project) all.push_back(std::move(said));
    }
    return all;
  }

  /// The phases that status told are, in their order, phases of the ledger: some may be missing, none is made
  /// up or comes again.
  void check_statuses() {
    for (const std::string& project : kProjects) {
      std::istringstream ledger(world_.sql(
          "SELECT string_agg(to_phase, ' ' ORDER BY ordinal) FROM rls_operator.transition WHERE project_id "
          "= '" +
          project + "'"));
      std::vector<std::string> held;
      for (std::string phase; ledger >> phase;) held.push_back(phase);
      auto at = held.begin();
      for (const Said& said : said_of(project)) {
        if (said.phase.empty()) continue;
        at = std::find(at, held.end(), said.phase);
        if (at != held.end()) continue;
        problem("status of " + project + " said " + said.phase + ", which the ledger did not hold then");
        break;
      }
    }
  }
  void check_probe(Background& probe) {
    probe.signal(SIGINT);
    probe.wait(5s);
    const std::string log = probe.log();
    if (log.find("LEAK") != std::string::npos) problem("isolation: " + log.substr(log.find("LEAK"), 200));
    if (log.find("looked") == std::string::npos) problem("the isolation probe did not look: " + log);
  }

  Outcome look() {
    Outcome outcome;
    outcome.problems = problems_;
    if (!problems_.empty()) {
      outcome.problems.push_back(told());
      return outcome;
    }
    outcome.state = world_.sql(
        "SELECT string_agg(concat_ws(' ', project_id, migration_phase, rls_enabled, migrated_at IS NOT "
        "NULL), "
        "', ' ORDER BY project_id) FROM rls_migration_status");
    outcome.ledger = world_.sql(
        "SELECT string_agg(concat_ws(' ', project_id, ordinal, kind, from_phase, to_phase), ', ' ORDER BY "
        "project_id, ordinal) FROM rls_operator.transition");
    outcome.audit = world_.sql(
        "SELECT string_agg(concat_ws(' ', a.project_id, a.n, l.n), ', ' ORDER BY a.project_id) FROM "
        "(SELECT project_id, count(*) AS n FROM rls_audit_log GROUP BY 1) a FULL JOIN "
        "(SELECT project_id, count(*) AS n FROM rls_operator.transition WHERE kind = 'moved' GROUP BY 1) l "
        "USING (project_id)");
    return outcome;
  }

  /// The log's end, and what the statuses said.
  std::string told() {
    std::string text = world_.operator_process().log();
    if (text.size() > 6000) text.erase(0, text.size() - 6000);
    for (const std::string& project : kProjects) {
      for (const Said& said : said_of(project))
        text +=
            project + " " + said.phase + " " + said.target_reached + " " + said.observed_generation + "\n";
    }
    return text;
  }

  const std::string kubectl_ = required_environment("RLS_KUBECTL");
  World world_;
  PostgresProxy proxy_;
  int runs_ = 0;
  struct Wish {
    std::string phase;
    int generation = 0;
  };
  std::map<std::string, Wish> wishes_;
  std::vector<std::string> problems_;
};

/// How often each statement came.
std::map<std::string, int> counted(const std::vector<std::string>& statements) {
  std::map<std::string, int> counts;
  for (const std::string& statement : statements) ++counts[statement];
  return counts;
}

std::vector<StatementFault> plans_of(const std::map<std::string, int>& counts, const std::string& wish) {
  std::vector<StatementFault> plans;
  for (const auto& [statement, count] : counts) {
    const bool all = wish == "full" || statement == "COMMIT";
    for (int occurrence = 1; occurrence <= (all ? count : 1); ++occurrence) {
      for (const Cut cut : {Cut::before, Cut::reply_lost, Cut::sent_and_gone}) {
        StatementFault plan{statement, occurrence, cut};
        if (wish.empty() || wish == "full" || wish == plan.str()) plans.push_back(std::move(plan));
      }
    }
  }
  return plans;
}

TEST(Statements, EveryOneLosesItsConnectionOrItsReply) {
  const char* wish = std::getenv("RLS_FAULTS");
  std::list<Lane> lanes(1);
  std::vector<std::string> statements;
  const Outcome expected = lanes.front().run(std::nullopt, &statements);
  ASSERT_TRUE(expected.problems.empty()) << expected.problems.front() << "\n" << expected.problems.back();
  ASSERT_EQ(expected.ledger,
            "ab 1 adopted pending, ab 2 moved pending shadow, ab 3 moved shadow pending, ab 4 moved pending "
            "shadow, ab 5 moved shadow enforcing, "
            "sm 1 adopted pending, sm 2 moved pending shadow, sm 3 moved shadow pending, sm 4 moved pending "
            "shadow, sm 5 moved shadow enforcing");
  ASSERT_EQ(expected.audit, "ab 4 4, sm 4 4");
  const auto plans = plans_of(counted(statements), wish == nullptr ? "" : wish);
  ASSERT_FALSE(plans.empty());
  while (lanes.size() < std::min<std::size_t>(kLanes, plans.size())) lanes.emplace_back();

  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::vector<std::string> failed, missed;  // guarded by mutex
  const auto work = [&](Lane& lane) {
    for (std::size_t i = 0; (i = next++) < plans.size();) {
      std::string what;
      try {
        const Outcome outcome = lane.run(plans[i]);
        if (!outcome.fault_came) {
          const std::lock_guard lock(mutex);
          missed.push_back(plans[i].str());
        }
        for (const std::string& problem : outcome.problems) what += problem + "\n";
        const bool ended = outcome.problems.empty();
        if (ended && outcome.state != expected.state) what += "the database is: " + outcome.state + "\n";
        if (ended && outcome.ledger != expected.ledger) what += "the ledger is: " + outcome.ledger + "\n";
        if (ended && outcome.audit != expected.audit) what += "audit rows and moves: " + outcome.audit + "\n";
      } catch (const std::exception& e) {
        what = e.what();
      }
      const std::lock_guard lock(mutex);
      if (what.empty()) continue;
      failed.push_back(plans[i].str());
      ADD_FAILURE() << "RLS_FAULTS='" << plans[i].str() << "'\n" << what;
    }
  };
  {
    std::list<std::jthread> threads;
    for (Lane& lane : lanes) threads.emplace_back([&work, &lane] { work(lane); });
  }
  std::cout << "faults database: " << plans.size() << " plans, " << plans.size() - failed.size()
            << " survived, " << failed.size() << " failed\n";
  for (const std::string& name : failed) std::cout << "  " << name << "\n";
  // Some come by chance, as ROLLBACK where a wish changed meanwhile: few, or the runs are not alike.
  for (const std::string& name : missed) std::cout << "  did not come: " << name << "\n";
  EXPECT_LE(missed.size(), 3 + plans.size() / 10);
}

}  // namespace
}  // namespace rls::test
