#include "controller/reconcile/event_recorder.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "controller/api/json_writer.hpp"
#include "controller/api/limits.hpp"
#include "controller/base/log.hpp"

namespace rls::reconcile {
namespace {

constexpr const char* kLogger = "events";
constexpr const char* kGroupVersion = "events.k8s.io/v1";
constexpr const char* kController = "rls-operator.dev/rls-operator";
// Bounds of the API server.
constexpr std::size_t kMaxNote = 1024;
constexpr std::size_t kMaxInstance = 128;
constexpr std::size_t kMaxName = 253;

/// FNV-1a, of which twelve bits are kept.
unsigned hash12(std::string_view text) {
  std::uint32_t hash = 0x811c9dc5U;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x01000193U;
  }
  return (hash ^ (hash >> 12U) ^ (hash >> 24U)) & 0xFFFU;
}

/// The parts are kept apart by a byte that stands in none of them.
std::string identity(const Regarding& object, const EventDraft& draft) {
  return object.uid + '\0' + std::string(info(draft.reason).reason) + '\0' + draft.key;
}

/// `<object>.<16 hexadecimal digits>`: first its time, because kubectl describe shows Events in the order of
/// their names, then a hash of what it is. What happens once has the same name whoever tells it.
std::string name_of(const Regarding& object, const EventDraft& draft, Time time) {
  std::array<char, 32> digits{};
  std::snprintf(digits.data(), digits.size(), ".%013llx%03x",
                static_cast<unsigned long long>(time.time_since_epoch().count()) & 0xF'FFFF'FFFF'FFFFULL,
                hash12(identity(object, draft)));
  std::string front = object.name.name.substr(0, kMaxName - 17);
  while (!front.empty() && (front.back() == '.' || front.back() == '-')) front.pop_back();
  return front + digits.data();
}

std::string encode_series(std::int64_t count, Time last) {
  api::JsonWriter json;
  json.begin_object().key("series").begin_object();
  json.member("count", count);
  json.member("lastObservedTime", format_rfc3339_micro(last));
  json.end_object().end_object();
  return json.take();
}

}  // namespace

double TokenBucket::tokens_at(Moment now) const {
  const std::chrono::duration<double> passed = now - at_;
  return std::min(burst_, tokens_ + std::max(0.0, passed.count()) * per_second_);
}

bool TokenBucket::take(Moment now) {
  tokens_ = tokens_at(now);
  at_ = now;
  // Sums of fractions: a token that is there but for the last bit is there.
  if (tokens_ < 1 - 1e-9) return false;
  tokens_ -= 1;
  return true;
}

TokenBucket::Moment TokenBucket::next(Moment now) const {
  const double missing = std::max(0.0, 1 - tokens_at(now));
  return now +
         std::chrono::ceil<std::chrono::milliseconds>(std::chrono::duration<double>(missing / per_second_));
}

EventRecorder::EventRecorder(kube::Client& client, const Clock& clock, std::string instance,
                             std::function<void()> dropped, EventLimits limits)
    : client_(client),
      clock_(clock),
      instance_(api::cut(instance.empty() ? "rls-operator" : instance, kMaxInstance)),
      dropped_(std::move(dropped)),
      limits_(limits),
      budget_(limits.burst, limits.per_second, clock.steady()) {}

void EventRecorder::written(const api::RlsMigration& before, const api::MigrationStatus& after) {
  if (auto drafts = events_of(before, after); !drafts.empty()) {
    record({Kind::migration, before.meta.name, before.meta.uid}, std::move(drafts));
  }
}

void EventRecorder::written(const api::RlsDatabase& before, const api::DatabaseStatus& after) {
  if (auto drafts = events_of(before, after); !drafts.empty()) {
    record({Kind::database, before.meta.name, before.meta.uid}, std::move(drafts));
  }
}

void EventRecorder::written(const api::RlsRollout& before, const api::RolloutStatus& after) {
  if (auto drafts = events_of(before, after); !drafts.empty()) {
    record({Kind::rollout, before.meta.name, before.meta.uid}, std::move(drafts));
  }
}

