// The life of the announcer and of the browser: coroutines that run until close(), whoever waits for them.
//
// Promises: after close() nothing of it runs. wait() may be cancelled, which stops the coroutines; close() is due all
// the same before destruction. Threads: the I/O thread only. Must not know: what runs.
#pragma once

#include <memory>

#include "net/asio.hpp"
#include "net/task_group.hpp"

namespace pp::discovery {

class running {
 public:
  explicit running(const net::executor& ex) : tasks_(ex), stop_(std::make_shared<stop>(ex)) {}

  net::task_group& tasks() { return tasks_; }
  bool closed() const { return stop_->closed; }

  /// Ends at close(), or stops the coroutines and ends when cancelled.
  net::awaitable<void> wait() {
    const auto until = stop_;  // after close() this object may be gone before the wait is resumed
    if (until->closed) co_return;
    net::error_code ignored;
    co_await until->timer.async_wait(net::redirect_error(net::use_awaitable, ignored));
    if (!until->closed) tasks_.cancel();
  }

  net::awaitable<void> close() {
    stop_->closed = true;
    stop_->timer.cancel();
    co_await tasks_.close();
  }

 private:
  struct stop {
    explicit stop(const net::executor& ex) : timer(ex, net::steady_timer::time_point::max()) {}
    net::steady_timer timer;
    bool closed = false;
  };
  net::task_group tasks_;
  std::shared_ptr<stop> stop_;  ///< owned by this object and by a wait() that outlives it
};

}  // namespace pp::discovery
