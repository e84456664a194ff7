// Whether what runs in one worker uses more than it may: looks in, verdicts out.
//
// Promises: pure; nothing that was used before a job's first look counts as CPU time of the job.
// Must not know: where the numbers come from.
#pragma once

#include <cstdint>

#include "worker/dispatch_tables.hpp"
#include "worker/usage.hpp"

namespace pp::worker {

class watchdog {
 public:
  enum class verdict : std::uint8_t { fine, memory, cpu };
  struct limits {
    std::uint64_t memory = 0;  ///< bytes, 0 = none
    duration cpu{};            ///< 0 = none
  };

  /// True if this job ran already when the watchdog looked last time: short jobs are not worth a look.
  bool knows(std::uint64_t sequence) const { return is_known_ && sequence_ == sequence; }
  /// A job that may be worth it next time.
  void note(std::uint64_t sequence);
  /// The job with this sequence, and all that it started, uses so much now.
  verdict look(std::uint64_t sequence, const usage& used, const limits& l);

  /// Of that job as far as it was looked at, else nothing.
  usage last(std::uint64_t sequence) const;
  std::uint64_t peak_memory(std::uint64_t sequence) const { return knows(sequence) ? peak_ : 0; }

 private:
  bool is_known_ = false, was_looked_at_ = false;
  std::uint64_t sequence_ = 0;
  std::uint64_t peak_ = 0;
  duration cpu_before_{};
  usage last_;
};

}  // namespace pp::worker
