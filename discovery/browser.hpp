// Client side: asks, listens, feeds the directory.
//
// Promises: only genuine and fresh datagrams reach the directory; only addresses from under the MAC are given out (the
// datagram's source if the node told none). Interfaces that come and go are followed. Where the discovery port cannot
// be shared, queries alone find nodes, and the report says so. Threads: the I/O thread only; handlers are called in it.
// Must not know: jobs, connections.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "auth/datagram.hpp"
#include "auth/keyring.hpp"
#include "discovery/directory.hpp"
#include "discovery/interfaces.hpp"
#include "discovery/replay.hpp"
#include "discovery/report.hpp"
#include "discovery/running.hpp"
#include "discovery/udp_port.hpp"

namespace pp::discovery {

/// For a connection.
net::tcp::endpoint to_tcp(const endpoint& e);

class browser {
 public:
  struct options {
    selection where;
    std::uint16_t port = default_port;
    std::array<std::uint8_t, 16> client_id{};  ///< all zero: a random one
    /// Queries this long after the start, then one per interval, each 20 % sooner or later.
    std::vector<duration> at_start = {duration::zero(), std::chrono::milliseconds(300), std::chrono::seconds(1),
                                      std::chrono::seconds(2)};
    duration interval = std::chrono::seconds(5);
    duration tick = std::chrono::seconds(1);  ///< how exact expiry is
    directory::limits limits;
    replay_guard::limits replay;
  };
  using change_handler = std::function<void(const change&)>;

  /// `keys` must outlive this and may change its content. Throws: pp::error(errc::bad_option) if there can be no UDP
  /// socket.
  browser(const net::executor& ex, options o, const auth::keyring& keys);

  /// Adds a handler, which must not throw. Call it before run().
  void on_change(change_handler handler) { handlers_.push_back(std::move(handler)); }
  /// Asks and listens until close().
  net::awaitable<void> run();
  /// Asks once more, now.
  void ask_now();
  /// Await it before destruction; no handler is called afterwards.
  net::awaitable<void> close();

  /// What is known now; also gives permissions to dial.
  directory& nodes() { return directory_; }
  const directory& nodes() const { return directory_; }
  report what_happened() const;

 private:
  struct clock_note {
    std::string name, where;
    std::int64_t offset_ms = 0;
    bool warned = false;
  };

  net::awaitable<void> ask_on_schedule();
  net::awaitable<void> receive_from(udp_port& port);
  net::awaitable<void> expire();
  void follow_interfaces();
  void ask_on(const selected_interface& on, const selected_interface::broadcast& b);
  void on_datagram(const udp_port::datagram& d);
  void count(auth::datagram_fault fault, byte_view datagram);
  void on_verdict(replay_guard::verdict v, const wire::announce& m, const udp_port::datagram& d);
  void on_genuine(const wire::announce& m, const udp_port::datagram& d);
  void note_clock(const wire::announce& m, const udp_port::datagram& d, bool accepted);
  bool runs_here(const wire::announce& m, const udp_port::datagram& d) const;
  std::vector<endpoint> endpoints_of(const wire::announce& m, const udp_port::datagram& d) const;
  void tell(const std::vector<change>& changes);

  options options_;
  const auth::keyring& keys_;
  udp_port asking_;                    ///< any free port: answers come here and to no other program
  std::optional<udp_port> listening_;  ///< the discovery port, shared
  replay_guard guard_;
  directory directory_;
  std::vector<change_handler> handlers_;
  boot_id boot_;
  std::minstd_rand jitter_;
  std::uint64_t seq_ = 0;
  report counts_;                                         ///< its numbers only; what_happened() adds the rest
  std::map<std::string, report::asked_interface> asked_;  ///< by text
  std::set<std::string> other_keys_;
  std::map<node_id, clock_note> clocks_;
  running running_;
};

}  // namespace pp::discovery
