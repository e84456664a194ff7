/// How far a set of jobs is: as numbers, and as a bar on the terminal.
///
/// Promises: nothing polls the jobs, and they are not slowed down. A job counts also after its future was taken or given up.
/// Threads:  any, concurrently.
#pragma once

#include <chrono>
#include <cstddef>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>

#include "pp/futures.hpp"

namespace pp {

/// A set of jobs at one moment.
struct set_status {
  std::size_t total = 0;                     ///< jobs in the set
  std::size_t done = 0;                      ///< also those that failed
  std::size_t failed = 0;                    ///< those whose future has an error
  std::size_t running = 0;                   ///< a node has them; some of them may wait there for a worker
  std::size_t queued = 0;                    ///< no node has them
  std::chrono::microseconds elapsed{0};      ///< since the set was made
  std::chrono::microseconds wall_time{0};    ///< the same until the last one was done, once it is
  std::chrono::microseconds serial_time{0};  ///< how long those that are done ran, in all
  /// Until all are done, if they go on as they did; nothing before the first is done.
  std::optional<std::chrono::microseconds> time_left;
  /// serial_time over wall_time: what the cluster was worth so far.
  double speed_up() const {
    return wall_time.count() > 0 ? double(serial_time.count()) / double(wall_time.count()) : 0;
  }
  /// True if all are done, also for an empty set.
  bool is_done() const { return done == total; }
  /// "17 of 40 done, 1 failed, 4 running, 19 queued, 3.2 s elapsed, speed-up 3.9, 4.3 s left".
  std::string text() const;
};

/// Watches jobs without taking their futures: pp::job_set set(jobs); set.status().
class job_set {
 public:
  job_set();
  /// Those of a range; its empty futures are passed over.
  template <range_of_futures Range>
  explicit job_set(const Range& futures) : job_set() {
    for (const auto& f : futures) add(f);
  }
  /// One more. Empty futures are passed over.
  template <class R>
  void add(const future<R>& job) {
    if (job.valid()) add(detail::set_access::job(job));
  }

  /// How far they are now.
  set_status status() const;
  /// Blocks until all are done.
  void wait() const;
  /// False if they were not done before `limit` had passed.
  bool wait(std::chrono::milliseconds limit) const;

 private:
  friend class progress;
  struct state;
  void add(const detail::job_handle& job);
  std::shared_ptr<state> state_;  ///< shared with the jobs that are watched
};

/// How a bar looks, and where it is drawn.
struct progress_options {
  std::string label = {};      ///< in front of the bar
  std::ostream* to = nullptr;  ///< where to draw in any case; null = stderr if it is a terminal, else nowhere
  unsigned width = 30;         ///< of the bar, in characters
};

/// A bar that redraws itself when jobs are done, at most ten times a second, until all are or until it is destroyed:
///
///   pp::progress bar(jobs, {.label = "rendering"});
class progress {
 public:
  /// Of the jobs of a range; the futures stay there.
  template <range_of_futures Range>
  explicit progress(const Range& futures, const progress_options& how = {}) : progress(job_set(futures), how) {}
  /// Of a set, which goes on to be usable: copies of a set watch the same jobs.
  explicit progress(job_set jobs, const progress_options& how = {});
  progress(const progress&) = delete;
  progress& operator=(const progress&) = delete;
  /// Draws once more and ends the line.
  ~progress();

  /// What the bar shows, as numbers.
  set_status status() const { return jobs_.status(); }

 private:
  class drawer;
  job_set jobs_;
  std::unique_ptr<drawer> drawer_;  ///< null where nothing is drawn
};

}  // namespace pp
