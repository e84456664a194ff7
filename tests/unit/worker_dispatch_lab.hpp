// Dispatch with workers made of plain variables: the test says when one is ready, begins a job, ends it, or dies.
//
// Checks at every step what dispatch promises at every step: never more workers than slots, claim slots never
// over-committed, every job leaves once.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "worker/dispatch.hpp"

namespace pp::worker {

inline dispatch::limits with_slots(unsigned slots) {
  dispatch::limits l;
  l.slots = slots;
  return l;
}

class dispatch_lab : public claims {
 public:
  struct piped_job {
    std::uint64_t sequence = 0, id = 0;
    owner_id owner = nothing;
    claim state = claim::queued;
    bool once = false;
  };
  struct fake_worker {
    bool is_alive = false, is_ready = false;
    bool told_to_stop = false, told_to_die = false;
    group_id group = nothing;
    std::deque<piped_job> pipe;
    std::uint64_t passed = 0;  ///< first sequence not known to dispatch as passed

    const piped_job* running() const {
      return !pipe.empty() && pipe.front().state == claim::claimed ? &pipe.front() : nullptr;
    }
  };
  using job_name = std::pair<owner_id, std::uint64_t>;
  struct unfit_note {
    owner_id owner;
    group_id group;
    std::string reason;
  };

  explicit dispatch_lab(const dispatch::limits& l) : d(l, *this), slots(l.slots) {}

  void submit(owner_id owner, group_id group, std::uint64_t first, std::uint64_t count = 1, std::size_t size = 100) {
    for (auto id = first; id < first + count; ++id) submit(owner, group, dispatch::new_job{id, size});
  }
  void submit(owner_id owner, group_id group, const dispatch::new_job& what) {
    refs[{owner, what.id}] = d.on_submit(owner, group, what);
    ++submitted;
  }
  void cancel(owner_id owner, std::uint64_t id) {
    d.on_cancel(owner, id, clock);
    settle();
  }

  void settle() {
    std::vector<action> actions;
    d.settle(clock, actions);
    for (const auto& a : actions) apply(a);
    check();
  }
  void pass(duration time) {
    clock += time;
    settle();
  }

  void ready(worker_id w) {
    workers[w].is_ready = true;
    EXPECT_TRUE(d.on_worker_ready(w, clock));
    settle();
  }
  void ready_all() {
    for (auto& [w, worker] : workers) {
      if (worker.is_alive && !worker.is_ready) ready(w);
    }
  }

  /// The worker claims its next job; false if it has none.
  bool begin(worker_id w) {
    auto& me = workers[w];
    while (!me.pipe.empty() && me.pipe.front().state == claim::taken_back) me.pipe.pop_front();
    if (me.pipe.empty()) return false;
    auto& next = me.pipe.front();
    if (next.state != claim::queued) return true;
    next.state = claim::claimed;
    const bool is_first_time = begun.insert({next.owner, next.id}).second;
    EXPECT_TRUE(is_first_time || !next.once) << "job " << next.id << " ran twice";
    return true;
  }
  /// The running job, or the next one, ends; the result arrives but settle() is left to the caller.
  bool finish_quietly(worker_id w, duration run_time) {
    if (!begin(w)) return false;
    auto& me = workers[w];
    const auto job = me.pipe.front();
    me.pipe.pop_front();
    me.passed = job.sequence + 1;
    const auto j = d.on_result(w, job.sequence, run_time, clock);
    if (me.told_to_die && fates.count({job.owner, job.id}) > 0) {
      EXPECT_EQ(j, nothing);
      return true;
    }
    EXPECT_NE(j, nothing);
    left({job.owner, job.id}, "result");
    EXPECT_EQ(d.job(j).id, job.id);
    d.release(j);
    return true;
  }
  bool finish(worker_id w, duration run_time = std::chrono::milliseconds(10)) {
    const bool had = finish_quietly(w, run_time);
    settle();
    return had;
  }
  void die(worker_id w, const dispatch::ending& how = {}) {
    d.on_worker_exited(w, how, clock);
    workers[w].is_alive = false;
    workers[w].pipe.clear();
    settle();
  }
  /// Lets every worker that was told to go, go.
  void bury() {
    for (bool again = true; again;) {
      again = false;
      for (auto& [w, worker] : workers) {
        if (!worker.is_alive || !(worker.told_to_stop || worker.told_to_die)) continue;
        die(w);
        again = true;
      }
    }
  }

