/// The result of one submitted job, to be taken once.
///
/// Promises: completes exactly once, with a value or an error, also when the client is closed or the node dies.
/// Threads:  a future belongs to one thread at a time; different futures are independent. Callbacks run on a thread of the
///           client's own, one at a time, in the order in which their jobs were done; with all signals blocked. They may
///           submit jobs, and wait for jobs, but not for other callbacks. An exception of a callback is logged, counted
///           (client_stats::callback_errors) and given to options::on_callback_error; it does nothing to its job.
///           client::close() returns when all callbacks have run; called by a callback, or as ~client, it returns at once
///           and the rest run after. A callback of a client that is closed already is run by the caller itself.
#pragma once

#include <chrono>
#include <concepts>
#include <functional>
#include <string>
#include <utility>

#include "pp/detail/archive.hpp"
#include "pp/detail/await.hpp"
#include "pp/detail/job_handle.hpp"
#include "pp/detail/waiting_call.hpp"
#include "pp/error.hpp"
#include "pp/job_ref.hpp"

namespace pp {

/// What a job wrote, at most 1 MiB of each (its first and its last 512 KiB).
struct job_output {
  std::string out;                ///< stdout
  std::string err;                ///< stderr
  std::uint64_t out_dropped = 0;  ///< bytes left out of the middle
  std::uint64_t err_dropped = 0;  ///< the same of stderr
  /// True if something was left out.
  bool truncated() const { return out_dropped > 0 || err_dropped > 0; }
};

/// The result of one job. Movable, not copyable; giving it up does not end the job.
template <class R>
class [[nodiscard]] future {
 public:
  /// No job; only assignment and destruction are allowed.
  future() noexcept = default;
  /// For client::submit().
  explicit future(detail::job_handle job) noexcept : job_(std::move(job)) {}

  /// True until get() has been called.
  bool valid() const noexcept { return job_.valid(); }

  /// Waits, then gives the job's value once; the future is empty afterwards.
  ///
  /// Blocks: until the job is done.
  /// Throws: pp::job_error if the job threw or crashed, pp::error for everything else (pp::errc says what to do).
  R get() {
    const detail::job_handle job = std::move(job_);
    job.wait();
    const auto value = job.value_or_throw();
    if constexpr (!std::is_void_v<R>) return detail::decode_value<R>(value.data, value.size);
  }

  /// Blocks until the job is done; get() then returns at once.
  void wait() const { job_.wait(); }
  /// True if the job was done before `limit` had passed.
  template <class Rep, class Period>
  bool wait_for(std::chrono::duration<Rep, Period> limit) const {
    constexpr std::chrono::hours century(24 * 365 * 100);  // what fits nanoseconds, and is for ever
    if (limit > century) return job_.wait_for(century);
    return job_.wait_for(std::chrono::duration_cast<std::chrono::nanoseconds>(limit));
  }
  /// True if get() would not block.
  bool ready() const noexcept { return job_.ready(); }

  /// Gives the job up: get() throws pp::job_error(errc::cancelled), at once, unless the job was done before. If it runs,
  /// it is ended on its node with all processes that it started: SIGTERM, and SIGKILL after 2 s. Returns at once.
  void cancel() const { job_.cancel(); }
  /// 32 hexadecimal digits, the same in all attempts; the job itself sees them as pp::this_job::id().
  std::string id() const { return job_.id(); }

  /// Waits, then tells what the job printed. Call before get().
  job_output output() const {
    job_output text;
    job_.wait();
    job_.read_output(text.out, text.err, text.out_dropped, text.err_dropped);
    return text;
  }
  /// Waits, then tells where the job ran: a node's name, or "local". Call before get().
  std::string node() const {
    job_.wait();
    return job_.node();
  }

  /// Runs `callback(future<R> done)` once the job is done and gives it this future: done.get() has the value or throws.
  ///
  /// Threads: the callback runs on the client's callback thread, see above.
  /// Throws:  std::system_error if that thread cannot be started.
  template <class F>
  requires std::invocable<F&, future>
  void then(F callback) && {
    auto call = std::make_unique<continuation<F>>(std::move(callback), std::move(*this));
    const detail::job_handle& job = call->done.job_;
    job.call_when_done(std::move(call));
  }
  /// Runs `callback()` once the job is done; the future stays here. It runs also if the future is given up before.
  template <class F>
  requires std::invocable<F&>
  void on_done(F callback) const { job_.call_when_done(detail::defer(std::move(callback))); }

  /// `co_await job` is get() for a coroutine. It goes on at once if the job is done, else on the client's callback thread. A
  /// coroutine that waits must not be destroyed.
  auto operator co_await() & noexcept { return detail::awaiter<future&>(*this); }
  /// The same for a future without a name, as submit() returns it: it is kept meanwhile.
  auto operator co_await() && noexcept { return detail::awaiter<future>(std::move(*this)); }
  /// The same for a coroutine that must go on elsewhere: `co_await job.on([&](auto go_on) { post(loop, go_on); })`.
  /// `post` is called on the callback thread with a copyable void().
  template <class Post>
  auto on(Post post) & {
    return detail::awaiter<future&, Post>(*this, std::move(post));
  }
  /// The same for a future without a name.
  template <class Post>
  auto on(Post post) && {
    return detail::awaiter<future, Post>(std::move(*this), std::move(post));
  }

 private:
  friend detail::set_access;

  template <class F>
  struct continuation final : detail::deferred {
    continuation(F f, future job) : callback(std::move(f)), done(std::move(job)) {}
    void run() override { std::invoke(callback, std::move(done)); }
    F callback;
    future done;
  };

  detail::job_handle job_;
};

template <class R>
job_ref::job_ref(const future<R>& job) : job_(detail::await_job(detail::set_access::job(job), false)) {}

}  // namespace pp
