#include "discovery/replay.hpp"

#include <algorithm>

namespace pp::discovery {

bool sequence_window::is_new(std::uint64_t seq) const {
  if (seq > highest_) return true;
  const auto age = highest_ - seq;
  return age < 64 && ((seen_ >> age) & 1U) == 0;
}

void sequence_window::accept(std::uint64_t seq) {
  if (seq <= highest_) {
    seen_ |= std::uint64_t{1} << (highest_ - seq);
    return;
  }
  const auto step = seq - highest_;
  seen_ = step < 64 ? (seen_ << step) | 1U : 1U;
  highest_ = seq;
}

void replay_guard::on_query_sent(const nonce& n, time_point now) {
  const auto is_too_old = [&](const open_query& q) { return now - q.sent > limits_.reply_window; };
  while (!queries_.empty() && (queries_.size() >= limits_.open_queries || is_too_old(queries_.front()))) {
    queries_.pop_front();
  }
  queries_.push_back({n, now, {}});
}

replay_guard::open_query* replay_guard::find_query(const nonce& n, time_point now) {
  const auto found = std::find_if(queries_.begin(), queries_.end(), [&](const auto& q) { return q.id == n; });
  if (found == queries_.end() || now - found->sent > limits_.reply_window) return nullptr;
  return &*found;
}

replay_guard::verdict replay_guard::check(const wire::announce& m, std::int64_t wall_ms, time_point now) {
  if (m.type != wire::announce_type::reply) {
    const auto window = limits_.clock_window.count();
    // Compared without a subtraction that could overflow: unix_ms is whatever the sender wrote.
    const bool near = m.unix_ms >= wall_ms - window && m.unix_ms <= wall_ms + window;
    return near ? check_sender(m, false) : verdict::wrong_clock;
  }
  auto* query = find_query(m.nonce, now);
  if (query == nullptr) return verdict::unasked;
  if (query->answered.size() >= limits_.nodes || query->answered.contains(m.node_id)) return verdict::replayed;
  const auto judged = check_sender(m, true);
  if (judged == verdict::fresh) query->answered.insert(m.node_id);
  return judged;
}

// Our own nonce in a reply proves that it is fresh, so a new boot needs no later clock then: a node whose clock was set
// back by a restart is found again. Everybody else has to show a later time than the boot before.
replay_guard::verdict replay_guard::check_sender(const wire::announce& m, bool proved_fresh) {
  const auto* known = senders_.find(m.node_id);
  const bool same_boot = known != nullptr && known->boot == m.boot_id;
  if (same_boot && !known->window.is_new(m.seq)) return verdict::replayed;
  if (known != nullptr && !same_boot && !proved_fresh && m.unix_ms <= known->unix_ms) return verdict::replayed;
  bool is_new = false;
  auto& s = senders_.touch(m.node_id, is_new);
  if (same_boot) {
    s.window.accept(m.seq);
    s.unix_ms = std::max(s.unix_ms, m.unix_ms);
  } else {
    s = {m.boot_id, m.unix_ms, sequence_window(m.seq)};
  }
  return verdict::fresh;
}

bool reply_limits::has_room(answer_times& times, std::size_t limit, time_point now) {
  while (!times.empty() && now - times.front() >= std::chrono::seconds(1)) times.pop_front();
  return times.size() < limit;
}

bool reply_limits::may_answer(std::uint32_t source, const nonce& n, time_point now) {
  bool is_new = false;
  nonces_.touch(n, is_new);
  if (!is_new) return false;
  auto& mine = sources_.touch(source, is_new);
  if (!has_room(mine, limits_.per_source, now) || !has_room(all_, limits_.in_all, now)) return false;
  mine.push_back(now);
  all_.push_back(now);
  return true;
}

}  // namespace pp::discovery
