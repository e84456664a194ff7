#include "tests/unit/worker_dispatch_lab.hpp"

#include <csignal>

namespace pp::worker {
namespace {

using namespace std::chrono_literals;

dispatch::new_job with_timeout(std::uint64_t id, duration timeout) {
  dispatch::new_job job{id, 100};
  job.timeout = timeout;
  return job;
}
dispatch::new_job with_priority(std::uint64_t id, int priority) {
  dispatch::new_job job{id, 100};
  job.priority = static_cast<std::int8_t>(priority);
  return job;
}
dispatch::new_job once(std::uint64_t id) {
  dispatch::new_job job{id, 100};
  job.at_most_once = true;
  return job;
}

struct DispatchLimit : testing::Test {
  explicit DispatchLimit(unsigned slots = 1) : lab(with_slots(slots)) {}
  /// One worker, ready, with the jobs that were submitted.
  void start() {
    lab.settle();
    lab.ready_all();
  }
  dispatch_lab lab;
  owner_id owner = lab.d.on_owner_added();
  group_id group = lab.d.on_group_added();
};
struct DispatchCancel : DispatchLimit {};
struct DispatchPriority : DispatchLimit {};
struct DispatchAtMostOnce : DispatchLimit {};

// --- time limits -----------------------------------------------------------------------------------------------------

TEST_F(DispatchLimit, EndsAJobWhenItsTimeIsOver) {
  lab.submit(owner, group, with_timeout(1, 100ms));
  start();
  lab.begin(0);
  EXPECT_EQ(lab.d.next_look(), lab.clock + 100ms);
  lab.pass(99ms);
  EXPECT_EQ(lab.outcome(owner, 1), "");
  lab.pass(1ms);
  EXPECT_EQ(lab.outcome(owner, 1), "timed out");
  EXPECT_TRUE(lab.workers[0].told_to_die);
}

TEST_F(DispatchLimit, EndsAJobThatAStoppedWorkerNeverBegan) {
  lab.submit(owner, group, with_timeout(1, 100ms));
  start();
  lab.pass(100ms);
  EXPECT_EQ(lab.outcome(owner, 1), "timed out");
  EXPECT_TRUE(lab.workers[0].told_to_die);
  EXPECT_EQ(lab.workers[0].pipe.front().state, claim::taken_back);
}

TEST_F(DispatchLimit, CountsTimeFromTheResultBefore) {
  lab.submit(owner, group, 1);
  lab.submit(owner, group, with_timeout(2, 100ms));
  start();
  lab.begin(0);
  lab.pass(10s);
  lab.finish(0);
  lab.begin(0);
  lab.pass(99ms);
  EXPECT_EQ(lab.outcome(owner, 2), "");
  lab.pass(1ms);
  EXPECT_EQ(lab.outcome(owner, 2), "timed out");
}

TEST_F(DispatchLimit, KeepsThePlaceOfWhatStoodBehindALateJob) {
  lab.submit(owner, group, with_timeout(1, 100ms));
  lab.submit(owner, group, 2, 3);
  start();
  lab.begin(0);
  ASSERT_GT(lab.workers[0].pipe.size(), 1U);
  lab.pass(100ms);
  EXPECT_EQ(lab.outcome(owner, 1), "timed out");
  lab.bury();
  lab.ready_all();
  for (std::uint64_t id = 2; id <= 4; ++id) {
    lab.begin(0);
    EXPECT_EQ(lab.workers[0].running()->id, id);
    lab.finish(0);
  }
  EXPECT_EQ(lab.count("result"), 3U);
}

TEST_F(DispatchLimit, WaitsForTheResultOfAJobThatIsDone) {
  lab.submit(owner, group, with_timeout(1, 100ms));
  start();
  lab.begin(0);
  lab.workers[0].pipe.front().state = claim::done;
  lab.pass(10s);
  EXPECT_EQ(lab.outcome(owner, 1), "");
  EXPECT_EQ(lab.d.next_look(), lab.clock + 1s);
  lab.pass(1s);
  EXPECT_EQ(lab.outcome(owner, 1), "timed out") << "a worker that lies about it must not hold the slot";
}

TEST_F(DispatchLimit, LeavesTheSlotOccupiedUntilTheWorkerIsGone) {
  lab.submit(owner, group, with_timeout(1, 100ms));
  lab.submit(owner, group, 2);
  start();
  lab.begin(0);
  lab.pass(100ms);
  EXPECT_EQ(lab.starts, 1U);
  lab.bury();
  EXPECT_EQ(lab.starts, 2U);
}

TEST_F(DispatchLimit, RepeatsWithoutBlameWhatHadJustBegunBehindALateJob) {
  lab.submit(owner, group, with_timeout(1, 100ms));
  lab.submit(owner, group, 2);
  start();
  // The result of 1 is on its way, 2 runs already; then the worker is ended because of 2.
  lab.begin(0);
  lab.workers[0].pipe[0].state = claim::done;
  lab.workers[0].pipe[1].state = claim::claimed;
  lab.pass(100ms);
  lab.pass(1s);
  EXPECT_EQ(lab.outcome(owner, 1), "timed out");
  lab.die(0, {SIGTERM, false, "was killed by signal 15"});
  EXPECT_EQ(lab.outcome(owner, 2), "");
  lab.ready_all();
  EXPECT_TRUE(lab.finish(0));
  EXPECT_EQ(lab.outcome(owner, 2), "result");
}

TEST_F(DispatchLimit, TakesALateResultOfAnEndedJobForNothing) {
  lab.submit(owner, group, with_timeout(1, 100ms));
  start();
  lab.begin(0);
  lab.pass(100ms);
  EXPECT_EQ(lab.d.on_result(0, 0, 1ms, lab.clock), nothing);
  EXPECT_EQ(lab.d.jobs(), 0U);
}

TEST_F(DispatchLimit, EndsAJobThatUsesTooMuch) {
  lab.submit(owner, group, 1, 2);
  start();
  lab.begin(0);
  const auto running = lab.d.running_on(0);
  lab.d.on_limit(0, running.sequence, action::kind::memory_limit, lab.clock);
  lab.settle();
  EXPECT_EQ(lab.outcome(owner, 1), "memory limit");
  EXPECT_TRUE(lab.workers[0].told_to_die);
  lab.bury();
  lab.ready_all();
  lab.finish(0);
  EXPECT_EQ(lab.outcome(owner, 2), "result");
}

TEST_F(DispatchLimit, BlamesNoOtherJobForWhatTheOneBeforeUsed) {
  lab.submit(owner, group, 1, 2);
  start();
  lab.begin(0);
  const auto running = lab.d.running_on(0);
  lab.finish(0);
  lab.d.on_limit(0, running.sequence, action::kind::memory_limit, lab.clock);
  lab.settle();
  EXPECT_EQ(lab.outcome(owner, 2), "");
  EXPECT_FALSE(lab.workers[0].told_to_die);
}

// --- cancel ----------------------------------------------------------------------------------------------------------

TEST_F(DispatchCancel, CostsNothingWhileTheJobIsQueued) {
  lab.submit(owner, group, 1, 5);
  start();
  lab.begin(0);
  lab.cancel(owner, 5);
  EXPECT_EQ(lab.outcome(owner, 5), "cancelled unbegun");
  EXPECT_FALSE(lab.workers[0].told_to_die);
}

TEST_F(DispatchCancel, TakesBackAJobThatHasNotBegun) {
  lab.submit(owner, group, 1, 2);
  start();
  lab.begin(0);
  ASSERT_EQ(lab.workers[0].pipe.size(), 2U);
  lab.cancel(owner, 2);
  EXPECT_EQ(lab.outcome(owner, 2), "cancelled unbegun");
  EXPECT_FALSE(lab.workers[0].told_to_die);
  lab.finish(0);
  EXPECT_EQ(lab.outcome(owner, 1), "result");
}

TEST_F(DispatchCancel, EndsARunningJobAndKeepsTheOthers) {
  lab.submit(owner, group, 1, 3);
  start();
  lab.begin(0);
  lab.cancel(owner, 1);
  EXPECT_EQ(lab.outcome(owner, 1), "cancelled");
  EXPECT_TRUE(lab.workers[0].told_to_die);
  lab.bury();
  lab.ready_all();
  while (lab.finish(0)) {
  }
  EXPECT_EQ(lab.count("result"), 2U);
}

TEST_F(DispatchCancel, LeavesAJobAloneWhoseResultIsOnItsWay) {
  lab.submit(owner, group, 1);
  start();
  lab.begin(0);
  lab.workers[0].pipe.front().state = claim::done;
  lab.cancel(owner, 1);
  EXPECT_EQ(lab.outcome(owner, 1), "");
  EXPECT_FALSE(lab.workers[0].told_to_die);
  lab.finish(0);
  EXPECT_EQ(lab.outcome(owner, 1), "result");
}

TEST_F(DispatchCancel, OfAnUnknownJobDoesNothing) {
  lab.submit(owner, group, 1);
  start();
  lab.cancel(owner, 7);
  EXPECT_TRUE(lab.finish(0));
}

TEST_F(DispatchCancel, StartsTheClockOfTheJobThatMovesUp) {
  lab.submit(owner, group, 1);
  lab.submit(owner, group, with_timeout(2, 100ms));
  start();
  lab.pass(10s);
  lab.cancel(owner, 1);
  ASSERT_EQ(lab.outcome(owner, 1), "cancelled unbegun");
  lab.begin(0);
  lab.pass(99ms);
  EXPECT_EQ(lab.outcome(owner, 2), "");
}

// --- priority --------------------------------------------------------------------------------------------------------

TEST_F(DispatchPriority, GoesFirstAndKeepsTheOrderOfEquals) {
  for (const auto& [id, priority] : {std::pair{1, 0}, {2, 5}, {3, 0}, {4, 5}, {5, -1}, {6, 9}}) {
    lab.submit(owner, group, with_priority(static_cast<std::uint64_t>(id), priority));
  }
  start();
  for (const std::uint64_t id : {6, 2, 4, 1, 3, 5}) {
    lab.begin(0);
    EXPECT_EQ(lab.workers[0].running()->id, id);
    lab.finish(0);
  }
}

TEST_F(DispatchPriority, LetsJobsTakenBackStandBeforeTheirEqualsOnly) {
  lab.submit(owner, group, 1, 2);  // both in the pipe
  start();
  lab.begin(0);
  lab.submit(owner, group, with_priority(3, 1));
  lab.submit(owner, group, 4);
  lab.cancel(owner, 1);  // 2 comes back
  lab.bury();
  lab.ready_all();
  for (const std::uint64_t id : {3, 2, 4}) {
    lab.begin(0);
    EXPECT_EQ(lab.workers[0].running()->id, id);
    lab.finish(0);
  }
}

// --- at most once ----------------------------------------------------------------------------------------------------

TEST_F(DispatchAtMostOnce, SaysThatTheOutcomeIsUnknownWhenTheResultDiedWithTheWorker) {
  lab.submit(owner, group, once(1));
  start();
  lab.begin(0);
  lab.workers[0].pipe.front().state = claim::done;
  lab.die(0, {SIGSEGV, false, "was killed"});
  EXPECT_EQ(lab.outcome(owner, 1), "outcome unknown");
}

TEST_F(DispatchAtMostOnce, IsRepeatedWhenItHadNotBegun) {
  lab.submit(owner, group, 1);
  lab.submit(owner, group, once(2));
  start();
  lab.begin(0);
  lab.die(0, {SIGSEGV, false, "was killed"});
  lab.ready_all();
  lab.finish(0);
  EXPECT_EQ(lab.outcome(owner, 2), "result");
}

TEST_F(DispatchAtMostOnce, CrashedIsSaidOfTheJobThatCrashed) {
  lab.submit(owner, group, once(1));
  start();
  lab.begin(0);
  lab.die(0, {SIGSEGV, false, "was killed"});
  EXPECT_EQ(lab.outcome(owner, 1), "crashed");
}

TEST_F(DispatchAtMostOnce, IsNotRepeatedAfterAnIllegalInstructionEither) {
  lab.submit(owner, group, once(1));
  start();
  lab.begin(0);
  lab.die(0, {SIGILL, false, "was killed"});
  EXPECT_EQ(lab.outcome(owner, 1), "outcome unknown");
}

// --- restart intensity -----------------------------------------------------------------------------------------------

TEST(DispatchRestartLimit, RefusesAProgramWhoseWorkersDieTooOftenUntilTheWindowHasRoom) {
  auto limits = with_slots(1);
  limits.restart_limit = 3;
  limits.restart_window = 60s;
  dispatch_lab lab(limits);
  const auto owner = lab.d.on_owner_added();
  const auto bad = lab.d.on_group_added(), good = lab.d.on_group_added();
  lab.submit(owner, bad, 1, 5);
  for (int i = 0; i < 4; ++i) {
    lab.pass(1s);
    lab.ready_all();
    ASSERT_TRUE(lab.begin(0));
    lab.die(0, {SIGSEGV, false, "was killed by signal 11"});
  }
  ASSERT_EQ(lab.unfit.size(), 1U);
  EXPECT_EQ(lab.unfit[0].group, bad);
  EXPECT_EQ(lab.unfit[0].reason, "its workers died 4 times within 60 s; the last: was killed by signal 11");
  EXPECT_EQ(lab.count("crashed"), 4U);
  EXPECT_EQ(lab.outcome(owner, 5), "unfit");
  lab.submit(owner, good, 10);
  lab.settle();
  lab.ready_all();
  lab.finish(0);
  EXPECT_EQ(lab.outcome(owner, 10), "result") << "others go on";
  lab.pass(50s);
  lab.submit(owner, bad, 11);
  lab.settle();
  EXPECT_EQ(lab.outcome(owner, 11), "unfit");
  lab.pass(10s);
  lab.submit(owner, bad, 12);
  lab.settle();
  EXPECT_EQ(lab.outcome(owner, 12), "");
}

TEST(DispatchRestartLimit, DoesNotCountWorkersThatWereEnded) {
  auto limits = with_slots(1);
  limits.restart_limit = 1;
  dispatch_lab lab(limits);
  const auto owner = lab.d.on_owner_added();
  const auto group = lab.d.on_group_added();
  for (std::uint64_t id = 1; id <= 9; ++id) {
    lab.submit(owner, group, with_timeout(id, 10ms));
    lab.settle();
    lab.ready_all();
    lab.begin(0);
    id % 3 == 0 ? lab.pass(10ms) : lab.cancel(owner, id);
    lab.bury();
  }
  EXPECT_EQ(lab.count("unfit"), 0U);
  EXPECT_EQ(lab.count("cancelled") + lab.count("timed out"), 9U);
}

}  // namespace
}  // namespace pp::worker
