#include "ppclient/record.hpp"

#include <future>
#include <thread>

#include <gtest/gtest.h>

#include "base/spin.hpp"

namespace pp::detail {
namespace {

std::vector<std::uint64_t> cancelled;  ///< of the last collect(); one thread at a time

constexpr std::size_t plenty = std::size_t{1} << 30U;

/// Stands in for the I/O thread: completes whatever is submitted until told to stop.
class completer {
 public:
  completer()
      : pool(plenty, spin_budget::full_by_default, [this] { wakes.fetch_add(1); }), thread_([this] { run(); }) {}
  ~completer() {
    stop_ = true;
    thread_.join();
  }
  record_pool pool;
  std::atomic<std::size_t> completed{0};
  std::atomic<std::size_t> wakes{0};

 private:
  void run() {
    std::vector<job_record*> fresh;
    while (!stop_ || !fresh.empty()) {
      pool.collect(fresh, cancelled);
      for (auto* r : fresh) {
        ++completed;
        pool.complete(r);
      }
      pool.wake_waiters();
      if (fresh.empty()) std::this_thread::yield();
    }
  }
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

TEST(RecordPool, AnIdIsNeverUsedTwiceForOneSlot) {
  record_pool pool(plenty, duration(0), [] {});
  auto* first = pool.take_draft();
  const auto id = first->id();
  pool.give_back(first);
  auto* second = pool.take_draft();
  EXPECT_EQ(first, second);
  EXPECT_NE(id, second->id());
  EXPECT_NE(second->id() >> 32U, 0U) << "job 0 is the channel itself";
  pool.give_back(second);
}

// A queued job may take 200 bytes of the client in all (bench/p7_memory), tables and the future included.
TEST(RecordPool, ARecordStaysSmall) { EXPECT_LE(sizeof(job_record), 136U); }

TEST(RecordPool, WaitsUntilTheJobIsDone) {
  completer io;
  for (int i = 0; i < 1000; ++i) {
    auto* r = io.pool.take_draft();
    r->data.append("x", 1);
    io.pool.submit(r);
    EXPECT_TRUE(io.pool.wait(*r, -1));
    EXPECT_EQ(r->data.size(), 1U);
    io.pool.release(r);
  }
  EXPECT_EQ(io.pool.pending_bytes(), 0U);
}

TEST(RecordPool, WaitWithALimitGivesUp) {
  record_pool pool(plenty, duration(0), [] {});
  auto* r = pool.take_draft();
  pool.submit(r);
  EXPECT_FALSE(pool.wait(*r, 1'000'000));
  std::vector<job_record*> fresh;
  pool.collect(fresh, cancelled);
  pool.complete(r);
  EXPECT_TRUE(pool.wait(*r, 0));
  pool.release(r);
}

TEST(RecordPool, AnAbandonedJobFreesItsRecordWhenItIsDone) {
  record_pool pool(plenty, duration(0), [] {});
  auto* r = pool.take_draft();
  pool.submit(r);
  pool.release(r);
  std::vector<job_record*> fresh;
  pool.collect(fresh, cancelled);
  ASSERT_EQ(fresh.size(), 1U);
  pool.complete(r);
  EXPECT_EQ(pool.take_draft(), r);
  pool.give_back(r);
}

TEST(RecordPool, ManyThreadsSubmitAndWaitAtOnce) {
  completer io;
  constexpr int threads = 4, jobs = 5000;
  std::vector<std::thread> callers;
  for (int t = 0; t < threads; ++t) {
    callers.emplace_back([&, t] {
      for (int i = 0; i < jobs; ++i) {
        auto* r = io.pool.take_draft();
        io.pool.submit(r);
        if ((i + t) % 3 != 0) io.pool.wait(*r, -1);
        io.pool.release(r);
      }
    });
  }
  for (auto& c : callers) c.join();
  while (io.completed < threads * jobs) std::this_thread::yield();
  EXPECT_LE(io.wakes, io.completed);
}

TEST(RecordPool, SubmittersBlockWhileTooMuchIsPending) {
  record_pool pool(4096, duration(0), [] {});
  auto* big = pool.take_draft();
  const std::string much(8192, 'x');
  big->data.append(much.data(), much.size());
  pool.submit(big);
  EXPECT_GT(pool.pending_bytes(), 4096U);
  auto other = std::async(std::launch::async, [&] {
    auto* r = pool.take_draft();
    pool.give_back(r);
    return true;
  });
  // It cannot finish before there is room; that it does then is what counts.
  std::vector<job_record*> fresh;
  pool.collect(fresh, cancelled);
  pool.complete(big);
  EXPECT_TRUE(other.get());
  pool.release(big);
}

TEST(RecordPool, AClosedPoolRefusesAndUnblocks) {
  record_pool pool(1, duration(0), [] {});
  auto* first = pool.take_draft();
  pool.submit(first);
  auto blocked = std::async(std::launch::async, [&] {
    EXPECT_THROW(pool.take_draft(), error);
    return true;
  });
  pool.close();
  EXPECT_TRUE(blocked.get());
  EXPECT_THROW(pool.take_draft(), error);
  std::vector<job_record*> fresh;
  pool.collect(fresh, cancelled);
  pool.complete(first);
  pool.release(first);
}

TEST(RecordPool, WakesTheIoThreadOnceForEachSleep) {
  int wakes = 0;
  record_pool pool(plenty, duration(0), [&] { ++wakes; });
  std::vector<job_record*> all, fresh;
  const auto submit = [&] { pool.submit(all.emplace_back(pool.take_draft())); };
  submit();
  EXPECT_EQ(wakes, 0) << "it is awake and will look";
  EXPECT_TRUE(pool.has_submitted());
  EXPECT_FALSE(pool.arm()) << "it must not sleep with work waiting";
  pool.collect(fresh, cancelled);
  EXPECT_FALSE(pool.has_submitted());
  EXPECT_TRUE(pool.arm());
  submit();
  submit();
  EXPECT_EQ(wakes, 1);
  pool.disarm();
  submit();
  EXPECT_EQ(wakes, 1);
  for (auto* r : all) {
    pool.complete(r);
    pool.release(r);
  }
}

TEST(RecordPool, LargeArgumentsAreSharedInsteadOfCopied) {
  record_pool pool(plenty, duration(0), [] {});
  auto* r = pool.take_draft();
  const std::string much(record_pool::large_bytes + 1, 'x');
  r->data.append(much.data(), much.size());
  const auto* where = r->data.data();
  pool.submit(r);
  ASSERT_TRUE(r->large_arguments());
  EXPECT_EQ(r->arguments().data(), where);
  EXPECT_EQ(r->arguments().size(), much.size());
  std::vector<job_record*> fresh;
  pool.collect(fresh, cancelled);
  pool.complete(r);
  pool.release(r);
}

}  // namespace
}  // namespace pp::detail
