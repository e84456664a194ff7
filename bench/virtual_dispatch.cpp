#include <deque>
#include <queue>
#include <stdexcept>
#include <vector>

#include "bench/virtual_time.hpp"
#include "worker/dispatch.hpp"

namespace bench {
namespace {

using namespace pp::worker;
using pp::duration;
using pp::time_point;

constexpr unsigned slots = 64;
constexpr std::size_t window = 256;  // jobs of one client here
constexpr std::chrono::microseconds mean_length{5000};

// A worker's pipe as plain variables; the first of it runs.
struct virtual_worker {
  std::deque<std::uint64_t> pipe;
  time_point free_at{};
};

struct ending {
  time_point when;
  worker_id worker;
  std::uint64_t sequence;
  duration length;
  bool operator<(const ending& other) const { return when > other.when; }
};

class virtual_node : public claims {
 public:
  virtual_node(std::size_t owners, std::size_t at_once, std::size_t jobs)
      : jobs_(jobs), at_once_(at_once), dispatch_(limits(), *this), workers_(slots) {
    const auto group = dispatch_.on_group_added();
    for (std::size_t i = 0; i < owners; ++i) owners_.push_back(dispatch_.on_owner_added());
    group_ = group;
  }

  bool try_take_back(worker_id worker, std::uint64_t sequence) override {
    auto& pipe = workers_[worker].pipe;
    for (std::size_t i = 1; i < pipe.size(); ++i) {
      if (pipe[i] != sequence) continue;
      pipe.erase(pipe.begin() + static_cast<std::ptrdiff_t>(i));
      return true;
    }
    return false;
  }
  claim fate_of(worker_id, std::uint64_t) const override { return claim::queued; }

  step_costs run() {
    for (const auto owner : owners_) submit(owner, window);
    settle();
    while (done_ < jobs_) {
      for (std::size_t i = 0; i < at_once_ && !running_.empty(); ++i) end_next();
      settle();
    }
    const auto per_job = [&](const stopwatch& w) { return w.nanoseconds() / static_cast<double>(done_); };
    return {per_job(submitting_), per_job(settling_), per_job(ending_)};
  }

 private:
  static dispatch::limits limits() {
    dispatch::limits l;
    l.slots = slots;
    return l;
  }

  void submit(owner_id owner, std::size_t count) {
    submitting_.start();
    for (std::size_t i = 0; i < count; ++i) dispatch_.on_submit(owner, group_, {submitted_++, 64});
    submitting_.stop();
  }

  void settle() {
    actions_.clear();
    settling_.start();
    dispatch_.settle(now_, actions_);
    settling_.stop();
    bool has_started = false;
    for (const auto& a : actions_) has_started |= carry_out(a);
    if (has_started) settle();
  }

  bool carry_out(const action& a) {
    if (a.what == action::kind::start) return dispatch_.on_worker_ready(a.worker, now_);
    if (a.what != action::kind::send)
      throw std::runtime_error("dispatch wants something a calm node has no reason for");
    auto& w = workers_[a.worker];
    w.pipe.push_back(a.sequence);
    if (w.pipe.size() == 1) begin(a.worker);
    return false;
  }

  void begin(worker_id id) {
    random_ = random_ * 6364136223846793005U + 1442695040888963407U;
    const auto length = mean_length / 2 + mean_length * static_cast<int>((random_ >> 33U) % 1024) / 1024;
    running_.push({now_ + length, id, workers_[id].pipe.front(), length});
  }

  void end_next() {
    const auto e = running_.top();
    running_.pop();
    now_ = e.when;
    auto& pipe = workers_[e.worker].pipe;
    pipe.pop_front();
    ending_.start();
    const auto job = dispatch_.on_result(e.worker, e.sequence, e.length, now_);
    const auto owner = dispatch_.job(job).owner;
    dispatch_.release(job);
    ending_.stop();
    ++done_;
    if (!pipe.empty()) begin(e.worker);
    if (submitted_ < jobs_ + owners_.size() * window) submit(owner, 1);
  }

  std::size_t jobs_, at_once_, done_ = 0;
  std::uint64_t submitted_ = 1, random_ = 1;
  time_point now_{};
  dispatch dispatch_;
  group_id group_ = nothing;
  std::vector<owner_id> owners_;
  std::vector<virtual_worker> workers_;
  std::priority_queue<ending> running_;
  std::vector<action> actions_;
  stopwatch submitting_, settling_, ending_;
};

}  // namespace

step_costs cost_of_dispatch(std::size_t owners, std::size_t at_once, std::size_t jobs) {
  return virtual_node(owners, at_once, jobs).run();
}

}  // namespace bench
