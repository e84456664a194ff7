#include "ppclient/scheduler.hpp"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

namespace pp::ppclient {
namespace {

using kind = scheduler::action::kind;
using outcome = scheduler::outcome;
using verdict = scheduler::verdict;

struct lab {
  explicit lab(unsigned attempts = 3) : s(attempts) {}

  std::uint32_t node(unsigned slots, int credit) {
    const auto n = s.on_node_ready(slots);
    s.on_credit(n, credit);
    return n;
  }
  void submit(std::uint32_t count, std::uint32_t image = 0) {
    for (std::uint32_t i = 0; i < count; ++i) s.on_submit(next_job++, image);
  }
  std::vector<scheduler::action> decide(std::size_t limit = 100'000) {
    std::vector<scheduler::action> out;
    s.decide(out, limit);
    return out;
  }
  std::vector<std::uint32_t> lose(std::uint32_t node) {
    std::vector<std::uint32_t> unknown;
    s.on_node_lost(node, unknown);
    return unknown;
  }
  verdict result(const scheduler::action& a, outcome what = outcome::done, unsigned credit = 1) {
    return s.on_result(a.job, a.node, a.attempt, what, credit);
  }

  scheduler s;
  std::uint32_t next_job = 0;
};

std::size_t count(const std::vector<scheduler::action>& actions, kind what, std::uint32_t node) {
  return static_cast<std::size_t>(
      std::count_if(actions.begin(), actions.end(), [&](const auto& a) { return a.what == what && a.node == node; }));
}

TEST(Scheduler, SendsNothingWithoutCredit) {
  lab l;
  l.node(4, 0);
  l.submit(3);
  EXPECT_TRUE(l.decide().empty());
  EXPECT_EQ(l.s.queued(), 3U);
}

TEST(Scheduler, NeverSendsMoreThanTheCredit) {
  lab l;
  const auto n = l.node(2, 5);
  l.submit(100);
  EXPECT_EQ(l.decide().size(), 5U);
  EXPECT_EQ(l.s.in_flight(n), 5U);
  EXPECT_TRUE(l.decide().empty());
}

TEST(Scheduler, AResultReturnsItsCreditAndTheNextJobLeaves) {
  lab l;
  l.node(1, 1);
  l.submit(2);
  const auto first = l.decide();
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(l.result(first[0]), verdict::deliver);
  EXPECT_EQ(l.decide().size(), 1U);
}

TEST(Scheduler, AResultMayShrinkOrWidenTheWindow) {
  lab l;
  l.node(1, 2);
  l.submit(100);
  auto sent = l.decide();
  ASSERT_EQ(sent.size(), 2U);
  l.result(sent[0], outcome::done, 2);
  EXPECT_EQ(l.decide().size(), 2U);
  l.result(sent[1], outcome::done, 0);
  EXPECT_TRUE(l.decide().empty());
}

TEST(Scheduler, SpreadsJobsByFreeSlots) {
  lab l;
  const auto small = l.node(2, 100);
  const auto large = l.node(6, 100);
  l.submit(8);
  const auto sent = l.decide();
  EXPECT_EQ(count(sent, kind::send, small), 2U);
  EXPECT_EQ(count(sent, kind::send, large), 6U);
}

TEST(Scheduler, KeepsTheOrderOfSubmission) {
  lab l;
  l.node(1, 10);
  l.submit(10);
  const auto sent = l.decide();
  for (std::uint32_t i = 0; i < 10; ++i) EXPECT_EQ(sent[i].job, i);
}

TEST(Scheduler, JobsOfALostNodeGoElsewhereFirstAndAreNotBlamed) {
  lab l(1);
  const auto a = l.node(2, 4);
  l.submit(6);
  EXPECT_EQ(l.decide().size(), 4U);
  l.lose(a);
  const auto b = l.node(2, 100);
  const auto again = l.decide();
  ASSERT_EQ(again.size(), 6U);
  for (std::uint32_t i = 0; i < 6; ++i) EXPECT_EQ(again[i].job, i);
  EXPECT_EQ(again[0].attempt, 2U);
  EXPECT_EQ(l.s.crashes(0), 0U);
  EXPECT_EQ(l.s.numbers().rescheduled, 4U);
  EXPECT_EQ(l.result(again[0]), verdict::deliver);
  EXPECT_EQ(l.s.in_flight(b), 5U);
}

TEST(Scheduler, AResultOfAnEarlierAttemptIsStale) {
  lab l;
  const auto a = l.node(1, 1);
  const auto b = l.node(1, 0);
  l.submit(1);
  const auto first = l.decide();
  l.lose(a);
  l.s.on_credit(b, 1);
  const auto second = l.decide();
  ASSERT_EQ(second.size(), 1U);
  EXPECT_EQ(l.s.on_result(0, b, first[0].attempt, outcome::done, 1), verdict::stale);
  EXPECT_EQ(l.result(second[0]), verdict::deliver);
  EXPECT_EQ(l.result(second[0]), verdict::stale);
  EXPECT_EQ(l.s.numbers().stale, 2U);
}

TEST(Scheduler, ACrashedJobGoesToAnotherNodeAndFailsAfterTheLastAttempt) {
  lab l(3);
  const auto a = l.node(1, 1);
  const auto b = l.node(1, 1);
  l.submit(1);
  auto sent = l.decide();
  ASSERT_EQ(sent[0].node, a);
  EXPECT_EQ(l.result(sent[0], outcome::crashed), verdict::again);
  sent = l.decide();
  ASSERT_EQ(sent[0].node, b);
  EXPECT_EQ(l.result(sent[0], outcome::crashed), verdict::again);
  sent = l.decide();
  ASSERT_EQ(sent[0].node, a);
  EXPECT_EQ(l.result(sent[0], outcome::crashed), verdict::deliver);
  EXPECT_EQ(l.s.crashes(0), 3U);
}

TEST(Scheduler, ACrashedJobGoesToEachOtherNodeBeforeItGoesToOneAgain) {
  lab l(4);
  std::set<std::uint32_t> nodes;
  for (int i = 0; i < 3; ++i) l.node(1, 1);
  l.submit(1);
  for (int i = 0; i < 3; ++i) {
    const auto sent = l.decide();
    ASSERT_EQ(sent.size(), 1U);
    nodes.insert(sent[0].node);
    EXPECT_EQ(l.result(sent[0], outcome::crashed), verdict::again);
  }
  EXPECT_EQ(nodes.size(), 3U);
  EXPECT_EQ(l.decide().size(), 1U) << "all three had it: once more where it was not last";
}

TEST(Scheduler, ACrashedJobWaitsForAnotherNodeRatherThanTakeTheSame) {
  lab l;
  const auto a = l.node(1, 1);
  l.node(1, 0);
  l.submit(2);
  auto sent = l.decide();
  EXPECT_EQ(l.result(sent[0], outcome::crashed), verdict::again);
  sent = l.decide();
  ASSERT_EQ(sent.size(), 1U);  // the one behind it is not blocked
  EXPECT_EQ(sent[0].job, 1U);
  EXPECT_EQ(sent[0].node, a);
}

TEST(Scheduler, ACrashedJobRunsOnTheSameNodeIfThereIsNoOther) {
  lab l;
  l.node(1, 1);
  l.submit(1);
  const auto sent = l.decide();
  l.result(sent[0], outcome::crashed);
  EXPECT_EQ(l.decide().size(), 1U);
}

TEST(Scheduler, AnUnfitNodeGivesItsJobsOfThatImageBack) {
  lab l;
  const auto a = l.node(4, 10);
  l.submit(3, 0);
  l.submit(2, 1);
  const auto sent = l.decide();
  EXPECT_EQ(sent.size(), 5U);
  l.s.on_unfit(a, 0);
  EXPECT_EQ(l.s.in_flight(a), 5U) << "their places are taken until it has answered";
  for (const auto& job : sent) {
    if (l.s.image_of(job.job) != 0) continue;
    EXPECT_EQ(l.s.on_result(job.job, a, 0, outcome::not_started, 1), verdict::again);
  }
  EXPECT_EQ(l.s.queued(), 3U);
  EXPECT_EQ(l.s.in_flight(a), 2U);
  EXPECT_EQ(l.s.numbers().rescheduled, 3U);
  EXPECT_TRUE(l.decide().empty());
  EXPECT_FALSE(l.s.has_node_for(l.s.class_of(0)));
  EXPECT_TRUE(l.s.has_node_for(l.s.class_of(3)));
}

TEST(Scheduler, APausedNodeGetsNothingNewAndKeepsWhatItHas) {
  lab l;
  const auto a = l.node(1, 2);
  l.submit(3);
  const auto sent = l.decide();
  l.s.set_paused(a, true);
  EXPECT_EQ(l.result(sent[0]), verdict::deliver);
  EXPECT_TRUE(l.decide().empty());
  l.s.set_paused(a, false);
  EXPECT_EQ(l.decide().size(), 1U);
}

TEST(Scheduler, RecallsWaitingJobsForAnIdleNode) {
  lab l;
  const auto a = l.node(2, 10);
  l.submit(8);
  ASSERT_EQ(l.decide().size(), 8U);
  const auto b = l.node(2, 10);
  const auto actions = l.decide();
  ASSERT_EQ(actions.size(), 2U);
  EXPECT_EQ(count(actions, kind::recall, a), 2U);
  EXPECT_EQ(actions[0].job, 7U);  // the youngest is the least likely to have begun
  EXPECT_TRUE(l.decide().empty()) << "no more than idle slots are asked for";
  EXPECT_EQ(l.result(actions[0], outcome::not_started), verdict::again);
  const auto sent = l.decide();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].node, b);
}

