#include "controller/kube/reflector.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "controller/base/log.hpp"
#include "controller/kube/status_error.hpp"
#include "controller/kube/uri.hpp"

namespace rls::kube {
namespace {

constexpr std::string_view kLogger = "kube.watch";
// A page may be megabytes, and the line to the server slow; silence ends it sooner.
constexpr std::chrono::minutes kPageTimeout{2};
// A watch that is silent for so long after it should have ended is a dead one.
constexpr std::chrono::seconds kOverdue{5};

void interruptible_pause(std::chrono::milliseconds length, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, length, [] { return false; });
}

}  // namespace

ReflectorTuning real_tuning() {
  ReflectorTuning tuning;
  tuning.pause = interruptible_pause;
  tuning.now = [] { return std::chrono::steady_clock::now(); };
  tuning.seed = std::random_device{}();
  return tuning;
}

Reflector::Reflector(Calls& calls, Resource resource, ObjectSink& sink, std::function<void()> synced,
                     const ReflectorTuning& tuning)
    : calls_(calls),
      resource_(std::move(resource)),
      sink_(sink),
      synced_(std::move(synced)),
      tuning_(tuning),
      random_(tuning.seed) {}

void Reflector::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const bool listing = state_.doing == ReflectorState::Doing::listing;
    const Happening happening = listing ? list_page(stop) : watch(stop);
    if (stop.stop_requested()) break;
    advance(happening, stop);
  }
  if (state_.collecting) sink_.relist_abort();
}

void Reflector::advance(const Happening& happening, const std::stop_token& stop) {
  ReflectorStep next = step(std::move(state_), happening);
  state_ = std::move(next.state);
  carry_out(next.orders, stop);
}

void Reflector::carry_out(const Orders& orders, const std::stop_token& stop) {
  if (orders.drop) sink_.relist_abort();
  if (orders.begin) sink_.relist_begin();
  if (orders.deliver) {
    for (const std::string_view item : page_.items) sink_.relist_item(item);
    page_ = {};
    std::string().swap(body_);  // a page may be megabytes; the watch that follows needs none of it
  }
  if (orders.commit) {
    sink_.relist_commit();
    relist_at_ = tuning_.now() + draw_relist();
    if (synced_) synced_();
  }
  if (orders.pause == 0) return;
  std::chrono::milliseconds length = backoff(tuning_.backoff, orders.pause, random_);
  if (orders.no_sooner) length = std::max<std::chrono::milliseconds>(length, *orders.no_sooner);
  tuning_.pause(length, stop);
}

Happening Reflector::list_page(const std::stop_token& stop) {
  Request request;
  request.path = resource_.path() + "?limit=" + std::to_string(tuning_.page_limit);
  if (!state_.continue_token.empty()) request.path += "&continue=" + percent_encoded(state_.continue_token);
  request.timeout = kPageTimeout;
  request.what = "LIST " + resource_.plural;
  auto reply = calls_.wait(std::move(request), stop);
  if (!reply) return failed(reply.error());
  if (!is_success(reply->status)) return refused(std::move(*reply), "list");
  body_ = std::move(reply->body);
  auto page = decode_list_page(body_);
  if (!page) return failed(page.error());
  page_ = std::move(*page);
  recovered();
  return PageArrived{page_.continue_token, page_.resource_version};
}

/// So that the replicas do not list together.
std::chrono::milliseconds Reflector::draw_relist() {
  const std::int64_t most = tuning_.relist.count();
  return std::chrono::milliseconds(
      std::uniform_int_distribution<std::int64_t>(most - most / 5, most)(random_));
}

Happening Reflector::watch(const std::stop_token& stop) {
  const auto begin = tuning_.now();
  if (begin >= relist_at_) return RelistDue{};
  // The server ends the watch when the next list is due, if not before.
  const std::chrono::seconds lasts(std::min<std::int64_t>(
      std::uniform_int_distribution<unsigned>(tuning_.watch_least, tuning_.watch_most)(random_),
      std::chrono::ceil<std::chrono::seconds>(relist_at_ - begin).count()));
  Request request;
  request.path = resource_.path() + "?watch=true&allowWatchBookmarks=true&resourceVersion=" +
                 percent_encoded(state_.resource_version) +
                 "&timeoutSeconds=" + std::to_string(lasts.count());
  request.what = "WATCH " + resource_.plural;

  LineSplitter lines;
  ended_.reset();
  auto reply = calls_.stream(
      std::move(request),
      [this, &lines](std::string_view chunk) {
        if (lines.feed(chunk, [this](std::string& line) { return take_line(line); })) return true;
        if (!ended_) {
          complain(transient("EventTooLong", "a watch event is longer than 3 MiB; listing anew"));
          ended_ = Desynced{};
        }
        return false;
      },
      std::min(tuning_.watch_idle, lasts + kOverdue), stop);
  if (ended_) return *std::exchange(ended_, std::nullopt);
  const auto lasted = std::chrono::duration_cast<std::chrono::milliseconds>(tuning_.now() - begin);
  // The server answered and had nothing to tell: it sends no bookmarks of a collection in which nothing has
  // happened since it began. Where the line is dead instead, the next watch gets no answer.
  if (!reply && reply.error().reason == "Silence") return WatchClosed{lasted};
  if (!reply) return failed(reply.error());
  if (!is_success(reply->status)) return refused(std::move(*reply), "watch");
  if (lasted >= kShortWatch) recovered();
  return WatchClosed{lasted};
}

bool Reflector::take_line(std::string& line) {
  const auto event = decoder_.decode(line);
  if (!event) {
    complain(event.error());
    ended_ = Desynced{};
    return false;
  }
  switch (event->type) {
    case EventType::added:
    case EventType::modified: sink_.applied(event->object); break;
    case EventType::deleted: sink_.deleted(event->object); break;
    case EventType::bookmark: break;
    case EventType::error: {
      std::string status(event->object);
      const StatusBody said = decode_status(status);
      if (event->error_code == 410) {
        log::debug(kLogger, "the watch's history is gone, listing anew", {{"resource", where()}});
        ended_ = Expired{};
      } else {
        complain(transient("WatchError", log::redacted(said.message)));
        ended_ = Desynced{};
      }
      return false;
    }
  }
  recovered();
  // No order but a new resourceVersion comes of it.
  state_ = step(std::move(state_), Progress{event->resource_version}).state;
  return true;
}

Happening Reflector::refused(Response response, const char* verb) {
  if (response.status == 410) return Expired{};
  const auto retry_after = response.retry_after;
  Error error =
      status_error(std::move(response), {verb, resource_.group_version, resource_.plural, resource_.ns});
  if (error.reason == "NotFound") error = resource_not_installed(resource_, error);
  return failed(error, retry_after);
}

Happening Reflector::failed(const Error& error, std::optional<std::chrono::seconds> retry_after) {
  if (error.reason != "Stopped") complain(error);
  return Failed{retry_after};
}

void Reflector::complain(const Error& error) {
  if (complained_ == error.reason) {
    log::debug(kLogger, "still no list or watch", {{"resource", where()}, {"reason", error.reason}});
    return;
  }
  complained_ = error.reason;
  log::warn(kLogger, "cannot list or watch; trying again",
            {{"resource", where()}, {"reason", error.reason}, {"err", error.message}});
}

void Reflector::recovered() {
  if (complained_.empty()) return;
  log::info(kLogger, "lists and watches again", {{"resource", where()}, {"was", complained_}});
  complained_.clear();
}

std::string Reflector::where() const { return resource_.plural + " (" + resource_.group_version + ")"; }

}  // namespace rls::kube
