#include "controller/leader/election.hpp"

#include <algorithm>

namespace rls::leader {

Election::Step Election::next(Moment now) {
  if (leading_ && now >= deadline()) depose(now);
  Step step;
  if (now < due_) {
    step.until = leading_ ? std::min(due_, deadline()) : due_;
    return step;
  }
  if (read_first_) {
    step.doing = Doing::read;
    return step;
  }
  step.doing = create_ ? Doing::create : Doing::update;
  step.acquires = !leading_;
  step.record = create_ ? LeaseRecord{} : *known_;
  step.record.holder = identity_;
  step.record.duration = timing_.duration;
  // A number more for each leadership, also where the last holder was ourselves: its databases were left.
  if (step.acquires && !create_) ++step.record.transitions;
  step.record.transitions = std::max(step.record.transitions, outbid_);
  return step;
}

void Election::seen(Moment now, const LeaseRecord& record) {
  create_ = false;
  if (known_ != record) {
    known_ = record;
    changed_at_ = now;
  }
  if (leading_) {
    if (record.holder != identity_) return depose(now);
    read_first_ = false;  // a renewal of ours came through unheard
    due_ = now;
  } else if (free(now)) {
    read_first_ = false;
    due_ = now;
  } else {
    due_ = now + timing_.retry;
  }
}

void Election::absent(Moment now) {
  // Somebody deleted it. Who made it anew meanwhile leads; to write it back would take it from them.
  if (leading_) depose(now);
  known_.reset();
  create_ = true;
  read_first_ = false;
  due_ = now;
}

void Election::written(Moment sent, const LeaseRecord& record) {
  known_ = record;
  changed_at_ = sent;
  create_ = false;
  read_first_ = false;
  leading_ = true;
  renewed_at_ = sent;
  due_ = sent + timing_.retry;
}

void Election::refused(Moment now) {
  read_first_ = true;
  create_ = false;
  due_ = now;
}

void Election::failed(Moment now) {
  // What did not come back may have come through: only a read tells what stands there.
  if (!leading_) read_first_ = true;
  due_ = now + timing_.retry;
}

void Election::outbid(Moment now, std::int64_t epoch) {
  outbid_ = std::max(outbid_, epoch + 1);
  due_ = now;
}

std::optional<LeaseRecord> Election::release(Moment now) const {
  if (!leads(now)) return std::nullopt;
  LeaseRecord record = *known_;
  record.holder.clear();
  record.duration = std::chrono::seconds{1};
  return record;
}

bool Election::free(Moment now) const {
  return known_->holder.empty() || known_->holder == identity_ ||
         now >= changed_at_ + std::max(timing_.duration, known_->duration);
}

void Election::depose(Moment now) {
  leading_ = false;
  read_first_ = true;
  due_ = now;
}

}  // namespace rls::leader
