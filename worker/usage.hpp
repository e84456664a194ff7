// What a process and its descendants use now: memory of their own and CPU time, as /proc tells it.
//
// Promises: bounded, whatever the processes do meanwhile; memory shared with others (files, the roads to workers) does
// not count. Must not know: jobs, limits.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "base/clock.hpp"

namespace pp::worker {

struct usage {
  std::uint64_t memory = 0;  ///< bytes, resident and not shared, swapped out ones included
  duration cpu{};            ///< with that of children that were waited for
};

/// Nothing if there is no such process.
std::optional<usage> usage_of_tree(pid_t pid);

/// Most bytes that this process and its children may have: the machine's memory or the limit of the cgroup.
std::uint64_t usable_memory();
/// What each of `workers` may use if nobody said anything: together nine tenths of that.
inline std::uint64_t usual_memory_limit(unsigned workers) {
  return usable_memory() / 10 * 9 / (workers > 0 ? workers : 1);
}

}  // namespace pp::worker
