#pragma once
// Carries out reflector_state's orders for one collection: IO around the rules.

#include <chrono>
#include <cstdint>
#include <functional>
#include <random>
#include <stop_token>
#include <string>

#include "controller/base/backoff.hpp"
#include "controller/kube/calls.hpp"
#include "controller/kube/client.hpp"
#include "controller/kube/line_splitter.hpp"
#include "controller/kube/reflector_state.hpp"
#include "controller/kube/watch_decoder.hpp"

namespace rls::kube {

/// What tests want otherwise.
struct ReflectorTuning {
  unsigned page_limit = 250;  ///< objects; one unpaged list of 10 000 would peak at 120–160 MB
  BackoffPolicy backoff{std::chrono::milliseconds(200), std::chrono::milliseconds(30'000)};
  std::chrono::seconds watch_idle{120};  ///< bookmarks come each minute, if ever; detects a dead peer
  unsigned watch_least = 240;            ///< seconds of timeoutSeconds, drawn anew for each watch, so that
  unsigned watch_most = 290;             ///< the replicas' watches do not end together
  std::chrono::milliseconds relist{600'000};  ///< between two lists at most; a fifth less by chance
  std::function<void(std::chrono::milliseconds, const std::stop_token&)> pause;  ///< ends early on stop
  std::function<std::chrono::steady_clock::time_point()> now;
  std::uint32_t seed = 0;
};
/// Real pauses, real time, a random seed.
ReflectorTuning real_tuning();

class Reflector {
 public:
  Reflector(Calls& calls, Resource resource, ObjectSink& sink, std::function<void()> synced,
            const ReflectorTuning& tuning);

  /// Until `stop`. A relist that is under way then is aborted.
  void run(const std::stop_token& stop);

 private:
  Happening list_page(const std::stop_token& stop);
  Happening watch(const std::stop_token& stop);
  std::chrono::milliseconds draw_relist();
  /// False: the stream is to end, for the reason in `ended_`.
  bool take_line(std::string& line);
  Happening refused(Response response, const char* verb);
  Happening failed(const Error& error, std::optional<std::chrono::seconds> retry_after = std::nullopt);
  void carry_out(const Orders& orders, const std::stop_token& stop);
  void advance(const Happening& happening, const std::stop_token& stop);
  void complain(const Error& error);
  void recovered();
  [[nodiscard]] std::string where() const;

  Calls& calls_;
  const Resource resource_;
  ObjectSink& sink_;
  const std::function<void()> synced_;
  const ReflectorTuning& tuning_;
  std::minstd_rand random_;

  ReflectorState state_;
  std::chrono::steady_clock::time_point relist_at_;  ///< known from the first whole list on
  std::string body_;                                 ///< the page that `page_`'s views point into
  ListPage page_;
  WatchDecoder decoder_;
  std::optional<Happening> ended_;
  std::string complained_;  ///< the last trouble's reason; the same one is not told twice
};

}  // namespace rls::kube
