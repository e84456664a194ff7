#include "ppclient/chunk_rule.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "pp/error.hpp"

namespace pp::ppclient {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t item_bytes = 16;

/// A map of `total` items of the same length over `slots`, each chunk taken back before the next but `under way` is given.
struct played {
  std::vector<std::uint64_t> sizes;
  std::uint64_t sum = 0;
};
played play(std::uint64_t total, unsigned slots, std::chrono::nanoseconds each, std::size_t bytes = item_bytes) {
  chunk_rule rule(0);
  played out;
  std::deque<std::uint64_t> under_way;
  while (out.sum < total) {
    if (under_way.size() == std::size_t{chunk_rule::chunks_per_slot} * slots) {
      const auto items = under_way.front();
      under_way.pop_front();
      rule.on_done(items, items * bytes, std::chrono::duration_cast<std::chrono::microseconds>(items * each));
    }
    const auto size = std::min(rule.next(slots, total - out.sum), total - out.sum);
    under_way.push_back(size);
    out.sizes.push_back(size);
    out.sum += size;
  }
  return out;
}

TEST(ChunkRule, BeginsSmall) {
  const chunk_rule rule(0);
  EXPECT_EQ(rule.next(4, std::nullopt), 1U);
  EXPECT_EQ(rule.next(4, 100), 1U) << "a short map spreads over all slots";
  EXPECT_LE(rule.next(4, 10'000'000), 16U);
  EXPECT_EQ(rule.next(0, 3), 1U) << "before any node is known";
}

TEST(ChunkRule, GrowsToSomeMilliseconds) {
  const auto sizes = play(1'000'000, 4, 10us).sizes;
  const auto longest = *std::max_element(sizes.begin(), sizes.end()) * 10us;
  EXPECT_GE(longest, 5ms);
  EXPECT_LE(longest, 10ms);
}

TEST(ChunkRule, LongItemsGoOneByOne) {
  EXPECT_THAT(play(100, 4, 20ms).sizes, ::testing::Each(1U));
  EXPECT_EQ(play(100, 4, 20ms).sizes.size(), 100U);
}

TEST(ChunkRule, ShortItemsFillTheBytesOfAChunk) {
  const auto sizes = play(5'000'000, 2, 2ns, 8).sizes;
  EXPECT_LE(*std::max_element(sizes.begin(), sizes.end()) * 8, 128U * 1024);
  EXPECT_LT(sizes.size(), 1000U);
}

TEST(ChunkRule, NeverGrowsMoreThanSixteenfoldBeyondWhatCameBack) {
  chunk_rule rule(0);
  rule.on_done(1, item_bytes, 0us);
  EXPECT_LE(rule.next(2, std::nullopt), 16U);
  rule.on_done(16, 16 * item_bytes, 0us);
  EXPECT_LE(rule.next(2, std::nullopt), 256U);
}

TEST(ChunkRule, ShrinksAgainWhenItemsGetLonger) {
  chunk_rule rule(0);
  for (std::uint64_t items = 1; items < 5000; items *= 16) rule.on_done(items, items, 1us);
  const auto fast = rule.next(2, std::nullopt);
  for (int i = 0; i < 5; ++i) rule.on_done(100, 100, 100ms);
  EXPECT_LT(rule.next(2, std::nullopt), fast / 10);
  EXPECT_LE(rule.next(2, std::nullopt) * 1ms, 20ms);
}

TEST(ChunkRule, TheEndIsCutIntoSmallChunksThatAreStillWorthSending) {
  const auto sizes = play(100'000, 4, 10us).sizes;
  EXPECT_LE(sizes.back() * 10us, 500us) << "slots finish together";
  const std::uint64_t worth = 10;  // of 10 us: half of what is least worth sending
  EXPECT_TRUE(std::all_of(sizes.begin() + 40, sizes.end() - 1, [&](auto s) { return s >= worth; }));
}

TEST(ChunkRule, LeavesFourChunksForEachSlotAsLongAsItCan) {
  chunk_rule rule(0);
  for (std::uint64_t items = 1; items < 100'000; items *= 16) rule.on_done(items, items, items * 1us);
  for (const std::uint64_t left : {100'000U, 40'000U, 20'000U}) EXPECT_LE(rule.next(5, left), left / 20);
}

TEST(ChunkRule, AFixedSizeStays) {
  chunk_rule rule(7);
  EXPECT_EQ(rule.next(4, 3), 7U);
  rule.on_done(7, 700, 1us);
  EXPECT_EQ(rule.next(4, std::nullopt), 7U);
  EXPECT_EQ(rule.most_bytes(), SIZE_MAX);
}

TEST(ChunkRule, RefusesASizeOutOfRangeByName) {
  EXPECT_NO_THROW(chunk_rule(chunk_rule::largest));
  try {
    chunk_rule(chunk_rule::largest + 1);
    FAIL() << "nothing was thrown";
  } catch (const error& e) {
    EXPECT_EQ(e.code(), errc::bad_option);
    EXPECT_THAT(e.what(), ::testing::HasSubstr("map_options.chunk"));
  }
}

}  // namespace
}  // namespace pp::ppclient
