// Jobs that run twice because they are late, nodes that are faster than others, nodes that are in quarantine.
#include <algorithm>
#include <map>
#include <numeric>

#include <gtest/gtest.h>

#include "ppclient/scheduler.hpp"

namespace pp::ppclient {
namespace {

using kind = scheduler::action::kind;
using outcome = scheduler::outcome;
using standing = scheduler::standing;
using verdict = scheduler::verdict;
using job_numbers = std::vector<std::uint32_t>;
constexpr auto none = scheduler::none;
constexpr scheduler::job_kind plain{0, 0, none};
constexpr scheduler::job_rules twice{.idempotent = true};

struct lab {
  std::uint32_t node(unsigned slots, int credit) {
    const auto n = s.on_node_ready(slots);
    s.on_credit(n, credit);
    return n;
  }
  std::uint32_t submit(scheduler::job_rules rules = {}, scheduler::job_kind what = plain) {
    s.on_submit(next_job, what, rules);
    return next_job++;
  }
  std::vector<scheduler::action> decide() {
    std::vector<scheduler::action> out;
    s.decide(out, 100'000);
    return out;
  }
  /// All that may be copied are late, but for `not_late`.
  std::vector<scheduler::action> copy(const job_numbers& not_late = {}) {
    std::vector<scheduler::action> out;
    s.copy_late([&](std::uint32_t job) { return std::count(not_late.begin(), not_late.end(), job) == 0; }, out, 1000);
    return out;
  }
  std::vector<scheduler::action> cancels() {
    std::vector<scheduler::action> out;
    s.take_cancels(out);
    return out;
  }
  verdict result(const scheduler::action& a, outcome what = outcome::done) {
    return s.on_result(a.job, a.node, a.attempt, what, 1);
  }

  scheduler s{3};
  std::uint32_t next_job = 0;
};

// --- stragglers ------------------------------------------------------------------------------------------------------

TEST(SchedulerStraggler, IsStartedASecondTimeWhereASlotIdles) {
  lab l;
  const auto a = l.node(1, 2);
  l.submit(twice);
  const auto first = l.decide();
  EXPECT_FALSE(l.s.may_copy()) << "no other slot";
  const auto b = l.node(1, 2);
  EXPECT_TRUE(l.s.may_copy());
  const auto copies = l.copy();
  ASSERT_EQ(copies.size(), 1U);
  EXPECT_EQ(copies[0].node, b);
  EXPECT_GT(copies[0].attempt, first[0].attempt);
  EXPECT_EQ(l.s.numbers().copied, 1U);
  EXPECT_EQ(l.s.ghosts(a), 1U) << "its first place stays taken";
}

TEST(SchedulerStraggler, TheFirstResultWinsAndTheOtherIsEnded) {
  for (const bool first_wins : {true, false}) {
    lab l;
    l.node(1, 2);
    l.submit(twice);
    const auto first = l.decide()[0];
    l.node(1, 2);
    const auto copy = l.copy()[0];
    const auto& winner = first_wins ? first : copy;
    const auto& loser = first_wins ? copy : first;
    EXPECT_EQ(l.result(winner), verdict::deliver);
    const auto told = l.cancels();
    ASSERT_EQ(told.size(), 1U);
    EXPECT_EQ(told[0].node, loser.node);
    EXPECT_EQ(told[0].attempt, loser.attempt);
    EXPECT_EQ(l.result(loser), verdict::stale);
    EXPECT_EQ(l.s.numbers().finished, 1U);
    EXPECT_EQ(l.s.ghosts(first.node) + l.s.ghosts(copy.node), 0U);
    EXPECT_FALSE(l.s.has_copyable());
  }
}

TEST(SchedulerStraggler, IsCopiedOnceOnly) {
  lab l;
  l.node(1, 1);
  l.submit(twice);
  l.decide();
  l.node(4, 4);
  const auto copy = l.copy()[0];
  EXPECT_FALSE(l.s.may_copy());
  EXPECT_TRUE(l.copy().empty());
  EXPECT_EQ(l.result(copy, outcome::not_started), verdict::again);
  EXPECT_TRUE(l.copy().empty()) << "also if the copy came back";
  EXPECT_TRUE(l.s.is_in_flight(0));
}

TEST(SchedulerStraggler, IsNotCopiedIfItMayRunOnceOnly) {
  lab l;
  l.node(1, 1);
  l.submit();
  l.decide();
  l.node(1, 1);
  EXPECT_FALSE(l.s.may_copy());
  EXPECT_TRUE(l.copy().empty());
}

TEST(SchedulerStraggler, WaitsUntilNothingIsQueued) {
  lab l;
  const auto a = l.node(1, 1);
  l.submit(twice);
  l.decide();
  l.submit(twice);
  const auto b = l.node(1, 1);
  EXPECT_FALSE(l.s.may_copy());
  EXPECT_TRUE(l.copy().empty());
  const auto sent = l.decide();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].node, b);
  EXPECT_TRUE(l.copy().empty()) << "no slot idles";
  l.result(sent[0]);
  EXPECT_EQ(l.copy().size(), 1U);
  EXPECT_EQ(l.s.ghosts(a), 1U);
}

TEST(SchedulerStraggler, TakesNoMoreThanTheIdleSlotsAndNeverItsOwnNode) {
  lab l;
  const auto a = l.node(4, 8);
  for (int i = 0; i < 3; ++i) l.submit(twice);
  l.decide();
  EXPECT_TRUE(l.s.may_copy());
  EXPECT_TRUE(l.copy().empty()) << "the idle slot is at the node that has them";
  const auto b = l.node(2, 16);
  const auto copies = l.copy();
  ASSERT_EQ(copies.size(), 2U) << "two slots, although there is credit for more";
  for (const auto& c : copies) EXPECT_EQ(c.node, b);
  EXPECT_EQ(l.s.in_flight(b), 2U);
  EXPECT_EQ(l.s.ghosts(a), 2U);
}

TEST(SchedulerStraggler, AsksOnlyAboutJobsThatRun) {
  lab l;
  l.node(2, 8);
  for (int i = 0; i < 6; ++i) l.submit(twice);
  l.decide();
  l.node(1, 1);
  job_numbers asked;
  std::vector<scheduler::action> out;
  l.s.copy_late([&](std::uint32_t job) { return asked.push_back(job), false; }, out, 10);
  EXPECT_EQ(asked, (job_numbers{0, 1})) << "the others wait behind these";
  EXPECT_FALSE(l.s.had_to_wait(1));
  EXPECT_TRUE(l.s.had_to_wait(2));
}

TEST(SchedulerStraggler, OnlyThoseThatAreLateAreCopied) {
  lab l;
  l.node(3, 3);
  for (int i = 0; i < 3; ++i) l.submit(twice);
  l.decide();
  l.node(3, 3);
  const auto copies = l.copy({0, 2});
  ASSERT_EQ(copies.size(), 1U);
  EXPECT_EQ(copies[0].job, 1U);
}

TEST(SchedulerStraggler, GoesOnAtOnePlaceIfTheOtherNodeIsLost) {
  for (const bool first_is_lost : {true, false}) {
    lab l;
    l.node(1, 2);
    l.submit(twice);
    const auto first = l.decide()[0];
    l.node(1, 2);
    const auto copy = l.copy()[0];
    std::vector<std::uint32_t> unknown;
    l.s.on_node_lost(first_is_lost ? first.node : copy.node, unknown);
    EXPECT_TRUE(l.s.is_in_flight(0));
    EXPECT_EQ(l.result(first_is_lost ? copy : first), verdict::deliver);
    EXPECT_FALSE(l.s.has_copyable());
  }
}

TEST(SchedulerStraggler, ThatIsCancelledIsEndedAtBothPlaces) {
  lab l;
  l.node(1, 2);
  l.submit(twice);
  l.decide();
  l.node(1, 2);
  l.copy();
  l.s.cancel(0);
  EXPECT_EQ(l.cancels().size(), 2U);
  EXPECT_FALSE(l.s.has_copyable());
}

// --- speed -----------------------------------------------------------------------------------------------------------

TEST(SchedulerSpeed, WhatWaitsGoesByHowFastANodeIs) {
  lab l;
  const auto slow = l.node(2, 100), fast = l.node(2, 100);
  l.s.set_speed(slow, 8);
  l.s.set_speed(fast, 32);
  for (int i = 0; i < 54; ++i) l.submit();
  l.decide();
  EXPECT_EQ(l.s.in_flight(slow), 12U) << "2 that run, and a fifth of the 50 that wait";
  EXPECT_EQ(l.s.in_flight(fast), 42U);
}

TEST(SchedulerSpeed, AnIdleSlotComesBeforeEveryQueue) {
  lab l;
  const auto slow = l.node(4, 100), fast = l.node(1, 100);
  l.s.set_speed(slow, 4);
  l.s.set_speed(fast, 64);
  for (int i = 0; i < 5; ++i) l.submit();
  l.decide();
  EXPECT_EQ(l.s.in_flight(slow), 4U);
  EXPECT_EQ(l.s.in_flight(fast), 1U);
}

TEST(SchedulerSpeed, NodesOfOneSpeedShareByTheirSlots) {
  lab l;
  const auto a = l.node(1, 100), b = l.node(3, 100);
  l.s.set_speed(a, 24);
  l.s.set_speed(b, 24);
  for (int i = 0; i < 40; ++i) l.submit();
  l.decide();
  EXPECT_EQ(l.s.in_flight(a), 10U);
  EXPECT_EQ(l.s.in_flight(b), 30U);
}

// --- skewed jobs -----------------------------------------------------------------------------------------------------

/// Nodes of one worker in virtual time: what was sent first is run first; what has not begun can be asked back.
class virtual_nodes {
 public:
  virtual_nodes(unsigned nodes, int credit, std::vector<unsigned> lengths) : lengths_(std::move(lengths)) {
    for (unsigned i = 0; i < nodes; ++i) queues_[l_.node(1, credit)];
    for (std::size_t i = 0; i < lengths_.size(); ++i) l_.submit();
  }
  /// When the last job ends.
  unsigned run() {
    for (settle(); l_.s.in_flight() > 0; settle()) end_next();
    return now_;
  }
  bool did_a_job_wait_while_a_worker_idled() const { return has_waited_; }

