#include "ppclient/quarantine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pp::ppclient {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using state = quarantine::state;
constexpr time_point start{};

void confine(quarantine& q, std::uint32_t node, time_point at = start) {
  for (int i = 0; i < 3; ++i) q.on_blame(node, at);
  ASSERT_EQ(q.state_of(node), state::quarantined);
}

TEST(Quarantine, ThreeJobsThatOthersDidAreEnough) {
  quarantine q;
  EXPECT_FALSE(q.on_blame(1, start));
  EXPECT_FALSE(q.on_blame(1, start));
  EXPECT_FALSE(q.any());
  EXPECT_TRUE(q.on_blame(1, start));
  EXPECT_EQ(q.state_of(1), state::quarantined);
  EXPECT_EQ(q.state_of(0), state::good);
  EXPECT_EQ(q.state_of(7), state::good) << "one it never heard of";
  EXPECT_TRUE(q.any());
}

TEST(Quarantine, ANodeThatDoesMostOfItsJobsStaysGood) {
  quarantine q;
  for (int round = 0; round < 50; ++round) {
    q.on_success(0);
    q.on_blame(0, start);
    ASSERT_EQ(q.state_of(0), state::good) << "half is not more than half";
  }
}

TEST(Quarantine, OnlyTheLastTenCount) {
  quarantine q;
  for (int i = 0; i < 1000; ++i) q.on_success(0);
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(q.on_blame(0, start));
  EXPECT_TRUE(q.on_blame(0, start)) << "six of the last ten";
}

TEST(Quarantine, ADeathAloneBlamesNobody) {
  quarantine q;
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(q.on_death(0, start));
  EXPECT_EQ(q.state_of(0), state::good) << "a job that dies everywhere is its own fault";
}

TEST(Quarantine, EndsInATrialAfterAMinute) {
  quarantine q;
  confine(q, 0);
  EXPECT_FALSE(q.on_time(0, start + 59s));
  EXPECT_TRUE(q.on_time(0, start + 60s));
  EXPECT_EQ(q.state_of(0), state::on_trial);
  EXPECT_FALSE(q.on_time(0, start + 300s)) << "a trial has no end but a job's";
}

TEST(Quarantine, ASuccessOnTrialMakesItGoodAndForgetsTheRest) {
  quarantine q;
  confine(q, 0);
  q.on_time(0, start + 60s);
  EXPECT_TRUE(q.on_success(0));
  EXPECT_EQ(q.state_of(0), state::good);
  EXPECT_FALSE(q.any());
  EXPECT_FALSE(q.on_blame(0, start + 61s));
  EXPECT_FALSE(q.on_blame(0, start + 61s)) << "two only";
}

TEST(Quarantine, ADeathOnTrialPutsItBackForAnotherTerm) {
  quarantine q;
  confine(q, 0);
  q.on_time(0, start + 60s);
  EXPECT_TRUE(q.on_death(0, start + 70s));
  EXPECT_EQ(q.state_of(0), state::quarantined);
  EXPECT_FALSE(q.on_time(0, start + 129s));
  EXPECT_TRUE(q.on_time(0, start + 130s));
}

TEST(Quarantine, WhatItStillHadDoesNotEndIt) {
  quarantine q;
  confine(q, 0);
  EXPECT_FALSE(q.on_success(0));
  EXPECT_EQ(q.state_of(0), state::quarantined);
  EXPECT_FALSE(q.on_blame(0, start + 50s));
  EXPECT_TRUE(q.on_time(0, start + 60s)) << "late blame does not lengthen it";
}

TEST(Quarantine, OutlivesTheConnection) {
  quarantine q;
  confine(q, 1);
  q.inherit(4, 1);
  EXPECT_EQ(q.state_of(4), state::quarantined);
  EXPECT_EQ(q.state_of(1), state::good) << "nothing has that number any more";
  EXPECT_TRUE(q.any());
  EXPECT_TRUE(q.on_time(4, start + quarantine::term)) << "its term goes on";
  EXPECT_EQ(q.state_of(4), state::on_trial);
  q.on_success(4);
  EXPECT_FALSE(q.any());
}

TEST(Quarantine, BlameBeforeAReconnectCounts) {
  quarantine q;
  q.on_blame(0, start);
  q.on_blame(0, start);
  q.inherit(1, 0);
  q.inherit(9, 7);
  EXPECT_TRUE(q.on_blame(1, start));
  EXPECT_EQ(q.state_of(1), state::quarantined);
  EXPECT_EQ(q.state_of(9), state::good);
}

TEST(Quarantine, SaysWhyAndForHowLong) {
  quarantine q;
  EXPECT_EQ(q.reason(0, start), "");
  q.on_success(0);
  for (int i = 0; i < 3; ++i) q.on_blame(0, start);
  EXPECT_THAT(q.reason(0, start + 18s), HasSubstr("3 of the last 4 jobs"));
  EXPECT_THAT(q.reason(0, start + 18s), HasSubstr("no new jobs for 42 s"));
  q.on_time(0, start + 60s);
  EXPECT_THAT(q.reason(0, start + 60s), HasSubstr("one job at a time"));
}

}  // namespace
}  // namespace pp::ppclient
