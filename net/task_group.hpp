// Owns running coroutines: refuses new ones when closing, cancels them, waits for the last.
//
// Promises: no coroutine outlives the group (the destructor checks that none is left); an exception that leaves a coroutine
// is logged and ends that coroutine only. Threads: the I/O thread only.
// Must not know: what the coroutines do.
#pragma once

#include <list>
#include <string>

#include <boost/asio/cancellation_signal.hpp>

#include "net/asio.hpp"

namespace pp::net {

class task_group {
 public:
  explicit task_group(executor ex);
  task_group(const task_group&) = delete;
  task_group& operator=(const task_group&) = delete;
  ~task_group();

  /// Starts a coroutine. `name` is for the log. Does nothing (the coroutine is destroyed) after close() began.
  void spawn(std::string name, awaitable<void> task);
  /// Asks every coroutine to stop: its pending operation ends with operation_aborted.
  void cancel();
  /// Refuses new coroutines, cancels all, waits until the last has ended. May be called again.
  awaitable<void> close();
  /// Refuses new coroutines and waits for all to end by themselves.
  awaitable<void> join();

  std::size_t size() const { return running_.size(); }
  const executor& get_executor() const { return executor_; }

 private:
  struct entry {
    std::string name;
    asio::cancellation_signal signal;
  };
  executor executor_;
  std::list<entry> running_;
  steady_timer idle_;  ///< never fires; cancelled when the last coroutine ends
  bool closing_ = false;
};

}  // namespace pp::net
