#include "metrics/metrics.hpp"

#include <gmock/gmock.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <thread>

#include "metrics/names.hpp"

namespace rls::metrics {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

api::GateStatus gate(std::string name, api::GateState state) {
  api::GateStatus out;
  out.name = std::move(name);
  out.state = state;
  return out;
}

const std::vector<api::GateStatus> kGates = {
    gate("Database", api::GateState::passed), gate("SoakTime", api::GateState::waiting),
    gate("Violations", api::GateState::blocked), gate("Evidence", api::GateState::unknown),
    gate("Window", api::GateState::overridden)};

/// Two databases, three projects.
Sources sources() {
  Sources out;
  const auto tell = [](std::size_t index, const auto& visit) {
    ProjectSample sm{.ns = "shop", .database = "main", .project = "sm"};
    sm.phase = Phase::shadow;
    sm.violations = 3;
    sm.gates = kGates;
    sm.soak_remaining = Seconds{90.5};
    sm.overridden = true;
    ProjectSample odd{.ns = "shop", .database = "main", .project = "a\"b\\"};
    odd.phase = Phase::enforcing;
    odd.violations = 0;
    odd.drift = true;
    odd.held_by = HeldBy::check;
    if (index == 0) visit(sm);
    if (index == 1) visit(odd);
    if (index == 2) visit(ProjectSample{.ns = "shop", .database = "other", .project = "new"});
  };
  // The one at index 3 lost a conflict: nothing is told of it.
  out.projects = [tell] { return ProjectSnapshot{4, tell}; };
  out.requests = [](const auto& visit) {
    visit({"200", "GET", 7});
    visit({"409", "PUT", 1});
  };
  out.runtimes = [] { return std::vector<RuntimeSample>{{{"shop", "main"}, 2, true, false}}; };
  out.rollouts = [] {
    RolloutSample all{.rollout = {"shop", "all"}, .phases = {1, 2, 0, 3}};
    all.waves = {{"one", false, 0, 0}, {"two", true, 2, 1}, {"three", false, 0, 0}};
    return std::vector<RolloutSample>{all};
  };
  out.queue = [] { return QueueSample{4, 100, 2, Seconds{1.5}}; };
  return out;
}

/// One of everything.
std::string full_scrape(bool projects = true) {
  Metrics metrics({.version = "0.1.0", .projects = projects});
  metrics.set_sources(sources());
  metrics.leader(true);
  metrics.transition(Phase::pending, Phase::shadow, TransitionResult::committed, 3);
  metrics.reconciled("RlsMigration", ReconcileResult::success, Seconds{0.02}, 5);
  metrics.reconciled("RlsMigration", ReconcileResult::error, Seconds{0.02});
  metrics.transaction(Seconds{0.003});
  metrics.check(DemandedBy::migration, CheckResult::failed);
  metrics.check(DemandedBy::migration, CheckResult::unknown);
  metrics.check(DemandedBy::migration, CheckResult::unknown);
  metrics.check(DemandedBy::database, CheckResult::passed);
  metrics.drift(Drift::lowered);
  metrics.database_up({"shop", "main"}, true);
  metrics.database_up({"shop", "other"}, false);
  return metrics.scrape();
}

std::vector<std::string> split(std::string_view text, char by) {
  std::vector<std::string> out;
  std::istringstream in{std::string(text)};
  for (std::string part; std::getline(in, part, by);) out.push_back(part);
  return out;
}

std::string read(const std::string& path) {
  std::ifstream file(RLS_SOURCE_DIR "/" + path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

struct Seen {
  std::string type;
  std::set<std::string> labels;
};

/// The metrics of a scrape by name. Each sample must stand under its own # TYPE, and no metric come twice.
std::map<std::string, Seen> parse(const std::string& text) {
  std::map<std::string, Seen> out;
  std::string name;
  for (const std::string& line : split(text, '\n')) {
    if (line.starts_with("# TYPE ")) {
      const auto words = split(line, ' ');
      name = words.at(2);
      EXPECT_TRUE(out.try_emplace(name, Seen{words.at(3), {}}).second) << name << " comes twice";
    } else if (!line.starts_with("#")) {
      EXPECT_TRUE(line.starts_with(name)) << line;
      bool inside = false;  // between the quotes of a value
      std::string label;
      for (auto at = line.find('{');
           at != std::string::npos && ++at < line.size() && (inside || line[at] != '}');) {
        if (line[at] == '\\') {
          ++at;
        } else if (line[at] == '"') {
          if (!inside) out[name].labels.insert(std::exchange(label, {}));
          inside = !inside;
        } else if (!inside && line[at] != ',' && line[at] != '=') {
          label += line[at];
        }
      }
    }
  }
  return out;
}

std::string type_name(Type type) {
  switch (type) {
    case Type::counter: return "counter";
    case Type::gauge: return "gauge";
    case Type::histogram: return "histogram";
  }
  return "";
}

TEST(Metrics, AScrapeHoldsExactlyTheTable) {
  auto seen = parse(full_scrape());
  for (const Info& row : kTable) {
    const auto found = seen.find(std::string(row.name));
    ASSERT_NE(found, seen.end()) << row.name;
    EXPECT_EQ(found->second.type, type_name(row.type)) << row.name;
    const auto names = split(row.labels, ',');
    std::set<std::string> labels(names.begin(), names.end());
    if (row.type == Type::histogram) labels.insert("le");
    EXPECT_EQ(found->second.labels, labels) << row.name;
    seen.erase(found);
  }
  for (const auto& [name, row] : seen) ADD_FAILURE() << name << " is not in the table";
}

TEST(Metrics, TheNamesAreTheGoldenOnes) {
  std::string got;
  for (const Info& row : kTable) {
    got += std::string(row.name) + " " + type_name(row.type);
    if (!row.labels.empty()) got += " " + std::string(row.labels);
    got += "\n";
  }
  EXPECT_EQ(got, read("tests/unit/metrics/names.golden"))
      << "people's dashboards and alerts use these names: to change one is to change the product";
}

TEST(Metrics, TheDocumentationNamesThemAll) {
  const std::string text = read("docs/metrics.md");
  for (const Info& row : kTable) {
    std::string labels;
    for (const std::string& label : split(row.labels, ','))
      labels += (labels.empty() ? "`" : ", `") + label + "`";
    if (labels.empty()) labels = "—";
    EXPECT_THAT(text, HasSubstr("| `" + std::string(row.name) + "` | " + type_name(row.type) + " | " +
                                labels + " |"));
  }
}

TEST(Metrics, EveryMetricHasHelpAndOnlyCountersEndInTotal) {
  for (const Info& row : kTable) {
    EXPECT_FALSE(row.help.empty()) << row.name;
    EXPECT_EQ(row.help.find_first_of("\n\\"), std::string_view::npos) << row.name;
    EXPECT_EQ(row.name.ends_with("_total"), row.type == Type::counter) << row.name;
  }
}

TEST(Metrics, CountersStartAtZero) {
  const std::string text = Metrics({.version = "0.1.0"}).scrape();
  EXPECT_THAT(text, HasSubstr("controller_reconcile_total{kind=\"RlsDatabase\",result=\"success\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("controller_reconcile_errors_total{kind=\"RlsMigration\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("pg_transaction_seconds_count 0\n"));
  int moves = 0;
  for (const std::string& line : split(text, '\n'))
    moves += line.starts_with("rls_transitions_total{") ? 1 : 0;
  EXPECT_EQ(moves, (3 + 6) * 3) << "three steps up, six ways down, three results";
  EXPECT_THAT(text, Not(HasSubstr("from=\"pending\",result=\"committed\",to=\"enforcing\"")));
}

TEST(Metrics, CountWhatHappened) {
  const std::string text = full_scrape();
  for (const char* line : {
           "rls_transitions_total{from=\"pending\",result=\"committed\",to=\"shadow\"} 3\n",
           "controller_reconcile_total{kind=\"RlsMigration\",result=\"success\"} 5\n",
           "controller_reconcile_total{kind=\"RlsMigration\",result=\"error\"} 1\n",
           "controller_reconcile_errors_total{kind=\"RlsMigration\"} 1\n",
           "controller_reconcile_duration_seconds_count{kind=\"RlsMigration\"} 2\n",
           "pg_transaction_seconds_bucket{le=\"0.0025\"} 0\n",
           "pg_transaction_seconds_bucket{le=\"0.005\"} 1\n",
           "rls_leader 1\n",
           "rls_operator_info{version=\"0.1.0\"} 1\n",
           "rest_client_requests_total{code=\"409\",method=\"PUT\"} 1\n",
           "rls_check_results_total{demanded_by=\"migration\",result=\"passed\"} 0\n",
           "rls_check_results_total{demanded_by=\"migration\",result=\"failed\"} 1\n",
           "rls_check_results_total{demanded_by=\"migration\",result=\"unknown\"} 2\n",
           "rls_check_results_total{demanded_by=\"database\",result=\"passed\"} 1\n",
           "rls_check_results_total{demanded_by=\"database\",result=\"failed\"} 0\n",
           "rls_check_results_total{demanded_by=\"database\",result=\"unknown\"} 0\n",
           "rls_drift_total{direction=\"raised\"} 0\n",
           "rls_drift_total{direction=\"lowered\"} 1\n",
           "workqueue_depth 4\n",
           "workqueue_adds_total 100\n",
           "workqueue_retries_total 2\n",
           "workqueue_longest_wait_seconds 1.5\n",
       }) {
    EXPECT_THAT(text, HasSubstr(std::string("\n") + line));
  }
}

TEST(Metrics, AKindThatWasNotForeseenIsCountedToo) {
  Metrics metrics({.version = "0.1.0"});
  metrics.reconciled("Secret", ReconcileResult::requeue, Seconds{0});
  EXPECT_THAT(metrics.scrape(),
              HasSubstr("controller_reconcile_total{kind=\"Secret\",result=\"requeue\"} 1\n"));
}

TEST(Metrics, ADatabaseThatIsGoneTakesItsSeriesAlong) {
  Metrics metrics({.version = "0.1.0"});
  metrics.database_up({"shop", "main"}, false);
  EXPECT_THAT(metrics.scrape(), HasSubstr("rls_database_up{database=\"main\",namespace=\"shop\"} 0\n"));
  metrics.database_up({"shop", "main"}, true);
  EXPECT_THAT(metrics.scrape(), HasSubstr("rls_database_up{database=\"main\",namespace=\"shop\"} 1\n"));
  metrics.database_up({"shop", "main"}, std::nullopt);
  metrics.database_up({"shop", "never there"}, std::nullopt);
  EXPECT_THAT(metrics.scrape(), Not(HasSubstr("rls_database_up{")));
}

TEST(Metrics, ProjectsAreWrittenFromTheirStatus) {
  const std::string text = full_scrape();
  const std::string sm = R"({namespace="shop",database="main",project="sm")";
  for (const std::string& line : {
           "rls_migration_phase" + sm + ",phase=\"shadow\"} 1\n",
           "rls_migration_violations" + sm + ",state=\"unreviewed\"} 3\n",
           "rls_migration_soak_remaining_seconds" + sm + "} 90.5\n",
           "rls_migration_drift" + sm + "} 0\n",
           std::string(R"(rls_migration_drift{namespace="shop",database="main",project="a\"b\\"} 1)"),
           "rls_migration_gate_blocked" + sm + ",gate=\"SoakTime\",state=\"Waiting\"} 1\n",
           "rls_migration_gate_blocked" + sm + ",gate=\"Violations\",state=\"Blocked\"} 1\n",
           "rls_migration_gate_blocked" + sm + ",gate=\"Evidence\",state=\"Unknown\"} 1\n",
       }) {
    EXPECT_THAT(text, HasSubstr("\n" + line));
  }
  EXPECT_THAT(text, AllOf(Not(HasSubstr("gate=\"Database\"")), Not(HasSubstr("gate=\"Window\""))));
  EXPECT_THAT(text, Not(HasSubstr(R"(project="new",phase)"))) << "its phase is not known yet";
}

TEST(Metrics, DatabasesAreSummedUp) {
  for (const bool projects : {true, false}) {
    const std::string text = full_scrape(projects);
    const std::string main = R"({namespace="shop",database="main")",
                      other = R"({namespace="shop",database="other")";
    EXPECT_THAT(text, HasSubstr("rls_database_projects" + main + ",phase=\"shadow\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("rls_database_projects" + main + ",phase=\"complete\"} 0\n"));
    EXPECT_THAT(text, HasSubstr("rls_database_projects" + other + ",phase=\"pending\"} 0\n"));
    EXPECT_THAT(text, HasSubstr("rls_database_violations" + main + ",state=\"unreviewed\"} 3\n"));
    EXPECT_THAT(text,
                HasSubstr("rls_database_gate_blocked" + main + ",gate=\"Evidence\",state=\"Unknown\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("rls_database_drift" + main + "} 1\n"));
    EXPECT_THAT(text, HasSubstr("rls_database_overridden" + main + "} 1\n"));
    EXPECT_THAT(text, HasSubstr("rls_database_overridden" + other + "} 0\n"));
    EXPECT_THAT(text, HasSubstr("rls_database_held" + main + ",by=\"check\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("rls_database_held" + main + ",by=\"annotation\"} 0\n"));
    EXPECT_EQ(text.find("rls_migration_") == std::string::npos, !projects);
  }
}

TEST(Metrics, RolloutsAreToldByTheirWaves) {
  const std::string text = full_scrape(false);
  const std::string all = R"({namespace="shop",rollout="all")";
  for (const std::string& line : {
           "rls_rollout_projects" + all + ",phase=\"pending\"} 1\n",
           "rls_rollout_projects" + all + ",phase=\"enforcing\"} 0\n",
           "rls_rollout_projects" + all + ",phase=\"complete\"} 3\n",
           "rls_rollout_wave_open" + all + ",wave=\"one\"} 0\n",
           "rls_rollout_wave_open" + all + ",wave=\"two\"} 1\n",
           "rls_rollout_wave_behind" + all + ",wave=\"two\",state=\"Soaking\"} 2\n",
           "rls_rollout_wave_behind" + all + ",wave=\"two\",state=\"Waiting\"} 1\n",
       }) {
    EXPECT_THAT(text, HasSubstr("\n" + line));
  }
  EXPECT_THAT(text, Not(HasSubstr("rls_rollout_wave_behind" + all + ",wave=\"three\"")))
      << "nobody waits for a closed wave";
}

TEST(Metrics, OnlyThoseWhoAreHeldOrOverriddenAreAskedOnceMore) {
  constexpr std::size_t kProjects = 1000;
  std::size_t asked = 0;
  Sources many;
  many.projects = [&asked] {
    return ProjectSnapshot{kProjects, [&asked](std::size_t index, const auto& visit) {
                             ++asked;
                             const std::string name = "project-" + std::to_string(index);
                             ProjectSample sample{.ns = "shop", .database = "main", .project = name};
                             if (index == 7) sample.held_by = HeldBy::annotation;
                             if (index == 999) sample.held_by = HeldBy::database;
                             if (index == 500) sample.overridden = true;
                             visit(sample);
                           }};
  };
  Metrics metrics({.version = "0.1.0"});
  metrics.set_sources(std::move(many));
  const std::string text = metrics.scrape();
  EXPECT_EQ(asked, (1 + 5) * kProjects + 3) << "once for the sums, once for each family that all are in";
  const std::string main = R"({namespace="shop",database="main",project="project-)";
  EXPECT_THAT(text, HasSubstr("\nrls_migration_overridden" + main + "500\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nrls_migration_held" + main + "7\",by=\"annotation\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nrls_migration_held" + main + "999\",by=\"database\"} 1\n"));
}

TEST(Metrics, WithoutSourcesThereAreNoSampledFamilies) {
  const std::string text = Metrics({.version = "0.1.0"}).scrape();
  EXPECT_THAT(text, AllOf(Not(HasSubstr("workqueue_")), Not(HasSubstr("rls_migration_"))));
}

TEST(Metrics, PiecesAreSmallAndMakeOneText) {
  constexpr std::size_t kProjects = 3000;
  int snapshots = 0;
  Sources many;
  many.projects = [&snapshots] {
    ++snapshots;
    return ProjectSnapshot{kProjects, [](std::size_t index, const auto& visit) {
                             const std::string name = "project-" + std::to_string(index);
                             ProjectSample sample{.ns = "shop", .database = "main", .project = name};
                             sample.phase = Phase::shadow;
                             sample.gates = kGates;
                             visit(sample);
                           }};
  };
  Metrics metrics({.version = "0.1.0"});
  metrics.set_sources(std::move(many));
  std::string piece, all;
  for (Scrape scrape = metrics.begin_scrape(); scrape.next(piece);) {
    EXPECT_LT(piece.size(), 40'000u);
    EXPECT_TRUE(piece.ends_with('\n'));
    all += piece;
  }
  EXPECT_EQ(snapshots, 1);
  const auto count = [&all](const std::string& part) {
    std::size_t found = 0;
    for (auto at = all.find(part); at != std::string::npos; at = all.find(part, at + 1)) ++found;
    return found;
  };
  EXPECT_EQ(count("\nrls_migration_phase{"), kProjects);
  EXPECT_EQ(count("\nrls_migration_gate_blocked{"), 3 * kProjects);
  EXPECT_EQ(count("\nrls_migration_drift{"), kProjects);
  EXPECT_EQ(count("# TYPE rls_migration_phase "), 1u);
  EXPECT_EQ(count("project=\"project-2999\""), 5u);
  (void)parse(all);
}

TEST(Metrics, NoProjectsMakeAGoodScrapeToo) {
  Sources none;
  none.projects = [] { return ProjectSnapshot{}; };
  Metrics metrics({.version = "0.1.0"});
  metrics.set_sources(std::move(none));
  EXPECT_THAT(metrics.scrape(), HasSubstr("# TYPE rls_migration_phase gauge\n# HELP"));
}

TEST(MetricsThreads, MayBeCountedWhileTheyAreScraped) {
  Metrics metrics({.version = "0.1.0"});
  metrics.set_sources(sources());
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&metrics, i] {
        for (int round = 0; round < 200; ++round) {
          metrics.reconciled(i == 0 ? "Late" : "RlsMigration", ReconcileResult::success, Seconds{0.1});
          metrics.database_up({"shop", std::to_string(round % 3)},
                              round % 2 == 0 ? std::optional<bool>(true) : std::nullopt);
          metrics.transition(Phase::shadow, Phase::pending, TransitionResult::committed);
        }
      });
    }
    for (int round = 0; round < 20; ++round) (void)metrics.scrape();
  }
  EXPECT_THAT(metrics.scrape(), HasSubstr("from=\"shadow\",result=\"committed\",to=\"pending\"} 600\n"));
}

/// promtool's own opinion, where it is installed (Debian package `prometheus`). What it checks is asserted by
/// the tests above as well, so nothing is lost where it is not.
TEST(Metrics, PromtoolFindsNothing) {
  if (std::system("command -v promtool > /dev/null") != 0) return;
  for (const bool projects : {true, false}) {
    const std::string path = testing::TempDir() + "rls-scrape.txt";
    std::ofstream(path) << full_scrape(projects);
    EXPECT_EQ(std::system(("promtool check metrics < '" + path + "'").c_str()), 0);
    std::remove(path.c_str());
  }
}

}  // namespace
}  // namespace rls::metrics
