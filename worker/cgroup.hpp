// A cgroup for each worker, where this node may make some (cgroup v2, delegated).
//
// Layout, below the node's own cgroup: pp-<boot>/<number> is a worker's, pp-<boot>/node the node's, which v2 asks for as
// soon as controllers are passed on: processes live in leaves only.
// Promises: does without whatever is not permitted, and says what and why; leaves no cgroup behind, and
// removes those of nodes that were killed. A cgroup ends with
// everything in it, whatever it has forked, by one write.
// Threads: one at a time. Must not know: workers, jobs.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "code/descriptor.hpp"

namespace pp::worker {

class cgroups {
 public:
  /// `root` goes before every path, for tests. Null if there can be none, and `status` says why; else what there is.
  static std::shared_ptr<cgroups> make(const std::string& boot, std::string& status, const std::string& root = "");
  cgroups(const cgroups&) = delete;
  cgroups& operator=(const cgroups&) = delete;
  ~cgroups();

  const std::string& path() const { return path_; }
  std::uint64_t next_number() { return ++last_number_; }

 private:
  cgroups(std::string own, const std::string& boot);
  void sweep() const;
  bool make_own();
  /// What the kernel watches in workers' cgroups: "memory pids", or less.
  std::string pass_on_controllers();

  std::string own_, path_;
  code::descriptor mark_;   ///< flock'ed directory: this node lives
  bool has_moved_ = false;  ///< this process, into its leaf
  std::uint64_t last_number_ = 0;
};

/// One worker's.
class worker_cgroup {
 public:
  /// Throws std::system_error.
  explicit worker_cgroup(std::shared_ptr<cgroups> in);
  worker_cgroup(const worker_cgroup&) = delete;
  worker_cgroup& operator=(const worker_cgroup&) = delete;
  /// Ends what is in it. It is removed if that has gone.
  ~worker_cgroup();

  /// cgroup.procs, opened for writing: who writes "0" there is in.
  int procs() const { return procs_.get(); }
  /// Ends all that is in it. False if the kernel cannot (before 5.14).
  bool kill() const;
  /// True if it has no process any more and was removed.
  bool remove();
  /// False if no memory controller is delegated; 0 = no limit.
  bool set_memory_limit(std::uint64_t bytes) const;
  /// False if no pids controller is delegated; 0 = no limit.
  bool set_process_limit(std::uint64_t count) const;
  std::optional<std::uint64_t> memory_peak() const;
  /// For oom.hpp.
  std::string memory_events() const { return path_ + "/memory.events"; }

 private:
  std::shared_ptr<cgroups> in_;
  std::string path_;
  code::descriptor procs_;
};

}  // namespace pp::worker
