#include "controller/reconcile/sessions.hpp"

#include "controller/base/log.hpp"
#include "controller/reconcile/secret.hpp"

namespace rls::reconcile {
namespace {

constexpr const char* kLogger = "sessions";
// A rotated Secret takes effect within this (design 4-kubernetes); a refused password makes it be read at
// once.
constexpr std::chrono::seconds kSecretAge{60};

/// Whether a connection made for one spec serves the other, too.
bool same_connection(const api::DatabaseSpec& a, const api::DatabaseSpec& b) {
  return a.secret == b.secret && a.mode == b.mode && a.schema == b.schema &&
         a.lock_timeout == b.lock_timeout && a.statement_timeout == b.statement_timeout;
}

std::size_t index(runtime::Priority lane) { return static_cast<std::size_t>(lane); }

}  // namespace

std::shared_ptr<Sessions::Entry> Sessions::entry(const api::ObjectName& name) {
  const std::lock_guard lock(mutex_);
  auto& found = entries_[name];
  if (found == nullptr) found = std::make_shared<Entry>();
  return found;
}

void Sessions::begin_term(postgres::Mandate mandate, std::function<bool()> leads) {
  const std::lock_guard lock(mutex_);
  ++term_;
  mandate_ = std::make_shared<const postgres::Mandate>(std::move(mandate));
  leads_ = std::move(leads);
  for (auto& [name, held] : entries_) held->epoch.reset();
}

void Sessions::end_term() {
  {
    const std::lock_guard lock(mutex_);
    ++term_;
    mandate_.reset();
  }
  interrupt_all();
}

bool Sessions::leading() const {
  std::function<bool()> leads;
  {
    const std::lock_guard lock(mutex_);
    if (mandate_ == nullptr) return false;
    leads = leads_;
  }
  return leads();
}

Result<Sessions::Open> Sessions::open(const api::RlsDatabase& database, runtime::Priority which) {
  const api::ObjectName& name = database.meta.name;
  const std::shared_ptr<Entry> held = entry(name);
  Lane& lane = held->lanes[index(which)];
  std::unique_lock lock(lane.mutex);

  const Error not_leading = transient("NotLeading", "this process does not lead");
  if (!leading()) {
    lane.database.reset();
    return not_leading;
  }
  std::uint64_t term = 0;
  {
    const std::lock_guard guard(mutex_);
    term = term_;
  }
  if (lane.database != nullptr && (!same_connection(lane.made_for, database.spec) ||
                                   lane.made_for_uid != database.meta.uid || lane.term != term)) {
    lane.database.reset();
  }
  const auto fail = [&](Error error) -> Result<Open> {
    lane.database.reset();
    if (error.reason != not_leading.reason) note(name, false);
    return error;
  };
  const auto ensure_made = [&]() -> Result<void> {
    if (lane.database != nullptr && clock_.steady() - lane.secret_read_at < kSecretAge) return {};
    auto secret = read_secret(client_, database);
    if (!secret && lane.database != nullptr) {
      // It still works; a Secret that is away for a moment must not stop a demotion.
      log::warn(kLogger, "Secret cannot be read again; the connection goes on",
                {{"namespace", name.ns}, {"database", name.name}, {"err", secret.error().message}});
      lane.secret_read_at = clock_.steady();
      return {};
    }
    if (!secret) return secret.error();
    lane.secret_read_at = clock_.steady();
    if (lane.database != nullptr && lane.secret == *secret) return {};
    auto made = factory_(database, *secret);
    if (!made) return made.error();
    lane.database = std::move(made).value();
    lane.secret = std::move(*secret);
    lane.made_for = database.spec;
    lane.made_for_uid = database.meta.uid;
    lane.term = term;
    const std::lock_guard guard(mutex_);
    held->running[index(which)] = lane.database;
    return {};
  };

  postgres::Claimant claimant{.install_id = install_id_,
                              .database = name,
                              .database_uid = database.meta.uid,
                              .known_system = database.status.system_identifier,
                              .accept_system = database.accept_system,
                              .take_over = database.take_over,
                              .epoch = std::nullopt,
                              .epoch_system = {},
                              .mandate = nullptr};
  std::unique_lock beginning(held->beginning);
  {
    const std::lock_guard guard(mutex_);
    if (term_ != term) return fail(not_leading);
    claimant.epoch = held->epoch;
    claimant.epoch_system = held->epoch_system;
    claimant.mandate = mandate_;
  }
  if (claimant.epoch) beginning.unlock();
  const bool was_made = lane.database != nullptr;
  if (auto ready = ensure_made(); !ready) return fail(ready.error());
  auto facts = lane.database->open(claimant);
  if (!facts && was_made && facts.error().reason != "FenceLost") {
    // It worked before: the connection may have died, or the password was changed. Once more with a fresh
    // Secret.
    lane.database.reset();
    if (auto ready = ensure_made(); !ready) return fail(ready.error());
    facts = lane.database->open(claimant);
  }
  if (!facts) return fail(facts.error());
  if (not_ok_for(name) > Duration{0}) {
    log::info(kLogger, "database can be used again", {{"namespace", name.ns}, {"database", name.name}});
  }
  {
    const std::lock_guard guard(mutex_);
    if (term_ != term) {
      lane.database.reset();
      return not_leading;
    }
    held->epoch = facts->epoch;
    held->epoch_system = facts->system_identifier;
  }
  note(name, true);
  return Open{held, &lane, std::move(lock), lane.database, std::move(facts).value()};
}

void Sessions::drop(Open& open) {
  open.lane->database.reset();
  open.database.reset();
}

Duration Sessions::not_ok_for(const api::ObjectName& database) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(database);
  if (found == entries_.end() || !found->second->failing_since) return Duration{0};
  return std::chrono::duration_cast<Duration>(clock_.steady() - *found->second->failing_since);
}

void Sessions::note(const api::ObjectName& database, bool ok) {
  const std::shared_ptr<Entry> held = entry(database);
  const std::lock_guard lock(mutex_);
  if (ok) {
    held->failing_since.reset();
  } else if (!held->failing_since) {
    held->failing_since = clock_.steady();
  }
}

void Sessions::forget(const api::ObjectName& database) {
  const std::lock_guard lock(mutex_);
  entries_.erase(database);
}

void Sessions::interrupt_all() {
  std::vector<std::shared_ptr<postgres::ProjectDatabase>> running;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, held] : entries_) {
      for (const auto& weak : held->running) {
        if (auto database = weak.lock()) running.push_back(std::move(database));
      }
    }
  }
  for (const auto& database : running) database->interrupt();
}

}  // namespace rls::reconcile
