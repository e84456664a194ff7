// What is told when a job is done: watchers, calls for the callback thread, and a queue to wait at.
//
// Promises: told once for each watch, whatever becomes of the future meanwhile.
// Must not know: types of results.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace pp::detail {

/// How a job ended, as far as it concerns those who do not have its future.
struct ending {
  std::size_t tag = 0;
  bool has_failed = false;
  std::chrono::microseconds run_time{0};
};

class watcher {
 public:
  virtual ~watcher() = default;
  /// On the I/O thread, or on the one that began to watch if the job was done already. Must be short.
  virtual void on_done(const ending& how) noexcept = 0;
};

/// A call that waits for its turn. It owns what it needs, a future among it.
class deferred {
 public:
  deferred() = default;
  deferred(const deferred&) = delete;
  deferred& operator=(const deferred&) = delete;
  virtual ~deferred() = default;
  virtual void run() = 0;

  std::unique_ptr<deferred> next;  ///< of the queue it stands in, so that standing there allocates nothing
};

template <class F>
class deferred_call final : public deferred {
 public:
  explicit deferred_call(F f) : call_(std::move(f)) {}
  void run() override { call_(); }

 private:
  F call_;
};

template <class F>
std::unique_ptr<deferred> defer(F f) {
  return std::make_unique<deferred_call<F>>(std::move(f));
}

/// The tags of what is done, in that order, for one thread that waits for them.
class completion_queue final : public watcher {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  /// `expected`: how many will come at most; their room is taken now, because on_done() may not fail.
  explicit completion_queue(std::size_t expected) { done_.reserve(expected); }
  void on_done(const ending& how) noexcept override;
  /// The next one; nothing if none came until `end`.
  std::optional<std::size_t> next(std::optional<time_point> end = std::nullopt);

 private:
  std::mutex lock_;
  std::condition_variable came_;
  std::vector<std::size_t> done_;
  std::size_t taken_ = 0;
};

}  // namespace pp::detail
