// client::parallel: different jobs at once, their results together.
//
// Promises: the first error that is seen is thrown once, and the other jobs are cancelled. Must not know: nodes.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>
#include <tuple>
#include <utility>
#include <variant>

#include "pp/future.hpp"

namespace pp::detail {

/// One job of parallel() that has arguments.
template <class F, class... Args>
struct bound_call {
  F function;
  std::tuple<Args...> arguments;
};

template <class T>
struct call_shape {
  template <class Submit>
  static auto submit(T& function, Submit&& to) {
    return to(std::move(function));
  }
};
template <class F, class... Args>
struct call_shape<bound_call<F, Args...>> {
  template <class Submit>
  static auto submit(bound_call<F, Args...>& call, Submit&& to) {
    return std::apply([&](Args&... args) { return to(std::move(call.function), std::move(args)...); }, call.arguments);
  }
};

/// Nothing stands in a tuple as std::monostate.
template <class R>
using tuple_value = std::conditional_t<std::is_void_v<R>, std::monostate, R>;

template <class... R>
class future_group {
 public:
  explicit future_group(future<R>&&... jobs) : jobs_(std::move(jobs)...) {}
  ~future_group() {
    each([](auto& job, auto&) {
      if (job.valid()) job.cancel();
    });
  }

  std::tuple<tuple_value<R>...> take() {
    while (left_ > 0) {
      wait_a_while();
      each([this](auto& job, auto& value) { take_ready(job, value); });
    }
    return std::apply([](auto&... value) { return std::tuple<tuple_value<R>...>(std::move(*value)...); }, values_);
  }

 private:
  template <class Do, std::size_t... I>
  void each_of(Do& what, std::index_sequence<I...>) {
    (what(std::get<I>(jobs_), std::get<I>(values_)), ...);
  }
  template <class Do>
  void each(Do what) {
    each_of(what, std::index_sequence_for<R...>());
  }

  /// For the first that is not done; but not for ever, since another may fail meanwhile.
  void wait_a_while() {
    bool has_waited = false;
    each([&](auto& job, auto&) {
      if (!job.valid() || has_waited) return;
      if (!job.wait_for(look_)) look_ = std::min(look_ * 2, longest_look);
      has_waited = true;
    });
  }
  template <class T>
  void take_ready(future<T>& job, std::optional<tuple_value<T>>& value) {
    if (!job.valid() || !job.ready()) return;
    if constexpr (std::is_void_v<T>) {
      job.get();
      value.emplace();
    } else {
      value.emplace(job.get());
    }
    --left_;
  }

  static constexpr std::chrono::microseconds longest_look{20'000};
  std::tuple<future<R>...> jobs_;
  std::tuple<std::optional<tuple_value<R>>...> values_;
  std::size_t left_ = sizeof...(R);
  std::chrono::microseconds look_{1000};
};

}  // namespace pp::detail

namespace pp {

/// A call with arguments, for client::parallel: pp::call(f, 1, "two").
template <class F, class... Args>
detail::bound_call<std::decay_t<F>, std::decay_t<Args>...> call(F&& f, Args&&... args) {
  return {std::forward<F>(f), {std::forward<Args>(args)...}};
}

}  // namespace pp
