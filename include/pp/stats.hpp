/// What a client tells about itself: its nodes, its numbers, and what looking for nodes did.
///
/// Threads: plain values.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "pp/options.hpp"

namespace pp {

/// One node as the client sees it. Local workers are the node "local".
struct node_info {
  std::string name;      ///< its --name, by default that of its host
  std::string id;        ///< 32 hexadecimal digits; empty for "local"
  std::string address;   ///< host:port, empty for "local"
  std::string state;     ///< found, connecting, ready, suspect, draining, lost, refused, unfit,
                         ///< quarantined
  std::string reason;    ///< why it is not used, in words; empty if it is
  std::string version;   ///< of its pp; empty until connected
  std::string platform;  ///< "Linux 6.1.0 x86_64, glibc 2.36"; empty until connected
  pp::isolation isolation = pp::isolation::none;  ///< how well it keeps jobs apart
  unsigned slots = 0;                             ///< workers it runs at once
  unsigned free = 0;                              ///< of these, without a job of anybody
  double load = -1;                               ///< of its machine, as uptime tells it; -1 if it was not heard to say
  unsigned in_flight = 0;                         ///< jobs of this client there now
  std::uint64_t jobs_done = 0;                    ///< results of this client's jobs that came from it
  std::uint64_t jobs_rescheduled = 0;             ///< jobs taken elsewhere because it was lost, drained or unfit
  std::chrono::microseconds run_time{0};          ///< how long those ran there, in all
  std::uint64_t code_bytes_sent = 0;              ///< of this program; 0 when the node had it already
  std::uint64_t shared_bytes_sent =
      0;                             ///< of values of client::share, after compression; other nodes' gifts not counted
  std::uint64_t bytes_sent = 0;      ///< on the connections to it, before encryption
  std::uint64_t bytes_received = 0;  ///< likewise
  double speed = 1;  ///< of its workers with this client's jobs: 1 = as the mean of all nodes, 2 = in half the time
  std::map<std::string, unsigned> resources = {};  ///< what it declares for job_options::resources
};

/// What a client did so far, in numbers that only grow, but for `queued` and `in_flight`.
struct client_stats {
  std::uint64_t submitted = 0;      ///< jobs in all; a chunk of a map is one
  std::uint64_t done = 0;           ///< of these, with a value
  std::uint64_t failed = 0;         ///< of these, with an error
  std::uint64_t queued = 0;         ///< now with no node
  std::uint64_t waiting = 0;        ///< of those queued: for their inputs, see client::submit
  std::uint64_t in_flight = 0;      ///< now with a node
  std::uint64_t rescheduled = 0;    ///< jobs sent again because a node was lost, drained or unfit
  std::uint64_t retried = 0;        ///< jobs sent again because a worker died
  std::uint64_t stale_results = 0;  ///< late results that were dropped
  std::uint64_t copied = 0;         ///< idempotent jobs started a second time: their node was silent or they were late
  std::uint64_t code_bytes_sent = 0;     ///< of programs, after compression
  std::uint64_t from_journal = 0;        ///< results found in options::journal; not counted as submitted, nor as done
  std::uint64_t journal_errors = 0;      ///< results that could not be kept in it
  std::uint64_t callback_errors = 0;     ///< exceptions that callbacks threw
  std::chrono::microseconds elapsed{0};  ///< since the client was made
  std::vector<node_info> nodes;          ///< as client::nodes()
};

/// What looking for nodes did, for the moment when nothing is found.
struct discovery_report {
  bool enabled = false;                 ///< options::discovery
  std::string key_id;                   ///< 16 hexadecimal digits; empty without a keyring
  std::string keyring;                  ///< where the key came from
  std::vector<std::string> interfaces;  ///< "lo (127.255.255.255)", …
  std::uint16_t port = 0;               ///< UDP, options::discovery_port
  std::uint64_t datagrams = 0;          ///< received in all
  std::uint64_t other_key = 0;          ///< from nodes with another key
  std::uint64_t rejected = 0;           ///< malformed, forged or replayed
  std::vector<std::string> remarks;     ///< clock warnings, ports that could not be bound, …
  /// All of it in lines for a person.
  std::string text() const;
};

}  // namespace pp
