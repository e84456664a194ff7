// Sets of futures without their types: waiting for any of them, and calls when enough of them are done.
#include <algorithm>
#include <atomic>

#include "pp/detail/future_sets.hpp"
#include "ppclient/record.hpp"

namespace pp::detail {

void completion_queue::on_done(const ending& how) noexcept {
  const std::lock_guard hold(lock_);
  done_.push_back(how.tag);
  came_.notify_one();
}

std::optional<std::size_t> completion_queue::next(std::optional<time_point> end) {
  std::unique_lock hold(lock_);
  const auto is_there = [this] { return taken_ < done_.size(); };
  if (!end) {
    came_.wait(hold, is_there);
  } else if (!came_.wait_until(hold, *end, is_there)) {
    return std::nullopt;
  }
  return done_[taken_++];
}

std::size_t wait_for_any(std::span<const job_handle* const> jobs, time_limit end) {
  const auto is_done = [](const job_handle* job) { return job->valid() && job->ready(); };
  const auto ready = std::ranges::find_if(jobs, is_done);
  const bool has_some = std::ranges::any_of(jobs, [](const job_handle* job) { return job->valid(); });
  if (ready != jobs.end() || !has_some) return static_cast<std::size_t>(ready - jobs.begin());
  const auto queue = std::make_shared<completion_queue>(jobs.size());
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (jobs[i]->valid()) jobs[i]->watch(queue, i);
  }
  const auto first = queue->next(end);
  for (const auto* job : jobs) {
    if (job->valid()) job->unwatch(*queue);
  }
  return first.value_or(jobs.size());
}

namespace {

/// Two gates: enough jobs are done, and all watches are set. Whoever opens the second one pushes the call.
class gathering final : public watcher {
 public:
  gathering(std::size_t needed, std::shared_ptr<callback_queue> queue, std::unique_ptr<deferred> call)
      : needed_(needed), queue_(std::move(queue)), call_(std::move(call)) {}
  void on_done(const ending&) noexcept override {
    if (done_.fetch_add(1) + 1 == needed_) open();
  }
  void open() noexcept {
    if (gates_.fetch_sub(1) == 1) queue_->push(std::move(call_));
  }

 private:
  const std::size_t needed_;
  std::atomic<std::size_t> done_{0};
  std::atomic<int> gates_{2};
  const std::shared_ptr<callback_queue> queue_;
  std::unique_ptr<deferred> call_;
};

}  // namespace

void call_when_done(std::span<const job_handle* const> jobs, std::size_t needed, std::unique_ptr<deferred> call) {
  if (jobs.empty()) return call->run();
  const auto& callbacks = jobs.front()->pool()->callbacks();
  callbacks->start();
  const auto all = std::make_shared<gathering>(needed, callbacks, std::move(call));
  for (std::size_t i = 0; i < jobs.size(); ++i) jobs[i]->watch(all, i);
  all->open();
}

}  // namespace pp::detail
