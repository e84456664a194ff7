// What a node tells about itself: as JSON for STATS, and as a table for SIGUSR1.
//
// Promises: pure; the JSON keys are listed in docs/operations.md and are only ever added to.
#pragma once

#include <string>
#include <vector>

#include "code/store.hpp"
#include "ppserver/session.hpp"
#include "worker/pool.hpp"
#include "worker/sandbox.hpp"

namespace pp::ppserver {

/// What holds for every job here.
struct node_limits {
  std::uint64_t memory = 0;  ///< bytes of a worker, 0 = none
  std::uint64_t output = 0;  ///< bytes kept of a stream
  unsigned restarts = 0;
  duration restart_window{};
};

struct node_numbers {
  std::string name, node_id, address;
  duration uptime{};
  bool draining = false;
  worker::isolation isolation;
  node_limits limits;
  std::string job_root, cgroup;
  unsigned slots = 0;
  worker::pool_counters jobs;
  worker::pool_status status;
  code::store::counters programs;
  peer_numbers peers;
  std::uint64_t clients_total = 0, refused = 0;
  std::vector<session_numbers> sessions;
};

std::string to_json(const node_numbers& n);
std::string to_table(const node_numbers& n);

}  // namespace pp::ppserver
