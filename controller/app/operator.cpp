#include "controller/app/operator.hpp"

#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "controller/app/http_server.hpp"
#include "controller/app/telemetry.hpp"
#include "controller/base/log.hpp"
#include "controller/base/seam.hpp"
#include "controller/base/text.hpp"
#include "controller/checks/board.hpp"
#include "controller/checks/runner.hpp"
#include "controller/kube/client.hpp"
#include "controller/kube/cpprest_transport.hpp"
#include "controller/leader/elector.hpp"
#include "controller/postgres/sql_database.hpp"
#include "controller/reconcile/event_recorder.hpp"
#include "controller/reconcile/identity.hpp"
#include "controller/reconcile/reconciler.hpp"
#include "controller/reconcile/rollouts.hpp"
#include "controller/reconcile/secret.hpp"
#include "controller/reconcile/sinks.hpp"

namespace rls::app {
namespace {

using namespace std::chrono_literals;

constexpr const char* kLogger = "operator";
// What one worker takes at a time from one database.
constexpr std::size_t kBatch = 512;
// After SIGTERM: so long for the transaction in hand, then its connection is cut and it is rolled back.
constexpr auto kFinishTransaction = 5s;
// How long a change of the admission policies may go unnoticed.
constexpr auto kAdmissionInterval = 30s;
// And so long for statuses that are on their way.
constexpr auto kFinishStatus = 2s;
// And so long for the Events that tell of them.
constexpr auto kFinishEvents = 1s;

/// Secrets live in this process' memory: no core file, no ptrace by others of the same user.
void keep_memory_private() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::prctl(PR_SET_DUMPABLE, 0);
}

/// Ten thousand objects come and go in a moment, on a few threads. One arena, and what is free at its end
/// goes back at once: that halves what stays resident (dev/bench scale), and no thread waits for it
/// noticeably.
void keep_memory_small() {
  ::mallopt(M_ARENA_MAX, 1);
  ::mallopt(M_TRIM_THRESHOLD, 256 * 1024);
}

/// Signals end the process in order: blocked in all threads, waited for in one. A broken connection is an
/// error of the call, not a signal.
sigset_t block_signals() {
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGTERM);
  ::sigaddset(&set, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return set;
}

/// In a Pod: the Pod's name. It is reportingInstance of Events.
std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

std::unique_ptr<Seam> make_seam(const Options& options) {
  if (!options.inject_fault) return std::make_unique<Seam>();
  log::warn(kLogger, "a fault will be injected: this is for tests alone", {});
  return std::make_unique<PlannedSeam>(*options.inject_fault);
}

Result<std::unique_ptr<postgres::ProjectDatabase>> make_database(const api::DatabaseSpec& spec,
                                                                 const postgres::ConnectionSecret& secret,
                                                                 Seam& seam) {
  auto settings = postgres::parse_connection_settings(secret.uri, secret.ca);
  if (!settings) return settings.error();
  postgres::Timeouts timeouts;
  timeouts.lock = std::chrono::ceil<std::chrono::milliseconds>(spec.lock_timeout);
  timeouts.statement = std::chrono::ceil<std::chrono::milliseconds>(spec.statement_timeout);
  switch (spec.mode) {
    case api::RuntimeMode::adopted: break;
    case api::RuntimeMode::managed:
      return postgres::make_managed_database(std::move(settings).value(), spec.schema, timeouts, seam);
  }
  return postgres::make_adopted_database(std::move(settings).value(), spec.schema, timeouts, seam);
}

/// Everything that runs, in the order in which it is made; it goes in the opposite order.
class Operator {
 public:
  Operator(const Options& options, Seam& seam, std::unique_ptr<kube::Client> client)
      : options_(options),
        identity_(leader::make_identity(host_name())),
        client_(std::move(client)),
        elector_(*client_, clock_, lease_of(options), identity_,
                 {options.lease_duration, options.renew_deadline, options.retry_period},
                 {[this] { begin_term(); }, [this] { end_term(); }}),
        sessions_(
            *client_,
            [&seam](const api::RlsDatabase& database, const postgres::ConnectionSecret& secret) {
              return make_database(database.spec, secret, seam);
            },
            clock_),
        events_(*client_, clock_, host_name(), [this] { telemetry_.event_dropped(); }),
        telemetry_(options, caches_, queue_, *client_, clock_, events_),
        writer_(
            *client_, caches_, clock_, [this](const reconcile::Key& key) { again(key); },
            [this] { return sessions_.leading(); }, &telemetry_),
        check_runner_(
            *client_, seam, clock_,
            [this](const api::ObjectName& database) { return settings_for_checks(database); },
            options.allowed_prometheus_urls),
        board_(std::make_unique<checks::Board>(
            counted_checks_, clock_, [this](const api::ObjectName& migration) { check_changed(migration); })),
        reconciler_(caches_, queue_, sessions_, surroundings_, rollouts_, writer_, telemetry_, clock_,
                    [this](const std::string& why) { give_up(why); }, {options.observe_interval}),
        migration_sink_(caches_, queue_),
        database_sink_(caches_, queue_),
        approval_sink_(caches_, queue_),
        rollout_sink_(caches_, queue_) {}

