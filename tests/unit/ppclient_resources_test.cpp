// job_options::resources on the client's side: checked, sent, and counted by the scheduler.
#include <gtest/gtest.h>

#include "pp/error.hpp"
#include "ppclient/job_terms.hpp"
#include "ppclient/scheduler.hpp"

namespace pp::ppclient {
namespace {

using outcome = scheduler::outcome;

std::string refusal(std::map<std::string, unsigned> resources) {
  try {
    checked_resources("options.resources", resources);
  } catch (const error& e) {
    EXPECT_EQ(e.code(), errc::bad_option);
    return e.what();
  }
  return "accepted";
}

TEST(Resources, NamesAndNumbersOutOfTheirRangeAreRefused) {
  EXPECT_EQ(refusal({{"gpu", 1}, {"a-b_c.9", 65535}}), "accepted");
  EXPECT_EQ(refusal({{"GPU", 1}}), "options.resources['GPU'] must be named by 1 to 32 of a-z 0-9 _ . -");
  EXPECT_EQ(refusal({{"gpu", 0}}), "options.resources['gpu'] must be 1 to 65535");
  EXPECT_NE(refusal({{"gpu", 65536}}), "accepted");
  EXPECT_NE(refusal({{"", 1}}), "accepted");
}

TEST(Resources, AreToldToTheNodeAndAskedOfIt) {
  job_options how, usual;
  usual.resources = {{"gpu", 2}};
  const auto t = make_terms(how, usual);
  EXPECT_EQ(wire::decode_terms(t->encoded)->resources, (std::vector<wire::resource>{{"gpu", 2}}));
  EXPECT_EQ(t->where.text(), "job_options.resources gpu=2");
  EXPECT_FALSE(t->where.is_anywhere());
  node_identity node{"n", {}, {}};
  EXPECT_FALSE(admits(t->where, node));
  node.resources = {{"gpu", 1}};
  EXPECT_FALSE(admits(t->where, node));
  node.resources = {{"fpga", 9}, {"gpu", 2}};
  EXPECT_TRUE(admits(t->where, node));
}

TEST(Resources, OfACheckOutAreNotLookedAt) {
  job_options how;
  how.resources = {{"gpu", 1}};
  EXPECT_TRUE(make_terms(how, {}, {wire::place_use::opens, 1, {}})->where.resources.empty());
  EXPECT_FALSE(make_terms(how, {}, {wire::place_use::one_each, 1, {}})->where.resources.empty());
}

struct lab {
  lab() { s.set_needs(gpu, {{"gpu", 1}}); }
  std::uint32_t node(unsigned slots, int credit, std::uint16_t gpus) {
    const auto n = s.on_node_ready(slots);
    if (gpus > 0) {
      s.set_resources(n, {{"gpu", gpus}});
      s.set_fulfils(n, gpu);
    }
    s.on_credit(n, credit);
    return n;
  }
  void submit(bool needs_gpu, scheduler::job_rules rules = {}) {
    s.on_submit(next_job++, {0, 0, needs_gpu ? gpu : scheduler::none}, rules);
  }
  std::vector<scheduler::action> decide() {
    std::vector<scheduler::action> out;
    s.decide(out, 1000);
    return out;
  }
  scheduler::verdict result(const scheduler::action& a, outcome what = outcome::done) {
    return s.on_result(a.job, a.node, a.attempt, what, 1);
  }

  scheduler s{3};
  scheduler::constraint_index gpu = s.add_constraint();
  std::uint32_t next_job = 0;
};

TEST(SchedulerResources, NeverSendsMoreThanFit) {
  lab l;
  const auto n = l.node(8, 100, 2);
  for (int i = 0; i < 5; ++i) l.submit(true);
  auto sent = l.decide();
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(l.s.queued(), 3U);
  EXPECT_TRUE(l.decide().empty());
  l.result(sent[0]);
  sent = l.decide();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].node, n);
}

TEST(SchedulerResources, OtherJobsGoPastThoseThatWait) {
  lab l;
  l.node(8, 100, 1);
  for (int i = 0; i < 3; ++i) l.submit(true);
  for (int i = 0; i < 4; ++i) l.submit(false);
  EXPECT_EQ(l.decide().size(), 5U);
  EXPECT_EQ(l.s.queued(), 2U);
}

TEST(SchedulerResources, SpreadOverTheNodesThatHaveSome) {
  lab l;
  const auto a = l.node(8, 100, 1), without = l.node(8, 100, 0), b = l.node(8, 100, 2);
  for (int i = 0; i < 9; ++i) l.submit(true);
  EXPECT_EQ(l.decide().size(), 3U);
  EXPECT_EQ(l.s.in_flight(a), 1U);
  EXPECT_EQ(l.s.in_flight(b), 2U);
  EXPECT_EQ(l.s.in_flight(without), 0U);
}

TEST(SchedulerResources, AreFreeAgainWhateverBecomesOfTheJob) {
  lab l;
  const auto a = l.node(8, 100, 1);
  for (int i = 0; i < 4; ++i) l.submit(true);
  const auto first = l.decide();
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(l.result(first[0], outcome::not_started), scheduler::verdict::again);
  const auto second = l.decide();
  ASSERT_EQ(second.size(), 1U);
  EXPECT_EQ(l.result(second[0], outcome::crashed), scheduler::verdict::again);
  const auto third = l.decide();
  ASSERT_EQ(third.size(), 1U);
  l.s.cancel(third[0].job);
  EXPECT_EQ(l.decide().size(), 1U);
  std::vector<std::uint32_t> unknown;
  l.s.on_node_lost(a, unknown);
  const auto b = l.node(8, 100, 2);
  EXPECT_EQ(l.decide().size(), 2U);
  EXPECT_EQ(l.s.in_flight(b), 2U);
}

TEST(SchedulerResources, ACopyNeedsSomeToo) {
  lab l;
  const auto a = l.node(1, 100, 1), b = l.node(1, 100, 1);
  l.submit(true, {.idempotent = true});
  l.submit(true);
  ASSERT_EQ(l.decide().size(), 2U);
  l.s.set_paused(a, true, true);
  EXPECT_TRUE(l.decide().empty()) << "the other gpu is taken";
  l.s.set_paused(a, false);
  std::vector<std::uint32_t> unknown;
  l.s.on_node_lost(b, unknown);
  EXPECT_EQ(l.s.queued(), 1U);
}

}  // namespace
}  // namespace pp::ppclient
