// Watchers of records and the callback thread: told once each, whatever races with what.
#include <atomic>
#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>

#include "base/spin.hpp"
#include "pp/futures.hpp"
#include "ppclient/record.hpp"

namespace pp::detail {
namespace {

constexpr std::size_t plenty = std::size_t{1} << 30U;

/// Stands in for the I/O thread: completes whatever is submitted until told to stop.
class completer {
 public:
  explicit completer(callback_queue::handler on_error = {})
      : pool(std::make_shared<record_pool>(
            plenty, spin_budget::full_by_default, [] {}, std::move(on_error))),
        thread_([this] { run(); }) {}
  ~completer() {
    stop();
    pool->callbacks()->finish();
  }
  void stop() {
    if (!stop_.exchange(true)) thread_.join();
  }
  job_handle submit() {
    job_record* const record = pool->take_draft();
    record->run_us = 7;
    pool->submit(record);
    return {pool, record};
  }
  const std::shared_ptr<record_pool> pool;

 private:
  void run() {
    std::vector<job_record*> fresh;
    std::vector<std::uint64_t> cancelled;
    for (bool is_last = false; !is_last;) {
      is_last = stop_;
      pool->collect(fresh, cancelled);
      for (auto* r : fresh) pool->complete(r);
      pool->wake_waiters();
      if (fresh.empty()) std::this_thread::yield();
    }
  }
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

struct counting final : watcher {
  void on_done(const ending& how) noexcept override {
    tags += how.tag;
    run_us += static_cast<std::size_t>(how.run_time.count());
    ++told;  // last: others wait for it
  }
  std::atomic<std::size_t> told{0}, tags{0}, run_us{0};
};

TEST(Watch, IsToldAtOnceWhereTheJobIsDone) {
  completer io;
  const auto job = io.submit();
  job.wait();
  const auto who = std::make_shared<counting>();
  job.watch(who, 3);
  EXPECT_EQ(who->told, 1U);
  EXPECT_EQ(who->tags, 3U);
  EXPECT_EQ(who->run_us, 7U);
}

TEST(Watch, IsToldOnceForEachOfManyJobsThatEndMeanwhile) {
  completer io;
  constexpr std::size_t count = 20'000;
  const auto who = std::make_shared<counting>();
  std::vector<job_handle> jobs;
  for (std::size_t i = 0; i < count; ++i) {
    jobs.push_back(io.submit());
    jobs.back().watch(who, 1);
    if (i % 2 == 0) jobs.back().watch(who, 1);
  }
  for (const auto& j : jobs) j.wait();
  io.stop();
  EXPECT_EQ(who->told, count + count / 2);
}

TEST(Watch, IsToldWhenTheFutureWasGivenUp) {
  completer io;
  constexpr std::size_t count = 5'000;
  const auto who = std::make_shared<counting>();
  for (std::size_t i = 0; i < count; ++i) io.submit().watch(who, 0);
  io.stop();
  EXPECT_EQ(who->told, count);
  EXPECT_EQ(io.pool->pending_bytes(), 0U);
}

// The record of a job that is taken at once goes to the next job while its watchers are still being told.
TEST(Watch, OfOneJobIsNotToldAboutTheNextInTheSameRecord) {
  completer io;
  for (std::size_t i = 0; i < 5'000; ++i) {
    const auto who = std::make_shared<counting>();
    auto job = io.submit();
    job.watch(who, i + 1);
    job.wait();
    job = io.submit();
    const auto next = std::make_shared<counting>();
    job.watch(next, i + 2);
    job.wait();
    job = {};
    while (who->told == 0 || next->told == 0) std::this_thread::yield();
    ASSERT_EQ(who->tags, i + 1);
    ASSERT_EQ(next->tags, i + 2);
  }
}

TEST(Watch, ThatWasTakenBackIsNotTold) {
  record_pool pool(plenty, duration(0), [] {});
  job_record* const record = pool.take_draft();
  pool.submit(record);
  const auto stays = std::make_shared<counting>(), goes = std::make_shared<counting>();
  pool.watch(*record, stays, 1);
  pool.watch(*record, goes, 1);
  pool.unwatch(*record, *goes);
  std::vector<job_record*> fresh;
  std::vector<std::uint64_t> cancelled;
  pool.collect(fresh, cancelled);
  pool.complete(record);
  EXPECT_EQ(stays->told, 1U);
  EXPECT_EQ(goes->told, 0U);
  pool.release(record);
}

TEST(Watch, AnyOfManyIsFoundAndTheOthersAreLeftAlone) {
  completer io;
  std::vector<job_handle> jobs;
  std::vector<const job_handle*> pointers;
  for (int i = 0; i < 100; ++i) jobs.push_back(io.submit());
  for (const auto& j : jobs) pointers.push_back(&j);
  const auto first = wait_for_any(pointers, std::nullopt);
  ASSERT_LT(first, jobs.size());
  EXPECT_TRUE(jobs[first].ready());
  EXPECT_EQ(wait_for_any({}, std::nullopt), 0U);
}

TEST(Callbacks, RunInOrderOnOneThread) {
  const auto queue = std::make_shared<callback_queue>();
  queue->start();
  std::vector<int> seen;
  std::thread::id where;
  for (int i = 0; i < 1000; ++i) {
    queue->push(defer([&seen, &where, i] {
      seen.push_back(i);
      where = std::this_thread::get_id();
    }));
  }
  queue->finish();
  ASSERT_EQ(seen.size(), 1000U);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(seen[static_cast<std::size_t>(i)], i);
  EXPECT_NE(where, std::this_thread::get_id());
}

TEST(Callbacks, RunAtOnceAfterTheEnd) {
  const auto queue = std::make_shared<callback_queue>();
  queue->start();
  queue->finish();
  bool ran = false;
  queue->push(defer([&] { ran = true; }));
  EXPECT_TRUE(ran);
}

TEST(Callbacks, FlushWaitsForWhatWasPushedBefore) {
  const auto queue = std::make_shared<callback_queue>();
  EXPECT_TRUE(queue->flush(std::nullopt)) << "nothing was ever pushed";
  queue->start();
  std::atomic<bool> may_end{false};
  queue->push(defer([&] {
    while (!may_end) std::this_thread::yield();
  }));
  EXPECT_FALSE(queue->flush(now()));
  may_end = true;
  EXPECT_TRUE(queue->flush(std::nullopt));
  queue->finish();
}

TEST(Callbacks, AnExceptionIsCountedAndHandedOver) {
  std::string text;
  const auto queue = std::make_shared<callback_queue>([&](std::exception_ptr e) {
    try {
      std::rethrow_exception(e);
    } catch (const std::exception& what) {
      text = what.what();
    }
    throw std::runtime_error("the handler too");
  });
  queue->start();
  bool ran = false;
  queue->push(defer([] { throw std::runtime_error("a callback threw"); }));
  queue->push(defer([&] { ran = true; }));
  queue->finish();
  EXPECT_EQ(text, "a callback threw");
  EXPECT_TRUE(ran);
  EXPECT_EQ(queue->errors(), 1U);
}

TEST(Callbacks, MayEndTheirOwnThread) {
  auto queue = std::make_shared<callback_queue>();
  queue->start();
  std::atomic<int> ran{0};
  // What is pushed behind it is not lost, and the last owner may be the callback itself.
  queue->push(defer([&, own = queue]() mutable {
    own->finish();
    own.reset();
    ++ran;
  }));
  queue->push(defer([&] { ++ran; }));
  queue.reset();
  while (ran < 2) std::this_thread::yield();
}

// The call owns the job, the job its pool, the pool the call.
TEST(Callbacks, ThatOwnTheirJobRunAndLetGo) {
  std::weak_ptr<record_pool> pool;
  std::atomic<int> ran{0};
  {
    completer io;
    pool = io.pool;
    for (int i = 0; i < 1000; ++i) {
      future<void> job(io.submit());
      std::move(job).then([&](future<void> done) {
        EXPECT_TRUE(done.ready());
        ++ran;
      });
    }
  }
  EXPECT_EQ(ran, 1000);
  EXPECT_TRUE(pool.expired());
}

}  // namespace
}  // namespace pp::detail