TEST(Scheduler, DoesNotRecallForANodeThatCannotRunTheImage) {
  lab l;
  l.node(1, 10);
  l.submit(4);
  ASSERT_EQ(l.decide().size(), 4U);
  const auto b = l.node(1, 10);
  l.s.on_unfit(b, 0);
  EXPECT_TRUE(l.decide().empty());
}

TEST(Scheduler, ARecallThatCameTooLateDoesNotHoldUpOthers) {
  lab l;
  const auto a = l.node(1, 10);
  l.submit(4);
  ASSERT_EQ(l.decide().size(), 4U);
  l.node(1, 10);
  ASSERT_EQ(l.decide().size(), 1U);  // job 3, which has begun meanwhile
  EXPECT_TRUE(l.decide().empty());
  l.s.settle_recalls(a);
  const auto next = l.decide();
  ASSERT_EQ(next.size(), 1U);
  EXPECT_EQ(next[0].what, kind::recall);
  EXPECT_EQ(next[0].job, 2U);
  EXPECT_EQ(l.result(next[0], outcome::not_started), verdict::again);
  EXPECT_EQ(count(l.decide(), kind::send, 1), 1U);
}

TEST(Scheduler, ALeavingNodeIsNoReasonToWait) {
  lab l;
  const auto a = l.node(2, 4);
  l.submit(2);
  const auto sent = l.decide();
  l.s.on_node_leaving(a);
  EXPECT_FALSE(l.s.has_node_for(l.s.class_of(0)));
  EXPECT_EQ(l.result(sent[0], outcome::not_started), verdict::again);
  EXPECT_TRUE(l.decide().empty());
  EXPECT_EQ(l.result(sent[1]), verdict::deliver) << "what runs there still counts";
}

