/// One particular worker process for one caller alone, and data spread over several of them.
///
/// Promises:      nothing of anybody else runs in a worker that is checked out; what is submitted to it runs there, one job
///                after the other in their order, and never anywhere else. It comes back to its pool when it is checked in,
///                when its client ends or is lost, and when its node is stopped.
/// Threads:       a handle belongs to one thread at a time; different ones are independent. The client must outlive them.
/// Must not know: anything but the standard library and cereal; the rest is behind pointers.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "pp/detail/job_draft.hpp"
#include "pp/detail/parts.hpp"
#include "pp/future.hpp"
#include "pp/options.hpp"

namespace pp {
namespace detail {

std::shared_ptr<checkout_state> new_checkout(client_core& core);
std::uint64_t new_round(client_core& core);
bool is_open(const checkout_state& worker) noexcept;
void check_in(client_core& core, std::shared_ptr<checkout_state> worker) noexcept;
[[noreturn]] void throw_none_free(client_core& core, std::chrono::milliseconds limit);
[[noreturn]] void throw_not_checked_out();

}  // namespace detail

/// Says that a call means every worker: client.broadcast(pp::every_worker, f).
struct every_worker_t {};
/// The one value of its type.
inline constexpr every_worker_t every_worker{};

/// A worker that client::checkout() gave: one process, this caller's alone. Movable, not copyable.
class checked_out {
 public:
  /// No worker; only assignment, destruction, valid() and check_in() make sense.
  checked_out() noexcept = default;
  checked_out(checked_out&& other) noexcept = default;  ///< `other` has no worker then.
  /// The same, after check_in().
  checked_out& operator=(checked_out&& other) noexcept {
    if (this == &other) return *this;
    check_in();
    core_ = other.core_;
    worker_ = std::move(other.worker_);
    pid_ = other.pid_;
    node_ = std::move(other.node_);
    return *this;
  }
  /// check_in().
  ~checked_out() { check_in(); }

  /// Like client::submit(), but the job runs in this process, after those that were submitted to it before. What
  /// pp::worker_state keeps there is seen by all of them.
  ///
  /// A job that throws costs the others nothing. One that is cancelled or ended for a limit while it runs takes its process
  /// with it, and so the check-out. If the process or its node is lost, what was submitted and is not done fails: the job
  /// that ran with errc::worker_crashed, others with that too, or errc::disconnected for a node that is lost and
  /// errc::shutting_down for one that is stopped. Nothing is tried again: also not where it had begun.
  ///
  /// Throws: as client::submit(); errc::closed after check_in(). Of the settings, priority, attempts, node, nodes,
  ///         isolation, at_most_once and idempotent mean nothing here.
  template <class F, class... Args>
  requires(!std::is_same_v<std::remove_cvref_t<F>, job_options>) auto submit(F&& f, Args&&... args)
      -> future<detail::result_of<F, Args...>> {
    return submit_with(job_options{}, std::forward<F>(f), std::forward<Args>(args)...);
  }
  /// The same for a job with settings of its own.
  template <class F, class... Args>
  auto submit(const job_options& how, F&& f, Args&&... args) -> future<detail::result_of<F, Args...>> {
    return submit_with(how, std::forward<F>(f), std::forward<Args>(args)...);
  }

  /// Gives the worker back, at once for this caller: jobs that were submitted are done first, then others may have it. May
  /// be called again.
  void check_in() noexcept {
    if (worker_) detail::check_in(*core_, std::move(worker_));
    worker_.reset();
  }

  /// False once it is checked in or known to be lost. True is no promise: it may be lost just now.
  bool valid() const noexcept { return worker_ && detail::is_open(*worker_); }
  /// Of the process, on its node, as it sees itself.
  int pid() const noexcept { return pid_; }
  /// Where it is: a node's name, or "local".
  const std::string& node() const noexcept { return node_; }

 private:
  friend class client;
  template <class T>
  friend class scattered;

  checked_out(detail::client_core& core, std::shared_ptr<detail::checkout_state> worker, int pid, std::string node)
      : core_(&core), worker_(std::move(worker)), pid_(pid), node_(std::move(node)) {}
  static checked_out take(detail::client_core& core, const job_options& how, std::chrono::milliseconds limit);

  detail::client_core& core() const {
    if (!worker_) detail::throw_not_checked_out();
    return *core_;
  }
  template <class F, class... Args>
  auto submit_with(const job_options& how, F&& f, Args&&... args) -> future<detail::result_of<F, Args...>> {
    detail::job_draft draft(core());
    const auto code = detail::prepare(std::forward<F>(f), draft.arguments(), std::forward<Args>(args)...);
    return future<detail::result_of<F, Args...>>(draft.submit_inside(code, how, worker_));
  }
  template <class T, class F, class... Args>
  auto submit_on_part(const F& f, const Args&... args) {
    using call = detail::part_call<T, F, Args...>;
    detail::job_draft draft(core());
    const auto code = call::prepare(f, draft.arguments(), args...);
    return future<typename call::result>(draft.submit_inside(code, {}, worker_));
  }

