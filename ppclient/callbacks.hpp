// The callback thread of a client: runs what users asked to be called when jobs are done, one at a time.
//
// Promises: in the order they were pushed; everything pushed is run once, also at the end; an exception of a callback is logged,
// counted and handed to the user's handler, and touches nothing else. The thread is started at first use.
// Threads: any. Its lock is never held while a callback runs. Must not know: jobs.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "base/clock.hpp"
#include "pp/detail/watching.hpp"

namespace pp::detail {

/// Always owned by shared_ptr: its thread is an owner too, since a client may be destroyed by a callback.
class callback_queue : public std::enable_shared_from_this<callback_queue> {
 public:
  using handler = std::function<void(std::exception_ptr)>;

  explicit callback_queue(handler on_error = {}) : on_error_(std::move(on_error)) {}
  callback_queue(const callback_queue&) = delete;
  callback_queue& operator=(const callback_queue&) = delete;
  ~callback_queue();

  /// To be called before the first push(). Throws std::system_error if no thread can be had.
  void start();
  /// After the end the call is run at once, by this thread.
  void push(std::unique_ptr<deferred> call) noexcept;
  /// Waits until all that was pushed before has been run; false if that took longer. A callback does not wait for itself.
  bool flush(std::optional<time_point> end);
  /// Runs what is left and ends the thread. From a callback it returns at once, and the thread ends when it has run the rest.
  void finish();
  std::uint64_t errors() const { return errors_.load(std::memory_order_relaxed); }

 private:
  void loop();
  std::unique_ptr<deferred> take();
  void run_one(std::unique_ptr<deferred> call) noexcept;
  void report(const std::exception_ptr& what) noexcept;
  bool is_own_thread() const { return std::this_thread::get_id() == thread_.get_id(); }

  const handler on_error_;
  std::atomic<std::uint64_t> errors_{0};

  std::mutex lock_;
  std::condition_variable changed_;
  std::unique_ptr<deferred> first_;
  deferred* last_ = nullptr;
  std::uint64_t pushed_ = 0, ran_ = 0;
  bool is_closing_ = false, has_ended_ = false;
  std::thread thread_;
};

}  // namespace pp::detail
