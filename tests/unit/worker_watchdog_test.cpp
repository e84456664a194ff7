#include "worker/watchdog.hpp"

#include <gtest/gtest.h>

namespace pp::worker {
namespace {

using namespace std::chrono_literals;
using verdict = watchdog::verdict;

constexpr watchdog::limits limits{100, 50ms};

TEST(Watchdog, FindsNothingWithinTheLimits) {
  watchdog w;
  EXPECT_EQ(w.look(1, {100, 0ms}, limits), verdict::fine);
  EXPECT_EQ(w.look(1, {1, 50ms}, limits), verdict::fine);
}

TEST(Watchdog, EndsAJobAboveItsMemory) {
  watchdog w;
  EXPECT_EQ(w.look(1, {101, 0ms}, limits), verdict::memory);
}

TEST(Watchdog, CountsCpuTimeFromItsFirstLookAtTheJob) {
  watchdog w;
  EXPECT_EQ(w.look(1, {0, 1000ms}, limits), verdict::fine) << "of earlier jobs";
  EXPECT_EQ(w.look(1, {0, 1050ms}, limits), verdict::fine);
  EXPECT_EQ(w.look(1, {0, 1051ms}, limits), verdict::cpu);
  EXPECT_EQ(w.look(2, {0, 1051ms}, limits), verdict::fine) << "the next job begins anew";
}

TEST(Watchdog, ForgetsNoCpuTimeOfAChildThatIsGone) {
  watchdog w;
  w.look(1, {0, 0ms}, limits);
  w.look(1, {0, 40ms}, limits);
  EXPECT_EQ(w.look(1, {0, 10ms}, limits), verdict::fine);
  EXPECT_EQ(w.last(1).cpu, 40ms);
}

TEST(Watchdog, KeepsThePeakOfTheJobAndOfNoOther) {
  watchdog w;
  w.look(1, {90, 0ms}, limits);
  w.look(1, {10, 0ms}, limits);
  EXPECT_EQ(w.peak_memory(1), 90U);
  EXPECT_EQ(w.peak_memory(2), 0U);
  w.note(2);
  EXPECT_EQ(w.peak_memory(1), 0U);
  EXPECT_EQ(w.last(2).memory, 0U);
}

TEST(Watchdog, NoLimitIsNone) {
  watchdog w;
  EXPECT_EQ(w.look(1, {~0ULL, 0ms}, {}), verdict::fine);
  EXPECT_EQ(w.look(1, {~0ULL, 1h}, {}), verdict::fine);
}

}  // namespace
}  // namespace pp::worker
