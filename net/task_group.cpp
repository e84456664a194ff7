#include "net/task_group.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>

#include "base/check.hpp"
#include "base/log.hpp"

namespace pp::net {

task_group::task_group(executor ex) : executor_(ex), idle_(ex, steady_timer::time_point::max()) {}

task_group::~task_group() { PP_CHECK(running_.empty()); }

void task_group::spawn(std::string name, awaitable<void> task) {
  if (closing_) return;
  running_.emplace_front();
  const auto self = running_.begin();
  self->name = std::move(name);
  asio::co_spawn(executor_, std::move(task),
                 asio::bind_cancellation_slot(self->signal.slot(), [this, self](std::exception_ptr failure) {
                   if (failure && !closing_) {
                     try {
                       std::rethrow_exception(failure);
                     } catch (const system_error& e) {
                       if (e.code() != operation_aborted) {
                         log::warn("task_failed", {{"task", self->name}, {"reason", e.what()}});
                       }
                     } catch (const std::exception& e) {
                       log::warn("task_failed", {{"task", self->name}, {"reason", e.what()}});
                     }
                   }
                   running_.erase(self);
                   if (running_.empty()) idle_.cancel();
                 }));
}

void task_group::cancel() {
  // A handler may end a coroutine and so erase its entry at once: step before emitting.
  for (auto it = running_.begin(); it != running_.end();) {
    auto& signal = it->signal;
    ++it;
    signal.emit(asio::cancellation_type::terminal);
  }
}

awaitable<void> task_group::close() {
  closing_ = true;
  cancel();
  co_await join();
}

awaitable<void> task_group::join() {
  closing_ = true;
  while (!running_.empty()) {
    error_code ignored;
    co_await idle_.async_wait(redirect_error(use_awaitable, ignored));
    const auto state = co_await this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) co_await this_coro::reset_cancellation_state();
  }
}

}  // namespace pp::net