TEST(Scheduler, AnUnfitNodeMayBeTriedAgain) {
  lab l;
  const auto a = l.node(1, 4);
  l.submit(1);
  l.s.on_unfit(a, 0);
  EXPECT_TRUE(l.decide().empty());
  l.s.forget_unfit(a);
  EXPECT_EQ(l.decide().size(), 1U);
}

TEST(Scheduler, DoesNotRecallWhileJobsAreQueued) {
  lab l;
  l.node(1, 4);
  l.submit(10);
  ASSERT_EQ(l.decide().size(), 4U);
  l.node(1, 0);
  EXPECT_TRUE(l.decide().empty());
}

TEST(Scheduler, LimitStopsADecisionAndSaysSo) {
  lab l;
  l.node(1, 100);
  l.submit(10);
  std::vector<scheduler::action> out;
  EXPECT_TRUE(l.s.decide(out, 4));
  EXPECT_EQ(out.size(), 4U);
  EXPECT_FALSE(l.s.decide(out, 100));
  EXPECT_EQ(out.size(), 10U);
}

TEST(Scheduler, AWithdrawnJobIsGone) {
  lab l;
  l.submit(2);
  l.s.withdraw(0);
  l.node(1, 10);
  const auto sent = l.decide();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].job, 1U);
}

}  // namespace
}  // namespace pp::ppclient
