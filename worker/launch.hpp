// Starting a process that is confined before its first instruction (docs/decisions/0010).
//
// Promises: launch() returns when the program runs, or throws one line that says which step failed; nothing is left of
// a failed start. The child has exactly the descriptors of its plan, default signals, an empty mask, a session and a
// process group of its own, umask 077, no core dumps, no way to gain privileges, and dies with the *thread* that
// started it. Works whatever the program did with its own descriptors and signals. Threads: any.
// Must not know: jobs, roads, how a process is waited for.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "worker/control.hpp"
#include "worker/isolation.hpp"

namespace pp::worker {

/// Descriptors are borrowed; any numbers will do, also those below 13.
struct spawn_plan {
  int program = -1;          ///< executed through /proc/self/fd/3
  std::string program_path;  ///< executed instead, if not empty
  std::string name;          ///< argv[0]
  std::vector<std::string> environment;
  int out_write = -1, err_write = -1;  ///< become 1 and 2
  worker_descriptors ends;             ///< become worker_pipe_fd, worker_control_fd and those of the ring
  int out_read = -1, err_read = -1;    ///< become worker_stdout_fd and worker_stderr_fd
  int values = -1;                     ///< becomes worker_values_fd; -1 = it gets none
  int directory = -1;                  ///< it starts there and may write there; -1 = in the parent's
  std::vector<int> cgroups;            ///< each an open cgroup.procs that it joins
  std::string library_path;            ///< directories it loads from besides the system's, ':' between
  launch_settings settings;
};

/// Throws std::system_error in words, with the errno of the step that failed.
pid_t launch(const spawn_plan& plan);

/// Does all that launch() would do but the exec, in a process that ends at once: whether these settings work here.
/// Throws as launch() does.
void rehearse_launch(const launch_settings& settings);

}  // namespace pp::worker
