#include "base/block_pool.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "pp/detail/payload.hpp"

namespace pp {
namespace {

constexpr std::size_t mib = 1024 * 1024;

/// How many pages of the block the kernel has given to us.
std::size_t resident_pages(const block& b) {
  const std::size_t pages = b.size() / 4096;
  std::vector<unsigned char> state(pages);
  EXPECT_EQ(::mincore(b.writable().data(), pages * 4096, state.data()), 0);
  std::size_t count = 0;
  for (const auto s : state) count += s & 1U;
  return count;
}

TEST(BlockPool, GivesWhatWasAskedForOnWholePages) {
  block_pool pool;
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{65536}, std::size_t{65537}, mib, 5 * mib + 3}) {
    const block b = pool.take(size);
    EXPECT_EQ(b.size(), size);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(b.view().data()) % 4096, 0U);
    for (auto& byte : b.writable()) byte = 7;
  }
}

TEST(BlockPool, UsesAgainWhatWasGivenBack) {
  block_pool pool;
  const auto* const first = pool.take(mib).view().data();
  EXPECT_EQ(pool.kept_bytes(), mib);
  const block again = pool.take(mib - 1000);
  EXPECT_EQ(again.view().data(), first);
  EXPECT_EQ(pool.kept_bytes(), 0U);
  EXPECT_NE(pool.take(mib).view().data(), first) << "it is in use";
}

TEST(BlockPool, ABlockGoesBackWithItsLastCopy) {
  block_pool pool;
  block one = pool.take(mib);
  block two = one;
  one = {};
  EXPECT_EQ(pool.kept_bytes(), 0U);
  two = {};
  EXPECT_EQ(pool.kept_bytes(), mib);
}

TEST(BlockPool, RoundsUpByAQuarterAtMost) {
  for (std::size_t size = 1; size < (std::size_t{1} << 30U); size += size / 7 + 1) {
    const std::size_t got = block_pool::rounded(size);
    EXPECT_GE(got, size);
    EXPECT_EQ(got % 4096, 0U);
    EXPECT_EQ(block_pool::rounded(got), got);
    if (size > block_pool::smallest) {
      EXPECT_LE(got, size + size / 4);
    }
  }
}

TEST(BlockPool, KeepsNoMoreThanAgreed) {
  block_pool pool(10 * mib);
  std::vector<block> taken;
  for (int i = 0; i < 20; ++i) taken.push_back(pool.take(mib));
  taken.clear();
  EXPECT_EQ(pool.kept_bytes(), 10 * mib);
  pool.take(11 * mib);
  EXPECT_EQ(pool.kept_bytes(), 10 * mib) << "what is larger than all of it is not kept";
}

TEST(BlockPool, SizesNotUsedAnyMoreMakeRoom) {
  block_pool pool(10 * mib);
  std::vector<block> taken;
  for (int i = 0; i < 10; ++i) taken.push_back(pool.take(mib));
  taken.clear();
  const auto* const large = pool.take(8 * mib).view().data();
  EXPECT_LE(pool.kept_bytes(), 10 * mib);
  EXPECT_EQ(pool.take(8 * mib).view().data(), large);
}

TEST(BlockPool, GivesEverythingBackWhenTold) {
  block_pool pool;
  pool.take(mib);
  pool.take(3 * mib);
  EXPECT_GT(pool.kept_bytes(), 0U);
  pool.keep_at_most(0);
  EXPECT_EQ(pool.kept_bytes(), 0U);
  pool.take(mib);
  EXPECT_EQ(pool.kept_bytes(), 0U);
}

TEST(BlockPool, RefusesWhatCannotBe) {
  block_pool pool;
  EXPECT_THROW(pool.take(std::size_t{1} << 40U), std::bad_alloc);
}

TEST(BlockPool, ABlockThatIsNotWrittenCostsNoPages) {
  block_pool pool;
  const block b = pool.take(std::size_t{1} << 30U);
  EXPECT_EQ(resident_pages(b), 0U);
  b.writable()[0] = 1;
  EXPECT_LE(resident_pages(b), 2 * mib / 4096) << "one huge page at most";
}

/// Blocks are taken in one thread and dropped in another, as results are; nobody ever shares one.
TEST(BlockPool, ManyThreadsTakeAndGiveBackAtOnce) {
  block_pool pool(8 * mib);
  std::mutex lock;
  std::deque<block> passed;
  std::atomic<int> damaged{0};
  const auto work = [&](std::uint8_t mark) {
    std::mt19937 random(mark);
    for (int i = 0; i < 3000; ++i) {
      const std::size_t size = block_pool::smallest << (random() % 5);
      const block b = pool.take(size);
      const auto all = b.writable();
      all[0] = all[size / 2] = all[size - 1] = mark;
      std::this_thread::yield();
      if (all[0] != mark || all[size / 2] != mark || all[size - 1] != mark) ++damaged;
      block other;
      const std::lock_guard hold(lock);
      passed.push_back(b);
      if (passed.size() > 8) {
        other = std::move(passed.front());
        passed.pop_front();
      }
    }
  };
  std::vector<std::thread> threads;
  for (std::uint8_t mark = 1; mark <= 4; ++mark) threads.emplace_back(work, mark);
  for (auto& t : threads) t.join();
  passed.clear();
  EXPECT_EQ(damaged, 0);
  EXPECT_LE(pool.kept_bytes(), 8 * mib);
  EXPECT_GT(pool.kept_bytes(), 0U);
}

TEST(ExpectLargeWrite, LeavesTheBytesAlone) {
  std::vector<std::uint8_t> v(9 * mib, 3);
  expect_large_write(v.data(), v.size());
  expect_large_write(v.data() + 1, 1);
  EXPECT_EQ(std::count(v.begin(), v.end(), 3), static_cast<std::ptrdiff_t>(v.size()));
}

// The payload of a job lives in such memory when it is large.

TEST(LargePayload, GrowsFromInsideToHeapToWarmMemoryAndKeepsItsBytes) {
  detail::payload p;
  std::vector<std::uint8_t> expected;
  std::mt19937 random(1);
  while (expected.size() < 5 * mib) {
    std::vector<std::uint8_t> part(1 + random() % (expected.size() + 60));
    for (auto& b : part) b = static_cast<std::uint8_t>(random());
    p.append(part.data(), part.size());
    expected.insert(expected.end(), part.begin(), part.end());
  }
  EXPECT_EQ(std::vector<std::uint8_t>(p.data(), p.data() + p.size()), expected);
  detail::payload moved = std::move(p);
  EXPECT_EQ(std::vector<std::uint8_t>(moved.data(), moved.data() + moved.size()), expected);
  EXPECT_TRUE(p.is_inline());
}

TEST(LargePayload, WhatIsAppendedAtOnceGetsItsRoomAtOnceAndTheSameMemoryAgain) {
  const std::vector<std::uint8_t> much(3 * mib);
  detail::payload p;
  p.append(much.data(), much.size());
  EXPECT_EQ(p.capacity(), block_pool::rounded(much.size()));
  const auto* const where = p.data();
  p.reset();
  EXPECT_TRUE(p.is_inline());
  p.append(much.data(), much.size());
  EXPECT_EQ(p.data(), where);
}

TEST(LargePayload, RefusesMoreThanOneJobMayCarry) {
  detail::payload p;
  p.extend(detail::payload::max_bytes);
  EXPECT_THROW(p.extend(1), detail::payload_too_large);
  EXPECT_EQ(p.size(), detail::payload::max_bytes);
}

}  // namespace
}  // namespace pp