  detail::client_core* core_ = nullptr;
  std::shared_ptr<detail::checkout_state> worker_;
  int pid_ = 0;
  std::string node_;
};

/// A sequence of T that lies in parts, in their order, in workers that are checked out for it: client::scatter() makes it.
///
/// If a worker is lost its part is lost: whatever needs it throws, as checked_out::submit() says. The rest can still be
/// used through part(). Copies of T must be able to travel. The workers are checked in with this object.
template <class T>
class scattered {
 public:
  scattered() = default;                                 ///< No parts.
  scattered(scattered&&) noexcept = default;             ///< The other has no parts then.
  scattered& operator=(scattered&&) noexcept = default;  ///< The same.
  ~scattered() {
    for (auto& w : workers_) forget(w);
  }

  /// How many parts there are. Parts differ by one element at most; with few elements some are empty.
  std::size_t size() const noexcept { return workers_.size(); }
  /// The worker with that part, for jobs of any kind.
  checked_out& part(std::size_t number) { return workers_[number]; }

  /// Calls f(std::vector<T>& part, args…) on each part where it lies, all at once: what `f` changes stays. Returns the
  /// results in the order of the parts, or nothing if `f` returns nothing. The first error in that order is thrown when all
  /// are done. `f` is a function or a function object that client::submit() takes; with parameters declared auto only the
  /// first may be a reference that changes something.
  template <class F, class... Args>
  auto apply(const F& f, const Args&... args) {
    using call = detail::part_call<T, std::decay_t<F>, Args...>;
    std::vector<future<typename call::result>> jobs;
    for (auto& w : workers_) jobs.push_back(w.template submit_on_part<T, std::decay_t<F>>(f, args...));
    return take_all(jobs);
  }

  /// All elements in their order. They stay there too.
  std::vector<T> gather() {
    std::vector<T> out;
    for (auto& part : apply(detail::copy_of_part<T>{}))
      out.insert(out.end(), std::make_move_iterator(part.begin()), std::make_move_iterator(part.end()));
    return out;
  }

 private:
  friend class client;

  explicit scattered(std::vector<checked_out> workers) : workers_(std::move(workers)) {}
  template <class Iterator>
  void fill(Iterator first, std::size_t count) {
    std::vector<future<void>> jobs;
    for (std::size_t i = 0; i < workers_.size(); ++i) {
      const auto share = count / workers_.size() + (i < count % workers_.size() ? 1 : 0);
      std::vector<T> part;
      part.reserve(share);
      for (std::size_t k = 0; k < share; ++k, ++first) part.push_back(*first);
      jobs.push_back(workers_[i].submit(detail::keep_part<T>{}, part));
    }
    take_all(jobs);
  }
  template <class R>
  static auto take_all(std::vector<future<R>>& jobs) {
    for (auto& job : jobs) job.wait();
    if constexpr (std::is_void_v<R>) {
      for (auto& job : jobs) job.get();
    } else {
      std::vector<R> out;
      out.reserve(jobs.size());
      for (auto& job : jobs) out.push_back(job.get());
      return out;
    }
  }
  // Whoever has the worker next has no use for what lies there.
  static void forget(checked_out& worker) noexcept {
    try {
      if (worker.valid()) static_cast<void>(worker.submit(detail::forget_part<T>{}));
    } catch (const std::exception&) {
      // The client is closed, and with it the worker.
    }
  }

  std::vector<checked_out> workers_;
};

inline checked_out checked_out::take(detail::client_core& core, const job_options& how,
                                     std::chrono::milliseconds limit) {
  job_options asks;  // only where: what asks for a worker is no job of the caller's
  asks.node = how.node, asks.nodes = how.nodes;
  asks.isolation = how.isolation;
  asks.priority = how.priority;
  asks.output = output::drop;
  auto worker = detail::new_checkout(core);
  detail::job_draft draft(core);
  const auto code = detail::prepare([] { return static_cast<std::int64_t>(::getpid()); }, draft.arguments());
  future<std::int64_t> opened(draft.submit_opening(code, asks, worker));
  if (!opened.wait_for(std::max(limit, std::chrono::milliseconds(0)))) opened.cancel();
  try {
    std::string node = opened.node();
    const auto pid = static_cast<int>(opened.get());
    return checked_out(core, std::move(worker), pid, std::move(node));
  } catch (const error& e) {
    if (e.code() != errc::cancelled) throw;
  }
  detail::throw_none_free(core, limit);
}

}  // namespace pp
