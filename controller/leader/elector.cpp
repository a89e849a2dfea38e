#include "controller/leader/elector.hpp"

#include <sys/random.h>

#include <algorithm>
#include <array>

#include "controller/base/log.hpp"
#include "controller/leader/lease.hpp"

namespace rls::leader {
namespace {

using namespace std::chrono_literals;

constexpr const char* kLogger = "leader";
// A call to the Lease that takes longer is worth less than the next one.
constexpr std::chrono::milliseconds kCallTimeout = 5s;

}  // namespace

std::string make_identity(std::string_view host) {
  std::array<unsigned char, 8> random{};
  // Cannot fail for so few bytes once the machine is up; the pid would be no help across Pods.
  while (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) {
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string identity(host.substr(0, 100));
  identity += '_';
  for (const unsigned char byte : random) {
    identity += kDigits[byte >> 4U];
    identity += kDigits[byte & 15U];
  }
  return identity;
}

Elector::Elector(kube::Client& client, const Clock& clock, api::ObjectName lease, std::string identity,
                 LeaseTiming timing, Callbacks callbacks)
    : client_(client),
      clock_(clock),
      lease_(std::move(lease)),
      resource_{"coordination.k8s.io/v1", "leases", lease_.ns},
      identity_(std::move(identity)),
      timing_(timing),
      callbacks_(std::move(callbacks)),
      election_(identity_, timing) {}

void Elector::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    announce();
    {
      const std::lock_guard one_call(calls_);
      Election::Step step;
      {
        const std::lock_guard lock(mutex_);
        step = election_.next(clock_.steady());
      }
      if (step.doing != Election::Doing::wait) {
        perform(step);
        continue;
      }
    }
    announce();
    std::unique_lock lock(mutex_);
    const auto step = election_.next(clock_.steady());
    if (step.doing != Election::Doing::wait) continue;
    changed_.wait_for(
        lock, stop, step.until - clock_.steady(),
        [&, leads = election_.leads(clock_.steady())] { return election_.leads(clock_.steady()) != leads; });
  }
}

/// Tells of a change. Also one that came about in a call of another thread.
void Elector::announce() {
  const bool leads = this->leads();
  if (leads == announced_) return;
  announced_ = leads;
  if (leads) {
    std::int64_t term = 0;
    {
      const std::lock_guard lock(mutex_);
      term = election_.term();
    }
    log::info(kLogger, "this process leads",
              {{"lease", lease_.str()}, {"holder", identity_}, {"term", term}});
    callbacks_.elected();
  } else {
    log::warn(kLogger, "this process does not lead any more",
              {{"lease", lease_.str()}, {"holder", identity_}});
    callbacks_.deposed();
  }
}

bool Elector::leads() const {
  const std::lock_guard lock(mutex_);
  return election_.leads(clock_.steady());
}

Result<std::int64_t> Elector::term_above(std::int64_t epoch) {
  const Error not_leading = transient("NotLeading", "this process does not lead");
  const std::lock_guard one_call(calls_);
  Election::Step step;
  {
    const std::lock_guard lock(mutex_);
    const auto now = clock_.steady();
    if (!election_.leads(now)) return not_leading;
    if (election_.term() > epoch) return election_.term();
    election_.outbid(now, epoch);
    step = election_.next(now);
  }
  if (step.doing == Election::Doing::update) perform(step);
  const std::lock_guard lock(mutex_);
  changed_.notify_all();
  if (!election_.leads(clock_.steady()) || election_.term() <= epoch) return not_leading;
  return election_.term();
}

void Elector::release() {
  const std::lock_guard one_call(calls_);
  std::optional<LeaseRecord> record;
  {
    const std::lock_guard lock(mutex_);
    record = election_.release(clock_.steady());
  }
  if (!record) return;
  const auto released =
      client_.call(kube::Client::Method::put, resource_, lease_,
                   encode_lease(*record, document_, lease_.ns, lease_.name, false, clock_.now()), 2s);
  if (released) {
    log::info(kLogger, "the Lease is released", {{"lease", lease_.str()}});
  } else {
    log::warn(kLogger, "the Lease could not be released; the next leader waits until it has run out",
              {{"lease", lease_.str()}, {"err", released.error().message}});
  }
}

void Elector::perform(const Election::Step& step) {
  using Method = kube::Client::Method;
  using Doing = Election::Doing;
  const auto sent = clock_.steady();
  auto limit = std::min(kCallTimeout, timing_.renew_deadline);
  {
    // Whoever leads must be back at the deadline.
    const std::lock_guard lock(mutex_);
    if (election_.leads(sent)) {
      limit = std::min(limit, std::chrono::ceil<std::chrono::milliseconds>(election_.deadline() - sent));
    }
  }
  Method method = Method::get;
  std::string body;
  if (step.doing != Doing::read) {
    method = step.doing == Doing::create ? Method::post : Method::put;
    body = encode_lease(step.record, step.doing == Doing::create ? std::string_view{} : document_, lease_.ns,
                        lease_.name, step.acquires, clock_.now());
  }
  auto reply = client_.call(method, resource_, lease_, std::move(body), limit);
  const auto record = reply ? decode_lease(*reply) : Result<LeaseRecord>(reply.error());
  const std::lock_guard lock(mutex_);
  const auto now = clock_.steady();
  if (record) {
    document_ = std::move(*reply);
    told_.clear();
    if (step.doing == Doing::read) {
      const std::string before = election_.holder();
      election_.seen(now, *record);
      if (record->holder != before && record->holder != identity_ && !record->holder.empty()) {
        log::info(kLogger, "another process leads", {{"lease", lease_.str()}, {"holder", record->holder}});
      }
    } else {
      election_.written(sent, *record);
    }
    return;
  }
  const Error& error = record.error();
  if (step.doing == Doing::read && error.reason == "NotFound") return election_.absent(now);
  // To create in a namespace that is not there is no news about the Lease.
  const bool changed = step.doing != Doing::read && error.kind == ErrorKind::conflict;
  if (changed || (step.doing == Doing::update && error.reason == "NotFound")) return election_.refused(now);
  election_.failed(now);
  tell(error);
}

/// Once for each error, not with each try.
void Elector::tell(const Error& error) {
  if (std::exchange(told_, error.message) == error.message) return;
  log::warn(kLogger, "the Lease cannot be used; without it this process does not lead",
            {{"lease", lease_.str()}, {"reason", error.reason}, {"err", error.message}});
}

}  // namespace rls::leader