  ~Operator() { stop(); }

  [[nodiscard]] kube::Client& client() { return *client_; }

  /// Probes and metrics, from now on: also while the cluster does not answer yet.
  [[nodiscard]] Result<void> listen() {
    auto address = parse_bind_address(options_.bind_address);
    if (!address) return address.error();
    auto server = HttpServer::start(
        *address, "--bind-address",
        {[this] { return not_ready(); }, [this] { return telemetry_.begin_scrape(); }}, clock_);
    if (!server) return server.error();
    server_ = std::move(server).value();
    log::info(kLogger, "listening", {{"port", server_->port()}});
    return {};
  }

  void start(const std::string& install_id) {
    sessions_.identify(install_id);
    started_ = true;
    teller_ = std::jthread([this](std::stop_token stop) { events_.run(stop); });
    pacer_ = std::jthread([this](std::stop_token stop) { writer_.run(stop); });
    watch("rlsdatabases", database_sink_);
    watch("rlsmigrations", migration_sink_);
    watch("rlsapprovals", approval_sink_);
    watch("rlsrollouts", rollout_sink_);
    guard_ = std::jthread([this](std::stop_token stop) { watch_admission(stop); });
    if (options_.leader_elect) {
      candidate_ = std::jthread([this](std::stop_token stop) { elector_.run(stop); });
    } else {
      begin_term();
    }
    // One worker is kept free for what is urgent, so that no flood of ordinary work holds a demotion up.
    for (unsigned i = 0; i < options_.workers; ++i) {
      const auto lowest =
          i == 0 && options_.workers > 1 ? runtime::Priority::urgent : runtime::Priority::normal;
      workers_.emplace_back([this, lowest](std::stop_token stop) { work(stop, lowest); });
    }
  }

  /// Takes no more work, finishes or rolls back what is in hand, writes what is on its way.
  void stop() {
    if (client_ == nullptr) return;
    for (auto& worker : workers_) worker.request_stop();
    for (auto& watcher : watchers_) watcher.request_stop();
    std::jthread cutter([this](std::stop_token done) {
      for (auto waited = 0ms; waited < kFinishTransaction && !done.stop_requested(); waited += 50ms) {
        std::this_thread::sleep_for(50ms);
      }
      if (!done.stop_requested()) sessions_.interrupt_all();
    });
    workers_.clear();
    cutter.request_stop();
    cutter.join();
    writer_.drain(kFinishStatus);
    // No SQL any more, and all is told: the next one may begin.
    candidate_ = {};
    elector_.release();
    watchers_.clear();
    pacer_ = {};
    guard_ = {};
    teller_ = {};
    events_.drain(kFinishEvents);
    server_.reset();
    writer_.close();
    events_.close();
    board_.reset();   // its checks use the client
    client_.reset();  // what is under way ends now, while those who hear of it still live
  }

  [[nodiscard]] bool gave_up() const { return gave_up_; }

 private:
  void watch(const char* plural, kube::ObjectSink& sink) {
    const kube::Resource resource{std::string(api::kGroupVersion), plural, options_.ns};
    watchers_.emplace_back([this, resource, &sink](std::stop_token stop) {
      client_->list_and_watch(
          resource, sink, [] {}, stop);
    });
  }

  void work(const std::stop_token& stop, runtime::Priority lowest) {
    // Nobody decides on half a cache: an older object for the same project may not have come yet.
    while (!caches_.synced() && !stop.stop_requested()) std::this_thread::sleep_for(5ms);
    while (wait_for_term(stop)) {
      const auto batch = queue_.take(kBatch, stop, lowest);
      if (!batch) return;
      // Who is elected looks at everything: what was taken too late is not lost.
      if (sessions_.leading()) reconciler_.process(*batch);
      queue_.done(*batch);
    }
  }

