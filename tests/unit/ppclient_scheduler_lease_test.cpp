// What check-outs are to the scheduler: slots that are gone, jobs that go to one node in their order, and who waits where.
#include <algorithm>

#include <gtest/gtest.h>

#include "ppclient/scheduler.hpp"

namespace pp::ppclient {
namespace {

using kind = scheduler::action::kind;
using outcome = scheduler::outcome;
using verdict = scheduler::verdict;

class SchedulerLeases : public ::testing::Test {
 protected:
  std::uint32_t node(unsigned slots) {
    const auto n = s.on_node_ready(slots);
    s.on_credit(n, static_cast<int>(2 * slots));
    return n;
  }
  std::uint32_t submit(bool opens = false) {
    scheduler::job_kind what;
    what.opens = opens;
    s.on_submit(next_job, what, {});
    return next_job++;
  }
  std::uint32_t submit_inside(scheduler::lease_index lease) {
    s.on_submit_inside(next_job, lease);
    return next_job++;
  }
  std::vector<scheduler::action> decide() {
    std::vector<scheduler::action> out;
    s.decide(out, 100'000);
    return out;
  }
  verdict result(const scheduler::action& a, outcome what = outcome::done, unsigned credit = 1) {
    return s.on_result(a.job, a.node, a.attempt, what, credit);
  }

  scheduler s{3};
  std::uint32_t next_job = 0;
};

TEST_F(SchedulerLeases, TakeTheirSlotsFromOrdinaryJobs) {
  const auto a = node(2), b = node(2);
  s.set_lent(a, 2);
  EXPECT_EQ(s.slots(), 2U);
  for (int i = 0; i < 2; ++i) submit();
  for (const auto& action : decide()) EXPECT_EQ(action.node, b);
  s.set_lent(b, 2);
  submit();
  EXPECT_TRUE(s.has_node_for(s.class_of(2))) << "all workers being checked out is no reason to give a job up";
}

TEST_F(SchedulerLeases, JobsGoToTheirNodeWithoutCreditAndInOrder) {
  const auto a = s.on_node_ready(1);
  node(4);
  const auto lease = s.on_lease_open(a);
  std::vector<std::uint32_t> sent;
  for (int i = 0; i < 100; ++i) submit_inside(lease);
  for (auto actions = decide(); !actions.empty(); actions = decide()) {
    for (const auto& action : actions) {
      EXPECT_EQ(action.node, a);
      sent.push_back(action.job);
    }
    for (const auto& action : actions) EXPECT_EQ(result(action, outcome::done, scheduler::no_credit), verdict::deliver);
  }
  ASSERT_EQ(sent.size(), 100U);
  EXPECT_TRUE(std::is_sorted(sent.begin(), sent.end()));
  EXPECT_FALSE(s.has_jobs(lease));
  EXPECT_EQ(s.in_flight(), 0U);
}

TEST_F(SchedulerLeases, JobsAreNeverTriedAgain) {
  const auto a = node(1);
  const auto lease = s.on_lease_open(a);
  submit_inside(lease);
  submit_inside(lease);
  const auto actions = decide();
  EXPECT_EQ(result(actions[0], outcome::crashed, scheduler::no_credit), verdict::deliver);
  EXPECT_EQ(result(actions[1], outcome::not_started, scheduler::no_credit), verdict::deliver);
  EXPECT_EQ(s.queued(), 0U);
}

TEST_F(SchedulerLeases, JobsOfALostNodeAreLostWithIt) {
  const auto a = node(1);
  node(1);
  const auto lease = s.on_lease_open(a);
  for (int i = 0; i < 40; ++i) submit_inside(lease);
  const auto sent = decide().size();
  EXPECT_LT(sent, 40U);
  std::vector<std::uint32_t> unknown, queued;
  s.on_node_lost(a, unknown);
  s.on_lease_over(lease, queued);
  EXPECT_EQ(unknown.size(), sent);
  EXPECT_EQ(queued.size(), 40 - sent);
  EXPECT_TRUE(decide().empty());
  EXPECT_EQ(s.queued(), 0U);
}

TEST_F(SchedulerLeases, IndexIsUsedAgainOnlyWhenTheLastJobIsBack) {
  const auto a = node(1);
  const auto first = s.on_lease_open(a);
  submit_inside(first);
  const auto actions = decide();
  std::vector<std::uint32_t> queued;
  s.on_lease_over(first, queued);
  EXPECT_NE(s.on_lease_open(a), first);
  result(actions[0], outcome::crashed, scheduler::no_credit);
  EXPECT_EQ(s.on_lease_open(a), first);
}

TEST_F(SchedulerLeases, CancelledJobLeavesNoGhost) {
  const auto a = node(1);
  const auto lease = s.on_lease_open(a);
  const auto sent = submit_inside(lease);
  decide();
  const auto queued = submit_inside(lease);
  s.cancel(queued);
  s.cancel(sent);
  std::vector<scheduler::action> cancels;
  s.take_cancels(cancels);
  ASSERT_EQ(cancels.size(), 2U - 1U);
  EXPECT_EQ(cancels[0].job, sent);
  EXPECT_EQ(s.ghosts(a), 0U);
  s.on_stray_result(a, scheduler::no_credit);
  submit();
  EXPECT_EQ(decide().size(), 1U);
}

TEST_F(SchedulerLeases, OneThatIsAskedForWaitsWhereAllAreCheckedOut) {
  const auto a = node(1), b = node(1);
  s.set_lent(a, 1);
  s.set_lent(b, 1);
  for (int i = 0; i < 5; ++i) submit(true);
  submit();
  const auto waiting = decide();
  ASSERT_EQ(waiting.size(), 2U) << "one at each node, and no ordinary job";
  EXPECT_NE(waiting[0].node, waiting[1].node);
  // One of them is wanted where a worker is free now.
  s.set_lent(b, 0);
  result(waiting[1].node == b ? waiting[1] : waiting[0]);
  bool asked_back = false;
  for (const auto& action : decide()) asked_back = asked_back || action.what == kind::recall || action.node == b;
  EXPECT_TRUE(asked_back);
}

}  // namespace
}  // namespace pp::ppclient
