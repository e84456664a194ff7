/// Many futures at once: wait for all or any of them, take them as they are done, make one of them.
///
/// A range of futures is anything to iterate over more than once whose elements are pp::future<R>. Empty futures (those
/// whose value was taken) are passed over. Nothing here polls.
/// Threads: as the futures: one at a time. The jobs may be those of several clients.
#pragma once

#include <chrono>
#include <iterator>
#include <ranges>
#include <tuple>
#include <vector>

#include "pp/detail/future_sets.hpp"
#include "pp/future.hpp"

namespace pp {

/// "None of them."
inline constexpr std::size_t npos = static_cast<std::size_t>(-1);

template <class Range>
concept range_of_futures = std::ranges::forward_range<Range> && detail::is_future<std::ranges::range_value_t<Range>>;

/// Blocks until all are done.
template <range_of_futures Range>
void wait(const Range& futures) {
  detail::wait_until(futures, std::nullopt);
}
/// True if all were done before `limit` had passed.
template <range_of_futures Range, class Rep, class Period>
bool wait(const Range& futures, std::chrono::duration<Rep, Period> limit) {
  return detail::wait_until(futures, detail::end_of(limit));
}

/// Blocks until one is done and gives its place in the range: the first if several are; npos if all are empty.
template <range_of_futures Range>
std::size_t wait_any(const Range& futures) {
  return detail::wait_any_until(futures, std::nullopt);
}
/// npos also if none was done before `limit` had passed.
template <range_of_futures Range, class Rep, class Period>
std::size_t wait_any(const Range& futures, std::chrono::duration<Rep, Period> limit) {
  return detail::wait_any_until(futures, detail::end_of(limit));
}

/// To be iterated once: each future of the range in the order in which they are done, as {index, job}; ends when all were
/// given. Those that were done before come first, in the order of the range.
///
///   for (auto [index, job] : pp::as_completed(jobs)) std::cout << index << ": " << job.get() << '\n';
///
/// The futures stay where they are and must not be moved meanwhile, but for those that were given.
template <std::ranges::borrowed_range Range>
requires range_of_futures<Range>
auto as_completed(Range&& futures) {
  return detail::completions<std::remove_reference_t<std::ranges::range_reference_t<Range>>>(futures);
}

/// What when_all() gives: one future of all results.
template <class... R>
class [[nodiscard]] all_of {
 public:
  /// For when_all().
  explicit all_of(future<R>... futures) : futures_(std::move(futures)...) {}

  /// True if all are done, so that get() would not block.
  bool ready() const noexcept {
    return std::apply([](const auto&... f) { return (f.ready() && ...); }, futures_);
  }
  /// Blocks until all are done.
  void wait() const {
    std::apply([](const auto&... f) { (f.wait(), ...); }, futures_);
  }
  /// Waits for all, then gives a tuple of the values, once; std::monostate for jobs that return nothing.
  ///
  /// Throws: what the first in the order of the arguments that failed throws.
  auto get() {
    wait();
    return std::apply([](auto&... f) { return std::tuple<detail::stored<R>...>{detail::take(f)...}; }, futures_);
  }
  /// As of a future.
  auto operator co_await() & noexcept { return detail::awaiter<all_of&>(*this); }
  /// The same where it has no name.
  auto operator co_await() && noexcept { return detail::awaiter<all_of>(std::move(*this)); }
  /// As future::on(): the coroutine goes on where `post` says.
  template <class Post>
  auto on(Post post) && {
    return detail::awaiter<all_of, Post>(std::move(*this), std::move(post));
  }

 private:
  friend detail::set_access;
  void call_when_done(std::unique_ptr<detail::deferred> call) const {
    const auto jobs = std::apply(
        [](const auto&... f) { return std::vector<const detail::job_handle*>{&detail::set_access::job(f)...}; },
        futures_);
    detail::call_when_done(jobs, sizeof...(R), std::move(call));
  }
  std::tuple<future<R>...> futures_;
};

/// The same for any number of futures of one kind; get() gives a vector, or nothing if the jobs return nothing.
template <class R>
class [[nodiscard]] all_of_range {
 public:
  /// For when_all().
  explicit all_of_range(std::vector<future<R>> futures) : futures_(std::move(futures)) {}

