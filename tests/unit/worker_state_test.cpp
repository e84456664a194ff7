// pp::worker_state within one process: made once, again after a maker that failed, one per type, by one thread only.
#include <atomic>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "pp/worker.hpp"

namespace pp {
namespace {

struct counted {
  static inline std::atomic<int> made{0};
  counted() { ++made; }
  int value = 7;
};

TEST(WorkerState, IsMadeOnceByWhateverThreadComesFirst) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) threads.emplace_back([] { EXPECT_EQ(worker_state<counted>().value, 7); });
  for (auto& t : threads) t.join();
  EXPECT_EQ(counted::made, 1);
}

struct table {
  explicit table(int n) : size(n) {}
  int size;
};

TEST(WorkerState, ComesFromTheFirstMakerOfItsType) {
  EXPECT_EQ(worker_state<table>([] { return table(3); }).size, 3);
  const int captured = 4;
  EXPECT_EQ(worker_state<table>([captured] { return table(captured); }).size, 3);
}

TEST(WorkerState, IsTheSameObjectAtEveryCall) {
  struct text {
    std::string value;
  };
  worker_state<text>().value = "kept";
  EXPECT_EQ(worker_state<text>().value, "kept");
  EXPECT_EQ(worker_state<text>([] { return text{"another"}; }).value, "kept");
}

TEST(WorkerState, TakesAMakerThatCanOnlyBeRead) {
  struct number {
    int value;
  };
  const auto make = [] { return number{5}; };
  EXPECT_EQ(worker_state<number>(make).value, 5);
}

// In a process of its own: in this one a repetition would find the object made.
[[noreturn]] void make_after_a_failure() {
  struct fragile {
    int value;
  };
  try {
    worker_state<fragile>([]() -> fragile { throw std::runtime_error("not now"); });
  } catch (const std::runtime_error&) {
    std::_Exit(worker_state<fragile>([] { return fragile{5}; }).value);
  }
  std::_Exit(1);
}

TEST(WorkerStateDeathTest, IsTriedAgainAfterItsMakerThrew) {
  EXPECT_EXIT(make_after_a_failure(), ::testing::ExitedWithCode(5), "");
}

struct fixed {
  fixed() = default;
  fixed(const fixed&) = delete;
  fixed& operator=(const fixed&) = delete;
};

TEST(WorkerState, MayBeOfATypeThatCanNeitherBeCopiedNorMoved) {
  EXPECT_EQ(&worker_state<fixed>([] { return fixed(); }), &worker_state<fixed>());
}

}  // namespace
}  // namespace pp
