#include "worker/credit.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace pp::worker {

namespace {
constexpr std::uint32_t at_least_one(unsigned slots) { return std::max(slots, 1U); }
}  // namespace

credit_window::credit_window(unsigned slots, const limits& l)
    : limits_(l),
      share_(at_least_one(slots)),
      initial_(2 * share_),
      window_(initial_),
      target_(initial_),
      peak_(initial_) {}

bool credit_window::on_submit(std::uint64_t payload_bytes) {
  ++outstanding_;
  if (mean_bytes_ == 0) mean_bytes_ = payload_bytes;
  mean_bytes_ = (mean_bytes_ * 7 + payload_bytes) / 8;
  // Small jobs cannot move the target by their size: spare them the arithmetic.
  if (payload_bytes * window_ > limits_.held_bytes) aim();
  return outstanding_ <= peak_ + limits_.tolerance;
}

std::uint8_t credit_window::on_result(duration mean_run_time) {
  PP_ASSERT(outstanding_ > 0);
  --outstanding_;
  if (!measured_ || mean_ != mean_run_time) {
    measured_ = true;
    mean_ = mean_run_time;
    // A mean of zero is a job too short to measure.
    ahead_ = static_cast<std::uint64_t>(limits_.fill / std::max<duration>(mean_, std::chrono::nanoseconds(100)));
  }
  aim();
  if (window_ < target_) {
    peak_ = std::max(peak_, ++window_);
    return 2;
  }
  if (window_ > target_) {
    --window_;
    return 0;
  }
  return 1;
}

std::uint8_t credit_window::on_returned() {
  PP_ASSERT(outstanding_ > 0);
  --outstanding_;
  return 1;
}

void credit_window::set_share(unsigned slots) {
  if (at_least_one(slots) == share_) return;
  share_ = at_least_one(slots);
  aim();
}

// Growth beyond two per slot is left to the results, which arrive as fast as the jobs really are. Shrinking cannot wait for
// them when jobs last long, and neither can slots that became free when another client left.
std::int32_t credit_window::correction() {
  const auto sure = std::min(target_, 2 * share_);
  const bool much_too_large = window_ > target_ + target_ / 2 + share_;
  if (!much_too_large && window_ >= sure) return 0;
  const auto aimed = much_too_large ? target_ : sure;
  const auto change = static_cast<std::int32_t>(aimed) - static_cast<std::int32_t>(window_);
  window_ = aimed;
  peak_ = std::max(peak_, window_);
  return change;
}

void credit_window::aim() { target_ = std::max(share_, std::min(by_time(), by_size())); }

std::uint32_t credit_window::by_time() const {
  if (!measured_) return 2 * share_;
  const auto wanted = share_ + std::max<std::uint64_t>(ahead_ * share_, share_);
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted, std::max(limits_.largest, 2 * share_)));
}

std::uint32_t credit_window::by_size() const {
  // Small jobs never fill it, whatever the window.
  if (mean_bytes_ * limits_.largest <= limits_.held_bytes) return UINT32_MAX;
  const auto fit = limits_.held_bytes / mean_bytes_;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(fit, UINT32_MAX));
}

unsigned fair_share::share_of(std::uint64_t session, time_point now) const {
  unsigned sharing = 1;
  for (const auto& [other, busy] : last_busy_) {
    if (other != session && busy != time_point::min() && now - busy < memory) ++sharing;
  }
  return std::max(1U, (slots_ + sharing - 1) / sharing);
}

}  // namespace pp::worker
