// What jobs with settings of their own ask of the scheduler: urgency, places, cancels, at most once, twice.
#include <algorithm>

#include <gtest/gtest.h>

#include "ppclient/scheduler.hpp"

namespace pp::ppclient {
namespace {

using kind = scheduler::action::kind;
using outcome = scheduler::outcome;
using verdict = scheduler::verdict;
constexpr auto none = scheduler::none;

struct lab {
  explicit lab(unsigned attempts = 3) : s(attempts) {}

  std::uint32_t node(unsigned slots, int credit, std::vector<std::uint32_t> fulfils = {}) {
    const auto n = s.on_node_ready(slots);
    for (const auto c : fulfils) s.set_fulfils(n, c);
    s.on_credit(n, credit);
    return n;
  }
  std::uint32_t submit(scheduler::job_kind what, scheduler::job_rules rules = {}) {
    s.on_submit(next_job, what, rules);
    return next_job++;
  }
  std::vector<scheduler::action> decide(std::size_t limit = 100'000) {
    std::vector<scheduler::action> out;
    s.decide(out, limit);
    return out;
  }
  std::vector<scheduler::action> cancels() {
    std::vector<scheduler::action> out;
    s.take_cancels(out);
    return out;
  }
  std::vector<std::uint32_t> lose(std::uint32_t node) {
    std::vector<std::uint32_t> unknown;
    s.on_node_lost(node, unknown);
    return unknown;
  }
  verdict result(const scheduler::action& a, outcome what = outcome::done) {
    return s.on_result(a.job, a.node, a.attempt, what, 1);
  }

  scheduler s;
  std::uint32_t next_job = 0;
};

std::vector<std::uint32_t> jobs_of(const std::vector<scheduler::action>& actions) {
  std::vector<std::uint32_t> out;
  for (const auto& a : actions) out.push_back(a.job);
  return out;
}

using jobs = std::vector<std::uint32_t>;

TEST(SchedulerPriority, MoreUrgentJobsGoFirst) {
  lab l;
  l.submit({0, 0, none});
  l.submit({0, -5, none});
  l.submit({0, 7, none});
  l.submit({0, 7, none});
  l.node(1, 3);
  EXPECT_EQ(jobs_of(l.decide()), (jobs{2, 3, 0}));
}

TEST(SchedulerPriority, ARequeuedJobGoesInFrontOfItsEqualsOnly) {
  lab l;
  const auto a = l.node(1, 1);
  l.submit({0, 0, none});
  l.decide();
  l.submit({0, 0, none});
  l.submit({0, 1, none});
  l.lose(a);
  l.node(1, 3);
  EXPECT_EQ(jobs_of(l.decide()), (jobs{2, 0, 1}));
}

TEST(SchedulerPlaces, AJobGoesOnlyWhereItsConstraintIsFulfilled) {
  lab l;
  const auto c = l.s.add_constraint();
  l.node(4, 10);
  const auto wanted = l.node(1, 1, {c});
  l.submit({0, 0, c});
  l.submit({0, 0, c});
  const auto sent = l.decide();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].node, wanted);
  EXPECT_TRUE(l.s.has_node_for(l.s.class_of(0)));
  l.lose(wanted);
  EXPECT_FALSE(l.s.has_node_for(l.s.class_of(0)));
}

TEST(SchedulerPlaces, TheLeastLoadedOfManyThatFulfilIsTaken) {
  for (const unsigned count : {3U, 20U}) {
    lab l;
    const auto c = l.s.add_constraint();
    for (unsigned i = 0; i < count; ++i) l.node(1, 10, i == 0 ? std::vector<std::uint32_t>{} : std::vector{c});
    for (unsigned i = 1; i < count; ++i) l.submit({0, 0, c});
    std::vector<int> got(count);
    for (const auto& a : l.decide()) ++got[a.node];
    EXPECT_EQ(got[0], 0);
    EXPECT_TRUE(std::all_of(got.begin() + 1, got.end(), [](int n) { return n == 1; })) << count;
  }
}

TEST(SchedulerPlaces, JobsThatCanGoNowhereHoldUpNoOthers) {
  lab l;
  const auto c = l.s.add_constraint();
  l.submit({0, 50, c});
  l.submit({0, 0, c});
  l.submit({0, 0, none});
  l.node(1, 10);
  EXPECT_EQ(jobs_of(l.decide()), jobs{2});
  EXPECT_EQ(l.s.queued(), 2U);
}