  /// False: stopped.
  bool wait_for_term(const std::stop_token& stop) {
    std::unique_lock lock(term_mutex_);
    return term_begun_.wait(lock, stop, [this] { return in_term_; });
  }

  /// Elected, or the only one: everything is looked at.
  void begin_term() {
    if (options_.leader_elect) {
      sessions_.begin_term({identity_, [this](std::int64_t epoch) { return elector_.term_above(epoch); }},
                           [this] { return elector_.leads(); });
    } else {
      sessions_.begin_term({identity_, [](std::int64_t epoch) { return epoch + 1; }}, [] { return true; });
    }
    telemetry_.leader(true);
    waves_.forget_all();
    board_->resume();
    for (const auto& database : caches_.databases.all()) {
      queue_.add(database->meta.name, {reconcile::Kind::database, database->meta.name});
    }
    for (const auto& migration : caches_.migrations.all()) {
      queue_.add(reconcile::database_of(*migration), {reconcile::Kind::migration, migration->meta.name});
    }
    const std::lock_guard lock(term_mutex_);
    in_term_ = true;
    term_begun_.notify_all();
  }

  /// Deposed: all SQL ends now.
  void end_term() {
    {
      const std::lock_guard lock(term_mutex_);
      in_term_ = false;
    }
    sessions_.end_term();
    board_->pause();
    telemetry_.leader(false);
  }

  /// A status did not come through: look at the object again, a little later each time.
  void again(const reconcile::Key& key) {
    switch (key.kind) {
      case reconcile::Kind::database: queue_.retry(key.name, key); break;
      case reconcile::Kind::migration:
        if (const auto migration = caches_.migrations.get(key.name))
          queue_.retry(reconcile::database_of(*migration), key);
        break;
      case reconcile::Kind::rollout:
        // Its status is made of the look at its database.
        if (const auto rollout = caches_.rollouts.get(key.name)) {
          const api::ObjectName database = reconcile::database_of(*rollout);
          queue_.retry(database, {reconcile::Kind::database, database});
        }
        break;
    }
  }

  /// It may be one that takes the project back.
  void check_changed(const api::ObjectName& name) {
    if (const auto migration = caches_.migrations.get(name))
      queue_.add(reconcile::database_of(*migration), {reconcile::Kind::migration, name},
                 runtime::Priority::urgent);
  }

  /// Asks now and then whether the admission policies stand, on which approvals, overrides and Jobs rest.
  void watch_admission(const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any never;
    for (;;) {
      if (sessions_.leading() && surroundings_.note(reconcile::read_admission(*client_))) {
        for (const auto& database : caches_.databases.all())
          queue_.add(database->meta.name, {reconcile::Kind::database, database->meta.name});
      }
      std::unique_lock lock(mutex);
      never.wait_for(lock, stop, sessions_.leading() ? kAdmissionInterval : 1s, [] { return false; });
      if (stop.stop_requested()) return;
    }
  }

  /// With what SQL checks on that database connect.
  Result<postgres::ConnectionSettings> settings_for_checks(const api::ObjectName& name) {
    const auto database = caches_.databases.get(name);
    if (database == nullptr)
      return transient("DatabaseNotFound", "RlsDatabase " + quoted(name.str()) + " does not exist");
    auto secret = reconcile::read_checks_secret(*client_, *database);
    if (!secret) return secret.error();
    return postgres::parse_connection_settings(secret->uri, secret->ca);
  }

  void give_up(const std::string& why) {
    if (gave_up_.exchange(true)) return;
    log::error(kLogger, "another leader has taken over; this process ends", {{"err", why}});
    ::kill(::getpid(), SIGTERM);
  }

  std::vector<std::string> not_ready() const {
    std::vector<std::string> missing;
    if (!started_) missing.emplace_back("the cluster's identity is not known yet");
    if (!caches_.databases.synced()) missing.emplace_back("RlsDatabases are not listed yet");
    if (!caches_.migrations.synced()) missing.emplace_back("RlsMigrations are not listed yet");
    return missing;
  }

  static api::ObjectName lease_of(const Options& options) {
    return {options.lease_namespace.empty()
                ? kube::default_namespace({.kubeconfig = options.kubeconfig, .context = options.context})
                : options.lease_namespace,
            options.lease_name};
  }

