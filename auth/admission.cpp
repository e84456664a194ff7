#include "auth/admission.hpp"

#include <algorithm>
#include <cstring>

namespace pp::auth {
namespace {

// A flood from ever new addresses must not fill memory. Log entries alone take half at most and then share one, so that
// noise cannot keep a newcomer out; failed logins cannot fill the rest, because handshakes are rationed.
constexpr std::size_t most_sources = 4096;
constexpr std::size_t most_sources_with_own_log = most_sources / 2;
constexpr double session_rate = 1;  // handshakes per second that a source with a live session always keeps

double seconds(duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace

source source_of(const std::uint8_t* address, std::size_t size) {
  source from;
  if (size == 4) {
    // As an IPv4-mapped address, so that no IPv6 prefix can be taken for it.
    from.prefix[10] = from.prefix[11] = 0xff;
    std::memcpy(from.prefix.data() + 12, address, 4);
  } else if (size == 16) {
    const std::uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    const bool is_mapped = std::memcmp(address, mapped, sizeof mapped) == 0;
    std::memcpy(from.prefix.data(), address, is_mapped ? 16 : 8);
  }
  return from;
}

void admission::bucket::refill(double per_second, double most, time_point now) {
  if (now > at) level = std::min(most, level + per_second * seconds(now - at));
  at = std::max(at, now);
}

std::size_t admission::hash::operator()(const source& s) const {
  return std::hash<std::string_view>()({reinterpret_cast<const char*>(s.prefix.data()), s.prefix.size()});
}

admission::entry& admission::entry_of(const source& from, time_point now) {
  forget_some(now);
  const auto [at, is_new] = sources_.try_emplace(from);
  if (is_new) {
    at->second.failures = {static_cast<double>(limits_.failure_burst), now};
    at->second.session_pace = {session_rate, now};
    order_.push_back(from);
  }
  return at->second;
}

bool admission::is_forgettable(entry& e, time_point now) const {
  if (e.strangers != 0 || e.sessions != 0) return false;
  // What was swallowed waits one interval more for a line that tells of it.
  const auto kept_for = e.swallowed == 0 ? limits_.log_interval : 2 * limits_.log_interval;
  if (e.logged && now - *e.logged < kept_for) return false;
  e.failures.refill(failure_rate(), limits_.failure_burst, now);
  return e.failures.level >= limits_.failure_burst;
}

// Two looks for each new entry at most: the table shrinks faster than it can grow, and no call costs more than the
// others.
void admission::forget_some(time_point now) {
  for (int i = 0; i < 2 && !order_.empty(); ++i) {
    const source oldest = order_.front();
    order_.pop_front();
    if (is_forgettable(sources_.at(oldest), now)) {
      sources_.erase(oldest);
    } else {
      order_.push_back(oldest);
    }
  }
}

double admission::failure_rate() const { return 1 / seconds(limits_.failure_refill); }

const char* admission::why_refused(entry& e, time_point now) {
  e.failures.refill(failure_rate(), limits_.failure_burst, now);
  if (e.failures.level < 1) {
    if (e.sessions == 0) return "too many failed logins from this address";
    e.session_pace.refill(session_rate, session_rate, now);
    if (e.session_pace.level < 1) return "more than one login per second from an address with failed ones";
    e.session_pace.level -= 1;
  }
  if (e.strangers >= limits_.strangers_per_source) return "too many connections before login from this address";
  handshakes_.refill(limits_.handshake_rate, limits_.handshake_burst, now);
  if (handshakes_.level < 1) return "too many logins per second";
  handshakes_.level -= 1;
  return nullptr;
}

admission::ticket admission::oldest_of_the_greediest() const {
  ticket chosen = 0;
  unsigned most = 0;
  for (const auto& [number, from] : strangers_) {  // oldest first, so the first of equals wins
    const unsigned count = sources_.at(from).strangers;
    if (count > most) {
      most = count;
      chosen = number;
    }
  }
  return chosen;
}

admission::verdict admission::on_accept(const source& from, time_point now) {
  verdict v;
  if (!started_) handshakes_ = {static_cast<double>(limits_.handshake_burst), now};
  started_ = true;
  if (sources_.size() >= most_sources && !sources_.contains(from)) {
    forget_some(now);
    if (sources_.size() >= most_sources) return {0, 0, "too many addresses failed lately"};
  }
  entry& e = entry_of(from, now);
  v.refusal = why_refused(e, now);
  if (v.refusal != nullptr) return v;
  if (strangers_.size() * 4 >= std::size_t{limits_.strangers} * 3) {
    v.evict = oldest_of_the_greediest();
    remove_stranger(v.evict);
  }
  v.admitted = ++last_ticket_;
  strangers_.emplace(v.admitted, from);
  ++e.strangers;
  return v;
}

admission::entry* admission::remove_stranger(ticket t) {
  const auto at = strangers_.find(t);
  if (at == strangers_.end()) return nullptr;
  entry& e = sources_.at(at->second);
  --e.strangers;
  strangers_.erase(at);
  return &e;
}

void admission::on_proved(ticket t, time_point) {
  const auto at = strangers_.find(t);
  if (at == strangers_.end()) return;
  const source from = at->second;
  ++remove_stranger(t)->sessions;
  sessions_.emplace(t, from);
}

// The level may fall below zero: connections that were opened side by side are paid for afterwards.
void admission::on_failed(ticket t, time_point now) {
  entry* e = remove_stranger(t);
  if (e == nullptr) return;
  e->failures.refill(failure_rate(), limits_.failure_burst, now);
  e->failures.level -= 1;
}

void admission::on_closed(ticket t, time_point) {
  if (remove_stranger(t) != nullptr) return;
  const auto at = sessions_.find(t);
  if (at == sessions_.end()) return;
  --sources_.at(at->second).sessions;
  sessions_.erase(at);
}

admission::log_decision admission::may_log(const source& from, time_point now) {
  const bool is_full = sources_.size() >= most_sources_with_own_log && !sources_.contains(from);
  entry& e = is_full ? others_ : entry_of(from, now);
  if (e.logged && now - *e.logged < limits_.log_interval) {
    ++e.swallowed;
    return {};
  }
  const log_decision decision{true, e.swallowed};
  e.logged = now;
  e.swallowed = 0;
  return decision;
}

unsigned admission::strangers() const { return static_cast<unsigned>(strangers_.size()); }

}  // namespace pp::auth
