// What the deciding classes cost by themselves: many nodes or workers in virtual time, jobs that only end, and the CPU time of
// each step of a job. No sockets, no processes; the sizes no network at hand has.
#pragma once

#include <cstddef>
#include <cstdint>

#include "bench/figures.hpp"

namespace bench {

/// Nanoseconds a job spends in each step.
struct step_costs {
  double submit = 0, send = 0, result = 0;
  double all() const { return submit + send + result; }
};

/// ppclient::scheduler with `nodes` x 64 slots and a window of 128 per node: all jobs are submitted, then run to the end.
/// Throws std::runtime_error if one is lost or a node holds more than its window.
step_costs cost_of_scheduler(std::size_t nodes, std::size_t jobs);

/// worker::dispatch with 64 workers and `owners` clients that keep 256 jobs of 5 ms each there; it decides after
/// each `at_once` results.
step_costs cost_of_dispatch(std::size_t owners, std::size_t at_once, std::size_t jobs);

/// CPU time of this thread in sections of its work, without what reading the clock costs: what others do on the core is not ours.
class stopwatch {
 public:
  void start() { started_ = cpu_nanoseconds(); }
  void stop() {
    total_ += cpu_nanoseconds() - started_;
    ++sections_;
  }
  double nanoseconds() const;

 private:
  static std::int64_t cpu_nanoseconds();

  std::int64_t started_ = 0, total_ = 0, sections_ = 0;
};

}  // namespace bench
