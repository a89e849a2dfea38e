#include "controller/reconcile/status_writer.hpp"

#include "controller/base/log.hpp"

namespace rls::reconcile {
namespace {

constexpr const char* kLogger = "status";

std::string plural_of(Kind kind) {
  switch (kind) {
    case Kind::database: return "rlsdatabases";
    case Kind::migration: return "rlsmigrations";
    case Kind::rollout: return "rlsrollouts";
  }
  return {};
}

kube::Resource resource_of(const Key& key) {
  return {std::string(api::kGroupVersion), plural_of(key.kind), key.name.ns};
}

}  // namespace

void StatusWriter::submit(StatusWrite write) {
  {
    const std::lock_guard lock(mutex_);
    Slot& slot = slots_[write.key];
    if (slot.newest_uid == write.uid && write.observed_at < slot.newest) return;
    slot.newest = write.observed_at;
    slot.newest_uid = write.uid;
    const bool urgent = write.urgent || (slot.waiting && slot.waiting->urgent);
    const Key key = write.key;
    slot.waiting = std::move(write);
    slot.waiting->urgent = urgent;
    if (!slot.queued) {
      slot.queued = true;
      (urgent ? urgent_ : normal_).push_back(key);
    } else if (urgent) {
      urgent_.push_front(key);  // its older place in `normal_` finds nothing waiting and is passed over
    }
  }
  pump();
}

void StatusWriter::forget(const Key& key) {
  const std::lock_guard lock(mutex_);
  const auto found = slots_.find(key);
  if (found == slots_.end()) return;
  if (found->second.in_flight || found->second.queued) {
    found->second.waiting.reset();
  } else {
    slots_.erase(found);
  }
}

std::chrono::steady_clock::time_point StatusWriter::last_written(const Key& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = slots_.find(key);
  return found == slots_.end() ? std::chrono::steady_clock::time_point{} : found->second.last_written;
}

bool StatusWriter::drain(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  return idle_.wait_for(lock, limit,
                        [this] { return in_flight_ == 0 && urgent_.empty() && normal_.empty(); });
}

void StatusWriter::run(const std::stop_token& stop) {
  auto done = std::chrono::steady_clock::time_point{};  // the pause that has been waited for
  std::unique_lock lock(mutex_);
  while (pausing_.wait(lock, stop, [&] { return paused_until_ > done; })) {
    const auto until = paused_until_;
    // Longer where another reply asks for more meanwhile.
    pausing_.wait_for(lock, stop, until - clock_.steady(), [&] { return paused_until_ > until; });
    if (stop.stop_requested()) return;
    if (clock_.steady() < paused_until_) continue;
    done = paused_until_;
    lock.unlock();
    pump();
    lock.lock();
  }
}

std::chrono::steady_clock::time_point StatusWriter::paused_until() const {
  const std::lock_guard lock(mutex_);
  return paused_until_;
}

void StatusWriter::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  urgent_.clear();
  normal_.clear();
}

std::uint64_t StatusWriter::written() const {
  const std::lock_guard lock(mutex_);
  return written_;
}

void StatusWriter::drop_waiting() {
  for (auto& [key, slot] : slots_) {
    slot.waiting.reset();
    slot.queued = false;
  }
  urgent_.clear();
  normal_.clear();
}

void StatusWriter::pump() {
  for (;;) {
    std::optional<StatusWrite> next;
    const bool leads = leads_();
    {
      const std::lock_guard lock(mutex_);
      if (!leads) drop_waiting();
      const bool paused = clock_.steady() < paused_until_;
      while (!closed_ && !paused && in_flight_ < kInFlight && !next) {
        std::deque<Key>& from = urgent_.empty() ? normal_ : urgent_;
        if (from.empty()) break;
        const Key key = from.front();
        from.pop_front();
        const auto found = slots_.find(key);
        // One write of an object at a time: `settle` queues it again where something waits.
        if (found == slots_.end() || found->second.in_flight) continue;
        found->second.queued = false;
        if (!found->second.waiting) continue;
        found->second.in_flight = true;
        ++in_flight_;
        next = std::move(found->second.waiting);
        found->second.waiting.reset();
      }
      if (!next) {
        if (in_flight_ == 0) idle_.notify_all();
        return;
      }
    }
    send(std::move(*next));
  }
}

