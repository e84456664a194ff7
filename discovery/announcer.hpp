// Node side: says "here" on a schedule, and at once when asked.
//
// Promises: who does not hold one of our keys gets not a byte; an answer is as long as the question; each question is
// answered once, within the limits of reply_limits. Interfaces that come and go are followed.
// Threads: the I/O thread only. Must not know: jobs.
#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "auth/datagram.hpp"
#include "auth/keyring.hpp"
#include "discovery/interfaces.hpp"
#include "discovery/replay.hpp"
#include "discovery/running.hpp"
#include "discovery/udp_port.hpp"

namespace pp::discovery {

/// What a node tells about itself in each datagram.
struct node_state {
  std::uint16_t slots = 0;  ///< workers
  std::uint16_t free = 0;   ///< of these, without a job
  std::uint32_t load_milli = 0;
  std::uint32_t mem_free_mib = 0;
  bool draining = false;
};

class announcer {
 public:
  struct options {
    selection where;
    std::uint16_t discovery_port = default_port;
    std::uint16_t tcp_port = 0;
    node_id id{};
    boot_id boot{};
    std::string name;  ///< cut at 30 bytes
    std::uint64_t features = 0;
    /// Announcements after the start, then one per interval, each 20 % sooner or later.
    std::vector<duration> at_start = {duration::zero(), std::chrono::milliseconds(200), std::chrono::milliseconds(600)};
    duration interval = std::chrono::seconds(5);
    reply_limits::limits replies;
  };
  struct counters {
    std::uint64_t announced = 0;  ///< datagrams, also goodbyes
    std::uint64_t queries = 0;    ///< genuine and fresh
    std::uint64_t answered = 0;
    std::uint64_t limited = 0;  ///< not answered: too many, or the nonce was answered before
    std::uint64_t other_key = 0, wrong_mac = 0, malformed = 0, stale = 0;
  };

  /// Binds the discovery port. `keys` must outlive this and may change its content; `state` is asked for each datagram.
  /// Throws: pp::error(errc::bad_option) with one line that says what to do.
  announcer(const net::executor& ex, options o, const auth::keyring& keys, std::function<node_state()> state);

  /// Announces and answers until close().
  net::awaitable<void> run();
  /// Tells everybody that this node takes no more jobs, and is silent from then on.
  void goodbye();
  /// Announces once more, now: for a change others should know at once.
  void announce_now();
  /// Await it before destruction. No goodbye.
  net::awaitable<void> close();

  const counters& seen() const { return seen_; }
  const selection& where() const { return options_.where; }

 private:
  net::awaitable<void> announce_on_schedule();
  net::awaitable<void> answer_queries();
  duration next_interval();
  void follow_interfaces();
  void send_to_all(wire::announce_type type);
  wire::announce compose(wire::announce_type type, const selected_interface& on);
  void on_datagram(const udp_port::datagram& d);
  void count(auth::datagram_fault fault);
  void answer(const wire::announce& query, const udp_port::datagram& d);

  options options_;
  const auth::keyring& keys_;
  std::function<node_state()> state_;
  udp_port port_;
  replay_guard guard_;
  reply_limits limits_;
  std::minstd_rand jitter_;
  std::uint64_t seq_ = 0;
  bool silent_ = false;
  counters seen_;
  running running_;
};

}  // namespace pp::discovery