 private:
  struct running {
    scheduler::action job;
    unsigned end = 0;  ///< 0 = it waits
  };

  void settle() {
    for (auto actions = l_.decide(); !actions.empty(); actions = l_.decide()) {
      for (const auto& a : actions) a.what == kind::send ? queues_[a.node].push_back({a, 0}) : give_back(a);
    }
    std::size_t idle = 0, waiting = l_.s.queued();
    for (auto& [node, queue] : queues_) {
      if (!queue.empty() && queue[0].end == 0) queue[0].end = now_ + lengths_[queue[0].job.job];
      idle += queue.empty();
      waiting += queue.empty() ? 0 : queue.size() - 1;
    }
    has_waited_ = has_waited_ || (idle > 0 && waiting > 0);
  }
  void give_back(const scheduler::action& a) {
    auto& queue = queues_[a.node];
    const auto found = std::find_if(queue.begin(), queue.end(), [&](const running& r) { return r.job.job == a.job; });
    if (found == queue.end() || found->end != 0) return;
    queue.erase(found);
    l_.result(a, outcome::not_started);
  }
  void end_next() {
    auto* next = &queues_.begin()->second;
    for (auto& [node, queue] : queues_) {
      if (!queue.empty() && (next->empty() || queue[0].end < (*next)[0].end)) next = &queue;
    }
    now_ = (*next)[0].end;
    const auto ended = (*next)[0].job;
    next->erase(next->begin());
    EXPECT_EQ(l_.result(ended), verdict::deliver);
  }

