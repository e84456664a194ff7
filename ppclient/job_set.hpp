// What a pp::job_set shares with the jobs it watches.
//
// Threads: any; one lock of its own, never held while waiting for a job. Must not know: results.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <vector>

#include "base/clock.hpp"
#include "pp/progress.hpp"
#include "ppclient/record.hpp"

namespace pp {

struct job_set::state final : detail::watcher {
  struct entry {
    /// Looked at only until is_done; should it belong to another job a moment before, a number is off by one for that moment.
    const detail::job_record* record;
    bool is_done;
  };

  void on_done(const detail::ending& how) noexcept override;
  bool wait(std::optional<time_point> end);
  /// All but what is running, which it returns.
  std::size_t add_up(set_status& out) const;

  const time_point began = now();
  mutable std::mutex lock;  ///< guards what follows
  std::condition_variable changed;
  std::vector<entry> entries;
  std::vector<std::shared_ptr<detail::record_pool>> pools;  ///< whose records those are
  std::size_t done = 0, failed = 0;
  std::chrono::microseconds serial_time{0};
  time_point last_end{};
};

}  // namespace pp
