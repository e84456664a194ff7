#include <time.h>

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "bench/virtual_time.hpp"
#include "ppclient/scheduler.hpp"

namespace bench {
namespace {

using pp::ppclient::scheduler;

constexpr std::uint32_t slots = 64, window = 128;
constexpr std::size_t ticks = 1024;   // no job is on its way for so long
constexpr std::size_t at_once = 256;  // decisions at once, and results in one read, as a client has them

struct ending {
  scheduler::job_slot job;
  scheduler::node_index node;
  std::uint16_t attempt;
};

// A wheel of ticks: what ends when. Lengths vary, so that nodes differ in load.
class virtual_cluster {
 public:
  virtual_cluster(std::size_t nodes, std::size_t jobs) : jobs_(jobs), wheel_(ticks), held_(nodes) {
    for (std::size_t i = 0; i < nodes; ++i) scheduler_.on_credit(scheduler_.on_node_ready(slots), window);
    actions_.reserve(at_once);
  }

  step_costs run() {
    submitting_.start();
    for (std::size_t i = 0; i < jobs_; ++i) scheduler_.on_submit(static_cast<std::uint32_t>(i), 0);
    submitting_.stop();
    send_all();
    for (std::size_t tick = 0; done_ < jobs_; ++tick) end_jobs_of(tick);
    const auto per_job = [&](const stopwatch& w) { return w.nanoseconds() / static_cast<double>(jobs_); };
    return {per_job(submitting_), per_job(sending_), per_job(settling_)};
  }

 private:
  void send_all() {
    for (bool more = true; more;) {
      actions_.clear();
      sending_.start();
      more = scheduler_.decide(actions_, at_once);
      sending_.stop();
      for (const auto& a : actions_) carry_out(a);
    }
  }

  void carry_out(const scheduler::action& a) {
    if (a.what == scheduler::action::kind::recall) return;  // it had begun: the answer is its result
    if (++held_[a.node] > window) throw std::runtime_error("a node was sent more than its window");
    random_ = random_ * 6364136223846793005U + 1442695040888963407U;
    wheel_[(now_ + 1 + (random_ >> 33U) % (ticks - 2)) % ticks].push_back({a.job, a.node, a.attempt});
  }

  void end_jobs_of(std::size_t tick) {
    now_ = tick % ticks;
    ended_.swap(wheel_[now_]);
    for (std::size_t from = 0; from < ended_.size(); from += at_once) {
      end_jobs(from, std::min(from + at_once, ended_.size()));
      send_all();
    }
    ended_.clear();
  }

  void end_jobs(std::size_t from, std::size_t to) {
    bool all_delivered = true;
    settling_.start();
    for (std::size_t i = from; i < to; ++i) {
      const auto& e = ended_[i];
      all_delivered &=
          scheduler_.on_result(e.job, e.node, e.attempt, scheduler::outcome::done, 1) == scheduler::verdict::deliver;
    }
    settling_.stop();
    if (!all_delivered) throw std::runtime_error("a result was not of its job");
    for (std::size_t i = from; i < to; ++i) --held_[ended_[i].node];
    done_ += to - from;
  }

  std::size_t jobs_, done_ = 0, now_ = 0;
  std::uint64_t random_ = 1;
  scheduler scheduler_{3};
  std::vector<scheduler::action> actions_;
  std::vector<std::vector<ending>> wheel_;
  std::vector<ending> ended_;
  std::vector<std::uint32_t> held_;
  stopwatch submitting_, sending_, settling_;
};

}  // namespace

std::int64_t stopwatch::cpu_nanoseconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

double stopwatch::nanoseconds() const {
  static const double of_clock = [] {
    constexpr int readings = 100'000;
    const auto start = cpu_nanoseconds();
    for (int i = 0; i < readings; ++i) static_cast<void>(cpu_nanoseconds());
    return static_cast<double>(cpu_nanoseconds() - start) / readings;
  }();
  return static_cast<double>(total_) - of_clock * static_cast<double>(sections_);
}

step_costs cost_of_scheduler(std::size_t nodes, std::size_t jobs) { return virtual_cluster(nodes, jobs).run(); }

}  // namespace bench