  lab l_;
  std::vector<unsigned> lengths_;
  std::map<std::uint32_t, std::vector<running>> queues_;
  unsigned now_ = 0;
  bool has_waited_ = false;
};

/// 16 shorter jobs and one long one.
std::vector<unsigned> skewed(std::size_t place_of_long) {
  std::vector<unsigned> lengths(17, 100);
  for (std::size_t i = 0; i < lengths.size(); i += 3) lengths[i] = 20;
  lengths[place_of_long] = 800;
  return lengths;
}

// Nobody knows lengths beforehand: a long job that comes late ends late. One of the first is made up for by the rest.
TEST(SchedulerSkew, SeventeenJobsOnTwoWorkersEndWithinOneTwentiethOfTheBest) {
  for (std::size_t place_of_long = 0; place_of_long <= 4; ++place_of_long) {
    const auto lengths = skewed(place_of_long);
    const unsigned best = std::max(800U, (std::accumulate(lengths.begin(), lengths.end(), 0U) + 1) / 2);
    EXPECT_LE(virtual_nodes(2, 9, lengths).run(), best * 105 / 100) << "the long one at " << place_of_long;
  }
}

TEST(SchedulerSkew, NoJobWaitsWhileAWorkerIdlesWhereverTheLongOneIs) {
  for (std::size_t place_of_long = 0; place_of_long < 17; ++place_of_long) {
    const auto lengths = skewed(place_of_long);
    virtual_nodes nodes(2, 9, lengths);
    EXPECT_LE(nodes.run(), (std::accumulate(lengths.begin(), lengths.end(), 0U) + 800) / 2) << place_of_long;
    EXPECT_FALSE(nodes.did_a_job_wait_while_a_worker_idled()) << place_of_long;
  }
}

// --- quarantine ------------------------------------------------------------------------------------------------------

TEST(SchedulerQuarantine, ANodeInQuarantineGetsNothingNew) {
  lab l;
  const auto bad = l.node(4, 100), good = l.node(1, 100);
  l.s.set_standing(bad, standing::quarantined);
  for (int i = 0; i < 10; ++i) l.submit(i % 2 == 0 ? twice : scheduler::job_rules{});
  for (const auto& a : l.decide()) {
    EXPECT_EQ(a.node, good);
    EXPECT_EQ(a.what, kind::send) << "its idle slots are no reason to ask jobs back";
  }
  EXPECT_EQ(l.s.in_flight(bad), 0U);
  EXPECT_FALSE(l.s.may_copy()) << "nor to start a second time what is late";
}

TEST(SchedulerQuarantine, WhatNoOtherNodeCanTakeGoesThereAllTheSame) {
  lab l;
  const auto c = l.s.add_constraint();
  const auto bad = l.node(4, 100);
  l.s.set_fulfils(bad, c);
  const auto good = l.node(1, 1);
  l.s.set_standing(bad, standing::quarantined);
  l.submit({}, {0, 0, c});
  auto sent = l.decide();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].node, bad) << "its caller asked for this node";
  l.submit();
  l.submit();
  sent = l.decide();
  ASSERT_EQ(sent.size(), 1U) << "the other one waits for the good node";
  EXPECT_EQ(sent[0].node, good);
  std::vector<std::uint32_t> unknown;
  l.s.on_node_lost(good, unknown);
  EXPECT_EQ(l.decide().size(), 2U) << "the only node is used whatever it did";
  EXPECT_EQ(l.s.in_flight(bad), 3U);
}

