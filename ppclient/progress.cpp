// The bar: a thread that sleeps until something is done, and never draws twice within a tenth of a second.
#include <unistd.h>
#include <iostream>
#include <thread>

#include "base/blocked_signals.hpp"
#include "ppclient/job_set.hpp"

namespace pp {
namespace {

constexpr duration between_drawings = std::chrono::milliseconds(100);

std::ostream* where_to_draw(const progress_options& how) {
  if (how.to != nullptr) return how.to;
  return ::isatty(STDERR_FILENO) == 1 ? &std::cerr : nullptr;
}

std::string bar_of(const set_status& s, unsigned width) {
  const std::size_t filled = s.total == 0 ? width : s.done * width / s.total;
  return "[" + std::string(filled, '#') + std::string(width - filled, '.') + "]";
}

}  // namespace

class progress::drawer {
 public:
  drawer(std::shared_ptr<job_set::state> jobs, const job_set& set, const progress_options& how, std::ostream& to)
      : jobs_(std::move(jobs)), set_(set), how_(how), to_(to) {
    const blocked_signals during_start;
    thread_ = std::thread([this] { run(); });
  }
  ~drawer() {
    {
      const std::lock_guard hold(jobs_->lock);
      is_ending_ = true;
      jobs_->changed.notify_all();
    }
    thread_.join();
    draw();
    to_ << '\n' << std::flush;
  }

 private:
  void run() {
    std::size_t drawn = 0;
    for (bool is_first = true;; is_first = false) {
      if (!is_first && !wait_for_more(drawn)) return;
      drawn = draw();
    }
  }
  /// First that some time passes, then that something is done. False when the bar ends, or all is drawn.
  bool wait_for_more(std::size_t drawn) {
    std::unique_lock hold(jobs_->lock);
    const auto is_ending = [this] { return is_ending_; };
    if (jobs_->changed.wait_for(hold, between_drawings, is_ending)) return false;
    jobs_->changed.wait(hold, [&] { return is_ending_ || jobs_->done != drawn; });
    return !is_ending_;
  }
  std::size_t draw() {
    const auto s = set_.status();
    std::string line = "\r" + (how_.label.empty() ? "" : how_.label + " ") + bar_of(s, how_.width) + " " + s.text();
    const std::size_t length = line.size();
    if (length < last_length_) line.append(last_length_ - length, ' ');  // over what was longer
    last_length_ = length;
    to_ << line << std::flush;
    return s.done;
  }

  const std::shared_ptr<job_set::state> jobs_;
  const job_set& set_;
  const progress_options how_;
  std::ostream& to_;
  std::size_t last_length_ = 0;
  bool is_ending_ = false;  ///< guarded by the set's lock
  std::thread thread_;
};

progress::progress(job_set jobs, const progress_options& how) : jobs_(std::move(jobs)) {
  if (auto* const to = where_to_draw(how)) drawer_ = std::make_unique<drawer>(jobs_.state_, jobs_, how, *to);
}

progress::~progress() = default;

}  // namespace pp