/// The object as the cache has it now, where it still is the same object.
StatusWriter::Before StatusWriter::current(const StatusWrite& write) const {
  const auto from = [&](const auto& cache) -> Before {
    auto object = cache.get(write.key.name);
    if (object != nullptr && object->meta.uid != write.uid) object.reset();
    return object;
  };
  switch (write.key.kind) {
    case Kind::database: return from(caches_.databases);
    case Kind::migration: return from(caches_.migrations);
    case Kind::rollout: return from(caches_.rollouts);
  }
  return {};
}

void StatusWriter::send(StatusWrite write) {
  Before before = current(write);
  const api::ObjectMeta* const meta =
      std::visit([](const auto& object) { return object == nullptr ? nullptr : &object->meta; }, before);
  if (meta == nullptr) {
    settle(write, before, terminal("NotFound", "the object is gone"));
    return;
  }
  std::string body =
      std::visit([&](const auto& status) { return api::encode_status(*meta, status); }, write.status);
  const kube::Resource resource = resource_of(write.key);
  const api::ObjectName name = write.key.name;
  client_.put_status(
      resource, name, std::move(body),
      [this, write = std::move(write), before = std::move(before)](Result<std::string> result) {
        settle(write, before, std::move(result));
        pump();
      });
}

void StatusWriter::settle(const StatusWrite& write, const Before& before, Result<std::string> result) {
  bool again = false, closed = false;
  const bool written = result.ok();
  constexpr std::chrono::seconds kNone{0};
  const std::chrono::seconds pause = written ? kNone : result.error().retry_after.value_or(kNone);
  if (written) {
    remember(write, before, std::move(result).value());
  } else if (result.error().kind == ErrorKind::terminal) {
    // Gone, or a status that the server does not take: trying the same again cannot help.
    if (result.error().reason != "NotFound") {
      log::error(kLogger, "status refused",
                 {{"kind", to_string(write.key.kind)},
                  {"namespace", write.key.name.ns},
                  {"name", write.key.name.name},
                  {"reason", result.error().reason},
                  {"err", result.error().message}});
    }
  } else {
    again = true;
    if (result.error().kind != ErrorKind::conflict) {
      log::warn(kLogger, "status not written, will be tried again",
                {{"kind", to_string(write.key.kind)},
                 {"namespace", write.key.name.ns},
                 {"name", write.key.name.name},
                 {"err", result.error().message}});
    }
  }
  {
    const std::lock_guard lock(mutex_);
    --in_flight_;
    closed = closed_;
    Slot& slot = slots_[write.key];
    slot.in_flight = false;
    if (pause > kNone) {
      const auto until = clock_.steady() + pause;
      if (until > paused_until_) {
        paused_until_ = until;
        pausing_.notify_all();
      }
    }
    if (written) {
      ++written_;
      slot.last_written = clock_.steady();
    }
    if (slot.waiting) {
      again = false;  // something newer is there
      slot.queued = true;
      (slot.waiting->urgent ? urgent_ : normal_).push_back(write.key);
    }
  }
  if (again && !closed) retry_(write.key);
}

/// Puts what was written into the cache at once, so that nobody decides that it must be written again before
/// the watch tells of it. Only where the cache still holds what we wrote over.
void StatusWriter::remember(const StatusWrite& write, const Before& before, std::string new_version) {
  const auto put = [&](auto& cache, const auto& old, const auto& status) {
    const auto now = cache.get(write.key.name);
    if (now != nullptr && now->meta.uid == write.uid &&
        now->meta.resource_version == old.meta.resource_version) {
      auto next = *now;
      next.meta.resource_version = std::move(new_version);
      next.status = status;
      cache.replace_if_current(now, std::move(next));
    }
    if (listener_ != nullptr) listener_->written(old, status);
  };
  switch (write.key.kind) {
    case Kind::database:
      put(caches_.databases, *std::get<1>(before), std::get<api::DatabaseStatus>(write.status));
      break;
    case Kind::migration:
      put(caches_.migrations, *std::get<0>(before), std::get<api::MigrationStatus>(write.status));
      break;
    case Kind::rollout:
      put(caches_.rollouts, *std::get<2>(before), std::get<api::RolloutStatus>(write.status));
      break;
  }
}

}  // namespace rls::reconcile
