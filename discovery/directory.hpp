// Which nodes are known and when each expires. Pure: `now` is a parameter.
//
// Promises: fed with genuine, fresh datagrams only; tells every change once; forgets a node that was not heard of for
// three announcements; bounded (4096 nodes, the one silent for longest goes). Everything here is a hint: a node that
// expires or says goodbye gets no new connection, but no session is ended and no job moved because of it.
// Must not know: sockets, keys, jobs.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "discovery/replay.hpp"
#include "wire/announce.hpp"

namespace pp::discovery {

/// Where a node can be reached by TCP.
struct endpoint {
  wire::announce::address address;
  std::uint16_t port = 0;
  bool operator==(const endpoint&) const = default;
  /// "10.0.0.7:60000" or "[fd00::7]:60000"
  std::string text() const;
};

struct found_node {
  node_id id{};
  boot_id boot{};
  std::string name;
  std::vector<endpoint> endpoints;  ///< the one most worth trying first; never empty in a change
  bool same_host = false;           ///< it runs on this machine
  bool draining = false;            ///< takes no new jobs: it said so, or said goodbye
  std::uint16_t slots = 0, free = 0;
  std::uint32_t load_milli = 0, mem_free_mib = 0;
  std::uint64_t features = 0;
  std::uint8_t proto_min = 0, proto_max = 0;
  std::int64_t clock_offset_ms = 0;  ///< its wall clock minus ours, as good as one datagram tells
  time_point last_heard;
};

enum class change_kind {
  appeared,  ///< not known before
  changed,   ///< endpoints, name, slots, boot or the end of draining; load alone is no change
  draining,  ///< gets no new jobs from now on
  expired,   ///< not heard of any more; `node` is what was known last
};
struct change {
  change_kind kind;
  found_node node;
};

class directory {
 public:
  struct limits {
    std::size_t nodes = 4096;
    std::size_t endpoints_per_node = 16;
    duration expiry = std::chrono::seconds(18);  ///< three announcements at their slowest
    duration dial_interval = std::chrono::seconds(5);
    std::size_t dials_at_once = 32;
  };
  /// What a datagram says, after the browser has sorted the addresses.
  struct sighting {
    const wire::announce* message = nullptr;  ///< ANNOUNCE, REPLY or GOODBYE
    std::vector<endpoint> endpoints;          ///< best first; without any, only a GOODBYE counts
    bool same_host = false;
    std::int64_t clock_offset_ms = 0;
  };

  explicit directory(const limits& l) : limits_(l) {}
  directory() : directory(limits{}) {}

  std::vector<change> on_sighting(const sighting& s, time_point now);
  /// Forgets what was not heard of for limits::expiry.
  std::vector<change> on_tick(time_point now);

  /// Null if not known now.
  const found_node* find(const node_id& id) const;
  std::vector<found_node> nodes() const;
  bool empty() const { return entries_.empty(); }
  std::size_t size() const { return entries_.size(); }

  /// Permission to connect to a found node: one dial per node per 5 s and 32 at once. A node that was restarted since
  /// its last dial need not wait. True = granted: call on_dial_ended() when it has connected or failed.
  bool may_dial(const node_id& id, time_point now);
  void on_dial_ended(const node_id& id);
  /// When may_dial() is worth asking for this node; `now` if it would be granted, later also while 32 dials run.
  time_point next_dial(const node_id& id, time_point now) const;
  std::size_t dials_running() const { return dials_running_; }

 private:
  struct entry {
    found_node node;
    std::uint64_t newest_seq = 0;
    std::vector<time_point> endpoint_heard;  ///< parallel to node.endpoints
  };
  struct dial {
    time_point started;
    boot_id boot{};
    bool running = false;
  };

  void make_room(std::vector<change>& out);
  bool apply_state(entry& e, const wire::announce& m);
  bool merge_endpoints(entry& e, const sighting& s, time_point now);
  bool drop_silent_endpoints(entry& e, time_point now) const;
  void forget_old_dials(time_point now);
  bool waits(const dial& d, const node_id& id, time_point now) const;

  limits limits_;
  std::map<node_id, entry> entries_;
  std::map<node_id, dial> dials_;  ///< younger than dial_interval, or running
  std::size_t dials_running_ = 0;
};

}  // namespace pp::discovery
