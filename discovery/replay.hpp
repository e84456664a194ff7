// Whether a genuine datagram is also fresh, and whether a query may be answered. Pure: `now` is a parameter.
//
// Promises: every datagram is accepted at most once; the tables are bounded (4096, least recently used goes). The wall
// clock decides nothing but the age of datagrams nobody asked for, so a wrong clock costs discovery by broadcast and
// never more. Must not know: sockets, keys; call it after the HMAC was verified.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <set>

#include "base/clock.hpp"
#include "wire/announce.hpp"

namespace pp::discovery {

using node_id = std::array<std::uint8_t, 16>;
using boot_id = std::array<std::uint8_t, 16>;
using nonce = std::array<std::uint8_t, 16>;

/// A map that forgets what was not used for longest.
template <class Key, class Value>
class lru_table {
 public:
  explicit lru_table(std::size_t limit) : limit_(limit) {}

  /// The value of `key`, made if it is not there. `is_new` tells.
  Value& touch(const Key& key, bool& is_new) {
    const auto known = index_.find(key);
    is_new = known == index_.end();
    if (!is_new) {
      order_.splice(order_.begin(), order_, known->second);
      return order_.front().second;
    }
    if (order_.size() >= limit_) {
      index_.erase(order_.back().first);
      order_.pop_back();
    }
    order_.emplace_front(key, Value{});
    index_.emplace(key, order_.begin());
    return order_.front().second;
  }
  /// Null if unknown; does not count as use.
  const Value* find(const Key& key) const {
    const auto known = index_.find(key);
    return known == index_.end() ? nullptr : &known->second->second;
  }
  std::size_t size() const { return order_.size(); }

 private:
  std::size_t limit_;
  std::list<std::pair<Key, Value>> order_;
  std::map<Key, typename std::list<std::pair<Key, Value>>::iterator> index_;
};

/// The last 64 sequence numbers of one boot.
class sequence_window {
 public:
  sequence_window() = default;
  explicit sequence_window(std::uint64_t first) : highest_(first) {}
  bool is_new(std::uint64_t seq) const;
  /// Requires: is_new(seq).
  void accept(std::uint64_t seq);

 private:
  std::uint64_t highest_ = 0;
  std::uint64_t seen_ = 1;  ///< bit n: highest_ - n was accepted
};

/// Protects a receiver against recorded datagrams.
class replay_guard {
 public:
  struct limits {
    std::size_t nodes = 4096;
    std::chrono::milliseconds clock_window = std::chrono::seconds(120);  ///< either way
    duration reply_window = std::chrono::seconds(5);                     ///< from query to reply
    std::size_t open_queries = 1024;
  };
  enum class verdict {
    fresh,
    replayed,     ///< seen before, older than the window, or of a boot before the last one
    wrong_clock,  ///< its clock and ours differ too much, or it was recorded long ago
    unasked,      ///< a reply to no query of ours, or too late
  };

  explicit replay_guard(const limits& l) : limits_(l), senders_(l.nodes) {}
  replay_guard() : replay_guard(limits{}) {}

  void on_query_sent(const nonce& n, time_point now);
  /// Judges, and remembers what is fresh. `wall_ms` is our wall clock.
  verdict check(const wire::announce& m, std::int64_t wall_ms, time_point now);
  std::size_t senders() const { return senders_.size(); }

 private:
  struct sender {
    boot_id boot{};
    std::int64_t unix_ms = 0;  ///< the latest of this boot
    sequence_window window;
  };
  struct open_query {
    nonce id{};
    time_point sent;
    std::set<node_id> answered;  ///< a reply of another boot with the same nonce is a recording
  };

  open_query* find_query(const nonce& n, time_point now);
  verdict check_sender(const wire::announce& m, bool proved_fresh);

  limits limits_;
  lru_table<node_id, sender> senders_;
  std::deque<open_query> queries_;  ///< oldest first
};

/// Keeps a node from being used as an amplifier: each nonce once, so many answers per second per source and in all.
class reply_limits {
 public:
  struct limits {
    std::size_t per_source = 20;  ///< in any one second
    std::size_t in_all = 100;
    std::size_t sources = 4096;
    std::size_t nonces = 4096;
  };
  explicit reply_limits(const limits& l) : limits_(l), sources_(l.sources), nonces_(l.nonces) {}
  reply_limits() : reply_limits(limits{}) {}

  /// True if the query with this nonce, from this IPv4 address, is to be answered now.
  bool may_answer(std::uint32_t source, const nonce& n, time_point now);

 private:
  /// When the answers of the last second were given, oldest first: exact, where a token bucket lets twice as many
  /// through.
  using answer_times = std::deque<time_point>;
  static bool has_room(answer_times& times, std::size_t limit, time_point now);

  limits limits_;
  answer_times all_;
  lru_table<std::uint32_t, answer_times> sources_;
  lru_table<nonce, bool> nonces_;
};

}  // namespace pp::discovery