  /// True if all are done, so that get() would not block.
  bool ready() const noexcept {
    return std::ranges::all_of(futures_, [](const auto& f) { return f.ready(); });
  }
  /// Blocks until all are done.
  void wait() const { pp::wait(futures_); }
  /// Waits for all, then gives a vector of the values in the order of the futures, once; nothing for jobs that return nothing.
  ///
  /// Throws: what the first in that order that failed throws.
  auto get() {
    wait();
    return detail::take_all(futures_);
  }
  /// As of a future.
  auto operator co_await() & noexcept { return detail::awaiter<all_of_range&>(*this); }
  /// The same where it has no name.
  auto operator co_await() && noexcept { return detail::awaiter<all_of_range>(std::move(*this)); }
  /// As future::on(): the coroutine goes on where `post` says.
  template <class Post>
  auto on(Post post) && {
    return detail::awaiter<all_of_range, Post>(std::move(*this), std::move(post));
  }

 private:
  friend detail::set_access;
  void call_when_done(std::unique_ptr<detail::deferred> call) const {
    detail::call_when_done(detail::jobs_of(futures_), futures_.size(), std::move(call));
  }
  std::vector<future<R>> futures_;
};

/// Consumes the futures: pp::when_all(std::move(a), std::move(b)).get() → std::tuple. None may be empty.
template <class... R>
all_of<R...> when_all(future<R>... futures) {
  return all_of<R...>(std::move(futures)...);
}
/// The same for any number; get() gives a vector. A vector without futures is done at once.
template <class R>
all_of_range<R> when_all(std::vector<future<R>> futures) {
  return all_of_range<R>(std::move(futures));
}

/// One that is done, and all of them.
template <class R>
struct any_result {
  std::size_t index = npos;        ///< npos if there were none
  std::vector<future<R>> futures;  ///< all of them, in their order
};

/// What when_any() gives: a future of the first that is done.
template <class R>
class [[nodiscard]] any_of {
 public:
  /// For when_any().
  explicit any_of(std::vector<future<R>> futures) : futures_(std::move(futures)) {}

  /// True if one is done, or if there are none, so that get() would not block.
  bool ready() const noexcept {
    return futures_.empty() || std::ranges::any_of(futures_, [](const auto& f) { return f.ready(); });
  }
  /// Blocks until one is done.
  void wait() const { static_cast<void>(wait_any(futures_)); }
  /// Waits for one, then gives all futures back, once. Throws nothing that a job threw: that one's get() does.
  any_result<R> get() {
    const std::size_t index = wait_any(futures_);
    return {index, std::move(futures_)};
  }
  /// As of a future.
  auto operator co_await() & noexcept { return detail::awaiter<any_of&>(*this); }
  /// The same where it has no name.
  auto operator co_await() && noexcept { return detail::awaiter<any_of>(std::move(*this)); }
  /// As future::on(): the coroutine goes on where `post` says.
  template <class Post>
  auto on(Post post) && {
    return detail::awaiter<any_of, Post>(std::move(*this), std::move(post));
  }

 private:
  friend detail::set_access;
  void call_when_done(std::unique_ptr<detail::deferred> call) const {
    detail::call_when_done(detail::jobs_of(futures_), 1, std::move(call));
  }
  std::vector<future<R>> futures_;
};

/// Consumes the futures and gives them back with the place of one that is done. None may be empty.
template <class R>
any_of<R> when_any(std::vector<future<R>> futures) {
  return any_of<R>(std::move(futures));
}
/// The same for futures that are named one by one.
template <class R, std::same_as<future<R>>... More>
any_of<R> when_any(future<R> first, More... more) {
  std::vector<future<R>> all;
  all.push_back(std::move(first));
  (all.push_back(std::move(more)), ...);
  return any_of<R>(std::move(all));
}

}  // namespace pp