void EventRecorder::record(const Regarding& object, std::vector<EventDraft> drafts) {
  const Moment now = clock_.steady();
  Time time = clock_.now();
  int dropped = 0;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    forget_old(now);
    for (EventDraft& draft : drafts) {
      dropped += take_in(object, std::move(draft), time, now);
      time += Duration{1};  // a moment apart, so that the story is shown in its order
    }
    woken_ = true;
  }
  changed_.notify_all();
  count_dropped(dropped);
}

int EventRecorder::take_in(const Regarding& object, EventDraft draft, Time time, Moment now) {
  const std::string which = identity(object, draft);
  if (const auto found = known_.find(which); found != known_.end()) {
    if (draft.once) return 0;
    Known& known = *found->second;
    ++known.count;
    known.last = time;
    known.seen = now;
    ages_.splice(ages_.end(), ages_, known.age);
    // What waits or is on its way takes the new count along, at no price.
    if (known.queued || known.in_flight) return 0;
    return admit(object.uid, now) ? enqueue(found->second) : 1;
  }
  if (!admit(object.uid, now)) return 1;
  const auto known = std::make_shared<Known>();
  known->object = object;
  known->first = known->last = draft.time.value_or(time);
  known->name = name_of(object, draft, known->first);
  known->draft = std::move(draft);
  known->seen = now;
  known->age = ages_.insert(ages_.end(), known);
  known_.emplace(which, known);
  return enqueue(known);
}

int EventRecorder::enqueue(const Pointer& known) {
  known->queued = true;
  queue_.push_back(known);
  if (queue_.size() <= limits_.queue) return 0;
  auto victim = std::find_if(queue_.begin(), queue_.end(), [](const Pointer& waiting) {
    return info(waiting->draft.reason).type == EventType::normal;
  });
  if (victim == queue_.end()) victim = queue_.begin();
  (*victim)->queued = false;
  // Where the server never heard of it, the next time is the first again.
  if ((*victim)->told == 0) forget(**victim);
  queue_.erase(victim);
  return 1;
}

bool EventRecorder::admit(const std::string& uid, Moment now) {
  if (const auto found = objects_.find(uid); found != objects_.end()) return found->second.take(now);
  if (objects_.size() >= limits_.known && now >= next_purge_) {
    std::erase_if(objects_, [&](const auto& object) { return object.second.full(now); });
    next_purge_ = now + std::chrono::minutes{1};
  }
  // Too many to count them all: the budget of the whole still holds.
  if (objects_.size() >= limits_.known) return true;
  const double per_second = 1.0 / static_cast<double>(limits_.object_refill.count());
  return objects_.try_emplace(uid, limits_.object_burst, per_second, now).first->second.take(now);
}

/// What waits or is on its way still goes its way.
void EventRecorder::forget(Known& known) {
  if (!known.remembered) return;
  known.remembered = false;
  known_.erase(identity(known.object, known.draft));
  ages_.erase(known.age);  // the last that holds it may be the caller
}

void EventRecorder::forget_old(Moment now) {
  while (!ages_.empty()) {
    const Pointer oldest = ages_.front();
    if (now - oldest->seen < limits_.series && known_.size() <= limits_.known) return;
    forget(*oldest);
  }
}

std::optional<EventRecorder::Moment> EventRecorder::pump() {
  for (;;) {
    Pointer next;
    std::int64_t count = 0;
    Time last{};
    {
      const std::lock_guard lock(mutex_);
      if (closed_ || queue_.empty() || in_flight_ >= limits_.in_flight) return std::nullopt;
      const Moment now = clock_.steady();
      if (now < paused_until_) return paused_until_;
      if (!budget_.take(now)) return budget_.next(now);
      next = std::move(queue_.front());
      queue_.pop_front();
      next->queued = false;
      next->in_flight = true;
      ++in_flight_;
      count = next->count;
      last = next->last;
    }
    send(next, count, last);
  }
}

