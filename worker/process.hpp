// One worker from outside: spawn, kill its whole tree, reap.
//
// Promises: started by worker/launch.hpp, never forked; the child has descriptors 0 to 8 (0 to 12 with a ring) as
// worker/control.hpp lists them and no other, and no variable that is not on the allow-list. Works inside a program
// that has children and signal handlers of its own: SIGCHLD is left as it is and only our own process ids are waited
// for. Threads: the I/O thread only; it must outlive the workers, whose parent-death signal follows it.
// Must not know: what goes through the pipe.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "net/asio.hpp"
#include "worker/launch.hpp"

namespace pp::worker {

/// How a process ended. `known` is false if somebody else took its status (a program that ignores SIGCHLD, say).
struct exit_state {
  bool known = false;
  int signal = 0;  ///< 0 if it exited
  int status = 0;

  bool operator==(const exit_state&) const = default;
};
/// What a process and its children that it waited for used up in their lives.
struct process_usage {
  duration cpu{};
  std::uint64_t peak_memory = 0;  ///< the most that was resident at once, of the largest of them; bytes
};
/// "was killed by signal 11 (Segmentation fault)", "exited with status 3", "ended".
std::string describe(const exit_state& how);

class process {
 public:
  /// Throws system_error whose text says what could not be done: ENOEXEC, EACCES, ETXTBSY, … from exec.
  static process spawn(const spawn_plan& plan, net::executor ex, bool use_pidfd = true);
  process(process&& other) noexcept;
  process& operator=(process&&) noexcept = delete;
  /// Requires: reap() was called, or it was moved from.
  ~process();

  pid_t pid() const { return pid_; }
  /// To every process of the group that was not reaped yet. Does nothing after reap().
  void signal_group(int signal) noexcept;
  /// To the group and to everything below the process, whatever session it is in; SIGKILL leaves nothing there.
  void signal_tree(int signal);
  /// Completes when the process has ended; its status is still there for reap().
  net::awaitable<void> wait_exit();
  /// True if the process has ended (or its status is gone).
  bool has_ended() const noexcept;
  /// True if it has exited with status 0 and was not reaped yet.
  bool ended_well() const noexcept;
  /// Kills what the process left in its group, then takes its status. Waits if it has not ended yet.
  exit_state reap() noexcept;
  /// After reap().
  const process_usage& used() const { return used_; }
  /// Gives up a process that not even SIGKILL ends (it hangs in the kernel); whoever inherits it will reap it.
  void abandon() noexcept { reaped_ = true; }

 private:
  process(pid_t pid, std::optional<net::descriptor> ended, bool is_first)
      : pid_(pid), ended_(std::move(ended)), is_first_(is_first) {}

  pid_t pid_ = -1;
  std::optional<net::descriptor> ended_;  ///< a pidfd; none on kernels before 5.3
  bool is_first_ = false;                 ///< of its own process ids (first_process.hpp)
  bool reaped_ = false;
  process_usage used_;
};

/// What a worker's environment is made from.
struct environment_plan {
  std::vector<std::string> pass;   ///< names added to the allow-list
  std::string library_path;        ///< LD_LIBRARY_PATH, left out if empty
  bool has_ring = false;           ///< the descriptors of a ring are given
  const job_user* user = nullptr;  ///< HOME, USER, LOGNAME and SHELL are this one's; null = they pass
  std::string temporary = {};      ///< TMPDIR, this process's own if empty
  std::string mark = {};           ///< PP_JOB_DIRECTORY (orphans.hpp), left out if empty
};
/// The variables of a worker, from `own` (NAME=value each). Secrets, loader settings and pp's own settings never
/// pass, not even by name; threads of numeric libraries are set to 1 unless `own` says otherwise, since a worker has
/// one slot.
std::vector<std::string> worker_environment(const std::vector<std::string>& own, const environment_plan& plan,
                                            pid_t parent);
/// This process's own environment.
std::vector<std::string> own_environment();

}  // namespace pp::worker
