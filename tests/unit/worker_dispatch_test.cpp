#include "tests/unit/worker_dispatch_lab.hpp"

#include <algorithm>
#include <csignal>

namespace pp::worker {
namespace {

using namespace std::chrono_literals;

dispatch::limits with_slots(unsigned slots) {
  dispatch::limits l;
  l.slots = slots;
  return l;
}

TEST(Dispatch, StartsOneWorkerPerJobUpToTheSlots) {
  dispatch_lab lab(with_slots(3));
  const auto owner = lab.d.on_owner_added();
  const auto group = lab.d.on_group_added();
  lab.submit(owner, group, 1, 2);
  lab.settle();
  EXPECT_EQ(lab.alive(), 2U);
  lab.submit(owner, group, 3, 10);
  lab.settle();
  EXPECT_EQ(lab.alive(), 3U);
}

TEST(Dispatch, GivesEachIdleWorkerOneJobBeforeAnySecond) {
  dispatch_lab lab(with_slots(3));
  const auto owner = lab.d.on_owner_added();
  const auto group = lab.d.on_group_added();
  lab.submit(owner, group, 1, 4);
  lab.settle();
  lab.ready_all();
  EXPECT_EQ(lab.begin_all_and_count(owner), 3U);
}

TEST(Dispatch, BindsTwoLongJobsToAWorkerAtMost) {
  dispatch_lab lab(with_slots(1));
  const auto owner = lab.d.on_owner_added();
  const auto group = lab.d.on_group_added();
  lab.submit(owner, group, 1, 100);
  lab.settle();
  lab.ready(0);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(lab.workers[0].pipe.size(), 2U);
    lab.finish(0, 10ms);
  }
}

TEST(Dispatch, OpensTheWindowForShortJobsUpToTheLimitAndNoFurtherThanTwentyMilliseconds) {
  dispatch_lab lab(with_slots(1));
  const auto owner = lab.d.on_owner_added();
  const auto group = lab.d.on_group_added();
  lab.submit(owner, group, 1, 5000);
  lab.settle();
  lab.ready(0);
  std::size_t most = 0;
  for (int i = 0; i < 100; ++i) {
    for (int k = 0; k < 10; ++k) lab.finish_quietly(0, 2us);
    lab.settle();
    most = std::max(most, lab.workers[0].pipe.size());
    EXPECT_TRUE(i < 20 || lab.workers[0].pipe.size() >= 118U) << "never less than half, and what one read gives";
  }
  EXPECT_EQ(most, 256U);
  for (int i = 0; i < 200; ++i) lab.finish_quietly(0, 400us);
  for (int i = 0; i < 100; ++i) lab.finish(0, 400us);
  EXPECT_LE(lab.workers[0].pipe.size(), 51U);
  EXPECT_GE(lab.workers[0].pipe.size(), 25U);
}

TEST(Dispatch, ClosesTheWindowAtOnceWhenJobsGetLong) {
  dispatch_lab lab(with_slots(1));
  const auto owner = lab.d.on_owner_added();
  const auto group = lab.d.on_group_added();
  lab.submit(owner, group, 1, 5000);
  lab.settle();
  lab.ready(0);
  for (int i = 0; i < 200; ++i) lab.finish(0, 1us);
  ASSERT_GT(lab.workers[0].pipe.size(), 100U);
  lab.finish(0, 50ms);
  while (lab.workers[0].pipe.size() > 2) lab.finish(0, 50ms);
  for (int i = 0; i < 5; ++i) {
    lab.finish(0, 50ms);
    EXPECT_EQ(lab.workers[0].pipe.size(), 2U);
  }
}

TEST(Dispatch, SendsOneLargeJobAtATime) {
  dispatch_lab lab(with_slots(1));
  const auto owner = lab.d.on_owner_added();
  const auto group = lab.d.on_group_added();
  lab.submit(owner, group, 1, 10, 64U << 20U);
  lab.settle();
  lab.ready(0);
  EXPECT_EQ(lab.workers[0].pipe.size(), 1U);
}

TEST(Dispatch, TakesBackWhatStandsBehindALongJobForAnIdleWorker) {
  dispatch_lab lab(with_slots(2));
  const auto owner = lab.d.on_owner_added();
  const auto group = lab.d.on_group_added();
  lab.submit(owner, group, 1, 4);
  lab.settle();
  lab.ready_all();
  ASSERT_TRUE(lab.begin(0));  // and it stays there
  lab.finish(1);
  lab.finish(1);
  // The queue is empty and worker 1 idle: the job behind worker 0's running one moves over.
  ASSERT_TRUE(lab.begin(1));
  lab.finish(1);
  EXPECT_EQ(lab.count("result"), 3U);
  lab.finish(0);
  EXPECT_EQ(lab.count("result"), 4U);
}

TEST(Dispatch, NeverTakesBackWhatHasBegun) {
  dispatch_lab lab(with_slots(2));
  const auto owner = lab.d.on_owner_added();
  const auto group = lab.d.on_group_added();
  lab.submit(owner, group, 1, 1);
  lab.settle();
  lab.ready(0);
  ASSERT_TRUE(lab.begin(0));
  lab.d.on_recall(owner, 1);
  lab.settle();
  EXPECT_EQ(lab.outcome(owner, 1), "");
  lab.finish(0);
  EXPECT_EQ(lab.outcome(owner, 1), "result");
}

TEST(Dispatch, RecallGivesBackQueuedAndPipedJobsThatHaveNotBegun) {
  dispatch_lab lab(with_slots(1));
  const auto owner = lab.d.on_owner_added();
  const auto group = lab.d.on_group_added();
  lab.submit(owner, group, 1, 3);
  lab.settle();
  lab.ready(0);
  ASSERT_TRUE(lab.begin(0));
  lab.d.on_recall(owner, 2);  // in the pipe behind the running one
  lab.d.on_recall(owner, 3);  // in the queue
  lab.d.on_recall(owner, 77);
  lab.settle();
  EXPECT_EQ(lab.outcome(owner, 2), "not started");
  EXPECT_EQ(lab.outcome(owner, 3), "not started");
}

TEST(Dispatch, NeverOvercommitsTheClaimSlotsWhileAWorkerIsStuck) {
  dispatch_lab lab(with_slots(1));
  const auto owner = lab.d.on_owner_added();
  const auto group = lab.d.on_group_added();
  lab.submit(owner, group, 1, 1);
  lab.settle();
  lab.ready(0);
  ASSERT_TRUE(lab.begin(0));
  // Every job sent behind the stuck one is recalled; its hole stays until the worker passes it.
  for (std::uint64_t id = 2; id < 2000; ++id) {
    lab.submit(owner, group, id);
    lab.settle();
    lab.d.on_recall(owner, id);
    lab.settle();
  }
  while (lab.finish(0)) {
  }
  EXPECT_EQ(lab.d.jobs(), 0U);
  lab.submit(owner, group, 5000, 10);
  lab.settle();
  while (lab.finish(0)) {
  }
  EXPECT_EQ(lab.d.jobs(), 0U);
}

TEST(Dispatch, BlamesOnlyTheJobThatRanForADeath) {
  dispatch_lab lab(with_slots(1));
  const auto owner = lab.d.on_owner_added();
  const auto group = lab.d.on_group_added();
  lab.submit(owner, group, 1, 5);
  lab.settle();
  lab.ready(0);
  lab.finish(0);
  ASSERT_TRUE(lab.begin(0));
  lab.die(0, {SIGSEGV, false, "was killed"});
  EXPECT_EQ(lab.outcome(owner, 2), "crashed");
  EXPECT_EQ(lab.count("crashed"), 1U);
  EXPECT_EQ(lab.alive(), 1U);
  lab.ready(0);
  EXPECT_EQ(lab.workers[0].pipe.front().id, 3U) << "jobs not begun keep their place";
}

TEST(Dispatch, RunsAgainWhatWasDoneButWhoseResultWasLost) {
  dispatch_lab lab(with_slots(1));
  const auto owner = lab.d.on_owner_added();
  const auto group = lab.d.on_group_added();
  lab.submit(owner, group, 1, 2);
  lab.settle();
  lab.ready(0);
  lab.workers[0].pipe[0].state = claim::done;
  lab.workers[0].pipe[1].state = claim::claimed;
  lab.die(0, {SIGKILL, false, "was killed"});
  EXPECT_EQ(lab.outcome(owner, 1), "");
  EXPECT_EQ(lab.outcome(owner, 2), "crashed");
  lab.ready(0);
  lab.finish(0);
  EXPECT_EQ(lab.outcome(owner, 1), "result");
}

TEST(Dispatch, BlamesTheOldestOnlyWhenThePageSaysThatManyRan) {
  dispatch_lab lab(with_slots(1));
  const auto owner = lab.d.on_owner_added();
  const auto group = lab.d.on_group_added();
  lab.submit(owner, group, 1, 2);
  lab.settle();
  lab.ready(0);
  for (auto& job : lab.workers[0].pipe) job.state = claim::claimed;
  lab.die(0, {SIGKILL, false, "was killed"});
  EXPECT_EQ(lab.outcome(owner, 1), "crashed");
  EXPECT_EQ(lab.outcome(owner, 2), "");
}

TEST(Dispatch, RefusesAnswersThatCannotBe) {
  dispatch_lab lab(with_slots(1));
  const auto owner = lab.d.on_owner_added();
  const auto group = lab.d.on_group_added();
  lab.submit(owner, group, 1, 2);
  lab.settle();
  lab.ready(0);
  EXPECT_EQ(lab.d.on_result(0, 1, 1ms, lab.clock), nothing) << "out of order";
  EXPECT_EQ(lab.d.on_result(0, 2, 1ms, lab.clock), nothing) << "never sent";
  EXPECT_EQ(lab.d.on_result(0, ~0ULL, 1ms, lab.clock), nothing);
  EXPECT_FALSE(lab.d.on_worker_ready(0, lab.clock)) << "ready twice";
  lab.finish(0);
  EXPECT_EQ(lab.d.on_result(0, 0, 1ms, lab.clock), nothing) << "answered before";
}

TEST(Dispatch, ThreeDeathsBeforeReadyMakeAnImageUnfitWithGrowingPauses) {
  dispatch_lab lab(with_slots(1));
  const auto owner = lab.d.on_owner_added();
  const auto group = lab.d.on_group_added();
  lab.submit(owner, group, 1, 3);
  lab.settle();
  duration last{};
  for (int i = 0; i < 2; ++i) {
    lab.die(0, {0, false, "no such library"});
    EXPECT_EQ(lab.alive(), 0U) << "started again without a pause";
    const auto pause = lab.d.next_look() - lab.clock;
    EXPECT_GT(pause, last);
    last = pause;
    lab.pass(pause);
    EXPECT_EQ(lab.alive(), 1U);
  }
  lab.die(0, {0, false, "no such library"});
  EXPECT_EQ(lab.count("unfit"), 3U);
  ASSERT_EQ(lab.unfit.size(), 1U);
  EXPECT_EQ(lab.unfit[0].reason, "no such library");
  lab.submit(owner, group, 10);
  lab.settle();
  EXPECT_EQ(lab.outcome(owner, 10), "unfit") << "a verdict stands for a while";
  lab.pass(31s);
  lab.submit(owner, group, 11);
  lab.settle();
  EXPECT_EQ(lab.alive(), 1U) << "and is looked at again later";
}

TEST(Dispatch, OneFinalFailureMakesAnImageUnfitForAllItsOwners) {
  dispatch_lab lab(with_slots(2));
  const auto a = lab.d.on_owner_added(), b = lab.d.on_owner_added();
  const auto group = lab.d.on_group_added();
  lab.submit(a, group, 1, 2);
  lab.submit(b, group, 1, 2);
  lab.settle();
  lab.die(0, {0, true, "wrong machine"});
  EXPECT_EQ(lab.count("unfit"), 4U);
  EXPECT_EQ(lab.unfit.size(), 2U);
  lab.bury();
  EXPECT_EQ(lab.alive(), 0U);
}

TEST(Dispatch, OneMomentsFailuresOfSeveralWorkersCountOnce) {
  dispatch_lab lab(with_slots(4));
  const auto owner = lab.d.on_owner_added();
  const auto group = lab.d.on_group_added();
  lab.submit(owner, group, 1, 8);
  lab.settle();
  ASSERT_EQ(lab.alive(), 4U);
  for (worker_id w = 0; w < 4; ++w) lab.die(w, {SIGKILL, false, "out of memory"});
  EXPECT_TRUE(lab.unfit.empty());
  lab.pass(lab.d.next_look() - lab.clock);
  EXPECT_EQ(lab.alive(), 1U) << "one start shows whether it works again";
}

TEST(Dispatch, KillsAWorkerThatIsNotReadyInTime) {
  auto limits = with_slots(1);
  limits.start_limit = 5s;
  dispatch_lab lab(limits);
  const auto owner = lab.d.on_owner_added();
  const auto group = lab.d.on_group_added();
  lab.submit(owner, group, 1);
  lab.settle();
  EXPECT_EQ(lab.d.next_look(), lab.clock + 5s);
  for (int i = 0; i < 3; ++i) {
    lab.pass(5s);
    ASSERT_TRUE(lab.workers[0].told_to_die);
    lab.bury();
    lab.pass(1s);
  }
  ASSERT_EQ(lab.unfit.size(), 1U);
  EXPECT_NE(lab.unfit[0].reason.find("pp::init within 5000 ms"), std::string::npos) << lab.unfit[0].reason;
}

TEST(Dispatch, AnIllegalInstructionInTheVeryFirstJobIsTheImagesFault) {
  dispatch_lab lab(with_slots(1));
  const auto owner = lab.d.on_owner_added();
  const auto group = lab.d.on_group_added();
  lab.submit(owner, group, 1, 2);
  lab.settle();
  lab.ready(0);
  ASSERT_TRUE(lab.begin(0));
  lab.die(0, {SIGILL, false, "was killed"});
  EXPECT_EQ(lab.outcome(owner, 1), "unfit");
  EXPECT_EQ(lab.outcome(owner, 2), "unfit");
  ASSERT_EQ(lab.unfit.size(), 1U);
  EXPECT_NE(lab.unfit[0].reason.find("newer processor"), std::string::npos);
}

TEST(Dispatch, AnIllegalInstructionLaterIsTheJobsFault) {
  dispatch_lab lab(with_slots(1));
  const auto owner = lab.d.on_owner_added();
  const auto group = lab.d.on_group_added();
  lab.submit(owner, group, 1, 2);
  lab.settle();
  lab.ready(0);
  lab.finish(0);
  ASSERT_TRUE(lab.begin(0));
  lab.die(0, {SIGILL, false, "was killed"});
  EXPECT_EQ(lab.outcome(owner, 2), "crashed");
}

TEST(Dispatch, ReplacesAnIdleWorkerOfAnotherImage) {
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

TEST(Dispatch, KeepsAFreeWorkersImageDuringItsTimeSlice) {
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

TEST(Dispatch, SharesSlotsEvenlyBetweenOwnersOfOneImage) {
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
      const int mine = static_cast<int>(lab.begin_all_and_count(a)), others = static_cast<int>(lab.begin_all_and_count(b));
      EXPECT_EQ(static_cast<unsigned>(mine + others), slots);
      EXPECT_LE(std::abs(mine - others), 1) << slots << " slots, round " << round;
    }
  }
}

TEST(Dispatch, AnOwnerThatComesLaterWaitsForOneJobOnly) {
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

TEST(Dispatch, SharesSlotsEvenlyBetweenOwnersOfDifferentImages) {
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

TEST(Dispatch, RemovingAnOwnerDropsItsJobsAndKillsTheWorkersThatRunThem) {
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

TEST(Dispatch, ADifferentOwnersJobIsNotBlamedForAKillOfOurs) {
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

TEST(Dispatch, AnOwnersNameIsNotTakenForAnEarlierOnes) {
  dispatch_lab lab(with_slots(1));
  const auto a = lab.d.on_owner_added();
  lab.d.on_owner_removed(a);
  const auto b = lab.d.on_owner_added();
  EXPECT_EQ(dispatch::slot_of(a), dispatch::slot_of(b));
  EXPECT_NE(a, b);
  EXPECT_FALSE(lab.d.is_known(a));
  EXPECT_TRUE(lab.d.is_known(b));
}

TEST(Dispatch, DrainingGivesBackWhatHasNotBegunAndFinishesTheRest) {
  dispatch_lab lab(with_slots(2));
  const auto owner = lab.d.on_owner_added();
  const auto group = lab.d.on_group_added();
  lab.submit(owner, group, 1, 10);
  lab.settle();
  lab.ready_all();
  lab.begin_all_and_count(owner);
  lab.d.drain();
  lab.settle();
  EXPECT_EQ(lab.count("not started"), 8U);
  lab.submit(owner, group, 20);
  lab.settle();
  EXPECT_EQ(lab.outcome(owner, 20), "not started");
  lab.finish(0);
  lab.finish(1);
  EXPECT_EQ(lab.d.jobs(), 0U);
}

TEST(Dispatch, FewerSlotsEndWorkersAsTheyBecomeIdle) {
  dispatch_lab lab(with_slots(4));
  const auto owner = lab.d.on_owner_added();
  const auto group = lab.d.on_group_added();
  lab.submit(owner, group, 1, 100);
  lab.settle();
  lab.ready_all();
  lab.begin_all_and_count(owner);
  lab.d.set_slots(1);
  lab.settle();
  for (worker_id w = 0; w < 4; ++w) lab.finish(w);
  lab.bury();
  EXPECT_EQ(lab.alive(), 1U);
  lab.d.set_slots(0);
  lab.settle();
  for (worker_id w = 0; w < 4; ++w) lab.finish(w);
  lab.bury();
  EXPECT_EQ(lab.alive(), 0U);
  EXPECT_EQ(lab.d.jobs(), 0U);
  lab.d.set_slots(3);
  lab.submit(owner, group, 200, 5);
  lab.settle();
  EXPECT_EQ(lab.alive(), 3U);
}

TEST(Dispatch, RecyclesAWorkerAfterItsNumberOfJobs) {
  auto limits = with_slots(1);
  limits.recycle_after = 3;
  dispatch_lab lab(limits);
  const auto owner = lab.d.on_owner_added();
  const auto group = lab.d.on_group_added();
  lab.submit(owner, group, 1, 7);
  lab.settle();
  for (int life = 0; life < 3; ++life) {
    lab.ready_all();
    int served = 0;
    while (lab.finish(0)) ++served;
    EXPECT_EQ(served, life < 2 ? 3 : 1);
    lab.bury();
  }
  EXPECT_EQ(lab.count("result"), 7U);
  EXPECT_EQ(lab.starts, 3U);
}

TEST(Dispatch, WithOneJobPerProcessOwnersStillTakeTurns) {
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

TEST(Dispatch, KeepsWorkersWarmForAMinuteAfterTheLastOwnerLeft) {
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

TEST(Dispatch, KnowsTheMeanRunTimeOfAnOwner) {
  dispatch_lab lab(with_slots(1));
  const auto owner = lab.d.on_owner_added();
  const auto group = lab.d.on_group_added();
  EXPECT_EQ(lab.d.mean_run_time(owner), duration(0));
  lab.submit(owner, group, 1, 100);
  lab.settle();
  lab.ready(0);
  for (int i = 0; i < 50; ++i) lab.finish(0, 8ms);
  for (int i = 0; i < 50; ++i) lab.finish(0, 2ms);
  EXPECT_NEAR(std::chrono::duration<double>(lab.d.mean_run_time(owner)).count(), 0.002, 0.0002);
}

}  // namespace
}  // namespace pp::worker
