// What a new process does between its birth and its exec, in the memory of the process that started it.
//
// The parent prepares everything and is suspended meanwhile (CLONE_VM | CLONE_VFORK): so the child allocates nothing,
// takes no lock, changes nothing outside its order and its stack, and calls the kernel only. No sanitizer may watch it:
// it has no thread of its own to be watched as. Must not know: why these steps are wanted.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <array>
#include <cstddef>

struct sock_fprog;

namespace pp::worker {

/// In the order in which they are done. `clone` is the parent's own.
enum class launch_step {
  clone,
  session,
  descriptors,
  directory,
  cgroup,
  limits,
  ids,
  parent,
  privileges,
  landlock,
  filter,
  exec,
};

struct launch_move {
  int from = -1, to = -1;
};
struct launch_limit {
  int what = 0;
  rlimit value{};
};

/// Everything is borrowed. All descriptors are close-on-exec and above every target of a move.
struct launch_order {
  const char* path = nullptr;  ///< null: end with status 0 instead, all steps having succeeded
  char* const* arguments = nullptr;
  char* const* environment = nullptr;
  std::array<launch_move, 13> moves{};
  std::size_t move_count = 0;
  unsigned close_from = 3;  ///< this descriptor and all above it
  int directory = -1;       ///< of the new process; -1 = the parent's
  const int* cgroups = nullptr;
  std::size_t cgroup_count = 0;
  std::array<launch_limit, 3> limits{};
  int nice = 0;  ///< -20 to 19; the parent's own if nothing is wanted
  bool has_user = false;
  uid_t uid = 0;
  gid_t gid = 0;
  const gid_t* groups = nullptr;
  std::size_t group_count = 0;
  pid_t parent = 0;        ///< who must be alive
  int parent_handle = -1;  ///< its pidfd, asked instead if the child cannot see the number
  int ruleset = -1;        ///< Landlock's; -1 = none
  const sock_fprog* filter = nullptr;

  // What the child tells.
  launch_step failed = launch_step::clone;
  int error = 0;  ///< errno; 0 = the program runs
};

/// The child. `order` is a launch_order; returns only what the process shall exit with.
int run_launch_order(void* order);

}  // namespace pp::worker
