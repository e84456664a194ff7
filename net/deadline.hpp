// with_deadline(op, when): the one place where a wait is raced against a timer.
//
// Boost 1.81 has no cancel_after and marks awaitable_operators as experimental; both facts stay inside this file.
#pragma once

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "base/clock.hpp"
#include "net/asio.hpp"

namespace pp::net {

/// Waits for `length`; throws operation_aborted if cancelled.
inline awaitable<void> sleep_for(duration length) {
  steady_timer timer(co_await this_coro::executor);
  timer.expires_after(length);
  co_await timer.async_wait(use_awaitable);
}

inline awaitable<void> throw_at(time_point when) {
  steady_timer timer(co_await this_coro::executor);
  timer.expires_at(when);
  co_await timer.async_wait(use_awaitable);
  throw system_error(asio::error::timed_out);
}

/// Gives what `op` gives, or cancels it and throws system_error(timed_out) at `when`.
template <class T>
awaitable<T> with_deadline(awaitable<T> op, time_point when) {
  using namespace asio::experimental::awaitable_operators;
  // throw_at never completes normally: the first to end decides, and its exception is the outcome.
  if constexpr (std::is_void_v<T>) {
    co_await (std::move(op) || throw_at(when));
  } else {
    auto first = co_await (std::move(op) || throw_at(when));
    co_return std::move(std::get<0>(first));
  }
}

}  // namespace pp::net
