#include "worker/credit.hpp"

#include <random>

#include <gtest/gtest.h>

namespace pp::worker {
namespace {

using namespace std::chrono_literals;

/// One round of a client that keeps the window full: it sends what it may, then one job comes back.
struct greedy_client {
  explicit greedy_client(credit_window& w) : window(w), credit(w.initial()) {}

  void send_all(std::uint64_t size = 100) {
    for (; credit > 0; --credit) ASSERT_TRUE(window.on_submit(size));
  }
  void take_result(duration mean) { credit += window.on_result(mean); }
  void take_correction() { credit += window.correction(); }

  credit_window& window;
  std::int64_t credit;
};

TEST(CreditWindow, StartsWithTwoJobsForEachSlot) {
  EXPECT_EQ(credit_window(8).initial(), 16U);
  EXPECT_EQ(credit_window(0).initial(), 2U);
}

TEST(CreditWindow, OpensToFourThousandWithinAFewThousandEmptyJobs) {
  credit_window window(2);
  greedy_client client(window);
  int results = 0;
  for (; window.window() < 4096 && results < 10000; ++results) {
    client.send_all();
    client.take_result(0us);
  }
  EXPECT_EQ(window.window(), 4096U);
  EXPECT_LE(results, 5000);
}

TEST(CreditWindow, FallsBackToTwoForEachSlotAtOnceWhenJobsGetLong) {
  credit_window window(4);
  greedy_client client(window);
  while (window.window() < 4096) {
    client.send_all();
    client.take_result(1us);
  }
  client.take_result(50ms);
  client.take_correction();
  EXPECT_EQ(window.window(), 8U);
  EXPECT_LT(client.credit, 0) << "the client has more here than it may have, and must wait";
  while (window.outstanding() > 0) client.take_result(50ms);
  EXPECT_EQ(client.credit, 8);
}

TEST(CreditWindow, HoldsTwentyMillisecondsOfWork) {
  credit_window window(2);
  greedy_client client(window);
  for (int i = 0; i < 1000; ++i) {
    client.send_all();
    client.take_result(1ms);
  }
  EXPECT_EQ(window.window(), 2U + 2U * 20U);
}

TEST(CreditWindow, ClosesWhileLargeArgumentsArrive) {
  credit_window window(2);
  greedy_client client(window);
  while (window.window() < 4096) {
    client.send_all();
    client.take_result(0us);
  }
  while (window.outstanding() > 0) client.take_result(0us);
  int sent = 0;
  for (; client.credit > 0 && sent < 4096; ++sent, --client.credit) {
    ASSERT_TRUE(window.on_submit(16U << 20U));
    client.take_correction();
  }
  EXPECT_LE(sent, 16) << "a quarter of a gigabyte, not sixty-four";
  EXPECT_LE(window.window(), 16U);
}

TEST(CreditWindow, NeverFallsBelowTheSlotsHoweverLargeTheJobs) {
  credit_window window(4);
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(window.on_submit(1ULL << 30U));
  for (int i = 0; i < 8; ++i) window.on_result(10s);
  window.correction();
  EXPECT_EQ(window.window(), 4U);
}

TEST(CreditWindow, RefusesAClientFarBeyondItsCredit) {
  credit_window window(2);
  int sent = 0;
  while (window.on_submit(10)) ASSERT_LT(++sent, 1000);
  EXPECT_GE(sent, 4);
  EXPECT_LE(sent, 4 + 64);
}

TEST(CreditWindow, GivesBackExactlyTheCreditOfAJobThatWasNotBegun) {
  credit_window window(2);
  window.on_submit(10);
  EXPECT_EQ(window.on_returned(), 1);
  EXPECT_EQ(window.window(), window.initial());
}

TEST(CreditWindow, FollowsAShareThatShrinksAndGrowsWithoutWaitingForResults) {
  credit_window window(64);
  window.set_share(16);
  EXPECT_LT(window.correction(), 0);
  EXPECT_EQ(window.window(), 32U);
  window.set_share(64);
  EXPECT_EQ(window.correction(), 96);
  EXPECT_EQ(window.window(), 128U);
}

TEST(CreditWindow, KeepsItsBooksUnderRandomSequences) {
  for (unsigned seed = 1; seed <= 50; ++seed) {
    std::mt19937 random(seed);
    const unsigned slots = 1 + random() % 16;
    credit_window window(slots);
    greedy_client client(window);
    unsigned share = slots;
    std::uint32_t largest = window.window();
    for (int step = 0; step < 5000; ++step) {
      switch (random() % 8) {
        case 0: window.set_share(share = 1 + random() % slots); break;
        case 1: client.take_correction(); break;
        case 2:
        case 3:
          if (window.outstanding() > 0)
            client.take_result(std::chrono::microseconds(random() % 3 == 0 ? random() % 100000 : 5));
          break;
        case 4:
          if (window.outstanding() > 0) client.credit += window.on_returned();
          break;
        default:
          if (client.credit > 0) {
            --client.credit;
            ASSERT_TRUE(window.on_submit(random() % 50 == 0 ? 8U << 20U : 64)) << "seed " << seed << " step " << step;
          }
      }
      largest = std::max(largest, window.window());
      ASSERT_EQ(client.credit + window.outstanding(), window.window()) << "seed " << seed << " step " << step;
      ASSERT_LE(window.outstanding(), largest) << "seed " << seed << " step " << step;
      ASSERT_GE(window.window(), 1U);
      ASSERT_GE(window.target(), share);
    }
  }
}

TEST(FairShare, GivesAllSlotsToAClientAloneAndDividesThemAmongBusyOnes) {
  const time_point start{1h};
  fair_share shares(8);
  for (const std::uint64_t id : {1, 2, 3}) shares.on_session_began(id);
  EXPECT_EQ(shares.share_of(1, start), 8U);
  shares.on_busy(1, start);
  shares.on_busy(2, start);
  EXPECT_EQ(shares.share_of(1, start), 4U);
  EXPECT_EQ(shares.share_of(3, start), 3U) << "a newcomer is counted as soon as it asks";
}

TEST(FairShare, ForgetsAClientThatIsIdleOrGone) {
  const time_point start{1h};
  fair_share shares(8);
  shares.on_session_began(1);
  shares.on_session_began(2);
  shares.on_busy(2, start);
  EXPECT_EQ(shares.share_of(1, start + 500ms), 4U);
  EXPECT_EQ(shares.share_of(1, start + 2s), 8U);
  shares.on_busy(2, start + 2s);
  shares.on_session_ended(2);
  EXPECT_EQ(shares.share_of(1, start + 2s), 8U);
}

TEST(FairShare, IsNeverLessThanOneSlot) {
  const time_point start{1h};
  fair_share shares(2);
  for (std::uint64_t id = 0; id < 10; ++id) shares.on_busy(id, start);
  EXPECT_EQ(shares.share_of(3, start), 1U);
}

}  // namespace
}  // namespace pp::worker
