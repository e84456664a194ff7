// What happens when a job is done: callbacks, coroutines, and the end of a client while there are some.
#include <atomic>
#include <coroutine>
#include <fstream>
#include <future>
#include <numeric>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/asio.hpp"
#include "pp/asio.hpp"
#include "tests/support/cluster.hpp"
#include "tests/support/wait.hpp"

namespace pp::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

int square(int n) { return n * n; }
int wait_for_file(const std::string& file) {
  return wait_until([&] { return std::filesystem::exists(file); }) ? 1 : 0;
}
int complain(int n) { throw std::runtime_error("no " + std::to_string(n)); }
void do_nothing() {}

/// A client with two local workers and no nodes.
class Futures : public ::testing::Test {
 protected:
  Futures() { options_.discovery = false, options_.local = 2; }
  pp::client& client() {
    if (!client_) client_ = std::make_unique<pp::client>(options_);
    return *client_;
  }
  std::string file(const std::string& name) const { return (cluster_.directory() / name).string(); }
  void make_file(const std::string& name) const { std::ofstream(file(name)) << "x"; }

  const cluster cluster_;
  pp::options options_ = cluster_.client_options();
  std::unique_ptr<pp::client> client_;
};

TEST_F(Futures, ThenGetsTheValueOnceOnAThreadOfItsOwn) {
  std::promise<std::pair<int, std::thread::id>> told;
  client().submit(square, 12).then([&](pp::future<int> done) {
    EXPECT_TRUE(done.ready());
    told.set_value({done.get(), std::this_thread::get_id()});
  });
  const auto [value, where] = told.get_future().get();
  EXPECT_EQ(value, 144);
  EXPECT_NE(where, std::this_thread::get_id());
}

TEST_F(Futures, ThenGetsTheErrorToo) {
  std::promise<std::string> told;
  client().submit(complain, 7).then([&](pp::future<int> done) {
    try {
      done.get();
    } catch (const pp::job_error& e) {
      told.set_value(e.what());
    }
  });
  EXPECT_THAT(told.get_future().get(), HasSubstr("no 7"));
}

TEST_F(Futures, OnDoneLeavesTheFutureAndRunsAlsoIfThatIsGivenUp) {
  std::atomic<int> called{0};
  auto job = client().submit(square, 3);
  job.on_done([&] { ++called; });
  job.on_done([&] { ++called; });
  EXPECT_EQ(job.get(), 9);
  auto other = client().submit(wait_for_file, file("go"));
  other.on_done([&] { ++called; });
  other = {};
  make_file("go");
  client().wait();
  EXPECT_EQ(called, 3);
}

TEST_F(Futures, CallbacksRunOneAtATimeAndMaySubmit) {
  constexpr int count = 500;
  std::int64_t sum = 0;  // without a lock: there is one callback thread
  for (int i = 0; i < count; ++i) {
    client().submit(square, i).then([&](pp::future<int> done) {
      client().submit(square, done.get() % 10).then([&](pp::future<int> next) { sum += next.get(); });
    });
  }
  client().wait();  // also for the jobs that callbacks submit, and for their callbacks
  std::int64_t expected = 0;
  for (int i = 0; i < count; ++i) expected += (i * i % 10) * (i * i % 10);
  EXPECT_EQ(sum, expected);
}

TEST_F(Futures, ACallbackThatThrowsIsReportedAndNothingRunsAgain) {
  std::atomic<int> told{0};
  std::string text;
  options_.on_callback_error = [&](const std::exception_ptr& e) {
    try {
      std::rethrow_exception(e);
    } catch (const std::exception& what) {
      text = what.what();
    }
    ++told;
  };
  auto job = client().submit(square, 5);
  job.on_done([] { throw std::runtime_error("the callback broke"); });
  EXPECT_EQ(job.get(), 25);
  client().wait();
  EXPECT_EQ(told, 1);
  EXPECT_EQ(text, "the callback broke");
  const auto stats = client().stats();
  EXPECT_EQ(stats.callback_errors, 1U);
  EXPECT_EQ(stats.submitted, 1U);
  EXPECT_EQ(stats.done, 1U);
}

TEST_F(Futures, CloseRunsTheCallbacksOfWhatIsNotDone) {
  std::atomic<int> closed{0};
  for (int i = 0; i < 10; ++i) {
    client().submit(wait_for_file, file("never")).then([&](pp::future<int> done) {
      try {
        done.get();
      } catch (const pp::error& e) {
        if (e.code() == errc::closed) ++closed;
      }
    });
  }
  client().close();
  EXPECT_EQ(closed, 10);
}

