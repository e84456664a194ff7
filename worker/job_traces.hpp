// Inside the worker: what a job has left in its process when it is over, for the next job not to find.
//
// Files in the job directory are removed and the working directory is set again after every job that ran 1 µs or longer
// (no shorter one can have made a file), for the price of two system calls as long as the directory was not touched.
// Dead children that nobody waited for are reaped at most once a second: a worker inherits whatever its jobs leave behind,
// and no job is running then, so whoever started them can no longer wait; without it a job that starts a process and
// forgets it would fill the process table.
// Promises: nothing here takes longer than the job deserves: portions are bounded.
// Threads: the one that runs jobs, between two of them. Must not know: nodes, what the jobs do.
#pragma once

#include <time.h>
#include <string>

#include "base/clock.hpp"
#include "code/descriptor.hpp"

namespace pp::worker {

class job_traces {
 public:
  /// `directory` is the job directory's path, or empty (or no path) if this worker has none.
  explicit job_traces(const std::string& directory);
  /// The directory that the environment names, if it is where this process works.
  static job_traces of_this_process();

  /// After a job that ran so long.
  void clean(duration run_time) {
    if (run_time >= shortest_cleaned) clean_after_work(run_time);
  }

  static constexpr duration shortest_cleaned = std::chrono::microseconds(1);
  static constexpr duration shortest_reaped = std::chrono::microseconds(50);

 private:
  void clean_after_work(duration run_time);
  void restore_directory();
  void open_again();
  void reap();

  std::string path_;
  code::descriptor directory_;
  timespec changed_{};  ///< when the directory was last seen to be empty and changed
  timespec reaped_{};
};

}  // namespace pp::worker
