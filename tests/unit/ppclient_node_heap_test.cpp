#include "ppclient/node_heap.hpp"

#include <map>
#include <random>

#include <gtest/gtest.h>

namespace pp::ppclient {
namespace {

struct load {
  std::uint32_t in_flight, slots;
};

// The same answer by looking at every node.
template <class Predicate>
std::uint32_t least_of(const std::map<std::uint32_t, load>& nodes, Predicate is_right) {
  std::uint32_t best = node_heap::none;
  for (const auto& [node, l] : nodes) {
    if (!is_right(node)) continue;
    if (best == node_heap::none || l.in_flight * nodes.at(best).slots < nodes.at(best).in_flight * l.slots) best = node;
  }
  return best;
}

TEST(NodeHeap, FindsWhatLookingAtEveryNodeFinds) {
  std::mt19937 random(7);
  const auto below = [&](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
  node_heap heap;
  std::map<std::uint32_t, load> nodes;
  for (int step = 0; step < 50'000; ++step) {
    const auto node = below(60);
    if (below(5) == 0) {
      heap.remove(node);
      nodes.erase(node);
    } else {
      const load l{below(40), 1 + below(8)};
      heap.set(node, {l.in_flight, l.slots});
      nodes[node] = l;
    }
    const auto residue = below(4);
    const auto any = [](std::uint32_t) { return true; };
    const auto some = [&](std::uint32_t n) { return n % 4 == residue; };
    const auto idle = [&](std::uint32_t n) { return some(n) && nodes.at(n).in_flight < nodes.at(n).slots; };
    ASSERT_EQ(heap.empty(), nodes.empty());
    ASSERT_EQ(heap.first_of(any), least_of(nodes, any)) << "step " << step;
    ASSERT_EQ(heap.first_of(some), least_of(nodes, some)) << "step " << step;
    ASSERT_EQ(heap.first_of(some, true), least_of(nodes, idle)) << "step " << step;
  }
}

TEST(NodeHeap, GivesNoNodeWhenNoneIsRight) {
  node_heap heap;
  EXPECT_EQ(heap.first_of([](std::uint32_t) { return true; }), node_heap::none);
  heap.set(3, {1, 1});
  EXPECT_EQ(heap.first_of([](std::uint32_t) { return false; }), node_heap::none);
  EXPECT_EQ(heap.first_of([](std::uint32_t) { return true; }, true), node_heap::none);
  heap.remove(3);
  heap.remove(4);
  EXPECT_TRUE(heap.empty());
}

}  // namespace
}  // namespace pp::ppclient
