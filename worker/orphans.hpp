// What jobs leave running when their worker ends: found, ended, and reaped where it is ours to reap.
//
// A worker is a subreaper, so as long as it lives everything its jobs start stays below it. After its death there are two
// ways. A node is a subreaper too and has no children but workers: every other child of it is somebody's orphan. A
// client is a program with children of its own, so there only processes that carry the worker's mark, an environment
// variable that children inherit, are taken for its orphans.
// Promises: in a client nothing without the mark is ever touched. Threads: the I/O thread only.
// Must not know: pools, roads.
#pragma once

#include <sys/types.h>

#include <set>
#include <string>

#include "net/asio.hpp"

namespace pp::worker {

/// Of a node: one for all its workers.
class orphans {
 public:
  /// Makes this process the one that inherits orphans. Requires: it starts no children but workers.
  static void adopt();

  void add_worker(pid_t pid) { workers_.insert(pid); }
  void remove_worker(pid_t pid) { workers_.erase(pid); }

  /// Ends and reaps every child that is no worker. False if there was none.
  bool end_some();
  /// The same until there are none, for a bounded time.
  net::awaitable<void> end_all();

 private:
  std::set<pid_t> workers_;
};

/// The environment variable that is a worker's mark, and that of everything its jobs start. In a node it is the path of
/// the job directory, which jobs may use.
inline constexpr const char* mark_variable = "PP_JOB_DIRECTORY";
/// A mark that is no directory, for workers without one. Within a worker it lies below that worker's own.
std::string make_mark();
/// Ends every process with this mark, for a bounded time.
net::awaitable<void> end_marked(std::string mark);

}  // namespace pp::worker