void EventRecorder::send(const Pointer& known, std::int64_t count, Time last) {
  // `told`, `object`, `draft` and `name` change only between calls: nobody else writes them now.
  const kube::Resource resource{kGroupVersion, "events", known->object.name.ns};
  auto done = [this, known, count](const Result<void>& result) { settle(known, count, result); };
  if (known->told == 0) {
    client_.create(resource, encode(*known), std::move(done));
  } else {
    client_.patch(resource, {known->object.name.ns, known->name}, encode_series(count, last),
                  std::move(done));
  }
}

void EventRecorder::settle(const Pointer& known, std::int64_t count, const Result<void>& result) {
  // After a lost reply it may be our own; what happened once may have been told before a restart.
  const bool ok = result.ok() || result.error().reason == "AlreadyExists";
  int dropped = 0;
  {
    const std::lock_guard lock(mutex_);
    known->in_flight = false;
    --in_flight_;
    if (!result.ok() && result.error().retry_after) {
      paused_until_ = std::max(paused_until_, clock_.steady() + *result.error().retry_after);
    }
    const bool created = known->told == 0;
    const bool expired = !ok && !created && result.error().reason == "NotFound";
    const bool passing = !ok && result.error().kind == ErrorKind::transient;
    if (ok) {
      // A new Event says "once"; what came meanwhile is told by a series.
      known->told = created ? 1 : count;
      known->again = false;
      const bool more = known->told < known->count && !closed_;
      if (more && admit(known->object.uid, clock_.steady())) dropped += enqueue(known);
    } else if ((expired || passing) && !known->again && !closed_) {
      known->again = true;
      if (expired) known->told = 0;
      dropped += enqueue(known);
    } else {
      // Told by nobody, and not tried again: the next time is the first again.
      forget(*known);
      ++dropped;
    }
    woken_ = true;
  }
  changed_.notify_all();
  if (!ok) {
    log::debug(kLogger, "event not written",
               {{"namespace", known->object.name.ns},
                {"name", known->name},
                {"reason", result.error().reason},
                {"err", result.error().message}});
  }
  count_dropped(dropped);
}

void EventRecorder::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const auto again = pump();
    std::unique_lock lock(mutex_);
    const auto woken = [this] { return std::exchange(woken_, false); };
    if (again) {
      changed_.wait_for(lock, stop, std::max(*again - clock_.steady(), Moment::duration{1'000'000}), woken);
    } else {
      changed_.wait(lock, stop, woken);
    }
  }
}

bool EventRecorder::drain(std::chrono::milliseconds limit) {
  const auto end = clock_.steady() + limit;
  for (;;) {
    const auto again = pump();
    std::unique_lock lock(mutex_);
    if (queue_.empty() && in_flight_ == 0) return true;
    const Moment now = clock_.steady();
    // Waiting for budget is not worth the end of a process.
    if (now >= end || (again && in_flight_ == 0)) return false;
    changed_.wait_for(lock, end - now, [this] { return std::exchange(woken_, false); });
  }
}

void EventRecorder::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  queue_.clear();
}

void EventRecorder::count_dropped(int number) const {
  for (; number > 0 && dropped_; --number) dropped_();
}

std::string EventRecorder::encode(const Known& known) const {
  const EventInfo& row = info(known.draft.reason);
  api::JsonWriter json;
  json.begin_object();
  json.member("apiVersion", kGroupVersion);
  json.member("kind", "Event");
  json.key("metadata").begin_object();
  json.member("name", known.name);
  json.member("namespace", known.object.name.ns);
  json.end_object();
  json.member("eventTime", format_rfc3339_micro(known.first));
  json.member("reportingController", kController);
  json.member("reportingInstance", instance_);
  json.member("action", row.action);
  json.member("reason", row.reason);
  json.member("type", to_string(row.type));
  json.member("note", api::cut(log::redacted(known.draft.note), kMaxNote));
  json.key("regarding").begin_object();
  json.member("apiVersion", api::kGroupVersion);
  json.member("kind", to_string(known.object.kind));
  json.member("namespace", known.object.name.ns);
  json.member("name", known.object.name.name);
  json.member("uid", known.object.uid);
  json.end_object().end_object();
  return json.take();
}

}  // namespace rls::reconcile
