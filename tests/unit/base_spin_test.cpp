#include "base/spin.hpp"

#include <gtest/gtest.h>

namespace pp {
namespace {

using std::chrono::microseconds;

TEST(SpinBudget, BeginsFull) { EXPECT_EQ(spin_budget(microseconds(100)).allowed(), microseconds(100)); }

TEST(SpinBudget, HalvesAfterEachLongSleepDownToNothing) {
  spin_budget b(microseconds(100));
  b.on_waited(microseconds(5000));
  EXPECT_EQ(b.allowed(), microseconds(50));
  b.on_waited(microseconds(5000));
  EXPECT_EQ(b.allowed(), microseconds(25));
  b.on_waited(microseconds(5000));
  EXPECT_EQ(b.allowed(), duration(0)) << "shorter than a wake-up is useless";
  for (int i = 0; i < 100; ++i) b.on_waited(microseconds(5000));
  EXPECT_EQ(b.allowed(), duration(0));
}

TEST(SpinBudget, IsFullAgainAfterAWaitThatALookWouldHaveCovered) {
  spin_budget b(microseconds(100));
  for (int i = 0; i < 10; ++i) b.on_waited(microseconds(5000));
  b.on_waited(microseconds(80));
  EXPECT_EQ(b.allowed(), microseconds(100));
}

TEST(SpinBudget, ZeroIsNever) {
  spin_budget b{duration(0)};
  EXPECT_EQ(b.allowed(), duration(0));
  b.on_waited(duration(0));
  EXPECT_EQ(b.allowed(), duration(0));
}

TEST(SpinBudget, GoesOnWhereAnotherOneWas) {
  spin_budget one(microseconds(100));
  one.on_waited(microseconds(5000));
  EXPECT_EQ(spin_budget(microseconds(100), one.state()).allowed(), microseconds(50));
}

}  // namespace
}  // namespace pp
