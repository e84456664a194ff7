// What pp/futures.hpp is made of: loops over futures, and the order in which they are done.
//
// Promises: one watch a job, no polling.
// Must not know: how jobs run.
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <ranges>
#include <span>
#include <type_traits>
#include <variant>
#include <vector>

#include "pp/future.hpp"

namespace pp::detail {

template <class T>
inline constexpr bool is_future = false;
template <class R>
inline constexpr bool is_future<future<R>> = true;

using time_limit = std::optional<completion_queue::time_point>;

// The clock's range ends before that of long limits.
template <class Rep, class Period>
completion_queue::time_point end_of(std::chrono::duration<Rep, Period> limit) {
  constexpr std::chrono::hours century(24 * 365 * 100);
  const auto now = std::chrono::steady_clock::now();
  if (limit > century) return now + century;
  return now + std::chrono::duration_cast<std::chrono::nanoseconds>(limit);
}

/// Runs `call` on a callback thread once `needed` of the jobs are done; on this one if there are none. From then on nothing
/// of what is named here is touched.
void call_when_done(std::span<const job_handle* const> jobs, std::size_t needed, std::unique_ptr<deferred> call);
/// The index of one that is done, or size() if none was before `end`. Empty handles are passed over.
std::size_t wait_for_any(std::span<const job_handle* const> jobs, time_limit end);

template <class Range>
std::vector<const job_handle*> jobs_of(const Range& futures) {
  std::vector<const job_handle*> out;
  for (const auto& f : futures) out.push_back(&set_access::job(f));
  return out;
}

template <class Range>
bool wait_until(const Range& futures, time_limit end) {
  for (const auto& f : futures) {
    if (!f.valid()) continue;
    if (!end) {
      f.wait();
    } else if (!f.wait_for(*end - std::chrono::steady_clock::now())) {
      return false;
    }
  }
  return true;
}

template <class Range>
std::size_t wait_any_until(const Range& futures, time_limit end) {
  const auto jobs = jobs_of(futures);
  const std::size_t index = wait_for_any(jobs, end);
  return index < jobs.size() ? index : static_cast<std::size_t>(-1);
}

template <class R>
using stored = std::conditional_t<std::is_void_v<R>, std::monostate, R>;

template <class R>
stored<R> take(future<R>& f) {
  if constexpr (std::is_void_v<R>) {
    f.get();
    return {};
  } else {
    return f.get();
  }
}

template <class R>
auto take_all(std::vector<future<R>>& futures) {
  if constexpr (std::is_void_v<R>) {
    for (auto& f : futures) f.get();
  } else {
    std::vector<R> out;
    out.reserve(futures.size());
    for (auto& f : futures) out.push_back(f.get());
    return out;
  }
}

/// The range that as_completed() gives.
template <class Future>
class completions {
 public:
  struct item {
    std::size_t index;
    Future& job;
  };
  class iterator {
   public:
    using value_type = item;
    using difference_type = std::ptrdiff_t;
    explicit iterator(completions& all) : all_(&all) {}
    item operator*() const { return {all_->current_, *all_->futures_[all_->current_]}; }
    iterator& operator++() {
      all_->advance();
      return *this;
    }
    void operator++(int) { all_->advance(); }
    bool operator==(std::default_sentinel_t) const { return all_->has_ended_; }

   private:
    completions* all_;
  };

  template <class Range>
  explicit completions(Range& range) {
    for (auto& f : range) futures_.push_back(&f);
    queue_ = std::make_shared<completion_queue>(futures_.size());
    for (std::size_t i = 0; i < futures_.size(); ++i) {
      if (!futures_[i]->valid()) continue;
      set_access::job(*futures_[i]).watch(queue_, i);
      ++left_;
    }
  }

  iterator begin() {
    advance();
    return iterator(*this);
  }
  std::default_sentinel_t end() const { return {}; }

 private:
  void advance() {
    has_ended_ = left_ == 0;
    if (has_ended_) return;
    --left_;
    current_ = *queue_->next();
  }

  std::vector<Future*> futures_;
  std::shared_ptr<completion_queue> queue_;  ///< shared with the jobs that are watched
  std::size_t left_ = 0, current_ = 0;
  bool has_ended_ = false;
};

}  // namespace pp::detail
