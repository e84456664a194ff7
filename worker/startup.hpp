// How a process that a node started becomes a worker, and how a program can tell that it is not one.
//
// Threads: main, before any other. Must not know: jobs.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace pp::worker {

struct worker_start {
  pid_t node = 0;
  bool has_ring = false;
};

/// Reads the value of PP_WORKER and looks at the descriptors of control.hpp. What it says if they are what a
/// node gives a worker; else nullopt, and `doubt` says what is wrong, since such a variable can only have been set by
/// hand.
std::optional<worker_start> read_start(const char* value, std::string& doubt);

/// Serves jobs until the node closes the road, then ends the process without running destructors of static objects:
/// they were not made for a process whose main never ran. What was printed is flushed first.
[[noreturn]] void run_worker(const worker_start& start);

}  // namespace pp::worker
