#pragma once
// Who leads, decided on a Lease (coordination.k8s.io/v1) by the rules that Kubernetes' own components keep:
// take it when nobody holds it or its holder has not renewed it for as long as we have watched; renew it in
// time; stop leading well before others may take it. Pure: no clock, no call.
//
// A Lease alone fences nothing (design 3-database): a leader that is paused does not know that it is deposed.
// Its number, `leaseTransitions`, grows with each holder and is the epoch that the databases are fenced with.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace rls::leader {

/// renew_deadline < duration, retry < renew_deadline.
struct LeaseTiming {
  std::chrono::milliseconds duration{15'000};  ///< others wait for so long after the last renewal they saw
  std::chrono::milliseconds renew_deadline{10'000};  ///< a leader that could not renew for so long stops
  std::chrono::milliseconds retry{2'000};            ///< between two tries
};

/// What stands in the Lease.
struct LeaseRecord {
  std::string resource_version;
  std::string holder;  ///< empty: released
  std::chrono::milliseconds duration{0};
  std::int64_t transitions = 0;

  friend bool operator==(const LeaseRecord&, const LeaseRecord&) = default;
};

/// Not thread-safe. Moments are of a steady clock and never go back.
class Election {
 public:
  using Moment = std::chrono::steady_clock::time_point;

  /// `identity` is this process' own, and of no other, ever.
  Election(std::string identity, LeaseTiming timing) : identity_(std::move(identity)), timing_(timing) {}

  enum class Doing { wait, read, create, update };
  struct Step {
    Doing doing = Doing::wait;
    Moment until{};  ///< wait: when to ask again at the latest
    LeaseRecord
        record{};  ///< create, update: what is to stand there; its resource_version is the one to replace
    bool acquires = false;  ///< else it renews
  };
  /// What is to be done at `now`. First of all it may find that the leadership has run out.
  Step next(Moment now);

  /// What became of it. `sent`: when the request left.
  void seen(Moment now, const LeaseRecord& record);
  void absent(Moment now);                               ///< read: there is no Lease
  void written(Moment sent, const LeaseRecord& record);  ///< created or updated: it is ours
  void refused(Moment now);                              ///< created or updated by somebody else meanwhile
  void failed(Moment now);  ///< no answer, or an error: it may have come through or not

  /// Whether we lead at `now`. Asked again before anything that only a leader may do.
  [[nodiscard]] bool leads(Moment now) const { return leading_ && now < deadline(); }
  /// Until when we lead unless it is renewed.
  [[nodiscard]] Moment deadline() const { return renewed_at_ + timing_.renew_deadline; }
  /// The number of this leadership; only while leading.
  [[nodiscard]] std::int64_t term() const { return known_ ? known_->transitions : 0; }
  /// The next renewal gives the leadership a number above `epoch`: a database has seen that one already (the
  /// Lease was made anew, or came back from a backup).
  void outbid(Moment now, std::int64_t epoch);
  /// What frees the Lease for the next; nothing where we do not lead.
  [[nodiscard]] std::optional<LeaseRecord> release(Moment now) const;
  /// Whose it was when it was last seen.
  [[nodiscard]] std::string holder() const { return known_ ? known_->holder : ""; }

 private:
  [[nodiscard]] bool free(Moment now) const;
  void depose(Moment now);

  const std::string identity_;
  const LeaseTiming timing_;
  bool leading_ = false;
  bool read_first_ = true;             // what is known may be old
  bool create_ = false;                // there was none
  std::optional<LeaseRecord> known_;   // as last seen or written
  Moment changed_at_{};                // when we first saw it so
  Moment renewed_at_ = Moment::min();  // leading: when the last renewal that came through was sent
  Moment due_ = Moment::min();         // the next try
  std::int64_t outbid_ = 0;
};

}  // namespace rls::leader
