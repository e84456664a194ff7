#include "tests/unit/worker_dispatch_lab.hpp"

#include <csignal>

namespace pp::worker {
namespace {

using namespace std::chrono_literals;

TEST(DispatchFaults, BlamesOnlyTheJobThatRanForADeath) {
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

TEST(DispatchFaults, RunsAgainWhatWasDoneButWhoseResultWasLost) {
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

TEST(DispatchFaults, BlamesTheOldestOnlyWhenThePageSaysThatManyRan) {
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

TEST(DispatchFaults, RefusesAnswersThatCannotBe) {
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

TEST(DispatchFaults, ThreeDeathsBeforeReadyMakeAnImageUnfitWithGrowingPauses) {
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

TEST(DispatchFaults, OneFinalFailureMakesAnImageUnfitForAllItsOwners) {
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

TEST(DispatchFaults, OneMomentsFailuresOfSeveralWorkersCountOnce) {
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

TEST(DispatchFaults, KillsAWorkerThatIsNotReadyInTime) {
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

TEST(DispatchFaults, AnIllegalInstructionInTheVeryFirstJobIsTheImagesFault) {
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

TEST(DispatchFaults, AnIllegalInstructionLaterIsTheJobsFault) {
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

}  // namespace
}  // namespace pp::worker
