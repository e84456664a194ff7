// What a pool tells about its programs and workers, for people.
//
// Promises: plain values that were true at one moment. Must not know: how they are shown.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "code/manifest.hpp"
#include "worker/resources.hpp"

namespace pp::worker {

struct worker_status {
  int pid = 0;                     ///< 0 = not started yet, or just gone
  const char* state = "starting";  ///< starting, ready, running or ending
  code::image_id image{};
  std::string label;         ///< of the job that runs, as its caller wrote it
  duration running{};        ///< how long it has; 0 if there is none
  std::uint64_t memory = 0;  ///< of the worker and all its job started, when the watchdog looked last; 0 = it did not
  duration cpu{};            ///< of this job, likewise
};
struct program_status {
  code::image_id image{};
  unsigned workers = 0;
  unsigned queued = 0;
  unsigned deaths = 0;  ///< of its workers, unasked, within the restart window
  std::string unfit;    ///< why its jobs are refused, empty = they are not
};
struct pool_status {
  std::vector<program_status> programs;
  std::vector<worker_status> workers;
  std::vector<resource_stock::item> resources;
};

}  // namespace pp::worker
