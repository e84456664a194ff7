#include "ppclient/run_times.hpp"

#include <random>

#include <gtest/gtest.h>

namespace pp::ppclient {
namespace {

constexpr std::uint64_t kind = 7, other_kind = 8;

TEST(RunTimes, KnowNoLimitBeforeThreeJobsHaveEnded) {
  run_times t;
  EXPECT_EQ(t.limit_us(kind), 0U);
  t.note(kind, 0, 400'000);
  t.note(kind, 0, 400'000);
  EXPECT_EQ(t.limit_us(kind), 0U);
  t.note(kind, 1, 400'000);
  EXPECT_EQ(t.limit_us(kind), 800'000U) << "twice the mean";
  EXPECT_EQ(t.limit_us(other_kind), 0U);
}

TEST(RunTimes, CallNothingLateBeforeFiftyMilliseconds) {
  run_times t;
  for (int i = 0; i < 5; ++i) t.note(kind, 0, 3);
  EXPECT_EQ(t.limit_us(kind), 50'000U);
}

TEST(RunTimes, FollowWhatJobsTakeLately) {
  run_times t;
  for (int i = 0; i < 1000; ++i) t.note(kind, 0, 1'000'000);
  for (int i = 0; i < 500; ++i) t.note(kind, 0, 100'000);
  EXPECT_LT(t.limit_us(kind), 210'000U);
}

TEST(RunTimes, TellHowMuchFasterOneNodeIs) {
  run_times t;
  for (int i = 0; i < 400; ++i) {
    t.note(kind, 0, 10'000);
    if (i % 3 == 0) t.note(kind, 1, 30'000);
  }
  EXPECT_NEAR(t.speed(0) / t.speed(1), 3, 0.3);
  EXPECT_GT(t.speed(0), 1);
  EXPECT_LT(t.speed(1), 1);
  EXPECT_EQ(t.speed(9), 1) << "one it never heard of";
}

// One node had only the long jobs: it is not slow.
TEST(RunTimes, CompareNodesThatRanDifferentJobs) {
  run_times t;
  for (int i = 0; i < 100; ++i) {
    t.note(kind, 0, 1'000);
    t.note(other_kind, 1, 500'000);
  }
  EXPECT_NEAR(t.speed(0), 1, 0.05);
  EXPECT_NEAR(t.speed(1), 1, 0.05);
}

TEST(RunTimes, TakeNothingFromJobsThatHardlyRun) {
  run_times t;
  for (int i = 0; i < 100; ++i) t.note(kind, 0, 2), t.note(kind, 1, 40);
  EXPECT_EQ(t.speed(0), 1);
  EXPECT_EQ(t.speed(1), 1);
}

TEST(RunTimes, NeedEightJobsForASpeedAndKeepItWithinFour) {
  run_times t;
  for (int i = 0; i < 7; ++i) t.note(kind, 0, 1'000'000);
  for (int i = 0; i < 7; ++i) t.note(kind, 1, 1'000);
  EXPECT_EQ(t.speed(1), 1);
  for (int i = 0; i < 60; ++i) t.note(kind, 0, 1'000'000), t.note(kind, 1, 1'000);
  EXPECT_GE(t.speed(0), 0.25);
  EXPECT_EQ(t.speed(1), 4);
}

TEST(RunTimes, TellNewsOnlyOnce) {
  run_times t;
  EXPECT_EQ(t.news_of(0), 0U);
  std::mt19937 random(3);
  unsigned told = 0;
  for (int i = 0; i < 2000; ++i) {
    t.note(kind, 0, 9'000 + random() % 2'000);
    told += t.news_of(0) != 0;
  }
  EXPECT_EQ(told, 0U) << "a node alone is as fast as the mean";
  for (int i = 0; i < 400; ++i) t.note(kind, 1, 40'000), t.note(kind, 0, 10'000);
  EXPECT_LT(t.news_of(1), 12U);
  EXPECT_EQ(t.news_of(1), 0U);
}

TEST(RunTimes, KindsOfTwoProgramsDiffer) {
  EXPECT_NE(run_times::kind_of(0, 5, 9), run_times::kind_of(1, 5, 9));
  EXPECT_NE(run_times::kind_of(0, 5, 9), run_times::kind_of(0, 6, 9));
  EXPECT_NE(run_times::kind_of(0, 5, 9), run_times::kind_of(0, 5, 10));
}

}  // namespace
}  // namespace pp::ppclient