TEST(SchedulerPlaces, ClassesOfTheSamePriorityTakeTurns) {
  lab l;
  const auto c = l.s.add_constraint();
  const auto n = l.node(1, 1, {c});
  for (int i = 0; i < 3; ++i) l.submit({0, 0, none});
  for (int i = 0; i < 3; ++i) l.submit({0, 0, c});
  jobs order;
  for (int i = 0; i < 6; ++i) {
    const auto sent = l.decide();
    ASSERT_EQ(sent.size(), 1U);
    order.push_back(sent[0].job);
    EXPECT_EQ(sent[0].node, n);
    l.result(sent[0]);
  }
  EXPECT_EQ(order, (jobs{0, 3, 1, 4, 2, 5}));
}

TEST(SchedulerPlaces, NothingIsRecalledForANodeThatMayNotRunIt) {
  lab l;
  const auto c = l.s.add_constraint();
  l.node(1, 10, {c});
  for (int i = 0; i < 4; ++i) l.submit({0, 0, c});
  ASSERT_EQ(l.decide().size(), 4U);
  l.node(1, 10);
  EXPECT_TRUE(l.decide().empty());
  l.node(1, 10, {c});
  const auto actions = l.decide();
  ASSERT_FALSE(actions.empty());
  EXPECT_TRUE(std::all_of(actions.begin(), actions.end(), [](const auto& a) { return a.what == kind::recall; }));
}

TEST(SchedulerPlaces, JobsAreRecalledThoughOthersWaitForANodeThatIsNotThere) {
  lab l;
  const auto c = l.s.add_constraint();
  l.node(1, 10);
  for (int i = 0; i < 4; ++i) l.submit({0, 0, none});
  ASSERT_EQ(l.decide().size(), 4U);
  l.submit({0, 0, c});
  l.node(1, 10);
  const auto actions = l.decide();
  ASSERT_EQ(actions.size(), 1U);
  EXPECT_EQ(actions[0].what, kind::recall);
}

TEST(SchedulerPlaces, ManyClassesWithoutJobsAreForgotten) {
  lab l;
  l.node(1, 1000);
  for (int round = 0; round < 3; ++round) {
    for (int p = -100; p <= 100; ++p) l.submit({0, p, none});
    const auto sent = l.decide();
    ASSERT_EQ(sent.size(), 201U);
    for (const auto& a : sent) EXPECT_EQ(l.result(a), verdict::deliver);
  }
}

TEST(SchedulerCancel, AQueuedJobIsGoneAndNobodyIsTold) {
  lab l;
  const auto job = l.submit({});
  l.s.cancel(job);
  EXPECT_FALSE(l.s.has_cancels());
  l.node(1, 10);
  EXPECT_TRUE(l.decide().empty());
}

TEST(SchedulerCancel, ThePlaceOfACancelledJobStaysTakenUntilItsNodeHasAnswered) {
  lab l;
  const auto n = l.node(2, 2);
  for (int i = 0; i < 4; ++i) l.submit({0, 0, none});
  const auto sent = l.decide();
  ASSERT_EQ(sent.size(), 2U);
  l.s.cancel(0);
  const auto told = l.cancels();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].node, n);
  EXPECT_EQ(told[0].attempt, sent[0].attempt);
  EXPECT_EQ(l.s.ghosts(n), 1U);
  EXPECT_TRUE(l.decide().empty()) << "else the node would have more than it granted";
  l.s.on_stray_result(n, 1);
  EXPECT_EQ(l.s.ghosts(n), 0U);
  EXPECT_EQ(jobs_of(l.decide()), jobs{2});
}

TEST(SchedulerCancel, TheAnswerAboutACancelledJobOfAUsedSlotIsNotTakenForTheNewJob) {
  lab l;
  const auto n = l.node(1, 2);
  l.submit({0, 0, none});
  const auto first = l.decide();
  l.s.cancel(0);
  l.cancels();
  l.s.on_submit(0, 0);
  const auto second = l.decide();
  ASSERT_EQ(second.size(), 1U);
  l.s.on_stray_result(n, 1);  // the cluster knows by the id that it was the job before
  EXPECT_EQ(l.s.in_flight(), 1U);
  EXPECT_EQ(l.result(second[0]), verdict::deliver);
}

TEST(SchedulerAttempts, AJobMayBringItsOwnNumber) {
  lab l(3);
  l.node(1, 10);
  l.submit({}, {.attempts = 1});
  const auto sent = l.decide();
  EXPECT_EQ(l.result(sent[0], outcome::crashed), verdict::deliver);
}

