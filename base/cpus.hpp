// How many CPUs this process may really use: the affinity mask, cut by the cgroup quota (v2 and v1), rounded up.
//
// Promises: at least 1. Everything but effective_cpus() is pure parsing of what the kernel's files say; unreadable text means
// "no limit". Threads: any. Must not know: what the CPUs are wanted for.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pp {

/// The default number of worker processes, of a node and of a client alike.
unsigned effective_cpus();

/// `cpu.max` of cgroup v2 ("max 100000", "150000 100000") as whole CPUs; nothing if there is no limit.
std::optional<unsigned> cpus_of_cpu_max(std::string_view text);
/// `cpu.cfs_quota_us` and `cpu.cfs_period_us` of cgroup v1; a quota of -1 is no limit.
std::optional<unsigned> cpus_of_cfs(std::string_view quota_us, std::string_view period_us);

/// Where this process stands below the cgroup root, from /proc/self/cgroup: the unified hierarchy (v2), or the one that
/// controls `cpu` (v1). Nothing if there is none, or if the path tries to leave the root.
std::optional<std::string> unified_cgroup(std::string_view proc_self_cgroup);
std::optional<std::string> cpu_cgroup(std::string_view proc_self_cgroup);

}  // namespace pp