  const Options& options_;
  SystemClock clock_;
  const std::string identity_;
  std::unique_ptr<kube::Client> client_;
  leader::Elector elector_;
  reconcile::Caches caches_;
  // A database that is away is tried again at least as often as it is observed.
  reconcile::Queue queue_{
      clock_,
      {.batches_per_group = 2,
       .backoff = {200ms, std::max<std::chrono::milliseconds>(1s, options_.observe_interval)}}};
  reconcile::Sessions sessions_;
  reconcile::EventRecorder events_;
  Telemetry telemetry_;
  reconcile::StatusWriter writer_;
  checks::Runner check_runner_;
  CountedChecks counted_checks_{check_runner_, telemetry_};
  std::unique_ptr<checks::Board> board_;
  reconcile::Waves waves_{caches_};
  reconcile::Surroundings surroundings_{caches_, waves_, *board_};
  reconcile::Rollouts rollouts_{caches_, waves_, *client_, writer_, clock_};
  reconcile::Reconciler reconciler_;
  reconcile::MigrationSink migration_sink_;
  reconcile::DatabaseSink database_sink_;
  reconcile::ApprovalSink approval_sink_;
  reconcile::RolloutSink rollout_sink_;
  std::atomic<bool> started_{false};
  std::atomic<bool> gave_up_{false};
  std::mutex term_mutex_;
  std::condition_variable_any term_begun_;
  bool in_term_ = false;  // guarded by term_mutex_
  std::unique_ptr<HttpServer> server_;
  std::vector<std::jthread> watchers_;
  std::vector<std::jthread> workers_;
  std::jthread candidate_;
  std::jthread teller_;
  std::jthread pacer_;
  std::jthread guard_;
};

/// Which installation this is, for the claim on a database: the cluster (the uid of kube-system) and the
/// namespace that the operator's credentials name. Asked until it is answered: without it nothing may be
/// claimed.
Result<std::string> install_id_of(const Options& options, kube::Client& client,
                                  const std::atomic<bool>& stopping) {
  if (!options.install_id.empty()) return options.install_id;
  for (auto pause = 200ms; !stopping; pause = std::min<std::chrono::milliseconds>(pause * 2, 10s)) {
    const auto uid = reconcile::cluster_id(client);
    if (uid)
      return *uid + "/" +
             kube::default_namespace({.kubeconfig = options.kubeconfig, .context = options.context});
    log::warn(kLogger, "the cluster's identity cannot be read yet", {{"err", uid.error().message}});
    for (auto waited = 0ms; waited < pause && !stopping; waited += 50ms) std::this_thread::sleep_for(50ms);
  }
  return transient("Stopped", "stopped before the cluster answered");
}

}  // namespace

int run(const Options& options) {
  keep_memory_private();
  keep_memory_small();
  const sigset_t signals = block_signals();
  kube::initialize_http_library();
  log::configure(options.log_level, options.log_format);
  log::info(kLogger, "starting", {{"version", RLS_VERSION}, {"namespace", options.ns}});

  const std::unique_ptr<Seam> seam = make_seam(options);
  auto client = kube::make_client({options.kubeconfig, options.context, options.relist_interval}, *seam);
  if (!client) {
    log::error(kLogger, "cannot start", {{"reason", client.error().reason}, {"err", client.error().message}});
    return 1;
  }

  // The signal is waited for on a thread of its own from the start, so that a cluster that does not answer
  // cannot keep the process alive.
  std::atomic<bool> stopping{false};
  std::jthread waiter([&] {
    int number = 0;
    ::sigwait(&signals, &number);
    log::info(kLogger, "stopping", {{"signal", number == SIGTERM ? "SIGTERM" : "SIGINT"}});
    stopping = true;
    stopping.notify_all();
  });
  const auto end_waiter = [&] {
    if (!stopping) ::pthread_kill(waiter.native_handle(), SIGTERM);
  };

  Operator instance(options, *seam, std::move(client).value());
  if (const auto listening = instance.listen(); !listening) {
    log::error(kLogger, "cannot start",
               {{"reason", listening.error().reason}, {"err", listening.error().message}});
    end_waiter();
    return 1;
  }
  const auto install_id = install_id_of(options, instance.client(), stopping);
  if (!install_id) {
    end_waiter();
    return 0;
  }
  log::info(kLogger, "this installation", {{"installId", *install_id}});
  instance.start(*install_id);
  stopping.wait(false);
  instance.stop();
  log::info(kLogger, "stopped", {});
  return instance.gave_up() ? 1 : 0;
}

}  // namespace rls::app
