// with_deadline(op, when): the one place where a wait is raced against a timer.
//
// Boost 1.81 has no cancel_after and marks awaitable_operators as experimental; both facts stay inside this file.
#pragma once

#include <exception>
#include <optional>
#include <type_traits>
#include <variant>

#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/experimental/parallel_group.hpp>

#include "base/clock.hpp"
#include "net/asio.hpp"

namespace pp::net {

/// Waits for `length`; throws operation_aborted if cancelled.
inline awaitable<void> sleep_for(duration length) {
  steady_timer timer(co_await this_coro::executor);
  timer.expires_after(length);
  co_await timer.async_wait(use_awaitable);
}

inline awaitable<void> sleep_until(time_point when) {
  steady_timer timer(co_await this_coro::executor);
  timer.expires_at(when);
  co_await timer.async_wait(use_awaitable);
}

namespace detail {
struct nothing {};
/// No std::variant: awaitable_operators would merge it into its own.
template <class T>
struct outcome {
  std::optional<std::conditional_t<std::is_void_v<T>, nothing, T>> value;
  std::exception_ptr failure;
};

// operator|| waits for the first *success*, so a failure must look like one.
template <class T>
awaitable<outcome<T>> caught(awaitable<T> op) {
  outcome<T> out;
  try {
    if constexpr (std::is_void_v<T>) {
      co_await std::move(op);
    } else {
      out.value.emplace(co_await std::move(op));
    }
  } catch (const std::exception&) {
    out.failure = std::current_exception();
  }
  co_return out;
}
}  // namespace detail

/// Gives what `op` gives (or throws what it throws), or cancels it and throws system_error(timed_out) at `when`.
template <class T>
awaitable<T> with_deadline(awaitable<T> op, time_point when) {
  using namespace asio::experimental::awaitable_operators;
  auto first = co_await (detail::caught(std::move(op)) || sleep_until(when));
  if (first.index() == 1) throw system_error(asio::error::timed_out);
  auto& done = std::get<0>(first);
  if (done.failure) std::rethrow_exception(done.failure);
  if constexpr (!std::is_void_v<T>) co_return std::move(*done.value);
}

/// Runs both until one of them throws; the other is cancelled, and the exception that came first is the outcome. (operator&&
/// would throw multiple_exceptions, which names neither.)
inline awaitable<void> until_either_fails(awaitable<void> a, awaitable<void> b) {
  const auto ex = co_await this_coro::executor;
  auto both = asio::experimental::make_parallel_group(asio::co_spawn(ex, std::move(a), asio::deferred),
                                                      asio::co_spawn(ex, std::move(b), asio::deferred));
  const auto [order, of_a, of_b] = co_await both.async_wait(asio::experimental::wait_for_one_error(), use_awaitable);
  if (of_a && (order[0] == 0 || !of_b)) std::rethrow_exception(of_a);
  if (of_b) std::rethrow_exception(of_b);
}

}  // namespace pp::net
