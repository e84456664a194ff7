#include "tests/unit/worker_dispatch_lab.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <random>

namespace pp::worker {
namespace {

using namespace std::chrono_literals;

/// Thousands of random events from one seed; dispatch_lab checks the promises after every one of them.
class random_world {
 public:
  random_world(std::uint32_t seed, const dispatch::limits& l) : random_(seed), lab(l) {
    for (int i = 0; i < 3; ++i) groups_.push_back(lab.d.on_group_added());
  }

  void step() {
    lab.clock += std::chrono::microseconds(below(20'000));
    const auto what = below(100);
    if (what < 25) return submit();
    if (what < 60) return work();
    if (what < 70) return begin();
    if (what < 80) return become_ready();
    if (what < 85) return recall();
    if (what < 87) return crash();
    if (what < 88) return end_some();
    if (what < 90) return die_at_start();
    if (what < 94) return lab.bury();
    if (what < 96) return change_owners();
    if (what < 97) return change_slots();
    lab.settle();
  }

  /// No more jobs, no more faults: everything that is left must come to its end.
  void come_to_rest() {
    lab.d.set_slots(lab.slots);
    for (int i = 0; i < 20'000 && lab.d.jobs() > 0; ++i) {
      lab.bury();
      lab.ready_all();
      for (auto& [w, worker] : lab.workers) {
        if (worker.is_alive && worker.is_ready && !worker.told_to_die) lab.finish_quietly(w, 3ms);
      }
      lab.pass(100ms);
    }
    lab.bury();
  }

  dispatch_lab& world() { return lab; }
  const std::vector<owner_id>& owners() const { return owners_; }

 private:
  std::uint32_t below(std::uint32_t limit) {
    return std::uniform_int_distribution<std::uint32_t>(0, limit - 1)(random_);
  }

  template <class Condition>
  worker_id some_worker(Condition suits) {
    std::vector<worker_id> all;
    for (const auto& [w, worker] : lab.workers) {
      if (worker.is_alive && suits(worker)) all.push_back(w);
    }
    return all.empty() ? nothing : all[below(static_cast<std::uint32_t>(all.size()))];
  }
  using fake = dispatch_lab::fake_worker;

  void submit() {
    if (owners_.empty()) return change_owners();
    const auto owner = owners_[below(static_cast<std::uint32_t>(owners_.size()))];
    const auto count = below(4) == 0 ? below(300) + 1 : below(5) + 1;
    auto& group = groups_[below(3)];
    for (const auto forgotten : lab.forgotten) {
      for (auto& g : groups_) g = g == forgotten ? nothing : g;
    }
    lab.forgotten.clear();
    if (group == nothing) group = lab.d.on_group_added();
    dispatch::new_job job;
    job.size = below(20) == 0 ? 5U << 20U : 100;
    if (below(4) == 0) job.timeout = std::chrono::milliseconds(1 + below(200));
    if (below(4) == 0) job.priority = static_cast<std::int8_t>(below(5));
    job.at_most_once = below(4) == 0;
    for (std::uint32_t i = 0; i < count; ++i) {
      job.id = next_id_++;
      lab.submit(owner, group, job);
    }
    if (below(2) == 0) lab.settle();
  }
  void work() {
    const auto w = some_worker([](const fake& f) { return f.is_ready && !f.pipe.empty(); });
    if (w == nothing) return;
    const bool is_short = below(3) > 0;
    for (auto n = below(40) + 1; n > 0; --n) {
      if (!lab.finish_quietly(w, is_short ? 5us : 5ms)) break;
    }
    lab.settle();
  }
  void begin() {
    const auto w = some_worker([](const fake& f) { return f.is_ready; });
    if (w != nothing) lab.begin(w);
  }
  void become_ready() {
    const auto w = some_worker([](const fake& f) { return !f.is_ready; });
    if (w != nothing) lab.ready(w);
  }
  void recall() {
    if (owners_.empty() || next_id_ == 1) return;
    const auto owner = owners_[below(static_cast<std::uint32_t>(owners_.size()))];
    for (auto n = below(30); n > 0; --n) lab.d.on_recall(owner, 1 + below(static_cast<std::uint32_t>(next_id_)));
  }
  void end_some() {
    if (owners_.empty() || next_id_ == 1) return;
    if (below(3) == 0) return exceed();
    const auto owner = owners_[below(static_cast<std::uint32_t>(owners_.size()))];
    for (auto n = below(30); n > 0; --n) cancel(owner, 1 + below(static_cast<std::uint32_t>(next_id_)));
  }
  void cancel(owner_id owner, std::uint64_t id) {
    lab.cancel(owner, id);
    if (lab.refs.count({owner, id}) == 0 || !lab.outcome(owner, id).empty()) return;
    const auto& job = lab.d.job(lab.refs[{owner, id}]);
    EXPECT_EQ(lab.fate_of(job.worker, job.sequence), claim::done) << "a cancelled job did not leave";
  }
  void exceed() {
    const auto w = some_worker([](const fake& f) { return f.is_ready; });
    if (w == nothing) return;
    const auto verdict = below(2) == 0 ? action::kind::cpu_limit : action::kind::memory_limit;
    lab.d.on_limit(w, lab.d.running_on(w).sequence, verdict, lab.clock);
    lab.settle();
  }
  void crash() {
    const auto w = some_worker([](const fake& f) { return f.is_ready; });
    if (w == nothing) return;
    // Its last results may be lost with it.
    auto& pipe = lab.workers[w].pipe;
    for (auto n = below(3); n > 0 && lab.begin(w); --n) {
      auto running = std::find_if(pipe.begin(), pipe.end(), [](const auto& j) { return j.state == claim::claimed; });
      running->state = claim::done;
      if (running + 1 != pipe.end() && (running + 1)->state == claim::queued) (running + 1)->state = claim::claimed;
      break;
    }
    lab.die(w, {below(2) == 0 ? SIGSEGV : SIGILL, false, "was killed"});
  }
  void die_at_start() {
    const auto w = some_worker([](const fake& f) { return !f.is_ready; });
    if (w != nothing) lab.die(w, {0, below(30) == 0, "no such library"});
  }
  void change_owners() {
    if (owners_.size() < 4 && below(3) > 0) return owners_.push_back(lab.d.on_owner_added());
    if (owners_.size() < 2) return;
    const auto gone = below(static_cast<std::uint32_t>(owners_.size()));
    lab.d.on_owner_removed(owners_[gone]);
    owners_.erase(owners_.begin() + gone);
    lab.settle();
  }
  void change_slots() {
    const auto slots = below(6);
    lab.d.set_slots(slots);
    lab.settle();
  }

  std::mt19937 random_;
  dispatch_lab lab;
  std::vector<owner_id> owners_;
  std::vector<group_id> groups_;
  std::uint64_t next_id_ = 1;
};

void run_world(std::uint32_t seed, unsigned recycle_after) {
  dispatch::limits l;
  l.slots = 1 + seed % 6;
  l.recycle_after = recycle_after;
  random_world world(seed, l);
  for (int i = 0; i < 3000; ++i) {
    world.step();
    // At most as many as the most slots there ever were; dispatch only ends workers when slots are taken away.
    ASSERT_LE(world.world().alive(), std::max(6U, l.slots)) << "seed " << seed;
    if (testing::Test::HasFailure()) FAIL() << "seed " << seed << " step " << i;
  }
  world.come_to_rest();
  auto& lab = world.world();
  EXPECT_EQ(lab.d.jobs(), 0U) << "seed " << seed << '\n' << lab.describe();
  EXPECT_EQ(lab.fates.size(), lab.submitted) << "seed " << seed;
  EXPECT_EQ(lab.d.running_workers(), 0U) << "seed " << seed;
  EXPECT_LE(lab.alive(), l.slots) << "seed " << seed;
  for (const auto owner : world.owners()) lab.d.on_owner_removed(owner);
  lab.settle();
  lab.pass(std::chrono::seconds(61));
  lab.bury();
  lab.pass(std::chrono::seconds(61));
  EXPECT_EQ(lab.alive(), 0U) << "seed " << seed;
}

std::uint32_t first_seed() {
  const char* wish = std::getenv("PP_TEST_SEED");
  return wish != nullptr ? static_cast<std::uint32_t>(std::strtoul(wish, nullptr, 10)) : 1;
}

TEST(DispatchAtRandom, KeepsItsPromisesAndEveryJobLeavesOnce) {
  for (auto seed = first_seed(); seed < first_seed() + 14; ++seed) {
    run_world(seed, 0);
    if (HasFailure()) FAIL() << "replay with PP_TEST_SEED=" << seed;
  }
}

TEST(DispatchAtRandom, AlsoWhenWorkersAreRecycled) {
  for (auto seed = first_seed(); seed < first_seed() + 5; ++seed) {
    run_world(seed, 1 + seed % 7);
    if (HasFailure()) FAIL() << "replay with PP_TEST_SEED=" << seed;
  }
}

/// Two owners that never run out of long jobs; slots, images and lengths vary. Once settled, each has its half within
/// one slot.
TEST(DispatchAtRandom, TwoOwnersShareSlotsWithinOne) {
  for (auto seed = first_seed(); seed < first_seed() + 24; ++seed) {
    std::mt19937 random(seed);
    dispatch::limits l;
    l.slots = 1 + seed % 8;
    dispatch_lab lab(l);
    const auto a = lab.d.on_owner_added(), b = lab.d.on_owner_added();
    const auto one = lab.d.on_group_added();
    const auto two = seed % 2 == 0 ? one : lab.d.on_group_added();
    lab.submit(a, one, 1, 2000);
    if (seed % 3 > 0) lab.pass(std::chrono::milliseconds(random() % 200));
    lab.submit(b, two, 1, 2000);
    lab.settle();
    for (int round = 0; round < 1200; ++round) {
      lab.clock += 5ms;
      lab.bury();
      lab.ready_all();
      lab.begin_all_and_count(a);
      if (!lab.workers.empty()) lab.finish(static_cast<worker_id>(random() % lab.workers.size()), 20ms);
      lab.settle();
      if (round < 200 || l.slots == 1) continue;
      const auto of_a = static_cast<int>(lab.begin_all_and_count(a)),
                 of_b = static_cast<int>(lab.begin_all_and_count(b));
      ASSERT_LE(std::abs(of_a - of_b), two == one ? 1 : 2) << "seed " << seed << " round " << round;
    }
    std::size_t done_a = 0, done_b = 0;
    for (const auto& [name, fate] : lab.fates) ++(name.first == a ? done_a : done_b);
    const double ratio = static_cast<double>(done_a) / static_cast<double>(std::max<std::size_t>(done_b, 1));
    EXPECT_GT(ratio, 0.45) << "seed " << seed;
    EXPECT_LT(ratio, 2.2) << "seed " << seed;
  }
}

}  // namespace
}  // namespace pp::worker
