// Telling a kill by the kernel for want of memory from any other SIGKILL.
//
// The kernel does not say so to the parent. It counts: oom_kill in /proc/vmstat for the machine, and in memory.events for
// a cgroup. A SIGKILL that none of us sent, while such a counter moved, was the kernel's.
// Threads: any. Must not know: workers, jobs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pp::worker {

/// The number behind `key` in a text of lines "key number"; nullopt if there is none.
std::optional<std::uint64_t> counter_in(std::string_view text, std::string_view key);
/// The same in a file; nullopt, too, if it cannot be read.
std::optional<std::uint64_t> read_counter(const std::string& path, std::string_view key);

/// The counters at one moment; what is not known is nullopt.
struct oom_sample {
  std::optional<std::uint64_t> machine, cgroup;
};
/// `memory_events` is the worker's, empty if it has no cgroup with a memory controller.
oom_sample sample_oom(const std::string& memory_events, const std::string& vmstat = "/proc/vmstat");

/// True if a process that ended by `signal` between the samples, `was_ours` if one of us had sent it, was ended by the
/// kernel. The cgroup's counter settles it if there is one: that of the machine may have moved for somebody else.
bool was_oom_kill(int signal, bool was_ours, const oom_sample& before, const oom_sample& after);

}  // namespace pp::worker
