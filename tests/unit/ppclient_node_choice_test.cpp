// Patterns of nodes to use, to leave out and to prefer, and what the order of nodes makes of a weight.
#include "ppclient/node_choice.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "pp/error.hpp"
#include "ppclient/scheduler.hpp"

namespace pp::ppclient {
namespace {

const node_identity lab_a{"lab-a", "5bd585dc00000000aaaaaaaaaaaaaaaa", {"10.0.7.9:60000"}};
const node_identity big_one{"big-one", "00000000000000000000000000000000", {"[fd00::1]:60000"}};

node_choice chosen(std::vector<std::string> nodes, std::vector<std::string> exclude = {},
                   std::map<std::string, double> weights = {}) {
  options o;
  o.nodes = std::move(nodes);
  o.exclude = std::move(exclude);
  o.weights = std::move(weights);
  return node_choice(o);
}

std::string refusal(std::vector<std::string> nodes, std::vector<std::string> exclude,
                    std::map<std::string, double> weights) {
  try {
    chosen(std::move(nodes), std::move(exclude), std::move(weights));
  } catch (const error& e) {
    EXPECT_EQ(e.code(), errc::bad_option);
    return e.what();
  }
  return "accepted";
}

TEST(NodeChoice, WithoutPatternsUsesWhateverIsFound) {
  const auto c = chosen({"alpha", "beta:61000", "[::1]:7"});
  EXPECT_EQ(c.named(), (std::vector<std::string>{"alpha", "beta:61000", "[::1]:7"}));
  EXPECT_TRUE(c.uses_found(lab_a));
  EXPECT_EQ(c.weight_of(lab_a), node_choice::usual_weight);
}

TEST(NodeChoice, PatternsAreForNodesThatAreFound) {
  for (const char* pattern : {"*", "lab-?", "10.0.*.*", "10.0.7.9:6*", "5bd585dc*"}) {
    const auto c = chosen({"alpha", pattern});
    EXPECT_TRUE(c.uses_found(lab_a)) << pattern;
    EXPECT_EQ(c.named(), (std::vector<std::string>{"alpha"})) << pattern;
  }
  for (const char* pattern : {"lab", "lab-??", "10.1.*", "5*", "5bd58*"}) {
    if (!is_pattern(pattern)) continue;
    EXPECT_FALSE(chosen({pattern}).uses_found(lab_a)) << pattern;
  }
  EXPECT_TRUE(chosen({"nobody*", "fd00:*"}).uses_found(big_one));
}

TEST(NodeChoice, ExcludedNodesAreNotUsedHoweverTheyCame) {
  const auto c = chosen({"*", "10.0.7.9", "alpha"}, {"10.0.7.*", "big-one"});
  EXPECT_FALSE(c.uses_found(lab_a));
  EXPECT_TRUE(c.is_excluded(big_one));
  EXPECT_EQ(c.named(), (std::vector<std::string>{"alpha"}));
  EXPECT_TRUE(chosen({}, {"5bd585dc00000000aaaaaaaaaaaaaaaa"}).is_excluded(lab_a));
}

TEST(NodeChoice, WeightsOfAllThatMatchAreMultiplied) {
  const auto c = chosen({}, {}, {{"lab-*", 2.0}, {"10.*", 3.0}, {"big*", 0.1}});
  EXPECT_EQ(c.weight_of(lab_a), 96U);
  EXPECT_EQ(c.weight_of(big_one), 2U);
  EXPECT_EQ(chosen({}, {}, {{"lab-*", 100.0}, {"*", 100.0}}).weight_of(lab_a), 1600U) << "100 is the most";
}

TEST(NodeChoice, RefusesWhatIsNoPatternAndNoWeight) {
  EXPECT_EQ(refusal({}, {"a[b"}, {}),
            "options.exclude must be patterns as a shell has them, one each, which 'a[b' is not");
  EXPECT_EQ(refusal({}, {""}, {}), "options.exclude must be patterns as a shell has them, one each, which '' is not");
  EXPECT_NE(refusal({"*,b"}, {}, {}), "accepted");
  EXPECT_EQ(refusal({}, {}, {{"a*", 0.05}}), "options.weights['a*'] must be 0.1 to 100");
  EXPECT_NE(refusal({}, {}, {{"a*", 101}}), "accepted");
  EXPECT_NE(refusal({}, {}, {{"a*", std::nan("")}}), "accepted");
}

// --- the order of nodes ----------------------------------------------------------------------------------------------

TEST(NodeWeight, OrdersIdleNodesByTheirShareAndQueuesBehindThem) {
  const auto with = [](std::uint32_t in_flight, std::uint32_t slots, std::uint32_t weight) {
    return node_load{in_flight, slots, 16, weight};
  };
  EXPECT_LT(with(0, 4, 32), with(0, 4, 16)) << "of two that have nothing the heavier one";
  EXPECT_LT(with(1, 4, 32), with(1, 4, 16));
  EXPECT_LT(with(2, 4, 32), with(1, 4, 16)) << "of equal shares too";
  EXPECT_LT(with(1, 4, 16), with(3, 4, 32));
  EXPECT_LT(with(3, 4, 2), with(4, 4, 1600)) << "an idle slot comes before every queue";
  EXPECT_LT(with(8, 4, 32), with(7, 4, 16)) << "4 that wait count as 2";
}

TEST(NodeWeight, GivesANodeOfTwiceTheWeightTwiceAsMuch) {
  scheduler s(3);
  const auto light = s.on_node_ready(30), heavy = s.on_node_ready(30);
  s.set_weight(heavy, 32);
  s.on_credit(light, 1000);
  s.on_credit(heavy, 1000);
  for (std::uint32_t job = 0; job < 30; ++job) s.on_submit(job, 0);
  std::vector<scheduler::action> out;
  s.decide(out, 1000);
  EXPECT_EQ(s.in_flight(light), 10U);
  EXPECT_EQ(s.in_flight(heavy), 20U);
  for (std::uint32_t job = 30; job < 60; ++job) s.on_submit(job, 0);
  s.decide(out, 1000);
  EXPECT_EQ(s.in_flight(light), 30U) << "an idle slot comes before every queue";
  for (std::uint32_t job = 60; job < 90; ++job) s.on_submit(job, 0);
  s.decide(out, 1000);
  EXPECT_EQ(s.in_flight(light), 40U);
  EXPECT_EQ(s.in_flight(heavy), 50U);
}

}  // namespace
}  // namespace pp::ppclient