TEST(SchedulerAtMostOnce, AJobOfALostNodeIsNotSentAgain) {
  lab l;
  const auto a = l.node(2, 10);
  const auto once = l.submit({}, {.at_most_once = true});
  const auto often = l.submit({});
  l.decide();
  EXPECT_EQ(l.lose(a), jobs{once});
  EXPECT_FALSE(l.s.is_in_flight(once) || l.s.is_queued(once));
  l.node(1, 10);
  EXPECT_EQ(jobs_of(l.decide()), jobs{often});
}

TEST(SchedulerAtMostOnce, OneThatWasNotBegunIsSentAgainAndOneThatCrashedIsNot) {
  lab l;
  l.node(1, 10);
  l.submit({}, {.at_most_once = true});
  auto sent = l.decide();
  EXPECT_EQ(l.result(sent[0], outcome::not_started), verdict::again);
  sent = l.decide();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(l.result(sent[0], outcome::crashed), verdict::deliver);
}

struct two_places : lab {
  two_places() {
    a = node(1, 10);
    submit({}, {.idempotent = true});
    first = decide().at(0);
    b = node(1, 10);
    s.set_paused(a, true, true);
    const auto copies = decide();
    EXPECT_EQ(copies.size(), 1U);
    second = copies.at(0);
  }
  std::uint32_t a, b;
  scheduler::action first, second;
};

TEST(SchedulerIdempotent, IsAlsoSentElsewhereWhenItsNodeIsSilent) {
  two_places l;
  EXPECT_EQ(l.second.what, kind::send);
  EXPECT_EQ(l.second.node, l.b);
  EXPECT_EQ(l.second.attempt, 2U);
  EXPECT_EQ(l.s.ghosts(l.a), 1U);
  EXPECT_TRUE(l.decide().empty()) << "at two places at most";
}

TEST(SchedulerIdempotent, OthersAreNot) {
  lab l;
  const auto a = l.node(1, 10);
  l.submit({});
  l.decide();
  l.node(1, 10);
  l.s.set_paused(a, true, true);
  EXPECT_TRUE(l.decide().empty());
}

TEST(SchedulerIdempotent, TheFirstResultCountsAndTheOtherPlaceIsTold) {
  two_places l;
  EXPECT_EQ(l.result(l.second), verdict::deliver);
  auto told = l.cancels();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].node, l.a);
  EXPECT_EQ(l.s.ghosts(l.a), 1U);
  EXPECT_EQ(l.result(l.first), verdict::stale);
  EXPECT_EQ(l.s.ghosts(l.a), 0U);

  two_places m;
  EXPECT_EQ(m.result(m.first), verdict::deliver);
  told = m.cancels();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].node, m.b);
  EXPECT_EQ(m.s.ghosts(m.a), 0U);
  EXPECT_EQ(m.s.ghosts(m.b), 1U);
  EXPECT_EQ(m.s.in_flight(), 0U);
}

TEST(SchedulerIdempotent, ALostNodeWhoseJobLivesElsewhereQueuesNothing) {
  two_places l;
  l.lose(l.a);
  EXPECT_EQ(l.s.queued(), 0U);
  EXPECT_EQ(l.result(l.second), verdict::deliver);
  EXPECT_FALSE(l.s.has_cancels());

  two_places m;
  m.lose(m.b);
  EXPECT_EQ(m.s.queued(), 0U);
  EXPECT_EQ(m.s.in_flight(m.a), 1U);
  EXPECT_EQ(m.result(m.first), verdict::deliver);
}

TEST(SchedulerIdempotent, IsQueuedAgainWhenBothAreLost) {
  two_places l;
  l.lose(l.a);
  l.lose(l.b);
  EXPECT_EQ(l.s.queued(), 1U);
}

TEST(SchedulerIdempotent, ACancelReachesBothPlaces) {
  two_places l;
  l.s.cancel(0);
  EXPECT_EQ(l.cancels().size(), 2U);
  EXPECT_EQ(l.s.ghosts(l.a) + l.s.ghosts(l.b), 2U);
  EXPECT_EQ(l.s.in_flight(), 0U);
}

TEST(SchedulerIdempotent, WhatCrashedElsewhereIsStillAwaitedWhereItWasFirst) {
  two_places l;
  EXPECT_EQ(l.result(l.second, outcome::crashed), verdict::again);
  EXPECT_EQ(l.s.queued(), 0U);
  EXPECT_EQ(l.result(l.first), verdict::deliver);
}

}  // namespace
}  // namespace pp::ppclient
