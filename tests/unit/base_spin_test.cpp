#include "base/spin.hpp"

#include <gtest/gtest.h>

namespace pp {
namespace {

using std::chrono::microseconds;
constexpr time_point at{std::chrono::hours(1)};

TEST(SpinBudget, BeginsFull) { EXPECT_EQ(spin_budget(microseconds(100)).allowed(at), microseconds(100)); }

TEST(SpinBudget, HalvesAfterEachLongSleepDownToNothing) {
  spin_budget b(microseconds(100));
  b.on_waited(microseconds(5000));
  EXPECT_EQ(b.allowed(at), microseconds(50));
  b.on_waited(microseconds(5000));
  EXPECT_EQ(b.allowed(at), microseconds(25));
  b.on_waited(microseconds(5000));
  EXPECT_EQ(b.allowed(at), duration(0)) << "shorter than a wake-up is useless";
  for (int i = 0; i < 100; ++i) b.on_waited(microseconds(5000));
  EXPECT_EQ(b.allowed(at), duration(0));
}

TEST(SpinBudget, IsFullAgainAfterAWaitThatALookWouldHaveCovered) {
  spin_budget b(microseconds(100));
  for (int i = 0; i < 10; ++i) b.on_waited(microseconds(5000));
  b.on_waited(microseconds(80));
  EXPECT_EQ(b.allowed(at), microseconds(100));
}

TEST(SpinBudget, ZeroIsNever) {
  spin_budget b{duration(0)};
  EXPECT_EQ(b.allowed(at), duration(0));
  b.on_waited(duration(0));
  EXPECT_EQ(b.allowed(at), duration(0));
}

TEST(SpinBudget, RestsWhenTheCoreIsNeededAndLongerEachTime) {
  spin_budget b(microseconds(100));
  b.on_contended(at);
  EXPECT_EQ(b.allowed(at), duration(0));
  b.on_waited(microseconds(10));
  EXPECT_EQ(b.allowed(at), duration(0)) << "short waits do not end the rest";
  EXPECT_EQ(b.allowed(at + spin_budget::shortest_rest), microseconds(100));
  b.on_contended(at);
  EXPECT_EQ(b.allowed(at + spin_budget::shortest_rest), duration(0));
  EXPECT_EQ(b.allowed(at + 2 * spin_budget::shortest_rest), microseconds(100));
  for (int i = 0; i < 50; ++i) b.on_contended(at);
  EXPECT_EQ(b.allowed(at + spin_budget::longest_rest), microseconds(100));
  b.on_found();
  b.on_contended(at);
  EXPECT_EQ(b.allowed(at + spin_budget::shortest_rest), microseconds(100)) << "looking had paid again";
}

TEST(SpinBudget, IsNothingAfterAHeapOfWorkUntilTheNextWait) {
  spin_budget b(microseconds(100));
  b.on_work(spin_budget::heap - 1);
  EXPECT_EQ(b.allowed(at), microseconds(100));
  b.on_work(1);
  EXPECT_EQ(b.allowed(at), duration(0));
  b.on_waited(microseconds(50));
  EXPECT_EQ(b.allowed(at), microseconds(100));
}

TEST(Look, AsksUntilItIsThere) {
  spin_budget b(std::chrono::seconds(60));
  int asked = 0;
  while (!look(b, [&] { return ++asked >= 5; }))
    b = spin_budget(std::chrono::seconds(60));  // the core may be contended
  EXPECT_GE(asked, 5);
}

TEST(Look, DoesNotAskWithoutABudget) {
  spin_budget b{duration(0)};
  EXPECT_FALSE(look(b, [] { return true; }));
}

}  // namespace
}  // namespace pp