TEST_F(Futures, ACallbackRegisteredAfterTheEndIsRunByTheCaller) {
  auto job = client().submit(square, 4);
  job.wait();
  client_.reset();
  int value = 0;
  std::move(job).then([&](pp::future<int> done) { value = done.get(); });
  EXPECT_EQ(value, 16);
}

TEST_F(Futures, ACallbackMayCloseItsClientOrDestroyIt) {
  std::atomic<int> ran{0};
  client().submit(square, 2).then([&](const pp::future<int>&) {
    client().close();
    ++ran;
  });
  client().submit(square, 2).then([&](const pp::future<int>&) { ++ran; });
  EXPECT_TRUE(wait_until([&] { return ran == 2; }));
  auto* const doomed = new pp::client(options_);
  auto job = doomed->submit(square, 2);
  job.on_done([doomed, &ran] {
    delete doomed;
    ++ran;
  });
  EXPECT_TRUE(wait_until([&] { return ran == 3; }));
  EXPECT_EQ(job.get(), 4);
}

// --- coroutines ------------------------------------------------------------------------------------------------------

/// The least that a coroutine needs: it begins at once and tells its end through a promise.
struct coroutine {
  struct promise_type {
    coroutine get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { throw; }
  };
  std::coroutine_handle<> frame;  ///< destroys itself at its end, unless an exception leaves it
};

coroutine add_two_jobs(pp::client& client, std::promise<int>& told) {
  auto first = client.submit(square, 3);
  const int a = co_await first;
  const int b = co_await client.submit(square, 4);
  co_await client.submit(do_nothing);
  told.set_value(a + b);
}

coroutine catch_an_error(pp::client& client, std::promise<std::string>& told) {
  try {
    co_await client.submit(complain, 1);
  } catch (const pp::job_error& e) {
    told.set_value(e.what());
  }
}

coroutine go_on_in_loop(pp::client& client, net::io_context& loop, std::vector<std::thread::id>& places, int& sum) {
  const auto post = [&loop](auto go_on) { net::post(loop, std::move(go_on)); };
  auto first = client.submit(square, 5);
  first.wait();
  sum += co_await first.on(post);
  places.push_back(std::this_thread::get_id());
  sum += co_await client.submit(square, 6).on(post);
  places.push_back(std::this_thread::get_id());
  std::vector<pp::future<int>> jobs;
  for (int i = 0; i < 3; ++i) jobs.push_back(client.submit(square, i));
  const auto values = co_await pp::when_all(std::move(jobs)).on(post);
  places.push_back(std::this_thread::get_id());
  sum += std::accumulate(values.begin(), values.end(), 0);
}

coroutine throw_out(pp::client& client) {
  co_await client.submit(do_nothing);
  throw std::runtime_error("out of the coroutine");
}

net::awaitable<int> add_in_asio(pp::client& client) {
  auto first = co_await pp::async_wait(client.submit(square, 7), net::use_awaitable);
  auto second = co_await pp::async_wait(client.submit(complain, 8), net::use_awaitable);
  EXPECT_THROW(second.get(), pp::job_error);
  co_return first.get();
}

TEST_F(Futures, ACoroutineAwaitsJobs) {
  std::promise<int> sum;
  add_two_jobs(client(), sum);
  EXPECT_EQ(sum.get_future().get(), 25);
  std::promise<std::string> text;
  catch_an_error(client(), text);
  EXPECT_THAT(text.get_future().get(), HasSubstr("no 1"));
}

TEST_F(Futures, ACoroutineGoesOnWhereItIsTold) {
  net::io_context loop;
  auto work = net::asio::make_work_guard(loop);
  std::vector<std::thread::id> places;
  int sum = 0;
  go_on_in_loop(client(), loop, places, sum);
  ASSERT_TRUE(wait_until([&] { return loop.run_one_for(10ms), places.size() == 3; }));
  EXPECT_THAT(places, ::testing::Each(std::this_thread::get_id()));
  EXPECT_EQ(sum, 25 + 36 + 5);
  client().close();  // its callback thread may still be leaving the loop's post()
}

TEST_F(Futures, WhatLeavesACoroutineIsReported) {
  const auto thrown = throw_out(client());
  client().wait();
  EXPECT_EQ(client().stats().callback_errors, 1U);
  ASSERT_TRUE(thrown.frame.done());
  thrown.frame.destroy();
}

TEST_F(Futures, AnAsioCoroutineAwaitsJobsInItsOwnLoop) {
  net::io_context loop;
  int value = 0;
  net::asio::co_spawn(loop, add_in_asio(client()), [&](const std::exception_ptr& e, int sum) {
    if (e) std::rethrow_exception(e);
    value = sum;
  });
  loop.run();  // ends by itself: nothing else keeps it
  EXPECT_EQ(value, 49);
  client().close();  // as above
}

}  // namespace
}  // namespace pp::test