TEST(SchedulerQuarantine, AJobThatCrashedDoesNotWaitForANodeInQuarantine) {
  lab l;
  const auto good = l.node(1, 2), bad = l.node(1, 2);
  l.s.set_standing(bad, standing::quarantined);
  l.submit();
  EXPECT_EQ(l.result(l.decide().at(0), outcome::crashed), verdict::again);
  EXPECT_EQ(l.s.crashed_on(0), (std::vector<std::uint32_t>{good}));
  const auto again = l.decide();
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].node, good) << "where it crashed, but the only one that may take it";
}

TEST(SchedulerQuarantine, ANodeOnTrialGetsOneJobAtATime) {
  lab l;
  const auto bad = l.node(4, 100), good = l.node(1, 1);
  l.s.set_standing(bad, standing::on_trial);
  for (int i = 0; i < 6; ++i) l.submit();
  const auto sent = l.decide();
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(l.s.in_flight(bad), 1U);
  EXPECT_EQ(l.s.in_flight(good), 1U);
  l.result(*std::find_if(sent.begin(), sent.end(), [&](const auto& a) { return a.node == bad; }));
  l.s.set_standing(bad, standing::good);
  EXPECT_TRUE(l.decide().size() == 4 && l.s.in_flight(bad) == 4);
}

}  // namespace
}  // namespace pp::ppclient
