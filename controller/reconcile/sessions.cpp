#include "controller/reconcile/sessions.hpp"

#include "controller/base/text.hpp"
#include "controller/reconcile/secret.hpp"

namespace rls::reconcile {
namespace {

std::size_t index(runtime::Priority lane) { return static_cast<std::size_t>(lane); }

}  // namespace

std::shared_ptr<Sessions::Entry> Sessions::entry(const api::ObjectName& name) {
  const std::lock_guard lock(mutex_);
  auto& found = entries_[name];
  if (found == nullptr) found = std::make_shared<Entry>();
  return found;
}

Result<std::shared_ptr<postgres::ProjectDatabase>> Sessions::make(const api::RlsDatabase& database) {
  auto value = read_secret(client_, database);
  if (!value) return value.error();
  auto made = factory_(database, *value);
  if (!made) return made.error();
  return std::shared_ptr<postgres::ProjectDatabase>(std::move(made).value());
}

Result<Sessions::Open> Sessions::open(const api::RlsDatabase& database, runtime::Priority which) {
  const api::ObjectName& name = database.meta.name;
  const std::shared_ptr<Entry> held = entry(name);
  Lane& lane = held->lanes[index(which)];
  std::unique_lock lock(lane.mutex);

  if (lane.database != nullptr &&
      (lane.made_for != database.spec || lane.made_for_uid != database.meta.uid)) {
    lane.database.reset();
  }
  const auto fail = [&](Error error) -> Result<Open> {
    lane.database.reset();
    note(name, false);
    return error;
  };
  if (lane.database == nullptr) {
    auto made = make(database);
    if (!made) return fail(made.error());
    lane.database = std::move(made).value();
    lane.made_for = database.spec;
    lane.made_for_uid = database.meta.uid;
    const std::lock_guard guard(mutex_);
    held->running[index(which)] = lane.database;
  }

  auto facts = lane.database->open({install_id_, name, database.meta.uid});
  if (!facts) return fail(facts.error());
  const std::string& known = database.status.system_identifier;
  if (!known.empty() && known != facts->system_identifier) {
    return fail(terminal(
        "DatabaseChanged",
        "another server answers: system identifier " + facts->system_identifier + ", " + known +
            " was known. Point the Secret back; if the change is meant (pg_upgrade, restore), delete "
            "and re-create this RlsDatabase"));
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
