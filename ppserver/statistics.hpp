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

struct node_numbers {
  std::string name, node_id, address;
  duration uptime{};
  bool draining = false;
  worker::isolation isolation;
  unsigned slots = 0;
  worker::pool_counters jobs;
  code::store::counters programs;
  std::uint64_t clients_total = 0, refused = 0;
  std::vector<session_numbers> sessions;
};

std::string to_json(const node_numbers& n);
std::string to_table(const node_numbers& n);

}  // namespace pp::ppserver
