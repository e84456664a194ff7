#include "tests/unit/worker_dispatch_lab.hpp"

namespace pp::worker {
namespace {

using namespace std::chrono_literals;

TEST(DispatchWeight, GivesSlotsByWeight) {
  dispatch_lab lab(with_slots(4));
  const auto heavy = lab.d.on_owner_added(), light = lab.d.on_owner_added();
  const auto group = lab.d.on_group_added();
  lab.d.set_weight(heavy, 3);
  lab.submit(light, group, 1, 400);
  lab.submit(heavy, group, 1, 400);
  lab.settle();
  lab.ready_all();
  unsigned heavy_runs = 0;
  for (int round = 0; round < 60; ++round) {
    const auto runs = lab.begin_all_and_count(heavy);
    if (round >= 20) heavy_runs += runs;
    for (worker_id w = 0; w < 4; ++w) lab.finish(w);
  }
  EXPECT_EQ(heavy_runs, 3U * 40);
}

TEST(DispatchWeight, GivesTurnsByWeightWhereThereIsOneSlot) {
  dispatch_lab lab(with_slots(1));
  const auto heavy = lab.d.on_owner_added(), light = lab.d.on_owner_added();
  const auto group = lab.d.on_group_added();
  lab.d.set_weight(heavy, 3);
  lab.submit(light, group, 1, 100);
  lab.submit(heavy, group, 1, 100);
  lab.settle();
  lab.ready_all();
  unsigned heavy_runs = 0;
  for (int i = 0; i < 80; ++i) {
    heavy_runs += lab.begin_all_and_count(heavy);
    lab.finish(0);
  }
  EXPECT_NEAR(heavy_runs, 60, 2);
}

/// Owners with different keys, whose workers are kept apart: each change of a slot costs the end of a process and a start.
class DispatchKeys : public ::testing::Test {
 protected:
  /// Runs all for that long; every job takes 50 ms, every start and every end `change`.
  void run_for(duration time, duration change) {
    for (const auto end = lab.clock + time; lab.clock < end;) {
      for (auto& [w, worker] : lab.workers) step(w, worker, change);
      lab.pass(5ms);
    }
  }
  std::size_t done(owner_id owner) const {
    std::size_t count = 0;
    for (const auto& [name, fate] : lab.fates) count += name.first == owner && fate == "result" ? 1 : 0;
    return count;
  }

  dispatch_lab lab{with_slots(4)};

 private:
  void step(worker_id w, dispatch_lab::fake_worker& worker, duration change) {
    if (!worker.is_alive) {
      since.erase(w);
      return;
    }
    const auto began = since.emplace(w, lab.clock).first;
    const auto passed = lab.clock - began->second;
    const bool ends = worker.told_to_stop || worker.told_to_die;
    if (ends != ending.contains(w)) {
      ends ? void(ending.insert(w)) : void(ending.erase(w));
      began->second = lab.clock;
    } else if (ends && passed >= change) {
      since.erase(w);
      ending.erase(w);
      lab.die(w);
    } else if (!worker.is_ready && passed >= change) {
      began->second = lab.clock;
      lab.ready(w);
    } else if (worker.is_ready && !ends && worker.running() == nullptr) {
      lab.begin(w);
      began->second = lab.clock;
    } else if (worker.running() != nullptr && passed >= 50ms) {
      began->second = lab.clock;
      lab.finish(w, 50ms);
      lab.begin(w);
    }
  }

  std::map<worker_id, time_point> since;
  std::set<worker_id> ending;
};

TEST_F(DispatchKeys, GetSlotsByWeightHoweverLongAChangeOfWorkersTakes) {
  const auto heavy = lab.d.on_owner_added(), light = lab.d.on_owner_added();
  const auto one = lab.d.on_group_added(), two = lab.d.on_group_added();
  lab.d.set_weight(heavy, 3);
  lab.submit(heavy, one, 1, 3000);
  run_for(1300ms, 1s);
  lab.submit(light, two, 1, 1000);
  run_for(5s, 1s);
  const auto h = done(heavy), l = done(light);
  run_for(10s, 1s);
  EXPECT_NEAR(static_cast<double>(done(heavy) - h) / static_cast<double>(done(light) - l), 3, 0.1) << lab.describe();
  EXPECT_EQ(lab.starts, 5U) << "one change is enough";
}

TEST_F(DispatchKeys, AWorkerThatIsIdleForAMomentIsNotTakenByWhoHasOne) {
  const auto brief = lab.d.on_owner_added(), greedy = lab.d.on_owner_added();
  const auto one = lab.d.on_group_added(), two = lab.d.on_group_added();
  lab.submit(brief, one, 1, 2);
  lab.submit(greedy, two, 1, 1000);
  run_for(1300ms, 10ms);
  ASSERT_EQ(done(brief), 2U);
  EXPECT_EQ(lab.alive_of(one), 0U) << "long idle, and taken";
  lab.submit(brief, one, 3, 1);
  for (std::uint64_t id = 4; id < 60; ++id) {
    while (lab.outcome(brief, id - 1) != "result") run_for(5ms, 10ms);
    run_for(20ms, 10ms);  // while the result travels, and the next job
    EXPECT_EQ(lab.alive_of(one), 1U) << "before job " << id;
    lab.submit(brief, one, id, 1);
  }
}

}  // namespace
}  // namespace pp::worker