  unsigned alive() const {
    unsigned count = 0;
    for (const auto& [w, worker] : workers) count += worker.is_alive ? 1 : 0;
    return count;
  }
  unsigned alive_of(group_id group) const {
    unsigned count = 0;
    for (const auto& [w, worker] : workers) count += worker.is_alive && worker.group == group ? 1 : 0;
    return count;
  }
  /// Every ready worker claims a job if it has one; how many of them run one of `owner`.
  unsigned begin_all_and_count(owner_id owner) {
    unsigned count = 0;
    for (auto& [w, worker] : workers) {
      if (worker.is_alive && worker.is_ready && begin(w)) count += worker.running()->owner == owner ? 1 : 0;
    }
    return count;
  }
  std::string describe() const {
    std::string text;
    for (const auto& [w, worker] : workers) {
      if (!worker.is_alive) continue;
      const auto& record = d.worker(w);
      text += "worker " + std::to_string(w) + (worker.is_ready ? " ready" : " starting") + " group " +
              std::to_string(worker.group) + " pipe " + std::to_string(worker.pipe.size()) + " live " +
              std::to_string(record.live) + " span " + std::to_string(record.span()) +
              (record.yields ? " yields" : "") + (worker.told_to_die ? " dying" : "") +
              (worker.told_to_stop ? " stopping" : "") + "\n";
    }
    return text;
  }
  std::size_t count(const std::string& fate) const {
    std::size_t n = 0;
    for (const auto& [name, how] : fates) n += how == fate ? 1 : 0;
    return n;
  }
  std::string outcome(owner_id owner, std::uint64_t id) const {
    const auto found = fates.find({owner, id});
    return found == fates.end() ? "" : found->second;
  }

  bool try_take_back(worker_id w, std::uint64_t sequence) override {
    for (auto& job : workers[w].pipe) {
      if (job.sequence != sequence || job.state != claim::queued) continue;
      job.state = claim::taken_back;
      return true;
    }
    return false;
  }
  claim fate_of(worker_id w, std::uint64_t sequence) const override {
    for (const auto& job : workers.at(w).pipe) {
      if (job.sequence == sequence) return job.state;
    }
    return claim::done;
  }

  time_point clock = time_point(std::chrono::hours(100));
  dispatch d;
  unsigned slots;
  std::map<worker_id, fake_worker> workers;
  std::map<job_name, job_ref> refs;
  std::map<job_name, std::string> fates;
  std::set<job_name> begun;
  std::vector<unfit_note> unfit;
  std::vector<group_id> forgotten;
  std::vector<job_name> over;  ///< check-outs that owners were told to have ended
  std::size_t submitted = 0;
  unsigned starts = 0;

 private:
  void left(const job_name& name, const std::string& how) {
    EXPECT_TRUE(fates.emplace(name, how).second)
        << "job " << name.second << " left twice: " << fates[name] << ", " << how;
  }

  void take(const action& a, const char* how) {
    left({d.job(a.job).owner, d.job(a.job).id}, how);
    d.release(a.job);
  }

  void apply(const action& a) {
    using kind = action::kind;
    switch (a.what) {
      case kind::start:
        EXPECT_FALSE(workers[a.worker].is_alive);
        workers[a.worker] = {};
        workers[a.worker].is_alive = true;
        workers[a.worker].group = a.group;
        ++starts;
        return;
      case kind::send:
        EXPECT_EQ(workers[a.worker].group, d.program_of(d.group_of(a.job)))
            << "a job was sent to a worker of another image";
        EXPECT_TRUE(workers[a.worker].is_ready);
        EXPECT_LT(a.sequence - workers[a.worker].passed, claim_slots);
        workers[a.worker].pipe.push_back(
            {a.sequence, d.job(a.job).id, d.job(a.job).owner, claim::queued, d.job(a.job).at_most_once});
        return;
      case kind::stop:
        EXPECT_EQ(d.worker(a.worker).live, 0U);
        workers[a.worker].told_to_stop = true;
        return;
      case kind::kill:
      case kind::end_job: workers[a.worker].told_to_die = true; return;
      case kind::timed_out: return take(a, "timed out");
      case kind::cpu_limit: return take(a, "cpu limit");
      case kind::memory_limit: return take(a, "memory limit");
      case kind::cancelled: return take(a, a.worker == nothing ? "cancelled unbegun" : "cancelled");
      case kind::outcome_unknown: return take(a, "outcome unknown");
      case kind::not_started: return take(a, "not started");
      case kind::crashed: return take(a, "crashed");
      case kind::unfit_job: return take(a, "unfit");
      case kind::place_gone: return take(a, "place gone");
      case kind::lease_over: over.emplace_back(a.owner, a.sequence); return;
      case kind::dropped: return take(a, "dropped");
      case kind::unfit: unfit.push_back({a.owner, a.group, d.unfit_reason(a.group)}); return;
      case kind::forget_group: forgotten.push_back(a.group); return;
    }
  }

  void check() {
    EXPECT_EQ(d.workers(), alive());
    EXPECT_EQ(d.jobs(), submitted - fates.size());
    for (const auto& [w, worker] : workers) {
      if (!worker.is_alive) continue;
      EXPECT_LT(d.worker(w).span(), claim_slots);
      const auto running = d.running_on(w);
      if (running.job == nothing || worker.told_to_die || fate_of(w, running.sequence) == claim::done) continue;
      const auto timeout = d.job(running.job).timeout;
      EXPECT_TRUE(timeout.count() == 0 || clock < running.since + timeout) << "a late job was left to run";
    }
  }
};

}  // namespace pp::worker
