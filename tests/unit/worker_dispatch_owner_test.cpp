#include "tests/unit/worker_dispatch_lab.hpp"

#include <csignal>
#include <cstdlib>

namespace pp::worker {
namespace {

using namespace std::chrono_literals;

TEST(DispatchOwners, ReplacesAnIdleWorkerOfAnotherImage) {
  dispatch_lab lab(with_slots(1));
  const auto a = lab.d.on_owner_added(), b = lab.d.on_owner_added();
  const auto one = lab.d.on_group_added(), two = lab.d.on_group_added();
  lab.submit(a, one, 1);
  lab.settle();
  lab.ready(0);
  lab.finish(0);
  lab.submit(b, two, 1);
  lab.settle();
  EXPECT_TRUE(lab.workers[0].told_to_stop);
  EXPECT_EQ(lab.alive(), 1U) << "the new one waits until the old one has gone";
  lab.bury();
  EXPECT_EQ(lab.alive_of(two), 1U);
}

TEST(DispatchOwners, KeepsAFreeWorkersImageDuringItsTimeSlice) {
  dispatch_lab lab(with_slots(1));
  const auto a = lab.d.on_owner_added(), b = lab.d.on_owner_added();
  const auto one = lab.d.on_group_added(), two = lab.d.on_group_added();
  lab.submit(a, one, 1, 100);
  lab.settle();
  lab.ready(0);
  lab.submit(b, two, 1, 100);
  lab.settle();
  lab.clock += 10ms;
  lab.finish(0);
  EXPECT_FALSE(lab.workers[0].told_to_stop);
  EXPECT_EQ(lab.d.next_look(), lab.clock + 40ms);
  ASSERT_TRUE(lab.begin(0));
  lab.pass(40ms);
  EXPECT_FALSE(lab.workers[0].told_to_stop) << "a running job is never interrupted for fairness";
  lab.finish(0);
  EXPECT_TRUE(lab.workers[0].told_to_stop);
  lab.bury();
  EXPECT_EQ(lab.alive_of(two), 1U);
}

TEST(DispatchOwners, SharesSlotsEvenlyBetweenOwnersOfOneImage) {
  for (unsigned slots = 1; slots <= 9; ++slots) {
    dispatch_lab lab(with_slots(slots));
    const auto a = lab.d.on_owner_added(), b = lab.d.on_owner_added();
    const auto group = lab.d.on_group_added();
    lab.submit(a, group, 1, 200);
    lab.settle();
    lab.ready_all();
    EXPECT_EQ(lab.begin_all_and_count(a), slots);
    lab.submit(b, group, 1, 200);
    lab.settle();
    for (int round = 0; round < 10; ++round) {
      for (worker_id w = 0; w < slots; ++w) lab.finish(w, 10ms);
      const int mine = static_cast<int>(lab.begin_all_and_count(a)),
                others = static_cast<int>(lab.begin_all_and_count(b));
      EXPECT_EQ(static_cast<unsigned>(mine + others), slots);
      EXPECT_LE(std::abs(mine - others), 1) << slots << " slots, round " << round;
    }
  }
}

TEST(DispatchOwners, AnOwnerThatComesLaterWaitsForOneJobOnly) {
  dispatch_lab lab(with_slots(1));
  const auto a = lab.d.on_owner_added(), b = lab.d.on_owner_added();
  const auto group = lab.d.on_group_added();
  lab.submit(a, group, 1, 100);
  lab.settle();
  lab.ready(0);
  lab.finish(0);
  ASSERT_TRUE(lab.begin(0));
  lab.submit(b, group, 1, 100);
  lab.settle();
  lab.finish(0);
  ASSERT_TRUE(lab.begin(0));
  EXPECT_EQ(lab.workers[0].running()->owner, b);
  lab.finish(0);
  ASSERT_TRUE(lab.begin(0));
  EXPECT_EQ(lab.workers[0].running()->owner, a) << "and then they alternate";
}

TEST(DispatchOwners, SharesSlotsEvenlyBetweenOwnersOfDifferentImages) {
  dispatch_lab lab(with_slots(5));
  const auto a = lab.d.on_owner_added(), b = lab.d.on_owner_added();
  const auto one = lab.d.on_group_added(), two = lab.d.on_group_added();
  lab.submit(a, one, 1, 500);
  lab.settle();
  lab.ready_all();
  lab.begin_all_and_count(a);
  lab.pass(60ms);
  lab.submit(b, two, 1, 500);
  lab.settle();
  for (int round = 0; round < 20; ++round) {
    for (worker_id w = 0; w < 5; ++w) lab.finish(w, 10ms);
    lab.bury();
    lab.ready_all();
    lab.pass(60ms);
  }
  EXPECT_GE(lab.alive_of(one), 2U);
  EXPECT_GE(lab.alive_of(two), 2U);
  EXPECT_LE(lab.starts, 8U) << "workers flap between the images";
}

TEST(DispatchOwners, RemovingAnOwnerDropsItsJobsAndKillsTheWorkersThatRunThem) {
  dispatch_lab lab(with_slots(2));
  const auto a = lab.d.on_owner_added(), b = lab.d.on_owner_added();
  const auto group = lab.d.on_group_added();
  lab.submit(a, group, 1, 1);
  lab.submit(b, group, 1, 1);
  lab.settle();
  lab.ready_all();
  lab.submit(a, group, 2, 5);
  lab.settle();
  lab.begin_all_and_count(a);
  lab.d.on_owner_removed(a);
  lab.settle();
  EXPECT_EQ(lab.count("dropped"), 5U);
  unsigned killed = 0;
  for (const auto& [w, worker] : lab.workers) {
    killed += worker.told_to_die ? 1 : 0;
    EXPECT_EQ(worker.told_to_die, worker.running()->owner == a);
  }
  EXPECT_EQ(killed, 1U);
  lab.bury();
  EXPECT_EQ(lab.count("dropped"), 6U);
  EXPECT_EQ(lab.outcome(b, 1), "");
}

TEST(DispatchOwners, ADifferentOwnersJobIsNotBlamedForAKillOfOurs) {
  dispatch_lab lab(with_slots(1));
  const auto a = lab.d.on_owner_added(), b = lab.d.on_owner_added();
  const auto group = lab.d.on_group_added();
  lab.submit(a, group, 1, 1);
  lab.settle();
  lab.ready(0);
  ASSERT_TRUE(lab.begin(0));
  lab.submit(b, group, 1, 1);
  lab.settle();
  lab.d.on_owner_removed(a);
  lab.settle();
  ASSERT_TRUE(lab.workers[0].told_to_die);
  // Before the signal arrives the worker ends a's job and begins b's.
  lab.finish_quietly(0, 1ms);
  ASSERT_TRUE(lab.begin(0));
  ASSERT_EQ(lab.workers[0].running()->owner, b);
  lab.die(0, {SIGKILL, false, "was killed"});
  EXPECT_EQ(lab.outcome(b, 1), "");
  lab.ready(0);
  lab.finish(0);
  EXPECT_EQ(lab.outcome(b, 1), "result");
}

TEST(DispatchOwners, AnOwnersNameIsNotTakenForAnEarlierOnes) {
  dispatch_lab lab(with_slots(1));
  const auto a = lab.d.on_owner_added();
  lab.d.on_owner_removed(a);
  const auto b = lab.d.on_owner_added();
  EXPECT_EQ(dispatch::slot_of(a), dispatch::slot_of(b));
  EXPECT_NE(a, b);
  EXPECT_FALSE(lab.d.is_known(a));
  EXPECT_TRUE(lab.d.is_known(b));
}

TEST(DispatchOwners, WithOneJobPerProcessOwnersStillTakeTurns) {
  auto limits = with_slots(1);
  limits.recycle_after = 1;
  dispatch_lab lab(limits);
  const auto a = lab.d.on_owner_added(), b = lab.d.on_owner_added();
  const auto one = lab.d.on_group_added(), two = lab.d.on_group_added();
  lab.submit(a, one, 1, 10);
  lab.submit(b, two, 1, 10);
  lab.settle();
  for (int i = 0; i < 10; ++i) {
    lab.ready_all();
    lab.finish(0);
    lab.bury();
  }
  std::size_t of_a = 0;
  for (const auto& [name, fate] : lab.fates) of_a += name.first == a ? 1 : 0;
  EXPECT_EQ(of_a, 5U);
}

TEST(DispatchOwners, KeepsWorkersWarmForAMinuteAfterTheLastOwnerLeft) {
  dispatch_lab lab(with_slots(1));
  const auto owner = lab.d.on_owner_added();
  const auto group = lab.d.on_group_added();
  lab.submit(owner, group, 1);
  lab.settle();
  lab.ready(0);
  lab.finish(0);
  lab.d.on_owner_removed(owner);
  lab.settle();
  lab.pass(59s);
  EXPECT_FALSE(lab.workers[0].told_to_stop);
  EXPECT_LE(lab.d.next_look(), lab.clock + 1s);
  lab.pass(2s);
  lab.bury();
  EXPECT_EQ(lab.alive(), 0U);
  EXPECT_EQ(lab.forgotten, std::vector<group_id>{group});
}

}  // namespace
}  // namespace pp::worker
