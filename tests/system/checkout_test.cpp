// One worker for one caller alone, jobs on every worker, and data that lies in workers: on a node and on local workers.
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <iostream>
#include <mutex>
#include <numeric>
#include <optional>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/system/checkout_jobs.hpp"
#include "tests/system/on_node_or_local.hpp"

namespace pp::test {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

class CheckOut : public on_node_or_local {
 protected:
  std::string file(const std::string& name) const { return (c.directory() / name).string(); }
  bool is_there(const std::string& name) const { return access(file(name).c_str(), F_OK) == 0; }
  void touch(const std::string& name) const { std::ofstream(file(name)) << "x"; }
  std::set<int> processes_of(int jobs) {
    std::vector<pp::future<int>> all;
    for (int i = 0; i < jobs; ++i) all.push_back(client->submit(process));
    std::set<int> pids;
    for (auto& job : all) pids.insert(job.get());
    return pids;
  }
};

TEST_P(CheckOut, RunsEveryJobInThatProcessInOrder) {
  start(2);
  auto w = client->checkout(generous);
  EXPECT_TRUE(w.valid());
  EXPECT_EQ(w.node(), GetParam() ? "node-a" : "local");
  std::vector<pp::future<int>> counted;
  for (int i = 0; i < 100; ++i) counted.push_back(w.submit(count_up));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(counted[i].get(), i + 1);
  EXPECT_EQ(w.submit(process).get(), w.pid());
  EXPECT_EQ(w.submit({.timeout = 60s, .label = "named"}, process).get(), w.pid());
  auto thrown = w.submit(throw_something);
  EXPECT_EQ(code_of(thrown), errc::job_threw);
  EXPECT_TRUE(w.valid()) << "an exception costs nothing";
}

TEST_P(CheckOut, KeepsJobsOfOthersOut) {
  start(2);
  auto w = client->checkout(generous);
  EXPECT_EQ(processes_of(200).count(w.pid()), 0U);
  const int held = w.pid();
  w.check_in();
  EXPECT_FALSE(w.valid());
  EXPECT_THROW(static_cast<void>(w.submit(process)), pp::error);
  // Free again, and the same process: somebody gets it.
  EXPECT_TRUE(wait_until([&] { return processes_of(20).count(held) == 1; }));
}

TEST_P(CheckOut, LetsOrdinaryJobsWaitWhereAllWorkersAreCheckedOut) {
  start(1);
  auto w = client->checkout(generous);
  auto other = client->submit(process);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(w.submit(process).get(), w.pid());
  EXPECT_FALSE(other.ready());
  w.check_in();
  EXPECT_GT(other.get(), 0);
}

TEST_P(CheckOut, ServesTenCallersOnTwoWorkersInTheirOrder) {
  start(2);
  std::optional<checked_out> a = client->checkout(generous), b = client->checkout(generous);
  EXPECT_NE(a->pid(), b->pid());
  std::mutex lock;
  std::vector<int> served;
  std::vector<std::thread> callers;
  for (int i = 0; i < 10; ++i) {
    const auto before = client->stats().submitted;
    callers.emplace_back([&, i] {
      auto w = client->checkout(generous);
      const std::lock_guard guard(lock);
      served.push_back(i);
    });
    // The next one asks when this one stands in the queue.
    ASSERT_TRUE(wait_until([&] { return client->stats().submitted > before; }));
  }
  // One worker only, so that two grants cannot overtake each other on their way.
  a.reset();
  for (auto& t : callers) t.join();
  std::vector<int> asked(10);
  std::iota(asked.begin(), asked.end(), 0);
  EXPECT_EQ(served, asked);
}

TEST_P(CheckOut, SaysWhenNoneBecameFreeWithinTheLimit) {
  start(1);
  auto w = client->checkout(generous);
  try {
    auto second = client->checkout(50ms);
    ADD_FAILURE() << "the one worker was given twice";
  } catch (const pp::error& e) {
    EXPECT_EQ(e.code(), errc::overloaded);
    EXPECT_THAT(e.what(), AllOf(HasSubstr("1 workers"), HasSubstr("50 ms")));
  }
  // Who gave up stands in nobody's way.
  const int pid = w.pid();
  w.check_in();
  EXPECT_EQ(client->checkout(generous).pid(), pid);
}

TEST_P(CheckOut, FinishesWhatWasSubmittedBeforeTheWorkerIsGivenBack) {
  start(1);
  auto w = client->checkout(generous);
  auto blocked = w.submit(wait_for_file, file("go"));
  std::vector<pp::future<int>> more;
  for (int i = 0; i < 100; ++i) more.push_back(w.submit(count_up));
  w.check_in();
  auto other = client->submit(count_up);
  touch("go");
  blocked.get();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(more[i].get(), i + 1);
  EXPECT_EQ(other.get(), 101);
}

TEST_P(CheckOut, FailsWithItsProcessAndRunsNothingElsewhere) {
  start(2);
  auto w = client->checkout(generous);
  auto running = w.submit(begin_and_wait, file("began"), file("never"));
  ASSERT_TRUE(wait_until([&] { return is_there("began"); }));
  std::vector<pp::future<int>> queued;
  for (int i = 0; i < 100; ++i) queued.push_back(w.submit(count_up));
  auto elsewhere = client->checkout(generous);
  ASSERT_EQ(::kill(w.pid(), SIGKILL), 0);
  std::string text;
  EXPECT_EQ(code_of(running, &text), errc::worker_crashed);
  EXPECT_THAT(text, HasSubstr("signal 9"));
  for (auto& job : queued) {
    EXPECT_EQ(code_of(job, &text), errc::worker_crashed);
    EXPECT_THAT(text, HasSubstr("checked out"));
  }
  EXPECT_TRUE(wait_until([&] { return !w.valid(); }));
  auto later = w.submit(count_up);
  EXPECT_EQ(code_of(later, &text), errc::worker_crashed);
  EXPECT_THAT(text, HasSubstr("check out another one"));
  EXPECT_EQ(elsewhere.submit(count_up).get(), 1) << "none of them ran there";
  // As many workers as before.
  auto again = client->checkout(generous);
  EXPECT_NE(again.pid(), w.pid());
}

TEST_P(CheckOut, TellsOfAnIdleProcessThatDied) {
  start(1);
  auto w = client->checkout(generous);
  ASSERT_EQ(::kill(w.pid(), SIGKILL), 0);
  EXPECT_TRUE(wait_until([&] { return !w.valid(); }));
  auto next = client->checkout(generous);
  EXPECT_NE(next.pid(), w.pid());
  EXPECT_EQ(next.submit(count_up).get(), 1);
}

TEST_P(CheckOut, EndsWithAJobThatIsCancelledOrTooLong) {
  start(1);
  auto w = client->checkout(generous);
  auto late = w.submit({.timeout = 20ms}, wait_for_file, file("never"));
  EXPECT_EQ(code_of(late), errc::timed_out);
  EXPECT_TRUE(wait_until([&] { return !w.valid(); }));
  auto next = client->checkout(generous);
  auto running = next.submit(begin_and_wait, file("began"), file("never"));
  ASSERT_TRUE(wait_until([&] { return is_there("began"); }));
  running.cancel();
  EXPECT_EQ(code_of(running), errc::cancelled);
  EXPECT_GT(client->submit(process).get(), 0);
}

TEST_P(CheckOut, AKilledIdleWorkerIsReplaced) {
  start(2);
  int idle = 0;
  {
    auto a = client->checkout(generous), b = client->checkout(generous);
    idle = a.pid();
  }
  ASSERT_EQ(::kill(idle, SIGKILL), 0);
  EXPECT_TRUE(wait_until([&] { return ::kill(idle, 0) != 0; }));
  auto a = client->checkout(generous), b = client->checkout(generous);
  EXPECT_NE(a.pid(), b.pid());
  EXPECT_EQ(a.submit(process).get(), a.pid());
  EXPECT_EQ(b.submit(process).get(), b.pid());
}

TEST_P(CheckOut, OfManyTurnsLeavesTheWorkersAsTheyWere) {
  start(2);
  for (int i = 0; i < 200; ++i) {
    auto w = client->checkout(generous);
    EXPECT_EQ(w.submit(process).get(), w.pid());
  }
  EXPECT_LE(processes_of(50).size(), 2U);
  EXPECT_EQ(client->stats().in_flight, 0U);
}

TEST_P(CheckOut, EveryWorkerRunsOneJob) {
  start(2);
  for (int round = 0; round < 20; ++round) {
    auto jobs = client->broadcast(every_worker, process);
    ASSERT_EQ(jobs.size(), 2U);
    std::set<int> pids;
    for (auto& [name, job] : jobs) pids.insert(job.get());
    EXPECT_EQ(pids.size(), 2U);
  }
}

int add_up(std::vector<int>& part) { return std::accumulate(part.begin(), part.end(), 0); }
void multiply(std::vector<int>& part, int by) {
  for (auto& item : part) item *= by;
}

TEST_P(CheckOut, ScatteredDataLiesWhereItIsUsed) {
  start(2);
  std::vector<int> all(1000000);
  std::iota(all.begin(), all.end(), 0);
  auto parts = client->scatter(all);
  ASSERT_EQ(parts.size(), 2U);
  EXPECT_EQ(parts.apply([](const std::vector<int>& part) { return part.size(); }),
            (std::vector<std::size_t>{500000, 500000}));
  EXPECT_EQ(parts.gather(), all);
  parts.apply(multiply, 2);
  for (auto& item : all) item *= 2;
  EXPECT_EQ(parts.gather(), all);
  EXPECT_EQ(parts.part(0).submit(process).get(), parts.part(0).pid());
}

TEST_P(CheckOut, ScatterTakesUnevenParts) {
  start(2);
  {
    auto parts = client->scatter(std::vector<int>{1, 2, 3});
    EXPECT_EQ(parts.apply(add_up), (std::vector<int>{3, 3}));
  }
  auto one = client->scatter(std::vector<std::string>{"a", "b"}, 1);
  EXPECT_EQ(one.gather(), (std::vector<std::string>{"a", "b"}));
  EXPECT_THROW(client->scatter(std::vector<int>{1}, 2, 50ms), pp::error) << "only one is left";
}

TEST_P(CheckOut, ALostPartIsSaidToBeLost) {
  start(2);
  auto parts = client->scatter(std::vector<int>{1, 2, 3, 4});
  ASSERT_EQ(::kill(parts.part(1).pid(), SIGKILL), 0);
  try {
    parts.gather();
    ADD_FAILURE() << "a part that is gone was gathered";
  } catch (const pp::error& e) {
    EXPECT_EQ(e.code(), errc::worker_crashed);
  }
}

INSTANTIATE_TEST_SUITE_P(Where, CheckOut, ::testing::Bool(), name_of_place);

}  // namespace
}  // namespace pp::test
