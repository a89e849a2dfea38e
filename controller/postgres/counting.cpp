#include "controller/postgres/counting.hpp"

#include <algorithm>
#include <array>

namespace rls::postgres {
namespace {

std::optional<std::string> text_at(const Rows& rows, int column) {
  if (rows.is_null(0, column)) return std::nullopt;
  return std::string(rows.text(0, column));
}

Slice read(const Rows& rows) {
  Slice slice;
  if (rows.size() == 0) return slice;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    slice.rows += rows.integer(row, 2);
    if (rows.is_null(row, 0)) continue;
    Slice::Project& project = slice.projects.emplace_back();
    project.index = static_cast<std::size_t>(rows.integer(row, 0) - 1);
    project.denials = rows.integer(row, 2);
    Denials& part = rows.boolean(row, 1) ? project.settled : project.fresh;
    part.count = rows.integer(row, 3);
    part.last = rows.time(row, 4);
  }
  slice.key = text_at(rows, 5);
  slice.usable_key = text_at(rows, 6);
  slice.settled_key = text_at(rows, 7);
  slice.oldest = rows.integer(0, 8);
  slice.next = rows.integer(0, 9);
  return slice;
}

}  // namespace

void Denials::add(const Denials& more) {
  count += more.count;
  last = std::max(last, more.last);
}

bool Pass::add(const Slice& slice, std::int64_t size) {
  for (const Slice::Project& project : slice.projects) {
    Slice::Project& sum = projects_.at(project.index);
    sum.denials += project.denials;
    sum.settled.add(project.settled);
    sum.fresh.add(project.fresh);
  }
  if (slice.usable_key) usable_key_ = slice.usable_key;
  if (slice.settled_key) settled_key_ = slice.settled_key;
  rows_ += slice.rows;
  if (slice.rows != 0) {
    oldest_ = slice.oldest;
    next_ = slice.next;
  }
  if (slice.rows < size || !slice.key) return false;
  from_ = *slice.key;
  return true;
}

Denials Pass::all(std::size_t project) const {
  Denials sum = projects_.at(project).settled;
  sum.add(projects_.at(project).fresh);
  return sum;
}

Pass Watermark::begin(std::span<const InPhase> asked, const Catalogue& catalogue, const Timeouts& timeouts,
                      Moment now) const {
  if (!key_) return {asked.size(), catalogue.first_key, catalogue.last_key, true};
  // A project that was not asked for before may have denials from before the watermark.
  const bool strange = std::any_of(asked.begin(), asked.end(), [&](const InPhase& each) {
    return !projects_.contains(each.project) && each.since < seen_at_;
  });
  const bool whole = now >= recount_at_ || (strange && now - counted_at_ >= timeouts.settled);
  const bool old_enough = next_ && now - next_->seen_at >= timeouts.settled;
  // A transaction that stays open must not keep the watermark for ever: the next recount finds what it
  // writes.
  const std::string& settle_to = old_enough && (next_->settled || whole) ? next_->key : *key_;
  return {asked.size(), whole ? catalogue.first_key : *key_, settle_to, whole};
}

std::vector<Denials> Watermark::end(std::span<const InPhase> asked, const Pass& pass,
                                    const Timeouts& timeouts, Moment now, Time seen_at) {
  std::vector<Denials> found;
  std::map<std::string, Remembered, std::less<>> projects;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    const auto before = projects_.find(asked[i].project);
    const bool counts_on = !pass.whole() && before != projects_.end();
    Remembered now_known{asked[i].ordinal, {}, pass.whole() ? pass.projects_[i].denials : 0};
    if (counts_on) now_known.denials = before->second.denials;
    // A phase that began since has nothing before the watermark.
    if (counts_on && before->second.ordinal == asked[i].ordinal) now_known.settled = before->second.settled;
    now_known.settled.add(pass.projects_[i].settled);
    Denials all = now_known.settled;
    all.add(pass.projects_[i].fresh);
    found.push_back(all);
    projects.insert_or_assign(asked[i].project, now_known);
  }
  projects_ = std::move(projects);
  seen_at_ = seen_at;
  if (pass.whole()) {
    // What was being written during the first count is found soon.
    recount_at_ = now + (key_ ? timeouts.recount : timeouts.settled);
    counted_at_ = now;
    rows_ = pass.rows_;
    key_ = pass.settled_key_.value_or(pass.first_);
  } else if (pass.settled_key_) {
    key_ = pass.settled_key_;
  }
  if (next_ && next_->key == pass.settle_to()) next_.reset();
  if (next_ && pass.oldest_ >= next_->transaction) next_->settled = true;
  if (!next_ && pass.usable_key_) next_ = Next{*pass.usable_key_, now, pass.next_};
  return found;
}

std::int64_t Watermark::denials_of(std::string_view project) const {
  const auto found = projects_.find(project);
  return found == projects_.end() ? 0 : found->second.denials;
}

std::optional<SqlFailure> count_denials(Connection& connection, const Catalogue& catalogue,
                                        const Timeouts& timeouts, std::span<const InPhase> asked,
                                        Pass& pass) {
  ArrayText project, since;
  for (const InPhase& each : asked) {
    project.add(each.project);
    since.add(each.since.time_since_epoch().count());
  }
  std::array<std::string, 6> parameters = {
      project.take(), since.take(), {}, pass.settle_to(), std::to_string(timeouts.slice), catalogue.last_key};
  for (bool more = true; more;) {
    parameters[2] = pass.from();
    const Reply reply = connection.run("count_slice", catalogue.count_slice, parameters);
    if (!reply.ok()) return reply.failure;
    more = pass.add(read(reply.rows), timeouts.slice);
  }
  return std::nullopt;
}

}  // namespace rls::postgres
