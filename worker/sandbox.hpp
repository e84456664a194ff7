// What the kernel is asked to hold a worker to, for each level of isolation.
//
// Promises: `basic` does what this kernel can and says what that is; the levels above either hold in full or nothing is
// started. Nothing here changes this process. Threads: any. Must not know: jobs, how a process is made.
#pragma once

#include <linux/filter.h>

#include <string>

#include "code/descriptor.hpp"
#include "worker/isolation.hpp"

namespace pp::worker {

struct spawn_plan;

/// What one launch needs for its level.
struct confinement {
  code::descriptor ruleset;        ///< Landlock's; none = not confined
  code::descriptor parent_handle;  ///< pidfd of this process, where the child cannot see its number
  sock_fprog filter{};             ///< empty = calls are not filtered
  int namespaces = 0;              ///< flags of clone()
};
/// Throws std::system_error in words if the level is above basic and cannot be had.
confinement confine(const spawn_plan& plan);

/// What workers started with some settings are held to, for status and for clients that demand a level.
struct isolation {
  isolation_level level = isolation_level::none;  ///< reached; never above what was asked for
  int landlock_abi = 0;                           ///< 0 = the kernel has none
  bool files = false;                             ///< protected paths cannot be opened
  bool signals = false;                           ///< no signals to processes outside
  bool network = false;                           ///< TCP is denied, in a sandbox all of it
  std::string text;                               ///< one line in words
};
/// Asks the kernel, and for levels above basic tries it (one process that ends at once). Throws pp::error(bad_option)
/// that says what is missing and what to do.
isolation examine_isolation(const launch_settings& settings);

}  // namespace pp::worker
