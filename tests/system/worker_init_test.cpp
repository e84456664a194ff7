// options::worker_init in real workers: before the first job of this client, once in each process, on nodes and here.
#include <signal.h>
#include <unistd.h>

#include <map>
#include <stdexcept>

#include <gtest/gtest.h>

#include "tests/support/cluster.hpp"

namespace pp::test {
namespace {

using namespace std::chrono_literals;

int runs = 0, runs_of_second = 0;
std::pair<int, int> see(int) { return {getpid(), runs}; }
int see_second() { return runs_of_second; }
void die() { kill(getpid(), SIGKILL); }
void fail_once() {
  if (++runs == 1) throw std::runtime_error("the table is not there yet");
}

class WorkerInit : public ::testing::TestWithParam<bool> {
 protected:
  pp::options options_for(unsigned workers) {
    auto o = cluster_.client_options();
    if (GetParam()) {
      if (!node_) node_ = cluster_.start_node("node-a", workers);
    } else {
      o.discovery = false;
      o.local = static_cast<int>(workers);
    }
    return o;
  }
  cluster cluster_;
  std::unique_ptr<node> node_;
};

TEST_P(WorkerInit, RunsOnceInEachWorkerBeforeItsFirstJob) {
  auto o = options_for(2);
  o.worker_init = [] { ++runs; };
  pp::client client(o);
  ASSERT_TRUE(has_nodes(client, 1));
  std::map<int, int> seen;
  std::vector<pp::future<std::pair<int, int>>> jobs;
  for (int i = 0; i < 100; ++i) jobs.push_back(client.submit(see, i));
  for (auto& job : jobs) {
    const auto [pid, count] = job.get();
    EXPECT_EQ(count, 1);
    ++seen[pid];
  }
  EXPECT_LE(seen.size(), 2U);
  EXPECT_EQ(seen.count(getpid()), 0U);
  EXPECT_EQ(client.submit({.label = "with terms of its own"}, see, 1).get().second, 1);
  for (const auto& [pid, count] : client.map(see, std::vector<int>(50))) EXPECT_EQ(count, 1);
  EXPECT_EQ(runs, 0);  // never in this process
}

TEST_P(WorkerInit, RunsAgainInTheWorkerThatReplacesADeadOne) {
  auto o = options_for(1);
  o.worker_init = [] { ++runs; };
  pp::client client(o);
  ASSERT_TRUE(has_nodes(client, 1));
  const auto before = client.submit(see, 0).get();
  EXPECT_THROW(client.submit({.attempts = 1}, die).get(), pp::error);
  const auto after = client.submit(see, 0).get();
  EXPECT_NE(after.first, before.first);
  EXPECT_EQ(after.second, 1);
}

TEST_P(WorkerInit, FailsTheJobWithItsExceptionAndIsTriedByTheNext) {
  auto o = options_for(1);
  o.worker_init = fail_once;
  pp::client client(o);
  ASSERT_TRUE(has_nodes(client, 1));
  try {
    client.submit(see, 0).get();
    FAIL();
  } catch (const pp::job_error& e) {
    EXPECT_EQ(e.code(), errc::job_threw);
    EXPECT_NE(std::string(e.what()).find("options::worker_init threw: the table is not there yet"), std::string::npos)
        << e.what();
  }
  EXPECT_EQ(client.submit(see, 0).get().second, 2);
  EXPECT_EQ(client.submit(see, 0).get().second, 2);
}

TEST(WorkerInitOfTwoClients, RunsInTheWorkersThatTheyShare) {
  const cluster here;
  const auto node = here.start_node("node-a", 1);
  auto o = here.client_options();
  o.worker_init = [] { ++runs; };
  pp::client first(o);
  ASSERT_TRUE(has_nodes(first, 1));
  const auto one = first.submit(see, 0).get();
  o.worker_init = [] { ++runs_of_second; };
  pp::client second(o);
  ASSERT_TRUE(has_nodes(second, 1));
  EXPECT_EQ(second.submit(see_second).get(), 1);
  EXPECT_EQ(second.submit(see, 0).get(), one);
}

INSTANTIATE_TEST_SUITE_P(Where, WorkerInit, ::testing::Bool(),
                         [](const auto& p) { return p.param ? "Node" : "Local"; });

}  // namespace
}  // namespace pp::test
