#include "tests/unit/worker_dispatch_lab.hpp"

#include <algorithm>

namespace pp::worker {
namespace {

using namespace std::chrono_literals;

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
